//! Calls for credential handles and contexts that break the rules of their pages (clause Q3): what a verdict over a journal and an
//! expectation of a test have in common.
//!
//! The order of an instance's events says it all: what it gave out, took back, and refused later. What it didn't give out is unknown,
//! and no program is accused for that: a handle of another process, garbage, an all-zero handle that is freed.

mod life;

use std::collections::HashMap;

use sspcache_types::ContextFlags;

use self::life::{Life, is_step};
use crate::{Effect, Event, EventKind, Operation, SecurityStatus};

/// What one instance's events say of its handles.
#[derive(Debug, Default)]
pub struct HandleCalls {
    credential_handles: HashMap<usize, Life>,
    contexts: HashMap<usize, Life>,
    /// Whether a handle may have come into the place of one that was freed: since then an acquire or a first step failed, and no page
    /// says what is in that place. Numbers of events; zero is none's.
    failed_acquire: u64,
    failed_first_step: u64,
    /// First steps whose tokens had no room.
    short: Vec<Short>,
}

/// A first step whose token had no room, and what its credential handle is for.
#[derive(Debug)]
struct Short {
    call: u64,
    handle: usize,
    package: String,
    principal: String,
}

/// What an event says of a handle. Events are named by their numbers.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandleCall {
    /// It was given back.
    GivenBack {
        /// The event that gave it out.
        given_out: u64,
    },
    /// A call for it broke a rule.
    Broke {
        /// The rule.
        rule: HandleRule,
        /// The event that gave it out; of a handle that none gave out, the acquire that failed.
        given_out: u64,
        /// The event that it was given back with, if it was.
        given_back: Option<u64>,
    },
    /// A call that broke [`HandleRule::ShortBuffer`] was made again, with more room: it broke nothing.
    MadeAgain {
        /// The event of that call.
        call: u64,
    },
}

/// A rule that a call for a handle can break. Each is a row of `fixtures/misuse.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandleRule {
    /// A credential handle is freed once.
    FreedTwice,
    /// A token that is to be completed is completed first.
    NotCompleted,
    /// What was asked for is used when it was granted.
    NotGranted,
    /// A token's buffer has room for the longest token, or the step is made again. The instance's end decides that.
    ShortBuffer,
    /// A context whose handshake failed can only be deleted.
    StepOnFailedContext,
    /// A handle that AcquireCredentialsHandle didn't give isn't used.
    UsedAfterFailing,
    /// No handle is used once it was given back.
    UsedAfterFreeing,
    /// Messages are protected by a context whose handshake is done.
    UsedHalfOpen,
    /// A credential handle is no context handle.
    WrongKind,
}

impl HandleCalls {
    /// Takes the next event in.
    pub fn step(&mut self, event: &Event) -> Vec<HandleCall> {
        let seq = event.seq;
        match &event.kind {
            EventKind::Acquired { handle, package, principal, .. } => {
                self.credential_handles.insert(*handle, Life::new(seq, package, principal));
            }
            EventKind::Freed { handle } => return give_back(self.credential_handles.get_mut(handle), seq),
            EventKind::ContextStarted { context, package, principal, role, asked, handle, .. } => {
                let asked = ContextFlags::from_wire(*role, asked.unwrap_or_default());
                self.contexts.insert(*context, Life::new(seq, package, principal).begun(*role, asked));
                return handle.map_or_else(Vec::new, |handle| self.made_again(handle));
            }
            EventKind::ContextImported { context, package, principal, .. } => {
                self.contexts.insert(*context, Life::new(seq, package, principal).imported());
            }
            EventKind::ContextEstablished { context, .. }
            | EventKind::ContextToComplete { context }
            | EventKind::ContextCompleted { context }
            | EventKind::ContextExported { context }
            | EventKind::ContextFailed { context, .. } => {
                if let Some(life) = self.contexts.get_mut(context) {
                    life.goes_on(&event.kind);
                }
            }
            EventKind::ContextDeleted { context } => return give_back(self.contexts.get_mut(context), seq),
            // What it gives out from here on has handles of its own.
            EventKind::Ended { .. } => {
                self.credential_handles.clear();
                self.contexts.clear();
            }
            EventKind::Faulted { operation, effect } if *effect != Effect::Delay => {
                self.gave_nothing(*operation, None, seq);
            }
            EventKind::Refused { operation, status, handle, context, short, .. } => {
                let broken = match (handle, context) {
                    (_, Some(context)) => self.for_context(*context, *operation, *status),
                    (Some(handle), None) if *short => self.for_short_buffer(*handle, seq),
                    _ if *status != SecurityStatus::INVALID_HANDLE => None,
                    (Some(handle), None) => self.for_credential_handle(*handle, *operation),
                    (None, None) => None,
                };
                self.gave_nothing(*operation, *context, seq);
                return Vec::from_iter(broken);
            }
            _ => {}
        }
        Vec::new()
    }

    /// Takes note of a call that gives out a handle when it succeeds, and failed.
    fn gave_nothing(&mut self, operation: Operation, context: Option<usize>, seq: u64) {
        match operation {
            Operation::AcquireCredentialsHandle => self.failed_acquire = seq,
            Operation::AcceptSecurityContext
            | Operation::ImportSecurityContext
            | Operation::InitializeSecurityContext
                if context.is_none() =>
            {
                self.failed_first_step = seq;
            }
            _ => {}
        }
    }

    /// A first step had room for its token: the buffer has grown since, with this handle or with a later one for the same.
    fn made_again(&mut self, handle: usize) -> Vec<HandleCall> {
        let Some(with) = self.credential_handles.get(&handle) else { return Vec::new() };
        let is_again = |short: &mut Short| {
            let is_for_the_same = (&short.package, &short.principal) == (&with.package, &with.principal);
            short.handle == handle || (with.given_out > short.call && is_for_the_same)
        };
        self.short.extract_if(.., is_again).map(|short| HandleCall::MadeAgain { call: short.call }).collect()
    }

    fn for_short_buffer(&mut self, handle: usize, call: u64) -> Option<HandleCall> {
        let life = self.credential_handles.get(&handle)?;
        let (package, principal) = (life.package.clone(), life.principal.clone());
        self.short.push(Short { call, handle, package, principal });
        Some(life.broke(HandleRule::ShortBuffer))
    }

    fn for_credential_handle(&self, handle: usize, operation: Operation) -> Option<HandleCall> {
        // A handle that no SSP gives out, as a program sets its own place to.
        if [0, u32::MAX as usize, usize::MAX].contains(&handle) {
            let is_used = is_step(operation) && self.failed_acquire > 0;
            let given_out = self.failed_acquire;
            let broke = HandleCall::Broke { rule: HandleRule::UsedAfterFailing, given_out, given_back: None };
            return is_used.then_some(broke);
        }
        let Some(life) = self.credential_handles.get(&handle) else {
            return self.contexts.get(&handle).map(|life| life.broke(HandleRule::WrongKind));
        };
        if life.given_back? < self.failed_acquire {
            return None;
        }
        let is_free = operation == Operation::FreeCredentialsHandle;
        Some(life.broke(if is_free { HandleRule::FreedTwice } else { HandleRule::UsedAfterFreeing }))
    }

    fn for_context(
        &mut self,
        context: usize,
        operation: Operation,
        status: SecurityStatus,
    ) -> Option<HandleCall> {
        let is_invalid = status == SecurityStatus::INVALID_HANDLE;
        let Some(life) = self.contexts.get_mut(&context) else {
            let life = self.credential_handles.get(&context).filter(|_| is_invalid);
            return life.map(|life| life.broke(HandleRule::WrongKind));
        };
        let Some(deleted) = life.given_back else {
            let rule = life.rule_broken_by(operation, status)?;
            return Some(life.broke(rule));
        };
        // Deleting a context again succeeds, by its page.
        let is_allowed = !is_invalid || operation == Operation::DeleteSecurityContext;
        if is_allowed || life.is_exported || deleted < self.failed_first_step {
            return None;
        }
        Some(life.broke(HandleRule::UsedAfterFreeing))
    }
}

fn give_back(life: Option<&mut Life>, seq: u64) -> Vec<HandleCall> {
    let Some(life) = life else { return Vec::new() };
    life.given_back.get_or_insert(seq);
    vec![HandleCall::GivenBack { given_out: life.given_out }]
}
