//! Proxies: 407, requests that are forwarded, and tunnels.

use std::net::TcpListener;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sspcache_serve::{HttpServer, ProxyServer, Settings};

use crate::client::{As, Client, accounts, alice};

const PROXY: &str = "Proxy-Authorization";

/// W7
#[test]
fn a_proxy_offers_its_schemes_with_its_own_status_and_field() {
    let proxy = ProxyServer::start_with(&accounts(), Settings::new().schemes(["NTLM", "Negotiate"])).unwrap();
    for (method, target) in [("GET", "http://localhost:1/"), ("CONNECT", "localhost:1"), ("GET", "/whoami")] {
        let answer = Client::connect(proxy.address()).request(method, target, "Authorization: NTLM AAAA\r\n");
        assert_eq!((answer.status, answer.all("proxy-authenticate")), (407, vec!["NTLM", "Negotiate"]));
        assert_eq!(answer.all("www-authenticate"), [""; 0]);
    }
}

/// W7: the client signs in to the proxy as one user and to the server as another, on one connection.
#[test]
fn a_request_is_forwarded_on_a_connection_of_the_clients_own() {
    let (server, proxy) = (HttpServer::start(&accounts()).unwrap(), ProxyServer::start(&accounts()).unwrap());
    let url = format!("{}/whoami", server.url());
    let mut client = Client::connect(proxy.address());
    let to_proxy = As { path: &url, request: ("GET", PROXY), ..alice("NTLM") };
    let (answer, _) = to_proxy.sign_in(&mut client);
    // The server's own status, and its field.
    assert_eq!((answer.status, answer.all("www-authenticate")), (401, vec!["Negotiate", "NTLM"]));
    assert_eq!(answer.all("proxy-support"), ["Session-Based-Authentication"]);
    let bob = As { user: "bob", password: "battery staple", path: &url, ..alice("NTLM") };
    let (answer, _) = bob.sign_in(&mut client);
    assert_eq!(answer.status, 200, "{answer:?}");
    let inherited = client.get(&url, "");
    assert!(
        inherited.body.contains(r#""by":"connection","request":{"principal":"CONTOSO\\bob""#),
        "{inherited:?}"
    );
    assert_eq!(proxy.sign_ins()[0].principal, r"CONTOSO\alice");
    // Another client of the proxy has no user at the server.
    let mut other = Client::connect(proxy.address());
    assert_eq!(to_proxy.sign_in(&mut other).0.status, 401);
}

/// W7, W9: the server never reads the password that the proxy was sent.
#[test]
fn basic_signs_in_to_a_proxy() {
    let settings = || Settings::new().schemes(["Basic"]);
    let server = HttpServer::start_with(&accounts(), settings()).unwrap();
    let proxy = ProxyServer::start_with(&accounts(), settings()).unwrap();
    let url = format!("{}/whoami", server.url());
    let basic = |user_and_password| STANDARD.encode(user_and_password);
    let mut client = Client::connect(proxy.address());
    let denied = client.get(&url, "");
    assert_eq!((denied.status, denied.all("proxy-authenticate").len()), (407, 1));
    let to_proxy = format!("{PROXY}: Basic {}\r\n", basic(r"CONTOSO\alice:correct horse"));
    assert_eq!(client.get(&url, &to_proxy).status, 401);
    let to_server = format!("Authorization: Basic {}\r\n", basic(r"CONTOSO\bob:battery staple"));
    let answer = client.get(&url, &(to_proxy + &to_server));
    assert!(answer.body.contains(r#""request":{"principal":"CONTOSO\\bob""#), "{answer:?}");
    assert_eq!(proxy.sign_ins()[0].principal, r"CONTOSO\alice");
}

/// W7, W3
#[test]
fn a_tunnel_carries_a_sign_in_to_the_server() {
    for scheme in ["Negotiate", "NTLM"] {
        let (server, proxy) =
            (HttpServer::start(&accounts()).unwrap(), ProxyServer::start(&accounts()).unwrap());
        let target = server.url().replace("http://", "");
        let mut client = Client::connect(proxy.address());
        let (answer, is_established) =
            As { path: &target, request: ("CONNECT", PROXY), ..alice(scheme) }.sign_in(&mut client);
        assert_eq!((answer.status, is_established), (200, true), "{answer:?}");
        assert_eq!(alice(scheme).sign_in(&mut client).0.status, 200);
        assert_eq!((proxy.sign_ins().len(), server.sign_ins().len()), (1, 1));
    }
}

/// W7
#[test]
fn a_proxy_reaches_loopback_addresses_alone_unless_it_is_told_otherwise() {
    let unused = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = unused.local_addr().unwrap().port();
    drop(unused);
    // No server listens there: 403 is the proxy's own, 502 is that of an address that was tried.
    for (reaches_any, host, status) in
        [(false, "0.0.0.0", 403), (false, "127.0.0.1", 502), (true, "0.0.0.0", 502)]
    {
        let proxy = ProxyServer::start_with(&accounts(), Settings::new().reaches_any(reaches_any)).unwrap();
        for (method, path) in
            [("CONNECT", format!("{host}:{port}")), ("GET", format!("http://{host}:{port}/"))]
        {
            let mut client = Client::connect(proxy.address());
            let to_proxy = As { path: &path, request: (method, PROXY), ..alice("NTLM") };
            assert_eq!(to_proxy.sign_in(&mut client).0.status, status, "{method} {host}");
        }
    }
}

/// W7
#[test]
fn a_request_for_the_proxy_itself_is_a_mistake() {
    let proxy = ProxyServer::start(&accounts()).unwrap();
    let mut client = Client::connect(proxy.address());
    for path in ["/", "https://localhost/"] {
        let (answer, _) = As { path, request: ("GET", PROXY), ..alice("NTLM") }.sign_in(&mut client);
        assert_eq!(answer.status, 400, "{answer:?}");
    }
}
