//! Both ends of a sign-in in one test, over the mock in its emulated process.

#![forbid(unsafe_code)]

use sspcache::{
    CredentialProvider, Error, SecurityStatus, SignIn,
    context::{ContextRequest, handshake},
};
use sspcache_mock::{Config, Effect, EventKind, Fault, HandlePolicy, MockProcess, MockSsp, Operation};
use sspcache_tests::both_ends::{self, Place, refused};

const MSN: &str = "MSNSSPC.dll";

fn msn() -> MockSsp {
    let config: Config = both_ends::CONFIG.parse().unwrap();
    MockSsp::msn().config(&config)
}

/// Runs a story, and checks that it left no handle behind.
fn tell(story: fn(&Place<'_>)) {
    let msn = msn();
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let package = ssps.security_package(MSN, "MSN").unwrap();
    let ntlm = ssps.security_package(MSN, "NTLM").unwrap();
    story(&Place { ssps: &ssps, package: &package, ntlm: &ntlm });
    assert_eq!((msn.open_handles(), msn.open_contexts()), (0, 0));
}

/// S3, S4
#[test]
fn both_ends_agree() {
    tell(both_ends::both_ends_agree);
}

/// P7
#[test]
fn each_package_has_its_own_legs() {
    tell(both_ends::each_package_has_its_own_legs);
}

/// S4
#[test]
fn messages_arrive_as_they_were_sent_and_once() {
    tell(both_ends::messages_arrive_as_they_were_sent_and_once);
}

/// S4
#[test]
fn two_threads_send_and_receive_at_once() {
    tell(both_ends::two_threads_send_and_receive_at_once);
}

/// S3
#[test]
fn a_wrong_password_is_denied_by_the_server() {
    tell(both_ends::a_wrong_password_is_denied_by_the_server);
}

/// M4, M5
#[test]
fn a_flush_ends_sign_ins_and_spares_established_contexts() {
    tell(both_ends::a_flush_ends_sign_ins_and_spares_established_contexts);
}

/// S4
#[test]
fn an_exported_context_goes_on_where_it_is_imported() {
    tell(both_ends::an_exported_context_goes_on_where_it_is_imported);
}

/// S5
#[test]
fn channel_bindings_bind() {
    tell(both_ends::channel_bindings_bind);
}

/// S5
#[test]
fn a_target_is_known_and_meant() {
    tell(both_ends::a_target_is_known_and_meant);
}

/// S5
#[test]
fn a_token_that_is_none_is_refused() {
    tell(both_ends::a_token_that_is_none_is_refused);
}

/// M2
#[test]
fn a_handshake_keeps_its_credential() {
    tell(both_ends::a_handshake_keeps_its_credential);
}

/// S3, S7
#[test]
fn a_credential_can_be_given_another() {
    tell(both_ends::a_credential_can_be_given_another);
}

/// S3
#[test]
fn a_password_is_changed_by_who_knows_it() {
    tell(both_ends::a_password_is_changed_by_who_knows_it);
}

/// S9
#[test]
fn nobody_acts_for_a_client() {
    tell(both_ends::nobody_acts_for_a_client);
}

/// S9: what is begun ends, however it does.
#[test]
fn a_server_acts_for_its_client_where_that_is_pretended() {
    let config: Config = both_ends::IMPERSONATING.parse().unwrap();
    let msn = msn().config(&config);
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let package = ssps.security_package(MSN, "MSN").unwrap();
    let ntlm = ssps.security_package(MSN, "NTLM").unwrap();
    both_ends::a_server_acts_for_its_client(&Place { ssps: &ssps, package: &package, ntlm: &ntlm });
    let told: Vec<_> = msn
        .events()
        .into_iter()
        .filter_map(|event| match event.kind {
            EventKind::Impersonated { principal, .. } => Some(principal),
            EventKind::Reverted { .. } => Some("itself".to_owned()),
            _ => None,
        })
        .collect();
    assert_eq!(told, [r"CONTOSO\alice", "itself", r"CONTOSO\alice", "itself"]);
}

/// S3: where the configuration wants tokens to be completed, they are.
#[test]
fn tokens_are_completed_on_the_way() {
    let config: Config = both_ends::COMPLETING.parse().unwrap();
    let msn = msn().config(&config);
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let package = ssps.security_package(MSN, "MSN").unwrap();
    let ntlm = ssps.security_package(MSN, "NTLM").unwrap();
    for story in [both_ends::both_ends_agree, both_ends::a_wrong_password_is_denied_by_the_server] {
        story(&Place { ssps: &ssps, package: &package, ntlm: &ntlm });
    }
}

/// M4: under the other policy a handle of before the flush still signs in.
#[test]
fn a_retained_handle_still_signs_in_after_a_flush() {
    let msn = msn().handle_policy(HandlePolicy::Retain);
    let ssps = MockProcess::with_loaded([&msn]).provider();
    let package = ssps.security_package(MSN, "MSN").unwrap();
    let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    assert!(ssps.flush_all().is_success());
    let server = package.acquire_inbound().unwrap();
    handshake(alice.initiate(ContextRequest::new()), server.accept(ContextRequest::new())).unwrap();
}

/// C4: as a credential, a context keeps its module.
#[test]
fn a_context_keeps_its_ssp_loaded() {
    let msn = msn();
    let process = MockProcess::with_loaded([&msn]);
    let package = process.provider().security_package(MSN, "MSN").unwrap();
    let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    let server = package.acquire_inbound().unwrap();
    let half = server.accept(ContextRequest::new());
    let ends =
        handshake(alice.initiate(ContextRequest::new()), server.accept(ContextRequest::new())).unwrap();
    process.unload(MSN).unwrap();
    drop((package, alice, server));
    let is_loaded = || process.provider().is_present(MSN).unwrap();
    assert!(is_loaded());
    drop(ends);
    assert!(is_loaded(), "the handshake that has not begun keeps it, too");
    drop(half);
    assert!(!is_loaded());
}

/// M11: what the table lacks, and what panics, is an error of the function that it struck.
#[test]
fn a_broken_function_is_an_error_that_names_it() {
    use Operation as Op;
    for (operation, function) in [
        (Op::InitializeSecurityContext, "InitializeSecurityContext"),
        (Op::AcceptSecurityContext, "AcceptSecurityContext"),
        (Op::CompleteAuthToken, "CompleteAuthToken"),
        (Op::QueryContextAttributes, "QueryContextAttributes"),
        (Op::MakeSignature, "MakeSignature"),
        (Op::VerifySignature, "VerifySignature"),
        (Op::EncryptMessage, "EncryptMessage"),
        (Op::DecryptMessage, "DecryptMessage"),
        (Op::ExportSecurityContext, "ExportSecurityContext"),
        (Op::ImportSecurityContext, "ImportSecurityContext"),
    ] {
        let effects = [
            (Effect::Panic, SecurityStatus::INTERNAL_ERROR),
            (Effect::Missing, SecurityStatus::UNSUPPORTED_FUNCTION),
            (Effect::Status(SecurityStatus::CONTEXT_EXPIRED), SecurityStatus::CONTEXT_EXPIRED),
        ];
        let count = if cfg!(miri) { 1 } else { effects.len() };
        for (effect, status) in effects.into_iter().take(count) {
            let completing: Config = both_ends::COMPLETING.parse().unwrap();
            let msn = msn().config(&completing).fault(Fault::new(operation, effect));
            refused(whole_story(&msn), function, status);
            assert_eq!((msn.open_handles(), msn.open_contexts()), (0, 0));
        }
    }
}

/// Everything that there is to a context.
fn whole_story(msn: &MockSsp) -> Result<(), Error> {
    let ssps = MockProcess::with_loaded([msn]).provider();
    let package = ssps.security_package(MSN, "MSN")?;
    let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
    let server = package.acquire_inbound()?;
    let (client, server) =
        handshake(alice.initiate(ContextRequest::new()), server.accept(ContextRequest::new()))?;
    client.client()?;
    server.verify(b"x", &client.sign(b"x")?)?;
    server.decrypt(&client.encrypt(b"x")?)?;
    package.import(sspcache::context::Role::Acceptor, server.export()?.as_bytes()).map(drop)
}
