//! What a test expects of a sign-out, and of leaks and misuse, checked when the mock is dropped.

#![forbid(unsafe_code)]

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache::{
    CredentialProvider, SignIn,
    context::{ContextRequest, Role, Step},
    loader::{Loader, Module, SecurityInterface},
};
use sspcache_mock::{Logon, MockInterface, MockProcess, MockSsp};

const MSN: &str = "MSNSSPC.dll";

fn sign_in(process: &MockProcess) {
    let package = process.provider().security_package(MSN, "MSN").unwrap();
    package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
}

/// What a test that ends so panics with, if it does.
fn panic_of(test: impl FnOnce(&MockSsp, &MockProcess)) -> Option<String> {
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let msn = MockSsp::msn().expect_sign_out();
        let process = MockProcess::with_loaded([&msn]);
        test(&msn, &process);
    }));
    panicked.err().map(|panic| match panic.downcast::<String>() {
        Ok(message) => *message,
        Err(panic) => panic.downcast_ref::<&str>().unwrap().to_string(),
    })
}

#[test]
fn a_sign_out_that_happens_is_as_expected() {
    let panic = panic_of(|_, process| {
        sign_in(process);
        assert!(process.provider().flush_all().is_success());
    });
    assert_eq!(panic, None);
}

#[test]
fn a_test_that_forgets_to_assert_fails_and_names_who_is_left() {
    let message = panic_of(|_, process| sign_in(process)).unwrap();
    let expected_at = message.split(" expects").next().unwrap();
    assert!(expected_at.contains("expectation.rs:"), "{message}");
    for part in [
        "1 credential is still cached in MSNSSPC.dll:\n  MSN CONTOSO\\alice, since event 1\nevents:\n    0 Started\n",
        "\n    1 Cached MSN CONTOSO\\alice (Explicit); cached: 0 → 1\n",
        "\n    2 Acquired MSN CONTOSO\\alice (Explicit)\n",
        "\n    3 Freed",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert!(!message.contains("horse"), "{message}");
}

/// P2: a package that doesn't cache leaves what its handles hold.
#[test]
fn a_handle_that_is_not_freed_is_no_sign_out() {
    let message = panic_of(|_, process| {
        let package = process.provider().security_package(MSN, "Negotiate").unwrap();
        let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
        assert!(process.provider().flush_all().is_success());
        std::mem::forget(alice);
    })
    .unwrap();
    for part in [
        "1 credential is still held by a handle that was not freed, in MSNSSPC.dll:\n  Negotiate CONTOSO\\alice, since event 1",
        "\n    1 Held Negotiate CONTOSO\\alice (Explicit)\n    2 Acquired Negotiate CONTOSO\\alice (Explicit)\n    3 Flushed",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    assert!(!message.contains("horse"), "{message}");

    let panic = panic_of(|_, process| {
        let package = process.provider().security_package(MSN, "Negotiate").unwrap();
        drop(package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap());
    });
    assert_eq!(panic, None, "a handle that is freed takes its credential with it");
}

/// P3: signing in with the session's credentials is a sign-in, after which there is nothing to sign out of.
#[test]
fn default_credentials_are_a_sign_in_that_leaves_nothing() {
    let msn = MockSsp::msn().logon(Logon::password("alice", "CONTOSO", "correct horse")).expect_sign_out();
    let process = MockProcess::with_loaded([&msn]);
    let package = process.provider().security_package(MSN, "NTLM").unwrap();
    std::mem::forget(package.acquire(&SignIn::silent()).unwrap());
    msn.assert_clean();
    assert!(msn.held_credentials().is_empty());
    assert_eq!(msn.open_handles(), 1);
}

#[test]
fn a_test_that_signs_nobody_in_fails() {
    let message = panic_of(|_, process| assert!(process.provider().flush_all().is_success())).unwrap();
    assert!(message.contains("no sign-in went through this mock"), "{message}");
}

#[test]
fn accepting_sign_ins_is_no_sign_in() {
    let message = panic_of(|_, process| {
        drop(process.provider().security_package(MSN, "MSN").unwrap().acquire_inbound().unwrap());
    });
    assert!(message.unwrap().contains("no sign-in"));
}

/// M10
#[test]
fn unloading_is_no_sign_out() {
    let message = panic_of(|_, process| {
        sign_in(process);
        process.unload(MSN).unwrap();
    })
    .unwrap();
    assert!(
        message.contains("1 credential was still cached when the SSP was unloaded (event 4)"),
        "{message}"
    );
    assert!(message.contains("\n    4 Ended (unloaded), 1 still cached"), "{message}");
}

/// A second panic would abort the process, and all tests with it.
#[test]
fn a_test_that_panics_already_panics_once() {
    let message = panic_of(|_, process| {
        sign_in(process);
        panic!("the test's own failure");
    });
    assert_eq!(message.as_deref(), Some("the test's own failure"));
}

#[test]
fn clones_check_nothing() {
    let panic = panic_of(|msn, process| {
        drop(msn.clone());
        sign_in(process);
        assert!(process.provider().flush_all().is_success());
    });
    assert_eq!(panic, None);
}

#[test]
fn an_assertion_lists_the_events_that_it_refers_to() {
    let msn = MockSsp::msn();
    sign_in(&MockProcess::with_loaded([&msn]));
    let panic = catch_unwind(AssertUnwindSafe(|| msn.assert_clean())).unwrap_err();
    let message = panic.downcast_ref::<String>().unwrap();
    assert!(
        message.contains("since event 1\nevents:\n    0 Started\n    1 Cached MSN CONTOSO\\alice"),
        "{message}"
    );
}

#[test]
#[should_panic(expected = "MSNSSPC.dll: a mock SSP is set up before it is used")]
fn a_mock_that_is_used_cannot_be_set_up_any_more() {
    let msn = MockSsp::msn();
    assert_eq!(msn.cached(), 0);
    let _late = msn.account("alice", "CONTOSO", "correct horse");
}

/// Q2, M10
#[test]
fn a_test_that_gives_not_everything_back_fails_and_names_what() {
    /// What is kept: the credential, or the handshake that was begun with it.
    fn panic_of(keeps: impl FnOnce(&MockProcess)) -> Option<String> {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let msn = MockSsp::msn().expect_no_leaks();
            let process = MockProcess::with_loaded([&msn]);
            keeps(&process);
        }));
        panicked.err().map(|panic| *panic.downcast::<String>().unwrap())
    }
    let acquire = |process: &MockProcess| {
        let package = process.provider().security_package(MSN, "NTLM").unwrap();
        package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap()
    };
    let begin = |process: &MockProcess| {
        let begun = acquire(process).initiate(ContextRequest::new()).step(&[]).unwrap();
        let Step::Continue { handshake, .. } = begun else { panic!("NTLM has three tokens") };
        handshake
    };

    assert_eq!(panic_of(|_| ()), None);
    assert_eq!(panic_of(|process| drop(begin(process))), None);
    let message = panic_of(|process| std::mem::forget(acquire(process))).unwrap();
    for part in [
        "expectation.rs:",
        r"the credential handle of event 2 (CONTOSO\alice for NTLM) was never freed, acquired at ",
        "\n    2 Acquired NTLM",
    ] {
        assert!(message.contains(part), "{part:?} in {message}");
    }
    let message = panic_of(|process| std::mem::forget(begin(process))).unwrap();
    assert!(
        message.contains(r"the context of event 3 (CONTOSO\alice for NTLM) was never deleted"),
        "{message}"
    );
}

/// Q4: of a leak the line that acquired it or began it, and not one of the library's.
#[test]
fn a_leak_is_named_with_the_line_of_the_test_that_it_began_in() {
    let leak = |leaks: fn(&MockProcess) -> u32| {
        let mut line = 0;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let msn = MockSsp::msn().expect_no_leaks();
            line = leaks(&MockProcess::with_loaded([&msn]));
        }));
        (line, *panicked.unwrap_err().downcast::<String>().unwrap())
    };
    let (line, message) = leak(|process| {
        let package = process.provider().security_package(MSN, "NTLM").unwrap();
        std::mem::forget(package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap());
        line!() - 1
    });
    assert!(message.contains(&format!("acquired at {}:{line}:", file!())), "{line}: {message}");
    let (line, message) = leak(|process| {
        let package = process.provider().security_package(MSN, "NTLM").unwrap();
        let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
        let handshake = alice.initiate(ContextRequest::new());
        std::mem::forget(handshake.step(&[]).unwrap());
        line!() - 1
    });
    assert!(message.contains(&format!("begun at {}:{line}:", file!())), "{line}: {message}");
}

/// What a call of the interface is made to break, and what is then said of it.
struct Misuse {
    breaks: fn(&MockInterface),
    says: &'static str,
}

/// Q3, Q4: what only code can do that calls the interface itself. With the lines of the calls.
#[test]
fn a_test_that_misuses_the_interface_fails_and_names_the_rule_and_both_lines() {
    fn acquire(ssp: &MockInterface) -> <MockInterface as SecurityInterface>::Handle {
        ssp.acquire("NTLM", &SignIn::password("alice", "CONTOSO", "correct horse")).unwrap()
    }
    let table = [
        Misuse { breaks: |_| (), says: "" },
        Misuse {
            breaks: |ssp| {
                let alice = acquire(ssp);
                ssp.free(&alice).unwrap();
            },
            says: "",
        },
        Misuse {
            breaks: |ssp| {
                let alice = acquire(ssp);
                ssp.free(&alice).unwrap();
                ssp.free(&alice).unwrap_err();
            },
            says: r"the credential handle of event 2 (CONTOSO\alice for NTLM) was freed twice: FreeCredentialsHandle (event 5) at ",
        },
        Misuse {
            breaks: |ssp| {
                let alice = acquire(ssp);
                ssp.free(&alice).unwrap();
                ssp.principal(&alice).unwrap_err();
            },
            says: "was used after it was freed: QueryCredentialsAttributes (event 5) at ",
        },
        Misuse {
            breaks: |ssp| {
                let alice = acquire(ssp);
                let mut context = None;
                ssp.step(Role::Initiator, &alice, &mut context, &ContextRequest::new(), &[]).unwrap();
                let context = context.unwrap();
                ssp.delete(&context).unwrap();
                // By its page it succeeds.
                let _ = ssp.delete(&context);
                ssp.sign(&context, b"message").unwrap_err();
                ssp.free(&alice).unwrap();
            },
            says: "was used after it was deleted: QueryContextAttributes (event ",
        },
        Misuse {
            breaks: |ssp| {
                let alice = acquire(ssp);
                let (mut context, request) = (None, ContextRequest::new());
                ssp.step(Role::Initiator, &alice, &mut context, &request, &[]).unwrap();
                for _ in 0..2 {
                    ssp.step(Role::Initiator, &alice, &mut context, &request, b"no token").unwrap_err();
                }
            },
            says: "had failed, and was stepped on: InitializeSecurityContext (event ",
        },
    ];
    for Misuse { breaks, says } in table {
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let msn = MockSsp::msn().expect_no_misuse();
            let process = MockProcess::with_loaded([&msn]);
            let module = process.modules(MSN).unwrap().next().unwrap();
            breaks(&module.security_interface().unwrap().unwrap());
        }));
        let message = panicked.err().map(|panic| *panic.downcast::<String>().unwrap()).unwrap_or_default();
        assert_eq!(message.is_empty(), says.is_empty(), "{message}");
        if says.is_empty() {
            continue;
        }
        assert!(
            message.contains("expects no misuse, but ") && message.contains(says),
            "{says:?} in {message}"
        );
        let lines = message.lines().next().unwrap().matches(concat!(file!(), ":")).count();
        let given_back = usize::from(!says.contains("failed"));
        assert_eq!(lines, 2 + given_back, "of the expectation, of the call, of giving back: {message}");
        assert!(!message.contains("horse"), "{message}");
    }
}
