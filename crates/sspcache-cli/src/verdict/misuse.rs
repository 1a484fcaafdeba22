//! Calls that break the rules of their pages (clause Q3). Each rule is a row of `fixtures/misuse.toml`.
//!
//! The journal alone says it, by the order of its events. The rules for handles are the engine's, which the mock in Rust has, too; those
//! for memory are here.

use std::collections::HashMap;

use sspcache_engine::{
    Event, EventKind, Operation, SecurityStatus,
    misuse::{HandleCall, HandleCalls, HandleRule},
};

use super::{
    Moment,
    finding::{Back, Broken as BrokenRule, Finding, FindingKind, Standing, What},
    finding_text::moment,
    leaks::{Circumstances, Resolve},
    rule::Rule,
    suppressions::{Subject, Suppressions},
};
use crate::places::{Images, Place};

/// What one journal says of calls that were refused.
#[derive(Default)]
pub(super) struct Calls {
    handles: HandleCalls,
    /// The credential handles and contexts, by the numbers of the events that gave them out. Of what AcquireCredentialsHandle didn't
    /// give, the number is that of its failure.
    lives: HashMap<u64, Life>,
    memory: HashMap<u64, Life>,
    broken: Vec<Broken>,
    has_ended: bool,
}

/// Something that was given out.
#[derive(Clone)]
struct Life {
    what: What,
    package: String,
    principal: String,
    given_out: Moment,
    given_back: Option<(Moment, Vec<Place>)>,
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
        for call in self.handles.step(event) {
            match call {
                HandleCall::GivenBack { given_out } => {
                    give_back(self.lives.get_mut(&given_out), at, images.stack(event));
                }
                HandleCall::Broke { rule, given_out, .. } => {
                    if let Some(life) = self.lives.get(&given_out) {
                        self.broke(rule.into(), life.clone(), event, at, images);
                    }
                }
                HandleCall::MadeAgain { call } => {
                    self.broken.retain(|broken| broken.rule != Rule::ShortBuffer || broken.at.event != call);
                }
            }
        }
        match &event.kind {
            EventKind::Acquired { package, principal, .. }
            | EventKind::Refused {
                operation: Operation::AcquireCredentialsHandle, package, principal, ..
            } => {
                self.lives.insert(event.seq, Life::new(What::CredentialHandle, package, principal, at));
            }
            EventKind::ContextStarted { package, principal, .. }
            | EventKind::ContextImported { package, principal, .. } => {
                self.lives.insert(event.seq, Life::new(What::Context, package, principal, at));
            }
            EventKind::Allocated { memory, holds, package, .. } => {
                self.memory.insert(*memory, Life::new(What::of(*holds), package, "", at));
            }
            EventKind::MemoryFreed { memory } => {
                let stack = images.stack(event);
                give_back(self.memory.get_mut(memory), at, stack);
            }
            EventKind::Ended { .. } => self.has_ended = true,
            EventKind::Faulted { operation: Operation::AcquireCredentialsHandle, .. } => {
                self.lives.insert(event.seq, Life::new(What::CredentialHandle, "", "", at));
            }
            EventKind::Refused { operation, status, memory: Some(memory), .. }
                if *status == SecurityStatus::INVALID_HANDLE =>
            {
                if let Some((rule, life)) = self.for_memory(*memory, *operation) {
                    self.broke(rule, life.clone(), event, at, images);
                }
            }
            _ => {}
        }
    }

    /// Takes note of a call that was refused, and broke a rule.
    fn broke(&mut self, rule: Rule, life: Life, event: &Event, at: Moment, images: &Images) {
        let EventKind::Refused { operation, memory, .. } = event.kind else { return };
        self.broken.push(Broken { rule, life, memory, operation, at, stack: images.stack(event) });
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
            // Until its end a process may make a step again.
            if rule == Rule::ShortBuffer && !self.has_ended {
                continue;
            }
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
                let detail = match rule {
                    Rule::UsedAfterFailing => {
                        format!("AcquireCredentialsHandle had failed {}", moment(&life.given_out))
                    }
                    _ => String::new(),
                };
                findings.push(Finding {
                    rule: Some(BrokenRule::Misuse(rule)),
                    function: Some(operation.name()),
                    package: life.package,
                    principal: life.principal,
                    given_out: (rule != Rule::UsedAfterFailing).then_some(life.given_out),
                    detail,
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

impl From<HandleRule> for Rule {
    fn from(rule: HandleRule) -> Self {
        match rule {
            HandleRule::FreedTwice => Self::FreedTwice,
            HandleRule::NotCompleted => Self::NotCompleted,
            HandleRule::NotGranted => Self::NotGranted,
            HandleRule::ShortBuffer => Self::ShortBuffer,
            HandleRule::StepOnFailedContext => Self::StepOnFailedContext,
            HandleRule::UsedAfterFailing => Self::UsedAfterFailing,
            HandleRule::UsedAfterFreeing => Self::UsedAfterFreeing,
            HandleRule::UsedHalfOpen => Self::UsedHalfOpen,
            HandleRule::WrongKind => Self::WrongKind,
        }
    }
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
