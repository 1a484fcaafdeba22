//! Calls that break the rules of their pages (clause Q3). Each rule is a row of `fixtures/misuse.toml`.
//!
//! The journal alone says it, by the order of its events: what this instance gave out, took back, and refused later. What it didn't give
//! out is unknown, and the judge accuses no program for that: a handle of another process, garbage, an all-zero handle.

use std::collections::HashMap;

use sspcache_engine::{Effect, Event, EventKind, Operation, SecurityStatus};

use super::{
    Moment,
    finding::{Back, Finding, FindingKind, Rule, Standing, What},
    leaks::{Circumstances, Resolve},
    suppressions::{Subject, Suppressions},
};
use crate::places::{Images, Place};

/// What one journal says of calls that were refused.
#[derive(Default)]
pub(super) struct Calls {
    credential_handles: HashMap<usize, Life>,
    contexts: HashMap<usize, Life>,
    memory: HashMap<u64, Life>,
    /// Whether a handle may have come into the place of one that was freed: since then an acquire or a first step failed, and no page
    /// says what is in that place.
    failed_acquire: u64,
    failed_first_step: u64,
    broken: Vec<Broken>,
}

/// Something that was given out.
#[derive(Clone)]
struct Life {
    what: What,
    package: String,
    principal: String,
    given_out: Moment,
    given_back: Option<(Moment, Vec<Place>)>,
    /// Of a context: whether a call said that its handshake failed.
    has_failed: bool,
    /// Of a context: exporting may have deleted it.
    is_exported: bool,
}

/// A call that broke a rule.
struct Broken {
    rule: Rule,
    life: Life,
    memory: Option<u64>,
    operation: Operation,
    at: Moment,
    stack: Vec<Place>,
}

/// Calls about which all of this is the same are one finding.
#[derive(Eq, Hash, PartialEq)]
struct Alike {
    rule: Rule,
    operation: Operation,
    what: What,
    package: String,
    principal: String,
    stack: Vec<Place>,
    given_back: Vec<Place>,
}

impl Calls {
    /// Takes an event in. `images` has the files that the journal named so far.
    pub(super) fn step(&mut self, event: &Event, at: Moment, images: &Images) {
        match &event.kind {
            EventKind::Acquired { handle, package, principal, .. } => {
                self.credential_handles
                    .insert(*handle, Life::new(What::CredentialHandle, package, principal, at));
            }
            EventKind::Freed { handle } => {
                let stack = images.stack(event);
                give_back(self.credential_handles.get_mut(handle), at, stack);
            }
            EventKind::ContextStarted { context, package, principal, .. }
            | EventKind::ContextImported { context, package, principal, .. } => {
                self.contexts.insert(*context, Life::new(What::Context, package, principal, at));
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
            EventKind::ContextDeleted { context } => {
                let stack = images.stack(event);
                give_back(self.contexts.get_mut(context), at, stack);
            }
            EventKind::Allocated { memory, holds, package, .. } => {
                self.memory.insert(*memory, Life::new(What::of(*holds), package, "", at));
            }
            EventKind::MemoryFreed { memory } => {
                let stack = images.stack(event);
                give_back(self.memory.get_mut(memory), at, stack);
            }
            // What it gives out from here on has handles of its own.
            EventKind::Ended { .. } => {
                self.credential_handles.clear();
                self.contexts.clear();
            }
            EventKind::Faulted { operation, effect } if *effect != Effect::Delay => {
                self.gave_nothing(*operation, None, at);
            }
            EventKind::Refused { operation, status, handle, context, memory, .. } => {
                let (operation, stack) = (*operation, images.stack(event));
                let broken = match (handle, context, memory) {
                    _ if *status != SecurityStatus::INVALID_HANDLE => None,
                    (_, Some(context), _) => self.for_context(*context, operation),
                    (Some(handle), ..) => self.for_credential_handle(*handle, operation),
                    (.., Some(memory)) => self.for_memory(*memory, operation),
                    _ => None,
                };
                if let Some((rule, life)) = broken {
                    let (life, memory) = (life.clone(), *memory);
                    self.broken.push(Broken { rule, life, memory, operation, at, stack });
                }
                self.gave_nothing(operation, *context, at);
            }
            _ => {}
        }
    }

    /// Takes note of a call that gives out a handle when it succeeds, and failed.
    fn gave_nothing(&mut self, operation: Operation, context: Option<usize>, at: Moment) {
        match operation {
            Operation::AcquireCredentialsHandle => self.failed_acquire = at.event,
            Operation::AcceptSecurityContext
            | Operation::ImportSecurityContext
            | Operation::InitializeSecurityContext
                if context.is_none() =>
            {
                self.failed_first_step = at.event;
            }
            _ => {}
        }
    }

    fn for_credential_handle(&self, handle: usize, operation: Operation) -> Option<(Rule, &Life)> {
        let Some(life) = self.credential_handles.get(&handle) else {
            return self.contexts.get(&handle).map(|life| (Rule::WrongKind, life));
        };
        if life.given_back.as_ref()?.0.event < self.failed_acquire {
            return None;
        }
        let is_free = operation == Operation::FreeCredentialsHandle;
        let rule = if is_free { Rule::FreedTwice } else { Rule::UsedAfterFreeing };
        Some((rule, life))
    }

    fn for_context(&self, context: usize, operation: Operation) -> Option<(Rule, &Life)> {
        let Some(life) = self.contexts.get(&context) else {
            return self.credential_handles.get(&context).map(|life| (Rule::WrongKind, life));
        };
        let Some((deleted, _)) = &life.given_back else {
            let is_step =
                matches!(operation, Operation::AcceptSecurityContext | Operation::InitializeSecurityContext);
            return (is_step && life.has_failed).then_some((Rule::StepOnFailedContext, life));
        };
        // Deleting a context again succeeds, by its page.
        let is_allowed = operation == Operation::DeleteSecurityContext;
        if is_allowed || life.is_exported || deleted.event < self.failed_first_step {
            return None;
        }
        Some((Rule::UsedAfterFreeing, life))
    }

    fn for_memory(&self, memory: u64, operation: Operation) -> Option<(Rule, &Life)> {
        let life = self.memory.get(&memory)?;
        // The event that it was freed by may follow, where another thread did that. Without one, `close` drops the call.
        if life.given_back.is_some() || life.what.is_given_back_by(operation) {
            return Some((Rule::FreedTwice, life));
        }
        // Of SspiLocalFree no page says what it doesn't free.
        let is_named = operation != Operation::SspiLocalFree;
        is_named.then_some((Rule::WrongFunction, life))
    }

    /// Whether memory was given out and not given back.
    pub(super) fn has_memory(&self) -> bool {
        self.memory.values().any(|life| life.given_back.is_none())
    }

    /// The calls that broke a rule, alike ones joined. `may_be_others` says of memory that it may have been given out by an instance
    /// before, at the same address.
    pub(super) fn close(
        self,
        circumstances: &Circumstances<'_>,
        may_be_others: bool,
        suppressions: &mut Suppressions,
        resolve: &mut Resolve<'_>,
    ) -> Vec<Finding> {
        let mut findings: Vec<Finding> = Vec::new();
        let mut known: HashMap<Alike, usize> = HashMap::new();
        for Broken { rule, life, memory, operation, at, stack } in self.broken {
            if circumstances.system_may_free(life.what) {
                continue;
            }
            let later = || memory.and_then(|memory| self.memory.get(&memory)?.given_back.clone());
            let given_back = life.given_back.clone().or_else(later);
            if rule == Rule::FreedTwice && given_back.is_none() {
                continue;
            }
            let alike = Alike {
                rule,
                operation,
                what: life.what,
                package: life.package.clone(),
                principal: life.principal.clone(),
                stack,
                given_back: given_back.iter().flat_map(|(_, stack)| stack).cloned().collect(),
            };
            let place = *known.entry(alike).or_insert_with_key(|alike| {
                let stack = resolve(&alike.stack);
                let given_back = given_back.map(|(moment, stack)| Back { moment, stack: resolve(&stack) });
                let doubted = may_be_others && memory.is_some();
                let standing = standing(rule, &stack, doubted, circumstances, suppressions);
                findings.push(Finding {
                    rule: Some(rule),
                    function: Some(operation.name()),
                    package: life.package,
                    principal: life.principal,
                    given_out: Some(life.given_out),
                    given_back,
                    standing,
                    stack,
                    advice: rule.advice(life.what),
                    reference: rule.reference(life.what),
                    ..circumstances.finding(FindingKind::Misuse, life.what, at)
                });
                findings.len() - 1
            });
            findings[place].count += 1;
        }
        findings
    }
}

fn standing(
    rule: Rule,
    stack: &[Place],
    may_be_others: bool,
    circumstances: &Circumstances<'_>,
    suppressions: &mut Suppressions,
) -> Standing {
    if may_be_others {
        let why = "an SSP that ended before may have given out memory at the same address".to_owned();
        return Standing::NotJudged { why };
    }
    if let Some(why) = circumstances.doubt {
        return Standing::Unknown { why: why.to_owned() };
    }
    let subject = Subject { kind: rule.into(), process: circumstances.process, stack };
    suppressions.reason(&subject).map_or(Standing::Misused, |why| Standing::Suppressed { why })
}

fn give_back(life: Option<&mut Life>, at: Moment, stack: Vec<Place>) {
    if let Some(life) = life {
        life.given_back.get_or_insert((at, stack));
    }
}

impl Life {
    fn new(what: What, package: &str, principal: &str, given_out: Moment) -> Self {
        Self {
            what,
            package: package.to_owned(),
            principal: principal.to_owned(),
            given_out,
            given_back: None,
            has_failed: false,
            is_exported: false,
        }
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// Q3: `tests/cli/misuse.rs` finds what each row of the table says, so no row has a rule that isn't one here.
    #[test]
    fn every_rule_is_a_row_of_the_table_and_every_row_a_rule() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/misuse.toml");
        let table: toml::Table = toml::from_str(&fs::read_to_string(table).unwrap()).unwrap();
        let rows = table["row"].as_array().unwrap();
        let in_table: BTreeSet<_> = rows.iter().filter_map(|row| row.get("rule")?.as_str()).collect();
        assert_eq!(in_table, Rule::ALL.iter().map(|rule| rule.name()).collect());
    }
}
