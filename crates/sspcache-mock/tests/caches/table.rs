//! The cases of `fixtures/caches`, which real systems run as well.

use std::{collections::BTreeMap, time::Duration};

use sspcache::CredentialProvider;
use sspcache_mock::{
    CacheCall, CacheEffect, CacheFault, MockCcaches, MockCredentials, MockProcess, MockSchannel, MockTickets,
    MockWinInet,
};
use sspcache_tests::caches::{Case, Ccache, Entry, Fault, State, Surroundings, added, cases, run};

/// An emulated process.
struct Emulated {
    process: MockProcess,
    schannel: MockSchannel,
    wininet: MockWinInet,
    tickets: MockTickets,
    credentials: MockCredentials,
    ccaches: MockCcaches,
}

impl Emulated {
    fn new() -> Self {
        Self {
            process: MockProcess::new(),
            schannel: MockSchannel::new(),
            wininet: MockWinInet::new(),
            tickets: MockTickets::new(),
            credentials: MockCredentials::new(),
            ccaches: MockCcaches::new(),
        }
    }

    fn inject(&mut self, cache: &str, fault: &Fault) {
        if fault.effect == "missing" {
            self.schannel = MockSchannel::new().without_export();
            self.wininet = MockWinInet::new().without_export();
            return;
        }
        let fault = made(fault);
        match cache {
            "ccache" => self.ccaches = self.ccaches.clone().fault(fault),
            "credentials" => self.credentials = self.credentials.clone().fault(fault),
            "kerberos" => self.tickets = self.tickets.clone().fault(fault),
            "schannel.dll" => self.schannel = self.schannel.clone().fault(fault),
            "wininet.dll" => self.wininet = self.wininet.clone().fault(fault),
            _ => panic!("{cache}"),
        }
    }
}

fn made(fault: &Fault) -> CacheFault {
    let call = match &*fault.call {
        "flush" => CacheCall::Flush,
        "list" => CacheCall::List,
        other => panic!("{other}"),
    };
    let effect = match &*fault.effect {
        "absent" => CacheEffect::Absent,
        "delay" => CacheEffect::Delay(Duration::ZERO),
        "fail" => CacheEffect::Fail("the test wants it".to_owned()),
        "keep" => CacheEffect::Keep,
        "panic" => CacheEffect::Panic,
        "refill" => CacheEffect::Refill("refilled".to_owned()),
        "unsupported" => CacheEffect::Unsupported("the test wants it".to_owned()),
        other => panic!("{other}"),
    };
    let made = CacheFault::new(call, effect).times(fault.times.unwrap_or(u32::MAX));
    fault.of.iter().fold(made, |made, of| made.of(of))
}

impl Surroundings for Emulated {
    fn names(&self) -> BTreeMap<&'static str, String> {
        [("app", "MyApp"), ("dir", "/tmp/mock"), ("realm", "CONTOSO.EXAMPLE")]
            .map(|(name, value)| (name, value.to_owned()))
            .into()
    }

    fn set_up(&mut self, case: &Case) -> bool {
        let State { schannel, wininet, tickets, credentials, ccaches } = &case.start;
        for fault in &case.faults {
            self.inject(&case.flush, fault);
        }
        // What isn't loaded is on the disk, where a flush must not find it.
        self.process.install(&self.schannel);
        self.process.install(&self.wininet);
        for server in schannel.iter().flatten() {
            self.schannel.session(server);
        }
        for server in wininet.iter().flatten() {
            self.wininet.cookie(server, "session");
        }
        for (name, _) in
            [("schannel.dll", schannel), ("wininet.dll", wininet)].iter().filter(|(_, is)| is.is_some())
        {
            self.process.load(name).unwrap();
        }
        for server in tickets {
            self.tickets.ticket(server);
        }
        for Entry { target, kind } in credentials {
            self.credentials.entry(target, *kind);
        }
        for Ccache { name, tickets } in ccaches {
            let memory = self.process.memory_ccaches();
            let of = if name.starts_with("MEMORY:") { &memory } else { &self.ccaches };
            of.ccache(name, "alice@CONTOSO.EXAMPLE", tickets.iter().map(String::as_str));
        }
        let process = self.process.clone().with_tickets(&self.tickets);
        self.process = process.with_credentials(&self.credentials).with_ccaches(&self.ccaches);
        true
    }

    fn caches(&self, and: &[String]) -> Box<dyn CredentialProvider> {
        Box::new(added(self.process.caches(), and))
    }

    fn state(&self, _: &State) -> State {
        let servers = |entries: Vec<String>| {
            entries.iter().map(|entry| entry.rsplit(' ').next().unwrap().to_owned()).collect::<Vec<_>>()
        };
        let is_loaded = |cache: &str| self.process.caches().is_present(cache).unwrap();
        State {
            schannel: is_loaded("schannel.dll").then(|| self.schannel.sessions()),
            wininet: is_loaded("wininet.dll").then(|| servers(self.wininet.entries())),
            tickets: self.tickets.tickets(),
            credentials: self
                .credentials
                .entries()
                .into_iter()
                .map(|entry| Entry { target: entry.target, kind: entry.kind })
                .collect(),
            ccaches: [&self.ccaches, &self.process.memory_ccaches()]
                .into_iter()
                .flat_map(MockCcaches::ccaches)
                .map(|(name, tickets)| Ccache { name, tickets })
                .collect(),
        }
    }
}

/// Runs all cases of a file.
fn run_all(file: &str) {
    let all: Vec<_> = cases(file).into_iter().map(|case| case.name).collect();
    assert_eq!(run(file, Emulated::new), all, "the mock can set up each");
}

/// K1, K2, K3, K4
#[test]
fn ccaches_are_flushed_as_the_table_says() {
    run_all("ccache");
}

/// K1, K2, K3, K4
#[test]
fn credentials_are_flushed_as_the_table_says() {
    run_all("credentials");
}

/// K1, K2, K3, K4
#[test]
fn tickets_are_flushed_as_the_table_says() {
    run_all("kerberos");
}

/// K2, K3, C2, C5
#[test]
fn schannel_is_flushed_as_the_table_says() {
    run_all("schannel");
}

/// K2, K3, C2, C5
#[test]
fn wininet_is_flushed_as_the_table_says() {
    run_all("wininet");
}
