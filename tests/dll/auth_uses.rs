//! What goes with identities: the credential manager's parameters, hosts, prompting, packages, and injected faults.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, ptr, slice};

use sspcache_tests::{
    auth_identity::{Family, Opaque, configured, units_at, utf16},
    dll::{Ansi, Form, Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        ERROR_CANCELLED, ERROR_INVALID_FLAGS, ERROR_INVALID_PARAMETER, SEC_E_INSUFFICIENT_MEMORY,
        SEC_E_INTERNAL_ERROR, SEC_E_INVALID_PARAMETER, SEC_E_INVALID_TOKEN, SEC_E_LOGON_DENIED,
        SEC_E_NO_CREDENTIALS, SEC_E_OK, SEC_E_SECPKG_NOT_FOUND, SEC_E_TARGET_UNKNOWN,
        SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::{
        Authentication::Identity::{
            SEC_WINNT_AUTH_IDENTITY_ENCRYPT_SAME_PROCESS as SAME_PROCESS, SECURITY_PACKAGE_OPTIONS,
        },
        Credentials::{CRED_TYPE_DOMAIN_CERTIFICATE, CRED_TYPE_DOMAIN_PASSWORD, CRED_TYPE_GENERIC},
    },
};

/// S7
#[test]
fn the_credential_manager_is_told_type_target_user_and_secret() {
    type Read = unsafe extern "system" fn(Opaque, *const u16, *mut u32, *mut *mut u16) -> i32;
    type Write = unsafe extern "system" fn(
        Opaque,
        *const u16,
        *mut u32,
        *mut *mut u16,
        *mut *mut u16,
        *mut *mut u8,
        *mut u32,
    ) -> i32;
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let (read, write): (Read, Write) =
        (mock.expect("SspiPrepareForCredRead"), mock.expect("SspiPrepareForCredWrite"));
    let told = |identity: Opaque, target: Option<&str>| {
        let target = target.map(Wide::terminated);
        let target = target.as_ref().map_or(ptr::null(), Vec::as_ptr);
        let (mut types, mut size) = ([0; 2], 0);
        let [mut read_target, mut write_target, mut user] = [ptr::null_mut(); 3];
        let mut blob = ptr::null_mut();
        // SAFETY: the identity is one, the target ends in a null, and the places may be written to.
        let statuses = unsafe {
            let write_type = &raw mut types[1];
            [
                read(identity, target, &raw mut types[0], &raw mut read_target),
                write(
                    identity,
                    target,
                    write_type,
                    &raw mut write_target,
                    &raw mut user,
                    &raw mut blob,
                    &raw mut size,
                ),
            ]
        };
        assert_eq!(statuses, [SEC_E_OK; 2]);
        let texts = [read_target, write_target, user].map(|text| {
            let units = units_at(text).unwrap();
            family.local_free(text.cast());
            String::from_utf16(&units).unwrap()
        });
        // SAFETY: so many bytes are there, until they are freed below.
        let secret = unsafe { slice::from_raw_parts(blob, size as usize) }.to_vec();
        family.local_free(blob.cast());
        assert_eq!((types[0], &texts[0]), (types[1], &texts[1]), "reading and writing agree");
        (types[1], texts[1].clone(), texts[2].clone(), secret)
    };
    let password: Vec<u8> = utf16("x").into_iter().flat_map(u16::to_ne_bytes).collect();
    for (options, target, expected) in [
        (0, Some("http/host"), "http/host"),
        (0, None, r"CONTOSO\alice"),
        (SAME_PROCESS, Some("host"), "host"),
    ] {
        let identity = family.of_strings("alice", "CONTOSO", "x");
        if options != 0 {
            assert_eq!(family.encrypt(options, identity), SEC_E_OK);
        }
        let (credential_type, target, user, secret) = told(identity, target);
        assert_eq!((credential_type, &*target), (CRED_TYPE_DOMAIN_PASSWORD, expected));
        assert_eq!((&*user, &secret), (r"CONTOSO\alice", &password));
        family.free(identity);
    }
    for (kind, expected) in [(KEYTAB, CRED_TYPE_GENERIC), (CERTIFICATE, CRED_TYPE_DOMAIN_CERTIFICATE)] {
        let bytes = opaque(kind, b"bytes");
        let identity = family.unmarshal(&bytes).unwrap();
        assert_eq!(
            told(identity, Some("host")),
            (expected, "host".to_owned(), String::new(), b"bytes".to_vec())
        );
        let back = family.encode(&family.strings(identity).unwrap()).unwrap();
        assert_eq!(family.compare(identity, back), Ok((true, true)), "it goes through strings too");
        family.free(identity);
        family.free(back);
    }
}

/// An `_EX2` identity with nothing but packed credentials of this type.
fn opaque(credential_type: [u8; 16], data: &[u8]) -> Vec<u8> {
    let length = u16::try_from(data.len()).unwrap();
    let packed = [
        &28u16.to_ne_bytes()[..],
        &(28 + length).to_ne_bytes(),
        &credential_type,
        &28u32.to_ne_bytes(),
        &length.to_ne_bytes(),
        &[0; 2],
        data,
    ]
    .concat();
    let mut block = [vec![0; 48], packed].concat();
    let length = block.len();
    for (at, number) in [(0, 0x201), (4, 48), (8, length), (28, 48), (32, length - 48)] {
        block[at..at + 4].copy_from_slice(&u32::try_from(number).unwrap().to_ne_bytes());
    }
    block
}

/// `SEC_WINNT_AUTH_DATA_TYPE_KEYTAB`, on a little-endian machine.
const KEYTAB: [u8; 16] = 0xe17c_eebe_34c9_12a1_4455_f78f_d587_aae8_u128.to_le_bytes();
/// `SEC_WINNT_AUTH_DATA_TYPE_CERT`, on a little-endian machine.
const CERTIFICATE: [u8; 16] = 0x9b33_39e7_2906_0382_4dbc_73fb_235f_69ad_u128.to_le_bytes();

/// S5
#[test]
fn the_host_of_a_target_is_found_in_names_of_every_form() {
    type Host = unsafe extern "system" fn(*const u16, *mut *mut u16) -> i32;
    let mock = Mock::own("MSNSSPC");
    let (family, host): (_, Host) = (Family::of(&mock), mock.expect("SspiGetTargetHostName"));
    for (target, expected) in [
        ("http/web.contoso.com", Ok("web.contoso.com")),
        ("HTTP/web:8080", Ok("web")),
        ("ldap/dc1.contoso.com:389/contoso.com", Ok("dc1.contoso.com")),
        ("web.contoso.com", Ok("web.contoso.com")),
        ("web:443", Ok("web")),
        ("http/[::1]:80", Ok("::1")),
        ("TERMSRV/10.0.0.1", Ok("10.0.0.1")),
        ("", Err(SEC_E_TARGET_UNKNOWN)),
        ("http/", Err(SEC_E_TARGET_UNKNOWN)),
        ("http/:80", Err(SEC_E_TARGET_UNKNOWN)),
    ] {
        let mut name = ptr::null_mut();
        // SAFETY: the target ends in a null, and the place may be written to.
        let status = unsafe { host(Wide::terminated(target).as_ptr(), &raw mut name) };
        assert_eq!(status, expected.err().unwrap_or(SEC_E_OK), "{target:?}");
        assert_eq!(units_at(name), expected.ok().map(utf16), "{target:?}");
        family.local_free(name.cast());
    }
}

type Prompt = extern "system" fn(
    *const c_void,
    *const c_void,
    u32,
    *const c_void,
    *const c_void,
    *mut Opaque,
    *mut i32,
    u32,
) -> u32;

/// S5: no user can be asked, so the answer is what a client has to expect of any user: no.
#[test]
fn nobody_is_prompted_but_it_is_told_when_somebody_should_be() {
    let mock = Mock::own("MSNSSPC");
    for name in ["SspiPromptForCredentialsA", "SspiPromptForCredentialsW"] {
        let prompt: Prompt = mock.expect(name);
        let (null, mut identity, mut save) = (ptr::null(), ptr::null_mut(), 1);
        let mut ask = |place, flags| prompt(null, null, 0, null, null, place, &raw mut save, flags);
        assert_eq!(ask(&raw mut identity, 0), ERROR_CANCELLED);
        assert_eq!(ask(&raw mut identity, 3), ERROR_CANCELLED);
        assert_eq!(ask(&raw mut identity, 4), ERROR_INVALID_FLAGS);
        assert_eq!(ask(ptr::null_mut(), 0), ERROR_INVALID_PARAMETER);
        assert!(identity.is_null() && save == 1);
    }
    let needed: extern "system" fn(u32) -> u8 = mock.expect("SspiIsPromptingNeeded");
    let [no_credentials, denied] = [SEC_E_NO_CREDENTIALS, SEC_E_LOGON_DENIED].map(i32::cast_unsigned);
    for (error, expected) in [
        (no_credentials, 1),
        (denied, 1),
        (0xC000_006D, 1),
        (1326, 1),
        (0, 0),
        (SEC_E_INVALID_TOKEN.cast_unsigned(), 0),
        (ERROR_CANCELLED, 0),
    ] {
        assert_eq!(needed(error), expected, "{error:#X}");
    }
}

/// S1, S5: what is configured is there, and neither comes nor goes.
#[test]
fn only_packages_that_are_there_can_be_added_and_none_deleted() {
    type Add<U> = unsafe extern "system" fn(*const U, *const SECURITY_PACKAGE_OPTIONS) -> i32;
    type Delete<U> = unsafe extern "system" fn(*const U) -> i32;
    fn check<F: Form>(mock: &Mock) {
        let add: Add<F::Unit> = mock.expect(&format!("AddSecurityPackage{}", F::SUFFIX));
        let delete: Delete<F::Unit> = mock.expect(&format!("DeleteSecurityPackage{}", F::SUFFIX));
        let size = u32::try_from(size_of::<SECURITY_PACKAGE_OPTIONS>()).unwrap();
        let options = |size| SECURITY_PACKAGE_OPTIONS { Size: size, ..Default::default() };
        let (good, short) = (options(size), options(size - 1));
        for (name, options, added, deleted) in [
            ("MSN", ptr::null(), SEC_E_OK, SEC_E_UNSUPPORTED_FUNCTION),
            ("msn", &raw const good, SEC_E_OK, SEC_E_UNSUPPORTED_FUNCTION),
            ("MSN", &raw const short, SEC_E_INVALID_PARAMETER, SEC_E_UNSUPPORTED_FUNCTION),
            ("Digest", &raw const good, SEC_E_SECPKG_NOT_FOUND, SEC_E_SECPKG_NOT_FOUND),
            ("", ptr::null(), SEC_E_SECPKG_NOT_FOUND, SEC_E_SECPKG_NOT_FOUND),
        ] {
            let text = F::terminated(name);
            // SAFETY: the name ends in a null, and the options can be read.
            let statuses = unsafe { [add(text.as_ptr(), options), delete(text.as_ptr())] };
            assert_eq!(statuses, [added, deleted], "{name:?}");
        }
        assert_eq!(mock.sspi::<F>().packages().unwrap().len(), 5);
    }
    let mock = Mock::own("MSNSSPC");
    check::<Ansi>(&mock);
    check::<Wide>(&mock);
}

/// S2, S5: null pointers are answered by a status, and what has none does nothing.
#[test]
fn the_functions_answer_null_pointers() {
    let mock = Mock::own("MSNSSPC");
    let family = Family::of(&mock);
    let (null, none) = (ptr::null(), [None, None, None]);
    assert_eq!(family.encode(&none), Err(SEC_E_INVALID_TOKEN));
    let statuses = [
        family.validate(null),
        family.strings(null).unwrap_err(),
        family.copy(null).unwrap_err(),
        family.marshal(null).unwrap_err(),
        family.encrypt(SAME_PROCESS, null),
        family.decrypt(SAME_PROCESS, null),
    ];
    assert_eq!(statuses, [SEC_E_INVALID_PARAMETER; 6]);
    assert!(!family.is_encrypted(null));
    family.zero(null);
    let bindings: extern "system" fn(*const c_void, u32) -> i32 = mock.expect("SspiSetChannelBindingFlags");
    assert_eq!(bindings(null, 1), SEC_E_INVALID_PARAMETER);
    assert_eq!(bindings([0usize; 2].as_ptr().cast(), 1), SEC_E_UNSUPPORTED_FUNCTION);
    every_place_is_null(&mock);
}

/// Calls each function that takes more than two pointers with null ones.
#[cfg(target_pointer_width = "64")]
fn every_place_is_null(mock: &Mock) {
    for name in [
        "SspiCompareAuthIdentities",
        "SspiCopyAuthIdentity",
        "SspiEncodeAuthIdentityAsStrings",
        "SspiEncodeStringsAsAuthIdentity",
        "SspiExcludePackage",
        "SspiGetTargetHostName",
        "SspiMarshalAuthIdentity",
        "SspiPrepareForCredRead",
        "SspiPrepareForCredWrite",
        "SspiUnmarshalAuthIdentity",
    ] {
        // What is passed beyond a function's own parameters is the caller's to remove, on every 64-bit system.
        let function: extern "system" fn(usize, usize, usize, usize, usize, usize, usize) -> i32 =
            mock.expect(name);
        // Two identities that are none are the same, and no page asks for more.
        let expected = if name == "SspiCompareAuthIdentities" { SEC_E_OK } else { SEC_E_INVALID_PARAMETER };
        assert_eq!(function(0, 0, 0, 0, 0, 0, 0), expected, "{name}");
    }
}

#[cfg(not(target_pointer_width = "64"))]
fn every_place_is_null(_: &Mock) {}

/// M11
#[test]
fn a_fault_of_the_functions_is_injected_and_a_panic_is_contained() {
    let fault = |operation: &str, effect: &str| {
        format!("[[fault]]\noperation = {operation:?}\neffect = {effect:?}\ntimes = 1\n")
    };
    let config = [
        fault("SspiEncodeStringsAsAuthIdentity", "panic"),
        fault("SspiEncodeAuthIdentityAsStrings", "panic"),
        fault("SspiIsAuthIdentityEncrypted", "panic"),
        fault("SspiFreeAuthIdentity", "panic"),
        fault("SspiZeroAuthIdentity", "panic"),
        fault("SspiPromptForCredentials", "panic"),
        fault("SspiIsPromptingNeeded", "panic"),
        fault("SspiCopyAuthIdentity", "SEC_E_INSUFFICIENT_MEMORY"),
        fault("AddSecurityPackage", "SEC_E_SECPKG_NOT_FOUND"),
    ]
    .concat();
    configured("a_fault_of_the_functions_is_injected_and_a_panic_is_contained", &config, || {
        let mock = Mock::own("MSNSSPC");
        let family = Family::of(&mock);
        let alice = [Some(utf16("alice")), None, Some(utf16("x"))];
        assert_eq!(family.encode(&alice), Err(SEC_E_INTERNAL_ERROR));
        let identity = family.encode(&alice).unwrap();
        assert_eq!(family.strings(identity), Err(SEC_E_INTERNAL_ERROR));
        assert_eq!(family.copy(identity), Err(SEC_E_INSUFFICIENT_MEMORY));
        assert_eq!(family.encrypt(SAME_PROCESS, identity), SEC_E_OK);
        assert!(!family.is_encrypted(identity));
        assert!(family.is_encrypted(identity));
        assert_eq!(family.decrypt(SAME_PROCESS, identity), SEC_E_OK);
        family.zero(identity);
        family.free(identity);
        assert_eq!(family.strings(identity), Ok(alice), "neither zeroed nor freed");
        family.free(identity);
        let null = ptr::null();
        let (prompt, mut place): (Prompt, _) = (mock.expect("SspiPromptForCredentialsW"), ptr::null_mut());
        let mut ask = || prompt(null, null, 0, null, null, &raw mut place, ptr::null_mut(), 0);
        assert_eq!(ask(), SEC_E_INTERNAL_ERROR.cast_unsigned());
        assert_eq!(ask(), ERROR_CANCELLED);
        let needed: extern "system" fn(u32) -> u8 = mock.expect("SspiIsPromptingNeeded");
        assert_eq!([needed(1326), needed(1326)], [0, 1]);
        let add: extern "system" fn(*const u16, usize) -> i32 = mock.expect("AddSecurityPackageW");
        let name = Wide::terminated("MSN");
        assert_eq!([add(name.as_ptr(), 0), add(name.as_ptr(), 0)], [SEC_E_SECPKG_NOT_FOUND, SEC_E_OK]);
    });
}
