//! Identities that are encrypted where they lie: which process reads them, and that no other does.
#![allow(unsafe_code, reason = "calls a C ABI")]

use sspcache_tests::{
    auth_identity::{Family, Opaque, configured, utf16},
    dll::{Ansi, Ask, Identity, Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BUFFER_TOO_SMALL, SEC_E_DECRYPT_FAILURE, SEC_E_INVALID_PARAMETER, SEC_E_NO_CREDENTIALS,
        SEC_E_OK, SEC_E_UNKNOWN_CREDENTIALS, SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_FOR_SYSTEM as FOR_SYSTEM,
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_LOGON as SAME_LOGON,
        SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS,
    },
};

/// S7: what a person may look for in a memory dump is not there while an identity is encrypted.
#[test]
fn what_is_encrypted_has_no_readable_string() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let identity = family.of_strings("alice", "CONTOSO", "correct horse");
    let readable = || {
        let bytes = family.marshal(identity).unwrap();
        ["alice", "CONTOSO", "correct horse"].map(|text| {
            let text: Vec<u8> = utf16(text).into_iter().flat_map(u16::to_ne_bytes).collect();
            bytes.windows(text.len()).any(|window| window == text)
        })
    };
    assert_eq!(readable(), [true; 3]);
    for options in [SAME_PROCESS, SAME_LOGON] {
        assert_eq!(family.encrypt(options, identity), SEC_E_OK);
        assert_eq!(readable(), [false; 3]);
        assert_eq!(family.decrypt(options, identity), SEC_E_OK);
        assert_eq!(readable(), [true; 3]);
    }
    family.free(identity);
}

/// S7
#[test]
fn an_identity_of_strings_signs_in_as_it_is_and_encrypted() {
    let mock = Mock::own("MSNSSPC");
    let (family, sspi) = (Family::of(&mock), mock.sspi::<Wide>());
    let identity = family.of_strings("alice", "CONTOSO", "correct horse");
    let sign_in = || sspi.handle(Ask { auth_data: identity, ..Ask::default() });
    assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS, "an identity alone is not cached");
    assert_eq!(sspi.names(&sign_in().unwrap()).unwrap(), r"CONTOSO\alice");
    for options in [SAME_PROCESS, SAME_LOGON] {
        assert!(mock.flush());
        assert_eq!(family.encrypt(options, identity), SEC_E_OK);
        assert_eq!(sspi.names(&sign_in().unwrap()).unwrap(), r"CONTOSO\alice");
        assert_eq!(sspi.names(&sspi.silent().unwrap()).unwrap(), r"CONTOSO\alice");
    }
    family.free(identity);
}

/// S5, S7
#[test]
fn an_encrypted_identity_that_was_changed_or_is_of_another_is_refused() {
    let (mock, other) = (Mock::own("MSNSSPC"), Mock::own("MSNSSPC"));
    let family = Family::of(&mock);
    let refused = |mock: &Mock, options, bytes: &[u8], what: &str| {
        let family = Family::of(mock);
        // What doesn't even look like an identity is refused before.
        let Ok(identity) = family.unmarshal(bytes) else { return };
        assert_eq!(family.validate(identity), SEC_E_UNKNOWN_CREDENTIALS, "{what}");
        let ask = Ask { auth_data: identity, ..Ask::default() };
        assert_eq!(mock.sspi::<Wide>().acquire(ask).0, SEC_E_UNKNOWN_CREDENTIALS, "{what}");
        assert_eq!(family.exclude(identity, "NTLM"), Err(SEC_E_UNKNOWN_CREDENTIALS), "{what}");
        assert_eq!(family.decrypt(options, identity), SEC_E_DECRYPT_FAILURE, "{what}");
        assert!(family.is_encrypted(identity));
        family.free(identity);
    };
    for (options, wrong) in [(SAME_PROCESS, SAME_LOGON), (SAME_LOGON, SAME_PROCESS)] {
        let identity = family.of_strings("alice", "CONTOSO", "correct horse");
        assert_eq!(family.encrypt(options, identity), SEC_E_OK);
        assert_eq!(family.decrypt(wrong, identity), SEC_E_DECRYPT_FAILURE);
        assert_eq!(family.validate(identity), SEC_E_OK);
        let bytes = family.marshal(identity).unwrap();
        refused(&other, options, &bytes, "of another instance");
        // Of the flags, some bits say how it is encrypted, or that it isn't.
        let flags = 36..40;
        for at in (0..bytes.len()).filter(|at| !flags.contains(at)) {
            let mut changed = bytes.clone();
            changed[at] ^= 1;
            refused(&mock, options, &changed, &format!("byte {at}"));
        }
        family.free(identity);
    }
}

/// S7: as the page of the function with options puts it, the one without them may come first.
#[test]
fn what_was_encrypted_for_the_process_can_be_encrypted_for_the_logon_next() {
    type Plain = unsafe extern "system" fn(Opaque) -> i32;
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let (encrypt, decrypt): (Plain, Plain) =
        (mock.expect("SspiEncryptAuthIdentity"), mock.expect("SspiDecryptAuthIdentity"));
    let identity = family.of_strings("alice", "CONTOSO", "x");
    let before = family.marshal(identity).unwrap();
    // SAFETY: the identity is one that may be written to.
    unsafe {
        assert_eq!(encrypt(identity), SEC_E_OK);
        assert_eq!(family.encrypt(SAME_LOGON, identity), SEC_E_OK);
        assert_eq!(decrypt(identity), SEC_E_DECRYPT_FAILURE);
        assert_eq!(family.decrypt(SAME_LOGON, identity), SEC_E_OK);
        assert_eq!([encrypt(identity), encrypt(identity)], [SEC_E_OK; 2]);
        assert_eq!([decrypt(identity), decrypt(identity)], [SEC_E_OK; 2]);
    }
    assert_eq!(family.marshal(identity).unwrap(), before);
    family.free(identity);
}

/// S7: instances with one key are to each other as programs of one logon session.
#[test]
fn instances_with_the_same_key_read_what_was_encrypted_for_the_logon() {
    configured(
        "instances_with_the_same_key_read_what_was_encrypted_for_the_logon",
        "[context]\nexport-key = \"one key for both\"\n",
        || {
            let (here, there) = (Mock::own("MSNSSPC"), Mock::own("MSNSSPC"));
            let (family, other) = (Family::of(&here), Family::of(&there));
            for (options, read) in
                [(SAME_LOGON, SEC_E_OK), (SAME_PROCESS, SEC_E_DECRYPT_FAILURE), (3, SEC_E_DECRYPT_FAILURE)]
            {
                let identity = family.of_strings("alice", "CONTOSO", "correct horse");
                assert_eq!(family.encrypt(options, identity), SEC_E_OK);
                let received = other.unmarshal(&family.marshal(identity).unwrap()).unwrap();
                assert_eq!(other.decrypt(options, received), read, "{options}");
                family.free(identity);
                other.free(received);
            }
        },
    );
}

/// S5, S7
#[test]
fn only_what_has_room_is_encrypted_and_only_for_whom_the_page_names() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let identity = family.of_strings("alice", "CONTOSO", "x");
    for (options, status) in [
        (0, SEC_E_INVALID_PARAMETER),
        (8, SEC_E_INVALID_PARAMETER),
        (FOR_SYSTEM, SEC_E_UNSUPPORTED_FUNCTION),
        (FOR_SYSTEM | SAME_LOGON, SEC_E_UNSUPPORTED_FUNCTION),
    ] {
        assert_eq!(family.encrypt(options, identity), status, "{options}");
        assert_eq!(family.decrypt(options, identity), status, "{options}");
    }
    assert_eq!(family.decrypt(SAME_PROCESS, identity), SEC_E_OK, "what isn't encrypted stays as it is");
    let plain = Identity::<Ansi>::new("alice", "CONTOSO", "x");
    assert_eq!(family.encrypt(SAME_PROCESS, plain.as_ptr()), SEC_E_INVALID_PARAMETER);
    // Without the bytes at its end, it is an identity like a caller's own.
    let mut short = family.marshal(identity).unwrap();
    let length = short.len() - 1;
    short.truncate(length);
    short[8..12].copy_from_slice(&u32::try_from(length).unwrap().to_ne_bytes());
    assert_eq!(family.validate(short.as_ptr().cast()), SEC_E_OK);
    assert_eq!(family.encrypt(SAME_PROCESS, short.as_mut_ptr().cast()), SEC_E_BUFFER_TOO_SMALL);
    assert!(!family.is_encrypted(short.as_ptr().cast()));
    family.free(identity);
}
