//! What an SSP gave out and was not given back (clause Q2): credential handles, contexts, memory.

use std::collections::{BTreeMap, HashMap};

use serde::Serialize;
use sspcache_engine::{Effect, Event, EventKind, Operation, Source};

use super::{
    LeftWhen, Moment, Process,
    finding::{Finding, FindingKind, Stage, Standing, What},
    suppressions::{Subject, Suppressions},
};
use crate::places::{Images, Place};

/// What became of the things of one kind that were given out. `given_out` is the sum of the others.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq, Serialize)]
pub(crate) struct Totals {
    pub(crate) given_out: usize,
    pub(crate) given_back: usize,
    pub(crate) leaked: usize,
    /// Not given back, and a suppression says why that is no fault of the program.
    pub(crate) suppressed: usize,
    /// Not given back, as far as the journals tell, which is not enough to accuse the program.
    pub(crate) not_judged: usize,
}

impl Totals {
    pub(crate) fn add(&mut self, other: &Self) {
        self.given_out += other.given_out;
        self.given_back += other.given_back;
        self.leaked += other.leaked;
        self.suppressed += other.suppressed;
        self.not_judged += other.not_judged;
    }
}

/// The totals of each kind of which anything was given out.
pub(crate) type ByKind = BTreeMap<What, Totals>;

/// Finds the functions of a stack, as far as they can be found: called once for what is alike, before suppressions are looked for.
pub(crate) type Resolve<'r> = dyn FnMut(&[Place]) -> Vec<Place> + 'r;

/// What one journal says was given out and given back.
#[derive(Default)]
pub(super) struct Account {
    things: Vec<Thing>,
    credential_handles: BTreeMap<usize, usize>,
    contexts: BTreeMap<usize, usize>,
    memory: BTreeMap<u64, usize>,
    /// The places of each stack.
    stacks: HashMap<Frames, Vec<Place>>,
    /// The functions that give back, and that an injected fault kept from it.
    faulted: Vec<Operation>,
}

/// The image and the offset of each frame.
type Frames = Vec<(u32, u64)>;

/// Something that was given out.
struct Thing {
    about: About,
    bytes: u64,
    since: Moment,
    is_given_back: bool,
}

/// Things about which all of this is the same are one finding.
#[derive(Clone, Eq, Hash, PartialEq)]
struct About {
    what: What,
    stage: Option<Stage>,
    source: Option<Origin>,
    package: String,
    principal: String,
    stack: Frames,
}

/// What a credential handle was acquired with.
#[derive(Clone, Copy, Eq, Hash, PartialEq)]
enum Origin {
    Explicit,
    Inbound,
    Other,
}

/// What is known of the process and the instance whose account this is.
pub(super) struct Circumstances<'c> {
    pub(super) process: &'c Process,
    pub(super) module: &'c str,
    pub(super) is_windows: bool,
    pub(super) when: LeftWhen,
    /// Why the journals don't show whether the rest was leaked.
    pub(super) doubt: Option<&'static str>,
}

impl Circumstances<'_> {
    /// Whether the system's own secur32.dll is in between, which may free such memory without asking the SSP (observed under Wine 8, by
    /// HeapFree).
    pub(super) fn system_may_free(&self, what: What) -> bool {
        self.is_windows && what.is_context_buffer() && !self.module.eq_ignore_ascii_case("secur32.dll")
    }

    /// A finding in this process, of which nothing else is known yet.
    pub(super) fn finding(&self, kind: FindingKind, what: What, since: Moment) -> Finding {
        let Self { process, module, .. } = self;
        let standing = match kind {
            FindingKind::Leak => Standing::Leaked,
            FindingKind::Misuse => Standing::Misused,
            FindingKind::Policy => Standing::AgainstPolicy,
        };
        Finding {
            kind,
            rule: None,
            function: None,
            what,
            stage: None,
            holds_secret: false,
            is_inbound: false,
            count: 0,
            bytes: 0,
            pid: process.pid,
            program: process.program.clone(),
            passed_on: process.passed_on,
            process: process.name(),
            module: (*module).to_owned(),
            package: String::new(),
            principal: String::new(),
            detail: String::new(),
            since,
            when: None,
            given_out: None,
            given_back: None,
            standing,
            stack: Vec::new(),
            advice: what.advice(),
            reference: what.reference(),
        }
    }
}

impl Account {
    /// Takes an event in. `images` has the files that the journal named so far.
    pub(super) fn step(&mut self, event: &Event, since: Moment, images: &Images) {
        match &event.kind {
            EventKind::Faulted { operation, effect } if *effect != Effect::Delay => {
                self.faulted.push(*operation);
            }
            EventKind::Acquired { handle, package, principal, source, .. } => {
                let about = About {
                    source: Some(match source {
                        Source::Explicit => Origin::Explicit,
                        Source::Inbound => Origin::Inbound,
                        _ => Origin::Other,
                    }),
                    ..self.about(What::CredentialHandle, package, principal, event, images)
                };
                let place = self.give_out(about, 0, since);
                self.credential_handles.insert(*handle, place);
            }
            EventKind::Freed { handle } => {
                let place = self.credential_handles.remove(handle);
                self.give_back(place);
            }
            EventKind::ContextStarted { context, package, principal, .. } => {
                let about = self.about(What::Context, package, principal, event, images);
                self.open(*context, About { stage: Some(Stage::HalfOpen), ..about }, since);
            }
            EventKind::ContextImported { context, package, principal, .. } => {
                let about = self.about(What::Context, package, principal, event, images);
                self.open(*context, About { stage: Some(Stage::Established), ..about }, since);
            }
            EventKind::ContextEstablished { context, package, principal, .. } => {
                if let Some(about) = self.open_context(*context) {
                    about.stage = Some(Stage::Established);
                    about.package.clone_from(package);
                    about.principal.clone_from(principal);
                }
            }
            EventKind::ContextFailed { context, .. } => {
                if let Some(about) = self.open_context(*context) {
                    about.stage = Some(Stage::Failed);
                }
            }
            EventKind::ContextDeleted { context } => {
                let place = self.contexts.remove(context);
                self.give_back(place);
            }
            EventKind::Allocated { memory, holds, size, package } => {
                let about = self.about(What::of(*holds), package, "", event, images);
                let place = self.give_out(about, *size, since);
                self.memory.insert(*memory, place);
            }
            EventKind::MemoryFreed { memory } => {
                let place = self.memory.remove(memory);
                self.give_back(place);
            }
            _ => {}
        }
    }

    /// What was not given back, alike ones joined, and the totals of everything.
    pub(super) fn close(
        self,
        circumstances: &Circumstances<'_>,
        suppressions: &mut Suppressions,
        resolve: &mut Resolve<'_>,
    ) -> (Vec<Finding>, ByKind) {
        let mut totals = ByKind::new();
        let mut findings: Vec<Finding> = Vec::new();
        let mut known: HashMap<About, usize> = HashMap::new();
        for thing in self.things {
            let total = totals.entry(thing.about.what).or_default();
            total.given_out += 1;
            if thing.is_given_back {
                total.given_back += 1;
                continue;
            }
            let place = *known.entry(thing.about).or_insert_with_key(|about| {
                let stack = self.stacks.get(&about.stack).map(|stack| resolve(stack)).unwrap_or_default();
                let standing = standing(about.what, &stack, &self.faulted, circumstances, suppressions);
                findings.push(Finding { standing, stack, ..finding(about, thing.since, circumstances) });
                findings.len() - 1
            });
            let finding = &mut findings[place];
            finding.count += 1;
            finding.bytes += thing.bytes;
            match finding.standing {
                Standing::AgainstPolicy | Standing::Leaked | Standing::Misused => total.leaked += 1,
                Standing::Suppressed { .. } => total.suppressed += 1,
                Standing::NotJudged { .. } | Standing::Unknown { .. } => total.not_judged += 1,
            }
        }
        (findings, totals)
    }

    fn about(&mut self, what: What, package: &str, principal: &str, event: &Event, images: &Images) -> About {
        let stack: Frames = event.stack.iter().map(|frame| (frame.image, frame.offset)).collect();
        if !self.stacks.contains_key(&stack) {
            self.stacks.insert(stack.clone(), images.stack(event));
        }
        About {
            what,
            stage: None,
            source: None,
            package: package.to_owned(),
            principal: principal.to_owned(),
            stack,
        }
    }

    fn open(&mut self, context: usize, about: About, since: Moment) {
        let place = self.give_out(about, 0, since);
        self.contexts.insert(context, place);
    }

    fn open_context(&mut self, context: usize) -> Option<&mut About> {
        let place = self.contexts.get(&context)?;
        Some(&mut self.things[*place].about)
    }

    fn give_out(&mut self, about: About, bytes: u64, since: Moment) -> usize {
        self.things.push(Thing { about, bytes, since, is_given_back: false });
        self.things.len() - 1
    }

    /// What isn't known was given out to another process: a child is handed its parent's handles and memory.
    fn give_back(&mut self, place: Option<usize>) {
        if let Some(place) = place {
            self.things[place].is_given_back = true;
        }
    }
}

/// What is said of things of which the first is there since then. Their number is counted later.
fn finding(about: &About, since: Moment, circumstances: &Circumstances<'_>) -> Finding {
    Finding {
        stage: about.stage,
        holds_secret: about.source == Some(Origin::Explicit),
        is_inbound: about.source == Some(Origin::Inbound),
        package: about.package.clone(),
        principal: about.principal.clone(),
        when: Some(circumstances.when),
        ..circumstances.finding(FindingKind::Leak, about.what, since)
    }
}

fn standing(
    what: What,
    stack: &[Place],
    faulted: &[Operation],
    circumstances: &Circumstances<'_>,
    suppressions: &mut Suppressions,
) -> Standing {
    let Circumstances { process, module, when, doubt, .. } = *circumstances;
    if circumstances.system_may_free(what) {
        let why = format!("the system's secur32.dll may free buffers of {module} without asking it");
        return Standing::NotJudged { why };
    }
    if let Some(operation) = faulted.iter().find(|&&operation| what.is_given_back_by(operation)) {
        let why = format!("an injected fault kept {} from giving back", operation.name());
        return Standing::NotJudged { why };
    }
    if let Some(why) = doubt {
        return Standing::Unknown { why: why.to_owned() };
    }
    if matches!(when, LeftWhen::Exit | LeftWhen::Unloaded) && !process.signed_out {
        let subject = Subject { kind: what.into(), process, stack };
        if let Some(why) = suppressions.reason(&subject) {
            return Standing::Suppressed { why };
        }
    }
    Standing::Leaked
}
