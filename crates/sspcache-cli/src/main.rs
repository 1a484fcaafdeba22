//! The program `sspcache`: all of it is in the library beside this file, so that fuzz targets reach it too.

use std::process::ExitCode;

fn main() -> ExitCode {
    sspcache_cli::main()
}
