//! The common part of both sides' steps: checking the call, and moving a context forward.

use std::sync::Arc;

use super::{
    ContextFlags, ContextHandle, Progress, Refusal, Role, Step,
    half_open::{Authenticator, Slots},
    stage::{Context, Outlook, SharedContext},
    token::{Digest, Nonce},
};
use crate::{
    CredentialHandle, EventKind, FileTime, Name, Operation, PackageInfo, SecurityStatus,
    credentials::{
        held::{Credential, Held},
        stored::Stored,
    },
    state::{Instance, Locked, Named, State},
};

/// The parameters that both sides' steps share.
pub(super) struct Call<'c> {
    pub(super) operation: Operation,
    pub(super) role: Role,
    pub(super) credential: Option<CredentialHandle>,
    pub(super) flags: ContextFlags,
    pub(super) room: usize,
    /// An initiator's.
    pub(super) target: Option<&'c Name>,
}

/// A step that can be taken: what becomes of the context then.
pub(super) struct Advance {
    pub(super) next: Context,
    pub(super) progress: Progress,
    pub(super) token: Vec<u8>,
    pub(super) flags: ContextFlags,
    pub(super) expires: FileTime,
}

/// A first step that can be taken.
pub(super) struct Opening {
    pub(super) advance: Advance,
    /// The credentials that the context holds until its handshake needs them no more.
    pub(super) slots: Slots,
    pub(super) package: Name,
    /// What the context takes, for no other to take it again.
    pub(super) takes: Option<Authenticator>,
}

/// A step that can't be taken.
pub(super) enum Halt {
    /// The handshake has failed.
    Fail {
        status: SecurityStatus,
        /// The token that gives the other side the reason, if it gets it.
        tell: Option<Vec<u8>>,
    },
    /// There is nothing to begin a handshake with, but for a package that is forbidden.
    Forbidden { status: SecurityStatus, package: Name, target: Option<Name> },
    /// The call was wrong, or has too little room: the context is as it was.
    Keep(SecurityStatus),
}

impl Instance {
    /// A context's first step, of which nothing is left when it is refused.
    pub(super) fn begin(
        &self,
        call: &Call<'_>,
        open: impl FnOnce(&State, &Held, Nonce, FileTime) -> Result<Opening, Halt>,
    ) -> Result<Step, Refusal> {
        let (mut state, now) = self.lock_for_step();
        let begun = state.begin(call, open, now);
        begun.map(|(context, advance)| self.step(call, context, advance)).map_err(|halt| {
            let forbidden = match &halt {
                Halt::Forbidden { package, target, .. } => Some((package, target.as_ref())),
                Halt::Fail { .. } | Halt::Keep(_) => None,
            };
            let is_short = state.is_short(call);
            let named = Named { handle: call.credential, is_short, forbidden, ..Named::default() };
            state.refused(call.operation, halt.status(), named, now);
            halt.refusal(call.room)
        })
    }

    /// A later step of a context.
    pub(super) fn go_on(
        &self,
        call: &Call<'_>,
        handle: ContextHandle,
        advance: impl FnOnce(&Context, FileTime) -> Result<Advance, Halt>,
    ) -> Result<Step, Refusal> {
        let (found, now) = {
            let (state, now) = self.lock_for_step();
            (state.context(handle), now)
        };
        let was_there = found.is_some();
        let gone_on = found.ok_or(Halt::Keep(SecurityStatus::INVALID_HANDLE)).and_then(|shared| {
            let mut context = shared.lock();
            let advance = context
                .check_step(call)
                .and_then(|()| advance(&context, now))
                .and_then(|advance| self.commit(call, handle, advance, &mut context, now));
            if let Err(Halt::Fail { status, .. }) = advance {
                *context = Context::Failed;
                self.lock().fail_context(handle, status, now);
            }
            advance
        });
        gone_on.map(|advance| self.step(call, handle, advance)).map_err(|halt| {
            self.refused_for_context(call.operation, halt.status(), handle, was_there, now);
            halt.refusal(call.room)
        })
    }

    /// Brings a context forward, unless it was abandoned or deleted meanwhile.
    fn commit(
        &self,
        call: &Call<'_>,
        handle: ContextHandle,
        mut advance: Advance,
        context: &mut Context,
        now: FileTime,
    ) -> Result<Advance, Halt> {
        if advance.token.len() > call.room {
            return Err(Halt::Keep(SecurityStatus::BUFFER_TOO_SMALL));
        }
        let mut state = self.lock();
        state.advance_context(handle, advance.next.outlook(), now).map_err(Halt::Keep)?;
        state.note_unfinished(handle, advance.progress, now);
        drop(state);
        *context = std::mem::replace(&mut advance.next, Context::Failed);
        Ok(advance)
    }

    fn step(&self, call: &Call<'_>, context: ContextHandle, advance: Advance) -> Step {
        let Advance { progress, token, flags, expires, .. } = advance;
        Step {
            context,
            progress,
            token,
            flags: flags | call.flags & ContextFlags::ALLOCATE_MEMORY,
            expires,
            expires_local: self.to_local(expires),
        }
    }

    /// Locks the instance, with every context ended that was abandoned.
    pub(super) fn lock_for_step(&self) -> (Locked<'_>, FileTime) {
        loop {
            let (mut state, now) = self.lock_at_now();
            let abandoned = state.take_abandoned(now);
            if abandoned.is_empty() {
                return (state, now);
            }
            drop(state);
            for context in abandoned {
                let mut context = context.lock();
                if context.is_half_open() {
                    *context = Context::Abandoned;
                }
            }
        }
    }
}

impl State {
    fn begin(
        &mut self,
        call: &Call<'_>,
        open: impl FnOnce(&State, &Held, Nonce, FileTime) -> Result<Opening, Halt>,
        now: FileTime,
    ) -> Result<(ContextHandle, Advance), Halt> {
        let nonce = self.handshakes.nonces.next().map_err(|_| Halt::Keep(SecurityStatus::INTERNAL_ERROR))?;
        let held = self.credential_for(call).map_err(Halt::Keep)?;
        let is_named = call.role == Role::Initiator && self.ledger.is_read();
        let principal = if is_named { held.own.principal.to_string() } else { String::new() };
        let Opening { mut advance, slots, package, takes } = open(self, held, nonce, now)?;
        if advance.token.len() > call.room {
            return Err(Halt::Keep(SecurityStatus::BUFFER_TOO_SMALL));
        }
        let next = std::mem::replace(&mut advance.next, Context::Failed);
        let outlook = next.outlook();
        let context = self.add_context(next).map_err(Halt::Keep)?;
        if let Some(request) = takes {
            self.handshakes.taken.add(request, now);
        }
        slots.iter().for_each(|stored| self.ledger.hold(stored));
        let deadline = now.after(self.handshakes.settings.handshake);
        self.handshakes.half_open.add(context.word(), slots, deadline);
        let role = call.role;
        let target = call.target.filter(|_| is_named).map_or_else(String::new, ToString::to_string);
        self.ledger.record_with(now, || EventKind::ContextStarted {
            context: context.word(),
            role,
            package: package.to_string(),
            principal,
            handle: call.credential.map(CredentialHandle::word),
            asked: Some(call.flags.to_wire(role)),
            target,
        });
        self.move_on(context, outlook, now);
        self.note_unfinished(context, advance.progress, now);
        Ok((context, advance))
    }

    /// Records that a step gave a token that is to be completed.
    fn note_unfinished(&mut self, context: ContextHandle, progress: Progress, now: FileTime) {
        if matches!(progress, Progress::CompleteAndContinue | Progress::CompleteNeeded) {
            self.ledger.record(now, EventKind::ContextToComplete { context: context.word() });
        }
    }

    /// Whether a first step's buffer is shorter than its package's longest token.
    fn is_short(&self, call: &Call<'_>) -> bool {
        let held = call.credential.and_then(|credential| self.held(credential).ok());
        held.is_some_and(|held| call.room < self.package(held.own.package).max_token as usize)
    }

    /// The credential of a first step.
    fn credential_for(&self, call: &Call<'_>) -> Result<&Held, SecurityStatus> {
        let credential = call.credential.ok_or(SecurityStatus::INVALID_HANDLE)?;
        let held = self.held(credential)?;
        if held.is_for(call.role) { Ok(held) } else { Err(SecurityStatus::NO_CREDENTIALS) }
    }

    /// Takes note of where a half-open context will be; what it needs no more is let go.
    pub(super) fn advance_context(
        &mut self,
        handle: ContextHandle,
        next: Outlook,
        now: FileTime,
    ) -> Result<(), SecurityStatus> {
        if !self.handshakes.half_open.contains(handle.word()) {
            let is_there = self.context(handle).is_some();
            return Err(if is_there {
                SecurityStatus::CONTEXT_EXPIRED
            } else {
                SecurityStatus::INVALID_HANDLE
            });
        }
        self.move_on(handle, next, now);
        Ok(())
    }

    fn move_on(&mut self, handle: ContextHandle, next: Outlook, now: FileTime) {
        match next {
            Outlook::NeedsCredentials => {}
            Outlook::Waits => {
                let slots = self.handshakes.half_open.let_go(handle.word());
                slots.iter().for_each(|stored| self.ledger.release(stored, now));
            }
            Outlook::Established { role, package, client, flags, bound } => {
                self.settle(handle, now);
                self.ledger.record_with(now, || EventKind::ContextEstablished {
                    context: handle.word(),
                    role,
                    package: package.name.to_string(),
                    principal: client.to_string(),
                    granted: Some(flags.to_returned(role)),
                    bound,
                });
            }
        }
    }

    /// A context's handshake is over, whatever came of it. Whether it was not before.
    pub(crate) fn settle(&mut self, handle: ContextHandle, now: FileTime) -> bool {
        let settled = self.handshakes.half_open.settle(handle.word());
        let slots = settled.iter().flat_map(|waiting| waiting.credentials.iter());
        slots.for_each(|stored| self.ledger.release(stored, now));
        settled.is_some()
    }

    fn fail_context(&mut self, handle: ContextHandle, status: SecurityStatus, now: FileTime) {
        if self.settle(handle, now) {
            self.ledger.record(now, EventKind::ContextFailed { context: handle.word(), status });
        }
    }

    /// Contexts whose time for a handshake is up, to be ended once the instance is not locked any more.
    fn take_abandoned(&mut self, now: FileTime) -> Vec<SharedContext> {
        let mut abandoned = Vec::new();
        while let Some(word) = self.handshakes.half_open.next_overdue(now) {
            self.fail_context(ContextHandle(word), SecurityStatus::CONTEXT_EXPIRED, now);
            abandoned.extend(self.context(ContextHandle(word)));
        }
        abandoned
    }

    /// When a context ends that is established now.
    pub(super) fn context_expiry(&self, credential: Option<Stored>, now: FileTime) -> FileTime {
        if let Some(lifetime) = self.handshakes.settings.lifetime {
            return now.after(lifetime);
        }
        self.expiry(credential)
    }

    /// The packages that a context of this handle may use, the best one first, each with the credential for it: the
    /// handle's own, or for Negotiate those that it chooses among or takes the tokens of.
    pub(super) fn choices<'a>(&self, held: &'a Held, role: Role) -> Vec<(Arc<PackageInfo>, &'a Credential)> {
        let own = held.own.package;
        if !self.is_negotiate(own) {
            let credential = held.credentials().find(|credential| credential.direction.is_for(role));
            return credential
                .map(|credential| (self.package(own).clone(), credential))
                .into_iter()
                .collect();
        }
        let with_credential = |package: Arc<PackageInfo>| {
            self.credential_over(held, &package.name, role).map(|credential| (package, credential))
        };
        if role == Role::Acceptor {
            // It takes every package's own token, of those too that it never chooses.
            let mut taken = self.negotiable();
            let others = (0_u16..).zip(self.packages()).filter(|(at, _)| *at != own);
            for (_, other) in others {
                if !taken.iter().any(|known| known.name == other.name) {
                    taken.push(other.clone());
                }
            }
            return taken.into_iter().filter_map(with_credential).collect();
        }
        let [kerberos, ntlm] = ["Kerberos", "NTLM"].map(Name::from);
        let mut choices: Vec<_> = self.negotiable().into_iter().filter_map(with_credential).collect();
        let at = |name: &Name| choices.iter().position(|(package, _)| package.name == *name);
        if let (Some(kerberos), Some(_)) = (at(&kerberos), at(&ntlm)) {
            choices[..=kerberos].rotate_right(1);
        }
        let of_negotiate =
            |credential: &&Credential| credential.package == own && credential.direction.is_for(role);
        let Some(credential) = held.credentials().find(of_negotiate) else { return choices };
        // The order of a list is that of preference. It is short, and a sort is much code for the mock DLLs.
        let mut preferred = Vec::with_capacity(choices.len());
        for choice in choices {
            let rank = |of: &(Arc<PackageInfo>, _)| credential.allowed.rank(&of.0.name);
            let behind = preferred.partition_point(|other| rank(other) <= rank(&choice));
            preferred.insert(behind, choice);
        }
        preferred
    }
}

impl Context {
    pub(super) fn is_half_open(&self) -> bool {
        match self {
            Self::Accepting(_) | Self::Completing(_) | Self::Initiating(_) => true,
            Self::Abandoned | Self::Established(_) | Self::Failed => false,
        }
    }

    /// Whether a later step may be taken at all.
    fn check_step(&self, call: &Call<'_>) -> Result<(), Halt> {
        let role = match self {
            Self::Abandoned => return Err(Halt::Keep(SecurityStatus::CONTEXT_EXPIRED)),
            Self::Established(established) if established.info.role == call.role => {
                return Err(Halt::Keep(SecurityStatus::INVALID_TOKEN));
            }
            Self::Established(_) | Self::Failed => return Err(Halt::Keep(SecurityStatus::INVALID_HANDLE)),
            Self::Accepting(_) => Role::Acceptor,
            Self::Completing(_) | Self::Initiating(_) => Role::Initiator,
        };
        if role == call.role { Ok(()) } else { Err(Halt::Keep(SecurityStatus::INVALID_HANDLE)) }
    }
}

impl Halt {
    fn status(&self) -> SecurityStatus {
        match self {
            Self::Fail { status, .. } | Self::Forbidden { status, .. } | Self::Keep(status) => *status,
        }
    }

    fn refusal(self, room: usize) -> Refusal {
        let status = self.status();
        let token = match self {
            Self::Fail { tell, .. } => tell,
            Self::Forbidden { .. } | Self::Keep(_) => None,
        };
        Refusal { status, token: token.filter(|token| token.len() <= room) }
    }
}

/// Whether the bindings of both sides fit, as far as the acceptor cares.
///
/// | the acceptor has | the initiator sent | |
/// | --- | --- | --- |
/// | some | the same | good |
/// | some | others | bad |
/// | some | none | bad, unless `ALLOW_MISSING_BINDINGS` |
/// | none | any | good |
/// | none | none | good, unless `PROXY_BINDINGS`, which wants some whatever they are |
pub(super) fn check_bindings(
    own: Option<&Digest>,
    sent: Option<&Digest>,
    flags: ContextFlags,
) -> Result<(), SecurityStatus> {
    let good = match (own, sent) {
        (Some(own), Some(sent)) => own == sent,
        (Some(_), None) => flags.contains(ContextFlags::ALLOW_MISSING_BINDINGS),
        (None, Some(_)) => true,
        (None, None) => !flags.contains(ContextFlags::PROXY_BINDINGS),
    };
    if good { Ok(()) } else { Err(SecurityStatus::BAD_BINDINGS) }
}
