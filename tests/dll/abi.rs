//! The mock DLLs' C ABI, called as a foreign program calls it.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::ptr;

use sspcache_tests::dll::{
    self, Ansi, Ask, Form, Handle, Identity, MODULES, Mock, UNTOUCHED, UNTOUCHED_TIME, Wide,
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_BUFFER_TOO_SMALL, SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_NO_CREDENTIALS,
        SEC_E_OK, SEC_E_SECPKG_NOT_FOUND, SEC_E_UNKNOWN_CREDENTIALS, SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_FLAGS_USER_PROTECTED as ENCRYPTED, SECPKG_CRED_ATTR_NAMES,
        SECPKG_CRED_AUTOLOGON_RESTRICTED, SECPKG_CRED_BOTH, SECPKG_CRED_INBOUND, SECPKG_CRED_OUTBOUND,
        SECPKG_CRED_PROCESS_POLICY_ONLY, SecurityFunctionTableA, SecurityFunctionTableW,
    },
};

/// C2, M2, M3, S8
#[test]
fn what_was_signed_in_with_is_cached_until_it_is_flushed() {
    fn story<F: Form>() {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<F>();
        assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS);
        let handle = sspi.sign_in("alice", "CONTOSO", "correct horse").unwrap();
        assert_eq!(sspi.free(&raw const handle), SEC_E_OK);
        let silent = sspi.silent().unwrap();
        assert_eq!(sspi.names(&silent).unwrap(), r"CONTOSO\alice");
        // Only the lower word is looked at: secur32 overwrites the upper one.
        let through_secur32 = Handle { upper: usize::MAX, ..silent };
        assert_eq!(sspi.names(&through_secur32).unwrap(), r"CONTOSO\alice");
        assert!(mock.flush() && mock.flush());
        assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS);
        assert_eq!(sspi.free(&raw const through_secur32), SEC_E_OK);
    }
    story::<Ansi>();
    story::<Wide>();
}

/// P1, S1
#[test]
fn the_ansi_and_the_unicode_functions_agree_about_the_packages() {
    for (module, names, rpc_id) in [
        ("MSNSSPC", ["MSN", "Negotiate", "Kerberos", "NTLM", "DPA"], 18),
        ("MSAPSSPC", ["DPA", "Negotiate", "Kerberos", "NTLM", "MSN"], 17),
    ] {
        let mock = Mock::own(module);
        let packages = mock.sspi::<Wide>().packages().unwrap();
        assert_eq!(mock.sspi::<Ansi>().packages().unwrap(), packages);
        assert_eq!(packages.iter().map(|package| package.name.as_str()).collect::<Vec<_>>(), names);
        assert!(packages[0].comment.contains("mock"), "{packages:?}");
        assert_eq!(packages[0].numbers.2, rpc_id);
        for (name, package) in names.iter().zip(&packages) {
            let other_case = name.to_lowercase();
            assert_eq!(mock.sspi::<Wide>().package(&other_case).unwrap(), *package);
            assert_eq!(mock.sspi::<Ansi>().package(&other_case).unwrap(), *package);
        }
    }
}

/// M1, S7
#[test]
fn an_ansi_sign_in_is_found_by_the_unicode_functions_and_the_other_way_round() {
    let mock = Mock::own("MSNSSPC");
    let (ansi, wide) = (mock.sspi::<Ansi>(), mock.sspi::<Wide>());
    ansi.sign_in("alice", "CONTOSO", "x").unwrap();
    let ask = Ask { principal: Some(r"contoso\ALICE"), ..Ask::default() };
    assert_eq!(wide.names(&wide.handle(ask).unwrap()).unwrap(), r"CONTOSO\alice");
    wide.sign_in("bob", "", "x").unwrap();
    let ask = Ask { principal: Some("Bob"), ..Ask::default() };
    assert_eq!(ansi.names(&ansi.handle(ask).unwrap()).unwrap(), "bob");
}

/// S2
#[test]
fn the_function_table_is_complete_static_and_of_the_exports() {
    fn check<F: Form, T>(mock: &Mock) {
        let init: extern "system" fn() -> *const T =
            mock.export(&format!("InitSecurityInterface{}", F::SUFFIX)).unwrap();
        let table = init();
        assert!(!table.is_null());
        assert_eq!(init(), table, "initializing again gives the same table");
        assert_eq!(size_of::<T>(), (TABLE.len() + 1) * size_of::<usize>());
        // SAFETY: the table has this size, and is made of a version and pointers.
        let words = unsafe { std::slice::from_raw_parts(table.cast::<usize>(), TABLE.len() + 1) };
        // The version is a 32-bit number, with padding behind it on 64-bit systems.
        // SAFETY: the table begins with it.
        assert_eq!(unsafe { *table.cast::<u32>() }, 5);
        for (&(name, forms), &entry) in TABLE.iter().zip(&words[1..]) {
            let suffix = if forms { F::SUFFIX } else { "" };
            let export =
                if name.is_empty() { 0 } else { mock.export::<usize>(&format!("{name}{suffix}")).unwrap() };
            // To Miri one function has many addresses.
            let same = if cfg!(miri) { (entry == 0) == (export == 0) } else { entry == export };
            assert!(same, "{name}");
        }
    }
    for &module in MODULES {
        let mock = Mock::own(module);
        check::<Ansi, SecurityFunctionTableA>(&mock);
        check::<Wide, SecurityFunctionTableW>(&mock);
    }
}

/// The entries of `SecurityFunctionTable` in sspi.h's order, after the version: the name of the function, and whether it
/// has an A and a W form. Reserved ones have no name, but for 3 and 4.
const TABLE: &[(&str, bool)] = &[
    ("EnumerateSecurityPackages", true),
    ("QueryCredentialsAttributes", true),
    ("AcquireCredentialsHandle", true),
    ("FreeCredentialsHandle", false),
    ("", false), // Reserved2
    ("InitializeSecurityContext", true),
    ("AcceptSecurityContext", false),
    ("CompleteAuthToken", false),
    ("DeleteSecurityContext", false),
    ("ApplyControlToken", false),
    ("QueryContextAttributes", true),
    ("ImpersonateSecurityContext", false),
    ("RevertSecurityContext", false),
    ("MakeSignature", false),
    ("VerifySignature", false),
    ("FreeContextBuffer", false),
    ("QuerySecurityPackageInfo", true),
    ("EncryptMessage", false), // Reserved3
    ("DecryptMessage", false), // Reserved4
    ("ExportSecurityContext", false),
    ("ImportSecurityContext", true),
    ("AddCredentials", true),
    ("", false), // Reserved8
    ("QuerySecurityContextToken", false),
    ("EncryptMessage", false),
    ("DecryptMessage", false),
    ("SetContextAttributes", true),
    ("SetCredentialsAttributes", true),
    ("ChangeAccountPassword", true),
    ("QueryContextAttributesEx", true),
    ("QueryCredentialsAttributesEx", true),
];

/// S2. Not for Miri: Rust promises no call of a function as another type's, and it is C's own that works.
#[test]
#[cfg(not(miri))]
fn every_function_answers_null_pointers_by_a_status() {
    let mock = Mock::own("MSNSSPC");
    let mut called = 0;
    for (name, forms) in TABLE.iter().filter(|(name, _)| !name.is_empty()) {
        let status = match *name {
            // What is null comes first there.
            "AcceptSecurityContext"
            | "AcquireCredentialsHandle"
            | "EnumerateSecurityPackages"
            | "ExportSecurityContext"
            | "ImportSecurityContext"
            | "InitializeSecurityContext"
            | "QuerySecurityPackageInfo" => SEC_E_INVALID_PARAMETER,
            "ChangeAccountPassword" => SEC_E_SECPKG_NOT_FOUND,
            _ => SEC_E_INVALID_HANDLE,
        };
        for suffix in if *forms { &["A", "W"][..] } else { &[""] } {
            let function: dll::Widest = mock.export(&format!("{name}{suffix}")).unwrap();
            let answer = function.call([0; dll::WIDEST]);
            assert_eq!(answer, status, "{name}{suffix}: {answer:#010X}");
            called += 1;
        }
    }
    assert_eq!(
        called,
        TABLE
            .iter()
            .map(|(name, forms)| usize::from(!name.is_empty()) * (1 + usize::from(*forms)))
            .sum::<usize>()
    );
}

/// C1: stdcall has each function remove its own parameters from the stack.
#[test]
#[cfg(target_arch = "x86")]
fn a_32_bit_function_removes_as_many_parameters_as_it_has() {
    use sspcache_tests::any_call::recorded::Function;
    let mock = Mock::own("MSNSSPC");
    let removed = |name: &str| mock.expect::<dll::Widest>(name).call_and_count([0; dll::WIDEST]).1;
    assert_eq!(removed("CleanupCredentialCache"), 0);
    for (name, forms) in TABLE.iter().filter(|(name, _)| !name.is_empty()) {
        for suffix in if *forms { &["A", "W"][..] } else { &[""] } {
            let export = format!("{name}{suffix}");
            let count = match *name {
                "SetCredentialsAttributes" => 4,
                "ChangeAccountPassword" => 8,
                _ => Function::named(&export).expect("it has parameters").0.parameters.len(),
            };
            assert_eq!(removed(&export), count, "{export}");
        }
    }
}

/// S5: Wine's Negotiate passes such numbers where a handle is meant, and other callers where nothing is. Not for Miri, as above.
#[test]
#[cfg(not(miri))]
fn a_number_below_64_kib_is_never_followed_as_a_pointer() {
    let mock = Mock::own("MSNSSPC");
    for (name, forms) in TABLE.iter().filter(|(name, _)| !name.is_empty()) {
        for suffix in if *forms { &["A", "W"][..] } else { &[""] } {
            let function: dll::Widest = mock.export(&format!("{name}{suffix}")).unwrap();
            for number in [0x10, 0xFFFF] {
                let answer = function.call([number; dll::WIDEST]);
                assert!(answer < 0, "{name}{suffix}: {answer:#010X}");
            }
        }
    }
}

/// M2
#[test]
fn the_credential_use_decides_what_is_acquired_and_cached() {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let alice = Identity::<Wide>::new("alice", "CONTOSO", "x");
    let nobody = Identity::<Wide>::new("", "", "");
    let (explicit, anonymous, silent) = (alice.as_ptr(), nobody.as_ptr(), ptr::null());
    let (autologon, policy) = (SECPKG_CRED_AUTOLOGON_RESTRICTED, SECPKG_CRED_PROCESS_POLICY_ONLY);
    for (credential_use, auth_data, status, cached) in [
        (SECPKG_CRED_INBOUND, explicit, SEC_E_OK, false),
        (SECPKG_CRED_INBOUND, silent, SEC_E_OK, false),
        (SECPKG_CRED_OUTBOUND, silent, SEC_E_NO_CREDENTIALS, false),
        (SECPKG_CRED_OUTBOUND, anonymous, SEC_E_OK, false),
        (SECPKG_CRED_OUTBOUND | autologon, silent, SEC_E_NO_CREDENTIALS, false),
        (SECPKG_CRED_OUTBOUND | policy, explicit, SEC_E_NO_CREDENTIALS, false),
        (SECPKG_CRED_OUTBOUND | autologon, explicit, SEC_E_OK, true),
        (SECPKG_CRED_OUTBOUND, explicit, SEC_E_OK, true),
        (SECPKG_CRED_BOTH, explicit, SEC_E_OK, true),
    ] {
        assert!(mock.flush());
        let ask = Ask { credential_use, auth_data, ..Ask::default() };
        assert_eq!(sspi.acquire(ask).0, status, "{credential_use:#x} with {auth_data:?}");
        assert_eq!(sspi.silent().is_ok(), cached, "{credential_use:#x} with {auth_data:?}");
    }
}

/// M9
#[test]
fn what_never_expires_says_so_and_no_expiry_need_be_asked_for() {
    let mock = Mock::own("MSNSSPC");
    let alice = Identity::<Wide>::new("alice", "", "x");
    let ask = Ask { auth_data: alice.as_ptr(), ..Ask::default() };
    let (status, _, expiry) = mock.sspi::<Wide>().acquire(ask);
    assert_eq!((status, expiry), (SEC_E_OK, 0x7FFF_FFFF_FFFF_FFFF));
}

/// S5
#[test]
fn a_bad_sign_in_gets_its_status_and_leaves_the_out_parameters_alone() {
    fn check<F: Form>() {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<F>();
        let alice = Identity::<F>::new("alice", "CONTOSO", "x");
        // Changes one thing about a good identity.
        let spoilt = |spoil: fn(&mut dll::Plain)| {
            let mut identity = Identity::<F>::new("alice", "CONTOSO", "x");
            spoil(&mut identity.data);
            identity
        };
        let identities = [
            ("an encrypted one", spoilt(|data| data.Flags |= ENCRYPTED)),
            ("a user without text", spoilt(|data| data.User = ptr::null_mut())),
            ("a domain without text", spoilt(|data| data.Domain = ptr::null_mut())),
            ("a password without text", spoilt(|data| data.Password = ptr::null_mut())),
            ("a user past any end", spoilt(|data| data.UserLength = u32::MAX)),
            ("a password past any end", spoilt(|data| data.PasswordLength = 0x10_0000)),
        ];
        let good = Ask { auth_data: alice.as_ptr(), ..Ask::default() };
        let asks = [
            ("no package", Ask { package: None, ..good }, SEC_E_SECPKG_NOT_FOUND),
            ("an empty package", Ask { package: Some(""), ..good }, SEC_E_SECPKG_NOT_FOUND),
            ("an unknown package", Ask { package: Some("Digest"), ..good }, SEC_E_SECPKG_NOT_FOUND),
            ("no use", Ask { credential_use: 0, ..good }, SEC_E_UNKNOWN_CREDENTIALS),
            ("nothing cached", Ask::default(), SEC_E_NO_CREDENTIALS),
        ];
        let spoilt = identities.iter().map(|(what, identity)| {
            (*what, Ask { auth_data: identity.as_ptr(), ..good }, SEC_E_UNKNOWN_CREDENTIALS)
        });
        for (what, ask, expected) in asks.into_iter().chain(spoilt) {
            let (status, handle, expiry) = sspi.acquire(ask);
            assert_eq!(status, expected, "{what}");
            let touched = [handle.lower, handle.upper] != [UNTOUCHED; 2] || expiry != UNTOUCHED_TIME;
            assert!(!touched, "{what} changed an out parameter");
        }
        assert_eq!(sspi.acquire_into_nothing(), SEC_E_INVALID_PARAMETER);
        assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS, "none of them was cached");
        assert_eq!(sspi.acquire(good).0, SEC_E_OK, "what was spoilt is good otherwise");
    }
    check::<Ansi>();
    check::<Wide>();
}

/// S5, S8
#[test]
fn a_handle_that_was_freed_or_forged_is_refused_everywhere() {
    let mock = Mock::own("MSNSSPC");
    let other = Mock::own("MSAPSSPC");
    let sspi = mock.sspi::<Wide>();
    let freed = sspi.sign_in("alice", "", "x").unwrap();
    assert_eq!(sspi.free(&raw const freed), SEC_E_OK);
    let live = sspi.sign_in("alice", "", "x").unwrap();
    let forged = |lower| Handle { lower, upper: live.upper };
    let handles =
        [freed, forged(0), forged(1), forged(usize::MAX), forged(live.lower + 1), forged(live.lower ^ 1)];
    let mut name: *mut u16 = ptr::null_mut();
    let buffer = (&raw mut name).cast();
    for handle in handles.iter().map(ptr::from_ref).chain([ptr::null()]) {
        assert_eq!(sspi.free(handle), SEC_E_INVALID_HANDLE);
        assert_eq!(sspi.query(handle, SECPKG_CRED_ATTR_NAMES, buffer), SEC_E_INVALID_HANDLE);
        assert_eq!(sspi.query_ex(handle, SECPKG_CRED_ATTR_NAMES, buffer, 8), SEC_E_INVALID_HANDLE);
    }
    assert_eq!(other.sspi::<Wide>().free(&raw const live), SEC_E_INVALID_HANDLE, "the other mock's handle");
    assert!(name.is_null());
    assert_eq!(sspi.free(&raw const live), SEC_E_OK);
}

/// S5
#[test]
fn bad_parameters_of_the_queries_get_their_status() {
    fn check<F: Form>() {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<F>();
        let handle = sspi.sign_in("alice", "", "x").unwrap();
        let (mut count, mut infos, mut name) = (7, ptr::null_mut(), ptr::null_mut::<F::Unit>());
        let buffer = (&raw mut name).cast();
        let word = u32::try_from(size_of::<usize>()).unwrap();
        let (msn, unknown) = (F::terminated("MSN"), F::terminated("Unknown"));
        for (what, status, expected) in [
            (
                "an unknown attribute",
                sspi.query(&raw const handle, 0x7777, buffer),
                SEC_E_UNSUPPORTED_FUNCTION,
            ),
            (
                "no buffer",
                sspi.query(&raw const handle, SECPKG_CRED_ATTR_NAMES, ptr::null_mut()),
                SEC_E_INVALID_PARAMETER,
            ),
            (
                "a short buffer",
                sspi.query_ex(&raw const handle, SECPKG_CRED_ATTR_NAMES, buffer, word - 1),
                SEC_E_BUFFER_TOO_SMALL,
            ),
            ("no count", sspi.enumerate_into(ptr::null_mut(), &raw mut infos), SEC_E_INVALID_PARAMETER),
            ("no array", sspi.enumerate_into(&raw mut count, ptr::null_mut()), SEC_E_INVALID_PARAMETER),
            ("no name", sspi.package_into(ptr::null(), &raw mut infos), SEC_E_SECPKG_NOT_FOUND),
            ("an unknown name", sspi.package_into(unknown.as_ptr(), &raw mut infos), SEC_E_SECPKG_NOT_FOUND),
            ("no place", sspi.package_into(msn.as_ptr(), ptr::null_mut()), SEC_E_INVALID_PARAMETER),
        ] {
            assert_eq!(status, expected, "{what}");
        }
        assert!(count == 7 && infos.is_null() && name.is_null(), "an out parameter was changed");
        assert_eq!(sspi.query_ex(&raw const handle, SECPKG_CRED_ATTR_NAMES, buffer, word), SEC_E_OK);
        assert_eq!(sspi.free_buffer(name.cast()), SEC_E_OK);
    }
    check::<Ansi>();
    check::<Wide>();
}

/// S5, S6
#[test]
fn only_what_the_mock_handed_out_is_freed_and_only_once() {
    let (mock, other) = (Mock::own("MSNSSPC"), Mock::own("MSAPSSPC"));
    let sspi = mock.sspi::<Wide>();
    let mut info = ptr::null_mut();
    let name = Wide::terminated("MSN");
    assert_eq!(sspi.package_into(name.as_ptr(), &raw mut info), SEC_E_OK);
    let mut own = [0u64; 8];
    for (what, buffer) in [
        ("null", ptr::null_mut()),
        ("the caller's own", own.as_mut_ptr().cast()),
        // SAFETY: it lies within the structure.
        ("the middle of one", unsafe { info.byte_add(8) }.cast()),
    ] {
        assert_eq!(sspi.free_buffer(buffer), SEC_E_INVALID_HANDLE, "{what}");
    }
    assert_eq!(other.sspi::<Wide>().free_buffer(info.cast()), SEC_E_INVALID_HANDLE, "the other mock's");
    assert_eq!(sspi.free_buffer(info.cast()), SEC_E_OK);
    assert_eq!(sspi.free_buffer(info.cast()), SEC_E_INVALID_HANDLE, "freed already");
}

/// S5: what the ANSI functions are given is UTF-8 on Unix.
#[test]
#[cfg(unix)]
fn ansi_text_that_is_no_text_is_refused() {
    let mock = Mock::own("MSNSSPC");
    let broken = Identity::<Ansi>::of_units([vec![0xC3], Vec::new(), b"x".to_vec()]);
    let ask = Ask { auth_data: broken.as_ptr(), ..Ask::default() };
    assert_eq!(mock.sspi::<Ansi>().acquire(ask).0, SEC_E_INVALID_PARAMETER);
}

/// M1
#[test]
#[cfg(all(unix, not(miri)))]
fn both_mocks_loaded_globally_keep_their_own_state() {
    use libloading::os::unix::{Library, RTLD_GLOBAL, RTLD_NOW};
    let global = |module| {
        let (folder, file) = dll::shipped(module);
        // SAFETY: nothing happens while a mock is loaded.
        let library = unsafe { Library::open(Some(file), RTLD_NOW | RTLD_GLOBAL) }.unwrap();
        (folder, Mock::of(library.into()))
    };
    let ((_f, msn), (_g, dpa)) = (global("MSNSSPC"), global("MSAPSSPC"));
    for (mock, package) in [(&msn, "MSN"), (&dpa, "DPA")] {
        let init: extern "system" fn() -> *const SecurityFunctionTableW =
            mock.export("InitSecurityInterfaceW").unwrap();
        // SAFETY: the table is static.
        let table = unsafe { &*init() };
        let (mut count, mut array) = (0, ptr::null_mut());
        // SAFETY: both may be written to.
        let status = unsafe { table.EnumerateSecurityPackagesW.unwrap()(&raw mut count, &raw mut array) };
        assert_eq!(status, SEC_E_OK);
        assert_eq!(mock.sspi::<Wide>().free_buffer(array.cast()), SEC_E_OK, "the table is this mock's own");
        assert_eq!(mock.sspi::<Wide>().packages().unwrap()[0].name, package);
    }
    msn.sspi::<Wide>().sign_in("alice", "", "x").unwrap();
    assert!(dpa.flush());
    assert!(msn.sspi::<Wide>().silent().is_ok(), "the other mock's flush is not this one's");
}
