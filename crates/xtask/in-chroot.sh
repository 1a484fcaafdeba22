#!/bin/sh
# Runs a command for which `wine`, `wineserver` and `ntlm_auth` are those of another Debian, which lies in a folder.
#
# Arguments: the folder, and the command. It needs root, and is to be started in a mount namespace of its own (`unshare --mount`): what it
# mounts ends with that. Everything else of the command stays this system's.
set -eu
root=$1
shift
# With the temporary folder, since `exec` makes its prefixes there.
for folder in /proc /sys /dev /tmp "$PWD"; do
    mkdir -p "$root$folder"
    mount --bind "$folder" "$root$folder"
done
# It has the name localhost.
touch "$root/etc/hosts"
mount --bind /etc/hosts "$root/etc/hosts"
programs=$(mktemp -d)
trap 'rm -r "$programs"' EXIT
for program in wine wineserver ntlm_auth; do
    cat >"$programs/$program" <<END
#!/bin/sh
exec chroot '$root' /usr/bin/env --chdir="\$PWD" PATH=/usr/bin:/bin $program "\$@"
END
    chmod +x "$programs/$program"
done
PATH=$programs:$PATH "$@"
