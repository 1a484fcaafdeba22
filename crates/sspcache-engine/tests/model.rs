//! Flush, acquire, expiry, end and handshakes from several threads, under a model checker that tries their
//! interleavings: clauses M6 and P7a, and that nothing deadlocks.
//!
//! `cargo test -p sspcache-engine --features shuttle --test model`

#![cfg(feature = "shuttle")]
#![forbid(unsafe_code)]

use std::time::Duration;

use shuttle::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
};
use sspcache_engine::{
    AcquireRequest, AuthIdentity, Ended, Ending, Engine, EventKind, SecurityStatus,
    clock::ManualClock,
    context::{AcceptRequest, InitializeRequest, NegotiateFirst},
};

const SCHEDULES: usize = 20_000;

fn alice() -> AcquireRequest {
    AcquireRequest::outbound("MSN").with_identity(AuthIdentity::password("alice", "CONTOSO", "x"))
}

fn silent() -> AcquireRequest {
    AcquireRequest::outbound("MSN")
}

/// M6: an acquire that begins after a flush has returned never sees what was cached before that flush began.
#[test]
fn a_flush_is_never_followed_by_what_it_flushed() {
    shuttle::check_random(
        || {
            let engine = Arc::new(Engine::builder("MSNSSPC.dll").build());
            engine.acquire(&alice()).unwrap();
            let flushed = Arc::new(AtomicBool::new(false));
            let sign_out = || {
                let (engine, flushed) = (engine.clone(), flushed.clone());
                thread::spawn(move || {
                    assert!(engine.flush());
                    flushed.store(true, Ordering::SeqCst);
                })
            };
            let sign_in = || {
                let (engine, flushed) = (engine.clone(), flushed.clone());
                thread::spawn(move || {
                    for _ in 0..2 {
                        let began_after = flushed.load(Ordering::SeqCst);
                        let result = engine.acquire(&silent());
                        assert!(!began_after || result == Err(SecurityStatus::NO_CREDENTIALS), "{result:?}");
                    }
                })
            };
            for thread in [sign_out(), sign_in(), sign_out(), sign_in()] {
                thread.join().unwrap();
            }
            engine.assert_clean();
        },
        SCHEDULES,
    );
}

/// M3, M6, M9, M12: whatever order they come in, the events agree, and in the end nothing is left.
#[test]
fn concurrent_sign_ins_flushes_and_expiry_tell_one_story() {
    shuttle::check_random(
        || {
            let clock = ManualClock::default();
            let engine =
                Engine::builder("MSNSSPC.dll").clock(clock.clone()).lifetime(Duration::from_secs(1)).build();
            let engine = Arc::new(engine);
            let workers: Vec<_> = (0..3)
                .map(|worker| {
                    let (engine, clock) = (engine.clone(), clock.clone());
                    thread::spawn(move || match worker {
                        0 => assert!(engine.flush()),
                        1 => clock.advance(Duration::from_secs(1)),
                        _ => {
                            let acquired = engine.acquire(&alice()).unwrap();
                            let _ = engine.acquire(&silent());
                            engine.free(acquired.handle).unwrap();
                        }
                    })
                })
                .collect();
            for worker in workers {
                worker.join().unwrap();
            }
            let events = engine.events();
            for pair in events.windows(2) {
                assert_eq!((pair[1].seq, pair[1].before), (pair[0].seq + 1, pair[0].after));
            }
            let came = events.iter().filter(|event| matches!(event.kind, EventKind::Cached { .. })).count();
            assert_eq!(came, 1);
            assert!(engine.flush());
            engine.assert_clean();
        },
        SCHEDULES,
    );
}

/// M10: an end that finds another thread inside steps back instead of waiting; at most one end takes effect.
#[test]
fn an_end_never_waits_and_takes_effect_once() {
    shuttle::check_random(
        || {
            let engine = Arc::new(Engine::builder("MSNSSPC.dll").build());
            let enders: Vec<_> = (0..2)
                .map(|_| {
                    let engine = engine.clone();
                    thread::spawn(move || engine.end(Ending::Unloaded))
                })
                .collect();
            let user = thread::spawn({
                let engine = engine.clone();
                move || engine.acquire(&alice()).is_ok()
            });
            user.join().unwrap();
            let ends = enders.into_iter().map(|ender| ender.join().unwrap());
            let ended = ends.filter(|ended| matches!(ended, Ended::Left(_))).count();
            assert!(ended <= 1);
            let events = engine.events();
            let said = events.iter().filter(|event| matches!(event.kind, EventKind::Ended { .. })).count();
            assert_eq!(said, ended);
        },
        SCHEDULES,
    );
}

/// P7a: a request is good once, also where two contexts asked for it and are given it at the same time.
#[test]
fn a_request_is_taken_by_one_context_alone() {
    shuttle::check_random(
        || {
            let builder = || Engine::builder("secur32.dll").account("alice", "CONTOSO", "x");
            let client = builder().negotiate_first(NegotiateFirst::Ntlm).build();
            let server = Arc::new(builder().only_packages(["Negotiate", "Kerberos"]).build());
            let inbound = server.acquire(&AcquireRequest::inbound("Negotiate")).unwrap().handle;
            let accept = move |server: &Engine, context, token: &[u8]| {
                server.accept(&AcceptRequest { context, ..AcceptRequest::first(inbound, token) })
            };

            let identity = AuthIdentity::password("alice", "CONTOSO", "x");
            let outbound = AcquireRequest::outbound("Negotiate").with_identity(identity);
            let mut request = InitializeRequest::first(client.acquire(&outbound).unwrap().handle);
            request.target = Some("HTTP/web".into());
            // The first token is NTLM's, so that each context asks for Kerberos's.
            let first = client.initialize(&request).unwrap();
            let asked = [(), ()].map(|()| accept(&server, None, &first.token).unwrap());
            (request.context, request.token) = (Some(first.context), Some(asked[0].token.as_slice()));
            let token = client.initialize(&request).unwrap().token;

            let threads = asked.map(|step| {
                let (server, token) = (server.clone(), token.clone());
                thread::spawn(move || accept(&server, Some(step.context), &token).is_ok())
            });
            let accepted = threads.map(|thread| thread.join().unwrap());
            assert_eq!(accepted.iter().filter(|accepted| **accepted).count(), 1);
        },
        SCHEDULES / 20,
    );
}
