//! The whole sign-out over the emulated loader and the mock SSP from several threads, under a model checker that tries
//! their interleavings: clauses C4, C6, L8, L9, M6 and M10, and that no thread waits for ever. The loader's lock and
//! the engine's meet here.
//!
//! `cargo test -p sspcache-mock --features shuttle --test model`

#![cfg(feature = "shuttle")]
#![forbid(unsafe_code)]

use shuttle::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use sspcache::{CredentialProvider, Error, Flush, SignIn};
use sspcache_mock::{MockProcess, MockSsp};

const SCHEDULES: usize = 3_000;
const MSN: &str = "MSNSSPC.dll";

fn alice() -> SignIn<'static> {
    SignIn::password("alice", "CONTOSO", "correct horse")
}

/// Starts a thread over a process and waits for none: the checker finds those that wait for each other.
fn spawn<R: Send + 'static>(
    process: &MockProcess,
    body: impl FnOnce(&MockProcess) -> R + Send + 'static,
) -> thread::JoinHandle<R> {
    let process = process.clone();
    thread::spawn(move || body(&process))
}

/// C6, L9: a thread inside a loader callback is refused while others load, flush and unload; and it holds no other
/// thread up for ever.
#[test]
fn a_flush_from_inside_a_notification_is_refused_while_others_go_on() {
    shuttle::check_random(
        || {
            let msn = MockSsp::msn();
            let process = MockProcess::with_loaded([&msn]);
            let inside = spawn(&process, |process| {
                let ssps = process.provider();
                process.in_loader_callback(|| {
                    thread::yield_now();
                    let refused = ssps.flush(MSN);
                    assert!(matches!(refused, Err(Error::InsideLoaderCallback { .. })), "{refused:?}");
                });
            });
            let outside = spawn(&process, |process| {
                let outcome = process.provider().flush(MSN);
                assert!(matches!(outcome, Ok(Flush::Flushed)), "{outcome:?}");
            });
            let coming = spawn(&process, |process| {
                process.load(MSN).unwrap();
                process.unload(MSN).unwrap();
            });
            for thread in [inside, outside, coming] {
                thread.join().unwrap();
            }
            msn.assert_clean();
        },
        SCHEDULES,
    );
}

/// C4, L8, M10: the last reference goes while others flush and sign in: what is flushed is loaded, what is signed in
/// with keeps its SSP loaded, and in the end nothing is left.
#[test]
fn a_module_that_goes_is_flushed_or_not_loaded_and_never_half() {
    shuttle::check_random(
        || {
            let msn = MockSsp::msn();
            let process = MockProcess::with_loaded([&msn]);
            let unload = spawn(&process, |process| process.unload(MSN).unwrap());
            let flush = spawn(&process, |process| {
                let outcome = process.provider().flush(MSN);
                assert!(matches!(outcome, Ok(Flush::Flushed | Flush::Absent)), "{outcome:?}");
            });
            let sign_in = spawn(&process, |process| {
                let Ok(package) = process.provider().security_package(MSN, "MSN") else { return };
                let credential = package.acquire(&alice()).unwrap();
                assert!(process.provider().is_present(MSN).unwrap());
                drop((credential, package));
            });
            for thread in [unload, flush, sign_in] {
                thread.join().unwrap();
            }
            assert!(!process.provider().is_present(MSN).unwrap());
            assert_eq!(msn.cached(), 0);
        },
        SCHEDULES,
    );
}

/// M6: through the provider, too, a sign-in that begins after a flush has returned never sees what that flushed, while
/// handles are dropped meanwhile.
#[test]
fn a_silent_sign_in_after_a_sign_out_is_refused() {
    shuttle::check_random(
        || {
            let msn = MockSsp::msn();
            let process = MockProcess::with_loaded([&msn]);
            let package = process.provider().security_package(MSN, "MSN").unwrap();
            let credential = package.acquire(&alice()).unwrap();
            let flushed = Arc::new(AtomicBool::new(false));
            let sign_out = spawn(&process, {
                let flushed = flushed.clone();
                move |process| {
                    assert_eq!(process.provider().flush(MSN).unwrap(), Flush::Flushed);
                    flushed.store(true, Ordering::SeqCst);
                }
            });
            let sign_in = spawn(&process, move |process| {
                let package = process.provider().security_package(MSN, "MSN").unwrap();
                for _ in 0..2 {
                    let began_after = flushed.load(Ordering::SeqCst);
                    let result = package.acquire(&SignIn::silent());
                    assert!(!began_after || result.is_err(), "signed in after the flush");
                }
            });
            let dropped = thread::spawn(move || drop(credential));
            for thread in [sign_out, sign_in, dropped] {
                thread.join().unwrap();
            }
            msn.assert_clean();
        },
        SCHEDULES,
    );
}
