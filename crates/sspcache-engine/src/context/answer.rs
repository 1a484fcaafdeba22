//! The initiator's later steps: what it makes of the acceptor's tokens.

use std::sync::Arc;

use super::{
    ContextFlags, ContextInfo, InitializeRequest, Role,
    frame::{
        Protocol, kerberos, ntlm,
        spnego::{Response, State as Negotiation},
    },
    grant::grant_by,
    handshake::Advance,
    initiate::Opener,
    leg::{Done, Leg, Made},
    proof::{self, Prover, Transcript},
    stage::{Asked, Choice, Context, Initiating, Initiation, Offered},
    token::{self, Challenge, Digest, Nonce, Proof, Token},
};
use crate::{FileTime, Principal, SecurityStatus, state::Instance};

impl Initiating {
    /// Answers the acceptor's token.
    pub(super) fn answer(
        &self,
        instance: &Instance,
        request: &InitializeRequest<'_>,
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let received = request.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        if let Some(offered) = &self.offered {
            return self.respond(instance, request, offered, received, now);
        }
        let Leg { made, flags, expires, next } = self.take(instance, request, received, now)?;
        let next = match next {
            Ok(awaits) => {
                let asked = self.asked.clone();
                Context::Initiating(Box::new(Self { asked, offered: None, awaits }))
            }
            Err(done) => done.established(),
        };
        Ok(made.advance(next, flags, expires))
    }

    /// Answers a response of SPNEGO.
    fn respond(
        &self,
        instance: &Instance,
        request: &InitializeRequest<'_>,
        offered: &Offered,
        received: &[u8],
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let response = Response::read(received).ok_or(SecurityStatus::INVALID_TOKEN)?;
        if response.state == Negotiation::Rejected {
            return Err(self.protocol().read_rejection(response.token));
        }
        if !offered.answered && response.mechanism != Some(offered.mechanism) {
            return self.change(instance, offered, &response, now);
        }
        if offered.answered && response.mechanism.is_some() {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let leg = match (&self.awaits, response.state, response.token, response.mic) {
            (Initiation::End { proofs, info, expires }, Negotiation::Completed, None, Some(mic)) => {
                if mic != token::list_mac(Some(&proofs.list(Role::Acceptor, &offered.list))) {
                    // The acceptor doesn't have the account's key, or was offered another list.
                    return Err(SecurityStatus::LOGON_DENIED);
                }
                let info = ContextInfo { started_local: instance.to_local(now), ..info.clone() };
                let (flags, expires) = (info.flags, *expires);
                let next = Context::Established(Box::new(super::stage::Established::new(info, expires)));
                return Ok(Made::nothing().advance(next, flags, expires));
            }
            (Initiation::Challenge { .. }, Negotiation::Incomplete, Some(token), None) => {
                self.take(instance, request, token, now)?
            }
            (Initiation::Reply { info, .. }, state, Some(token), None)
                if (state == Negotiation::Incomplete) == info.flags.contains(ContextFlags::USE_DCE_STYLE)
                    && state != Negotiation::RequestMic =>
            {
                self.take(instance, request, token, now)?
            }
            _ => return Err(SecurityStatus::INVALID_TOKEN),
        };
        let offered = Offered { answered: true, others: Vec::new(), ..offered.clone() };
        Ok(self.send(instance, offered, leg))
    }

    /// Begins again, with the mechanism that the acceptor chose in the place of the first.
    fn change(
        &self,
        instance: &Instance,
        offered: &Offered,
        response: &Response<'_>,
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let mechanism = response.mechanism.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let mark = token::list_mac(None);
        let is_change = response.state == Negotiation::RequestMic
            && response.token.is_none()
            && response.mic == Some(&mark[..]);
        let protocol = mechanism.protocol().filter(|_| is_change).ok_or(SecurityStatus::INVALID_TOKEN)?;
        let chosen = offered.others.iter().find(|choice| Protocol::of(&choice.package.name) == protocol);
        let chosen = chosen.ok_or(SecurityStatus::INVALID_TOKEN)?.clone();
        let leg = {
            let mut state = instance.lock();
            // Its proof comes later, but nothing is begun with a credential that is gone (clause M4).
            state.client_key(&chosen.client)?;
            let nonce = state.handshakes.nonces.next().map_err(|_| SecurityStatus::INTERNAL_ERROR)?;
            let opener = Opener {
                asked: &self.asked,
                nonce,
                transcript: offered.transcript.clone(),
                least: 0,
                measure: <[u8]>::len,
                now,
                to_local: |time| instance.to_local(time),
            };
            state.open_with(vec![chosen], opener)?
        };
        let offered = Offered { mechanism, answered: true, others: Vec::new(), ..offered.clone() };
        Ok(self.send(instance, offered, leg))
    }

    /// Sends a mechanism's token within a response of SPNEGO, unless there is nothing left to say.
    fn send(&self, instance: &Instance, offered: Offered, leg: Leg) -> Advance {
        let Leg { made, flags, expires, next } = leg;
        if made.is_empty()
            && let Err(done) = next
        {
            return made.advance(done.established(), flags, expires);
        }
        let mic = match &next {
            // As with Windows' NTLM: its last token says which list it was chosen from.
            Err(done) if offered.mechanism.protocol() == Some(Protocol::Ntlm) => {
                Some(token::list_mac(Some(&done.proofs.list(Role::Initiator, &offered.list))))
            }
            _ => None,
        };
        let made = made.within(|token| {
            Response {
                state: Negotiation::Incomplete,
                mechanism: None,
                token: Some(token),
                mic: mic.as_deref(),
            }
            .write()
        });
        let awaits = match next {
            Ok(awaits) => awaits,
            Err(done) if instance.lock().handshakes.settings.early_ok => {
                return made.advance(done.established(), flags, expires);
            }
            Err(Done { info, proofs, expires }) => Initiation::End { proofs, info, expires },
        };
        let initiating = Self { asked: self.asked.clone(), offered: Some(offered), awaits };
        made.advance(Context::Initiating(Box::new(initiating)), flags, expires)
    }

    /// Takes the mechanism's own token.
    fn take(
        &self,
        instance: &Instance,
        request: &InitializeRequest<'_>,
        received: &[u8],
        now: FileTime,
    ) -> Result<Leg, SecurityStatus> {
        if let Some(status) = self.protocol().read_error(received) {
            return Err(status);
        }
        match &self.awaits {
            Initiation::Challenge { choices, nonce, transcript } => {
                let challenged = Challenged { asked: &self.asked, choices, nonce, transcript };
                challenged.prove(instance, request, received, now)
            }
            Initiation::Confirmation { proofs, info, expires } => {
                match Token::parse(received)? {
                    Token::Confirm(mac) if proofs.is_confirmation(&mac) => {}
                    // The acceptor doesn't have the account's key.
                    Token::Confirm(_) => return Err(SecurityStatus::LOGON_DENIED),
                    _ => return Err(SecurityStatus::INVALID_TOKEN),
                }
                let info = ContextInfo { started_local: instance.to_local(now), ..info.clone() };
                let (made, flags, expires) = (Made::nothing(), info.flags, *expires);
                // Nothing is proved with these any more.
                let proofs = proofs.clone();
                Ok(Leg { made, flags, expires, next: Err(Done { info, proofs, expires }) })
            }
            Initiation::Reply { prover, transcript, info, expires } => {
                let info = ContextInfo { started_local: instance.to_local(now), ..info.clone() };
                check_reply(received, prover, transcript.clone(), info, *expires)
            }
            Initiation::End { .. } => Err(SecurityStatus::INVALID_TOKEN),
        }
    }

    /// The token with the reason for which the initiator gave up, for the acceptor.
    pub(super) fn error(&self, status: SecurityStatus, now: FileTime) -> Vec<u8> {
        let dce = self.asked.requested.contains(ContextFlags::USE_DCE_STYLE);
        let token = self.protocol().error(status, now, &Principal::default(), dce);
        if self.offered.is_none() {
            return token;
        }
        Response::rejected(&token).write()
    }

    /// Whether the initiator sends the acceptor the reason for which it gave up.
    pub(super) fn tells(&self, flags: ContextFlags) -> bool {
        let told = |package| grant_by(package, flags).contains(ContextFlags::EXTENDED_ERROR);
        match &self.awaits {
            Initiation::Challenge { choices, .. } => choices.iter().any(|choice| told(&choice.package)),
            Initiation::Confirmation { info, .. }
            | Initiation::End { info, .. }
            | Initiation::Reply { info, .. } => (flags & info.flags).contains(ContextFlags::EXTENDED_ERROR),
        }
    }
}

/// Checks the acceptor's reply to a request, and acknowledges it in DCE style.
fn check_reply(
    received: &[u8],
    prover: &Prover,
    transcript: Transcript,
    info: ContextInfo,
    expires: FileTime,
) -> Result<Leg, SecurityStatus> {
    let Some((kerberos::Kind::Reply, message)) = kerberos::read(received) else {
        return Err(SecurityStatus::INVALID_TOKEN);
    };
    let Token::Reply(reply) = Token::parse(message)? else { return Err(SecurityStatus::INVALID_TOKEN) };
    let transcript = transcript.with(token::unproved(received));
    let proofs = prover.over(transcript.clone());
    if !proofs.is_confirmation(&reply.mac) {
        return Err(SecurityStatus::LOGON_DENIED);
    }
    let dce = info.flags.contains(ContextFlags::USE_DCE_STYLE);
    let info = ContextInfo {
        flags: info.flags & reply.granted,
        server: reply.server,
        target_information: reply.information,
        session_key: proofs.session_key(),
        ..info
    };
    let made = if dce {
        let token = kerberos::reply(true, &token::acknowledge(&Digest::default()));
        let proofs = prover.over(transcript.with(token::unproved(&token)));
        Made::proved(Protocol::Kerberos, token, &proofs.acknowledgement(), false)
    } else {
        Made::nothing()
    };
    let flags = info.flags;
    Ok(Leg { made, flags, expires, next: Err(Done { info, proofs, expires }) })
}

/// An initiator that was challenged.
struct Challenged<'a> {
    asked: &'a Asked,
    choices: &'a [Choice],
    nonce: &'a Nonce,
    transcript: &'a Transcript,
}

impl Challenged<'_> {
    /// Answers the acceptor's challenge with a proof.
    fn prove(
        &self,
        instance: &Instance,
        request: &InitializeRequest<'_>,
        received: &[u8],
        now: FileTime,
    ) -> Result<Leg, SecurityStatus> {
        let protocol =
            self.choices.first().map_or(Protocol::Own, |choice| Protocol::of(&choice.package.name));
        let (message, target_info) = match protocol {
            Protocol::Ntlm => {
                let read = ntlm::read(received).filter(|read| read.kind == ntlm::Kind::Challenge);
                let read = read.ok_or(SecurityStatus::INVALID_TOKEN)?;
                (read.message, read.target_info)
            }
            Protocol::Kerberos | Protocol::Own => (received, &[][..]),
        };
        let Token::Challenge(challenge) = Token::parse(message)? else {
            return Err(SecurityStatus::INVALID_TOKEN);
        };
        let (Choice { package, client, expires }, flags) = self.agree(&challenge)?;
        let (key, complete_later) = {
            let state = instance.lock();
            (state.client_key(client)?, state.handshakes.settings.complete_tokens)
        };
        let bindings = request.bindings.map(proof::bindings).or(self.asked.bindings);
        let client = client.principal();
        let proof = Proof { flags, client: client.cloned(), bindings, mac: Digest::default() };
        let message = proof.write();
        let token = match protocol {
            Protocol::Ntlm => {
                let said = ntlm::Authenticate {
                    flags,
                    client,
                    target: self.asked.target.as_ref(),
                    target_info,
                    bindings: bindings.as_ref(),
                    nonce: self.nonce,
                    now,
                };
                // Names that are longer than any that NTLM's fields have room for.
                ntlm::authenticate(&said, &message).ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?
            }
            Protocol::Kerberos | Protocol::Own => message,
        };
        let transcript = self.transcript.clone().with(received).with(token::unproved(&token));
        let proofs = Prover::new(&key).over(transcript);
        let expires = *expires;
        let info = ContextInfo {
            role: Role::Initiator,
            flags,
            package: Arc::clone(package),
            negotiated: self.asked.negotiated,
            client: client.cloned().unwrap_or_default(),
            server: challenge.server,
            target: self.asked.target.clone(),
            bound: bindings.is_some(),
            target_information: challenge.information,
            session_key: proofs.session_key(),
            started_local: instance.to_local(now),
            expires_local: instance.to_local(expires),
        };
        let made = Made::proved(protocol, token, &proofs.proof(), complete_later);
        let next = if flags.contains(ContextFlags::MUTUAL_AUTH) {
            Ok(Initiation::Confirmation { proofs, info, expires })
        } else {
            Err(Done { info, proofs, expires })
        };
        Ok(Leg { made, flags, expires, next })
    }

    /// The acceptor's choice, and the flags of the context.
    fn agree(&self, challenge: &Challenge) -> Result<(&Choice, ContextFlags), SecurityStatus> {
        let chosen = self.choices.iter().find(|choice| choice.package.name == challenge.package);
        let choice = chosen.ok_or(SecurityStatus::INVALID_TOKEN)?;
        if challenge.answers != *self.nonce {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let granted = challenge.granted & grant_by(&choice.package, self.asked.requested);
        Ok((choice, choice.client.limit(granted)))
    }
}
