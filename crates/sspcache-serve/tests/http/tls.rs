//! TLS, and the channel bindings that handshakes are checked for.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sspcache_serve::{Bindings, Channel, HttpServer, Settings};

use crate::client::{As, Client, accounts, alice};

/// W6
#[test]
fn channel_bindings_are_checked_as_the_settings_say() {
    use Channel::{Exporter, ServerEndPoint};
    const WRONG: usize = 2;
    const NONE: usize = 3;
    for (bindings, sent, status) in [
        (Bindings::Off, NONE, 200),
        (Bindings::Off, WRONG, 200),
        (Bindings::IfSent(ServerEndPoint), NONE, 200),
        (Bindings::IfSent(ServerEndPoint), 0, 200),
        (Bindings::IfSent(ServerEndPoint), WRONG, 401),
        (Bindings::Required(ServerEndPoint), NONE, 401),
        (Bindings::Required(ServerEndPoint), 0, 200),
        (Bindings::Required(ServerEndPoint), 1, 401),
        (Bindings::Required(Exporter), 1, 200),
        (Bindings::Required(Exporter), 0, 401),
    ] {
        let server =
            HttpServer::start_with(&accounts(), Settings::new().tls(true).bindings(bindings)).unwrap();
        assert!(server.url().starts_with("https://localhost:"));
        for scheme in ["Negotiate", "NTLM"] {
            let (mut client, [end_point, exporter]) =
                Client::connect_tls(server.address(), server.ca().unwrap());
            let all = [Some(&*end_point), Some(&*exporter), Some(&b"tls-server-end-point:other"[..]), None];
            let (answer, _) = As { bindings: all[sent], ..alice(scheme) }.sign_in(&mut client);
            assert_eq!(answer.status, status, "{scheme}, {bindings:?}, {sent}");
            if status == 401 {
                assert_eq!(answer.body, "SEC_E_BAD_BINDINGS");
            } else {
                assert_eq!(server.sign_ins().pop().unwrap().bound, sent != NONE);
            }
        }
    }
}

/// W6, W9: Basic has no place for channel bindings.
#[test]
fn basic_is_refused_where_channel_bindings_are_required() {
    use Channel::ServerEndPoint;
    for (bindings, status, body) in [
        (Bindings::Off, 200, r"CONTOSO\alice by Basic"),
        (Bindings::IfSent(ServerEndPoint), 200, r"CONTOSO\alice by Basic"),
        (Bindings::Required(ServerEndPoint), 401, "SEC_E_BAD_BINDINGS"),
    ] {
        let settings = Settings::new().tls(true).bindings(bindings).schemes(["Basic"]);
        let server = HttpServer::start_with(&accounts(), settings).unwrap();
        let (mut client, _) = Client::connect_tls(server.address(), server.ca().unwrap());
        let field = format!("Authorization: Basic {}\r\n", STANDARD.encode(r"CONTOSO\alice:correct horse"));
        let answer = client.get("/", &field);
        assert_eq!((answer.status, &*answer.body), (status, body), "{bindings:?}");
    }
}

/// W4: a client that speaks no TLS is gone, and the others are not.
#[test]
fn a_client_without_tls_is_cut_off() {
    let server = HttpServer::start_with(&accounts(), Settings::new().tls(true)).unwrap();
    let mut client = Client::connect(server.address());
    client.send(b"GET / HTTP/1.1\r\n\r\n");
    assert!(client.is_closed());
    let (mut client, _) = Client::connect_tls(server.address(), server.ca().unwrap());
    assert_eq!(client.get("/open", "").body, "open");
}
