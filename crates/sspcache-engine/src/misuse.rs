//! Refused calls for credential handles and contexts that break the rules of their pages (clause Q3): what a verdict over a journal and
//! an expectation of a test have in common.
//!
//! The order of an instance's events says it all: what it gave out, took back, and refused later. What it didn't give out is unknown,
//! and no program is accused for that: a handle of another process, garbage, an all-zero handle.

use std::collections::HashMap;

use crate::{Effect, Event, EventKind, Operation, SecurityStatus};

/// What one instance's events say of its handles.
#[derive(Debug, Default)]
pub struct HandleCalls {
    credential_handles: HashMap<usize, Life>,
    contexts: HashMap<usize, Life>,
    /// Whether a handle may have come into the place of one that was freed: since then an acquire or a first step failed, and no page
    /// says what is in that place.
    failed_acquire: u64,
    failed_first_step: u64,
}

/// A handle that was given out. Events are named by their numbers.
#[derive(Debug)]
struct Life {
    given_out: u64,
    given_back: Option<u64>,
    /// Of a context: whether a call said that its handshake failed.
    has_failed: bool,
    /// Of a context: exporting may have deleted it.
    is_exported: bool,
}

/// What an event is to a handle that was given out with an earlier one.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandleCall {
    /// It was given back.
    GivenBack {
        /// The number of the event that gave it out.
        given_out: u64,
    },
    /// A call for it broke a rule.
    Broke {
        /// The rule.
        rule: HandleRule,
        /// The number of the event that gave it out.
        given_out: u64,
        /// The number of the event that it was given back with, if it was.
        given_back: Option<u64>,
    },
}

/// A rule that a call for a handle can break. Each is a row of `fixtures/misuse.toml`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum HandleRule {
    /// A credential handle is freed once.
    FreedTwice,
    /// A context whose handshake failed can only be deleted.
    StepOnFailedContext,
    /// No handle is used once it was given back.
    UsedAfterFreeing,
    /// A credential handle is no context handle.
    WrongKind,
}

impl HandleCalls {
    /// Takes the next event in.
    pub fn step(&mut self, event: &Event) -> Option<HandleCall> {
        let seq = event.seq;
        match &event.kind {
            EventKind::Acquired { handle, .. } => {
                self.credential_handles.insert(*handle, Life::new(seq));
            }
            EventKind::Freed { handle } => return give_back(self.credential_handles.get_mut(handle), seq),
            EventKind::ContextStarted { context, .. } | EventKind::ContextImported { context, .. } => {
                self.contexts.insert(*context, Life::new(seq));
            }
            EventKind::ContextExported { context } => {
                if let Some(life) = self.contexts.get_mut(context) {
                    life.is_exported = true;
                }
            }
            // A handshake that took too long fails without a call that says so.
            EventKind::ContextFailed { context, status } if *status != SecurityStatus::CONTEXT_EXPIRED => {
                if let Some(life) = self.contexts.get_mut(context) {
                    life.has_failed = true;
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
            EventKind::Refused { operation, status, handle, context, .. } => {
                let broken = match (handle, context) {
                    _ if *status != SecurityStatus::INVALID_HANDLE => None,
                    (_, Some(context)) => self.for_context(*context, *operation),
                    (Some(handle), None) => self.for_credential_handle(*handle, *operation),
                    (None, None) => None,
                };
                let broke = broken.map(|(rule, life)| HandleCall::Broke {
                    rule,
                    given_out: life.given_out,
                    given_back: life.given_back,
                });
                self.gave_nothing(*operation, *context, seq);
                return broke;
            }
            _ => {}
        }
        None
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

    fn for_credential_handle(&self, handle: usize, operation: Operation) -> Option<(HandleRule, &Life)> {
        let Some(life) = self.credential_handles.get(&handle) else {
            return self.contexts.get(&handle).map(|life| (HandleRule::WrongKind, life));
        };
        if life.given_back? < self.failed_acquire {
            return None;
        }
        let is_free = operation == Operation::FreeCredentialsHandle;
        Some((if is_free { HandleRule::FreedTwice } else { HandleRule::UsedAfterFreeing }, life))
    }

    fn for_context(&self, context: usize, operation: Operation) -> Option<(HandleRule, &Life)> {
        let Some(life) = self.contexts.get(&context) else {
            return self.credential_handles.get(&context).map(|life| (HandleRule::WrongKind, life));
        };
        let Some(deleted) = life.given_back else {
            let is_step =
                matches!(operation, Operation::AcceptSecurityContext | Operation::InitializeSecurityContext);
            return (is_step && life.has_failed).then_some((HandleRule::StepOnFailedContext, life));
        };
        // Deleting a context again succeeds, by its page.
        let is_allowed = operation == Operation::DeleteSecurityContext;
        if is_allowed || life.is_exported || deleted < self.failed_first_step {
            return None;
        }
        Some((HandleRule::UsedAfterFreeing, life))
    }
}

impl Life {
    fn new(given_out: u64) -> Self {
        Self { given_out, given_back: None, has_failed: false, is_exported: false }
    }
}

fn give_back(life: Option<&mut Life>, seq: u64) -> Option<HandleCall> {
    let life = life?;
    life.given_back.get_or_insert(seq);
    Some(HandleCall::GivenBack { given_out: life.given_out })
}
