//! The forms of explicit identities that `AcquireCredentialsHandle` takes: `SEC_WINNT_AUTH_IDENTITY`, `_EX`, `_EX2`.

use std::{ffi::c_void, ptr};

use sspcache_engine::{
    EventKind,
    journal::{self, Journal},
};
use sspcache_tests::{
    context::{Terms, configured},
    dll::{Ansi, Ask, Form, Identity, Mock, Sspi, Wide, in_own_process, succeed},
    identity::{AuthData, CERT, Ex2, Guid, KEYTAB, PASSWORD, Parts, ex, packed, password_data, utf16},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_LOGON_DENIED, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_UNKNOWN_CREDENTIALS, SEC_I_CONTINUE_NEEDED,
    },
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EXW as Ex, SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_DOMAIN as NULL_DOMAIN,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_NULL_USER as NULL_USER,
        SEC_WINNT_AUTH_IDENTITY_FLAGS_PROCESS_ENCRYPTED as ENCRYPTED,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI as ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE as UNICODE},
};

fn acquire<F: Form>(sspi: &Sspi<'_, F>, auth_data: *const c_void) -> i32 {
    sspi.acquire(Ask { auth_data, ..Ask::default() }).0
}

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
        let extended = ex::<u16>(&identity.data, &mut []);
        assert_eq!(acquire(&sspi, (&raw const extended).cast()), SEC_E_OK);
        // ANSI is UTF-8 on Unix; on Windows, the active code page may lack these letters.
        if cfg!(unix) {
            let identity = Identity::<Ansi>::new("alice", "CONTOSO", secret);
            assert_eq!(acquire(&mock.sspi::<Ansi>(), identity.as_ptr()), SEC_E_OK);
            let extended = ex::<u16>(&identity.data, &mut []);
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
            let extended = ex::<u16>(&identity.data, &mut []);
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

/// P4, S7: what null pointers and empty strings mean. A caller that signs in silently gets alice, the session's user.
#[test]
fn null_parts_and_empty_ones_differ() {
    let config = "[[logon]]\nuser = 'alice'\npassword = 'x'";
    configured("null_parts_and_empty_ones_differ", config, || {
        let (none, empty) = (None, Some(""));
        for (package, of) in [("NTLM", "alice"), ("Negotiate", "alice"), ("MSN", "alice")] {
            for (user, domain, password, expected) in [
                (none, none, none, of),
                (empty, empty, empty, ""),
                (empty, none, none, ""),
                (none, empty, none, ""),
                (Some("bob"), none, none, "bob"),
                (Some("bob"), Some("CONTOSO"), none, r"CONTOSO\bob"),
                (none, Some("CONTOSO"), none, r"CONTOSO\"),
                (none, none, Some("x"), ""),
            ] {
                let text = |part: Option<&str>| part.map(str::to_owned);
                let [user, domain, password] = [text(user), text(domain), text(password)];
                for packages in [none, Some("MSN, NTLM, Kerberos")] {
                    let parts = Parts {
                        user: user.clone(),
                        domain: domain.clone(),
                        password: password.clone(),
                        packages: text(packages),
                        opaque: None,
                    };
                    acquires::<Ansi>(package, &parts, expected);
                    acquires::<Wide>(package, &parts, expected);
                }
            }
        }
        // In one block: nothing at no place is null, as it is with the flags that say so.
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let mut ex2 = Ex2::new("", "", &[], "");
        let name = |ex2: &Ex2| {
            let ask = Ask { package: Some("NTLM"), auth_data: ex2.as_ptr(), ..Ask::default() };
            sspi.names(&sspi.handle(ask).unwrap()).unwrap()
        };
        assert_eq!(name(&ex2), "", "empty");
        for field in [Ex2::USER, Ex2::DOMAIN, Ex2::PACKED, Ex2::PACKAGES] {
            ex2.put32(field, 0);
        }
        assert_eq!(name(&ex2), "alice");
        let mut ex2 = Ex2::new("", "", &[], "");
        ex2.put32(Ex2::FLAGS, (NULL_USER | NULL_DOMAIN) as usize);
        assert_eq!(name(&ex2), "alice");
    });
}

/// A mock of its own gives a handle with this name.
fn acquires<F: Form>(package: &str, parts: &Parts, expected: &str) {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<F>();
    let data = AuthData::<F>::new(parts);
    let ask = Ask { package: Some(package), auth_data: data.as_ptr(), ..Ask::default() };
    let handle = sspi.handle(ask).unwrap_or_else(|status| panic!("{package}, {parts:?}: {status:#x}"));
    assert_eq!(sspi.names(&handle).unwrap(), expected, "{package}, {parts:?}");
}

/// S7, M2: a null password beside a user is a blank one, and cached too.
#[test]
fn a_blank_password_is_cached_and_nobody_is_not() {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let parts = Parts { user: Some("alice".to_owned()), ..Parts::default() };
    assert_eq!(acquire(&sspi, AuthData::<Wide>::new(&parts).as_ptr()), SEC_E_OK);
    assert!(sspi.silent().is_ok());
    assert!(mock.flush());
    let nobody = Parts { user: Some(String::new()), ..Parts::default() };
    assert_eq!(acquire(&sspi, AuthData::<Wide>::new(&nobody).as_ptr()), SEC_E_OK);
    assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS, "nobody is not cached");
}

/// P6, S7: packed credentials as the Python package sspilib lays them out on Linux, where it takes a `ULONG` for 64 bits.
#[cfg(target_endian = "little")]
#[test]
fn packed_credentials_with_numbers_of_64_bits_are_taken() {
    let config = "[[account]]\nuser = 'web'\ndomain = 'CONTOSO'\nkeytab = 'S0VZVEFC'";
    configured("packed_credentials_with_numbers_of_64_bits_are_taken", config, || {
        let mock = Mock::own("MSNSSPC");
        let (sspi, contexts) = (mock.sspi::<Wide>(), mock.contexts::<Wide>());
        let long = |credential_type: Guid, data: &[u8]| {
            let short = packed(credential_type, data);
            let length = u16::try_from(48 + data.len()).unwrap();
            [
                &48u16.to_ne_bytes()[..],
                &length.to_ne_bytes(),
                &[0; 4],
                &short[4..8],
                &[0; 4],
                &short[8..20],
                &[0; 4],
                &48u64.to_ne_bytes(),
                &u16::try_from(data.len()).unwrap().to_ne_bytes(),
                &[0; 6],
                data,
            ]
            .concat()
        };
        let handle = |ex2: &Ex2| {
            sspi.handle(Ask { package: Some("Negotiate"), auth_data: ex2.as_ptr(), ..Ask::default() })
        };
        for (data, signs_in) in [(&b"KEYTAB"[..], true), (b"another", false)] {
            let ex2 = Ex2::new("web", "CONTOSO", &long(KEYTAB, data), "");
            let web = handle(&ex2).unwrap();
            let shaken = contexts.shake_as(
                &web,
                &contexts.server("Negotiate"),
                &Terms { target: Some("HTTP/web"), ..Terms::default() },
                &Terms::default(),
            );
            assert_eq!(shaken.err(), (!signs_in).then_some(("server", SEC_E_LOGON_DENIED)));
        }
        let good = long(KEYTAB, b"KEYTAB");
        for at in [2, 8, 12, 32, 36, 40] {
            let mut spoilt = good.clone();
            spoilt[at] ^= 0x80;
            let ex2 = Ex2::new("web", "CONTOSO", &spoilt, "");
            assert_eq!(handle(&ex2).unwrap_err(), SEC_E_UNKNOWN_CREDENTIALS, "byte {at}");
        }
    });
}

/// P5, S7: the list says which packages Negotiate may choose. That it leaves none shows in the first step of a context.
#[test]
fn a_package_list_restricts_negotiate() {
    let mock = Mock::own("MSNSSPC");
    let (sspi, contexts) = (mock.sspi::<Wide>(), mock.contexts::<Wide>());
    for (list, allowed) in [
        ("", true),
        ("Kerberos", true),
        ("kerberos, ntlm", true),
        ("!NTLM", true),
        ("-NTLM", true),
        ("!ntlm,!Kerberos", false),
        ("-ntlm,-Kerberos", true),
        ("Schannel", false),
        ("Kerberos,!Kerberos", false),
    ] {
        let identity = Identity::<Wide>::new("alice", "CONTOSO", "x");
        let mut packages: Vec<u16> = list.encode_utf16().collect();
        let extended = ex(&identity.data, &mut packages);
        let ex2 = Ex2::new("alice", "CONTOSO", &packed(PASSWORD, &utf16("x")), list);
        let expected = if allowed { SEC_I_CONTINUE_NEEDED } else { SEC_E_NO_CREDENTIALS };
        for auth_data in [(&raw const extended).cast(), ex2.as_ptr()] {
            let ask = Ask { package: Some("Negotiate"), auth_data, ..Ask::default() };
            let handle = sspi.handle(ask).unwrap();
            let first = contexts.initialize(
                Some(&handle),
                None,
                None,
                &Terms { target: Some("HTTP/www.contoso.com"), ..Terms::default() },
            );
            assert_eq!(first.status, expected, "{list:?}");
        }
    }
}

/// S5
#[test]
fn an_extended_identity_with_a_wrong_length_or_offset_is_refused() {
    type Spoil<T> = fn(&mut T);
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let identity = Identity::<Wide>::new("alice", "CONTOSO", "x");
    let good = ex::<u16>(&identity.data, &mut []);
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
