//! The program `sspcache`. Its code is in the library beside this file, so that fuzz targets can call it.

use std::process::ExitCode;

fn main() -> ExitCode {
    sspcache_cli::main()
}
