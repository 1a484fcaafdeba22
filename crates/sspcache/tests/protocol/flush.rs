//! The steps of a flush, in their order, and what each of them can come to.

use std::path::Path;

use sspcache::{
    CacheName, CredentialProvider, Error, Flush, SecurityStatus, SignIn, SspCaches, loader::WindowStation,
};

use crate::fake::{FakeLoader, FakeModule};

const MSN: &str = r"C:\app\MSNSSPC.dll";

fn flushes() -> FakeModule {
    FakeModule::new(MSN, Some(true))
}

/// Each row of a report: the SSP, the module, what came of it.
fn rows(provider: &dyn CredentialProvider) -> Vec<(String, String, String)> {
    let row = |row: sspcache::FlushRow| {
        let outcome = row.outcome.map_or_else(|error| error.code().to_owned(), |outcome| outcome.to_string());
        (row.cache.to_string(), row.module.map_or(String::new(), |path| path.display().to_string()), outcome)
    };
    provider.flush_all().into_iter().map(row).collect()
}

/// C2
#[test]
fn false_is_an_error_and_never_a_success() {
    let provider = SspCaches::new(FakeLoader::with([FakeModule::new(MSN, Some(false))]));
    let error = provider.flush("MSNSSPC.dll").unwrap_err();
    assert!(matches!(&error, Error::FlushFailed { module } if module == Path::new(MSN)), "{error:?}");
    assert_eq!(
        error.to_string(),
        r"C:\app\MSNSSPC.dll: CleanupCredentialCache returned FALSE; its credentials may still be cached"
    );
    assert!(!provider.flush_all().is_success());
}

/// C2
#[test]
fn a_flush_can_be_repeated() {
    let provider = SspCaches::new(FakeLoader::with([flushes()]));
    for _ in 0..3 {
        assert_eq!(provider.flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
    }
}

/// C3
#[test]
fn an_unknown_name_is_refused_before_the_loader_is_asked() {
    let provider = SspCaches::new(FakeLoader::with([FakeModule::new(r"C:\app\ntlm.dll", Some(true))]));
    for unknown in ["ntlm.dll", "MSNSSPC", "MSNSSPC.dll ", r"C:\app\MSNSSPC.dll", "MSNSSPC.dll\0", ""] {
        let errors = [
            provider.flush(unknown).unwrap_err(),
            provider.is_present(unknown).unwrap_err(),
            provider.security_package(unknown, "MSN").map(drop).unwrap_err(),
        ];
        for error in errors {
            assert!(
                matches!(&error, Error::UnknownCache { name, .. } if name == unknown),
                "{unknown:?}: {error:?}"
            );
            assert!(error.to_string().contains("known: MSNSSPC.dll, MSAPSSPC.dll"), "{error}");
            assert!(error.to_string().contains("SspCachesBuilder::register"), "{error}");
        }
    }
    assert_eq!(provider.loader().log.take(), [""; 0]);
}

/// C3
#[test]
fn a_third_partys_ssp_is_flushed_once_it_is_registered() {
    let loader = FakeLoader::with([flushes(), FakeModule::new(r"C:\app\CONTOSSP.dll", Some(true))]);
    let provider = SspCaches::builder(loader).register("CONTOSSP.dll").build();
    assert_eq!(provider.caches(), [CacheName::MSNSSPC, CacheName::MSAPSSPC, CacheName::new("contossp.DLL")]);
    assert_eq!(provider.flush("contossp.dll").unwrap(), Flush::Flushed);
    assert_eq!(provider.flush_all().flushed(), 2);
}

/// C3
#[test]
fn registering_what_is_known_changes_nothing() {
    let builder = SspCaches::builder(FakeLoader::with([flushes()]));
    let provider = builder.register("msnsspc.DLL").register("A.dll").register("a.DLL").build();
    assert_eq!(provider.caches(), [CacheName::MSNSSPC, CacheName::MSAPSSPC, CacheName::new("A.dll")]);
}

/// C4
#[test]
fn what_is_not_loaded_is_a_success_of_its_own() {
    let provider = SspCaches::new(FakeLoader::with([]));
    assert!(!provider.is_present("MSNSSPC.dll").unwrap());
    assert_eq!(provider.flush("MSNSSPC.dll").unwrap(), Flush::Absent);
    let report = provider.flush_all();
    assert!(report.is_success());
    assert_eq!(report.flushed(), 0);
    assert_eq!(report.into_result().unwrap(), Flush::Absent);
}

/// C4
#[test]
fn a_reference_is_held_until_the_call_has_returned() {
    let provider = SspCaches::new(FakeLoader::with([flushes()]));
    provider.flush("MSNSSPC.dll").unwrap();
    let log = provider.loader().log.take();
    assert_eq!(
        log[2..],
        ["modules named MSNSSPC.dll?", r"C:\app\MSNSSPC.dll called", r"C:\app\MSNSSPC.dll given back"]
    );
}

/// C4, C9
#[test]
fn each_module_of_a_name_has_a_row_whatever_becomes_of_the_others() {
    let provider = SspCaches::new(FakeLoader::with([
        FakeModule::new(r"C:\a\MSNSSPC.dll", Some(false)),
        FakeModule::new(r"C:\b\MSNSSPC.dll", Some(true)),
        FakeModule::new(r"C:\c\MSNSSPC.dll", None),
        FakeModule::new(r"C:\d\MSNSSPC.dll", Some(true)),
    ]));
    let row =
        |ssp: &str, module: &str, outcome: &str| (ssp.to_owned(), module.to_owned(), outcome.to_owned());
    assert_eq!(
        rows(&provider),
        [
            row("MSNSSPC.dll", r"C:\a\MSNSSPC.dll", "flush-failed"),
            row("MSNSSPC.dll", r"C:\b\MSNSSPC.dll", "flushed"),
            row("MSNSSPC.dll", r"C:\c\MSNSSPC.dll", "export-missing"),
            row("MSNSSPC.dll", r"C:\d\MSNSSPC.dll", "flushed"),
            row("MSAPSSPC.dll", "", "absent"),
        ]
    );
    let first = provider.flush("MSNSSPC.dll").unwrap_err();
    assert!(
        matches!(&first, Error::FlushFailed { module } if module == Path::new(r"C:\a\MSNSSPC.dll")),
        "{first:?}"
    );
}

/// C5
#[test]
fn a_missing_export_is_an_error_that_names_it_and_the_module() {
    let provider = SspCaches::new(FakeLoader::with([FakeModule::new(MSN, None)]));
    let flushing = provider.flush("MSNSSPC.dll").unwrap_err();
    let signing_in = provider.security_package("MSNSSPC.dll", "MSN").map(drop).unwrap_err();
    for (error, missing) in [(flushing, "CleanupCredentialCache"), (signing_in, "InitSecurityInterfaceW")] {
        assert!(
            matches!(&error, Error::ExportMissing { module, export } if module == Path::new(MSN) && *export == missing),
            "{error:?}"
        );
        assert_eq!(
            error.to_string(),
            format!(
                r"C:\app\MSNSSPC.dll: no export named {missing}, so this is not the SSP that its name promises"
            )
        );
    }
}

/// C6
#[test]
fn inside_a_loader_callback_nothing_more_is_asked() {
    let mut loader = FakeLoader::with([flushes()]);
    loader.is_inside_loader_callback = true;
    let provider = SspCaches::builder(loader).allow_non_interactive(true).build();
    let error = provider.flush("MSNSSPC.dll").unwrap_err();
    assert!(matches!(&error, Error::InsideLoaderCallback { cache } if cache == "MSNSSPC.dll"), "{error:?}");
    assert!(error.to_string().contains("flush from ordinary code instead"), "{error}");
    assert_eq!(provider.loader().log.take(), ["inside a loader callback?"]);
}

/// C6, C7
#[test]
fn the_window_station_is_asked_about_after_loader_callbacks() {
    let provider = SspCaches::new(FakeLoader::with([]));
    provider.flush("MSNSSPC.dll").unwrap();
    assert_eq!(
        provider.loader().log.take(),
        ["inside a loader callback?", "which window station?", "modules named MSNSSPC.dll?"]
    );
}

/// C7
#[test]
fn a_station_that_is_not_visible_is_refused_unless_the_caller_opts_in() {
    let on_station = || {
        let mut loader = FakeLoader::with([flushes()]);
        loader.window_station = WindowStation::NotVisible { name: "Service-0x0-3e7$".into(), flags: 0x10 };
        loader
    };
    let provider = SspCaches::new(on_station());
    let error = provider.flush("MSNSSPC.dll").unwrap_err();
    assert!(matches!(&error, Error::NonInteractiveWindowStation { flags: 0x10, .. }), "{error:?}");
    insta::assert_snapshot!(error, @"MSNSSPC.dll: not flushed: the window station Service-0x0-3e7$ is not visible (flags 0x10, without WSF_VISIBLE), as that of a service; WinINet's functions are not for services. SSH sessions, scheduled tasks and CI agents have such a station too: if this is one, opt in with allow_non_interactive(true)");
    assert_eq!(provider.loader().log.take(), ["inside a loader callback?", "which window station?"]);

    let provider = SspCaches::builder(on_station()).allow_non_interactive(true).build();
    assert_eq!(provider.flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
}

/// C7
#[test]
fn where_there_are_no_window_stations_nothing_is_refused() {
    let mut loader = FakeLoader::with([flushes()]);
    loader.window_station = WindowStation::None;
    assert_eq!(SspCaches::new(loader).flush("MSNSSPC.dll").unwrap(), Flush::Flushed);
}

#[test]
fn a_loader_that_cannot_be_asked_is_an_error_with_its_reason() {
    let mut loader = FakeLoader::with([flushes()]);
    loader.is_broken = true;
    let provider = SspCaches::new(loader);
    for error in [provider.flush("MSNSSPC.dll").map(drop), provider.is_present("MSNSSPC.dll").map(drop)] {
        let error = error.unwrap_err();
        assert_eq!(error.to_string(), "MSNSSPC.dll: failed to look up loaded modules");
        assert_eq!(std::error::Error::source(&error).unwrap().to_string(), "the list is locked");
    }
    let report = provider.flush_all().to_string();
    assert!(
        report.starts_with(
            "MSNSSPC.dll   FAILED   MSNSSPC.dll: failed to look up loaded modules: the list is locked\n"
        ),
        "a report has the cause: {report}"
    );
}

#[test]
fn a_sign_in_through_what_is_not_loaded_loads_nothing() {
    let provider = SspCaches::new(FakeLoader::with([]));
    let error = provider.security_package("MSNSSPC.dll", "MSN").map(drop).unwrap_err();
    assert!(matches!(&error, Error::NotLoaded { ssp } if ssp == "MSNSSPC.dll"), "{error:?}");
    assert_eq!(provider.loader().log.take(), ["modules named MSNSSPC.dll?"]);
}

#[test]
fn a_credential_keeps_its_module_until_it_is_given_back() {
    let provider = SspCaches::new(FakeLoader::with([flushes().that_signs_in()]));
    let package = provider.security_package("MSNSSPC.dll", "MSN").unwrap();
    assert_eq!(package.name(), "MSN");
    let dropped = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    let given_back = package.acquire(&SignIn::password("bob", "CONTOSO", "battery staple")).unwrap();
    assert_eq!(dropped.principal().unwrap(), r"CONTOSO\alice of MSN");
    provider.loader().log.take();

    drop(package);
    given_back.close().unwrap();
    drop(dropped);
    assert_eq!(
        provider.loader().log.take(),
        [r"CONTOSO\bob of MSN freed", r"CONTOSO\alice of MSN freed", r"C:\app\MSNSSPC.dll given back"]
    );
}

#[test]
fn a_refused_sign_in_names_the_module_the_function_and_the_status() {
    let provider = SspCaches::new(FakeLoader::with([flushes().that_signs_in()]));
    let package = provider.security_package("MSNSSPC.dll", "MSN").unwrap();
    let error = package.acquire(&SignIn::silent()).unwrap_err();
    assert!(matches!(&error, Error::Sspi { status: SecurityStatus::NO_CREDENTIALS, .. }), "{error:?}");
    assert_eq!(
        error.to_string(),
        r"C:\app\MSNSSPC.dll: AcquireCredentialsHandle failed: SEC_E_NO_CREDENTIALS (0x8009030E)"
    );
}

/// M8
#[test]
fn no_password_is_in_what_a_sign_in_prints() {
    let sign_in = SignIn::password("alice", "CONTOSO", "correct horse").as_principal(r"CONTOSO\alice");
    let printed = format!("{sign_in:?} {:?}", sign_in.identity());
    assert!(printed.contains("alice") && !printed.contains("horse"), "{printed}");
}
