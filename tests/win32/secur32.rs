//! Windows' own secur32.dll in the C library of the loader: a module without a file, whose functions are the library's own.
#![cfg(unix)]
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    ffi::{CStr, CString, c_void},
    fs,
    os::unix::fs::symlink,
    ptr,
};

use sspcache_tests::stage::Stage;
use sspcache_win32::*;
use windows_sys::Win32::{
    Foundation::{ERROR_MOD_NOT_FOUND, ERROR_PROC_NOT_FOUND},
    System::LibraryLoader::{LOAD_LIBRARY_SEARCH_APPLICATION_DIR, LOAD_LIBRARY_SEARCH_SYSTEM32},
};

fn load(name: &CStr, flags: u32) -> *mut c_void {
    // SAFETY: the name ends in a null.
    unsafe { sspcache_LoadLibraryExA(name.as_ptr(), ptr::null_mut(), flags) }
}

fn find(name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a null.
    unsafe { sspcache_GetModuleHandleA(name.as_ptr()) }
}

fn export(module: *mut c_void, name: &CStr) -> *mut c_void {
    // SAFETY: the name ends in a null.
    unsafe { sspcache_GetProcAddress(module, name.as_ptr()) }
}

fn path(module: *mut c_void) -> String {
    let mut buffer = [0; 512];
    // SAFETY: the buffer has this size.
    unsafe { sspcache_GetModuleFileNameA(module, buffer.as_mut_ptr(), 512) };
    // SAFETY: what was written ends in a null.
    unsafe { CStr::from_ptr(buffer.as_ptr()) }.to_str().unwrap().to_owned()
}

/// L3, L8, L12: as programs load it, by name, from the system's folder alone, and by its path.
#[test]
fn secur32_is_a_module_of_the_system_with_the_functions_of_the_library() {
    for (name, flags) in [
        (c"secur32.dll", 0),
        (c"SECUR32", 0),
        (c"secur32.dll", LOAD_LIBRARY_SEARCH_SYSTEM32),
        (c"C:\\Windows\\System32\\secur32.dll", 0),
        (c"SspiCli.dll", 0),
        (c"security.dll", LOAD_LIBRARY_SEARCH_SYSTEM32),
    ] {
        assert!(find(name).is_null(), "{name:?} is not loaded yet");
        let module = load(name, flags);
        assert!(!module.is_null() && find(name) == module, "{name:?}");
        assert!(path(module).starts_with(r"C:\Windows\System32\"), "{}", path(module));
        for (name, function) in [
            (c"AcquireCredentialsHandleW", sspcache_AcquireCredentialsHandleW as *mut c_void),
            (c"InitSecurityInterfaceA", sspcache_InitSecurityInterfaceA as *mut c_void),
            (c"SspiFreeAuthIdentity", sspcache_SspiFreeAuthIdentity as *mut c_void),
        ] {
            assert_eq!(export(module, name), function, "{name:?}");
        }
        // An SSP's, not secur32's.
        assert!(export(module, c"CleanupCredentialCache").is_null());
        assert_eq!(sspcache_GetLastError(), ERROR_PROC_NOT_FOUND);
        assert_eq!(sspcache_FreeLibrary(module), 1);
        assert!(find(name).is_null(), "{name:?} is unloaded");
    }
    assert!(load(c"secur32.dll", LOAD_LIBRARY_SEARCH_APPLICATION_DIR).is_null());
    assert_eq!(sspcache_GetLastError(), ERROR_MOD_NOT_FOUND);
}

/// L12: links for loaders that mind case give no second module.
#[test]
fn a_link_that_differs_in_case_alone_is_the_file_that_it_names() {
    let stage = Stage::new();
    let folder = stage.path("links");
    fs::create_dir(&folder).unwrap();
    let file = fs::canonicalize(stage.path("MSAPSSPC.dll")).unwrap();
    for name in ["msapsspc.dll", "other.dll"] {
        symlink(&file, folder.join(name)).unwrap();
    }
    let named = |name: &str| CString::new(folder.join(name).to_str().unwrap()).unwrap();
    let link = load(&named("msapsspc.dll"), 0);
    assert_eq!(path(link), file.to_str().unwrap());
    assert_eq!(load(&CString::new(file.to_str().unwrap()).unwrap(), 0), link);
    let other = load(&named("other.dll"), 0);
    assert!(path(other).ends_with("/links/other.dll"), "a name of its own is a module of its own");
    for module in [link, link, other] {
        assert_eq!(sspcache_FreeLibrary(module), 1);
    }
}
