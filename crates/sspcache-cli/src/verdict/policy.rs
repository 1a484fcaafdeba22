//! What a policy forbids and requires of sign-ins (clause Q7): `--forbid ntlm`, `--require mutual,bindings,spn,kerberos`.
//!
//! Handshakes are judged on the initiator's side alone: which mechanism a client comes with is no choice of its server's.

use std::collections::HashMap;

use serde::Serialize;
use sspcache_engine::{
    Event, EventKind, Name, Operation, PackageList,
    context::{ContextFlags, Role},
};

use super::{
    Moment,
    finding::{Broken, Finding, FindingKind, Standing, What},
    leaks::{Circumstances, Resolve},
    policy_rule::PolicyRule,
    suppressions::{Subject, Suppressions},
};
use crate::{
    cli::{Forbid, Policy, Require},
    output::count,
    places::{Images, Place},
};

/// What came of a policy.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct PolicyVerdict {
    pub(crate) outcome: PolicyOutcome,
    #[serde(flatten)]
    pub(crate) policy: Policy,
    /// Calls that are against it.
    pub(crate) broken: usize,
    /// Calls that are, and a suppression says why they may be.
    pub(crate) suppressed: usize,
    #[serde(flatten)]
    pub(crate) handshakes: Handshakes,
}

/// The result of the check of a policy. Of several that apply it is the first.
#[derive(Clone, Copy, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum PolicyOutcome {
    /// A call is against it.
    Broken,
    /// Events are missing.
    Incomplete,
    /// No handshake was done that it judges: the run proves nothing.
    NotExercised,
    /// No call is against it.
    Kept,
}

/// How many handshakes there were.
#[derive(Clone, Copy, Debug, Default, Serialize)]
pub(crate) struct Handshakes {
    /// Those that initiators began, and those for which a forbidden package alone was left.
    pub(crate) begun: usize,
    /// Those that were done on the initiator's side.
    pub(crate) done: usize,
    /// Those that were done on the acceptor's.
    pub(crate) accepted: usize,
    /// Those of which the journal doesn't say what they asked for: an earlier mock wrote it.
    #[serde(skip)]
    pub(crate) unknown: usize,
}

impl Handshakes {
    pub(super) fn add(&mut self, other: Self) {
        self.begun += other.begun;
        self.done += other.done;
        self.accepted += other.accepted;
        self.unknown += other.unknown;
    }
}

/// What one journal says of sign-ins and handshakes.
#[derive(Default)]
pub(super) struct SignIns {
    policy: Policy,
    /// The principal and the package of each credential handle.
    handles: HashMap<usize, Of>,
    contexts: HashMap<usize, Started>,
    broken: Vec<Call>,
    handshakes: Handshakes,
}

/// Whose call it was.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq)]
struct Of {
    principal: String,
    package: String,
}

/// An initiator's handshake.
struct Started {
    of: Of,
    target: String,
    asks_mutual: bool,
    at: Moment,
    stack: Vec<Place>,
}

/// A call against the policy.
struct Call {
    alike: Alike,
    at: Moment,
}

/// Calls about which all of this is the same are one finding.
#[derive(Clone, Eq, Hash, PartialEq)]
struct Alike {
    rule: PolicyRule,
    operation: Operation,
    of: Of,
    detail: String,
    stack: Vec<Place>,
}

impl SignIns {
    pub(super) fn new(policy: &Policy) -> Self {
        Self { policy: policy.clone(), ..Self::default() }
    }

    /// Takes an event in. `images` has the files that the journal named so far.
    pub(super) fn step(&mut self, event: &Event, at: Moment, images: &Images) {
        if self.policy.is_empty() {
            return;
        }
        match &event.kind {
            EventKind::Acquired { handle, package, principal, list, .. } => {
                let of = Of { principal: principal.clone(), package: package.clone() };
                self.handles.insert(*handle, of.clone());
                self.asked(Operation::AcquireCredentialsHandle, of, list, at, images.stack(event));
            }
            EventKind::CredentialsAdded { package, principal, list, .. } => {
                let of = Of { principal: principal.clone(), package: package.clone() };
                self.asked(Operation::AddCredentials, of, list, at, images.stack(event));
            }
            EventKind::Refused {
                operation: operation @ (Operation::AcquireCredentialsHandle | Operation::AddCredentials),
                package,
                principal,
                ..
            } => {
                let of = Of { principal: principal.clone(), package: package.clone() };
                self.asked(*operation, of, "", at, images.stack(event));
            }
            EventKind::Refused { handle: Some(handle), forbidden, target, .. } if is_ntlm(forbidden) => {
                self.handshakes.begun += 1;
                let of = self.handles.get(handle).cloned().unwrap_or_default();
                let detail = format!("NTLM is forbidden, so it was refused; {}", named(target));
                self.forbid(
                    PolicyRule::NtlmFallback,
                    Operation::InitializeSecurityContext,
                    of,
                    detail,
                    at,
                    images.stack(event),
                );
            }
            EventKind::ContextStarted {
                context,
                role: Role::Initiator,
                package,
                principal,
                asked,
                target,
                ..
            } => {
                self.handshakes.begun += 1;
                let Some(asked) = asked else {
                    self.handshakes.unknown += 1;
                    return;
                };
                let asked = ContextFlags::from_wire(Role::Initiator, *asked);
                let started = Started {
                    of: Of { principal: principal.clone(), package: package.clone() },
                    target: target.clone(),
                    asks_mutual: asked.contains(ContextFlags::MUTUAL_AUTH),
                    at,
                    stack: images.stack(event),
                };
                self.started(*context, started);
            }
            EventKind::ContextEstablished {
                context, role: Role::Initiator, package, granted, bound, ..
            } => {
                self.handshakes.done += 1;
                if let (Some(started), Some(granted)) = (self.contexts.remove(context), granted) {
                    let flags = ContextFlags::from_returned(Role::Initiator, *granted);
                    self.established(&started, package, flags, *bound);
                }
            }
            EventKind::ContextEstablished { .. } => self.handshakes.accepted += 1,
            _ => {}
        }
    }

    /// A package that was asked for, with or without success.
    fn asked(&mut self, operation: Operation, of: Of, list: &str, at: Moment, stack: Vec<Place>) {
        let [ntlm, kerberos] = ["NTLM", "Kerberos"].map(Name::from);
        if is_ntlm(&of.package) {
            self.forbid(PolicyRule::NtlmPackage, operation, of.clone(), String::new(), at, stack.clone());
        }
        let said = PackageList::parse(list);
        let detail = || format!("the list was {list}");
        // What names neither of them prefers neither.
        let is_behind = !said.allows(&kerberos) || said.rank(&ntlm) < said.rank(&kerberos);
        if is_negotiate(&of.package) && said.allows(&ntlm) && is_behind {
            self.forbid(PolicyRule::NtlmPreferred, operation, of.clone(), detail(), at, stack.clone());
        }
        if said.excludes_in_vain(&ntlm) {
            self.forbid(PolicyRule::NtlmNotExcluded, operation, of, detail(), at, stack);
        }
    }

    fn started(&mut self, context: usize, started: Started) {
        if self.requires(Require::Spn) && !is_spn(&started.target) {
            self.against(PolicyRule::NoSpn, &started, named(&started.target));
        }
        if self.requires(Require::Mutual) && !started.asks_mutual {
            let detail = "it didn't ask for ISC_REQ_MUTUAL_AUTH".to_owned();
            self.against(PolicyRule::NoMutualAuthentication, &started, detail);
        }
        self.contexts.insert(context, started);
    }

    fn established(&mut self, started: &Started, package: &str, flags: ContextFlags, bound: bool) {
        let target = named(&started.target);
        if self.policy.forbid.contains(&Forbid::Ntlm) && is_negotiate(&started.of.package) && is_ntlm(package)
        {
            self.against(PolicyRule::NtlmFallback, started, target.clone());
        }
        if self.requires(Require::Kerberos) && Name::from(package) != Name::from("Kerberos") {
            let detail = format!("it came to {package}; {target}");
            self.against(PolicyRule::NotKerberos, started, detail);
        }
        if self.requires(Require::Mutual) && started.asks_mutual && !flags.contains(ContextFlags::MUTUAL_AUTH)
        {
            let detail = format!("it asked for ISC_REQ_MUTUAL_AUTH, which {package} didn't grant");
            self.against(PolicyRule::NoMutualAuthentication, started, detail);
        }
        if self.requires(Require::Bindings) && !bound {
            self.against(PolicyRule::NoChannelBindings, started, target);
        }
    }

    fn requires(&self, what: Require) -> bool {
        self.policy.require.contains(&what)
    }

    fn forbid(
        &mut self,
        rule: PolicyRule,
        operation: Operation,
        of: Of,
        detail: String,
        at: Moment,
        stack: Vec<Place>,
    ) {
        if self.policy.forbid.contains(&Forbid::Ntlm) {
            self.broken.push(Call { alike: Alike { rule, operation, of, detail, stack }, at });
        }
    }

    /// A handshake that is against the policy: the call is the one that began it.
    fn against(&mut self, rule: PolicyRule, started: &Started, detail: String) {
        let Started { of, at, stack, .. } = started;
        let operation = Operation::InitializeSecurityContext;
        let alike = Alike { rule, operation, of: of.clone(), detail, stack: stack.clone() };
        self.broken.push(Call { alike, at: *at });
    }

    /// The calls that are against the policy, alike ones joined.
    pub(super) fn close(
        self,
        circumstances: &Circumstances<'_>,
        suppressions: &mut Suppressions,
        resolve: &mut Resolve<'_>,
    ) -> (Vec<Finding>, Handshakes) {
        let mut findings: Vec<Finding> = Vec::new();
        let mut known: HashMap<Alike, usize> = HashMap::new();
        for Call { alike, at } in self.broken {
            let place = *known.entry(alike).or_insert_with_key(|alike| {
                let stack = resolve(&alike.stack);
                let rule = Broken::Policy(alike.rule);
                let subject = Subject { kind: rule.into(), process: circumstances.process, stack: &stack };
                let why = suppressions.reason(&subject);
                let what = match alike.operation {
                    Operation::InitializeSecurityContext => What::Context,
                    _ => What::CredentialHandle,
                };
                findings.push(Finding {
                    rule: Some(rule),
                    function: Some(alike.operation.name()),
                    package: alike.of.package.clone(),
                    principal: alike.of.principal.clone(),
                    detail: alike.detail.clone(),
                    standing: why.map_or(Standing::AgainstPolicy, |why| Standing::Suppressed { why }),
                    stack,
                    advice: alike.rule.advice(),
                    reference: alike.rule.reference(),
                    ..circumstances.finding(FindingKind::Policy, what, at)
                });
                findings.len() - 1
            });
            findings[place].count += 1;
        }
        (findings, self.handshakes)
    }
}

impl PolicyVerdict {
    /// What the findings come to; none without a policy.
    pub(super) fn of<'f>(
        policy: &Policy,
        findings: impl Iterator<Item = &'f Finding>,
        handshakes: Handshakes,
        has_gaps: bool,
    ) -> Option<Self> {
        if policy.is_empty() {
            return None;
        }
        let (mut broken, mut suppressed) = (0, 0);
        for finding in findings.filter(|finding| finding.kind == FindingKind::Policy) {
            *if finding.is_against_policy() { &mut broken } else { &mut suppressed } += finding.count;
        }
        let is_judged = handshakes.done > 0 || policy.require.is_empty() && handshakes.accepted > 0;
        let outcome = if broken > 0 {
            PolicyOutcome::Broken
        } else if has_gaps || handshakes.unknown > 0 {
            PolicyOutcome::Incomplete
        } else if is_judged {
            PolicyOutcome::Kept
        } else {
            PolicyOutcome::NotExercised
        };
        Some(Self { outcome, policy: policy.clone(), broken, suppressed, handshakes })
    }

    /// `3 calls are`.
    pub(super) fn against(&self) -> String {
        format!("{} {}", count(self.broken, "call"), if self.broken == 1 { "is" } else { "are" })
    }
}

fn is_ntlm(package: &str) -> bool {
    Name::from(package) == Name::from("NTLM")
}

fn is_negotiate(package: &str) -> bool {
    Name::from(package) == Name::from("Negotiate")
}

/// Whether a target has the form `service/host`, with or without more behind it.
fn is_spn(target: &str) -> bool {
    let mut parts = target.split('/');
    let [service, host] = [parts.next(), parts.next()].map(|part| part.is_some_and(|part| !part.is_empty()));
    service && host
}

fn named(target: &str) -> String {
    if target.is_empty() { "it named no target".to_owned() } else { format!("the target was {target}") }
}

#[cfg(test)]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    /// Q7: `tests/cli/policy.rs` finds what each row of the table says.
    #[test]
    fn every_rule_of_a_policy_is_a_row_of_the_table_and_every_row_a_rule() {
        let table = concat!(env!("CARGO_MANIFEST_DIR"), "/../../fixtures/policy.toml");
        let table: toml::Table = toml::from_str(&fs::read_to_string(table).unwrap()).unwrap();
        let rows = table["row"].as_array().unwrap();
        let in_table: BTreeSet<_> = rows
            .iter()
            .filter_map(|row| row.get("rules")?.as_array())
            .flatten()
            .map(|rule| rule.as_str().unwrap())
            .collect();
        assert_eq!(in_table, PolicyRule::ALL.iter().map(|rule| rule.name()).collect());
    }

    /// Q7
    #[test]
    fn a_target_is_a_service_principal_name_when_it_has_a_service_and_a_host() {
        for (target, is) in [
            ("HTTP/web.contoso.com", true),
            ("MSSQLSvc/db:1433/instance", true),
            ("TERMSRV/192.0.2.1", true),
            ("", false),
            ("web.contoso.com", false),
            ("HTTP/", false),
            ("/web", false),
            ("HTTP@web", false),
        ] {
            assert_eq!(is_spn(target), is, "{target}");
        }
    }
}
