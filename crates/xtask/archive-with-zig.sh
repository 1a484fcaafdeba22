#!/bin/sh
# Zig as MSVC's archiver, for build scripts: `cargo xtask test cross` sets the variable.
exec "$SSPCACHE_ZIG" lib "$@"
