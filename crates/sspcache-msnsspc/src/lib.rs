//! The mock SSP as MSNSSPC.dll, with the package `MSN`.
#![allow(non_snake_case, reason = "the file name that the world knows")]
#![allow(unsafe_code, reason = "exports a C ABI: see sspcache-dll")]

sspcache_dll::export_ssp!("MSNSSPC.dll");
