//! Names, safety, order, panics: what is the same for each cache.

use std::sync::{
    Arc, Mutex,
    atomic::{AtomicUsize, Ordering::SeqCst},
};

use sspcache::{
    CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, SignIn, Sspi,
    caches::{Caches, Contents, Scope, ccache::Selection},
    loader::WindowStation,
};
use sspcache_mock::{
    CacheEffect, CacheFault, MockCcaches, MockCredentials, MockProcess, MockSchannel, MockSsp, MockTickets,
    MockWinInet,
};

/// A process with something in each cache.
struct Full {
    process: MockProcess,
    msn: MockSsp,
    schannel: MockSchannel,
    wininet: MockWinInet,
    tickets: MockTickets,
    credentials: MockCredentials,
    ccaches: MockCcaches,
}

impl Full {
    fn new() -> Self {
        Self::with(
            MockSchannel::new(),
            MockWinInet::new(),
            MockTickets::new(),
            MockCredentials::new(),
            MockCcaches::new(),
        )
    }

    fn with(
        schannel: MockSchannel,
        wininet: MockWinInet,
        tickets: MockTickets,
        credentials: MockCredentials,
        ccaches: MockCcaches,
    ) -> Self {
        let msn = MockSsp::msn();
        let process = MockProcess::with_loaded([&msn]).and_loaded(&schannel).and_loaded(&wininet);
        let process = process.with_tickets(&tickets).with_credentials(&credentials).with_ccaches(&ccaches);
        let package = process.provider().security_package("MSNSSPC.dll", "MSN").unwrap();
        package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
        schannel.session("web.contoso.example");
        wininet.cookie("web.contoso.example", "session");
        tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
        credentials.entry("MyApp/alice", MockCredentials::GENERIC);
        ccaches.ccache("FILE:/tmp/krb5cc_1000", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE"]);
        process.memory_ccaches().ccache("MEMORY:app", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE"]);
        Self { process, msn, schannel, wininet, tickets, credentials, ccaches }
    }

    /// All that an application can add, in an order that isn't that of a flush.
    fn everything(&self) -> Caches<MockProcess> {
        let caches = self.process.caches().and_kerberos().and_ccache();
        caches.and_credentials("MyApp/*").unwrap()
    }

    /// How many entries there are: of the process, of the logon session, of the user.
    fn entries(&self) -> (usize, usize, usize) {
        let process = self.msn.cached()
            + self.schannel.sessions().len()
            + self.wininet.entries().len()
            + self.process.memory_ccaches().ccaches().len();
        let user = self.credentials.entries().len() + self.ccaches.ccaches().len();
        (process, self.tickets.tickets().len(), user)
    }
}

/// What a report says of each cache.
fn codes(report: &FlushReport) -> Vec<(&str, &str)> {
    let code = |row: &FlushRow| row.outcome.as_ref().map_or_else(Error::code, |flush| flush.as_str());
    report.rows().iter().map(|row| (row.cache.name(), code(row))).collect::<Vec<_>>()
}

/// K1, K4: what isn't added by name is another program's, too.
#[test]
fn a_process_signs_out_without_what_others_share_and_with_it_by_name() {
    let full = Full::new();
    assert_eq!(full.entries(), (4, 1, 2));
    let report = full.process.caches().flush_all();
    assert!(report.rows().iter().all(|row| row.scope == Scope::Process), "{report}");
    assert_eq!(full.entries(), (0, 1, 2), "{report}");
    full.process.assert_clean();

    let report = full.everything().flush_all();
    assert_eq!(full.entries(), (0, 0, 0), "{report}");
    insta::assert_snapshot!(report, @r"
    credentials   flushed  MyApp/*, 1 entry
    ccache        absent   MEMORY:
    ccache        flushed  FILE:/tmp/krb5cc_1000, 1 entry
    kerberos      flushed  1 entry
    MSNSSPC.dll   flushed  C:\Windows\System32\MSNSSPC.dll
    MSAPSSPC.dll  absent
    wininet.dll   flushed  C:\Windows\System32\wininet.dll
    schannel.dll  flushed  C:\Windows\System32\schannel.dll
    ");
}

/// K1
#[test]
fn a_wider_flush_signs_the_other_programs_out_as_well() {
    let full = Full::new();
    let other = MockProcess::new()
        .with_tickets(&full.tickets)
        .with_credentials(&full.credentials)
        .with_ccaches(&full.ccaches);
    other.memory_ccaches().ccache("MEMORY:other", "alice@CONTOSO.EXAMPLE", []);
    let of_other = || {
        let all = other.caches().and_kerberos().and_ccache().and_credentials("MyApp/*").unwrap().status();
        let there = |cache: &&sspcache::caches::CacheStatus| matches!(&cache.contents, Ok(Contents::Entries(entries)) if !entries.is_empty());
        all.iter().filter(there).map(|cache| cache.cache.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(of_other(), ["credentials", "ccache", "kerberos"]);
    assert!(full.process.caches().flush_all().is_success());
    assert_eq!(of_other(), ["credentials", "ccache", "kerberos"]);
    assert!(full.everything().flush_all().is_success());
    assert_eq!(of_other(), [""; 0]);
    assert_eq!(other.memory_ccaches().ccaches().len(), 1, "what is in its memory is its own");
}

/// C3: an unknown name is refused before a cache is asked.
#[test]
fn a_name_that_no_provider_knows_reaches_none() {
    let full = Full::new();
    let caches = full.everything();
    for unknown in ["ntlm.dll", "kerberos.dll", "", "ccache:*"] {
        let errors = [caches.flush(unknown).map(drop), caches.is_present(unknown).map(drop)];
        for error in errors {
            assert!(matches!(error, Err(Error::UnknownCache { .. })), "{unknown}: {error:?}");
        }
    }
    // What is known of a process isn't what was added to another.
    for wider in ["kerberos", "credentials"] {
        assert!(matches!(full.process.caches().flush(wider), Err(Error::UnknownCache { .. })), "{wider}");
    }
    assert_eq!(full.entries(), (4, 1, 2));
}

/// C6: of each cache, and status says so before.
#[test]
fn nothing_is_flushed_inside_a_loader_callback() {
    let full = Full::new();
    let caches = full.everything();
    let (report, status) = full.process.in_loader_callback(|| (caches.flush_all(), caches.status()));
    assert!(report.rows().len() >= 8 && report.failures().count() == report.rows().len(), "{report}");
    assert!(report.failures().all(|error| error.code() == "inside-loader-callback"), "{report}");
    for cache in status {
        let refused = cache.allowed.unwrap_err();
        assert_eq!(refused.code(), "inside-loader-callback", "{}", cache.cache);
    }
    assert_eq!(full.entries(), (4, 1, 2));
    assert!(caches.flush_all().is_success());
}

/// C7: SSPs and WinINet are not for services; the others don't ask.
#[test]
fn an_invisible_window_station_keeps_ssps_and_wininet_from_being_flushed_until_it_is_allowed() {
    let full = Full::new();
    full.process.set_window_station(WindowStation::NotVisible { name: "Service-0x0-3e7$".into(), flags: 0 });
    let report = full.everything().flush_all();
    let refused: Vec<_> =
        codes(&report).into_iter().filter(|(_, code)| *code == "non-interactive-window-station").collect();
    let names: Vec<_> = refused.iter().map(|(cache, _)| *cache).collect();
    assert_eq!(names, ["MSNSSPC.dll", "MSAPSSPC.dll", "wininet.dll"], "{report}");
    assert_eq!(full.entries(), (2, 0, 0), "{report}");
    assert!(full.everything().allow_non_interactive(true).flush_all().is_success());
    assert_eq!(full.entries(), (0, 0, 0));
}

/// A provider of an application's own, which writes down what was there of the others.
struct Own {
    full: Arc<Full>,
    seen: Arc<Mutex<Vec<(usize, usize, usize)>>>,
}

const OWN: &[CacheName] = &[CacheName::from_static("own-tokens")];

impl CredentialProvider for Own {
    fn caches(&self) -> &[CacheName] {
        OWN
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(OWN, cache).map(|_| true)
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        self.seen.lock().unwrap().push(self.full.entries());
        let outcome = CacheName::find(OWN, cache).map(|_| Flush::Flushed);
        report.push(FlushRow::new(CacheName::new(cache), outcome));
    }
}

/// K1: what could sign the user in again goes first, in whatever order it was added.
#[test]
fn what_could_sign_the_user_in_again_is_flushed_first() {
    const ORDER: [&str; 8] = [
        "own-tokens",
        "credentials",
        "ccache",
        "kerberos",
        "MSNSSPC.dll",
        "MSAPSSPC.dll",
        "wininet.dll",
        "schannel.dll",
    ];
    type Add = fn(Caches<MockProcess>) -> Caches<MockProcess>;
    let add: [Add; 3] =
        [Caches::and_kerberos, Caches::and_ccache, |caches| caches.and_credentials("MyApp/*").unwrap()];
    for order in [[0, 1, 2], [0, 2, 1], [1, 0, 2], [1, 2, 0], [2, 0, 1], [2, 1, 0]] {
        for own_is_first in [true, false] {
            let full = Arc::new(Full::new());
            let seen = Arc::default();
            let own = Own { full: full.clone(), seen: Arc::clone(&seen) };
            let add_all = |caches| order.iter().fold(caches, |caches, &one| add[one](caches));
            let caches = if own_is_first {
                add_all(full.process.caches().and(own))
            } else {
                add_all(full.process.caches()).and(own)
            };
            assert_eq!(caches.caches().iter().map(CacheName::name).collect::<Vec<_>>(), ORDER);
            let report = caches.flush_all();
            let mut rows: Vec<_> = report.rows().iter().map(|row| row.cache.name()).collect();
            rows.dedup();
            assert_eq!(rows, ORDER, "{report}");
            assert_eq!(*seen.lock().unwrap(), [(4, 1, 2)], "nothing else was flushed before");
        }
    }
}

/// C9: a failure or a panic in one cache is its row, and the others are flushed.
#[test]
fn a_cache_that_fails_or_panics_keeps_no_other_from_being_flushed() {
    for effect in
        [CacheEffect::Panic, CacheEffect::Fail("broken".into()), CacheEffect::Unsupported("none".into())]
    {
        for broken in 0..5 {
            let of = |index: usize| (index == broken).then(|| CacheFault::on_flush(effect.clone()).times(1));
            let full = Full::with(
                of(0).into_iter().fold(MockSchannel::new(), MockSchannel::fault),
                of(1).into_iter().fold(MockWinInet::new(), MockWinInet::fault),
                of(2).into_iter().fold(MockTickets::new(), MockTickets::fault),
                of(3).into_iter().fold(MockCredentials::new(), MockCredentials::fault),
                of(4).into_iter().fold(MockCcaches::new(), MockCcaches::fault),
            );
            let caches = full.everything();
            let report = caches.flush_all();
            assert_eq!(report.failures().count(), 1, "{effect:?} in {broken}: {report}");
            let (process, session, user) = full.entries();
            assert_eq!(process + session + user, 1, "{effect:?} in {broken}: {report}");
            // A panic poisons nothing: the next sign-out is complete.
            assert!(caches.flush_all().is_success(), "{effect:?} in {broken}");
            assert_eq!(full.entries(), (0, 0, 0));
        }
    }
}

/// C9
#[test]
fn a_provider_of_the_applications_own_that_panics_keeps_no_other_from_being_flushed() {
    struct Panics(AtomicUsize);
    impl CredentialProvider for Panics {
        fn caches(&self) -> &[CacheName] {
            OWN
        }
        fn is_present(&self, _: &str) -> Result<bool, Error> {
            Ok(true)
        }
        fn flush_into(&self, _: &str, _: &mut FlushReport) {
            self.0.fetch_add(1, SeqCst);
            panic!("the test wants it");
        }
    }
    let full = Full::new();
    let caches = full.everything().and(Panics(AtomicUsize::new(0)));
    for _ in 0..2 {
        let report = caches.flush_all();
        assert_eq!(report.failures().map(Error::code).collect::<Vec<_>>(), ["other"], "{report}");
        assert!(report.to_string().contains("its provider panicked"), "{report}");
        assert_eq!(full.entries(), (0, 0, 0), "{report}");
    }
}

/// C2, K2
#[test]
fn a_sign_out_can_be_repeated() {
    let full = Full::new();
    let caches = full.everything();
    for time in 0..3 {
        let report = caches.flush_all();
        assert!(report.is_success(), "{report}");
        let modules = 3; // They stay loaded, and their functions succeed when nothing is there.
        assert_eq!(report.flushed(), if time == 0 { modules + 4 } else { modules }, "{report}");
        assert_eq!(full.entries(), (0, 0, 0));
    }
}

/// K2: looking neither loads nor creates nor removes anything.
#[test]
fn status_changes_nothing() {
    let full = Full::new();
    for _ in 0..2 {
        let status = full.everything().status();
        let there: Vec<_> = status
            .iter()
            .map(|cache| (cache.cache.name(), cache.scope.as_str(), cache.contents.as_ref().unwrap()))
            .collect();
        let entry = |text: &str| Contents::Entries(vec![text.to_owned()]);
        assert_eq!(
            there,
            [
                ("credentials", "user", &entry("MyApp/alice")),
                ("ccache", "process", &entry("krbtgt/CONTOSO.EXAMPLE")),
                ("ccache", "user", &entry("krbtgt/CONTOSO.EXAMPLE")),
                ("kerberos", "logon session", &entry("krbtgt/CONTOSO.EXAMPLE")),
                ("MSNSSPC.dll", "process", &Contents::Unknown),
                ("MSAPSSPC.dll", "process", &Contents::Absent),
                ("wininet.dll", "process", &Contents::Unknown),
                ("schannel.dll", "process", &Contents::Unknown),
            ]
        );
        assert!(status.iter().all(|cache| cache.allowed.is_ok()));
        assert_eq!(full.entries(), (4, 1, 2));
    }
    let empty = MockProcess::new();
    empty.install(&MockSchannel::new());
    let caches = empty.caches().and_ccaches(Selection::Named("MEMORY:none".into()));
    for _ in 0..2 {
        assert!(caches.status().iter().all(|cache| matches!(cache.contents, Ok(Contents::Absent))));
        assert!(!caches.flush_all().rows().iter().any(|row| matches!(row.outcome, Ok(Flush::Flushed))));
    }
    assert!(empty.memory_ccaches().ccaches().is_empty());
    let kerberos = empty.caches().and_kerberos();
    assert!(!kerberos.is_present("kerberos").unwrap(), "a session without tickets");
    assert!(kerberos.status().iter().all(|cache| matches!(cache.contents, Ok(Contents::Absent))));
}

#[test]
fn one_object_signs_in_and_out() {
    let full = Full::new();
    let caches = full.everything();
    let sspi: &dyn Sspi = &caches;
    let package = sspi.security_package("MSNSSPC.dll", "MSN").unwrap();
    assert!(package.acquire(&SignIn::silent()).is_ok(), "alice is cached");
    assert!(sspi.flush_all().is_success());
    assert!(package.acquire(&SignIn::silent()).is_err());
}

/// K4
#[test]
fn a_filter_that_would_match_the_entries_of_others_is_refused() {
    for filter in ["", "*", "*MyApp", "My*App", "MyApp/**", "MyApp\0*"] {
        let refused = MockProcess::new().caches().and_credentials(filter).map(drop).unwrap_err();
        assert_eq!(refused.code(), "invalid-filter", "{filter:?}");
    }
}
