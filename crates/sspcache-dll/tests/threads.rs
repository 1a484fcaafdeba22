//! One SSP's C ABI from many threads at once. `cargo xtask test threads` runs this under the thread sanitizer.
//!
//! With the variable `SSPCACHE_TEST_STRESS` it lasts so many seconds, with 32 threads.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    env, ptr, thread,
    time::{Duration, Instant},
};

use windows_sys::Win32::{
    Foundation::{SEC_E_INVALID_HANDLE, SEC_E_NO_CREDENTIALS, SEC_E_OK},
    Security::{Authentication::Identity::SECPKG_CRED_OUTBOUND, Credentials::SecHandle},
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_UNICODE, SEC_WINNT_AUTH_IDENTITY_W},
};

mod ssp {
    sspcache_dll::link_ssp!("MSNSSPC.dll");
}

/// Signs in as a user, or silently.
fn acquire(user: Option<&str>) -> Result<SecHandle, i32> {
    let wide = |text: &str| text.encode_utf16().collect::<Vec<u16>>();
    let (package, user, password) = (wide("MSN\0"), user.map(wide), wide("correct horse"));
    let length = |text: &[u16]| u32::try_from(text.len()).unwrap();
    let identity = user.as_ref().map(|user| SEC_WINNT_AUTH_IDENTITY_W {
        User: user.as_ptr().cast_mut(),
        UserLength: length(user),
        Password: password.as_ptr().cast_mut(),
        PasswordLength: length(&password),
        Flags: SEC_WINNT_AUTH_IDENTITY_UNICODE,
        ..Default::default()
    });
    let mut handle = SecHandle::default();
    // SAFETY: the package ends in a null, the identity is one or null, and the handle may be written to.
    let status = unsafe {
        ssp::AcquireCredentialsHandleW(
            ptr::null_mut(),
            package.as_ptr().cast_mut(),
            SECPKG_CRED_OUTBOUND,
            ptr::null_mut(),
            identity.as_ref().map_or(ptr::null(), ptr::from_ref).cast_mut().cast(),
            None,
            ptr::null_mut(),
            &raw mut handle,
            ptr::null_mut(),
        )
    };
    if status == SEC_E_OK { Ok(handle) } else { Err(status) }
}

fn free(handle: &SecHandle) -> i32 {
    // SAFETY: the handle may be read.
    unsafe { ssp::FreeCredentialsHandle(ptr::from_ref(handle).cast_mut()) }
}

/// Whether the SSP says that its cache is empty.
fn flush() -> bool {
    // SAFETY: it takes nothing.
    unsafe { ssp::CleanupCredentialCache() != 0 }
}

/// M3, M6, S5: whatever the others do, a sign-in with a password succeeds, a silent one finds a credential or none,
/// each handle is freed once, and after the last flush no user is signed in.
#[test]
fn many_threads_sign_in_and_flush_one_ssp() {
    let seconds = env::var("SSPCACHE_TEST_STRESS").ok();
    let seconds: Option<u64> = seconds.map(|text| text.parse().expect("a number of seconds"));
    let start = Instant::now();
    let goes_on = |round: &usize| match seconds {
        Some(seconds) => start.elapsed() < Duration::from_secs(seconds),
        None => *round < 60,
    };
    thread::scope(|scope| {
        for number in 0..if seconds.is_some() { 32 } else { 8 } {
            scope.spawn(move || {
                for round in (0..).take_while(goes_on) {
                    let explicit = acquire(Some(&format!("user{}", (number + round) % 5))).unwrap();
                    let silent = acquire(None);
                    if round % 4 == number % 4 {
                        assert!(flush());
                    }
                    match silent {
                        Ok(handle) => assert_eq!(free(&handle), SEC_E_OK),
                        Err(status) => assert_eq!(status, SEC_E_NO_CREDENTIALS),
                    }
                    assert_eq!(free(&explicit), SEC_E_OK);
                    assert_eq!(free(&explicit), SEC_E_INVALID_HANDLE);
                }
            });
        }
    });
    let last = acquire(Some("last")).unwrap();
    assert!(flush());
    assert_eq!(acquire(None).err(), Some(SEC_E_NO_CREDENTIALS));
    assert_eq!(free(&last), SEC_E_OK);
}
