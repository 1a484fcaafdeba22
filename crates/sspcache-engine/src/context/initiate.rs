//! The initiator's steps: `InitializeSecurityContext`.

use std::sync::Arc;

use zeroize::Zeroizing;

use super::{
    ContextFlags, ContextInfo, InitializeRequest, Progress, Refusal, Role, Step,
    grant::{grant, of_nobody},
    half_open::Slots,
    handshake::{Advance, Call, Halt, Opening},
    proof::{self, Proofs, Transcript, null_key},
    stage::{Choice, Client, Completing, Confirming, Context, Established, Initiating},
    token::{self, Challenge, Digest, Hello, Nonce, Proof, Token},
};
use crate::{
    FileTime, Operation, PackageInfo, Principal, SecurityStatus,
    account::AccountKey,
    credentials::{
        held::{Credential, Held},
        stored::Stored,
    },
    state::{Instance, State},
};

impl Instance {
    /// See [`Engine::initialize`](crate::Engine::initialize).
    pub(crate) fn initialize(&self, request: &InitializeRequest<'_>) -> Result<Step, Refusal> {
        let call = Call {
            operation: Operation::InitializeSecurityContext,
            role: Role::Initiator,
            credential: request.credential,
            flags: request.flags,
            room: request.room,
        };
        self.enter(call.operation)?;
        let Some(handle) = request.context else {
            return self.begin(&call, |state, held, nonce, now| state.initiate(request, held, nonce, now));
        };
        self.go_on(&call, handle, |context, now| {
            let (advance, tell) = match context {
                Context::Initiating(initiating) => {
                    (initiating.answer(self, request, now), initiating.tells(request.flags))
                }
                Context::Confirming(confirming) => {
                    let tell = request.flags & confirming.info.flags;
                    (
                        confirming.check(request.token, self.to_local(now)),
                        tell.contains(ContextFlags::EXTENDED_ERROR),
                    )
                }
                _ => (Err(SecurityStatus::INVALID_TOKEN), false),
            };
            // An error is not answered by another.
            let tell = tell && !request.token.is_some_and(token::is_error);
            advance.map_err(|status| Halt::Fail { status, tell })
        })
    }
}

impl State {
    fn initiate(
        &self,
        request: &InitializeRequest<'_>,
        held: &Held,
        nonce: Nonce,
        now: FileTime,
    ) -> Result<Opening, Halt> {
        // A token in the first step is not the acceptor's answer: a server's hint, as SMB clients pass it.
        if !self.handshakes.settings.knows(request.target.as_ref()) {
            return Err(Halt::Keep(SecurityStatus::TARGET_UNKNOWN));
        }
        // Those whose credential has left the cache are no choice any more (clause M4).
        let choices = self.choices(held, Role::Initiator).into_iter();
        let choices: Vec<_> = choices
            .filter_map(|(package, credential)| self.choice(package, credential, request, now))
            .collect();
        let [best, ..] = &*choices else { return Err(Halt::Keep(SecurityStatus::NO_CREDENTIALS)) };
        let (flags, expires) = (best.grant(request.flags), best.expires);
        let mut slots = Slots::default();
        choices.iter().filter_map(|choice| choice.client.stored()).for_each(|stored| slots.add(stored));
        let hello = Hello {
            nonce,
            requested: request.flags - ContextFlags::ALLOCATE_MEMORY,
            negotiated: self.is_negotiate(held.own.package),
            offered: choices.iter().map(|choice| choice.package.name.clone()).collect(),
            target: request.target.clone(),
        };
        let token = hello.write();
        let package = self.package(held.own.package).name.clone();
        let Hello { requested, negotiated, target, .. } = hello;
        let initiating = Initiating {
            choices,
            negotiated,
            requested,
            target,
            bindings: request.bindings.map(proof::bindings),
            nonce,
            transcript: Transcript::new(&token),
        };
        let next = Context::Initiating(Box::new(initiating));
        let advance = Advance { next, progress: Progress::Continue, token, flags, expires };
        Ok(Opening { advance, slots, package })
    }

    /// The choice for a package, unless its credential is gone.
    fn choice(
        &self,
        package: Arc<PackageInfo>,
        credential: &Credential,
        request: &InitializeRequest<'_>,
        now: FileTime,
    ) -> Option<Choice> {
        let client = if request.flags.contains(ContextFlags::NULL_SESSION) {
            Client::Nobody
        } else {
            match self.sign_in_over(credential, &package.name, request.target.as_ref()).ok()? {
                Some((principal, stored)) => Client::User { principal, stored },
                None => Client::Nobody,
            }
        };
        let expires = self.context_expiry(client.stored(), now);
        Some(Choice { package, client, expires })
    }

    /// The initiator's key, as long as its credential is there (clause M4).
    fn client_key(&self, client: &Client) -> Result<AccountKey, SecurityStatus> {
        match client {
            Client::Nobody => Ok(null_key()),
            Client::User { principal, stored } => self.key_of(principal, *stored),
        }
    }
}

impl Initiating {
    /// Answers the acceptor's challenge with a proof.
    fn answer(
        &self,
        instance: &Instance,
        request: &InitializeRequest<'_>,
        now: FileTime,
    ) -> Result<Advance, SecurityStatus> {
        let received = request.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
        let challenge = match Token::parse(received)? {
            Token::Challenge(challenge) => challenge,
            Token::Error(status) => return Err(status),
            _ => return Err(SecurityStatus::INVALID_TOKEN),
        };
        let (Choice { package, client, expires }, flags) = self.agree(&challenge)?;
        let (key, complete_later) = {
            let state = instance.lock();
            (state.client_key(client)?, state.handshakes.settings.complete_tokens)
        };
        let bindings = request.bindings.map(proof::bindings).or(self.bindings);
        let client = client.principal();
        let mut token = Proof { flags, client: client.cloned(), bindings, mac: Digest::default() }.write();
        let transcript = self.transcript.clone().with(received).with(token::unproved(&token));
        let proofs = Proofs::new(&key, transcript);
        let info = ContextInfo {
            role: Role::Initiator,
            flags,
            package: Arc::clone(package),
            negotiated: self.negotiated,
            client: client.cloned().unwrap_or_default(),
            server: challenge.server,
            target: self.target.clone(),
            target_information: challenge.information,
            session_key: proofs.session_key(),
            started_local: instance.to_local(now),
            expires_local: instance.to_local(*expires),
        };
        let mac = Zeroizing::new(proofs.proof());
        let expires = *expires;
        let (next, progress) = if flags.contains(ContextFlags::MUTUAL_AUTH) {
            let confirming = Confirming { proofs, info, expires };
            (Context::Confirming(Box::new(confirming)), Progress::Continue)
        } else {
            (Context::Established(Box::new(Established::new(info, expires))), Progress::Complete)
        };
        if !complete_later {
            token::prove(&mut token, &mac);
            return Ok(Advance { next, progress, token, flags, expires });
        }
        let completing = Completing { unfinished: token.clone(), mac, next };
        let progress = match progress {
            Progress::Complete => Progress::CompleteNeeded,
            _ => Progress::CompleteAndContinue,
        };
        Ok(Advance { next: Context::Completing(Box::new(completing)), progress, token, flags, expires })
    }

    /// The acceptor's choice, and the flags of the context.
    fn agree(&self, challenge: &Challenge) -> Result<(&Choice, ContextFlags), SecurityStatus> {
        let chosen = self.choices.iter().find(|choice| choice.package.name == challenge.package);
        let choice = chosen.ok_or(SecurityStatus::INVALID_TOKEN)?;
        if challenge.answers != self.nonce {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let granted = challenge.granted & grant(self.requested, choice.package.capabilities);
        Ok((choice, choice.client.limit(granted)))
    }

    fn tells(&self, flags: ContextFlags) -> bool {
        let told = |choice: &Choice| {
            grant(flags, choice.package.capabilities).contains(ContextFlags::EXTENDED_ERROR)
        };
        self.choices.iter().any(told)
    }
}

impl Choice {
    fn grant(&self, requested: ContextFlags) -> ContextFlags {
        self.client.limit(grant(requested, self.package.capabilities))
    }
}

impl Confirming {
    /// Checks the acceptor's confirmation.
    fn check(&self, received: Option<&[u8]>, now_local: FileTime) -> Result<Advance, SecurityStatus> {
        match Token::parse(received.ok_or(SecurityStatus::INVALID_TOKEN)?)? {
            Token::Confirm(mac) if self.proofs.is_confirmation(&mac) => {}
            // The acceptor doesn't have the account's key.
            Token::Confirm(_) => return Err(SecurityStatus::LOGON_DENIED),
            Token::Error(status) => return Err(status),
            _ => return Err(SecurityStatus::INVALID_TOKEN),
        }
        let info = ContextInfo { started_local: now_local, ..self.info.clone() };
        let (flags, expires) = (info.flags, self.expires);
        let next = Context::Established(Box::new(Established::new(info, expires)));
        Ok(Advance { next, progress: Progress::Complete, token: Vec::new(), flags, expires })
    }
}

impl Client {
    fn principal(&self) -> Option<&Principal> {
        match self {
            Self::Nobody => None,
            Self::User { principal, .. } => Some(principal),
        }
    }

    fn stored(&self) -> Option<Stored> {
        match self {
            Self::Nobody => None,
            Self::User { stored, .. } => Some(*stored),
        }
    }

    fn limit(&self, granted: ContextFlags) -> ContextFlags {
        match self {
            Self::Nobody => of_nobody(granted),
            Self::User { .. } => granted,
        }
    }
}
