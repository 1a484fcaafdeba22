//! Bad requests, bodies, slow and half-closed clients, many connections: each ends itself alone.

use std::{net::Shutdown, time::Duration};

use sspcache_serve::{HttpServer, Limits, Settings};

use crate::client::{Client, accounts, alice};

fn server(change: impl FnOnce(&mut Limits)) -> HttpServer {
    let mut limits = Limits::default();
    change(&mut limits);
    HttpServer::start_with(&accounts(), Settings::new().limits(limits)).unwrap()
}

/// W4
#[test]
fn a_bad_request_ends_its_connection_alone() {
    let server = server(|limits| limits.headers = 8);
    let mut good = Client::connect(server.address());
    let long = format!("GET /{} HTTP/1.1\r\n\r\n", "a".repeat(200_000));
    let many = format!("GET / HTTP/1.1\r\n{}\r\n", "A: b\r\n".repeat(9));
    for bad in [
        "\r\n\r\n\0\0",
        "GET\r\n\r\n",
        "GET / HTTP/9.9\r\n\r\n",
        "GET / HTTP/1.1\r\nA b\r\n\r\n",
        &long,
        &many,
    ] {
        let mut client = Client::connect(server.address());
        // The server may have closed before it has read all.
        let _ = client.try_send(bad.as_bytes());
        if let Some(answer) = client.read() {
            assert!((400..500).contains(&answer.status), "{answer:?}");
            assert!(client.is_closed());
        }
        assert_eq!(alice("NTLM").sign_in(&mut good).0.status, 200);
    }
}

/// W4
#[test]
fn a_body_is_read_in_a_handshake_and_has_a_limit() {
    let server = server(|limits| limits.body_bytes = 1000);
    let mut client = Client::connect(server.address());
    for (length, status) in [(1000, 200), (1001, 413)] {
        client.send(format!("POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: {length}\r\n\r\n").as_bytes());
        let _ = client.try_send(&vec![b'a'; length]);
        assert_eq!(client.read().unwrap().status, status);
    }
}

/// W1: a client that waits for a go-ahead is told first that it has to sign in; one that signs in gets it.
#[test]
fn a_body_that_waits_for_a_go_ahead_is_asked_for_with_a_token_alone() {
    let server = server(|_| ());
    let mut client = Client::connect(server.address());
    let post = |field: &str| {
        format!("POST / HTTP/1.1\r\nHost: a\r\nExpect: 100-continue\r\nContent-Length: 4\r\n{field}\r\n")
    };
    client.send(post("").as_bytes());
    let denied = client.read().unwrap();
    assert_eq!((denied.status, denied.all("www-authenticate").len()), (401, 2));
    let mut client = Client::connect(server.address());
    client.send(post("Authorization: NTLM AAAA\r\n").as_bytes());
    assert_eq!(client.read().unwrap().status, 100);
    client.send(b"body");
    assert_eq!(client.read().unwrap().body, "SEC_E_INVALID_TOKEN");
    // In a handshake the connection lasts.
    assert_eq!(alice("NTLM").sign_in(&mut client).0.status, 200);
}

/// W4: no time is measured here: the client waits until the server has given up.
#[test]
fn a_client_that_sends_too_slowly_is_cut_off() {
    let server = server(|limits| limits.time = Duration::from_millis(50));
    for part in ["GET / HT", "POST /open HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\nbo"] {
        let mut client = Client::connect(server.address());
        client.send(part.as_bytes());
        if let Some(answer) = client.read() {
            assert_eq!(answer.status, 408);
        }
        assert!(client.is_closed(), "{part}");
    }
}

/// W4
#[test]
fn a_client_that_has_closed_its_side_reads_the_answer() {
    // So that the end has come before the answer.
    let settings = Settings::new().delay(Duration::from_millis(200));
    let server = HttpServer::start_with(&accounts(), settings).unwrap();
    let mut client = Client::connect(server.address());
    client.send(b"GET /fault/delay HTTP/1.1\r\nHost: a\r\n\r\n");
    client.stream().shutdown(Shutdown::Write).unwrap();
    assert_eq!(client.read().unwrap().body, "sign in");
    assert!(client.is_closed());
}

/// W4: what goes beyond the limit waits until there is room.
#[test]
fn many_connections_are_served_at_a_time_and_more_wait() {
    // Wine lets few connections wait (seen under Wine 8).
    let table = if cfg!(windows) { [(100, 2048), (30, 10)] } else { [(1000, 2048), (100, 10)] };
    for (number, room) in table {
        let server = server(|limits| limits.connections = room);
        let mut clients: Vec<_> = (0..number).map(|_| Client::connect(server.address())).collect();
        for client in &mut clients {
            client.send(b"GET / HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n");
        }
        for client in &mut clients {
            assert_eq!(client.read().unwrap().status, 401);
        }
        assert_eq!(alice("NTLM").sign_in(&mut Client::connect(server.address())).0.status, 200);
    }
}

/// W4: a server stops with handshakes and connections open, and leaves nothing in the mock.
#[test]
fn a_server_stops_when_it_is_dropped() {
    let mock = accounts();
    let server = HttpServer::start(&mock).unwrap();
    let address = server.address();
    let mut client = Client::connect(address);
    alice("NTLM").begin(&mut client);
    let mut reader = Client::connect(address);
    assert_eq!(reader.get("/events", "").status, 200);
    assert_eq!(mock.open_contexts(), 1);
    drop(server);
    assert_eq!((mock.open_handles(), mock.open_contexts()), (0, 0));
    assert!(client.is_closed());
    assert!(std::net::TcpStream::connect(address).is_err());
}
