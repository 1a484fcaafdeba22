//! Contexts over an SSP that a test makes up: what is called, in which order, and what comes of it.

use sspcache::{
    Credential, Error, Identity, InboundCredential, SecurityPackage, SecurityStatus, SignIn, SspCaches,
    context::{
        ContextRequest, Handshake, HandshakeError, Protection, Role, Sealed, SecretBytes, SecurityContext,
        Step, handshake,
    },
    loader::Progress,
};

use crate::fake::{FakeLoader, FakeModule, Log};

const PATH: &str = r"C:\Windows\MSNSSPC.dll";

/// A package whose handshakes go so, and the log.
fn package(steps: &'static [Result<Progress, SecurityStatus>]) -> (SecurityPackage, Log) {
    let loader = FakeLoader::with([FakeModule::new(PATH, None).that_steps(steps)]);
    let log = loader.log.clone();
    let package = SspCaches::new(loader).security_package("MSNSSPC.dll", "MSN").unwrap();
    log.take();
    (package, log)
}

fn alice(package: &SecurityPackage) -> Credential {
    package.acquire(&SignIn::password("alice", "", "correct horse")).unwrap()
}

/// Steps until it is done, answering each token with its own.
fn walk(credential: &Credential) -> Result<(SecurityContext, Vec<Vec<u8>>), HandshakeError> {
    let (mut handshake, mut tokens) = (credential.initiate(ContextRequest::new()), vec![Vec::new()]);
    loop {
        match handshake.step(tokens.last().unwrap())? {
            Step::Continue { handshake: rest, token } => {
                handshake = rest;
                tokens.push(token);
            }
            Step::Established { context, token } => {
                tokens.push(token);
                return Ok((context, tokens));
            }
        }
    }
}

/// S3
#[test]
fn a_token_is_completed_where_the_ssp_asks_for_it() {
    let (package, log) =
        package(&[Ok(Progress::Continue), Ok(Progress::CompleteAndContinue), Ok(Progress::CompleteNeeded)]);
    let (context, tokens) = walk(&alice(&package)).unwrap();
    let tokens: Vec<_> = tokens.iter().map(|token| String::from_utf8_lossy(token)).collect();
    assert_eq!(tokens, ["", "token 0", "token 1, complete", "token 2, complete"]);
    drop((context, package));
    assert_eq!(
        log.take(),
        [
            "Initiator of None steps with []".to_owned(),
            format!("Initiator of Some(0) steps with {:?}", b"token 0"),
            "0 completes".to_owned(),
            format!("Initiator of Some(0) steps with {:?}", b"token 1, complete"),
            "0 completes".to_owned(),
            r"\alice of MSN freed".to_owned(),
            "0 deleted".to_owned(),
            format!("{PATH} given back"),
        ],
        "the context is deleted while its module is there"
    );
}

/// S3: whatever a handshake comes to, its context is deleted once, before its credential is freed.
#[test]
fn a_handshake_that_fails_or_is_abandoned_leaves_no_context() {
    const DENIED: Result<Progress, SecurityStatus> = Err(SecurityStatus::LOGON_DENIED);
    for (steps, begun) in [
        (&[Ok(Progress::Continue), DENIED][..], true),
        (&[DENIED], false),
        (&[Ok(Progress::Continue), Err(SecurityStatus(0)), DENIED], true),
    ] {
        let (package, log) = package(steps);
        let failed = walk(&alice(&package)).unwrap_err();
        let expected = format!("token {}", steps.len() - 1);
        assert_eq!(failed.token(), Some(expected.as_bytes()), "{failed}");
        assert_eq!(failed.error().code(), "sspi");
        assert_eq!(
            failed.into_error().to_string(),
            format!("{PATH}: InitializeSecurityContext failed: SEC_E_LOGON_DENIED (0x8009030C)")
        );
        let log = log.take();
        let ended: Vec<_> = log.iter().skip(steps.len()).map(String::as_str).collect();
        let expected: &[&str] =
            if begun { &["0 deleted", r"\alice of MSN freed"] } else { &[r"\alice of MSN freed"] };
        assert_eq!(ended, expected);
    }
    let (package, log) = package(&[Ok(Progress::Continue)]);
    let abandoned = alice(&package).initiate(ContextRequest::new()).step(&[]).unwrap();
    log.take();
    drop(abandoned);
    assert_eq!(log.take(), ["0 deleted", r"\alice of MSN freed"]);
}

/// What two ends wait for that wait for each other: nothing. A test would run for ever.
#[test]
fn a_handshake_in_which_both_ends_wait_is_an_error() {
    let steps = &[Ok(Progress::Continue); 8];
    let loader = FakeLoader::with([FakeModule::new(PATH, None).that_steps(steps).that_stalls()]);
    let log = loader.log.clone();
    let package = SspCaches::new(loader).security_package("MSNSSPC.dll", "MSN").unwrap();
    let (client, server) = (alice(&package), package.acquire_inbound().unwrap());
    log.take();
    let (client, server) = (client.initiate(ContextRequest::new()), server.accept(ContextRequest::new()));
    let error = handshake(client, server).unwrap_err();
    assert!(matches!(error, Error::HandshakeStalled), "{error:?}");
    assert_eq!(error.code(), "handshake-stalled");
    let steps = log.take().iter().filter(|entry| entry.contains("steps")).count();
    assert_eq!(steps, 2, "one round");
}

#[test]
fn a_handshake_without_tokens_succeeds_when_both_ends_are_done() {
    let steps = &[Ok(Progress::Complete), Ok(Progress::Complete)];
    let loader = FakeLoader::with([FakeModule::new(PATH, None).that_steps(steps).that_stalls()]);
    let package = SspCaches::new(loader).security_package("MSNSSPC.dll", "MSN").unwrap();
    let (client, server) = (alice(&package), package.acquire_inbound().unwrap());
    handshake(client.initiate(ContextRequest::new()), server.accept(ContextRequest::new())).unwrap();
}

/// S5: an SSP that goes on and gives no context is broken, and nothing is made of it.
#[test]
fn going_on_without_a_context_is_an_internal_error() {
    let (package, _) = package(&[Err(SecurityStatus(0))]);
    let failed = walk(&alice(&package)).unwrap_err();
    assert!(matches!(failed.error(), Error::Sspi { status: SecurityStatus::INTERNAL_ERROR, .. }), "{failed}");
}

/// S4: a caller that asks for an encrypted message gets none that others could read.
#[test]
fn a_message_that_was_only_signed_is_not_decrypted() {
    let (package, _) = package(&[Ok(Progress::Complete)]);
    let (context, _) = walk(&alice(&package)).unwrap();
    let sealed = Sealed { token: Vec::new(), data: b"readable".to_vec() };
    assert_eq!(context.unwrap(&sealed).unwrap(), (b"readable".to_vec(), Protection::Sign));
    let error = context.decrypt(&sealed).unwrap_err();
    assert_eq!(error.code(), "not-encrypted");
    assert_eq!(
        error.to_string(),
        format!(
            "{PATH}: the message was signed, and not encrypted; to accept both, call SecurityContext::unwrap"
        )
    );
}

/// S2: what is missing in a table is an error of the function that is.
#[test]
fn what_an_ssp_lacks_is_unsupported() {
    let (package, _) = package(&[Ok(Progress::Complete)]);
    let (context, _) = walk(&alice(&package)).unwrap();
    for (error, function) in [
        (package.acquire_inbound().map(drop), "AcquireCredentialsHandle"),
        (package.import(Role::Acceptor, b"").map(drop), "ImportSecurityContext"),
        (alice(&package).add("MSN", &SignIn::silent()), "AddCredentials"),
        (
            package.change_password(Identity { user: "", domain: "", password: "" }, ""),
            "ChangeAccountPassword",
        ),
        (context.impersonate().map(drop), "ImpersonateSecurityContext"),
        (context.client().map(drop), "QueryContextAttributes"),
        (context.package().map(drop), "QueryContextAttributes"),
        (context.flags().map(drop), "QueryContextAttributes"),
        (context.session_key().map(drop), "QueryContextAttributes"),
        (context.sign(b"").map(drop), "MakeSignature"),
        (context.verify(b"", b""), "VerifySignature"),
        (context.encrypt(b"").map(drop), "EncryptMessage"),
        (context.export().map(drop), "ExportSecurityContext"),
    ] {
        let text = error.unwrap_err().to_string();
        assert!(text.contains(&format!("{function} failed: SEC_E_UNSUPPORTED_FUNCTION")), "{text}");
    }
}

/// S4: whatever is held may be used from any thread.
#[test]
fn contexts_and_credentials_go_to_any_thread() {
    fn anywhere<T: Send + Sync + ?Sized>() {}
    anywhere::<SecurityPackage>();
    anywhere::<(Credential, InboundCredential)>();
    anywhere::<(Handshake, HandshakeError, Step, SecurityContext, SecretBytes)>();
}
