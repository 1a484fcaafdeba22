//! The initiator's steps: `InitializeSecurityContext`. The first one is here, the others in [`answer`](super::answer).

use std::sync::Arc;

use super::{
    ContextFlags, ContextInfo, InitializeRequest, Refusal, Role, Step,
    frame::{self, Protocol, kerberos, ntlm, spnego},
    grant::{grant_by, of_nobody},
    half_open::Slots,
    handshake::{Call, Halt, Opening},
    leg::{Done, Leg, Made},
    negotiate::{self, Plan},
    proof::{self, Prover, Transcript, null_key},
    stage::{Asked, Choice, Client, Context, Initiating, Initiation, Offered},
    token::{self, Digest, Hello, Nonce, Request},
};
use crate::{
    FileTime, Name, Operation, PackageInfo, Principal, SecurityStatus,
    account::AccountKey,
    credentials::{
        held::{Credential, Held},
        stored::Stored,
    },
    secret::append_units,
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
            target: request.target.as_ref(),
        };
        self.enter(call.operation)?;
        let Some(handle) = request.context else {
            return self.begin(&call, |state, held, nonce, now| {
                let begun = state.initiate(request, held, nonce, now, |time| self.to_local(time));
                begun.map_err(|status| match state.forbidden_choice(request, held, now) {
                    Some(package) => Halt::Forbidden { status, package, target: request.target.clone() },
                    None => Halt::Keep(status),
                })
            });
        };
        self.go_on(&call, handle, |context, now| {
            let Context::Initiating(initiating) = context else {
                return Err(Halt::Fail { status: SecurityStatus::INVALID_TOKEN, tell: None });
            };
            initiating.answer(self, request, now).map_err(|status| {
                // An error is not answered by another.
                let tell = initiating.tells(request.flags) && !request.token.is_some_and(frame::is_error);
                Halt::Fail { status, tell: tell.then(|| initiating.error(status, now)) }
            })
        })
    }
}

/// What the first token of a mechanism is made of.
pub(super) struct Opener<'a, M: Fn(&[u8]) -> usize, T: Fn(FileTime) -> FileTime> {
    pub(super) asked: &'a Asked,
    pub(super) nonce: Nonce,
    /// What was said before.
    pub(super) transcript: Transcript,
    /// How long the token is at least, as this measures it on the wire.
    pub(super) least: usize,
    pub(super) measure: M,
    pub(super) now: FileTime,
    pub(super) to_local: T,
}

impl State {
    fn initiate(
        &self,
        request: &InitializeRequest<'_>,
        held: &Held,
        nonce: Nonce,
        now: FileTime,
        to_local: impl Fn(FileTime) -> FileTime,
    ) -> Result<Opening, SecurityStatus> {
        // A token in the first step is not the acceptor's answer: a server's hint, as SMB clients pass it.
        let own = self.package(held.own.package);
        let negotiated = self.is_negotiate(held.own.package);
        let settings = &self.handshakes.settings;
        // NTLM looks up no target, and Negotiate may be left with NTLM.
        let looks_up = !negotiated && Protocol::of(&own.name) != Protocol::Ntlm;
        if looks_up && !settings.knows(request.target.as_ref()) {
            return Err(SecurityStatus::TARGET_UNKNOWN);
        }
        // Those whose credential has left the cache are no choice any more (clause M4).
        let choices = self.choices(held, Role::Initiator).into_iter();
        let choices: Vec<_> = choices
            .filter_map(|(package, credential)| self.choice(package, credential, request, now))
            .collect();
        let plan = if negotiated {
            negotiate::plan(choices, request.target.as_ref(), settings)?
        } else {
            Plan::Bare(choices)
        };
        let asked = Asked {
            negotiated,
            requested: request.flags - ContextFlags::ALLOCATE_MEMORY,
            target: request.target.clone(),
            bindings: request.bindings.map(proof::bindings),
        };
        let mut slots = Slots::default();
        let mut keep = |choices: &[Choice]| {
            choices.iter().filter_map(|choice| choice.client.stored()).for_each(|stored| slots.add(stored));
        };
        let least = |protocol: Protocol| own.token_size.map_or(protocol.least(), |size| size.get() as usize);
        let opener = |least, transcript| Opener {
            asked: &asked,
            nonce,
            transcript,
            least,
            measure: <[u8]>::len,
            now,
            to_local: &to_local,
        };
        let advance = match plan {
            Plan::Bare(choices) => {
                let [best, ..] = &*choices else { return Err(SecurityStatus::NO_CREDENTIALS) };
                let protocol = Protocol::of(&best.package.name);
                if protocol != Protocol::Kerberos {
                    keep(&choices);
                }
                let Leg { made, flags, expires, next } =
                    self.open_with(choices, opener(least(protocol), Transcript::new()))?;
                let next = match next {
                    Ok(awaits) => Context::Initiating(Box::new(Initiating { asked, offered: None, awaits })),
                    Err(done) => done.established(),
                };
                made.advance(next, flags, expires)
            }
            Plan::Listed { mechanisms, first, others } => {
                // Kerberos makes its proof at once, and needs its credential no more.
                if Protocol::of(&first.package.name) != Protocol::Kerberos {
                    keep(std::slice::from_ref(&first));
                }
                keep(&others);
                let list = spnego::list(&mechanisms);
                let opener = Opener {
                    asked: &asked,
                    nonce,
                    transcript: Transcript::new().with(&list),
                    least: least(Protocol::Kerberos),
                    measure: |token: &[u8]| spnego::init(&list, token).len(),
                    now,
                    to_local: &to_local,
                };
                let Leg { made, flags, expires, next } = self.open_with(vec![first], opener)?;
                let transcript = Transcript::new().with(&list).with(made.finished());
                let made = made.within(|token| spnego::init(&list, token));
                let awaits = match next {
                    Ok(awaits) => awaits,
                    Err(done) if settings.early_ok => {
                        return Ok(Opening {
                            advance: made.advance(done.established(), flags, expires),
                            slots,
                            package: own.name.clone(),
                            takes: None,
                        });
                    }
                    Err(Done { info, proofs, expires }) => Initiation::End { proofs, info, expires },
                };
                let mechanism = mechanisms[0];
                let offered = Offered { list, mechanism, others, answered: false, transcript };
                let initiating = Initiating { asked, offered: Some(offered), awaits };
                made.advance(Context::Initiating(Box::new(initiating)), flags, expires)
            }
        };
        Ok(Opening { advance, slots, package: own.name.clone(), takes: None })
    }

    /// The first token for these packages: several of the mock's own, or one.
    pub(super) fn open_with(
        &self,
        mut choices: Vec<Choice>,
        opener: Opener<'_, impl Fn(&[u8]) -> usize, impl Fn(FileTime) -> FileTime>,
    ) -> Result<Leg, SecurityStatus> {
        let best = choices.first().ok_or(SecurityStatus::NO_CREDENTIALS)?;
        match Protocol::of(&best.package.name) {
            Protocol::Kerberos => self.request(choices.swap_remove(0), opener),
            protocol => Ok(hello(protocol, choices, opener)),
        }
    }

    /// Kerberos's request, which is its proof as well.
    fn request(
        &self,
        choice: Choice,
        opener: Opener<'_, impl Fn(&[u8]) -> usize, impl Fn(FileTime) -> FileTime>,
    ) -> Result<Leg, SecurityStatus> {
        let Opener { asked, nonce, transcript, least, measure, now, to_local } = opener;
        let key = self.client_key(&choice.client)?;
        let flags = choice.grant(asked.requested);
        let mutual = flags.intersects(ContextFlags::MUTUAL_AUTH | ContextFlags::USE_DCE_STYLE);
        let client = choice.client.principal();
        let message = Request {
            nonce,
            time: now,
            flags,
            target: asked.target.clone(),
            client: client.cloned(),
            bindings: asked.bindings,
            mac: Digest::default(),
        };
        let message = message.write();
        let with_padding = |padding| {
            let said = kerberos::Asked {
                target: asked.target.as_ref(),
                client,
                mutual,
                dce: flags.contains(ContextFlags::USE_DCE_STYLE),
                padding,
            };
            kerberos::request(&said, &message)
        };
        let token = frame::padded(least, with_padding, measure);
        let prover = Prover::new(&key);
        let transcript = transcript.with(token::unproved(&token));
        let proofs = prover.over(transcript.clone());
        let complete_later = self.handshakes.settings.complete_tokens;
        let made = Made::proved(Protocol::Kerberos, token, &proofs.proof(), complete_later);
        let expires = choice.expires;
        let info = ContextInfo {
            role: Role::Initiator,
            flags,
            package: choice.package,
            negotiated: asked.negotiated,
            client: client.cloned().unwrap_or_default(),
            // Not known until there is a reply.
            server: Principal::default(),
            target: asked.target.clone(),
            bound: asked.bindings.is_some(),
            target_information: asked.target.as_ref().map(in_utf16).unwrap_or_default(),
            session_key: proofs.session_key(),
            started_local: to_local(now),
            expires_local: to_local(expires),
        };
        let next = if mutual {
            Ok(Initiation::Reply { prover, transcript, info, expires })
        } else {
            Err(Done { info, proofs, expires })
        };
        Ok(Leg { made, flags, expires, next })
    }

    /// The forbidden package that Negotiate would begin with where it has nothing else.
    fn forbidden_choice(&self, request: &InitializeRequest<'_>, held: &Held, now: FileTime) -> Option<Name> {
        let forbidden = self.forbidden.iter().filter(|_| self.is_negotiate(held.own.package));
        let is_choice = |name: &&Name| {
            let credential = self.credential_over(held, name, Role::Initiator);
            let package = || Arc::new(PackageInfo::named((*name).clone()));
            credential.is_some_and(|credential| self.choice(package(), credential, request, now).is_some())
        };
        forbidden.into_iter().find(is_choice).cloned()
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
    pub(super) fn client_key(&self, client: &Client) -> Result<AccountKey, SecurityStatus> {
        match client {
            Client::Nobody => Ok(null_key()),
            Client::User { principal, stored } => self.key_of(principal, *stored),
        }
    }
}

/// The first token of the mock's own protocol, or of NTLM.
fn hello(
    protocol: Protocol,
    choices: Vec<Choice>,
    opener: Opener<'_, impl Fn(&[u8]) -> usize, impl Fn(FileTime) -> FileTime>,
) -> Leg {
    let Opener { asked, nonce, transcript, least, measure, .. } = opener;
    let (flags, expires) = (choices[0].grant(asked.requested), choices[0].expires);
    let make = |padding| {
        let hello = Hello {
            nonce,
            requested: asked.requested,
            negotiated: asked.negotiated && protocol == Protocol::Own,
            offered: choices.iter().map(|choice| choice.package.name.clone()).collect(),
            target: asked.target.clone(),
            padding,
        };
        let message = hello.write();
        if protocol == Protocol::Ntlm { ntlm::negotiate(flags, &message) } else { message }
    };
    let token = frame::padded(least, make, measure);
    let transcript = transcript.with(&token);
    let next = Ok(Initiation::Challenge { choices, nonce, transcript });
    Leg { made: Made::whole(token), flags, expires, next }
}

impl Choice {
    fn grant(&self, requested: ContextFlags) -> ContextFlags {
        self.client.limit(grant_by(&self.package, requested))
    }
}

impl Client {
    pub(super) fn principal(&self) -> Option<&Principal> {
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

    pub(super) fn limit(&self, granted: ContextFlags) -> ContextFlags {
        match self {
            Self::Nobody => of_nobody(granted),
            Self::User { .. } => granted,
        }
    }
}

fn in_utf16(name: &Name) -> Vec<u8> {
    let mut bytes = Vec::new();
    append_units(&mut bytes, name.units());
    bytes
}
