//! Handshakes between an initiator and an acceptor of one instance, as `SEMANTICS` S3 says it.

#![forbid(unsafe_code)]

mod ends;

use ends::{Ends, alice, engine};
use sspcache_engine::{
    Status,
    context::{ContextFlags as F, Progress, Role},
};

/// S3: three legs, or four with mutual authentication; who has to send what, and what comes next, at each of them.
#[test]
fn a_handshake_is_done_after_three_legs_and_with_mutual_authentication_after_four() {
    let ssp = engine("MSN").build();
    for (flags, after_proof, confirmed) in
        [(F::empty(), Progress::Complete, false), (F::MUTUAL_AUTH, Progress::Continue, true)]
    {
        let mut ends = Ends::new(&ssp).asking(flags);
        let hello = ends.initialize(None).unwrap();
        assert_eq!(hello.progress, Progress::Continue);
        let challenge = ends.accept(&hello.token).unwrap();
        assert_eq!(challenge.progress, Progress::Continue);
        let proof = ends.initialize(Some(&challenge.token)).unwrap();
        assert_eq!(proof.progress, after_proof, "{flags:?}");
        let last = ends.accept(&proof.token).unwrap();
        assert_eq!(last.progress, Progress::Complete);
        assert_eq!(!last.token.is_empty(), confirmed, "{flags:?}");
        if confirmed {
            let done = ends.initialize(Some(&last.token)).unwrap();
            assert_eq!((done.progress, done.token), (Progress::Complete, Vec::new()));
        }
        let (client, server) = ends.infos();
        assert_eq!((client.role, server.role), (Role::Initiator, Role::Acceptor));
        assert_eq!((&client.client, &server.client), (&alice().principal, &alice().principal));
        assert_eq!(client.session_key.bytes(), server.session_key.bytes());
        assert_eq!((client.flags, server.flags), (flags, flags));
    }
}

/// S3: which of the two was wrong is not told.
#[test]
fn a_wrong_password_and_an_unknown_account_are_both_denied_by_the_acceptor() {
    for identity in [
        sspcache_engine::Identity::password("alice", "CONTOSO", "wrong"),
        sspcache_engine::Identity::password("mallory", "CONTOSO", ends::PASSWORD),
        sspcache_engine::Identity::password("alice", "FABRIKAM", ends::PASSWORD),
    ] {
        let ssp = engine("MSN").build();
        let mut ends = Ends::of(&ssp, identity);
        let refusal = ends.run().unwrap_err();
        assert_eq!((refusal.status, refusal.token), (Status::LogonDenied, None));
    }
}
