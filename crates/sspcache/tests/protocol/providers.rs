//! Providers of one's own, and several flushed as one.

use std::sync::atomic::{AtomicUsize, Ordering::SeqCst};

use sspcache::{CacheName, CredentialProvider, Error, Flush, FlushReport, FlushRow, Providers};

/// A cache of a name, that can be full, empty or stuck.
struct Cache {
    caches: Vec<CacheName>,
    state: Result<Flush, &'static str>,
    flushes: AtomicUsize,
}

impl Cache {
    fn new(name: &str, state: Result<Flush, &'static str>) -> Self {
        Self { caches: vec![CacheName::new(name)], state, flushes: AtomicUsize::new(0) }
    }
}

impl CredentialProvider for Cache {
    fn caches(&self) -> &[CacheName] {
        &self.caches
    }

    fn is_present(&self, cache: &str) -> Result<bool, Error> {
        CacheName::find(&self.caches, cache)?;
        Ok(!matches!(self.state, Ok(Flush::Absent)))
    }

    fn flush_into(&self, cache: &str, report: &mut FlushReport) {
        let outcome = CacheName::find(&self.caches, cache).and_then(|cache| {
            self.flushes.fetch_add(1, SeqCst);
            self.state
                .map_err(|reason| Error::Other { cache: cache.name().to_owned(), source: reason.into() })
        });
        report.push(FlushRow::new(CacheName::new(cache), outcome));
    }
}

/// C9
#[test]
fn several_providers_are_flushed_as_one_in_their_order() {
    let tickets = Cache::new("kerberos", Err("the key distribution center's cache is locked"));
    let sessions = Cache::new("schannel", Ok(Flush::Flushed));
    let absent = Cache::new("wininet", Ok(Flush::Absent));
    let all = Providers::new([&tickets as &dyn CredentialProvider, &sessions, &absent]);

    let report = all.flush_all();
    insta::assert_snapshot!(report, @"
    kerberos  FAILED   kerberos: not flushed: the key distribution center's cache is locked
    schannel  flushed
    wininet   absent
    ");
    for (ssp, loaded) in [("Kerberos", true), ("SCHANNEL", true), ("WinINet", false)] {
        assert_eq!(all.is_present(ssp).unwrap(), loaded, "{ssp}");
    }
    assert_eq!(report.into_result().unwrap_err().code(), "other");
}

#[test]
fn what_several_providers_know_is_flushed_by_each_of_them_once() {
    let (one, other) = (Cache::new("a", Ok(Flush::Absent)), Cache::new("A", Ok(Flush::Flushed)));
    let both = Providers::new([&one as &dyn CredentialProvider, &other]);
    assert_eq!(both.caches(), [CacheName::new("a")]);
    assert!(both.is_present("a").unwrap());
    assert_eq!(both.flush("a").unwrap(), Flush::Flushed);
    assert_eq!(both.flush_all().rows().len(), 2);
    assert_eq!((one.flushes.load(SeqCst), other.flushes.load(SeqCst)), (2, 2));
}

/// C3
#[test]
fn a_name_that_no_provider_knows_reaches_none_of_them() {
    let cache = Cache::new("a", Ok(Flush::Flushed));
    let providers = Providers::new([&cache as &dyn CredentialProvider]);
    for error in [providers.flush("b").map(drop), providers.is_present("b").map(drop)] {
        assert!(matches!(error.unwrap_err(), Error::UnknownCache { known, .. } if known == "a"));
    }
    assert_eq!(cache.flushes.load(SeqCst), 0);
}
