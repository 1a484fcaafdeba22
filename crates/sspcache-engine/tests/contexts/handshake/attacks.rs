//! What others may try: changed, cut, repeated, exchanged and foreign tokens, and any order of any calls.

use hmac::{Hmac, KeyInit, Mac};
use proptest::prelude::*;
use sha2::{Digest, Sha256};
use sspcache_engine::{
    AcquireRequest, CredentialHandle, Engine, HandlePolicy, SecurityStatus,
    context::{
        AcceptRequest, ContextFlags as F, ContextHandle, ExportOptions, InitializeRequest, Part, Progress,
        Refusal, Role,
    },
};

use crate::ends::{Ends, alice, engine};

/// The tokens of a handshake with four legs, each with what it is answered by.
const LEGS: usize = 4;

/// A handshake in which one token is changed on its way; whether both sides are established in the end.
fn run_changed(ssp: &Engine, leg: usize, change: impl Fn(&mut Vec<u8>)) -> bool {
    let mut ends = Ends::new(ssp).asking(F::MUTUAL_AUTH | F::CONFIDENTIALITY).to("HTTP/web");
    let change = |at: usize, mut token: Vec<u8>| {
        if at == leg {
            change(&mut token);
        }
        token
    };
    let run = |ends: &mut Ends<'_>| -> Result<(), Refusal> {
        let hello = change(0, ends.initialize(None)?.token);
        let challenge = change(1, ends.accept(&hello)?.token);
        let proof = change(2, ends.initialize(Some(&challenge))?.token);
        let confirmation = change(3, ends.accept(&proof)?.token);
        ends.initialize(Some(&confirmation))?;
        Ok(())
    };
    let done = run(&mut ends).is_ok();
    for context in [ends.client_context, ends.server_context].into_iter().flatten() {
        ssp.delete_context(context).unwrap();
    }
    ssp.free(ends.client_credential).unwrap();
    ssp.free(ends.server_credential).unwrap();
    done
}

fn lengths(ssp: &Engine) -> [usize; LEGS] {
    std::array::from_fn(|leg| {
        let length = std::cell::Cell::new(0);
        assert!(run_changed(ssp, leg, |token| length.set(token.len())));
        length.get()
    })
}

/// S3, S5: every bit of every token counts.
#[test]
fn a_handshake_with_any_bit_of_any_token_changed_is_refused() {
    let ssp = engine("MSN").record_events(false).build();
    for (leg, length) in lengths(&ssp).into_iter().enumerate() {
        for at in 0..length {
            for bit in 0..8 {
                assert!(
                    !run_changed(&ssp, leg, |token| token[at] ^= 1 << bit),
                    "leg {leg}, byte {at}, bit {bit}"
                );
            }
        }
    }
    assert_eq!(ssp.open_contexts(), 0);
}

/// S3, S5
#[test]
fn a_handshake_with_any_token_cut_or_lengthened_is_refused() {
    let ssp = engine("MSN").record_events(false).build();
    for (leg, length) in lengths(&ssp).into_iter().enumerate() {
        for cut in 0..length {
            assert!(!run_changed(&ssp, leg, |token| token.truncate(cut)), "leg {leg} cut to {cut}");
        }
        assert!(!run_changed(&ssp, leg, |token| token.push(0)), "leg {leg}");
    }
}

/// S3: what was good in one handshake is good in no other.
#[test]
fn a_token_of_another_handshake_is_refused_in_every_place() {
    let ssp = engine("MSN").build();
    let flags = F::MUTUAL_AUTH;
    let mut recorded = Ends::new(&ssp).asking(flags);
    let hello = recorded.initialize(None).unwrap().token;
    let challenge = recorded.accept(&hello).unwrap().token;
    let proof = recorded.initialize(Some(&challenge)).unwrap().token;
    let confirmation = recorded.accept(&proof).unwrap().token;
    recorded.initialize(Some(&confirmation)).unwrap();

    // The whole initiator again: its hello is taken, its proof is not fresh.
    let mut replayed = Ends::new(&ssp);
    replayed.accept(&hello).unwrap();
    assert_eq!(replayed.accept(&proof).unwrap_err().status, SecurityStatus::LOGON_DENIED);

    // Another's challenge, and another's confirmation.
    let mut other = Ends::new(&ssp).asking(flags);
    other.initialize(None).unwrap();
    assert_eq!(other.initialize(Some(&challenge)).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
    let mut other = Ends::new(&ssp).asking(flags);
    other.proof();
    assert_eq!(other.initialize(Some(&confirmation)).unwrap_err().status, SecurityStatus::LOGON_DENIED);

    // Two handshakes at once, with the proofs exchanged.
    let (mut first, mut second) = (Ends::new(&ssp), Ends::new(&ssp));
    let proofs = [first.proof(), second.proof()];
    assert_eq!(first.accept(&proofs[1]).unwrap_err().status, SecurityStatus::LOGON_DENIED);
    assert_eq!(second.accept(&proofs[0]).unwrap_err().status, SecurityStatus::LOGON_DENIED);

    // A side's own token, sent back to it.
    let mut mirror = Ends::new(&ssp).asking(flags);
    let proof = mirror.proof();
    assert_eq!(mirror.initialize(Some(&proof)).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
}

/// S3, S5: what other protocols begin with, and this one with another version.
#[test]
fn foreign_tokens_are_refused() {
    let ssp = engine("MSN").build();
    let ours = Ends::new(&ssp).initialize(None).unwrap().token;
    let mut newer = ours.clone();
    newer[14] += 1;
    let mut unknown = ours.clone();
    unknown[15] = 9;
    let ntlm = b"NTLMSSP\0\x01\0\0\0\x97\x82\x08\xe2\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0";
    let spnego = b"\x60\x48\x06\x06\x2b\x06\x01\x05\x05\x02\xa0\x3e";
    let kerberos = b"\x60\x82\x04\x00\x06\x09\x2a\x86\x48\x86\xf7\x12\x01\x02\x02\x01\0";
    for foreign in [&newer[..], &unknown, ntlm, spnego, kerberos, b"SSPCACHE mock", b"", &[0xFF; 64]] {
        assert_eq!(Ends::new(&ssp).accept(foreign).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
        let mut ends = Ends::new(&ssp);
        ends.initialize(None).unwrap();
        assert_eq!(ends.initialize(Some(foreign)).unwrap_err().status, SecurityStatus::INVALID_TOKEN);
    }
    // And ours is nothing that the others would take for theirs.
    assert!(!ours.starts_with(b"NTLMSSP") && !matches!(ours[0], 0x60 | 0x6E | 0xA0..=0xA3 | 0x05));
}

/// S3: a length that a token does not have the bytes for is refused at once.
#[test]
fn lengths_past_the_end_are_refused() {
    let ssp = engine("MSN").build();
    let ours = Ends::new(&ssp).to("HTTP/web").initialize(None).unwrap().token;
    let accept = |token: &[u8]| Ends::new(&ssp).accept(token).map(|_| ()).map_err(|refusal| refusal.status);
    assert_eq!(accept(&ours), Ok(()));
    // Header, random number, flags and marker stand before the number of names; then the length of the first. The number
    // of zeros stands behind the target.
    let names = 16 + 16 + 4 + 1;
    let target = ours.len() - 4 - 4 - 2 * "HTTP/web".len();
    for at in [names, names + 4, target] {
        let said = u32::from_le_bytes(ours[at..at + 4].try_into().unwrap());
        for length in [0, said + 1, 1 << 16, u32::MAX] {
            let mut token = ours.clone();
            token[at..at + 4].copy_from_slice(&length.to_le_bytes());
            assert_eq!(accept(&token), Err(SecurityStatus::INVALID_TOKEN), "{length} at {at}");
        }
    }
    for cut in 0..ours.len() {
        assert_eq!(accept(&ours[..cut]), Err(SecurityStatus::INVALID_TOKEN), "cut to {cut}");
    }
}

/// S3: an initiator that knows how, as everybody does of a null session, still gets what was granted and no more.
#[test]
fn an_initiator_cannot_claim_what_it_was_not_granted() {
    let invalid = Err(SecurityStatus::INVALID_TOKEN);
    let session = F::NULL_SESSION;
    for (claimed, result) in [
        (session, Ok(())),
        (session | F::INTEGRITY, Ok(())),
        (F::empty(), invalid),
        (session | F::CONFIDENTIALITY, invalid),
        (session | F::MUTUAL_AUTH, invalid),
        (session | F::MUTUAL_AUTH | F::DELEGATE, invalid),
    ] {
        let ssp = engine("MSN").build();
        let mut ends = Ends::new(&ssp).asking(F::INTEGRITY | F::MUTUAL_AUTH).demanding(session);
        let hello = ends.initialize(None).unwrap().token;
        let challenge = ends.accept(&hello).unwrap().token;
        let mut proof = hello[..15].to_vec();
        proof.push(3);
        proof.extend_from_slice(&claimed.bits().to_le_bytes());
        proof.extend_from_slice(&[0, 0]); // no client, without bindings
        let transcript = Sha256::new_with_prefix(b"sspcache handshake 1");
        let transcript =
            transcript.chain_update(&hello).chain_update(&challenge).chain_update(&proof).finalize();
        let mac = Hmac::<Sha256>::new_from_slice(&[0; 32]).unwrap();
        proof.extend_from_slice(&mac.chain_update(transcript).chain_update(b"proof").finalize().into_bytes());
        let accepted = ends.accept(&proof).map(|_| ()).map_err(|refusal| refusal.status);
        assert_eq!(accepted, result, "{claimed:?}");
    }
}

/// One call of any operation, with what earlier calls gave out, by number.
#[derive(Clone, Debug)]
enum Call {
    Accept { credential: usize, context: Option<usize>, token: usize, flags: u32, room: usize },
    Acquire { inbound: bool },
    Flush,
    Complete { context: usize, token: usize },
    Decrypt { context: usize, token: usize },
    Delete { context: usize },
    Encrypt { context: usize },
    Export { context: usize, delete: bool },
    Free { credential: usize },
    Import { token: usize },
    Initialize { credential: usize, context: Option<usize>, token: Option<usize>, flags: u32, room: usize },
    Query { context: usize },
}

fn call() -> impl Strategy<Value = Call> {
    let few = 0..6usize;
    let room = prop_oneof![4 => Just(usize::MAX), 1 => 0..200usize];
    let context = || proptest::option::weighted(0.7, 0..6usize);
    prop_oneof![
        4 => (few.clone(), context(), few.clone(), any::<u32>(), room.clone()).prop_map(
            |(credential, context, token, flags, room)| Call::Accept { credential, context, token, flags, room }
        ),
        2 => any::<bool>().prop_map(|inbound| Call::Acquire { inbound }),
        1 => Just(Call::Flush),
        1 => (few.clone(), few.clone()).prop_map(|(context, token)| Call::Complete { context, token }),
        1 => (few.clone(), few.clone()).prop_map(|(context, token)| Call::Decrypt { context, token }),
        1 => few.clone().prop_map(|context| Call::Delete { context }),
        1 => few.clone().prop_map(|context| Call::Encrypt { context }),
        1 => (few.clone(), any::<bool>()).prop_map(|(context, delete)| Call::Export { context, delete }),
        1 => few.clone().prop_map(|credential| Call::Free { credential }),
        1 => few.clone().prop_map(|token| Call::Import { token }),
        4 => (few.clone(), context(), proptest::option::of(few.clone()), any::<u32>(), room).prop_map(
            |(credential, context, token, flags, room)| {
                Call::Initialize { credential, context, token, flags, room }
            }
        ),
        1 => few.prop_map(|context| Call::Query { context }),
    ]
}

/// What calls gave out; the last first.
#[derive(Default)]
struct Given {
    credentials: Vec<CredentialHandle>,
    contexts: Vec<ContextHandle>,
    tokens: Vec<Vec<u8>>,
}

impl Given {
    fn credential(&self, at: usize) -> CredentialHandle {
        self.credentials.iter().rev().nth(at).copied().unwrap_or(CredentialHandle::from_word(at))
    }

    fn context(&self, at: usize) -> ContextHandle {
        self.contexts.iter().rev().nth(at).copied().unwrap_or(ContextHandle::from_word(at))
    }

    fn token(&self, at: usize) -> Vec<u8> {
        self.tokens.iter().rev().nth(at).cloned().unwrap_or_default()
    }

    fn make(&mut self, ssp: &Engine, call: &Call) -> Result<(), SecurityStatus> {
        match *call {
            Call::Accept { credential, context, token, flags, room } => {
                let token = self.token(token);
                let request = AcceptRequest {
                    context: context.map(|context| self.context(context)),
                    flags: F::from_wire(Role::Acceptor, flags),
                    room,
                    ..AcceptRequest::first(self.credential(credential), &token)
                };
                self.took(ssp.accept(&request))
            }
            Call::Acquire { inbound: true } => {
                self.credentials.push(ssp.acquire(&AcquireRequest::inbound("MSN"))?.handle);
                Ok(())
            }
            Call::Acquire { inbound: false } => {
                let request = AcquireRequest::outbound("MSN").with_identity(alice());
                self.credentials.push(ssp.acquire(&request)?.handle);
                Ok(())
            }
            Call::Flush => {
                assert!(ssp.flush());
                Ok(())
            }
            Call::Complete { context, token } => {
                let mut token = self.token(token);
                ssp.complete(self.context(context), &mut token)?;
                self.tokens.push(token);
                Ok(())
            }
            Call::Decrypt { context, token } => {
                let (context, token) = (self.context(context), self.token(token));
                ssp.decrypt(context, &mut [Part::Data(&mut [1, 2, 3])], &token).map(|_| ())
            }
            Call::Delete { context } => ssp.delete_context(self.context(context)),
            Call::Encrypt { context } => {
                let mut token = vec![0; sspcache_engine::context::MESSAGE_TOKEN];
                ssp.encrypt(self.context(context), 0, &mut [Part::Data(&mut [1, 2, 3])], &mut token)?;
                self.tokens.push(token);
                Ok(())
            }
            Call::Export { context, delete } => {
                let options = ExportOptions { delete_old: delete, reset_new: false };
                self.tokens.push(ssp.export(self.context(context), options)?.to_vec());
                Ok(())
            }
            Call::Free { credential } => ssp.free(self.credential(credential)),
            Call::Import { token } => {
                self.contexts.push(ssp.import(&"MSN".into(), &self.token(token))?);
                Ok(())
            }
            Call::Initialize { credential, context, token, flags, room } => {
                let token = token.map(|token| self.token(token));
                let request = InitializeRequest {
                    context: context.map(|context| self.context(context)),
                    flags: F::from_wire(Role::Initiator, flags),
                    token: token.as_deref(),
                    room,
                    ..InitializeRequest::first(self.credential(credential))
                };
                self.took(ssp.initialize(&request))
            }
            Call::Query { context } => ssp.context(self.context(context)).map(|_| ()),
        }
    }

    fn took(&mut self, step: Result<sspcache_engine::context::Step, Refusal>) -> Result<(), SecurityStatus> {
        let step = step.map_err(|refusal| refusal.status)?;
        if !self.contexts.contains(&step.context) {
            self.contexts.push(step.context);
        }
        if !step.token.is_empty() || step.progress == Progress::Complete {
            self.tokens.push(step.token);
        }
        Ok(())
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 400, failure_persistence: None, ..ProptestConfig::default() })]

    /// S5: whatever is called in whatever order, each call has a documented status, and nothing is left in the
    /// end.
    #[test]
    fn any_order_of_any_calls_gives_documented_statuses(
        calls in proptest::collection::vec(call(), 1..120),
        retain in any::<bool>(),
        complete in any::<bool>(),
    ) {
        let policy = if retain { HandlePolicy::Retain } else { HandlePolicy::Revoke };
        let ssp = engine("MSN").handle_policy(policy).complete_tokens(complete).build();
        let mut given = Given::default();
        for call in calls {
            let what = format!("{call:?}");
            if let Err(status) = given.make(&ssp, &call) {
                prop_assert!(DOCUMENTED.contains(&status), "{what}: {status}");
            }
        }
        for &context in &given.contexts {
            let _ = ssp.delete_context(context);
        }
        for &credential in &given.credentials {
            let _ = ssp.free(credential);
        }
        prop_assert!(ssp.flush());
        prop_assert_eq!((ssp.open_contexts(), ssp.open_handles(), ssp.retained()), (0, 0, 0));
    }
}

/// What these operations may answer.
const DOCUMENTED: &[SecurityStatus] = &[
    SecurityStatus::BUFFER_TOO_SMALL,
    SecurityStatus::INVALID_HANDLE,
    SecurityStatus::INVALID_PARAMETER,
    SecurityStatus::INVALID_TOKEN,
    SecurityStatus::LOGON_DENIED,
    SecurityStatus::BAD_BINDINGS,
    SecurityStatus::MESSAGE_ALTERED,
    SecurityStatus::NO_CREDENTIALS,
    SecurityStatus::OUT_OF_SEQUENCE,
    SecurityStatus::QOP_NOT_SUPPORTED,
    SecurityStatus::UNSUPPORTED_FUNCTION,
    SecurityStatus::WRONG_CREDENTIAL_HANDLE,
];
