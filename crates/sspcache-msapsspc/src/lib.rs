//! The mock SSP as MSAPSSPC.dll, with the package `DPA`.
#![allow(non_snake_case, reason = "the file name that the world knows")]
#![allow(unsafe_code, reason = "exports a C ABI: see sspcache-dll")]

sspcache_dll::export_ssp!("MSAPSSPC.dll");
