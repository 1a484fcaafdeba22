//! Identities in every documented form, as programs lay them out: `SEC_WINNT_AUTH_IDENTITY`, `_EX` and `_EX2`.

use std::{ffi::c_void, ptr};

use windows_sys::Win32::Security::Authentication::Identity::{
    SEC_WINNT_AUTH_IDENTITY_EX2, SEC_WINNT_AUTH_IDENTITY_EXW as Ex,
};

use crate::dll::{Form, Identity, Plain};

/// An `_EX` identity around a plain one. The A and the W form differ in the strings' types alone.
pub fn ex<U>(plain: &Plain, packages: &mut [U]) -> Ex {
    Ex {
        Version: 0x200,
        Length: u32::try_from(size_of::<Ex>()).expect("short"),
        User: plain.User,
        UserLength: plain.UserLength,
        Domain: plain.Domain,
        DomainLength: plain.DomainLength,
        Password: plain.Password,
        PasswordLength: plain.PasswordLength,
        Flags: plain.Flags,
        PackageList: packages.as_mut_ptr().cast(),
        PackageListLength: u32::try_from(packages.len()).expect("short"),
    }
}

/// An `_EX2` identity: one block of memory, which ends where the identity does.
#[derive(Clone, Debug)]
pub struct Ex2(pub Vec<u8>);

impl Ex2 {
    pub const HEADER: usize = size_of::<SEC_WINNT_AUTH_IDENTITY_EX2>();
    // Where the header's fields lie.
    pub const HEADER_LENGTH: usize = 4;
    pub const LENGTH: usize = 8;
    pub const USER: usize = 12;
    pub const DOMAIN: usize = 20;
    pub const PACKED: usize = 28;
    pub const FLAGS: usize = 36;
    pub const PACKAGES: usize = 40;

    pub fn new(user: &str, domain: &str, packed: &[u8], packages: &str) -> Self {
        let mut ex2 = Self(vec![0; Self::HEADER]);
        ex2.put32(0, 0x201).put16(Self::HEADER_LENGTH, Self::HEADER);
        for (field, bytes) in [
            (Self::USER, utf16(user)),
            (Self::DOMAIN, utf16(domain)),
            (Self::PACKED, packed.to_vec()),
            (Self::PACKAGES, utf16(packages)),
        ] {
            let offset = ex2.0.len();
            ex2.put32(field, offset).put16(field + 4, bytes.len());
            ex2.0.extend(bytes);
        }
        let length = ex2.0.len();
        ex2.put32(Self::LENGTH, length);
        ex2
    }

    pub fn put16(&mut self, at: usize, number: usize) -> &mut Self {
        self.0[at..at + 2].copy_from_slice(&u16::try_from(number).expect("16 bits").to_ne_bytes());
        self
    }

    pub fn put32(&mut self, at: usize, number: usize) -> &mut Self {
        self.0[at..at + 4].copy_from_slice(&u32::try_from(number).expect("32 bits").to_ne_bytes());
        self
    }

    pub fn get32(&self, at: usize) -> usize {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().expect("four bytes")) as usize
    }

    /// Where a field of the packed credentials lies.
    pub fn packed(&self, at: usize) -> usize {
        self.get32(Self::PACKED) + at
    }

    pub fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }
}

pub fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_ne_bytes).collect()
}

/// A type of packed credentials, as sspi.h writes it.
pub type Guid = (u32, u16, u16, [u8; 8]);

pub const PASSWORD: Guid = (0x28bf_c32f, 0x10f6, 0x4738, [0x98, 0xd1, 0x1a, 0xc0, 0x61, 0xdf, 0x71, 0x6a]);
pub const KEYTAB: Guid = (0xd587_aae8, 0xf78f, 0x4455, [0xa1, 0x12, 0xc9, 0x34, 0xbe, 0xee, 0x7c, 0xe1]);
pub const CERT: Guid = (0x235f_69ad, 0x73fb, 0x4dbc, [0x82, 0x03, 0x06, 0x29, 0xe7, 0x39, 0x33, 0x9b]);

/// `SEC_WINNT_AUTH_PACKED_CREDENTIALS`
pub fn packed(credential_type: Guid, data: &[u8]) -> Vec<u8> {
    let (a, b, c, d) = credential_type;
    let length = 28 + u16::try_from(data.len()).expect("short");
    [
        &28u16.to_ne_bytes()[..],
        &length.to_ne_bytes(),
        &a.to_ne_bytes(),
        &b.to_ne_bytes(),
        &c.to_ne_bytes(),
        &d,
        &28u32.to_ne_bytes(),
        &(length - 28).to_ne_bytes(),
        &[0; 2],
        data,
    ]
    .concat()
}

/// `SEC_WINNT_AUTH_DATA_PASSWORD` with its password.
pub fn password_data(password: &str) -> Vec<u8> {
    let bytes = utf16(password);
    let length = u16::try_from(bytes.len()).expect("short");
    [&8u32.to_ne_bytes()[..], &length.to_ne_bytes(), &[0; 2], &bytes].concat()
}

/// What a program signs in with; a part that is `None` is a null pointer.
#[derive(Clone, Debug, Default)]
pub struct Parts {
    pub user: Option<String>,
    pub domain: Option<String>,
    pub password: Option<String>,
    pub packages: Option<String>,
    /// A keytab or certificate, in the place of the password.
    pub opaque: Option<(Guid, Vec<u8>)>,
}

/// An identity in the form that its parts need, with everything that it points to.
#[allow(missing_debug_implementations, reason = "pointers and their memory")]
pub struct AuthData<F: Form> {
    identity: Identity<F>,
    packages: Vec<F::Unit>,
    ex: Option<Box<Ex>>,
    ex2: Option<Ex2>,
}

impl<F: Form> AuthData<F> {
    pub fn new(parts: &Parts) -> Self {
        let [user, domain, password, packages] =
            [&parts.user, &parts.domain, &parts.password, &parts.packages]
                .map(|part| part.as_deref().unwrap_or_default());
        let mut identity = Identity::new(user, domain, password);
        if parts.user.is_none() {
            identity.data.User = ptr::null_mut();
        }
        if parts.domain.is_none() {
            identity.data.Domain = ptr::null_mut();
        }
        if parts.password.is_none() {
            identity.data.Password = ptr::null_mut();
        }
        let mut data = Self { identity, packages: F::units(packages), ex: None, ex2: None };
        if let Some((guid, bytes)) = &parts.opaque {
            data.ex2 = Some(Ex2::new(user, domain, &packed(*guid, bytes), packages));
        } else if parts.packages.is_some() {
            data.ex = Some(Box::new(ex(&data.identity.data, &mut data.packages)));
        }
        data
    }

    pub fn as_ptr(&self) -> *const c_void {
        match (&self.ex2, &self.ex) {
            (Some(ex2), _) => ex2.as_ptr(),
            (None, Some(ex)) => (&raw const **ex).cast(),
            (None, None) => self.identity.as_ptr(),
        }
    }
}
