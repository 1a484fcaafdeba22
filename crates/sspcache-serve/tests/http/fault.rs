//! Faults: each by its path, and some by the settings.

use std::time::Duration;

use sspcache_serve::{Fault, HttpServer, Last, Limits, ServerEventKind, Settings};

use crate::client::{As, Client, accounts, alice};

/// A server that closes no connection of its own accord, as long as a test waits.
fn server() -> HttpServer {
    let mut limits = Limits::default();
    limits.time = Duration::from_hours(1);
    let settings = Settings::new().delay(Duration::from_millis(1)).limits(limits);
    HttpServer::start_with(&accounts(), settings).unwrap()
}

/// The faults that struck.
fn struck(server: &HttpServer) -> Vec<Fault> {
    let fault = |kind| if let ServerEventKind::Faulted { fault } = kind { Some(fault) } else { None };
    server.events().into_iter().filter_map(|event| fault(event.kind)).collect()
}

/// W8
#[test]
fn a_connection_is_closed_where_the_fault_says() {
    let server = server();
    let mut client = Client::connect(server.address());
    client.send(b"GET /fault/close-before-answer HTTP/1.1\r\nHost: a\r\n\r\n");
    assert!(client.read().is_none());
    let mut client = Client::connect(server.address());
    let offer = client.get("/fault/close-after-offer", "");
    assert_eq!((offer.status, offer.all("connection")), (401, Vec::<&str>::new()));
    assert!(client.is_closed());
    let mut client = Client::connect(server.address());
    let challenge = As { path: "/fault/close-after-challenge", ..alice("NTLM") }.begin(&mut client);
    assert_eq!((challenge.status, challenge.all("connection")), (401, Vec::<&str>::new()));
    assert!(!challenge.token().is_empty() && client.is_closed());
    assert_eq!(
        struck(&server),
        [Fault::CloseBeforeAnswer, Fault::CloseAfterOffer, Fault::CloseAfterChallenge]
    );
}

/// W8
#[test]
fn an_offer_is_missing_or_reversed() {
    let server = server();
    for (path, offered) in [
        ("/fault/no-offer", &[][..]),
        ("/fault/reversed-offer", &["NTLM", "Negotiate"]),
        ("/", &["Negotiate", "NTLM"]),
    ] {
        let answer = Client::connect(server.address()).get(path, "");
        assert_eq!((answer.status, answer.all("www-authenticate")), (401, offered.to_vec()), "{path}");
    }
    let answer = Client::connect(server.address()).get("/fault/of-no-kind", "");
    assert!(answer.status == 404 && answer.body.contains("replayed-token"), "{answer:?}");
}

/// W8: what comes in the middle of NTLM's handshake, and that the client's own side refuses it or the server its next token.
#[test]
fn a_challenge_is_not_what_the_client_awaits() {
    let server = server();
    let begin = |path| As { path, ..alice("NTLM") }.begin(&mut Client::connect(server.address()));
    let field = |path| begin(path).all("www-authenticate")[0].to_owned();
    let right = begin("/").token();
    assert!(field("/fault/not-base64").starts_with("NTLM *"));
    assert!(field("/fault/other-scheme").starts_with("Negotiate T"));
    let broken = begin("/fault/broken-token").token();
    assert!(broken.len() == right.len() && broken[..8] == right[..8]);
    assert_eq!(begin("/fault/cut-token").token().len(), right.len() / 2);
    assert_eq!(begin("/fault/foreign-token").token()[0], 0xA1);
    // The first time the server's own.
    let first = begin("/fault/replayed-token").token();
    assert_eq!(begin("/fault/replayed-token").token(), first);
    for name in ["broken-token", "cut-token", "foreign-token", "replayed-token", "other-connection"] {
        let path = format!("/fault/{name}");
        let (answer, _) = As { path: &path, ..alice("NTLM") }.sign_in(&mut Client::connect(server.address()));
        assert_eq!(answer.status, 401, "{name}");
    }
    assert_eq!(server.totals().signed_in, 0);
}

/// W8, W3: who takes the last token for granted signs in; whose context is not established is told by it.
#[test]
fn a_last_token_is_wrong() {
    let server = server();
    for (name, scheme, status, is_established) in [
        ("last-token-broken", "Negotiate", 200, false),
        ("last-token-missing", "Negotiate", 200, false),
        ("last-token-foreign", "Negotiate", 200, false),
        ("last-token-surplus", "Negotiate", 200, false),
        ("last-token-surplus", "NTLM", 200, true),
        ("last-token-right-in-401", "NTLM", 401, true),
        ("last-token-missing-in-401", "Negotiate", 401, false),
    ] {
        let path = format!("/fault/{name}");
        let mut client = Client::connect(server.address());
        let (answer, established) = As { path: &path, ..alice(scheme) }.sign_in(&mut client);
        assert_eq!((answer.status, established), (status, is_established), "{name} {scheme}");
        assert_eq!(struck(&server).pop(), Some(name.parse().unwrap()));
    }
    let (answer, _) = As { path: "/fault/last-token-surplus", ..alice("NTLM") }
        .sign_in(&mut Client::connect(server.address()));
    assert!(!answer.token().is_empty());
    assert!(struck(&server).contains(&Fault::LastToken(Last::Missing)));
}

/// W8, W2: a connection is another user's, or forgets whose it is.
#[test]
fn a_connection_changes_hands() {
    let server = server();
    let mut client = Client::connect(server.address());
    let (answer, _) = As { path: "/fault/other-user", ..alice("NTLM") }.sign_in(&mut client);
    assert!(answer.body.contains(r#""request":{"principal":"CONTOSO\\alice""#), "{answer:?}");
    assert!(answer.body.contains(r#""connection":{"principal":"CONTOSO\\mallory""#), "{answer:?}");
    assert_eq!(client.get("/", "").body, r"CONTOSO\mallory by NTLM");
    assert_eq!(client.get("/fault/forgotten", "").status, 200);
    assert_eq!(client.get("/", "").status, 401);
}

/// W8
#[test]
fn a_fault_of_the_settings_strikes_as_often_as_they_say() {
    let settings = Settings::new().fault(Fault::NoOffer, 2).fault(Fault::Forgotten, None);
    let server = HttpServer::start_with(&accounts(), settings.delay(Duration::from_millis(1))).unwrap();
    let mut client = Client::connect(server.address());
    let offers = [(); 3].map(|()| client.get("/", "").all("www-authenticate").len());
    assert_eq!(offers, [0, 0, 2]);
    assert_eq!(alice("NTLM").sign_in(&mut client).0.status, 200);
    assert_eq!(client.get("/", "").status, 401);
    assert_eq!(client.get("/fault/delay", "").status, 401);
    assert_eq!(struck(&server), [Fault::NoOffer, Fault::NoOffer, Fault::Forgotten, Fault::Delay]);
}
