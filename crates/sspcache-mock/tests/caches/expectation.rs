//! What a test is told of its own mistakes: assertions and expectations of the mocks.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache::CredentialProvider;
use sspcache_mock::{
    CacheEffect, CacheFault, MockCcaches, MockCredentials, MockProcess, MockSchannel, MockTickets,
    MockWinInet,
};

/// What a test that ends so panics with, if it does.
fn panic_of(test: impl FnOnce()) -> Option<String> {
    let panicked = catch_unwind(AssertUnwindSafe(test));
    panicked.err().map(|panic| *panic.downcast::<String>().expect("the mocks' messages are strings"))
}

#[test]
fn what_is_left_is_named_with_the_line_that_put_it_there() {
    let (schannel, wininet) = (MockSchannel::new(), MockWinInet::new());
    let process = MockProcess::with_loaded([&schannel]).and_loaded(&wininet);
    schannel.session("web.contoso.example");
    wininet.password("proxy.contoso.example");
    wininet.persistent_cookie("web.contoso.example", "stay");
    process.memory_ccaches().ccache("MEMORY:app", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE"]);
    let message = panic_of(|| process.assert_clean()).unwrap();
    for part in [
        "schannel.dll: 1 entry is still there, and no flush reached it:",
        "  the TLS session with web.contoso.example, put there at ",
        "the password of proxy.contoso.example, put there at ",
        "MEMORY:app of alice@CONTOSO.EXAMPLE, with 1 of its tickets, put there at ",
        "expectation.rs:",
    ] {
        assert!(message.contains(part), "{part} is not in: {message}");
    }
    assert!(!message.contains("stay"), "a flush isn't meant to remove it: {message}");
    assert!(process.caches().flush_all().is_success());
    process.assert_clean();
    assert_eq!(wininet.entries().len(), 1);
}

#[test]
fn what_a_report_can_not_know_the_mock_does() {
    let schannel = MockSchannel::new().fault(CacheFault::on_flush(CacheEffect::Keep));
    let process = MockProcess::with_loaded([&schannel]);
    schannel.session("web.contoso.example");
    assert!(process.caches().flush_all().is_success(), "SslEmptyCacheW returned TRUE");
    let message = panic_of(|| schannel.assert_clean()).unwrap();
    assert!(message.contains("1 flush reached it"), "{message}");
}

#[test]
fn a_sign_out_that_is_expected_and_forgotten_fails_the_test_at_its_end() {
    type Test = (&'static str, fn(), &'static str);
    let tests: [Test; 7] = [
        (
            "tickets",
            || {
                let tickets = MockTickets::new().expect_sign_out();
                tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
            },
            "the ticket for krbtgt/CONTOSO.EXAMPLE",
        ),
        (
            "credentials",
            || {
                let credentials = MockCredentials::new().expect_sign_out();
                credentials.entry("MyApp/alice", MockCredentials::DOMAIN_PASSWORD);
            },
            "the credential for MyApp/alice (type 2)",
        ),
        (
            "ccaches",
            || {
                let ccaches = MockCcaches::new().expect_sign_out();
                ccaches.ccache("FILE:/tmp/a", "alice@CONTOSO.EXAMPLE", []);
            },
            "FILE:/tmp/a of alice@CONTOSO.EXAMPLE",
        ),
        (
            "wininet",
            || {
                let wininet = MockWinInet::new().expect_sign_out();
                wininet.cookie("web.contoso.example", "session");
            },
            "the cookie session of web.contoso.example",
        ),
        ("unused", || drop(MockSchannel::new().expect_sign_out()), "nothing was put there"),
        (
            "unloaded",
            || {
                let schannel = MockSchannel::new().expect_sign_out();
                let process = MockProcess::with_loaded([&schannel]);
                schannel.session("web.contoso.example");
                process.unload("schannel.dll").unwrap();
                assert!(schannel.sessions().is_empty());
            },
            "1 of its entries were there when it was unloaded, which is no sign-out",
        ),
        (
            "wider",
            || {
                let tickets = MockTickets::new().expect_sign_out();
                tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
                // The application forgot `.and_kerberos()`.
                assert!(MockProcess::new().with_tickets(&tickets).caches().flush_all().is_success());
            },
            "no flush reached it",
        ),
    ];
    for (name, test, says) in tests {
        let message = panic_of(test).unwrap_or_else(|| panic!("{name}: nothing failed"));
        assert!(message.contains("the sign-out that ") && message.contains(says), "{name}: {message}");
        assert!(message.contains("expectation.rs:"), "{name}: {message}");
    }
}

#[test]
fn a_sign_out_that_happened_is_as_expected() {
    let schannel = MockSchannel::new().expect_sign_out();
    let tickets = MockTickets::default().expect_sign_out();
    let process = MockProcess::with_loaded([&schannel]).with_tickets(&tickets);
    schannel.session("web.contoso.example");
    tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
    assert!(process.caches().and_kerberos().flush_all().is_success());
    process.unload("schannel.dll").unwrap();
    // A clone checks nothing.
    drop((schannel.clone(), tickets.clone()));
}
