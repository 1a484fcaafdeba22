//! How far Negotiate has come with the choice of a package: `SECPKG_ATTR_NEGOTIATION_INFO`, before the end too.

use sspcache_engine::{
    AcquireRequest, AuthIdentity, Engine, SecurityStatus,
    context::{AcceptRequest, ContextHandle, InitializeRequest, NegotiationState, Role},
};

use crate::ends::{self, engine};

/// What an end answers: the package, the state, and whether it is done.
fn answer(ssp: &Engine, context: ContextHandle) -> (String, NegotiationState, bool) {
    let info = ssp.negotiation(context).unwrap();
    (info.package.name.to_string(), info.state, info.is_established)
}

/// S4: both ends, leg by leg.
#[test]
fn negotiate_says_how_far_it_has_come_and_a_bare_package_that_there_is_nothing_to_negotiate() {
    use NegotiationState::{Complete, InProgress, Optimistic};
    for (package, target, chosen, begun, going_on) in [
        ("Negotiate", Some("HTTP/www"), "Kerberos", Optimistic, InProgress),
        ("Negotiate", None, "NTLM", Optimistic, InProgress),
        ("NTLM", None, "NTLM", Complete, Complete),
        ("Kerberos", Some("HTTP/www"), "Kerberos", Complete, Complete),
    ] {
        let ssp = engine(package).build();
        let alice = AuthIdentity::password("alice", "CONTOSO", ends::PASSWORD);
        let alice = ssp.acquire(&AcquireRequest::outbound(package).with_identity(alice)).unwrap().handle;
        let service = ssp.acquire(&AcquireRequest::inbound(package)).unwrap().handle;
        let (mut client, mut server) = (None, None);
        let mut token = Vec::new();
        for leg in 0.. {
            let done = |context| ssp.context(context).is_ok();
            if client.is_none_or(|client| !done(client)) {
                let step = ssp.initialize(&InitializeRequest {
                    context: client,
                    target: target.map(Into::into),
                    token: Some(&token[..]).filter(|token| !token.is_empty()),
                    flags: sspcache_engine::context::ContextFlags::MUTUAL_AUTH,
                    ..InitializeRequest::first(alice)
                });
                let step = step.unwrap();
                client = Some(step.context);
                token = step.token;
                let state = match (leg, done(step.context)) {
                    (_, true) => Complete,
                    (0, false) => begun,
                    (_, false) => going_on,
                };
                let expected = (chosen.to_owned(), state, done(step.context));
                assert_eq!(answer(&ssp, step.context), expected, "{package}, initiator, {leg}");
            }
            if token.is_empty() {
                break;
            }
            let step =
                ssp.accept(&AcceptRequest { context: server, ..AcceptRequest::first(service, &token) });
            let step = step.unwrap();
            server = Some(step.context);
            token = step.token;
            let state = if done(step.context) { Complete } else { going_on };
            let expected = (chosen.to_owned(), state, done(step.context));
            assert_eq!(answer(&ssp, step.context), expected, "{package}, acceptor, {leg}");
            if token.is_empty() {
                break;
            }
        }
        let roles = [client, server].map(|context| ssp.negotiation(context.unwrap()).unwrap().role);
        assert_eq!(roles, [Role::Initiator, Role::Acceptor]);
        ssp.delete_context(client.unwrap()).unwrap();
        assert_eq!(ssp.negotiation(client.unwrap()).err(), Some(SecurityStatus::INVALID_HANDLE));
    }
}
