//! Identities and packed credentials at the C ABI: lengths and offsets that don't fit are refused and nothing behind the
//! identity is read; what is taken is the same after every way that it can go.
#![no_main]

use std::{ffi::c_void, ptr};

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use sspcache_tests::{
    auth_identity::Family,
    dll::{Ask, Handle, Mock, Plain, Wide},
    identity::ex,
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BUFFER_TOO_SMALL, SEC_E_INVALID_PARAMETER, SEC_E_NO_CREDENTIALS, SEC_E_OK,
        SEC_E_UNKNOWN_CREDENTIALS,
    },
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS, SEC_WINNT_AUTH_IDENTITY_EX2 as Ex2,
        SEC_WINNT_AUTH_IDENTITY_EXW as Ex, SECPKG_CRED_OUTBOUND,
    },
};

const CONFIG: &str = "[[package]]\nname = 'NTLM'\n\n[[package]]\nname = 'Negotiate'\n";

/// Where the length of an `_EX2` lies.
const LENGTH: usize = std::mem::offset_of!(Ex2, cbStructureLength);

thread_local! {
    static MOCK: &'static Mock = sspcache_fuzz::mock(CONFIG);
}

fuzz_target!(|input: &[u8]| -> Corpus {
    MOCK.with(|mock| {
        let target = Target { mock, family: Family::of(mock) };
        let mut input = Unstructured::new(input);
        let mut tried = Ok(());
        match input.int_in_range(0..=3).unwrap_or(0) {
            0 => target.block(input.take_rest()),
            1 => target.unmarshal(input.take_rest()),
            2 => tried = target.plain(&mut input),
            _ => tried = target.extended(&mut input),
        }
        assert!(mock.flush());
        if tried.is_ok() { Corpus::Keep } else { Corpus::Reject }
    })
});

struct Target<'m> {
    mock: &'m Mock,
    family: Family,
}

impl Target<'_> {
    /// An `_EX2` in memory that ends where it says, or earlier than it must.
    fn block(&self, bytes: &[u8]) {
        // A pointer comes without a length: a caller who overstates it lies about the caller's own memory.
        let mut words = vec![0_u32; bytes.len().max(size_of::<Ex2>()).div_ceil(4)];
        // SAFETY: every byte of a number may be written to.
        let block =
            unsafe { std::slice::from_raw_parts_mut(words.as_mut_ptr().cast::<u8>(), words.len() * 4) };
        block[..bytes.len()].copy_from_slice(bytes);
        block[..4].copy_from_slice(&0x201_u32.to_ne_bytes());
        let told = u32::from_ne_bytes(block[LENGTH..LENGTH + 4].try_into().expect("four bytes"));
        let most = u32::try_from(block.len()).expect("a short block");
        block[LENGTH..LENGTH + 4].copy_from_slice(&told.min(most).to_ne_bytes());
        self.try_all(words.as_mut_ptr().cast());
    }

    /// Bytes that pretend to be an identity, with a length of their own.
    fn unmarshal(&self, bytes: &[u8]) {
        match self.family.unmarshal(bytes) {
            Ok(identity) => {
                self.try_all(identity);
                self.family.free(identity);
            }
            Err(status) => {
                assert!(matches!(status, SEC_E_INVALID_PARAMETER | SEC_E_UNKNOWN_CREDENTIALS), "{status:#x}");
            }
        }
    }

    /// Strings with lengths, in either encoding, of which some are null pointers.
    fn plain(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let mut strings = Strings::of(input)?;
        let plain = strings.plain(input)?;
        self.try_all((&raw const plain).cast_mut().cast());
        Ok(())
    }

    /// The same with a version, a length and a list of packages.
    fn extended(&self, input: &mut Unstructured<'_>) -> Result<()> {
        let mut strings = Strings::of(input)?;
        let plain = strings.plain(input)?;
        let whole = u32::try_from(size_of::<Ex>()).expect("a short structure");
        let [.., packages] = &mut strings.0;
        let extended = Ex {
            Length: if input.ratio(1, 8)? { input.int_in_range(0..=2 * whole)? } else { whole },
            PackageListLength: packages.length(plain.Flags, input)?,
            PackageList: packages.address(),
            ..ex::<u8>(&plain, &mut [])
        };
        self.try_all((&raw const extended).cast_mut().cast());
        Ok(())
    }

    /// Gives an identity to every function that takes one.
    fn try_all(&self, identity: *mut c_void) {
        let family = &self.family;
        let valid = family.validate(identity);
        let copy = family.copy(identity);
        // Whether what is encrypted is whole shows when it is decrypted.
        let sound = valid == SEC_E_OK || family.is_encrypted(identity);
        assert_eq!(copy.is_ok(), sound, "{copy:?} {valid:#x}");
        for package in ["NTLM", "Negotiate"] {
            let status = self.sign_in(package, identity);
            let known = matches!(
                status,
                SEC_E_OK | SEC_E_NO_CREDENTIALS | SEC_E_UNKNOWN_CREDENTIALS | SEC_E_INVALID_PARAMETER
            );
            assert!(known, "{status:#x}");
            assert!(valid == SEC_E_OK || status != SEC_E_OK, "what is no identity signs in");
        }
        let _ = (family.marshal(identity), family.strings(identity));
        if let Ok(copy) = copy {
            self.try_copy(identity, copy);
            family.free(copy);
        }
        if let Ok(without) = family.exclude(identity, "Kerberos") {
            assert_eq!(family.validate(without), SEC_E_OK);
            family.free(without);
        }
        // In place, and so last: it may be the caller's own memory that is overwritten.
        let status = family.encrypt(SAME_PROCESS, identity);
        let known = matches!(
            status,
            SEC_E_OK | SEC_E_BUFFER_TOO_SMALL | SEC_E_UNKNOWN_CREDENTIALS | SEC_E_INVALID_PARAMETER
        );
        assert!(known || valid != SEC_E_OK, "{status:#x}");
        if status == SEC_E_OK && valid == SEC_E_OK {
            assert_eq!(family.decrypt(SAME_PROCESS, identity), SEC_E_OK);
            assert_eq!(family.validate(identity), SEC_E_OK);
        }
        family.zero(identity);
    }

    /// A copy is the same identity, and is so after every way that it can go.
    fn try_copy(&self, identity: *const c_void, copy: *mut c_void) {
        let family = &self.family;
        if family.is_encrypted(copy) {
            return;
        }
        let same = family.compare(identity, copy);
        assert_eq!(same, Ok((true, true)), "a copy is another identity");
        let before = family.strings(copy);
        let signs_in = self.sign_in("NTLM", copy);
        assert_eq!(signs_in, self.sign_in("NTLM", identity));
        if family.encrypt(SAME_PROCESS, copy) == SEC_E_OK {
            assert!(family.is_encrypted(copy));
            assert_eq!(self.sign_in("NTLM", copy), signs_in, "an encrypted identity signs in otherwise");
            assert_eq!(family.decrypt(SAME_PROCESS, copy), SEC_E_OK);
        }
        assert_eq!(family.strings(copy), before);
        let bytes = family.marshal(copy).expect("a copy can be packed");
        let again = family.unmarshal(&bytes).expect("what was packed can be read");
        assert_eq!(family.compare(copy, again), Ok((true, true)));
        family.free(again);
    }

    /// The status of a sign-in; a handle is given back.
    fn sign_in(&self, package: &'static str, auth_data: *const c_void) -> i32 {
        let sspi = self.mock.sspi::<Wide>();
        let ask =
            Ask { principal: None, package: Some(package), credential_use: SECPKG_CRED_OUTBOUND, auth_data };
        let (status, handle, _): (i32, Handle, i64) = sspi.acquire(ask);
        if status == SEC_E_OK {
            assert_eq!(sspi.free(&raw const handle), SEC_E_OK);
        }
        status
    }
}

/// User, domain, password, packages.
struct Strings([Text; 4]);

/// Units or bytes, in memory that ends where they do; no memory for a null pointer.
struct Text(Option<Box<[u16]>>);

impl Strings {
    fn of(input: &mut Unstructured<'_>) -> Result<Self> {
        let mut text = || {
            if input.ratio(1, 8)? {
                return Ok(Text(None));
            }
            let length = input.int_in_range(0..=24)?;
            let units = (0..length).map(|_| input.arbitrary()).collect::<Result<Vec<u16>>>()?;
            Ok(Text(Some(units.into_boxed_slice())))
        };
        Ok(Self([text()?, text()?, text()?, text()?]))
    }

    fn plain(&mut self, input: &mut Unstructured<'_>) -> Result<Plain> {
        // ANSI or Unicode, now and then anything.
        let flags = if input.ratio(1, 8)? { input.arbitrary()? } else { input.int_in_range(0..=2)? };
        let [user, domain, password, _] = &mut self.0;
        Ok(Plain {
            UserLength: user.length(flags, input)?,
            User: user.address(),
            DomainLength: domain.length(flags, input)?,
            Domain: domain.address(),
            PasswordLength: password.length(flags, input)?,
            Password: password.address(),
            Flags: flags,
        })
    }
}

impl Text {
    fn address(&mut self) -> *mut u16 {
        self.0.as_mut().map_or(ptr::null_mut(), |units| units.as_mut_ptr())
    }

    /// As many bytes or units as are there, or a length that no string has, or one at a null pointer.
    fn length(&self, flags: u32, input: &mut Unstructured<'_>) -> Result<u32> {
        let Some(units) = &self.0 else {
            return if input.ratio(1, 4)? { input.arbitrary() } else { Ok(0) };
        };
        if input.ratio(1, 16)? {
            return input.int_in_range(0x1_0001..=u32::MAX);
        }
        let length = if flags & 1 == 0 { units.len() } else { size_of_val(&**units) };
        Ok(u32::try_from(length).expect("a short string"))
    }
}
