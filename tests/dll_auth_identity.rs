//! The `Sspi…AuthIdentity` functions of the mock DLLs.
#![allow(unsafe_code, reason = "calls a C ABI")]

#[path = "support/auth_identity.rs"]
mod auth_identity;
#[path = "support/dll.rs"]
mod dll;

use std::{ffi::c_void, ptr};

use auth_identity::{Family, Text};
use dll::{Ask, Mock, Wide};
use proptest::prelude::*;
use windows_sys::Win32::Foundation::{SEC_E_INVALID_TOKEN, SEC_E_OK};

/// A string as a program may pass it.
fn text() -> impl Strategy<Value = Text> {
    let unit = 1u16..;
    prop_oneof![
        Just(None),
        prop::collection::vec(unit, 0..40).prop_map(Some),
        // What the mock's own encoding begins with.
        "@@sspcache:v1:[0-9a-f]{0,200}".prop_map(|text| Some(text.encode_utf16().collect())),
    ]
}

/// S7
#[test]
fn strings_make_an_identity_and_come_back_as_they_were() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    proptest!(|(user in text(), domain in text(), packed in text())| {
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
    });
}

/// S7
#[test]
fn an_identity_made_of_strings_signs_in() {
    let mock = Mock::own("MSNSSPC");
    let (family, sspi) = (Family::of(&mock), mock.sspi::<Wide>());
    let identity = family.of_strings("alice", "CONTOSO", "correct horse");
    let ask = Ask { auth_data: identity, ..Ask::default() };
    assert_eq!(sspi.names(&sspi.handle(ask).unwrap()).unwrap(), r"CONTOSO\alice");
    family.free(identity);
    assert!(sspi.silent().is_ok(), "what was signed in with is cached");
}
