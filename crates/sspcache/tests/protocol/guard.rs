//! The guard that flushes when a scope ends.

use std::{
    cell::Cell,
    panic::{AssertUnwindSafe, catch_unwind},
};

use sspcache::{FlushOnDrop, SspCaches};

use crate::fake::{FakeLoader, FakeModule};

fn provider() -> SspCaches<FakeLoader> {
    SspCaches::new(FakeLoader::with([FakeModule::new(r"C:\app\MSNSSPC.dll", Some(true))]))
}

/// How often the module was called since this was last asked.
fn calls(provider: &SspCaches<FakeLoader>) -> usize {
    provider.loader().log.take().iter().filter(|entry| entry.ends_with("called")).count()
}

#[test]
fn a_guard_flushes_once_when_its_scope_ends() {
    let provider = provider();
    let reported = Cell::new(0);
    {
        let _guard = FlushOnDrop::new(&provider, |report| reported.set(reported.get() + report.flushed()));
        assert_eq!(calls(&provider), 0);
    }
    assert_eq!((calls(&provider), reported.get()), (1, 1));
}

#[test]
fn a_guard_flushes_on_every_early_exit() {
    fn leaves_early(provider: &SspCaches<FakeLoader>) -> Result<u16, std::num::ParseIntError> {
        let _guard = FlushOnDrop::new(provider, |report| assert!(report.is_success()));
        let port = "https".parse()?;
        Ok(port)
    }
    let provider = provider();
    leaves_early(&provider).unwrap_err();
    assert_eq!(calls(&provider), 1);
}

#[test]
fn a_guard_flushes_while_a_panic_unwinds() {
    let provider = provider();
    let panicked = catch_unwind(AssertUnwindSafe(|| {
        let _guard = FlushOnDrop::new(&provider, |report| assert!(report.is_success()));
        panic!("as tests do");
    }));
    assert!(panicked.is_err());
    assert_eq!(calls(&provider), 1);
}

#[test]
fn a_disarmed_guard_lets_the_caches_be() {
    let provider = provider();
    FlushOnDrop::new(&provider, |_| panic!("it reports nothing")).disarm();
    assert_eq!(calls(&provider), 0);
}

#[test]
fn flushing_now_returns_the_report_and_flushes_no_second_time() {
    let provider = provider();
    let report = FlushOnDrop::new(&provider, |_| panic!("the report is returned")).flush_now();
    assert_eq!((calls(&provider), report.flushed()), (1, 1));
}

#[test]
fn a_guard_prints_whether_it_is_armed() {
    let provider = provider();
    let guard = FlushOnDrop::new(&provider, drop);
    assert_eq!(format!("{guard:?}"), "FlushOnDrop { armed: true, .. }");
    guard.disarm();
}
