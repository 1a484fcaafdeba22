//! The acceptor's steps: `AcceptSecurityContext`.

use std::sync::Arc;

use super::{
    AcceptRequest, ContextFlags, ContextInfo, Progress, Refusal, Role, Step,
    grant::{grant, grant_acceptor},
    half_open::Slots,
    handshake::{Advance, Call, Halt, Opening, check_bindings},
    proof::{self, Proofs, Transcript, null_key},
    stage::{Accepting, Context, Established},
    token::{self, Challenge, Hello, Nonce, Proof, Token},
};
use crate::{
    FileTime, Name, Operation, PackageInfo, SecurityStatus,
    credentials::held::{Credential, Held},
    state::{Instance, State},
};

impl Instance {
    /// See [`Engine::accept`](crate::Engine::accept).
    pub(crate) fn accept(&self, request: &AcceptRequest<'_>) -> Result<Step, Refusal> {
        let call = Call {
            operation: Operation::AcceptSecurityContext,
            role: Role::Acceptor,
            credential: request.credential,
            flags: request.flags,
            room: request.room,
        };
        self.enter(call.operation)?;
        let Some(handle) = request.context else {
            let information = self.target_information.clone();
            return self.begin(&call, |state, held, nonce, now| {
                state.challenge(request, held, nonce, information, now).map_err(|status| {
                    let package = state.package(held.own.package);
                    Halt::Fail { status, tell: tells(request, package) }
                })
            });
        };
        self.go_on(&call, handle, |context, now| {
            let Context::Accepting(accepting) = context else {
                return Err(Halt::Fail { status: SecurityStatus::INVALID_TOKEN, tell: false });
            };
            accepting
                .verify(self, request, now)
                .map_err(|status| Halt::Fail { status, tell: tells(request, &accepting.package) })
        })
    }
}

impl State {
    /// Answers an initiator's first token.
    fn challenge(
        &self,
        request: &AcceptRequest<'_>,
        held: &Held,
        nonce: Nonce,
        information: Vec<u8>,
        now: FileTime,
    ) -> Result<Opening, SecurityStatus> {
        const EXCLUSIVE: ContextFlags =
            ContextFlags::ALLOW_MISSING_BINDINGS.union(ContextFlags::PROXY_BINDINGS);
        if request.flags.contains(EXCLUSIVE) {
            return Err(SecurityStatus::INVALID_PARAMETER);
        }
        let received = request.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let Token::Hello(hello) = Token::parse(received)? else { return Err(SecurityStatus::INVALID_TOKEN) };
        let (package, credential) = self.choose(held, &hello)?;
        if !self.handshakes.settings.accepts(hello.target.as_ref()) {
            return Err(SecurityStatus::WRONG_PRINCIPAL);
        }
        let challenge = Challenge {
            answers: hello.nonce,
            nonce,
            granted: grant(hello.requested, package.capabilities),
            package: package.name.clone(),
            server: credential.principal.clone(),
            information,
        };
        let token = challenge.write();
        let Challenge { granted, server, information, .. } = challenge;
        let flags = granted | grant_acceptor(request.flags, package.capabilities);
        let expires = self.context_expiry(credential.stored, now);
        let name = package.name.clone();
        let accepting = Accepting {
            server,
            package,
            negotiated: self.is_negotiate(held.own.package),
            granted,
            requested: request.flags,
            target: hello.target,
            information,
            bindings: request.bindings.map(proof::bindings),
            transcript: Transcript::new(received).with(&token),
            expires,
        };
        let next = Context::Accepting(Box::new(accepting));
        let advance = Advance { next, progress: Progress::Continue, token, flags, expires };
        Ok(Opening { advance, slots: Slots::default(), package: name })
    }

    /// The first of the packages that an initiator offers which this credential may use. Negotiate takes the bare
    /// token of any of them; a bare package takes its own alone.
    fn choose<'a>(
        &self,
        held: &'a Held,
        hello: &Hello,
    ) -> Result<(Arc<PackageInfo>, &'a Credential), SecurityStatus> {
        if hello.negotiated && !self.is_negotiate(held.own.package) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let mut choices = self.choices(held, Role::Acceptor);
        let position = |offered: &Name| choices.iter().position(|(choice, _)| choice.name == *offered);
        let found = hello.offered.iter().find_map(position);
        found.map(|at| choices.swap_remove(at)).ok_or(SecurityStatus::INVALID_TOKEN)
    }
}

impl Accepting {
    /// Verifies the initiator's proof.
    fn verify(
        &self,
        instance: &Instance,
        request: &AcceptRequest<'_>,
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let received = request.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let proof = match Token::parse(received)? {
            Token::Proof(proof) => proof,
            Token::Error(status) => return Err(status),
            _ => return Err(SecurityStatus::INVALID_TOKEN),
        };
        let requested = self.requested | request.flags;
        let transcript = self.transcript.clone().with(token::unproved(received));
        let proofs = authenticate(instance, &proof, &transcript, requested)?;
        if !self.may_have(&proof) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let bindings = request.bindings.map(proof::bindings).or(self.bindings);
        check_bindings(bindings.as_ref(), proof.bindings.as_ref(), requested)?;
        let (token, flags, expires) = (confirm(&proof, &proofs), self.flags(&proof, requested), self.expires);
        let info = ContextInfo {
            role: Role::Acceptor,
            flags,
            package: self.package.clone(),
            negotiated: self.negotiated,
            client: proof.client.unwrap_or_default(),
            server: self.server.clone(),
            target: self.target.clone(),
            target_information: self.information.clone(),
            session_key: proofs.session_key(),
            started_local: instance.to_local(now),
            expires_local: instance.to_local(expires),
        };
        let next = Context::Established(Box::new(Established::new(info, expires)));
        Ok(Advance { next, progress: Progress::Complete, token, flags, expires })
    }

    /// Whether an initiator may say that the context has so much.
    fn may_have(&self, proof: &Proof) -> bool {
        use ContextFlags as F;
        let nobody = if proof.client.is_none() { F::NULL_SESSION } else { F::empty() };
        let of_users = F::MUTUAL_AUTH | F::DELEGATE;
        (self.granted | nobody).contains(proof.flags)
            && proof.flags.contains(nobody)
            && (proof.client.is_some() || !proof.flags.intersects(of_users))
    }

    fn flags(&self, proof: &Proof, requested: ContextFlags) -> ContextFlags {
        proof.flags | grant_acceptor(requested, self.package.capabilities)
    }
}

/// The confirmation that the initiator still awaits, if it asked for mutual authentication.
fn confirm(proof: &Proof, proofs: &Proofs) -> Vec<u8> {
    if proof.flags.contains(ContextFlags::MUTUAL_AUTH) {
        token::confirm(&proofs.confirmation())
    } else {
        Vec::new()
    }
}

/// Checks that the initiator knows its account's secret. An unknown account and a wrong secret give the same
/// status, after the same time.
fn authenticate(
    instance: &Instance,
    proof: &Proof,
    transcript: &Transcript,
    requested: ContextFlags,
) -> Result<Proofs, SecurityStatus> {
    let (keys, known) = match &proof.client {
        None => (vec![null_key()], requested.contains(ContextFlags::NULL_SESSION)),
        Some(client) => {
            let state = instance.lock();
            match state.accounts.get(client) {
                None => (vec![state.handshakes.nobody.clone()], false),
                Some(account) => (account.keys().cloned().collect(), true),
            }
        }
    };
    let mut proofs = keys.iter().map(|key| Proofs::new(key, transcript.clone()));
    let proved = proofs.find(|proofs| proofs.is_proof(&proof.mac));
    proved.filter(|_| known).ok_or(SecurityStatus::LOGON_DENIED)
}

/// Whether the acceptor sends the initiator the reason when a step of this call fails. It never answers an error by an
/// error.
fn tells(request: &AcceptRequest<'_>, package: &PackageInfo) -> bool {
    grant(request.flags, package.capabilities).contains(ContextFlags::EXTENDED_ERROR)
        && !request.token.is_some_and(token::is_error)
}
