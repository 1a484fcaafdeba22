//! The SSPI functions of the C library of the loader: which SSP they ask.
#![cfg(unix)]
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    ffi::{CStr, CString},
    fs, ptr, slice,
};

use sspcache_tests::{
    dll::{in_own_process, succeed},
    stage::Stage,
};
use sspcache_win32::*;
use windows_sys::Win32::{
    Foundation::{
        SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_SECPKG_NOT_FOUND,
    },
    Security::{
        Authentication::Identity::{
            SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_OUTBOUND, SecPkgCredentials_NamesA, SecPkgInfoA,
        },
        Credentials::SecHandle,
    },
    System::Rpc::SEC_WINNT_AUTH_IDENTITY_A,
};

/// AcquireCredentialsHandle, with a password or without.
fn acquire(package: &CStr, password: Option<&CStr>) -> (i32, SecHandle) {
    let (user, domain) = (c"alice", c"CONTOSO");
    let length = |text: &CStr| u32::try_from(text.to_bytes().len()).unwrap();
    let text = |text: &CStr| text.as_ptr().cast_mut().cast();
    let mut identity = password.map(|password| SEC_WINNT_AUTH_IDENTITY_A {
        User: text(user),
        UserLength: length(user),
        Domain: text(domain),
        DomainLength: length(domain),
        Password: text(password),
        PasswordLength: length(password),
        Flags: 1,
    });
    let identity = identity.as_mut().map_or(ptr::null_mut(), ptr::from_mut);
    let mut handle = SecHandle { dwLower: 7, dwUpper: 7 };
    // SAFETY: texts end in a null, and the identity and the handle are there.
    let status = unsafe {
        sspcache_AcquireCredentialsHandleA(
            ptr::null_mut(),
            package.as_ptr().cast_mut().cast(),
            SECPKG_CRED_OUTBOUND,
            ptr::null_mut(),
            identity.cast(),
            None,
            ptr::null_mut(),
            &raw mut handle,
            ptr::null_mut(),
        )
    };
    (status, handle)
}

/// QueryCredentialsAttributes: whom a handle stands for.
fn name(handle: &SecHandle) -> Result<String, i32> {
    let mut names = SecPkgCredentials_NamesA { sUserName: ptr::null_mut() };
    let handle = ptr::from_ref(handle).cast_mut();
    // SAFETY: the handle and the structure are there.
    let status = unsafe {
        sspcache_QueryCredentialsAttributesA(handle, SECPKG_CRED_ATTR_NAMES, (&raw mut names).cast())
    };
    if status != SEC_E_OK {
        return Err(status);
    }
    // SAFETY: on success it is a text that ends in a null.
    let name = unsafe { CStr::from_ptr(names.sUserName.cast()) }.to_str().unwrap().to_owned();
    assert_eq!(free(names.sUserName.cast()), SEC_E_OK, "whoever handed it out frees it");
    Ok(name)
}

fn free(buffer: *mut std::ffi::c_void) -> i32 {
    // SAFETY: it isn't used any more; what was freed is refused.
    unsafe { sspcache_FreeContextBuffer(buffer) }
}

/// EnumerateSecurityPackages: the names, and what freeing the list comes to, twice.
fn packages() -> Result<(Vec<String>, [i32; 2]), i32> {
    let (mut count, mut packages): (u32, *mut SecPkgInfoA) = (0, ptr::null_mut());
    // SAFETY: both places may be written to.
    let status = unsafe { sspcache_EnumerateSecurityPackagesA(&raw mut count, &raw mut packages) };
    if status != SEC_E_OK {
        return Err(status);
    }
    // SAFETY: on success there are so many.
    let infos = unsafe { slice::from_raw_parts(packages, count as usize) };
    let names = infos.iter().map(|info| {
        assert!(info.cbMaxToken > 0);
        // SAFETY: texts end in a null.
        let [name, comment] =
            [info.Name, info.Comment].map(|text| unsafe { CStr::from_ptr(text.cast()) }.to_str().unwrap());
        assert!(!comment.is_empty(), "{name}");
        name.to_owned()
    });
    Ok((names.collect(), [free(packages.cast()), free(packages.cast())]))
}

/// The cleanup of a module that is loaded.
fn clean(module: &CStr) {
    // SAFETY: names end in a null, and the export is such a function.
    unsafe {
        let module = sspcache_GetModuleHandleA(module.as_ptr());
        let cleanup = sspcache_GetProcAddress(module, c"CleanupCredentialCache".as_ptr());
        assert!(!cleanup.is_null(), "an SSP that was asked stays loaded");
        let cleanup = std::mem::transmute::<*mut std::ffi::c_void, extern "system" fn() -> i32>(cleanup);
        assert_eq!(cleanup(), 1);
    }
}

/// C1, S2, S6, S7, L12: an SSP is sought until it is there; a package is asked of the SSP that has it, and a handle of the one that
/// made it.
#[test]
fn calls_go_to_the_ssp_that_has_the_package_or_made_the_handle() {
    // The folder that it sets is the process's.
    let test = "calls_go_to_the_ssp_that_has_the_package_or_made_the_handle";
    if let Some(command) = in_own_process(test, &[], find_packages_and_pass_calls) {
        succeed(command);
    }
}

fn find_packages_and_pass_calls() {
    assert!(sspcache_InitSecurityInterfaceA().is_null() && sspcache_InitSecurityInterfaceW().is_null());
    assert_eq!(acquire(c"MSN", Some(c"correct horse")).0, SEC_E_SECPKG_NOT_FOUND);
    assert_eq!(packages(), Err(SEC_E_SECPKG_NOT_FOUND));

    let stage = Stage::new();
    let folder = CString::new(stage.path("").to_str().unwrap()).unwrap();
    // SAFETY: the name ends in a null.
    assert_eq!(unsafe { sspcache_SetDllDirectoryA(folder.as_ptr()) }, 1);
    let (names, freed) = packages().unwrap();
    assert!(names.iter().any(|name| name == "MSN") && names.iter().any(|name| name == "DPA"), "{names:?}");
    assert_eq!(freed, [SEC_E_OK, SEC_E_INVALID_HANDLE]);
    // SAFETY: a null pointer is answered by a status.
    let nowhere = unsafe { sspcache_EnumerateSecurityPackagesW(ptr::null_mut(), ptr::null_mut()) };
    assert_eq!(nowhere, SEC_E_INVALID_PARAMETER);
    // SAFETY: the tables are there as long as the library.
    let (ansi, wide) = unsafe { (&*sspcache_InitSecurityInterfaceA(), &*sspcache_InitSecurityInterfaceW()) };
    assert!(wide.dwVersion >= 4 && ansi.dwVersion == wide.dwVersion);
    assert!(
        ansi.AcquireCredentialsHandleA
            .is_some_and(|it| { it as *const () == sspcache_AcquireCredentialsHandleA as *const () })
    );
    assert!(
        wide.ImportSecurityContextW
            .is_some_and(|it| { it as *const () == sspcache_ImportSecurityContextW as *const () })
    );

    let [msn, msap] = [c"MSN", c"DPA"].map(|package| {
        let (status, handle) = acquire(package, Some(c"correct horse"));
        assert_eq!(status, SEC_E_OK, "{package:?}");
        assert_eq!(name(&handle).as_deref(), Ok(r"CONTOSO\alice"));
        handle
    });
    assert_ne!(msn.dwUpper, msap.dwUpper, "each is marked");
    let (status, untouched) = acquire(c"Digest", Some(c"correct horse"));
    assert_eq!((status, untouched.dwLower, untouched.dwUpper), (SEC_E_SECPKG_NOT_FOUND, 7, 7));
    for forged in [0, 3, usize::MAX] {
        assert_eq!(name(&SecHandle { dwUpper: forged, ..msn }), Err(SEC_E_INVALID_HANDLE), "{forged}");
    }
    // SAFETY: a null pointer is answered by a status.
    assert_eq!(unsafe { sspcache_DeleteSecurityContext(ptr::null_mut()) }, SEC_E_INVALID_HANDLE);

    clean(c"MSNSSPC.dll");
    assert_eq!(acquire(c"MSN", None).0, SEC_E_NO_CREDENTIALS, "flushed");
    assert_eq!(acquire(c"DPA", None).0, SEC_E_OK, "the other's cache stays as it is");
    clean(c"MSAPSSPC.dll");
    assert_eq!(acquire(c"DPA", None).0, SEC_E_NO_CREDENTIALS);
    for handle in [msn, msap] {
        let mut handle = handle;
        // SAFETY: the handle is there, and given back once; then it is refused.
        let freed = unsafe {
            [sspcache_FreeCredentialsHandle(&raw mut handle), sspcache_FreeCredentialsHandle(&raw mut handle)]
        };
        assert_eq!(freed, [SEC_E_OK, SEC_E_INVALID_HANDLE]);
    }
}

/// S1, S6: a package that both SSPs offer is listed once, and asked of the SSP whose own it is, whatever its name's case.
#[test]
fn a_package_that_both_ssps_offer_belongs_to_the_one_that_was_made_for_it() {
    let test = "a_package_that_both_ssps_offer_belongs_to_the_one_that_was_made_for_it";
    let stage = Stage::new();
    let config = stage.path("both.toml");
    fs::write(&config, "[[package]]\nname = 'MSN'\n[[package]]\nname = 'DPA'\n[[package]]\nname = 'NTLM'\n")
        .unwrap();
    let mocks = stage.path("");
    let environment = [
        ("SSPCACHE_CONFIG", config.as_os_str()),
        ("LD_LIBRARY_PATH", mocks.as_os_str()),
        ("DYLD_LIBRARY_PATH", mocks.as_os_str()),
    ];
    let body = || {
        let mut names = packages().unwrap().0;
        names.sort();
        names.dedup();
        assert_eq!(names.len(), packages().unwrap().0.len(), "each once");
        for (package, own) in [(c"MSN", c"MSNSSPC.dll"), (c"dpa", c"MSAPSSPC.dll")] {
            assert_eq!(acquire(package, Some(c"correct horse")).0, SEC_E_OK, "{package:?}");
            assert_eq!(acquire(package, None).0, SEC_E_OK, "{package:?}");
            clean(own);
            assert_eq!(acquire(package, None).0, SEC_E_NO_CREDENTIALS, "{package:?}");
        }
    };
    if let Some(command) = in_own_process(test, &environment, body) {
        succeed(command);
    }
}
