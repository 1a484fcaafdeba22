#!/bin/sh
# Zig as the linker of rustc, and as the C compiler of build scripts, for a `…-windows-gnullvm` target: `cargo xtask dist` sets the variables.
#
# rustc calls its linker by path, with no room for arguments before its own, and a few of those are not Zig's.
for argument; do
    shift
    case $argument in
        # Zig brings the C runtime, and has no libraries of these names.
        -lmsvcrt | -lmingw32 | -lmingwex) continue ;;
        # Rust's name for the target, which Zig doesn't know: the crate `cc` passes it.
        --target=*) continue ;;
        # An archive that a crate brings, which ring needs on ARM; where rustc asks for DLLs, Zig looks for no archive.
        -lwindows.*)
            set -- "$@" -Wl,-Bstatic "$argument" -Wl,-Bdynamic
            continue
            ;;
        # The list of exports is a source to Zig, no option.
        -Wl,*.def) argument=${argument#-Wl,} ;;
    esac
    set -- "$@" "$argument"
done
# Optimized links carry a hash in place of the time, and so come out the same every time.
exec "$SSPCACHE_ZIG" cc -Os -target "$SSPCACHE_ZIG_TARGET" "$@"
