//! TLS, and the channel bindings that handshakes are checked for.

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
