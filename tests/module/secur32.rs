//! A program that only knows secur32.dll, and has never heard of an SSP's DLL, signs in through the mock once that is
//! registered as a security provider.
#![cfg(windows)]
#![allow(unsafe_code, reason = "calls secur32 and the registry")]

use std::{env, ptr, slice};

use sspcache_tests::dll::{self, Form as _, Identity, Wide, in_own_process, succeed};
use windows_sys::{
    Win32::{
        Foundation::{ERROR_SUCCESS, SEC_E_NO_CREDENTIALS, SEC_E_OK},
        Security::{
            Authentication::Identity::{
                AcquireCredentialsHandleW, EnumerateSecurityPackagesW, FreeContextBuffer,
                FreeCredentialsHandle, QueryCredentialsAttributesW, SECPKG_CRED_ATTR_NAMES,
                SECPKG_CRED_OUTBOUND, SecPkgInfoW,
            },
            Credentials::SecHandle,
        },
        System::{
            LibraryLoader::{GetModuleHandleW, GetProcAddress},
            Registry::{
                HKEY, HKEY_LOCAL_MACHINE, KEY_QUERY_VALUE, KEY_SET_VALUE, REG_SZ, RRF_RT_REG_SZ, RegCloseKey,
                RegCreateKeyExW, RegDeleteValueW, RegGetValueW, RegSetValueExW,
            },
        },
    },
    core::w,
};

use crate::providers;

/// S8: secur32 hands the mock its own lower word back, and puts one of its own into the upper.
#[test]
fn a_client_of_secur32_signs_in_through_the_registered_mock() {
    if !is_wine() {
        // On Windows the list is the whole machine's, and read when it starts.
        eprintln!("left out: only in a Wine prefix can this test register a security provider");
        return;
    }
    let (folder, _) = dll::shipped("MSNSSPC");
    let mut path = folder.path().as_os_str().to_owned();
    path.push(";");
    path.push(env::var_os("PATH").unwrap_or_default());
    let test = "a_client_of_secur32_signs_in_through_the_registered_mock";
    let Some(command) = in_own_process(test, &[("PATH", &path)], sign_in_and_out) else { return };
    let _changing = providers::changing();
    let _registered = Registered::new("MSNSSPC.dll");
    succeed(command);
}

fn is_wine() -> bool {
    // SAFETY: both names end in a null, and ntdll is always there.
    unsafe { GetProcAddress(GetModuleHandleW(w!("ntdll.dll")), c"wine_get_version".as_ptr().cast()) }
        .is_some()
}

/// What a program does that is linked to secur32.
fn sign_in_and_out() {
    let identity = Identity::<Wide>::new("alice", "CONTOSO", "correct horse");
    assert!(packages().contains(&"MSN".to_owned()), "{:?}", packages());
    let first = acquire(identity.as_ptr()).unwrap();
    let silent = acquire(ptr::null()).unwrap();
    assert_eq!(names(&silent), r"CONTOSO\alice");
    // The documented way to sign out, which goes past secur32.
    // SAFETY: both names end in a null; the export has the type that its page gives.
    let flushed = unsafe {
        let module = GetModuleHandleW(w!("MSNSSPC.dll"));
        assert!(!module.is_null(), "secur32 has loaded the mock");
        let cleanup = GetProcAddress(module, c"CleanupCredentialCache".as_ptr().cast()).unwrap();
        std::mem::transmute::<unsafe extern "system" fn() -> isize, extern "system" fn() -> i32>(cleanup)()
    };
    assert_eq!(flushed, 1);
    assert_eq!(acquire(ptr::null()).err(), Some(SEC_E_NO_CREDENTIALS));
    for handle in [first, silent] {
        // SAFETY: the handle may be read.
        assert_eq!(unsafe { FreeCredentialsHandle(&raw const handle) }, SEC_E_OK);
    }
}

fn packages() -> Vec<String> {
    let (mut count, mut array) = (0, ptr::null_mut::<SecPkgInfoW>());
    // SAFETY: both may be written to.
    assert_eq!(unsafe { EnumerateSecurityPackagesW(&raw mut count, &raw mut array) }, SEC_E_OK);
    // SAFETY: that many are there, until they are freed.
    let names =
        unsafe { slice::from_raw_parts(array, count as usize) }.iter().map(|info| text(info.Name)).collect();
    // SAFETY: secur32 handed it out, and nothing refers to it any more.
    assert_eq!(unsafe { FreeContextBuffer(array.cast()) }, SEC_E_OK);
    names
}

fn acquire(auth_data: *const core::ffi::c_void) -> Result<SecHandle, i32> {
    let package = Wide::terminated("MSN");
    let (mut handle, mut expiry) = (SecHandle::default(), 0);
    // SAFETY: the package ends in a null, and the results may be written to.
    let status = unsafe {
        AcquireCredentialsHandleW(
            ptr::null(),
            package.as_ptr(),
            SECPKG_CRED_OUTBOUND,
            ptr::null(),
            auth_data,
            None,
            ptr::null(),
            &raw mut handle,
            &raw mut expiry,
        )
    };
    if status == SEC_E_OK { Ok(handle) } else { Err(status) }
}

fn names(handle: &SecHandle) -> String {
    let mut name: *mut u16 = ptr::null_mut();
    // SAFETY: the handle may be read; for this attribute the buffer is one pointer.
    let status = unsafe {
        QueryCredentialsAttributesW(ptr::from_ref(handle), SECPKG_CRED_ATTR_NAMES, (&raw mut name).cast())
    };
    assert_eq!(status, SEC_E_OK);
    text(name)
}

fn text(units: *const u16) -> String {
    // SAFETY: what secur32 hands out ends in a null.
    let unit = |index| unsafe { *units.add(index) };
    let length = (0..4096).find(|&index| unit(index) == 0).expect("a string ends");
    // SAFETY: that much was read just now.
    String::from_utf16_lossy(unsafe { slice::from_raw_parts(units, length) })
}

/// A security provider in the Wine prefix's list, until it is dropped.
struct Registered {
    key: HKEY,
    /// What the list was, with its terminating null; empty when there was none.
    before: Vec<u16>,
}

const VALUE: *const u16 = w!("SecurityProviders");

impl Registered {
    fn new(dll: &str) -> Self {
        let mut key = ptr::null_mut();
        // SAFETY: the path ends in a null, and the key may be written to.
        let status = unsafe {
            RegCreateKeyExW(
                HKEY_LOCAL_MACHINE,
                w!(r"SYSTEM\CurrentControlSet\Control\SecurityProviders"),
                0,
                ptr::null(),
                0,
                KEY_QUERY_VALUE | KEY_SET_VALUE,
                ptr::null(),
                &raw mut key,
                ptr::null_mut(),
            )
        };
        assert_eq!(status, ERROR_SUCCESS);
        let mut before = vec![0u16; 4096];
        let mut size = u32::try_from(size_of_val(before.as_slice())).unwrap();
        // SAFETY: the buffer has this size.
        let status = unsafe {
            RegGetValueW(
                key,
                ptr::null(),
                VALUE,
                RRF_RT_REG_SZ,
                ptr::null_mut(),
                before.as_mut_ptr().cast(),
                &raw mut size,
            )
        };
        before.truncate(if status == ERROR_SUCCESS { size as usize / 2 } else { 0 });
        let registered = Self { key, before };
        registered.set(&Wide::terminated(dll));
        registered
    }

    fn set(&self, list: &[u16]) {
        let size = u32::try_from(size_of_val(list)).unwrap();
        // SAFETY: the key is open, and the list has this size.
        let status = unsafe { RegSetValueExW(self.key, VALUE, 0, REG_SZ, list.as_ptr().cast(), size) };
        assert_eq!(status, ERROR_SUCCESS);
    }
}

impl Drop for Registered {
    fn drop(&mut self) {
        if self.before.is_empty() {
            // SAFETY: the key is open.
            unsafe { RegDeleteValueW(self.key, VALUE) };
        } else {
            self.set(&self.before);
        }
        // SAFETY: the key is open, and not used again.
        unsafe { RegCloseKey(self.key) };
    }
}
