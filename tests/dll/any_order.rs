//! Any order of any calls, with handles and buffers of every kind, at the mock DLL's C ABI.

use proptest::{
    collection::vec,
    prelude::any,
    test_runner::{Config, RngAlgorithm, TestRng, TestRunner},
};
use sspcache_tests::{
    any_call::{CONFIG, World, calls},
    cases,
    context::configured,
    dll::Mock,
};
use windows_sys::Win32::Foundation::{SEC_E_OK, SEC_I_CONTINUE_NEEDED};

/// What succeeds in some order of calls.
const SUCCEED: [&str; 20] = [
    "AcquireCredentialsHandle",
    "AddCredentials",
    "ChangeAccountPassword",
    "DecryptMessage",
    "DeleteSecurityContext",
    "EncryptMessage",
    "EnumerateSecurityPackages",
    "ExportSecurityContext",
    "FreeContextBuffer",
    "FreeCredentialsHandle",
    "ImpersonateSecurityContext",
    "ImportSecurityContext",
    "MakeSignature",
    "QueryContextAttributes",
    "QueryCredentialsAttributes",
    "QuerySecurityPackageInfo",
    "RevertSecurityContext",
    "SetCredentialsAttributes",
    "VerifySignature",
    "a handshake",
];

/// What refuses nothing that these cases try.
const BENIGN: [&str; 1] = ["EnumerateSecurityPackages"];

/// What goes on at least.
const STEPS: [&str; 2] = ["AcceptSecurityContext", "InitializeSecurityContext"];

/// What the mock never does.
const NEVER: [&str; 3] = ["ApplyControlToken", "QuerySecurityContextToken", "SetContextAttributes"];

/// As many as the longest sequence of calls takes, more or less.
const MOST_BYTES: usize = 500;

/// How often at least, so that the cases can't come to be about nothing.
const ENOUGH: u32 = 25;

/// Always the same cases, so that what fails once fails again.
#[track_caller]
fn any_order(test: &str, config: &str, least: u32, check: impl FnOnce(&World<'_>)) {
    configured(test, config, || {
        let mock = Mock::own("MSNSSPC");
        let world = World::new(&mock);
        let config = Config { cases: cases(least), failure_persistence: None, ..Config::default() };
        let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
        let outcome = runner.run(&vec(any::<u8>(), 0..MOST_BYTES), |bytes| {
            let calls = calls(&bytes);
            world.run(&calls);
            Ok(())
        });
        outcome.unwrap_or_else(|error| panic!("{error}"));
        check(&world);
    });
}

/// S5, S6
#[test]
fn any_order_of_any_calls_gets_documented_answers() {
    any_order("any_order_of_any_calls_gets_documented_answers", CONFIG, 2_000, |world| {
        for function in SUCCEED {
            let succeeded = world.count(function, SEC_E_OK);
            assert!(succeeded >= ENOUGH, "{function} rarely succeeds:\n{}", world.table());
        }
        for function in STEPS {
            let continued = world.count(function, SEC_I_CONTINUE_NEEDED);
            assert!(continued >= ENOUGH, "{function} rarely goes on:\n{}", world.table());
        }
        for function in SUCCEED.iter().chain(&STEPS).chain(&NEVER).filter(|name| !BENIGN.contains(name)) {
            assert!(world.refusals(function) >= ENOUGH, "{function} rarely refuses:\n{}", world.table());
        }
        for function in NEVER {
            assert_eq!(world.count(function, SEC_E_OK), 0, "{function}");
        }
    });
}

/// S3, S5, S6
#[test]
fn any_order_of_any_calls_gets_documented_answers_where_tokens_are_completed() {
    let test = "any_order_of_any_calls_gets_documented_answers_where_tokens_are_completed";
    any_order(test, &format!("{CONFIG}complete-tokens = true\n"), 500, |world| {
        for function in ["CompleteAuthToken", "DecryptMessage", "VerifySignature"] {
            let succeeded = world.count(function, SEC_E_OK);
            assert!(succeeded >= ENOUGH, "{function} rarely succeeds:\n{}", world.table());
        }
    });
}
