//! Sign-ins: schemes, handshakes, what they count for, and what the server says of them.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sspcache_mock::MockSsp;
use sspcache_serve::{Authentication, HttpServer, ServeError, ServerEventKind, Settings};

use crate::client::{As, Client, accounts, alice};

/// W1
#[test]
fn schemes_are_offered_in_the_order_of_the_settings() {
    for (settings, offered) in [
        (Settings::new(), &["Negotiate", "NTLM"][..]),
        (Settings::new().schemes(["NTLM", "Negotiate"]), &["NTLM", "Negotiate"]),
        (Settings::new().schemes(["MSN", "Kerberos", "DPA"]), &["MSN", "Kerberos", "DPA"]),
    ] {
        let server = HttpServer::start_with(&accounts(), settings).unwrap();
        let answer = Client::connect(server.address()).get("/", "");
        assert_eq!((answer.status, answer.all("www-authenticate")), (401, offered.to_vec()));
    }
}

/// W1: of the schemes of the default those that the mock has; of those that were named all.
#[test]
fn a_scheme_without_a_package_is_not_offered() {
    let mock = || MockSsp::msn().only_packages(["Negotiate", "Kerberos"]);
    let server = HttpServer::start(&mock()).unwrap();
    assert_eq!(Client::connect(server.address()).get("/", "").all("www-authenticate"), ["Negotiate"]);
    let refused = |scheme| HttpServer::start_with(&mock(), Settings::new().schemes([scheme])).unwrap_err();
    assert!(matches!(refused("NTLM"), ServeError::NoPackage { scheme, .. } if scheme == "NTLM"));
    assert!(matches!(refused("two words"), ServeError::NoScheme { .. }));
}

/// W1, W3
#[test]
fn each_package_signs_in_and_the_client_gets_its_last_token() {
    let mock = accounts();
    let settings = Settings::new().schemes(["Negotiate", "NTLM", "Kerberos", "MSN", "DPA"]);
    let server = HttpServer::start_with(&mock, settings).unwrap();
    for (scheme, package, legs) in [
        ("Negotiate", "Kerberos", 1),
        ("Kerberos", "Kerberos", 1),
        ("NTLM", "NTLM", 2),
        ("MSN", "MSN", 2),
        ("DPA", "DPA", 2),
    ] {
        let (answer, is_established) = alice(scheme).sign_in(&mut Client::connect(server.address()));
        assert_eq!(
            (answer.status, &*answer.body),
            (200, &*format!(r"CONTOSO\alice by {package}")),
            "{scheme}"
        );
        assert!(is_established, "{scheme}");
        let sign_in = server.sign_ins().pop().unwrap();
        assert_eq!((&*sign_in.package, &*sign_in.scheme, sign_in.legs), (package, scheme, legs));
        assert_eq!(sign_in.principal, r"CONTOSO\alice");
        assert_eq!(sign_in.target.as_deref(), Some("HTTP/localhost"), "{scheme}");
    }
    // The schemes' own credentials.
    assert_eq!((mock.open_handles(), mock.open_contexts()), (5, 0));
    drop(server);
    assert_eq!((mock.open_handles(), mock.open_contexts()), (0, 0));
}

/// W1
#[test]
fn a_wrong_password_is_refused_and_the_connection_can_sign_in_all_the_same() {
    for scheme in ["Negotiate", "NTLM"] {
        let server = HttpServer::start(&accounts()).unwrap();
        let mut client = Client::connect(server.address());
        let (answer, _) = As { password: "wrong horse", ..alice(scheme) }.sign_in(&mut client);
        assert_eq!((answer.status, &*answer.body), (401, "SEC_E_LOGON_DENIED"), "{scheme}");
        assert_eq!(server.sign_ins(), []);
        assert_eq!(alice(scheme).sign_in(&mut client).0.status, 200, "{scheme}");
    }
}

/// W2
#[test]
fn a_sign_in_counts_for_its_connection_or_for_its_request() {
    use Authentication::{ByPackage, OfConnection, OfRequest};
    for (authentication, scheme, later) in [
        (ByPackage, "NTLM", 200),
        (ByPackage, "MSN", 200),
        (ByPackage, "Negotiate", 401),
        (OfConnection, "Negotiate", 200),
        (OfRequest, "NTLM", 401),
    ] {
        let settings = Settings::new().schemes([scheme]).authentication(authentication);
        let server = HttpServer::start_with(&accounts(), settings).unwrap();
        let mut client = Client::connect(server.address());
        assert_eq!(alice(scheme).sign_in(&mut client).0.status, 200);
        assert_eq!(client.get("/", "").status, later, "{authentication:?} {scheme}");
        // Never for another connection.
        assert_eq!(Client::connect(server.address()).get("/", "").status, 401);
    }
}

/// W2: a client that shares a connection between users is seen.
#[test]
fn whoami_says_who_authenticated_the_request_and_the_connection() {
    let settings = Settings::new().schemes(["Kerberos", "NTLM"]);
    let server = HttpServer::start_with(&accounts(), settings).unwrap();
    let mut client = Client::connect(server.address());
    alice("NTLM").sign_in(&mut client);
    let inherited = client.get("/whoami", "");
    assert_eq!(inherited.status, 200);
    for part in [
        r#""connection_number":0,"by":"connection","request":{"principal":"CONTOSO\\alice","scheme":"NTLM","package":"NTLM","legs":2,"#,
        r#""target":"HTTP/localhost","bound":false},"connection":{"principal":"CONTOSO\\alice""#,
        r#""ASC_RET_CONFIDENTIALITY""#,
    ] {
        assert!(inherited.body.contains(part), "{part} in {}", inherited.body);
    }
    let bob = As { user: "bob", password: "battery staple", path: "/whoami", ..alice("Kerberos") };
    let (own, _) = bob.sign_in(&mut client);
    assert!(own.body.contains(r#""by":"request","request":{"principal":"CONTOSO\\bob""#), "{}", own.body);
    assert!(own.body.ends_with("\"connection\":null}\n"), "{}", own.body);
}

/// W1: a first token begins a handshake anew, whatever went before.
#[test]
fn a_handshake_can_be_begun_again_in_its_middle() {
    let mock = accounts();
    let server = HttpServer::start(&mock).unwrap();
    let mut client = Client::connect(server.address());
    for _ in 0..3 {
        alice("NTLM").begin(&mut client);
        assert_eq!(mock.open_contexts(), 1);
    }
    assert_eq!(alice("NTLM").sign_in(&mut client).0.status, 200);
    assert_eq!(mock.open_contexts(), 0);
}

/// W4: what isn't a token of the scheme is refused, and nothing else comes of it.
#[test]
fn what_is_no_token_is_refused() {
    let server = HttpServer::start(&accounts()).unwrap();
    for (field, why) in [
        ("Negotiate", "SEC_E_INVALID_TOKEN"),
        ("NTLM ", "SEC_E_INVALID_TOKEN"),
        ("NTLM AAAA", "SEC_E_INVALID_TOKEN"),
        ("NTLM *", "what follows the scheme is not Base64"),
        ("Basic YWxpY2U6Y29ycmVjdCBob3JzZQ==", "this scheme is not offered"),
    ] {
        let mut client = Client::connect(server.address());
        let answer = client.get("/", &format!("Authorization: {field}\r\n"));
        assert_eq!((answer.status, &*answer.body), (401, why), "{field}");
        assert_eq!(client.get("/open", "").status, 200);
    }
}

/// W9: a user and a password in the field itself, against the same accounts.
#[test]
fn basic_signs_in_for_its_request_against_the_accounts_of_the_mock() {
    let settings = Settings::new().schemes(["Basic", "NTLM"]);
    let server = HttpServer::start_with(&accounts().account("björn", "", "Grüße:2"), settings).unwrap();
    let mut client = Client::connect(server.address());
    let offered = [r#"Basic realm="sspcache", charset="UTF-8""#, "NTLM"];
    for (said, status, answer) in [
        (&br"CONTOSO\alice:correct horse"[..], 200, r"CONTOSO\alice by Basic"),
        (b"alice@contoso:correct horse", 200, r"contoso\alice by Basic"),
        ("björn:Grüße:2".as_bytes(), 200, "björn by Basic"),
        (br"CONTOSO\alice:correct hors", 401, "SEC_E_LOGON_DENIED"),
        (br"CONTOSO\alice:battery staple", 401, "SEC_E_LOGON_DENIED"),
        (br"CONTOSO\alice:", 401, "SEC_E_LOGON_DENIED"),
        (br"CONTOSO\mallory:correct horse", 401, "SEC_E_LOGON_DENIED"),
        (b"alice:correct horse", 401, "SEC_E_LOGON_DENIED"),
        (b":", 401, "SEC_E_LOGON_DENIED"),
        (br"CONTOSO\alice", 401, "SEC_E_INVALID_TOKEN"),
        (b"", 401, "SEC_E_INVALID_TOKEN"),
        (b"bj\xF6rn:Gr\xFC\xDFe:2", 401, "SEC_E_INVALID_TOKEN"),
    ] {
        let field = format!("Authorization: basic {}\r\n", STANDARD.encode(said));
        let answered = client.get("/", &field);
        assert_eq!((answered.status, &*answered.body), (status, answer), "{}", said.escape_ascii());
        let expected = if status == 401 { &offered[..] } else { &[] };
        assert_eq!(answered.all("www-authenticate"), expected);
        // It counts for its request.
        assert_eq!(client.get("/", "").status, 401);
    }
    let sign_in = &server.sign_ins()[0];
    assert_eq!((&*sign_in.scheme, &*sign_in.package, sign_in.legs), ("Basic", "Basic", 1));
    let events = serde_json::to_string(&server.events()).unwrap();
    let encoded = STANDARD.encode(r"CONTOSO\alice:correct horse");
    for secret in ["hors", "staple", "Gr", &encoded] {
        assert!(!events.contains(secret), "{secret} in {events}");
    }
    // NTLM is offered beside it, and each ends what the other had.
    assert_eq!(alice("NTLM").sign_in(&mut client).0.status, 200);
    let field = format!("Authorization: Basic {}\r\n", STANDARD.encode(r"CONTOSO\bob:battery staple"));
    let who = client.get("/whoami", &field).body;
    assert!(who.contains(r#""request":{"principal":"CONTOSO\\bob","scheme":"Basic""#), "{who}");
    assert!(who.contains(r#""connection":null"#), "{who}");
}

/// W5
#[test]
fn events_tell_of_a_sign_in_and_of_no_secret() {
    let server = HttpServer::start(&accounts()).unwrap();
    let mut reader = Client::connect(server.address());
    assert_eq!(reader.get("/events", "").status, 200);
    let mut client = Client::connect(server.address());
    client.get("/", "");
    let secret = "Authorization: Bearer secret-of-a-client\r\nCookie: sspcache-session=also-secret\r\n";
    client.get("/?password=third-secret", secret);
    alice("NTLM").sign_in(&mut client);
    let mut lines = Vec::new();
    while !lines.last().is_some_and(|line: &String| line.contains("signed-in")) {
        lines.push(reader.line());
    }
    let text = lines.join("\n");
    for part in [
        r#"{"seq":0,"connection":0,"event":"connected"}"#,
        r#""connection":1,"event":"offered"}"#,
        r#""connection":1,"event":"refused","scheme":"","reason":"this scheme is not offered"}"#,
        r#""connection":1,"event":"challenged","scheme":"NTLM","leg":1}"#,
        r#""connection":1,"event":"signed-in","principal":"CONTOSO\\alice""#,
    ] {
        assert!(text.contains(part), "{part} in {text}");
    }
    assert!(!text.contains("secret"), "{text}");
    let is_refused =
        |event: &sspcache_serve::ServerEvent| matches!(event.kind, ServerEventKind::Refused { .. });
    assert_eq!(server.events().iter().filter(|event| is_refused(event)).count(), 1);
}

/// W2
#[test]
fn a_cookie_stands_for_a_sign_in_until_the_client_drops_it() {
    let server = HttpServer::start(&accounts()).unwrap();
    let mut client = Client::connect(server.address());
    let (answer, _) = As { path: "/cookie", ..alice("Negotiate") }.sign_in(&mut client);
    assert_eq!(answer.body, "{\"principal\":\"CONTOSO\\\\alice\",\"is_new\":true}\n");
    let set = answer.all("set-cookie")[0];
    let (cookie, attributes) = set.split_once("; ").unwrap();
    // None that outlives the client's session.
    assert_eq!(attributes, "Path=/; HttpOnly");
    let mut other = Client::connect(server.address());
    let again = other.get("/cookie", &format!("Cookie: a=b; {cookie}\r\n"));
    assert_eq!((again.status, again.all("set-cookie").len()), (200, 0));
    assert!(again.body.contains(r#""is_new":false"#));
    assert!(other.get("/whoami", &format!("Cookie: {cookie}\r\n")).body.contains(r#""by":"cookie""#));
    assert_eq!(other.get("/cookie", "").status, 401);
    assert_eq!(other.get("/cookie", "Cookie: sspcache-session=0\r\n").status, 401);
}
