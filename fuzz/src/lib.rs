//! What the fuzz targets share: the mock SSP, linked in. Its functions are the DLL's, called through the same pointers.

use std::{env, fs};

use sspcache_tests::dll::Mock;

mod ssp {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}

/// The mock with this configuration. To be called once, before anything else is.
///
/// It lives as long as the target, and so do its counts: what an input leaves behind is another input's to find.
///
/// # Panics
/// When the configuration is wrong.
#[must_use]
pub fn mock(config: &str) -> &'static Mock {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("mock.toml");
    fs::write(&file, config).expect("the folder can be written to");
    // SAFETY: no other thread is there yet.
    unsafe {
        env::remove_var("SSPCACHE_JOURNAL");
        env::set_var("SSPCACHE_CONFIG", &file);
    }
    let mock = Mock::linked(ssp::exports());
    assert!(mock.flush(), "the configuration is read by the first call, and valid");
    Box::leak(Box::new(mock))
}
