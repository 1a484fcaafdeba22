//! The acceptor's later steps: what it makes of an initiator's proof and acknowledgement.

use std::borrow::Cow;

use super::{
    AcceptRequest, ContextFlags, ContextInfo, Role,
    accept::{Moment, Received, find_proof, may_have},
    frame::{
        Protocol, kerberos, ntlm,
        spnego::{Response, State as Negotiation},
    },
    grant::grant_acceptor,
    handshake::{Advance, check_bindings},
    leg::{Done, Made},
    proof::{self, Proofs, Prover, Transcript},
    stage::{Acceptance, Accepting, Context, Listed},
    token::{self, Proof, Token},
};
use crate::{FileTime, Name, SecurityStatus, state::Instance};

impl Accepting {
    /// Verifies the initiator's token.
    pub(super) fn verify(
        &self,
        instance: &Instance,
        request: &AcceptRequest<'_>,
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let received = request.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let expires = self.terms.expires;
        let Some(listed) = &self.listed else {
            let Received { token, flags, next, .. } = self.take(instance, request, received, now)?;
            return Ok(Made::whole(token).advance(self.then(next), flags, expires));
        };
        let response = Response::read(received).ok_or(SecurityStatus::INVALID_TOKEN)?;
        if response.state == Negotiation::Rejected {
            return Err(self.protocol().read_rejection(response.token));
        }
        let token = response.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        if response.state != Negotiation::Incomplete || response.mechanism.is_some() {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let Received { token, flags, next, takes } = self.take(instance, request, token, now)?;
        listed.check_mic(self.protocol(), next.as_ref().err(), response.mic)?;
        let token = listed.respond(None, &token, next.as_ref().err());
        if let Some(taken) = takes
            && token.len() <= request.room
        {
            let mut state = instance.lock();
            // Another context may have taken it since it was checked.
            state.handshakes.taken.check(&taken)?;
            state.handshakes.taken.add(taken, now);
        }
        Ok(Made::whole(token).advance(self.then(next), flags, expires))
    }

    /// The context that awaits the next token, or is established.
    fn then(&self, next: Result<Acceptance, Done>) -> Context {
        match next {
            Ok(awaits) => {
                let (terms, listed) = (self.terms.clone(), self.listed.clone());
                Context::Accepting(Box::new(Self { terms, listed, awaits }))
            }
            Err(done) => done.established(),
        }
    }

    fn protocol(&self) -> Protocol {
        Protocol::of(&self.terms.package.name)
    }

    /// Takes the mechanism's own token.
    fn take(
        &self,
        instance: &Instance,
        request: &AcceptRequest<'_>,
        received: &[u8],
        now: FileTime,
    ) -> Result<Received, SecurityStatus> {
        if let Some(status) = self.protocol().read_error(received) {
            return Err(status);
        }
        match &self.awaits {
            Acceptance::First => {
                let listed = self.listed.as_ref().ok_or(SecurityStatus::INVALID_TOKEN)?;
                let moment = Moment { now, local: instance.to_local(now) };
                let mut state = instance.lock();
                let nonce = state.handshakes.nonces.next().map_err(|_| SecurityStatus::INTERNAL_ERROR)?;
                let (protocol, transcript) = (self.protocol(), &listed.transcript);
                state.take_first(&self.terms, protocol, received, transcript, request, nonce, moment)
            }
            Acceptance::Proof { granted, target, transcript } => {
                let awaited =
                    Awaited { accepting: self, granted: *granted, target: target.as_ref(), transcript };
                awaited.check(instance, request, received, now)
            }
            Acceptance::Acknowledgement { prover, transcript, info } => {
                let info = ContextInfo { started_local: instance.to_local(now), ..ContextInfo::clone(info) };
                self.acknowledged(received, prover, transcript.clone(), info)
            }
        }
    }

    /// Checks the initiator's acknowledgement.
    fn acknowledged(
        &self,
        received: &[u8],
        prover: &Prover,
        transcript: Transcript,
        info: ContextInfo,
    ) -> Result<Received, SecurityStatus> {
        let Some((kerberos::Kind::Reply, message)) = kerberos::read(received) else {
            return Err(SecurityStatus::INVALID_TOKEN);
        };
        let Token::Acknowledge(mac) = Token::parse(message)? else {
            return Err(SecurityStatus::INVALID_TOKEN);
        };
        // What follows is proved by what went before the acknowledgement, on both sides.
        let proofs = prover.over(transcript.clone());
        if !prover.over(transcript.with(token::unproved(received))).is_acknowledgement(&mac) {
            return Err(SecurityStatus::LOGON_DENIED);
        }
        let (flags, expires) = (info.flags, self.terms.expires);
        Ok(Received { token: Vec::new(), flags, next: Err(Done { info, proofs, expires }), takes: None })
    }

    /// The token with the reason for which the acceptor gave up, for the initiator.
    pub(super) fn error(&self, status: SecurityStatus, now: FileTime) -> Vec<u8> {
        let dce = matches!(self.awaits, Acceptance::Acknowledgement { .. });
        let token = self.protocol().error(status, now, &self.terms.server, dce);
        if self.listed.is_none() {
            return token;
        }
        Response::rejected(&token).write()
    }
}

impl Listed {
    /// Checks what authenticates the list of mechanisms, which comes with NTLM's last token.
    fn check_mic(
        &self,
        protocol: Protocol,
        done: Option<&Done>,
        mic: Option<&[u8]>,
    ) -> Result<(), SecurityStatus> {
        let expected = done.filter(|_| protocol == Protocol::Ntlm);
        let expected =
            expected.map(|done| token::list_mac(Some(&done.proofs.list(Role::Initiator, &self.list))));
        if mic == expected.as_deref() { Ok(()) } else { Err(SecurityStatus::INVALID_TOKEN) }
    }
}

/// An acceptor that awaits a proof.
struct Awaited<'a> {
    accepting: &'a Accepting,
    granted: ContextFlags,
    target: Option<&'a Name>,
    transcript: &'a Transcript,
}

impl Awaited<'_> {
    /// Verifies the initiator's proof.
    fn check(
        &self,
        instance: &Instance,
        request: &AcceptRequest<'_>,
        received: &[u8],
        now: FileTime,
    ) -> Result<Received, SecurityStatus> {
        let terms = &self.accepting.terms;
        let (message, unproved) = match self.accepting.protocol() {
            Protocol::Ntlm => {
                let read = ntlm::read(received).filter(|read| read.kind == ntlm::Kind::Authenticate);
                let message = read.ok_or(SecurityStatus::INVALID_TOKEN)?.message;
                let unproved = ntlm::unproved(received).ok_or(SecurityStatus::LOGON_DENIED)?;
                (message, Cow::Owned(unproved))
            }
            Protocol::Kerberos | Protocol::Own => (received, Cow::Borrowed(token::unproved(received))),
        };
        let Token::Proof(proof) = Token::parse(message)? else { return Err(SecurityStatus::INVALID_TOKEN) };
        let requested = terms.requested | request.flags;
        let transcript = self.transcript.clone().with(&unproved);
        let proofs = authenticate(instance, &proof, &transcript, requested)?;
        if !may_have(proof.flags, self.granted, proof.client.as_ref()) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let bindings = request.bindings.map(proof::bindings).or(terms.bindings);
        check_bindings(bindings.as_ref(), proof.bindings.as_ref(), requested)?;
        let flags = proof.flags | grant_acceptor(requested, &terms.package);
        let expires = terms.expires;
        let token = confirm(&proof, &proofs);
        let info = ContextInfo {
            role: Role::Acceptor,
            flags,
            package: terms.package.clone(),
            negotiated: terms.negotiated,
            client: proof.client.unwrap_or_default(),
            server: terms.server.clone(),
            target: self.target.cloned(),
            bound: proof.bindings.is_some(),
            target_information: terms.information.clone(),
            session_key: proofs.session_key(),
            started_local: instance.to_local(now),
            expires_local: instance.to_local(expires),
        };
        Ok(Received { token, flags, next: Err(Done { info, proofs, expires }), takes: None })
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

/// Checks that the initiator knows its account's secret.
fn authenticate(
    instance: &Instance,
    proof: &Proof,
    transcript: &Transcript,
    requested: ContextFlags,
) -> Result<Proofs, SecurityStatus> {
    let (keys, known) = instance.lock().account_keys(proof.client.as_ref(), requested);
    let proved = find_proof(&keys, transcript, &proof.mac).filter(|_| known);
    proved.map(|(_, proofs)| proofs).ok_or(SecurityStatus::LOGON_DENIED)
}
