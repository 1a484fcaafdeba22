//! The acceptor's steps: `AcceptSecurityContext`. The first one is here, the others in [`verify`](super::verify).

use std::sync::Arc;

use super::{
    AcceptRequest, ContextFlags, ContextInfo, Refusal, Role, Step,
    frame::{
        self, Protocol, kerberos, ntlm,
        spnego::{self, Init, Response, State as Negotiation},
    },
    grant::{grant_acceptor, grant_by},
    half_open::{Authenticator, SKEW, Slots},
    handshake::{Call, Halt, Opening, check_bindings},
    leg::{Done, Made},
    proof::{self, Proofs, Prover, Transcript, null_key},
    stage::{Acceptance, Accepting, Context, Listed, Terms},
    token::{self, Challenge, Digest, Hello, Nonce, Reply, Request, Token},
};
use crate::{
    FileTime, Name, Operation, PackageInfo, Principal, SecurityStatus,
    account::AccountKey,
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
            target: None,
        };
        self.enter(call.operation)?;
        let Some(handle) = request.context else {
            let first = First::read(request.token);
            let moment = |now| Moment { now, local: self.to_local(now) };
            return self.begin(&call, |state, held, nonce, now| {
                let opened =
                    state.receive(request, &first, held, nonce, &self.target_information, moment(now));
                opened.map_err(|status| {
                    let package = state.package(held.own.package);
                    let tell = tells(request, package);
                    Halt::Fail { status, tell: tell.then(|| first.error(status, now, &held.own.principal)) }
                })
            });
        };
        self.go_on(&call, handle, |context, now| {
            let Context::Accepting(accepting) = context else {
                return Err(Halt::Fail { status: SecurityStatus::INVALID_TOKEN, tell: None });
            };
            accepting.verify(self, request, now).map_err(|status| {
                let tell = tells(request, &accepting.terms.package);
                Halt::Fail { status, tell: tell.then(|| accepting.error(status, now)) }
            })
        })
    }
}

/// Now, in UTC and on the local clock.
#[derive(Clone, Copy)]
pub(super) struct Moment {
    pub(super) now: FileTime,
    pub(super) local: FileTime,
}

/// An initiator's first token, as far as it says what it is.
enum First<'t> {
    Listed(Option<Init<'t>>),
    Bare(Protocol, &'t [u8]),
    Nothing,
}

impl<'t> First<'t> {
    fn read(token: Option<&'t [u8]>) -> Self {
        match token {
            None => Self::Nothing,
            Some(token) if ntlm::is_named(token) => Self::Bare(Protocol::Ntlm, token),
            Some(token) if spnego::is_named(token) => Self::Listed(Init::read(token)),
            Some(token) if kerberos::read(token).is_some() => Self::Bare(Protocol::Kerberos, token),
            Some(token) => Self::Bare(Protocol::Own, token),
        }
    }

    /// The token with the reason of a refusal, for the initiator.
    fn error(&self, status: SecurityStatus, now: FileTime, server: &Principal) -> Vec<u8> {
        match self {
            Self::Listed(init) => {
                let first = init.as_ref().and_then(|init| init.mechanisms.first().copied().flatten());
                let protocol = first.and_then(spnego::Mechanism::protocol).unwrap_or(Protocol::Own);
                let token = protocol.error(status, now, server, false);
                Response::rejected(&token).write()
            }
            Self::Bare(protocol, _) => protocol.error(status, now, server, false),
            Self::Nothing => token::error(status),
        }
    }
}

/// What an acceptor's mechanism makes of a token.
pub(super) struct Received {
    pub(super) token: Vec<u8>,
    pub(super) flags: ContextFlags,
    pub(super) next: Result<Acceptance, Done>,
    /// What may not be taken again.
    pub(super) takes: Option<Authenticator>,
}

impl State {
    /// Answers an initiator's first token.
    fn receive(
        &self,
        request: &AcceptRequest<'_>,
        first: &First<'_>,
        held: &Held,
        nonce: Nonce,
        information: &[u8],
        moment: Moment,
    ) -> Result<Opening, SecurityStatus> {
        const EXCLUSIVE: ContextFlags =
            ContextFlags::ALLOW_MISSING_BINDINGS.union(ContextFlags::PROXY_BINDINGS);
        if request.flags.contains(EXCLUSIVE) {
            return Err(SecurityStatus::INVALID_PARAMETER);
        }
        let own = held.own.package;
        let negotiated = self.is_negotiate(own);
        let terms = |(package, credential): (Arc<PackageInfo>, &Credential)| Terms {
            server: credential.principal.clone(),
            package,
            negotiated,
            requested: request.flags,
            information: information.to_vec(),
            bindings: request.bindings.map(proof::bindings),
            expires: self.context_expiry(credential.stored, moment.now),
        };
        let (terms, listed, received) = match first {
            First::Listed(_) if Protocol::of(&self.package(own).name) == Protocol::Kerberos => {
                return Err(SecurityStatus::INSUFFICIENT_MEMORY);
            }
            First::Listed(Some(init)) if negotiated => {
                let (listed, chosen) = self.choose_mechanism(held, init)?;
                let terms = terms(chosen);
                let received = if init.mechanisms.first() == Some(&Some(listed.mechanism)) {
                    let token = init.token.ok_or(SecurityStatus::INVALID_TOKEN)?;
                    let protocol = Protocol::of(&terms.package.name);
                    Some(self.take_first(
                        &terms,
                        protocol,
                        token,
                        &listed.transcript,
                        request,
                        nonce,
                        moment,
                    )?)
                } else {
                    None
                };
                (terms, Some(listed), received)
            }
            First::Listed(_) | First::Nothing => return Err(SecurityStatus::INVALID_TOKEN),
            First::Bare(protocol, token) => {
                let terms = terms(self.choose(held, *protocol, token)?);
                let received =
                    self.take_first(&terms, *protocol, token, &Transcript::new(), request, nonce, moment)?;
                (terms, None, Some(received))
            }
        };
        let package = terms.package.name.clone();
        let expires = terms.expires;
        let Some(Received { token, flags, next, takes }) = received else {
            // The initiator's first token is another mechanism's: it is asked for the one of this.
            let flags = grant_acceptor(request.flags, &terms.package);
            let mark = token::list_mac(None);
            let token = listed.as_ref().map(|listed| {
                Response {
                    state: Negotiation::RequestMic,
                    mechanism: Some(listed.mechanism),
                    token: None,
                    mic: Some(&mark),
                }
                .write()
            });
            let next = Context::Accepting(Box::new(Accepting { terms, listed, awaits: Acceptance::First }));
            let advance = Made::whole(token.unwrap_or_default()).advance(next, flags, expires);
            return Ok(Opening { advance, slots: Slots::default(), package, takes: None });
        };
        let token = match &listed {
            Some(listed) => listed.respond(Some(listed.mechanism), &token, next.as_ref().err()),
            None => token,
        };
        let next = match next {
            Ok(awaits) => Context::Accepting(Box::new(Accepting { terms, listed, awaits })),
            Err(done) => done.established(),
        };
        let advance = Made::whole(token).advance(next, flags, expires);
        Ok(Opening { advance, slots: Slots::default(), package, takes })
    }

    /// The first mechanism of an initiator's list that this credential may use.
    fn choose_mechanism<'a>(
        &self,
        held: &'a Held,
        init: &Init<'_>,
    ) -> Result<(Listed, (Arc<PackageInfo>, &'a Credential)), SecurityStatus> {
        let mut choices = self.choices(held, Role::Acceptor);
        let usable = |(at, mechanism): (usize, &Option<spnego::Mechanism>)| {
            let mechanism = (*mechanism)?;
            let protocol = mechanism.protocol()?;
            let choice = choices.iter().position(|(package, _)| Protocol::of(&package.name) == protocol)?;
            Some((at, mechanism, choice))
        };
        let (at, mechanism, choice) =
            init.mechanisms.iter().enumerate().find_map(usable).ok_or(SecurityStatus::INVALID_TOKEN)?;
        let transcript = Transcript::new().with(init.list);
        let transcript = match init.token {
            Some(token) if at > 0 => transcript.with(token),
            _ => transcript,
        };
        Ok((Listed { list: init.list.to_vec(), mechanism, transcript }, choices.swap_remove(choice)))
    }

    /// The package of a bare token, which this credential may use. Negotiate takes those of all others; they take their
    /// own alone.
    fn choose<'a>(
        &self,
        held: &'a Held,
        protocol: Protocol,
        token: &[u8],
    ) -> Result<(Arc<PackageInfo>, &'a Credential), SecurityStatus> {
        let mut choices = self.choices(held, Role::Acceptor);
        let of_protocol = |package: &PackageInfo| Protocol::of(&package.name) == protocol;
        let found = if protocol == Protocol::Own {
            let Token::Hello(hello) = Token::parse(token)? else { return Err(SecurityStatus::INVALID_TOKEN) };
            if hello.negotiated && !self.is_negotiate(held.own.package) {
                return Err(SecurityStatus::INVALID_TOKEN);
            }
            let position = |offered: &Name| {
                choices.iter().position(|(package, _)| package.name == *offered && of_protocol(package))
            };
            hello.offered.iter().find_map(position)
        } else {
            choices.iter().position(|(package, _)| of_protocol(package))
        };
        found.map(|at| choices.swap_remove(at)).ok_or(SecurityStatus::INVALID_TOKEN)
    }

    /// Takes the first token of a mechanism.
    #[allow(clippy::too_many_arguments, reason = "each is another thing that the token is checked against")]
    pub(super) fn take_first(
        &self,
        terms: &Terms,
        protocol: Protocol,
        received: &[u8],
        transcript: &Transcript,
        request: &AcceptRequest<'_>,
        nonce: Nonce,
        moment: Moment,
    ) -> Result<Received, SecurityStatus> {
        let message = match protocol {
            Protocol::Kerberos => match kerberos::read(received) {
                Some((kerberos::Kind::Request, message)) => message,
                _ => return Err(SecurityStatus::INVALID_TOKEN),
            },
            Protocol::Ntlm => match ntlm::read(received) {
                Some(read) if read.kind == ntlm::Kind::Negotiate => read.message,
                _ => return Err(SecurityStatus::INVALID_TOKEN),
            },
            Protocol::Own => received,
        };
        match (Token::parse(message)?, protocol) {
            (Token::Request(asked), Protocol::Kerberos) => {
                let transcript = transcript.clone().with(token::unproved(received));
                self.take_request(terms, &asked, transcript, request, nonce, moment)
            }
            (Token::Hello(hello), Protocol::Ntlm | Protocol::Own)
                if hello.offered.contains(&terms.package.name) =>
            {
                let transcript = transcript.clone().with(received);
                self.challenge(terms, &hello, protocol, transcript, request, nonce, moment.now)
            }
            _ => Err(SecurityStatus::INVALID_TOKEN),
        }
    }

    /// Challenges an initiator to prove who it is.
    #[allow(clippy::too_many_arguments, reason = "each is another part of the challenge")]
    fn challenge(
        &self,
        terms: &Terms,
        hello: &Hello,
        protocol: Protocol,
        transcript: Transcript,
        request: &AcceptRequest<'_>,
        nonce: Nonce,
        now: FileTime,
    ) -> Result<Received, SecurityStatus> {
        if !self.handshakes.settings.accepts(hello.target.as_ref()) {
            return Err(SecurityStatus::WRONG_PRINCIPAL);
        }
        let granted = grant_by(&terms.package, hello.requested);
        let challenge = Challenge {
            answers: hello.nonce,
            nonce,
            granted,
            package: terms.package.name.clone(),
            server: terms.server.clone(),
            information: terms.information.clone(),
        };
        let message = challenge.write();
        let token = if protocol == Protocol::Ntlm {
            ntlm::challenge(&ntlm::Challenge { granted, nonce: &nonce, server: &terms.server, now }, &message)
        } else {
            message
        };
        let transcript = transcript.with(&token);
        let flags = granted | grant_acceptor(request.flags, &terms.package);
        let next = Ok(Acceptance::Proof { granted, target: hello.target.clone(), transcript });
        Ok(Received { token, flags, next, takes: None })
    }

    /// Takes a request that is the proof as well.
    fn take_request(
        &self,
        terms: &Terms,
        asked: &Request,
        transcript: Transcript,
        request: &AcceptRequest<'_>,
        nonce: Nonce,
        moment: Moment,
    ) -> Result<Received, SecurityStatus> {
        if !self.handshakes.settings.accepts(asked.target.as_ref()) {
            return Err(SecurityStatus::WRONG_PRINCIPAL);
        }
        let requested = terms.requested | request.flags;
        let (keys, known) = self.account_keys(asked.client.as_ref(), requested);
        let proved = find_proof(&keys, &transcript, &asked.mac).filter(|_| known);
        let (keyed, proofs) = proved.ok_or(SecurityStatus::LOGON_DENIED)?;
        let skew = asked.time.0.abs_diff(moment.now.0);
        if FileTime(0).after(SKEW) < FileTime(skew) {
            return Err(SecurityStatus::TIME_SKEW);
        }
        let authenticator = Authenticator { time: asked.time, nonce: asked.nonce };
        self.handshakes.taken.check(&authenticator)?;
        if !may_have(asked.flags, asked.flags, asked.client.as_ref()) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let bindings = request.bindings.map(proof::bindings).or(terms.bindings);
        check_bindings(bindings.as_ref(), asked.bindings.as_ref(), requested)?;
        let nobody = asked.flags & ContextFlags::NULL_SESSION;
        let granted = asked.flags & (grant_by(&terms.package, asked.flags) | nobody);
        let flags = granted | grant_acceptor(requested, &terms.package);
        let info = |session_key| ContextInfo {
            role: Role::Acceptor,
            flags,
            package: terms.package.clone(),
            negotiated: terms.negotiated,
            client: asked.client.clone().unwrap_or_default(),
            server: terms.server.clone(),
            target: asked.target.clone(),
            bound: asked.bindings.is_some(),
            target_information: terms.information.clone(),
            session_key,
            started_local: moment.local,
            expires_local: moment.to_local(terms.expires),
        };
        let dce = asked.flags.contains(ContextFlags::USE_DCE_STYLE);
        let expires = terms.expires;
        let takes = Some(authenticator);
        if !dce && !asked.flags.contains(ContextFlags::MUTUAL_AUTH) {
            let info = info(proofs.session_key());
            return Ok(Received {
                token: Vec::new(),
                flags,
                next: Err(Done { info, proofs, expires }),
                takes,
            });
        }
        let reply = Reply {
            nonce,
            granted,
            server: terms.server.clone(),
            information: terms.information.clone(),
            mac: Digest::default(),
        };
        let mut token = kerberos::reply(dce, &reply.write());
        let transcript = transcript.with(token::unproved(&token));
        let proofs = keyed.over(transcript.clone());
        token::prove(&mut token, &proofs.confirmation());
        let info = info(proofs.session_key());
        let next = if dce {
            Ok(Acceptance::Acknowledgement { prover: keyed, transcript, info: Box::new(info) })
        } else {
            Err(Done { info, proofs, expires })
        };
        Ok(Received { token, flags, next, takes })
    }

    /// The keys of an initiator's account, and whether it may sign in at all. An unknown account and a wrong secret give
    /// the same status, after the same time.
    pub(super) fn account_keys(
        &self,
        client: Option<&Principal>,
        requested: ContextFlags,
    ) -> (Vec<AccountKey>, bool) {
        let Some(client) = client else {
            return (vec![null_key()], requested.contains(ContextFlags::NULL_SESSION));
        };
        match self.accounts.get(client) {
            None => (vec![self.handshakes.nobody.clone()], false),
            Some(account) => (account.keys().cloned().collect(), true),
        }
    }
}

/// The first of these keys that a proof was made with.
pub(super) fn find_proof(
    keys: &[AccountKey],
    transcript: &Transcript,
    mac: &Digest,
) -> Option<(Prover, Proofs)> {
    keys.iter().find_map(|key| {
        let prover = Prover::new(key);
        let proofs = prover.over(transcript.clone());
        proofs.is_proof(mac).then_some((prover, proofs))
    })
}

impl Moment {
    /// Another moment on the local clock.
    fn to_local(self, time: FileTime) -> FileTime {
        if time >= FileTime::NEVER {
            return FileTime::NEVER;
        }
        FileTime(time.0.wrapping_add(self.local.0).wrapping_sub(self.now.0))
    }
}

impl Listed {
    /// A response with a mechanism's token; where the mechanism is done, one that ends the negotiation.
    pub(super) fn respond(
        &self,
        mechanism: Option<spnego::Mechanism>,
        token: &[u8],
        done: Option<&Done>,
    ) -> Vec<u8> {
        let token = Some(token).filter(|token| !token.is_empty());
        // Kerberos's reply proves as much; NTLM's last token and a request without a reply have nothing of the kind.
        let mic = done.filter(|_| token.is_none());
        let mic = mic.map(|done| token::list_mac(Some(&done.proofs.list(Role::Acceptor, &self.list))));
        let state = if done.is_some() { Negotiation::Completed } else { Negotiation::Incomplete };
        Response { state, mechanism, token, mic: mic.as_deref() }.write()
    }
}

/// Whether an initiator may say that its context has so much, of what it was granted.
pub(super) fn may_have(claimed: ContextFlags, granted: ContextFlags, client: Option<&Principal>) -> bool {
    use ContextFlags as F;
    let nobody = if client.is_none() { F::NULL_SESSION } else { F::empty() };
    let of_users = F::MUTUAL_AUTH | F::DELEGATE;
    (granted | nobody).contains(claimed)
        && claimed.contains(nobody)
        && (client.is_none() || !claimed.contains(F::NULL_SESSION))
        && (client.is_some() || !claimed.intersects(of_users))
}

/// Whether the acceptor sends the initiator the reason when a step of this call fails. It never answers an error by an
/// error.
fn tells(request: &AcceptRequest<'_>, package: &PackageInfo) -> bool {
    grant_by(package, request.flags).contains(ContextFlags::EXTENDED_ERROR)
        && !request.token.is_some_and(frame::is_error)
}
