//! The `Sspi…AuthIdentity` functions of the mock DLLs: identities that a program makes, compares, passes on and gives back.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, ptr, slice};

use proptest::prelude::*;
use sspcache_tests::{
    auth_identity::{Family, Opaque, Text, configured, holds, utf16},
    context::Terms,
    dll::{Ansi, Ask, Form, Identity, Mock, Plain, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_INVALID_HANDLE, SEC_E_INVALID_TOKEN, SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_SECPKG_NOT_FOUND,
        SEC_E_UNKNOWN_CREDENTIALS, SEC_I_CONTINUE_NEEDED, STATUS_INVALID_PARAMETER,
    },
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_LOGON as SAME_LOGON,
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS, SEC_WINNT_AUTH_IDENTITY_EXW as Ex,
        SEC_WINNT_AUTH_IDENTITY_ONLY,
    },
};

/// A string as a program may pass it.
fn text() -> impl Strategy<Value = Text> {
    prop_oneof![
        Just(None),
        prop::collection::vec(1u16.., 0..40).prop_map(Some),
        // What the mock's own encoding begins with.
        "@@sspcache:v1:[0-9a-f]{0,200}".prop_map(|text| Some(utf16(&text))),
    ]
}

/// S7
#[test]
fn strings_make_an_identity_and_come_back_as_they_were() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    holds(&(text(), text(), text()), |(user, domain, packed)| {
        let strings = [user, domain, packed];
        match family.encode(&strings) {
            Ok(identity) => {
                prop_assert_eq!(family.validate(identity), SEC_E_OK);
                prop_assert_eq!(family.strings(identity), Ok(strings));
                family.free(identity);
            }
            Err(status) => {
                prop_assert!(strings.iter().all(Option::is_none));
                prop_assert_eq!(status, SEC_E_INVALID_TOKEN);
            }
        }
        Ok(())
    });
}

/// A caller's own identity with its strings: a plain one, or an `_EX` with a list of packages.
#[derive(Debug)]
struct Own {
    strings: [Vec<u16>; 3],
    packages: Vec<u16>,
    flags: u32,
}

impl Own {
    fn any() -> impl Strategy<Value = Self> {
        let string = || prop::collection::vec(any::<u16>(), 0..20);
        let packages = prop_oneof![Just(""), Just("!NTLM"), Just("Kerberos, NTLM"), Just("MSN,!DPA")];
        let flags = prop_oneof![Just(0), Just(SEC_WINNT_AUTH_IDENTITY_ONLY)];
        ([string(), string(), string()], packages, flags).prop_map(|(strings, packages, flags)| Self {
            strings,
            packages: utf16(packages),
            flags,
        })
    }

    /// Its structure, for as long as it is used.
    fn with<R>(&self, run: impl FnOnce(*const c_void) -> R) -> R {
        let identity = Identity::<Wide>::of_units(self.strings.clone());
        if self.packages.is_empty() {
            let mut plain = identity.data;
            plain.Flags |= self.flags;
            return run((&raw const plain).cast());
        }
        let mut packages = self.packages.clone();
        let Plain { User, UserLength, Domain, DomainLength, Password, PasswordLength, Flags } = identity.data;
        let ex = Ex {
            Version: 0x200,
            Length: u32::try_from(size_of::<Ex>()).unwrap(),
            User,
            UserLength,
            Domain,
            DomainLength,
            Password,
            PasswordLength,
            Flags: Flags | self.flags,
            PackageList: packages.as_mut_ptr(),
            PackageListLength: u32::try_from(packages.len()).unwrap(),
        };
        run((&raw const ex).cast())
    }
}

/// S7
#[test]
fn an_identity_is_the_same_after_every_way_that_it_can_go() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    holds(&Own::any(), |own| {
        let identity = own.with(|identity| family.copy(identity)).unwrap();
        let same = |other: Opaque| own.with(|own| family.compare(own, other));
        prop_assert_eq!(same(identity), Ok((true, true)));
        let bytes = family.marshal(identity).unwrap();
        prop_assert_eq!(meant(&bytes), own.flags);
        let mut ways = vec![family.unmarshal(&bytes), family.copy(identity)];
        // A name with a null in it ends there.
        if own.strings[..2].iter().all(|name| !name.contains(&0)) {
            ways.push(family.encode(&family.strings(identity).unwrap()));
        }
        for way in ways {
            let other = way.unwrap();
            prop_assert_eq!(same(other), Ok((true, true)));
            prop_assert_eq!(meant(&family.marshal(other).unwrap()), own.flags);
            family.free(other);
        }
        for options in [SAME_PROCESS, SAME_LOGON, SAME_PROCESS | SAME_LOGON] {
            prop_assert_eq!(family.encrypt(options, identity), SEC_E_OK);
            prop_assert!(family.is_encrypted(identity));
            prop_assert_eq!(same(identity), Ok((true, true)));
            prop_assert_eq!(family.strings(identity), Err(STATUS_INVALID_PARAMETER));
            let encrypted = family.marshal(identity).unwrap();
            let other = family.unmarshal(&encrypted).unwrap();
            prop_assert_eq!(family.decrypt(options, other), SEC_E_OK);
            prop_assert_eq!(&family.marshal(other).unwrap(), &bytes);
            family.free(other);
        }
        prop_assert_eq!(family.decrypt(SAME_PROCESS | SAME_LOGON, identity), SEC_E_OK);
        prop_assert!(!family.is_encrypted(identity));
        prop_assert_eq!(&family.marshal(identity).unwrap(), &bytes);
        family.free(identity);
        Ok(())
    });
}

/// Of an identity's flags, the one that doesn't tell how it is written.
fn meant(block: &[u8]) -> u32 {
    u32::from_ne_bytes(block[36..40].try_into().unwrap()) & SEC_WINNT_AUTH_IDENTITY_ONLY
}

/// S7
#[test]
fn an_excluded_package_is_left_out_by_negotiate() {
    configured("an_excluded_package_is_left_out_by_negotiate", "", || {
        let mock = Mock::own("MSNSSPC");
        let (family, sspi, contexts) = (Family::of(&mock), mock.sspi::<Wide>(), mock.contexts::<Wide>());
        let begin = |auth_data| {
            let ask = Ask { package: Some("Negotiate"), auth_data, ..Ask::default() };
            contexts
                .initialize(
                    Some(&sspi.handle(ask).unwrap()),
                    None,
                    None,
                    &Terms { target: Some("HTTP/www.contoso.com"), ..Terms::default() },
                )
                .status
        };
        for options in [0, SAME_PROCESS, SAME_LOGON] {
            let all = family.of_strings("alice", "CONTOSO", "x");
            if options != 0 {
                assert_eq!(family.encrypt(options, all), SEC_E_OK);
            }
            let without_ntlm = family.exclude(all, "ntlm").unwrap();
            let again = family.exclude(without_ntlm, "ntlm").unwrap();
            let without_both = family.exclude(again, "Kerberos").unwrap();
            assert_eq!(family.is_encrypted(without_both), options != 0);
            for (identity, status) in [
                (all, SEC_I_CONTINUE_NEEDED),
                (without_ntlm, SEC_I_CONTINUE_NEEDED),
                (again, SEC_I_CONTINUE_NEEDED),
                (without_both, SEC_E_NO_CREDENTIALS),
            ] {
                assert_eq!(begin(identity.cast_const()), status);
                assert_eq!(family.compare(all, identity), Ok((true, identity == all)));
            }
            for identity in [all, without_ntlm, again, without_both] {
                family.free(identity);
            }
        }
        let identity = family.of_strings("alice", "", "x");
        for name in ["", "NTLM,Kerberos", "!NTLM"] {
            assert_eq!(family.exclude(identity, name), Err(SEC_E_SECPKG_NOT_FOUND), "{name:?}");
        }
        family.free(identity);
    });
}

/// P3, P5, S7: a list of packages without anybody is for the session's user; with empty strings it is nobody's.
#[test]
fn a_package_can_be_excluded_from_silent_sign_ins() {
    let config = "[[logon]]\nuser = 'alice'\ndomain = 'CONTOSO'\npassword = 'x'";
    configured("a_package_can_be_excluded_from_silent_sign_ins", config, || {
        let mock = Mock::own("MSNSSPC");
        let (family, sspi, contexts) = (Family::of(&mock), mock.sspi::<Wide>(), mock.contexts::<Wide>());
        let acquire = |package, auth_data| {
            sspi.handle(Ask { package: Some(package), auth_data, ..Ask::default() }).unwrap()
        };
        let whoever = family.exclude(ptr::null(), "NTLM").unwrap();
        let nothing = family.exclude(whoever, "Kerberos").unwrap();
        for (package, identity, goes_on) in [
            ("Negotiate", whoever, true),
            ("Kerberos", whoever, true),
            ("NTLM", whoever, false),
            ("Negotiate", nothing, false),
        ] {
            let handle = acquire(package, identity.cast_const());
            assert_eq!(sspi.names(&handle).unwrap(), r"CONTOSO\alice", "{package}");
            let first = contexts.initialize(
                Some(&handle),
                None,
                None,
                &Terms { target: Some("HTTP/www.contoso.com"), ..Terms::default() },
            );
            assert_eq!(first.status >= 0, goes_on, "{package}");
            assert!(goes_on || first.status == SEC_E_NO_CREDENTIALS, "{:#x}", first.status);
        }
        let nobody = family.exclude(family.of_strings("", "", ""), "NTLM").unwrap();
        assert_eq!(sspi.names(&acquire("Negotiate", nobody.cast_const())).unwrap(), "", "anonymous");
        assert_eq!(family.compare(whoever, nothing), Ok((true, false)));
    });
}

/// S7
#[test]
fn identities_are_compared_as_accounts_and_as_a_whole() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let alice = family.of_strings("alice", "CONTOSO", "x");
    for (user, domain, password, same) in [
        ("alice", "CONTOSO", "x", (true, true)),
        ("ALICE", "contoso", "x", (true, true)),
        (r"contoso\alice", "", "x", (true, true)),
        ("alice", "CONTOSO", "X", (true, false)),
        ("alice", "", "x", (false, false)),
        ("bob", "CONTOSO", "x", (false, false)),
    ] {
        let other = family.of_strings(user, domain, password);
        assert_eq!(family.compare(alice, other), Ok(same), r"{domain}\{user}");
        assert_eq!(family.compare(other, alice), Ok(same), r"{domain}\{user}");
        family.free(other);
    }
    assert_eq!(family.compare(alice, ptr::null()), Ok((false, false)));
    assert_eq!(family.compare(ptr::null(), ptr::null()), Ok((true, true)));
    family.free(alice);
}

/// S5: of any bytes, and of any bytes changed in good ones.
#[test]
fn bytes_that_are_no_identity_are_refused_and_never_crash() {
    let mock = Mock::own("MSNSSPC");
    let (family, sspi) = (Family::of(&mock), mock.sspi::<Wide>());
    let good = {
        let identity = family.of_strings("alice", "CONTOSO", "correct horse");
        let restricted = family.exclude(identity, "NTLM").unwrap();
        let bytes = family.marshal(restricted).unwrap();
        family.free(identity);
        family.free(restricted);
        bytes
    };
    let changes = prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 0..8);
    let cut = any::<prop::sample::Index>();
    let noise = prop::collection::vec(any::<u8>(), 0..200);
    holds(&(changes, cut, noise, any::<bool>()), |(changes, cut, noise, made_up)| {
        let mut bytes = if made_up { noise } else { good.clone() };
        for (at, byte) in changes {
            if !bytes.is_empty() {
                let at = at.index(bytes.len());
                bytes[at] = byte;
            }
        }
        if cut.index(3) == 0 {
            bytes.truncate(cut.index(bytes.len() + 1));
        }
        match family.unmarshal(&bytes) {
            Err(status) => prop_assert_eq!(status, SEC_E_UNKNOWN_CREDENTIALS),
            Ok(identity) => {
                use_as_an_identity(&family, identity);
                sspi.acquire(Ask { auth_data: identity, ..Ask::default() });
                family.free(identity);
            }
        }
        // As a pointer, with as much behind it as any length that is believed.
        bytes.resize(bytes.len().max(1 << 19), 0);
        bytes[..4].copy_from_slice(&0x201u32.to_ne_bytes());
        use_as_an_identity(&family, bytes.as_mut_ptr().cast());
        Ok(())
    });
}

/// Calls every function that takes an identity.
fn use_as_an_identity(family: &Family, identity: Opaque) {
    let _ = (family.validate(identity), family.is_encrypted(identity), family.strings(identity));
    let _ = (family.compare(identity, identity), family.marshal(identity));
    for made in [family.copy(identity), family.exclude(identity, "NTLM")].into_iter().flatten() {
        family.free(made);
    }
    for options in [SAME_PROCESS, SAME_LOGON] {
        let _ = (family.encrypt(options, identity), family.decrypt(options, identity));
    }
    family.zero(identity);
}

/// S5: an identity whose length was changed afterwards is not believed beyond what was handed out.
#[test]
fn a_length_beyond_what_was_handed_out_is_not_believed() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let identity = family.of_strings("alice", "CONTOSO", "x");
    // SAFETY: the length lies within the structure.
    unsafe { identity.byte_add(8).cast::<u32>().write(0x1_0000) };
    assert_eq!(family.validate(identity), SEC_E_UNKNOWN_CREDENTIALS);
    assert_eq!(family.encrypt(SAME_PROCESS, identity), SEC_E_UNKNOWN_CREDENTIALS);
    family.zero(identity);
    family.free(identity);
}

/// S6
#[test]
fn an_identity_that_was_zeroed_has_nothing_left_in_it() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let identity = family.of_strings("alice", "CONTOSO", "correct horse");
    let length = family.marshal(identity).unwrap().len();
    family.zero(identity);
    // SAFETY: it is not freed yet, and has this length.
    let bytes = unsafe { slice::from_raw_parts(identity.cast::<u8>(), length) };
    assert!(bytes.iter().all(|&byte| byte == 0));
    family.free(identity);
    let mut wide = ["alice", "CONTOSO", "correct horse"].map(utf16);
    let mut ansi = ["alice", "CONTOSO", "correct horse"].map(Ansi::units);
    for identity in [plain(&mut wide, Wide::IDENTITY), plain(&mut ansi, Ansi::IDENTITY)] {
        family.zero((&raw const identity).cast());
    }
    assert!(wide.concat().iter().all(|&unit| unit == 0) && ansi.concat().iter().all(|&byte| byte == 0));
}

/// A plain identity that may be written to.
fn plain<U>(strings: &mut [Vec<U>; 3], flags: u32) -> Plain {
    let [user, domain, password] =
        strings.each_mut().map(|text| (text.as_mut_ptr().cast(), u32::try_from(text.len()).unwrap()));
    Plain {
        User: user.0,
        UserLength: user.1,
        Domain: domain.0,
        DomainLength: domain.1,
        Password: password.0,
        PasswordLength: password.1,
        Flags: flags,
    }
}

/// S6
#[test]
fn each_function_frees_what_its_page_says_and_nothing_else() {
    let (mock, other) = (Mock::own("MSNSSPC"), Mock::own("MSAPSSPC"));
    let (family, sspi) = (Family::of(&mock), mock.sspi::<Wide>());
    let identity = family.of_strings("alice", "CONTOSO", "x");
    assert_eq!(sspi.free_buffer(identity), SEC_E_INVALID_HANDLE, "not FreeContextBuffer's");
    let mut info = ptr::null_mut();
    assert_eq!(sspi.package_into(Wide::terminated("MSN").as_ptr(), &raw mut info), SEC_E_OK);
    for family in [&family, &Family::of(&other)] {
        family.free(info.cast());
        family.local_free(info.cast());
        family.free(ptr::null());
        family.local_free(ptr::null());
    }
    Family::of(&other).free(identity);
    assert_eq!(family.validate(identity), SEC_E_OK, "the other mock's is not freed");
    assert_eq!(sspi.free_buffer(info.cast()), SEC_E_OK, "it was still there");
    family.free(identity);
    family.free(identity);
}
