//! Both ends of a sign-in, in safe Rust: what holds of the mock in its emulated process holds of the mock as a DLL, too.
//!
//! Each story is told of an MSNSSPC.dll that is configured so.

use std::thread;

use sspcache::{
    Credential, Error, Identity, InboundCredential, SecurityPackage, SecurityStatus, SignIn, Sspi,
    context::{
        ContextFlags, ContextRequest, HandshakeError, Protection, Role, Sealed, SecurityContext, Step,
        handshake,
    },
};

/// A package that can tell the other side of errors, one that changes passwords, the only account, two targets, and which of them the server is.
pub const CONFIG: &str = r#"
[[package]]
name = "MSN"
capabilities = ["connection", "extended-error", "impersonation", "integrity", "mutual-auth", "privacy"]

[[package]]
name = "NTLM"

[[account]]
user = "alice"
domain = "CONTOSO"
password = "correct horse"

[targets]
known = ["HTTP/web.contoso.example", "HTTP/other.contoso.example"]
accepted = ["HTTP/web.contoso.example"]
"#;

/// Tokens are to be completed, besides.
pub const COMPLETING: &str = "[context]\ncomplete-tokens = true\n";

/// Acting for clients is pretended, besides.
pub const IMPERSONATING: &str = "[context]\nimpersonation = 'simulate'\n";

/// Where a story takes place.
pub struct Place<'a> {
    pub ssps: &'a dyn Sspi,
    pub package: &'a SecurityPackage,
    /// Another package of the same module.
    pub ntlm: &'a SecurityPackage,
}

impl Place<'_> {
    fn alice(&self) -> Credential {
        self.package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap()
    }

    fn server(&self) -> InboundCredential {
        self.package.acquire_inbound().unwrap()
    }

    /// The client's context and the server's.
    fn contexts(&self) -> (SecurityContext, SecurityContext) {
        let (client, server) = (ContextRequest::to("HTTP/web.contoso.example"), ContextRequest::new());
        handshake(self.alice().initiate(client), self.server().accept(server)).unwrap()
    }
}

/// What both ends say of themselves.
pub fn both_ends_agree(place: &Place<'_>) {
    let (client, server) = place.contexts();
    for end in [&client, &server] {
        assert_eq!(end.client().unwrap(), r"CONTOSO\alice");
        assert_eq!(end.package().unwrap(), "MSN");
        let flags = end.flags().unwrap();
        assert!(flags.contains(ContextRequest::new().flags()), "{flags:?}");
        assert!(!flags.intersects(ContextFlags::DELEGATE | ContextFlags::NULL_SESSION), "{flags:?}");
    }
    let (key, same) = (client.session_key().unwrap(), server.session_key().unwrap());
    assert!(key.as_bytes().len() >= 16);
    assert_eq!(key.as_bytes(), same.as_bytes());
    let (another, _) = place.contexts();
    assert_ne!(another.session_key().unwrap().as_bytes(), key.as_bytes());
    assert_eq!(format!("{key:?} {client:?}"), "SecretBytes SecurityContext");
}

/// Steps of each package, the client's and the server's by turns: whether the side is done, and `+` with a token to send.
pub fn each_package_has_its_own_legs(place: &Place<'_>) {
    let mutual = ContextFlags::MUTUAL_AUTH;
    for (package, target, flags, legs) in [
        ("NTLM", "HTTP/web.contoso.example", mutual, "more+ more+ done+ done"),
        ("Kerberos", "HTTP/web.contoso.example", ContextFlags::empty(), "done+ done"),
        ("Kerberos", "HTTP/web.contoso.example", mutual, "more+ done+ done"),
        ("Kerberos", "HTTP/web.contoso.example", ContextFlags::USE_DCE_STYLE, "more+ more+ done+ done"),
        ("Negotiate", "HTTP/web.contoso.example", ContextFlags::empty(), "more+ done+ done"),
        ("Negotiate", "HTTP/web.contoso.example", mutual, "more+ done+ done"),
        ("MSN", "HTTP/web.contoso.example", mutual, "more+ more+ more+ done+ done"),
    ] {
        let package = place.ssps.security_package("MSNSSPC.dll", package).unwrap();
        let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
        let client = alice.initiate(ContextRequest::to(target).with_flags(flags));
        let server = package.acquire_inbound().unwrap().accept(ContextRequest::new());
        let (mut open, mut done) = ([Some(client), Some(server)], [None, None]);
        let (mut said, mut last, mut side) = (Vec::new(), Vec::new(), 0);
        loop {
            let step = open[side].take().expect("who is done gets no token").step(&last).unwrap();
            let (word, token) = match step {
                Step::Continue { handshake, token } => {
                    open[side] = Some(handshake);
                    ("more", token)
                }
                Step::Established { context, token } => {
                    done[side] = Some(context);
                    ("done", token)
                }
            };
            said.push(format!("{word}{}", if token.is_empty() { "" } else { "+" }));
            if token.is_empty() {
                break;
            }
            (last, side) = (token, 1 - side);
        }
        assert_eq!(said.join(" "), legs, "{} {flags:?}", package.name());
        let [Some(client), Some(server)] = done else { panic!("{}: both are done", package.name()) };
        assert_eq!(server.client().unwrap(), r"CONTOSO\alice");
        assert_eq!(client.package().unwrap(), server.package().unwrap());
        server.verify(b"GET /", &client.sign(b"GET /").unwrap()).unwrap();

        let client = alice.initiate(ContextRequest::to(target).with_flags(flags));
        let server = package.acquire_inbound().unwrap().accept(ContextRequest::new());
        handshake(client, server).unwrap();
    }
}

/// Messages in both directions: signed, encrypted, altered, sent again.
pub fn messages_arrive_as_they_were_sent_and_once(place: &Place<'_>) {
    const LONG: usize = if cfg!(miri) { 500 } else { 5000 };
    let (client, server) = place.contexts();
    for (from, to) in [(&client, &server), (&server, &client)] {
        for message in [&b""[..], b"GET /", &[7; LONG]] {
            let signature = from.sign(message).unwrap();
            to.verify(message, &signature).unwrap();
            let sealed = from.encrypt(message).unwrap();
            assert!(message.is_empty() || !sealed.data.starts_with(message));
            assert_eq!(to.decrypt(&sealed).unwrap(), message);
            for protection in [Protection::Sign, Protection::Encrypt] {
                let sealed = from.wrap(message, protection).unwrap();
                assert_eq!(sealed.data == message, message.is_empty() || protection == Protection::Sign);
                assert_eq!(to.unwrap(&sealed).unwrap(), (message.to_vec(), protection));
            }
            let error = to.decrypt(&from.wrap(message, Protection::Sign).unwrap()).unwrap_err();
            assert!(matches!(error, Error::NotEncrypted { .. }), "{error}");
        }
        let sealed = from.encrypt(b"GET /").unwrap();
        let mut altered = Sealed { ..sealed.clone() };
        altered.data[0] ^= 1;
        refused(to.decrypt(&altered), "DecryptMessage", SecurityStatus::MESSAGE_ALTERED);
        assert_eq!(to.decrypt(&sealed).unwrap(), b"GET /");
        refused(to.decrypt(&sealed), "DecryptMessage", SecurityStatus::OUT_OF_SEQUENCE);
        let signature = from.sign(b"GET /").unwrap();
        refused(to.verify(b"GET /secret", &signature), "VerifySignature", SecurityStatus::MESSAGE_ALTERED);
        to.verify(b"GET /", &signature).unwrap();
    }
}

/// One thread of each end sends while another receives.
pub fn two_threads_send_and_receive_at_once(place: &Place<'_>) {
    const MESSAGES: u32 = if cfg!(miri) { 10 } else { 200 };
    let (client, server) = place.contexts();
    thread::scope(|scope| {
        for (from, to) in [(&client, &server), (&server, &client)] {
            let (sender, receiver) = std::sync::mpsc::channel();
            scope.spawn(move || {
                for number in 0..MESSAGES {
                    sender.send(from.encrypt(&number.to_le_bytes()).unwrap()).unwrap();
                }
            });
            scope.spawn(move || {
                for (number, sealed) in (0..MESSAGES).zip(receiver) {
                    assert_eq!(to.decrypt(&sealed).unwrap(), number.to_le_bytes());
                }
            });
        }
    });
}

/// The server refuses a wrong password and an unknown account, and the client hears of it if both asked for that.
pub fn a_wrong_password_is_denied_by_the_server(place: &Place<'_>) {
    for (user, password) in [("alice", "wrong horse"), ("mallory", "correct horse")] {
        for told in [false, true] {
            let sign_in = SignIn::password(user, "CONTOSO", password);
            let flags = if told { ContextFlags::EXTENDED_ERROR } else { ContextFlags::empty() };
            let client = place.package.acquire(&sign_in).unwrap();
            // Without mutual authentication the client is done before the server has checked.
            let mut client =
                client.initiate(ContextRequest::new().with_flags(flags | ContextFlags::MUTUAL_AUTH));
            let mut server = place.server().accept(ContextRequest::new().with_flags(flags));
            let mut received = Vec::new();
            let (client, denied) = loop {
                let Step::Continue { handshake, token } = client.step(&received).unwrap() else {
                    panic!("the client waits for the server")
                };
                client = handshake;
                match server.step(&token) {
                    Ok(Step::Continue { handshake, token }) => (server, received) = (handshake, token),
                    Ok(Step::Established { .. }) => panic!("the server let {user} in"),
                    Err(denied) => break (client, denied),
                }
            };
            assert!(
                denied.to_string().contains("AcceptSecurityContext failed: SEC_E_LOGON_DENIED"),
                "{denied}"
            );
            assert_eq!(denied.token().is_some(), told, "{denied}");
            if let Some(token) = denied.token() {
                let heard = client.step(token).unwrap_err();
                refused(
                    Err::<(), _>(heard.into_error()),
                    "InitializeSecurityContext",
                    SecurityStatus::LOGON_DENIED,
                );
            }
            assert!(matches!(denied.into_error(), Error::Sspi { .. }));
        }
    }
}

/// A flush ends silent sign-ins and what has not been established, and leaves what has.
pub fn a_flush_ends_sign_ins_and_spares_established_contexts(place: &Place<'_>) {
    let (client, server) = place.contexts();
    let silent = place.package.acquire(&SignIn::silent()).unwrap();
    let begun = match place.alice().initiate(ContextRequest::new()).step(&[]).unwrap() {
        Step::Continue { handshake, token } => (handshake, token),
        Step::Established { .. } => panic!("nobody has answered"),
    };
    let Ok(Step::Continue { token: challenge, handshake: _accepting }) =
        place.server().accept(ContextRequest::new()).step(&begun.1)
    else {
        panic!("the server asks for a proof")
    };

    assert!(place.ssps.flush_all().is_success());

    let status = SecurityStatus::NO_CREDENTIALS;
    refused(place.package.acquire(&SignIn::silent()), "AcquireCredentialsHandle", status);
    let late = silent.initiate(ContextRequest::new()).step(&[]).map_err(HandshakeError::into_error);
    refused(late, "InitializeSecurityContext", status);
    let late = begun.0.step(&challenge).map_err(HandshakeError::into_error);
    refused(late, "InitializeSecurityContext", status);
    silent.close().unwrap();
    assert_eq!(server.decrypt(&client.encrypt(b"still here").unwrap()).unwrap(), b"still here");
}

/// An exported context goes on where it stopped, and only as what it was exported as.
pub fn an_exported_context_goes_on_where_it_is_imported(place: &Place<'_>) {
    let (client, server) = place.contexts();
    let key = server.session_key().unwrap();
    let (first, second) = (client.encrypt(b"first").unwrap(), client.encrypt(b"second").unwrap());
    assert_eq!(server.decrypt(&first).unwrap(), b"first");
    let packed = server.export().unwrap();
    assert_eq!(format!("{packed:?}"), "SecretBytes");

    let worker = place.package.import(Role::Acceptor, packed.as_bytes()).unwrap();
    assert_eq!(worker.client().unwrap(), r"CONTOSO\alice");
    assert_eq!(worker.session_key().unwrap().as_bytes(), key.as_bytes());
    assert_eq!(worker.flags().unwrap(), client.flags().unwrap());
    refused(worker.decrypt(&first), "DecryptMessage", SecurityStatus::OUT_OF_SEQUENCE);
    assert_eq!(worker.decrypt(&second).unwrap(), b"second");
    assert_eq!(client.decrypt(&worker.encrypt(b"answer").unwrap()).unwrap(), b"answer");

    let mut altered = packed.as_bytes().to_vec();
    altered[packed.as_bytes().len() / 2] ^= 1;
    for wrong in [&altered[..], b"", b"packed by nobody"] {
        let imported = place.package.import(Role::Acceptor, wrong);
        refused(imported, "ImportSecurityContext", SecurityStatus::INVALID_TOKEN);
    }
}

/// Channel bindings are compared, and may be missing where the server says so.
pub fn channel_bindings_bind(place: &Place<'_>) {
    let bound = |name: &[u8]| ContextRequest::new().with_channel_bindings(name);
    let lenient = bound(b"one").with_flags(ContextFlags::ALLOW_MISSING_BINDINGS);
    for (client, server, agree) in [
        (bound(b"one"), bound(b"one"), true),
        (bound(b"one"), bound(b"other"), false),
        (ContextRequest::new(), bound(b"one"), false),
        (ContextRequest::new(), lenient.clone(), true),
        (bound(b"other"), lenient, false),
        (bound(b"a longer name, of no four bytes' multiple"), ContextRequest::new(), true),
    ] {
        let shown = format!("{client:?} {server:?}");
        let met = handshake(place.alice().initiate(client), place.server().accept(server));
        assert_eq!(met.is_ok(), agree, "{shown}");
        if !agree {
            refused(met, "AcceptSecurityContext", SecurityStatus::BAD_BINDINGS);
        }
    }
}

/// The client finds its target, and the server is it.
pub fn a_target_is_known_and_meant(place: &Place<'_>) {
    for (target, refusal) in [
        ("http/WEB.contoso.example", None),
        ("HTTP/nowhere", Some(("InitializeSecurityContext", SecurityStatus::TARGET_UNKNOWN))),
        ("HTTP/other.contoso.example", Some(("AcceptSecurityContext", SecurityStatus::WRONG_PRINCIPAL))),
    ] {
        let client = place.alice().initiate(ContextRequest::to(target));
        let met = handshake(client, place.server().accept(ContextRequest::new()));
        match refusal {
            None => assert!(met.is_ok(), "{target}: {:?}", met.err()),
            Some((function, status)) => refused(met, function, status),
        }
    }
}

/// Tokens of another handshake are refused, and so is none where one is due.
pub fn a_token_that_is_none_is_refused(place: &Place<'_>) {
    for token in [&b""[..], b"NTLMSSP\0\x01\0\0\0", &[0x60, 0x28], &[0xFF; 4000]] {
        let accepted =
            place.server().accept(ContextRequest::new()).step(token).map_err(HandshakeError::into_error);
        refused(accepted, "AcceptSecurityContext", SecurityStatus::INVALID_TOKEN);
        let Ok(Step::Continue { handshake, .. }) = place.alice().initiate(ContextRequest::new()).step(b"")
        else {
            panic!("nobody has answered")
        };
        let initialized = handshake.step(token).map_err(HandshakeError::into_error);
        refused(initialized, "InitializeSecurityContext", SecurityStatus::INVALID_TOKEN);
    }
}

/// A credential is given another one for its package, which stands in its place; one that is wrong in every way is not.
pub fn a_credential_can_be_given_another(place: &Place<'_>) {
    let alice = SignIn::password("alice", "CONTOSO", "correct horse");
    let credential = place.package.acquire(&SignIn::password("bob", "CONTOSO", "x")).unwrap();
    let meet = || {
        let (client, server) = (ContextRequest::new(), ContextRequest::new());
        handshake(credential.initiate(client), place.server().accept(server))
    };
    refused(meet(), "AcceptSecurityContext", SecurityStatus::LOGON_DENIED);
    refused(credential.add("NTLM", &alice), "AddCredentials", SecurityStatus::UNKNOWN_CREDENTIALS);
    refused(credential.add("None", &alice), "AddCredentials", SecurityStatus::SECPKG_NOT_FOUND);
    credential.add("MSN", &alice).unwrap();
    assert_eq!(meet().unwrap().1.client().unwrap(), r"CONTOSO\alice");
    assert_eq!(credential.principal().unwrap(), r"CONTOSO\bob", "its own name stays");
    credential.add("MSN", &SignIn::silent().as_principal(r"CONTOSO\bob")).unwrap();
    refused(meet(), "AcceptSecurityContext", SecurityStatus::LOGON_DENIED);
}

/// A password is changed by a caller that knows it, and the old one is none any more.
pub fn a_password_is_changed_by_who_knows_it(place: &Place<'_>) {
    let change = |package: &SecurityPackage, password, new| {
        package.change_password(Identity { user: "alice", domain: "CONTOSO", password }, new)
    };
    let meet = || {
        let (client, server) = (place.alice(), place.server());
        handshake(client.initiate(ContextRequest::new()), server.accept(ContextRequest::new()))
    };
    let function = "ChangeAccountPassword";
    refused(change(place.package, "correct horse", "x"), function, SecurityStatus::UNSUPPORTED_FUNCTION);
    refused(change(place.ntlm, "wrong", "x"), function, SecurityStatus::LOGON_DENIED);
    meet().unwrap();
    change(place.ntlm, "correct horse", "battery staple").unwrap();
    refused(meet(), "AcceptSecurityContext", SecurityStatus::LOGON_DENIED);
    change(place.ntlm, "battery staple", "correct horse").unwrap();
    meet().unwrap();
}

/// A server may not act for its client, unless that is pretended.
pub fn nobody_acts_for_a_client(place: &Place<'_>) {
    let (client, server) = place.contexts();
    for end in [&client, &server] {
        refused(end.impersonate(), "ImpersonateSecurityContext", SecurityStatus::NO_IMPERSONATION);
    }
}

/// A server acts for its client for as long as it says.
pub fn a_server_acts_for_its_client(place: &Place<'_>) {
    let (client, server) = place.contexts();
    refused(client.impersonate(), "ImpersonateSecurityContext", SecurityStatus::NO_IMPERSONATION);
    server.impersonate().unwrap().revert().unwrap();
    drop(server.impersonate().unwrap());
}

/// A credential that is given back while a handshake goes on is given back after it.
pub fn a_handshake_keeps_its_credential(place: &Place<'_>) {
    let (alice, server) = (place.alice(), place.server());
    let (initiating, accepting) =
        (alice.initiate(ContextRequest::new()), server.accept(ContextRequest::new()));
    alice.close().unwrap();
    server.close().unwrap();
    let (client, server) = handshake(initiating, accepting).unwrap();
    assert_eq!(server.decrypt(&client.encrypt(b"x").unwrap()).unwrap(), b"x");
}

/// The error is this function's, with this status, and names the module.
#[track_caller]
pub fn refused<T>(result: Result<T, Error>, function: &str, status: SecurityStatus) {
    let Err(error) = result else { panic!("{function} was to fail with {status}") };
    assert!(error.to_string().contains(&format!("MSNSSPC.dll: {function} failed: {status}")), "{error}");
}
