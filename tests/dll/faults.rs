//! The mock DLLs when something goes wrong: injected faults, panics, and an environment that can't be used.

use std::{ffi::OsStr, fs, ptr};

use sspcache_tests::dll::{Ask, Form, Handle, Identity, Mock, Wide, in_own_process, succeed};
use windows_sys::Win32::Foundation::{
    SEC_E_INTERNAL_ERROR, SEC_E_INVALID_HANDLE, SEC_E_LOGON_DENIED, SEC_E_OK,
};

/// A fault that strikes the first call of an operation, and no more.
fn first_call(operation: &str, effect: &str) -> String {
    format!("[[fault]]\noperation = {operation:?}\neffect = {effect:?}\ntimes = 1\n")
}

/// Runs `body` in a process whose mocks have this configuration.
#[track_caller]
fn configured(test: &str, config: &str, body: impl FnOnce()) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.toml");
    fs::write(&file, config).unwrap();
    if let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", file.as_os_str())], body) {
        let stderr = succeed(command);
        assert_eq!(stderr, "", "nothing is printed about a fault");
    }
}

/// M11
#[test]
fn a_panic_becomes_a_failed_call_and_the_next_one_works() {
    let operations = [
        "AcquireCredentialsHandle",
        "CleanupCredentialCache",
        "EnumerateSecurityPackages",
        "FreeContextBuffer",
        "FreeCredentialsHandle",
        "InitSecurityInterface",
        "QueryCredentialsAttributes",
        "QuerySecurityPackageInfo",
    ];
    let config: String = operations.iter().map(|operation| first_call(operation, "panic")).collect();
    configured("a_panic_becomes_a_failed_call_and_the_next_one_works", &config, || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let init: extern "system" fn() -> usize = mock.export("InitSecurityInterfaceW").unwrap();
        assert_eq!(init(), 0);
        assert_ne!(init(), 0);
        assert_eq!(sspi.packages().unwrap_err(), SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.package("MSN").unwrap_err(), SEC_E_INTERNAL_ERROR);
        let mut info = ptr::null_mut();
        let name = Wide::terminated("MSN");
        assert_eq!(sspi.package_into(name.as_ptr(), &raw mut info), SEC_E_OK);
        assert_eq!(sspi.free_buffer(info.cast()), SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.free_buffer(info.cast()), SEC_E_OK, "the first call freed nothing");
        assert_eq!(sspi.packages().unwrap().len(), 5);
        assert_eq!(sspi.sign_in("alice", "", "x").unwrap_err(), SEC_E_INTERNAL_ERROR);
        let handle = sspi.sign_in("alice", "", "x").unwrap();
        assert_eq!(sspi.names(&handle).unwrap_err(), SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.names(&handle).unwrap(), "alice");
        assert!(!mock.flush());
        assert!(sspi.silent().is_ok(), "a flush that failed flushed nothing");
        assert!(mock.flush());
        assert_eq!(sspi.free(&raw const handle), SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.free(&raw const handle), SEC_E_OK);
    });
}

/// M11
#[test]
fn an_injected_status_is_what_the_call_returns() {
    let config = [
        first_call("AcquireCredentialsHandle", "SEC_E_LOGON_DENIED"),
        first_call("CleanupCredentialCache", "false"),
        first_call("DeleteSecurityContext", "SEC_E_LOGON_DENIED"),
        first_call("InitSecurityInterface", "false"),
    ];
    configured("an_injected_status_is_what_the_call_returns", &config.concat(), || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        assert_eq!(sspi.sign_in("alice", "", "x").unwrap_err(), SEC_E_LOGON_DENIED);
        assert!(sspi.sign_in("alice", "", "x").is_ok());
        assert!(!mock.flush());
        assert!(mock.flush());
        let init: extern "system" fn() -> usize = mock.export("InitSecurityInterfaceA").unwrap();
        assert_eq!(init(), 0);
        assert_ne!(init(), 0);
        let delete: extern "system" fn(*const Handle) -> i32 = mock.expect("DeleteSecurityContext");
        let nobodys: *const Handle = &Handle { lower: 1, upper: 0 };
        assert_eq!([delete(nobodys), delete(nobodys)], [SEC_E_LOGON_DENIED, SEC_E_INVALID_HANDLE]);
    });
}

/// P1, P2, P3, M2, M9
#[test]
fn packages_preloads_and_lifetimes_come_from_the_configuration() {
    let config = r#"
        [cache]
        lifetime-seconds = 3600
        [[package]]
        name = "NTLM"
        max-token = 1234
        caching = true
        [[package]]
        name = "Contoso"
        module = "MSAPSSPC.dll"
        [[preload]]
        package = "NTLM"
        user = "alice"
        domain = "CONTOSO"
        password = "correct horse"
        [[logon]]
        user = "bob"
        password = "x"
    "#;
    configured("packages_preloads_and_lifetimes_come_from_the_configuration", config, || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let packages = sspi.packages().unwrap();
        assert_eq!(packages.len(), 5, "{packages:?}");
        let ntlm = sspi.package("NTLM").unwrap();
        assert_eq!((ntlm.name.as_str(), ntlm.numbers.2, ntlm.numbers.3), ("NTLM", 10, 1234));
        let (status, handle, expiry) = sspi.acquire(Ask { package: Some("NTLM"), ..Ask::default() });
        assert_eq!((status, sspi.names(&handle).unwrap().as_str()), (SEC_E_OK, r"CONTOSO\alice"));
        assert!(expiry > 0 && expiry < i64::MAX, "{expiry}");
        let (status, handle, expiry) = sspi.acquire(Ask { package: Some("Kerberos"), ..Ask::default() });
        assert_eq!((status, sspi.names(&handle).unwrap().as_str()), (SEC_E_OK, "bob"));
        assert_eq!(expiry, i64::MAX, "the session doesn't end");
        let packages = Mock::own("MSAPSSPC").sspi::<Wide>().packages().unwrap();
        assert_eq!(packages.last().unwrap().name, "Contoso", "{packages:?}");
        assert_eq!(packages.len(), 6, "{packages:?}");
    });
}

/// M8
#[test]
fn an_environment_that_cannot_be_used_fails_every_call_with_one_message_that_has_no_secret() {
    let test = "an_environment_that_cannot_be_used_fails_every_call_with_one_message_that_has_no_secret";
    let folder = tempfile::tempdir().unwrap();
    let secret = "hunter2-in-config";
    let account = format!("[[account]]\nuser = 'alice'\npassword = '{secret}'\n");
    let cases = [
        ("SSPCACHE_CONFIG", Some(format!("{account}colour = 'red'")), "line 4"),
        ("SSPCACHE_CONFIG", Some(format!("{account}password = '{secret}'")), "line 4"),
        ("SSPCACHE_CONFIG", Some(format!("{account}[cache]\ncapacity = '{secret}'")), "cache.capacity"),
        ("SSPCACHE_CONFIG", Some(format!("{account}[[fault]]\noperation = 'Q'")), "fault[0].operation"),
        ("SSPCACHE_CONFIG", Some(first_call("CleanupCredentialCache", "missing")), "fault[0].effect"),
        ("SSPCACHE_CONFIG", None, "mock.toml"),
        ("SSPCACHE_JOURNAL", None, "mock.toml"),
        ("SSPCACHE_STACK", None, "is not a number of frames from 0 to 32"),
        ("SSPCACHE_TRACE", None, "is neither off, calls nor tokens"),
    ];
    for (index, (variable, text, expected)) in cases.into_iter().enumerate() {
        let case = folder.path().join(index.to_string());
        let file = case.join("mock.toml");
        if let Some(text) = text {
            fs::create_dir(&case).unwrap();
            fs::write(&file, text).unwrap();
        }
        let Some(command) = in_own_process(test, &[(variable, file.as_os_str())], every_call_fails) else {
            return;
        };
        let stderr = succeed(command);
        let lines: Vec<&str> = stderr.lines().collect();
        let [line] = lines[..] else { panic!("not one line: {stderr}") };
        for part in ["MSNSSPC.dll", variable, expected] {
            assert!(line.contains(part), "{part:?} is not in {line:?}");
        }
        assert!(!line.contains(secret), "{line}");
    }
}

fn every_call_fails() {
    let mock = Mock::own("MSNSSPC");
    let sspi = mock.sspi::<Wide>();
    let alice = Identity::<Wide>::new("alice", "", "x");
    for _ in 0..2 {
        let init: extern "system" fn() -> usize = mock.export("InitSecurityInterfaceW").unwrap();
        assert_eq!(init(), 0);
        assert!(!mock.flush());
        assert_eq!(sspi.packages().unwrap_err(), SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.package("MSN").unwrap_err(), SEC_E_INTERNAL_ERROR);
        let ask = Ask { auth_data: alice.as_ptr(), ..Ask::default() };
        assert_eq!(sspi.acquire(ask).0, SEC_E_INTERNAL_ERROR);
        assert_eq!(sspi.free_buffer(ptr::null_mut()), SEC_E_INTERNAL_ERROR);
    }
}

/// An empty variable is one that is not set.
#[test]
fn an_empty_variable_changes_nothing() {
    let none = OsStr::new("");
    let environment =
        ["SSPCACHE_CONFIG", "SSPCACHE_JOURNAL", "SSPCACHE_STACK", "SSPCACHE_TRACE"].map(|name| (name, none));
    let body = || assert!(Mock::own("MSNSSPC").flush());
    if let Some(command) = in_own_process("an_empty_variable_changes_nothing", &environment, body) {
        assert_eq!(succeed(command), "");
    }
}
