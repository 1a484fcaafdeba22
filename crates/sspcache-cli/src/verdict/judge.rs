//! Makes the verdict from journals.

use std::time::Duration;

use sspcache_engine::{
    Ending, EventKind, FileTime, SecurityStatus, Source,
    journal::{Journal, JournalError},
};

use super::{
    Credential, End, Kind, Leaks, LeaksOutcome, LeftWhen, Misuse, MisuseOutcome, Outcome, Process, Refusal,
    Verdict,
    finding::{Finding, FindingKind, Standing},
    leaks::{Account, ByKind, Circumstances, Resolve, Totals},
    misuse::Calls,
    policy::{Handshakes, PolicyVerdict, SignIns},
    replay::{Replay, doubt, left_when, since},
    still_runs,
    suppressions::{Subject, Suppressions},
};
use crate::{cli::Policy, output::status_name};

/// Judges a run by its journals, including those that can't be read. `is_running` says of a process without an end, by its
/// number, its program and the time of its first event, whether it still runs. `resolve` finds the functions of a stack.
pub(crate) fn judge(
    journals: &[Journal],
    unreadable: &[JournalError],
    is_running: impl Fn(u32, &str, FileTime) -> bool,
    mut suppressions: Suppressions,
    policy: &Policy,
    resolve: &mut Resolve<'_>,
) -> Verdict {
    let mut journals: Vec<&Journal> = journals.iter().collect();
    // Sorted by time, so that processes come in the order in which they first used a mock.
    journals.sort_by_key(|journal| journal.events.first().map(|event| event.time));
    let began = journals.iter().find_map(|journal| journal.events.first()).map(|event| event.time);
    let start = began.unwrap_or_default();
    let end = journals.iter().filter_map(|journal| journal.events.last()).map(|event| event.time).max();

    let mut processes: Vec<Process> = Vec::new();
    let mut replays: Vec<Vec<Replay<'_>>> = Vec::new();
    let mut handshakes = Handshakes::default();
    let mut gaps: Vec<String> = unreadable.iter().map(ToString::to_string).collect();
    for journal in journals {
        let Some(EventKind::Started { module, version, pid, program, forked, .. }) = journal.started() else {
            gaps.push(format!("{} doesn't begin with the event that an SSP started", journal.path.display()));
            continue;
        };
        let known = processes.iter().position(|process| (process.pid, &process.program) == (*pid, program));
        let index = known.unwrap_or_else(|| {
            processes.push(Process {
                pid: *pid,
                program: program.clone(),
                forked: *forked,
                modules: [].into(),
                beside: [].into(),
                credentials: Vec::new(),
                left: 0,
                suppressed: 0,
                default_sign_ins: 0,
                refused: Vec::new(),
                asked: false,
                is_windows: false,
                passed_on: false,
                signed_out: false,
                runs: false,
                lasted: Duration::ZERO,
                retained: 0,
                failed_flushes: 0,
                gaps: Vec::new(),
                findings: Vec::new(),
                given_out: ByKind::new(),
            });
            replays.push(Vec::new());
            processes.len() - 1
        });
        let process = &mut processes[index];
        process.modules.insert(module.clone());
        replays[index].push(Replay::of(journal, module, start, policy));
        if !is_understood(version) {
            process.gaps.push(format!(
                "a mock of version {version} wrote {}, but this program reads journals of version {}: take both \
                 from one distribution",
                journal.path.display(),
                env!("CARGO_PKG_VERSION"),
            ));
        }
    }
    for (process, replays) in processes.iter_mut().zip(replays) {
        handshakes.add(conclude_process(process, replays, &is_running, &mut suppressions, resolve));
    }
    let verdict = conclude(processes, gaps, policy, handshakes, &suppressions);
    Verdict { began, lasted: end.map_or(Duration::ZERO, |end| since(start, end)), ..verdict }
}

/// Puts together what the journals of one process say. The handshakes that a policy is for are returned.
fn conclude_process(
    process: &mut Process,
    mut replays: Vec<Replay<'_>>,
    is_running: impl Fn(u32, &str, FileTime) -> bool,
    suppressions: &mut Suppressions,
    resolve: &mut Resolve<'_>,
) -> Handshakes {
    // As yet these are the only gaps.
    let has_other_version = !process.gaps.is_empty();
    let last = replays.iter().filter_map(Replay::last).max().unwrap_or_default();
    let first = replays.iter().map(Replay::first).min().unwrap_or_default();
    process.lasted = since(first, last);
    let marks: Vec<FileTime> = replays.iter().flat_map(|replay| &replay.marks).copied().collect();
    process.signed_out = !marks.is_empty() || replays.iter().any(|replay| replay.signed_out(last));
    let mut without_end = None;
    for replay in &mut replays {
        // What a mock in another file of the process had when the program said that it was signed out.
        for entry in &mut replay.credentials {
            let since = entry.credential.since.time;
            let was_there =
                |mark: &&FileTime| since < **mark && entry.ended.is_none_or(|ended| ended > **mark);
            if marks.iter().any(|mark| was_there(&mark)) {
                entry.credential.end = End::Left { when: LeftWhen::SignedOut };
            }
        }
        // What was preloaded doesn't count in an instance without a sign-in: an SSP that was loaded to list its packages, and
        // freed, leaves nothing (clause Q5).
        let signed_in = std::mem::take(&mut replay.signed_in);
        replay.credentials.retain(|entry| {
            !matches!(entry.credential.end, End::Left { .. })
                || entry.credential.source != Source::Preloaded
                || signed_in.contains(entry.credential.package.as_str())
        });
        if replay.end.is_none() {
            without_end = without_end.or(Some((replay.is_windows, replay.first())));
        }
    }
    let accounts = take_accounts(&mut replays);
    for replay in replays {
        process.asked |= replay.asked;
        process.is_windows |= replay.is_windows;
        process.passed_on |= replay.passed_on;
        process.beside.extend(replay.beside);
        process.credentials.extend(replay.credentials.into_iter().map(|entry| entry.credential));
        process.default_sign_ins += replay.default_sign_ins;
        process.refused.extend(replay.refused);
        process.failed_flushes = process.failed_flushes.saturating_add(replay.failed_flushes);
        process.retained = process.retained.saturating_add(replay.retained);
        process.gaps.extend(replay.gaps);
    }
    let runs = |first| is_running(process.pid, &process.program, first);
    let is_running = without_end.is_some_and(|(is_windows, first)| !is_windows && runs(first));
    if is_running {
        for credential in &mut process.credentials {
            if credential.end == (End::Left { when: LeftWhen::NoEnd }) {
                credential.end = End::Unknown { why: "its process still runs" };
            }
        }
    }
    if has_other_version {
        for credential in &mut process.credentials {
            doubt(&mut credential.end);
        }
    }
    judge_left(process, suppressions, resolve);
    let handshakes = judge_instances(process, accounts, is_running, suppressions, resolve);
    match without_end {
        Some((true, _)) => process.gaps.push(format!(
            "{} has no end in its journal: it crashed, was terminated, or still runs",
            process.name()
        )),
        Some((false, _)) if is_running => {
            process.runs = true;
            process.gaps.push(still_runs(&process.name()));
        }
        _ => {}
    }
    handshakes
}

/// Which credentials were left, and which of them a suppression is for.
fn judge_left(process: &mut Process, suppressions: &mut Suppressions, resolve: &mut Resolve<'_>) {
    let was_left = |credential: &&mut Credential| matches!(credential.end, End::Left { .. });
    for credential in process.credentials.iter_mut().filter(was_left) {
        credential.stack = resolve(&credential.stack);
    }
    for index in 0..process.credentials.len() {
        let reason = match process.credentials[index].end {
            End::Left { when: when @ (LeftWhen::Exit | LeftWhen::Unloaded) } if !process.signed_out => {
                let Credential { kind, stack, .. } = &process.credentials[index];
                let subject = Subject { kind: (*kind).into(), process, stack };
                suppressions.reason(&subject).map(|why| (when, why))
            }
            _ => None,
        };
        if let Some((when, why)) = reason {
            process.credentials[index].end = End::Suppressed { when, why };
        }
    }
    let count =
        |is: fn(&End) -> bool| process.credentials.iter().filter(|credential| is(&credential.end)).count();
    process.left = count(|end| matches!(end, End::Left { .. }));
    process.suppressed = count(|end| matches!(end, End::Suppressed { .. }));
}

/// The account of one instance.
struct OfInstance<'journal> {
    account: Account,
    calls: Calls,
    sign_ins: SignIns,
    module: &'journal str,
    is_windows: bool,
    when: LeftWhen,
    is_freed_late: bool,
    /// Whether the process may still have memory of an instance before, which that one freed when it ended.
    has_memory_of_others: bool,
}

fn take_accounts<'journal>(replays: &mut [Replay<'journal>]) -> Vec<OfInstance<'journal>> {
    let mut accounts: Vec<OfInstance<'journal>> = Vec::new();
    for index in 0..replays.len() {
        let (before, after) = replays.split_at_mut(index + 1);
        let replay = &mut before[index];
        accounts.push(OfInstance {
            account: std::mem::take(&mut replay.account),
            calls: std::mem::take(&mut replay.calls),
            sign_ins: std::mem::take(&mut replay.sign_ins),
            has_memory_of_others: accounts
                .iter()
                .any(|earlier| earlier.module == replay.module && earlier.calls.has_memory()),
            module: replay.module,
            is_windows: replay.is_windows,
            when: replay.end.map_or(LeftWhen::NoEnd, left_when),
            // On Unix a destructor of the program may run after that of the mock, whose next instance then refuses what
            // it is given.
            is_freed_late: !replay.is_windows
                && replay.end == Some(Ending::Unloaded)
                && after.iter().any(|later| later.module == replay.module && later.refused_to_free),
        });
    }
    accounts
}

/// What was leaked (clause Q2), misused (Q3), and against the policy (Q7), unless events are missing (Q6).
fn judge_instances(
    process: &mut Process,
    accounts: Vec<OfInstance<'_>>,
    is_running: bool,
    suppressions: &mut Suppressions,
    resolve: &mut Resolve<'_>,
) -> Handshakes {
    let mut handshakes = Handshakes::default();
    let has_gaps = !process.gaps.is_empty();
    for instance in accounts {
        let OfInstance {
            account,
            calls,
            sign_ins,
            module,
            is_windows,
            when,
            is_freed_late,
            has_memory_of_others,
        } = instance;
        let when = if is_running && when == LeftWhen::NoEnd { LeftWhen::Running } else { when };
        let missing = has_gaps.then_some("events of the process are missing");
        let circumstances = Circumstances { process, module, is_windows, when, doubt: missing };
        let misused = calls.close(&circumstances, has_memory_of_others, suppressions, resolve);
        let (against, of_instance) = sign_ins.close(&circumstances, suppressions, resolve);
        handshakes.add(of_instance);
        process.findings.extend(misused.into_iter().chain(against));
        let doubt = match when {
            _ if has_gaps => missing,
            _ if is_freed_late => Some("the process gave something back after the SSP had ended"),
            LeftWhen::Running => Some("the process still runs"),
            LeftWhen::NoEnd => {
                Some("the process was killed, crashed, or ended at once, before it could give back anything")
            }
            _ => None,
        };
        let circumstances = Circumstances { process, module, is_windows, when, doubt };
        let (findings, given_out) = account.close(&circumstances, suppressions, resolve);
        process.findings.extend(findings);
        for (what, totals) in given_out {
            process.given_out.entry(what).or_default().add(&totals);
        }
    }
    handshakes
}

fn conclude(
    mut processes: Vec<Process>,
    gaps: Vec<String>,
    policy: &Policy,
    handshakes: Handshakes,
    suppressions: &Suppressions,
) -> Verdict {
    let has_gaps = !gaps.is_empty() || processes.iter().any(|process| !process.gaps.is_empty());
    let leaks = conclude_leaks(&processes, &gaps);
    let misuse = conclude_misuse(&processes, &gaps, &leaks);
    let mut findings: Vec<_> =
        processes.iter_mut().flat_map(|process| std::mem::take(&mut process.findings)).collect();
    findings.sort_by_key(Finding::rank);
    let policy = PolicyVerdict::of(policy, findings.iter(), handshakes, has_gaps);
    let count = |kind: Kind| {
        let credentials = processes.iter().flat_map(|process| &process.credentials);
        credentials.filter(|credential| credential.kind == kind).count()
    };
    let (cached, held) = (count(Kind::Cached), count(Kind::Held));
    let left = processes.iter().map(|process| process.left).sum();
    let outcome = if left > 0 {
        Outcome::Left
    } else if has_gaps {
        Outcome::Incomplete
    } else if !processes.iter().any(Process::is_exercised) {
        Outcome::NotExercised
    } else {
        Outcome::Clean
    };
    Verdict {
        outcome,
        began: None,
        lasted: Duration::ZERO,
        cached,
        held,
        left,
        suppressed: processes.iter().map(|process| process.suppressed).sum(),
        default_sign_ins: processes.iter().map(|process| process.default_sign_ins).sum(),
        retained: processes.iter().map(|process| u64::from(process.retained)).sum(),
        hints: if outcome == Outcome::NotExercised { hints(&processes) } else { Vec::new() },
        leaks,
        misuse,
        policy,
        #[cfg(feature = "serve")]
        served: None,
        findings,
        unused_suppressions: suppressions.unused(),
        running: processes.iter().filter(|process| process.runs).map(Process::running).collect(),
        idle: Vec::new(),
        journals_kept_in: None,
        processes,
        gaps,
    }
}

/// The totals of what was given out, and what they come to (clauses Q2, Q6).
fn conclude_leaks(processes: &[Process], gaps: &[String]) -> Leaks {
    let mut kinds = ByKind::new();
    for (&what, totals) in processes.iter().flat_map(|process| &process.given_out) {
        kinds.entry(what).or_default().add(totals);
    }
    let mut all = Totals::default();
    for totals in kinds.values() {
        all.add(totals);
    }
    let is_unknown = |finding: &Finding| {
        finding.kind == FindingKind::Leak && matches!(finding.standing, Standing::Unknown { .. })
    };
    let has_gaps = !gaps.is_empty() || processes.iter().any(|process| !process.gaps.is_empty());
    let outcome = if all.leaked > 0 {
        LeaksOutcome::Leaked
    } else if has_gaps || processes.iter().flat_map(|process| &process.findings).any(is_unknown) {
        LeaksOutcome::Incomplete
    } else if all.given_out == 0 {
        LeaksOutcome::NotExercised
    } else {
        LeaksOutcome::Clean
    };
    Leaks { outcome, all, kinds }
}

/// How many calls broke a rule, and what that comes to (clauses Q3, Q6).
fn conclude_misuse(processes: &[Process], gaps: &[String], leaks: &Leaks) -> Misuse {
    let has_gaps = !gaps.is_empty() || processes.iter().any(|process| !process.gaps.is_empty());
    let (mut misused, mut suppressed, mut not_judged) = (0, 0, 0);
    let findings = processes.iter().flat_map(|process| &process.findings);
    for finding in findings.filter(|finding| finding.kind == FindingKind::Misuse) {
        match finding.standing {
            Standing::AgainstPolicy | Standing::Leaked | Standing::Misused => misused += finding.count,
            Standing::Suppressed { .. } => suppressed += finding.count,
            Standing::NotJudged { .. } | Standing::Unknown { .. } => not_judged += finding.count,
        }
    }
    let outcome = if misused > 0 {
        MisuseOutcome::Misused
    } else if has_gaps {
        MisuseOutcome::Incomplete
    } else if leaks.all.given_out == 0 {
        MisuseOutcome::NotExercised
    } else {
        MisuseOutcome::Clean
    };
    Misuse { outcome, misused, suppressed, not_judged }
}

/// Why no sign-in was seen, as far as the journals tell.
fn hints(processes: &[Process]) -> Vec<String> {
    const MOST: usize = 5;
    let mut hints = Vec::new();
    for process in processes {
        for Refusal { module, package, principal, status, offered } in &process.refused {
            let whom = if principal.is_empty() { "silently".to_owned() } else { format!("as {principal}") };
            let help = match *status {
                SecurityStatus::NO_CREDENTIALS if principal.is_empty() => {
                    "; `exec --logon` gives it default credentials"
                }
                _ => "",
            };
            let name = status_name(*status);
            let (process, offers) = (process.name(), crate::output::join(offered));
            let asked = format!(
                "{process} asked {module} to sign in {whom} to the package {package}, and got {name}"
            );
            let hint = if offered.is_empty() {
                format!("{asked} of the system's own")
            } else {
                format!("{asked}; this mock offers {offers}{help}")
            };
            if !hints.contains(&hint) {
                hints.push(hint);
            }
        }
    }
    for process in processes {
        let modules: Vec<String> = process.modules.iter().cloned().collect();
        // Our own secur32.dll is asked before the system's.
        if process.is_windows && !process.asked && !modules.iter().any(|module| module == "secur32.dll") {
            hints.push(format!(
                "{} loaded {} and asked for no package: where the system's secur32.dll has a package of its own under \
                 the same name (Negotiate, Kerberos, NTLM), programs get that one",
                process.name(),
                crate::output::join(&modules),
            ));
        }
    }
    hints.truncate(MOST);
    hints
}

/// Whether journals of this version can be judged: other versions may have events that this one misreads or lacks.
/// Versions that differ only in their last number are compatible, by cargo's rule.
fn is_understood(version: &str) -> bool {
    let compatible = |version: &str| version.rsplit_once('.').map(|(series, _)| series.to_owned());
    compatible(version) == compatible(env!("CARGO_PKG_VERSION"))
}
