//! The `Sspi…AuthIdentity` functions as a foreign program calls them.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, fs, ptr, slice};

use proptest::{
    prelude::*,
    test_runner::{Config, TestRunner},
};
use windows_sys::Win32::Foundation::SEC_E_OK;

use crate::{
    cases,
    dll::{Mock, in_own_process, succeed},
};

/// An identity that only the SSP looks into.
pub type Opaque = *mut c_void;

/// A string without its null; `None` for a null pointer.
pub type Text = Option<Vec<u16>>;

type Status1 = unsafe extern "system" fn(*const c_void) -> i32;
type Status2 = unsafe extern "system" fn(*const c_void, *mut Opaque) -> i32;
type Nothing = unsafe extern "system" fn(*const c_void);

/// The functions, with their own types. The methods pass on whatever they are given.
pub struct Family {
    encode: unsafe extern "system" fn(*const u16, *const u16, *const u16, *mut Opaque) -> i32,
    strings: unsafe extern "system" fn(*const c_void, *mut *mut u16, *mut *mut u16, *mut *mut u16) -> i32,
    validate: Status1,
    copy: Status2,
    free: Nothing,
    zero: Nothing,
    local_free: Nothing,
    encrypt: unsafe extern "system" fn(u32, *const c_void) -> i32,
    decrypt: unsafe extern "system" fn(u32, *const c_void) -> i32,
    is_encrypted: unsafe extern "system" fn(*const c_void) -> u8,
    compare: unsafe extern "system" fn(*const c_void, *const c_void, *mut u8, *mut u8) -> i32,
    marshal: unsafe extern "system" fn(*const c_void, *mut u32, *mut *mut u8) -> i32,
    unmarshal: unsafe extern "system" fn(u32, *const u8, *mut Opaque) -> i32,
    exclude: unsafe extern "system" fn(*const c_void, *const u16, *mut Opaque) -> i32,
}

impl Family {
    pub fn of(mock: &Mock) -> Self {
        Self {
            encode: mock.expect("SspiEncodeStringsAsAuthIdentity"),
            strings: mock.expect("SspiEncodeAuthIdentityAsStrings"),
            validate: mock.expect("SspiValidateAuthIdentity"),
            copy: mock.expect("SspiCopyAuthIdentity"),
            free: mock.expect("SspiFreeAuthIdentity"),
            zero: mock.expect("SspiZeroAuthIdentity"),
            local_free: mock.expect("SspiLocalFree"),
            encrypt: mock.expect("SspiEncryptAuthIdentityEx"),
            decrypt: mock.expect("SspiDecryptAuthIdentityEx"),
            is_encrypted: mock.expect("SspiIsAuthIdentityEncrypted"),
            compare: mock.expect("SspiCompareAuthIdentities"),
            marshal: mock.expect("SspiMarshalAuthIdentity"),
            unmarshal: mock.expect("SspiUnmarshalAuthIdentity"),
            exclude: mock.expect("SspiExcludePackage"),
        }
    }

    /// `SspiEncodeStringsAsAuthIdentity`, of text.
    pub fn of_strings(&self, user: &str, domain: &str, packed: &str) -> Opaque {
        let text = |text: &str| Some(text.encode_utf16().collect());
        self.encode(&[text(user), text(domain), text(packed)]).expect("strings are an identity")
    }

    /// `SspiEncodeStringsAsAuthIdentity`: of user, domain and packed credentials.
    pub fn encode(&self, strings: &[Text; 3]) -> Result<Opaque, i32> {
        let strings = strings.clone().map(|text| text.map(|units| [units, vec![0]].concat()));
        let [user, domain, packed] =
            strings.each_ref().map(|text| text.as_ref().map_or(ptr::null(), Vec::as_ptr));
        // SAFETY: strings end in a null, and the place may be written to.
        made(|place| unsafe { (self.encode)(user, domain, packed, place) })
    }

    /// `SspiEncodeAuthIdentityAsStrings`; what it hands out is freed.
    pub fn strings(&self, identity: *const c_void) -> Result<[Text; 3], i32> {
        let [mut user, mut domain, mut packed] = [ptr::null_mut(); 3];
        // SAFETY: the identity is one, and the places may be written to.
        let status = unsafe { (self.strings)(identity, &raw mut user, &raw mut domain, &raw mut packed) };
        answer(status, || {
            [user, domain, packed].map(|text| {
                let units = units_at(text);
                self.local_free(text.cast());
                units
            })
        })
    }

    pub fn validate(&self, identity: *const c_void) -> i32 {
        // SAFETY: the identity is one, as far as the caller can tell.
        unsafe { (self.validate)(identity) }
    }

    pub fn copy(&self, identity: *const c_void) -> Result<Opaque, i32> {
        // SAFETY: as above, and the place may be written to.
        made(|place| unsafe { (self.copy)(identity, place) })
    }

    pub fn free(&self, identity: *const c_void) {
        // SAFETY: what the mock didn't hand out, it leaves alone.
        unsafe { (self.free)(identity) }
    }

    pub fn local_free(&self, buffer: *const c_void) {
        // SAFETY: as above.
        unsafe { (self.local_free)(buffer) }
    }

    pub fn zero(&self, identity: *const c_void) {
        // SAFETY: the identity is one that may be written to.
        unsafe { (self.zero)(identity) }
    }

    /// `SspiEncryptAuthIdentityEx`
    pub fn encrypt(&self, options: u32, identity: *const c_void) -> i32 {
        // SAFETY: as above.
        unsafe { (self.encrypt)(options, identity) }
    }

    /// `SspiDecryptAuthIdentityEx`
    pub fn decrypt(&self, options: u32, identity: *const c_void) -> i32 {
        // SAFETY: as above.
        unsafe { (self.decrypt)(options, identity) }
    }

    pub fn is_encrypted(&self, identity: *const c_void) -> bool {
        // SAFETY: the identity is one.
        unsafe { (self.is_encrypted)(identity) != 0 }
    }

    /// Whether they are of the same user, and the same in all.
    pub fn compare(&self, first: *const c_void, second: *const c_void) -> Result<(bool, bool), i32> {
        let (mut user, mut whole) = (7, 7);
        // SAFETY: both are identities, and the places may be written to.
        let status = unsafe { (self.compare)(first, second, &raw mut user, &raw mut whole) };
        answer(status, || (user == 1, whole == 1))
    }

    /// `SspiMarshalAuthIdentity`; what it hands out is freed.
    pub fn marshal(&self, identity: *const c_void) -> Result<Vec<u8>, i32> {
        let (mut length, mut bytes) = (0, ptr::null_mut());
        // SAFETY: the identity is one, and the places may be written to.
        let status = unsafe { (self.marshal)(identity, &raw mut length, &raw mut bytes) };
        answer(status, || {
            // SAFETY: so many bytes are there, until they are freed below.
            let copy = unsafe { slice::from_raw_parts(bytes, length as usize) }.to_vec();
            self.free(bytes.cast());
            copy
        })
    }

    pub fn unmarshal(&self, bytes: &[u8]) -> Result<Opaque, i32> {
        let length = u32::try_from(bytes.len()).expect("few bytes");
        // SAFETY: so many bytes are there, and the place may be written to.
        made(|place| unsafe { (self.unmarshal)(length, bytes.as_ptr(), place) })
    }

    pub fn exclude(&self, identity: *const c_void, package: &str) -> Result<Opaque, i32> {
        let package: Vec<u16> = package.encode_utf16().chain([0]).collect();
        // SAFETY: the identity is one, the name ends in a null, and the place may be written to.
        made(|place| unsafe { (self.exclude)(identity, package.as_ptr(), place) })
    }
}

/// What a function puts into its place, which it leaves alone when it fails.
#[track_caller]
fn made(call: impl FnOnce(*mut Opaque) -> i32) -> Result<Opaque, i32> {
    let untouched: Opaque = ptr::without_provenance_mut(0x5A5A);
    let mut place = untouched;
    let status = call(&raw mut place);
    assert_eq!(status == SEC_E_OK, place != untouched, "{status:#010X}");
    answer(status, || place)
}

fn answer<T>(status: i32, value: impl FnOnce() -> T) -> Result<T, i32> {
    if status == SEC_E_OK { Ok(value()) } else { Err(status) }
}

/// The units of a string that the mock handed out.
pub fn units_at(text: *const u16) -> Text {
    if text.is_null() {
        return None;
    }
    // SAFETY: the mock's strings end in a null, and nothing is read behind it.
    let unit = |index| unsafe { *text.add(index) };
    Some((0..1 << 20).map(unit).take_while(|&unit| unit != 0).collect())
}

pub fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

/// Runs a property. Nothing is written where it failed: the values are printed.
#[track_caller]
pub fn holds<S: Strategy>(strategy: &S, property: impl Fn(S::Value) -> Result<(), TestCaseError>) {
    let config = Config { cases: cases(256), failure_persistence: None, ..Config::default() };
    TestRunner::new(config).run(strategy, property).unwrap_or_else(|error| panic!("{error}"));
}

/// Runs `body` in a process whose mocks have this configuration.
#[track_caller]
pub fn configured(test: &str, config: &str, body: impl FnOnce()) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join("mock.toml");
    fs::write(&file, config).expect("the folder can be written to");
    if let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", file.as_os_str())], body) {
        assert_eq!(succeed(command), "", "nothing is printed");
    }
}
