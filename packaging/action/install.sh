#!/usr/bin/env bash
# The steps of action.yml, which a test runs as well.
#
#   install.sh choose     Finds the archive for this runner and its digest. Needs RELEASES, the address below which the files of
#                         each release lie, and GITHUB_OUTPUT; INPUT_VERSION may name a version, RUNNER_TOOL_CACHE a folder.
#   install.sh download   Downloads ARCHIVE, checks it by DIGEST, and unpacks it into FOLDER.
set -euo pipefail

fail() {
    # Not on standard output, which callers read.
    echo "::error::sspcache: $*" >&2
    exit 1
}

fetch() {
    curl --fail --silent --show-error --location --retry 3 "$1" || fail "can't download $1"
}

digest() {
    if command -v sha256sum >/dev/null; then sha256sum "$1"; else shasum -a 256 "$1"; fi | cut -d ' ' -f 1
}

# The target of the archives for this runner.
target() {
    local machine
    case "${RUNNER_ARCH:-$(uname -m)}" in
        X64 | x86_64) machine=x86_64 ;;
        ARM64 | aarch64 | arm64) machine=aarch64 ;;
        X86) machine=i686 ;;
        *) fail "there is no release for processors of the kind ${RUNNER_ARCH:-$(uname -m)}" ;;
    esac
    case "${RUNNER_OS:-$(uname -s)}" in
        Linux)
            # musl's ldd names it, and fails.
            if { ldd --version 2>&1 || true; } | grep -q musl; then
                echo "$machine-unknown-linux-musl"
            else
                echo "$machine-unknown-linux-gnu"
            fi
            ;;
        macOS | Darwin) echo "$machine-apple-darwin" ;;
        Windows) echo "$machine-pc-windows-gnullvm" ;;
        *) fail "there is no release for ${RUNNER_OS:-$(uname -s)}" ;;
    esac
}

choose() {
    local version target ending name sums digest
    # Without one, the version of the checkout that this script lies in.
    version=${INPUT_VERSION#v}
    [ -n "$version" ] || version=$(sed -n '/^\[workspace.package\]/,/^$/ s/^version = "\(.*\)"/\1/p' "$(dirname "$0")/../../Cargo.toml")
    target=$(target)
    case $target in *-windows-*) ending=zip ;; *) ending=tar.gz ;; esac
    name=sspcache-$version-$target.$ending
    sums=$(fetch "$RELEASES/v$version/SHA256SUMS")
    digest=$(echo "$sums" | sed -n "s/^\([0-9a-f]\{64\}\) [ *]$name\$/\1/p")
    [ -n "$digest" ] || fail "release $version has no $name"
    {
        echo "version=$version"
        echo "archive=$RELEASES/v$version/$name"
        echo "digest=$digest"
        echo "folder=${RUNNER_TOOL_CACHE:-$HOME/.cache}/sspcache/$version/$target"
    } >>"$GITHUB_OUTPUT"
}

download() {
    local work
    work=$(mktemp -d)
    # shellcheck disable=SC2064
    trap "rm -rf '$work'" EXIT
    fetch "$ARCHIVE" >"$work/archive"
    [ "$(digest "$work/archive")" = "$DIGEST" ] || fail "$ARCHIVE has another digest than SHA256SUMS says"
    mkdir "$work/unpacked"
    case $ARCHIVE in
        *.zip) unzip -q "$work/archive" -d "$work/unpacked" ;;
        *) tar -xzf "$work/archive" -C "$work/unpacked" ;;
    esac
    mkdir -p "$(dirname "$FOLDER")"
    rm -rf "$FOLDER"
    mv "$work"/unpacked/* "$FOLDER"
}

case ${1-} in
    choose | download) "$1" ;;
    *) fail "install.sh choose, or install.sh download" ;;
esac
