//! What comes in at an HTTP server: nothing of it signs a user in, nothing of it is in an event, and what is answered is HTTP.
//!
//! The input has no token that proves a password, since it knows none: it can only begin handshakes.
#![no_main]

use std::{cell::OnceCell, time::Duration};

use libfuzzer_sys::fuzz_target;
use sspcache_engine::Engine;
use sspcache_mock::MockSsp;
use sspcache_serve::{Authentication, ServerEventKind, Settings, fuzzing::Offline};

thread_local! {
    static SERVER: OnceCell<(Offline, MockSsp)> = const { OnceCell::new() };
}

fuzz_target!(|bytes: &[u8]| {
    // A body of events ends with its reader alone.
    if bytes.windows(7).any(|window| window == b"/events") {
        return;
    }
    SERVER.with(|server| {
        let (server, mock) = server.get_or_init(|| {
            // Without a log of events, which would grow with each input.
            let engine = Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", "correct horse");
            let mock = MockSsp::from(engine.record_events(false).build());
            let settings = Settings::new().schemes(["Negotiate", "NTLM", "Basic"]);
            let settings = settings.authentication(Authentication::OfConnection).delay(Duration::ZERO);
            (Offline::new(&mock, settings).expect("the mock has the packages"), mock)
        });
        let answer = server.answer(bytes);
        assert!(
            answer.is_empty() || answer.starts_with(b"HTTP/1."),
            "{:?}",
            answer.escape_ascii().to_string()
        );
        // Half of a handshake goes with its connection.
        assert_eq!(mock.open_contexts(), 0);
        for event in server.events() {
            assert!(!matches!(event.kind, ServerEventKind::SignedIn(_)), "{event:?}");
        }
    });
});
