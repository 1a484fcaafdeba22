//! The documented sign-out over the emulated loader and the mock SSP: what production's code does when the process
//! around it is made up.

#![forbid(unsafe_code)]

use std::{path::Path, thread};

use sspcache::{
    CredentialProvider, Error, Flush, FlushOnDrop, SecurityStatus, SignIn, SspCaches, loader::WindowStation,
};
use sspcache_mock::{Effect, EventKind, Fault, HandlePolicy, MockProcess, MockSsp, Operation};

const MSN: &str = "MSNSSPC.dll";

fn alice() -> SignIn<'static> {
    SignIn::password("alice", "CONTOSO", "correct horse")
}

fn with_fault(module: &str, operation: Operation, effect: Effect) -> MockSsp {
    MockSsp::new(module).fault(Fault::new(operation, effect))
}

/// M2, M3, C2
#[test]
fn a_flush_ends_silent_sign_ins() {
    let msn = MockSsp::msn();
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let package = ssps.security_package(MSN, "MSN").unwrap();
    assert_eq!(package.acquire(&alice()).unwrap().principal().unwrap(), r"CONTOSO\alice");
    let silent = package.acquire(&SignIn::silent().as_principal("alice@contoso")).unwrap();
    assert_eq!(silent.principal().unwrap(), r"CONTOSO\alice");
    assert_eq!(msn.open_handles(), 1, "the explicit one was given back when dropped");
    silent.close().unwrap();
    assert_eq!(msn.open_handles(), 0);
    for _ in 0..2 {
        assert_eq!(ssps.flush("msnsspc.dll").unwrap(), Flush::Flushed);
        msn.assert_clean();
    }
    let refused = package.acquire(&SignIn::silent()).unwrap_err();
    assert!(matches!(refused, Error::Sspi { status: SecurityStatus::NO_CREDENTIALS, .. }), "{refused}");
}

/// C4: what is installed and not loaded is not touched, and not loaded either.
#[test]
fn an_ssp_that_is_not_loaded_is_reported_and_left_alone() {
    let msn = MockSsp::msn();
    let process = MockProcess::new();
    process.install(&msn);
    let ssps = process.provider();
    let report = ssps.flush_all();
    assert!(report.is_success());
    assert_eq!(report.to_string(), "MSNSSPC.dll   absent\nMSAPSSPC.dll  absent");
    assert!(!ssps.is_present(MSN).unwrap());
    assert!(msn.events().iter().all(|event| matches!(event.kind, EventKind::Started { .. })));
    assert!(matches!(ssps.security_package(MSN, "MSN"), Err(Error::NotLoaded { .. })));
}

/// C4
#[test]
fn each_of_several_modules_of_one_name_is_flushed_and_has_its_row() {
    let (first, second) = (MockSsp::msn(), MockSsp::msn());
    let process = MockProcess::new();
    for (path, ssp) in [(r"C:\one\MSNSSPC.dll", &first), (r"C:\two\msnsspc.DLL", &second)] {
        process.install_at(path, ssp);
        process.load(path).unwrap();
        // Signing in through the provider finds the first of the name alone.
        let own = MockProcess::with_loaded([ssp]).provider();
        own.security_package(MSN, "MSN").unwrap().acquire(&alice()).unwrap();
        assert_eq!(ssp.cached(), 1);
    }
    let report = process.provider().flush_all();
    assert_eq!(report.flushed(), 2, "{report}");
    let modules: Vec<_> =
        report.rows().iter().map(|row| row.module.as_deref().and_then(Path::to_str)).collect();
    assert_eq!(modules, [Some(r"C:\one\MSNSSPC.dll"), Some(r"C:\two\msnsspc.DLL"), None]);
    first.assert_clean();
    second.assert_clean();
}

/// C2, C5, C9, M11: one row per way an SSP can be broken; the other SSP is flushed all the same.
#[test]
fn a_broken_ssp_is_an_error_of_its_own_and_stops_nobody() {
    use Operation::CleanupCredentialCache as Cleanup;
    for (effect, kind, says) in [
        (
            Effect::False,
            "flush-failed",
            r"C:\Windows\System32\MSNSSPC.dll: CleanupCredentialCache returned FALSE",
        ),
        (
            Effect::Missing,
            "export-missing",
            r"C:\Windows\System32\MSNSSPC.dll: no export named CleanupCredentialCache",
        ),
        (Effect::Panic, "flush-failed", "returned FALSE"),
    ] {
        let (broken, dpa) = (with_fault(MSN, Cleanup, effect), MockSsp::dpa());
        let ssps = MockProcess::with_loaded([&broken, &dpa]).provider();
        ssps.security_package("MSAPSSPC.dll", "DPA").unwrap().acquire(&alice()).unwrap();
        let report = ssps.flush_all();
        let failure = report.failures().next().unwrap();
        assert_eq!(failure.code(), kind);
        assert!(failure.to_string().contains(says), "{failure}");
        assert_eq!(report.flushed(), 1, "{report}");
        dpa.assert_clean();
    }
}

/// M11: signing in meets a missing export, a missing entry, a status and a panic, and works afterwards.
#[test]
fn a_broken_sign_in_is_an_error_that_names_the_function() {
    use Operation::{AcquireCredentialsHandle as Acquire, InitSecurityInterface as Init};
    for (operation, effect, says) in [
        (Init, Effect::Missing, "no export named InitSecurityInterfaceW"),
        (Init, Effect::False, "InitSecurityInterfaceW failed: SEC_E_INTERNAL_ERROR"),
        (Acquire, Effect::Missing, "AcquireCredentialsHandle failed: SEC_E_UNSUPPORTED_FUNCTION"),
        (Acquire, Effect::Panic, "AcquireCredentialsHandle failed: SEC_E_INTERNAL_ERROR"),
        (Acquire, Effect::Status(SecurityStatus::LOGON_DENIED), "SEC_E_LOGON_DENIED (0x8009030C)"),
    ] {
        let ssps = MockProcess::with_loaded([&with_fault(MSN, operation, effect)]).provider();
        let result = ssps.security_package(MSN, "MSN").and_then(|package| package.acquire(&alice()));
        let error = result.unwrap_err().to_string();
        assert!(error.contains(says), "{error}");
        assert!(!error.contains("horse"));
    }
}

/// C6, L9
#[test]
fn a_flush_inside_a_loader_callback_is_refused_and_touches_nothing() {
    let msn = MockSsp::msn();
    let process = MockProcess::with_loaded([&msn]);
    let ssps = process.provider();
    ssps.security_package(MSN, "MSN").unwrap().acquire(&alice()).unwrap();
    let report = process.in_loader_callback(|| ssps.flush_all());
    assert_eq!(report.failures().map(Error::code).collect::<Vec<_>>(), ["inside-loader-callback"; 2]);
    assert_eq!(msn.cached(), 1);
    // Another thread isn't inside it, and another process's loader lock is another lock.
    process.in_loader_callback(|| {
        thread::scope(|scope| assert!(scope.spawn(|| ssps.flush_all().is_success()).join().unwrap()));
        assert!(MockProcess::new().provider().flush_all().is_success());
    });
    msn.assert_clean();
}

/// C7
#[test]
fn a_flush_on_an_invisible_window_station_needs_an_opt_in() {
    let msn = MockSsp::msn();
    let process = MockProcess::with_loaded([&msn]);
    process.provider().security_package(MSN, "MSN").unwrap().acquire(&alice()).unwrap();
    process.set_window_station(WindowStation::NotVisible { name: "Service-0x0-3e7$".to_owned(), flags: 0 });
    let refused = process.provider().flush(MSN).unwrap_err();
    let text = refused.to_string();
    assert_eq!(refused.code(), "non-interactive-window-station");
    assert!(text.contains("Service-0x0-3e7$") && text.contains("allow_non_interactive(true)"), "{text}");
    assert_eq!(msn.cached(), 1);
    let opted_in = SspCaches::builder(process).allow_non_interactive(true).build();
    assert_eq!(opted_in.flush(MSN).unwrap(), Flush::Flushed);
    msn.assert_clean();
}

/// C3
#[test]
fn a_third_party_ssp_is_flushed_once_it_is_registered() {
    let third = MockSsp::new("CONTOSSP.dll");
    let process = MockProcess::with_loaded([&third]);
    let refused = process.provider().flush("CONTOSSP.dll").unwrap_err();
    assert!(matches!(refused, Error::UnknownCache { .. }), "{refused}");
    let registered = SspCaches::builder(process).register("contossp.dll").build();
    registered.security_package("CONTOSSP.dll", "CONTOSSP").unwrap().acquire(&alice()).unwrap();
    assert_eq!(registered.flush("CONTOSSP.DLL").unwrap(), Flush::Flushed);
    third.assert_clean();
}

/// M10: unloading wipes and is recorded as such; a package that is held keeps its module loaded.
#[test]
fn unloading_wipes_and_is_no_flush() {
    let msn = MockSsp::msn();
    let process = MockProcess::with_loaded([&msn]);
    let package = process.provider().security_package(MSN, "MSN").unwrap();
    let credential = package.acquire(&alice()).unwrap();
    process.unload(MSN).unwrap();
    assert_eq!(msn.cached(), 1, "the package holds a reference");
    drop(package);
    assert!(process.provider().is_present(MSN).unwrap(), "and so does the credential");
    drop(credential);
    assert!(!process.provider().is_present(MSN).unwrap());
    let events = msn.events();
    assert!(matches!(events.last().unwrap().kind, EventKind::Ended { left: 1, .. }), "{events:?}");
    assert!(!events.iter().any(|event| event.kind == EventKind::Flushed));
    process.load(MSN).unwrap();
    let package = process.provider().security_package(MSN, "MSN").unwrap();
    assert!(package.acquire(&SignIn::silent()).is_err(), "loaded again, it starts empty");
}

/// M4: an application that survives both policies survives the undocumented truth.
#[test]
fn handles_of_before_a_flush_follow_the_policy() {
    for (policy, retained) in [(HandlePolicy::Revoke, 0), (HandlePolicy::Retain, 1)] {
        let msn = MockSsp::msn().handle_policy(policy);
        let ssps = MockProcess::with_loaded([&msn]).provider();
        let credential = ssps.security_package(MSN, "MSN").unwrap().acquire(&alice()).unwrap();
        assert!(ssps.flush_all().is_success());
        assert_eq!(msn.retained(), retained, "{policy:?}");
        credential.close().unwrap();
        assert_eq!(msn.retained(), 0);
    }
}

/// M1: a hundred parallel tests, each with both SSPs, don't see each other.
#[test]
fn a_hundred_processes_at_once_do_not_see_each_other() {
    thread::scope(|scope| {
        for index in 0..if cfg!(miri) { 3 } else { 100 } {
            scope.spawn(move || {
                let (msn, dpa) = (MockSsp::msn(), MockSsp::dpa());
                let ssps = MockProcess::with_loaded([&msn, &dpa]).provider();
                let user = format!("user{index}");
                let package = ssps.security_package(MSN, "MSN").unwrap();
                package.acquire(&SignIn::password(&user, "", "x")).unwrap();
                assert_eq!(package.acquire(&SignIn::silent()).unwrap().principal().unwrap(), user);
                assert_eq!((msn.cached(), dpa.cached()), (1, 0));
                assert_eq!(ssps.flush_all().flushed(), 2);
                msn.assert_clean();
            });
        }
    });
}

#[test]
fn a_guard_signs_out_on_every_way_out() {
    let msn = MockSsp::msn();
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let session = |fail: bool| -> Result<(), Error> {
        let _sign_out = FlushOnDrop::new(&ssps, |report| assert!(report.is_success()));
        let package = ssps.security_package(MSN, "MSN")?;
        package.acquire(&alice())?;
        assert_eq!(msn.cached(), 1);
        if fail { ssps.security_package(MSN, "none")?.acquire(&alice()).map(drop) } else { Ok(()) }
    };
    assert!(session(false).is_ok());
    msn.assert_clean();
    assert!(session(true).is_err());
    msn.assert_clean();
}
