//! The forms of explicit identities that `AcquireCredentialsHandle` takes: `SEC_WINNT_AUTH_IDENTITY`, `_EX`, `_EX2`.

use std::{ffi::c_void, fs, ptr};

use sspcache_engine::{
    EventKind,
    journal::{self, Journal},
};
use sspcache_tests::dll::{Ansi, Ask, Form, Identity, Mock, Plain, Sspi, Wide, in_own_process, succeed};
use windows_sys::Win32::{
    Foundation::{SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_UNKNOWN_CREDENTIALS},
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EX2, SEC_WINNT_AUTH_IDENTITY_EXW as Ex,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED as ENCRYPTED,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI as ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE as UNICODE},
};

fn acquire<F: Form>(sspi: &Sspi<'_, F>, auth_data: *const c_void) -> i32 {
    sspi.acquire(Ask { auth_data, ..Ask::default() }).0
}

/// An `_EX` identity around a plain one.
fn ex(plain: &Plain, packages: &mut [u16]) -> Ex {
    Ex {
        Version: 0x200,
        Length: u32::try_from(size_of::<Ex>()).unwrap(),
        User: plain.User,
        UserLength: plain.UserLength,
        Domain: plain.Domain,
        DomainLength: plain.DomainLength,
        Password: plain.Password,
        PasswordLength: plain.PasswordLength,
        Flags: plain.Flags,
        PackageList: packages.as_mut_ptr(),
        PackageListLength: u32::try_from(packages.len()).unwrap(),
    }
}

/// An `_EX2` identity: one block of memory, which ends where the identity does.
#[derive(Clone)]
struct Ex2(Vec<u8>);

impl Ex2 {
    const HEADER: usize = size_of::<SEC_WINNT_AUTH_IDENTITY_EX2>();
    // Where the header's fields lie.
    const HEADER_LENGTH: usize = 4;
    const LENGTH: usize = 8;
    const USER: usize = 12;
    const DOMAIN: usize = 20;
    const PACKED: usize = 28;
    const FLAGS: usize = 36;
    const PACKAGES: usize = 40;

    fn new(user: &str, domain: &str, packed: &[u8], packages: &str) -> Self {
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

    fn put16(&mut self, at: usize, number: usize) -> &mut Self {
        self.0[at..at + 2].copy_from_slice(&u16::try_from(number).unwrap().to_ne_bytes());
        self
    }

    fn put32(&mut self, at: usize, number: usize) -> &mut Self {
        self.0[at..at + 4].copy_from_slice(&u32::try_from(number).unwrap().to_ne_bytes());
        self
    }

    fn get32(&self, at: usize) -> usize {
        u32::from_ne_bytes(self.0[at..at + 4].try_into().unwrap()) as usize
    }

    /// Where a field of the packed credentials lies.
    fn packed(&self, at: usize) -> usize {
        self.get32(Self::PACKED) + at
    }

    fn as_ptr(&self) -> *const c_void {
        self.0.as_ptr().cast()
    }
}

fn utf16(text: &str) -> Vec<u8> {
    text.encode_utf16().flat_map(u16::to_ne_bytes).collect()
}

/// `SEC_WINNT_AUTH_PACKED_CREDENTIALS`, with a type as sspi.h writes it.
fn packed(credential_type: (u32, u16, u16, [u8; 8]), data: &[u8]) -> Vec<u8> {
    let (a, b, c, d) = credential_type;
    let length = 28 + u16::try_from(data.len()).unwrap();
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
fn password_data(password: &str) -> Vec<u8> {
    let bytes = utf16(password);
    let length = u16::try_from(bytes.len()).unwrap();
    [&8u32.to_ne_bytes()[..], &length.to_ne_bytes(), &[0; 2], &bytes].concat()
}

const PASSWORD: (u32, u16, u16, [u8; 8]) =
    (0x28bf_c32f, 0x10f6, 0x4738, [0x98, 0xd1, 0x1a, 0xc0, 0x61, 0xdf, 0x71, 0x6a]);
const KEYTAB: (u32, u16, u16, [u8; 8]) =
    (0xd587_aae8, 0xf78f, 0x4455, [0xa1, 0x12, 0xc9, 0x34, 0xbe, 0xee, 0x7c, 0xe1]);
const CERT: (u32, u16, u16, [u8; 8]) =
    (0x235f_69ad, 0x73fb, 0x4dbc, [0x82, 0x03, 0x06, 0x29, 0xe7, 0x39, 0x33, 0x9b]);

/// S7: the cache tells whether two forms brought the same secret to the same principal: then it is refreshed, else replaced.
#[test]
fn every_documented_form_brings_the_same_principal_and_the_same_secret() {
    let folder = tempfile::tempdir().unwrap();
    let secret = "p\u{e4}ss \u{1f511}";
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let plain = |identity: &Identity<Wide>| assert_eq!(acquire(&sspi, identity.as_ptr()), SEC_E_OK);
        plain(&Identity::new("alice", "CONTOSO", secret));
        plain(&Identity::new(r"CONTOSO\alice", "", secret));
        plain(&Identity::new("alice@CONTOSO", "", secret));
        // Neither ANSI nor Unicode: that is Unicode.
        let mut identity = Identity::<Wide>::new("alice", "CONTOSO", secret);
        identity.data.Flags = 0;
        plain(&identity);
        let extended = ex(&identity.data, &mut []);
        assert_eq!(acquire(&sspi, (&raw const extended).cast()), SEC_E_OK);
        // ANSI is UTF-8 on Unix; on Windows, the active code page may lack these letters.
        if cfg!(unix) {
            let identity = Identity::<Ansi>::new("alice", "CONTOSO", secret);
            assert_eq!(acquire(&mock.sspi::<Ansi>(), identity.as_ptr()), SEC_E_OK);
            let extended = ex(&identity.data, &mut []);
            assert_eq!(acquire(&mock.sspi::<Wide>(), (&raw const extended).cast()), SEC_E_OK);
        }
        for data in [password_data(secret), utf16(secret)] {
            let ex2 = Ex2::new("alice", "CONTOSO", &packed(PASSWORD, &data), "");
            assert_eq!(acquire(&sspi, ex2.as_ptr()), SEC_E_OK);
        }
        // The same bytes, but another kind of secret.
        for kind in [KEYTAB, KEYTAB, CERT, CERT] {
            let ex2 = Ex2::new("alice@CONTOSO", "", &packed(kind, &utf16(secret)), "");
            assert_eq!(acquire(&sspi, ex2.as_ptr()), SEC_E_OK);
        }
        assert_eq!(sspi.names(&sspi.silent().unwrap()).unwrap(), r"CONTOSO\alice");
        mock.unload();
    };
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let test = "every_documented_form_brings_the_same_principal_and_the_same_secret";
    let Some(command) = in_own_process(test, &environment, body) else { return };
    succeed(command);
    let journal = Journal::read(&journal::find(folder.path()).unwrap()[0]).unwrap();
    let what_became_of_the_cache: Vec<_> = journal
        .events
        .iter()
        .filter_map(|event| match event.kind {
            EventKind::Cached { .. } => Some("cached"),
            EventKind::Refreshed { .. } => Some("refreshed"),
            EventKind::Replaced { .. } => Some("replaced"),
            _ => None,
        })
        .collect();
    let same = if cfg!(unix) { 8 } else { 6 };
    let kinds = ["replaced", "cached", "refreshed", "replaced", "cached", "refreshed"];
    let expected: Vec<_> =
        ["cached"].into_iter().chain(std::iter::repeat_n("refreshed", same)).chain(kinds).collect();
    assert_eq!(what_became_of_the_cache, expected);
}

/// S7: half of each name, as bytes, would be another name.
#[test]
fn utf_16_with_the_ansi_flag_is_no_identity() {
    let mock = Mock::own("MSNSSPC");
    for (user, domain, password) in [
        ("alice", "CONTOSO", "correct horse"),
        ("alice", "", ""),
        ("", "CONTOSO", ""),
        ("", "", "correct horse"),
        ("al", "", "pw"),
    ] {
        let mut identity = Identity::<Wide>::new(user, domain, password);
        for (flags, status) in [(ANSI, SEC_E_UNKNOWN_CREDENTIALS), (UNICODE, SEC_E_OK)] {
            identity.data.Flags = flags;
            assert_eq!(acquire(&mock.sspi::<Wide>(), identity.as_ptr()), status, "{user} {domain}");
            let extended = ex(&identity.data, &mut []);
            let status_of_ex = acquire(&mock.sspi::<Ansi>(), (&raw const extended).cast());
            assert_eq!(status_of_ex, status, "{user} {domain}");
        }
    }
}

/// S7
#[test]
fn names_of_every_kind_are_kept_as_they_are() {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    for (user, domain, shown) in [
        ("alice", "", "alice"),
        ("\u{1d49c}lice\u{1f511}", "\u{1f3e2}", "\u{1f3e2}\\\u{1d49c}lice\u{1f511}"),
        ("a@b", "CONTOSO", r"CONTOSO\a@b"),
        ("a@b@contoso.com", "", r"contoso.com\a@b"),
        ("", "CONTOSO", "CONTOSO\\"),
        ("al ice.", "CON-TOSO.", r"CON-TOSO.\al ice."),
    ] {
        let handle = sspi.sign_in(user, domain, "x").unwrap();
        assert_eq!(sspi.names(&handle).unwrap(), shown);
    }
    // Half of a surrogate pair is no text, but a name may hold one.
    let half = Identity::<Wide>::of_units([vec![0xD83D, 0x61], Vec::new(), vec![0xDE00]]);
    assert_eq!(acquire(&sspi, half.as_ptr()), SEC_E_OK);
}

/// S7
#[test]
fn null_parts_are_empty_ones_and_all_empty_is_anonymous() {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let mut identity = Identity::<Wide>::new("alice", "", "");
    (identity.data.Domain, identity.data.Password) = (ptr::null_mut(), ptr::null_mut());
    let alice = sspi.handle(Ask { auth_data: identity.as_ptr(), ..Ask::default() }).unwrap();
    assert_eq!(sspi.names(&alice).unwrap(), "alice");
    assert!(sspi.silent().is_ok(), "a blank password is cached too");
    assert!(mock.flush());
    (identity.data.User, identity.data.UserLength) = (ptr::null_mut(), 0);
    let extended = ex(&identity.data, &mut []);
    let empty = Ex2::new("", "", &[], "");
    for data in [identity.as_ptr(), (&raw const extended).cast(), empty.as_ptr()] {
        let handle = sspi.handle(Ask { auth_data: data, ..Ask::default() }).unwrap();
        assert_eq!(sspi.names(&handle).unwrap(), "");
        assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS, "nobody is not cached");
    }
}

/// S7
#[test]
fn a_package_list_restricts_negotiate() {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mock.toml");
    fs::write(
        &config,
        ["Negotiate", "Kerberos", "NTLM"].map(|name| format!("[[package]]\nname = {name:?}\n")).concat(),
    )
    .unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        for (list, allowed) in [
            ("", true),
            ("Kerberos", true),
            ("kerberos, ntlm", true),
            ("!NTLM", true),
            ("!ntlm,!Kerberos", false),
            ("Schannel", false),
            ("Kerberos,!Kerberos", false),
        ] {
            let identity = Identity::<Wide>::new("alice", "CONTOSO", "x");
            let mut packages: Vec<u16> = list.encode_utf16().collect();
            let extended = ex(&identity.data, &mut packages);
            let ex2 = Ex2::new("alice", "CONTOSO", &packed(PASSWORD, &utf16("x")), list);
            let expected = if allowed { SEC_E_OK } else { SEC_E_NO_CREDENTIALS };
            for auth_data in [(&raw const extended).cast(), ex2.as_ptr()] {
                let ask = Ask { package: Some("Negotiate"), auth_data, ..Ask::default() };
                assert_eq!(sspi.acquire(ask).0, expected, "{list:?}");
            }
        }
    };
    let environment = [("SSPCACHE_CONFIG", config.as_os_str())];
    if let Some(command) = in_own_process("a_package_list_restricts_negotiate", &environment, body) {
        succeed(command);
    }
}

/// S5
#[test]
fn an_extended_identity_with_a_wrong_length_or_offset_is_refused() {
    type Spoil<T> = fn(&mut T);
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let identity = Identity::<Wide>::new("alice", "CONTOSO", "x");
    let good = ex(&identity.data, &mut []);
    let spoil_ex: [(&str, Spoil<Ex>); 4] = [
        ("no length", |ex| ex.Length = 0),
        ("a length without the package list", |ex| ex.Length -= 1),
        ("a package list without text", |ex| (ex.PackageList, ex.PackageListLength) = (ptr::null_mut(), 1)),
        ("encrypted", |ex| ex.Flags |= ENCRYPTED),
    ];
    for (what, spoil) in spoil_ex {
        let mut ex = good;
        spoil(&mut ex);
        assert_eq!(acquire(&sspi, (&raw const ex).cast()), SEC_E_UNKNOWN_CREDENTIALS, "EX: {what}");
    }
    assert_eq!(acquire(&sspi, (&raw const good).cast()), SEC_E_OK);

    let good = Ex2::new("alice", "CONTOSO", &packed(PASSWORD, &password_data("x")), "Kerberos,MSN");
    let spoil_ex2: &[(&str, Spoil<Ex2>)] = &[
        ("a short header", |it| _ = it.put16(Ex2::HEADER_LENGTH, Ex2::HEADER - 1)),
        ("a header longer than all", |it| _ = it.put16(Ex2::HEADER_LENGTH, it.0.len() + 1)),
        ("a length within the header", |it| _ = it.put32(Ex2::LENGTH, Ex2::HEADER - 1)),
        ("a length that nothing needs", |it| _ = it.put32(Ex2::LENGTH, 0x1000_0000)),
        ("a length without the end", |it| _ = it.put32(Ex2::LENGTH, it.0.len() - 2)),
        ("a user past the end", |it| _ = it.put32(Ex2::USER, it.0.len())),
        ("a user at the highest offset", |it| _ = it.put32(Ex2::USER, u32::MAX as usize)),
        ("a user in the header", |it| _ = it.put32(Ex2::USER, 0)),
        ("half a character", |it| _ = it.put16(Ex2::USER + 4, 9)),
        ("a domain past the end", |it| _ = it.put16(Ex2::DOMAIN + 4, 0xFFFE)),
        ("a package list past the end", |it| _ = it.put16(Ex2::PACKAGES + 4, 0xFFFE)),
        ("encrypted", |it| _ = it.put32(Ex2::FLAGS, ENCRYPTED as usize)),
        ("packed credentials past the end", |it| _ = it.put16(Ex2::PACKED + 4, 0xFFFE)),
        ("packed credentials cut short", |it| _ = it.put16(Ex2::PACKED + 4, 27)),
        ("a packed header that is short", |it| _ = it.put16(it.packed(0), 27)),
        ("a packed length within its header", |it| _ = it.put16(it.packed(2), 27)),
        ("a packed length past its end", |it| _ = it.put16(it.packed(2), 0xFFFF)),
        ("an unknown type", |it| _ = it.put32(it.packed(4), 0)),
        ("data past the end", |it| _ = it.put32(it.packed(20), 0xFFFF_FFFF)),
        ("data that begins in the header", |it| _ = it.put32(it.packed(20), 27)),
        ("a password past the data's end", |it| _ = it.put16(it.packed(28 + 4), 0xFFFE)),
        ("a password that begins in its header", |it| _ = it.put32(it.packed(28), 7)),
        ("half a character of a password", |it| _ = it.put16(it.packed(28 + 4), 1)),
    ];
    for (what, spoil) in spoil_ex2 {
        let mut ex2 = good.clone();
        spoil(&mut ex2);
        assert_eq!(acquire(&sspi, ex2.as_ptr()), SEC_E_UNKNOWN_CREDENTIALS, "EX2: {what}");
    }
    assert_eq!(acquire(&sspi, good.as_ptr()), SEC_E_OK);
}
