//! A test's expectations, of a sign-out, of no leaks and of no misuse, checked against a mock SSP's events.

use std::{collections::BTreeMap, fmt};

use sspcache_engine::{
    Event, EventKind, Source, Unclean,
    misuse::{HandleCall, HandleCalls, HandleRule},
};

use crate::place::Places;

/// Why an expected sign-out didn't happen.
#[derive(Debug)]
pub(crate) enum Unmet<'u> {
    /// Credentials were still cached or held when the SSP was unloaded: so many of each, at this event.
    Left { cached: u32, held: u32, event: u64 },
    /// Credentials are still cached or held.
    Unclean(&'u Unclean),
    /// There was no sign-in, so nothing was tested.
    Unused,
}

/// Checks that there was a sign-in, and that no credential was left.
pub(crate) fn check<'u>(events: &[Event], unclean: Option<&'u Unclean>) -> Result<(), Unmet<'u>> {
    if let Some(unclean) = unclean {
        return Err(Unmet::Unclean(unclean));
    }
    let left = |event: &Event| match event.kind {
        EventKind::Ended { left: cached, .. } if cached > 0 || event.held > 0 => {
            Some(Unmet::Left { cached, held: event.held, event: event.seq })
        }
        _ => None,
    };
    if let Some(unmet) = events.iter().find_map(left) {
        return Err(unmet);
    }
    if events.iter().any(is_sign_in) { Ok(()) } else { Err(Unmet::Unused) }
}

/// The credential handles that were never freed, and the contexts that were never deleted, each in words.
pub(crate) fn leaked(events: &[Event], places: &Places) -> Vec<String> {
    /// What is open, by whether it is a context, and by its handle.
    type Open<'e> = BTreeMap<(bool, usize), &'e Event>;
    let mut open = Open::new();
    let mut leaked: Vec<&Event> = Vec::new();
    for event in events {
        match event.kind {
            EventKind::Acquired { handle, .. } => drop(open.insert((false, handle), event)),
            EventKind::ContextImported { context, .. } | EventKind::ContextStarted { context, .. } => {
                open.insert((true, context), event);
            }
            EventKind::Freed { handle } => drop(open.remove(&(false, handle))),
            EventKind::ContextDeleted { context } => drop(open.remove(&(true, context))),
            // What is unloaded takes its handles with it, and what is loaded again gives other ones.
            EventKind::Ended { .. } => leaked.extend(std::mem::take(&mut open).into_values()),
            _ => {}
        }
    }
    leaked.extend(open.into_values());
    leaked.sort_by_key(|event| event.seq);
    let words = |event: &Event| {
        let what = what(event);
        let (never, given) = if what.is_context { ("deleted", "begun") } else { ("freed", "acquired") };
        let at = places.at(event.seq);
        let at = if at.is_empty() { at } else { format!(", {given}{at}") };
        format!("{what} was never {never}{at}")
    };
    leaked.into_iter().map(words).collect()
}

/// The calls that broke a rule, each in words (clause Q3).
pub(crate) fn misused(events: &[Event], places: &Places) -> Vec<String> {
    let mut calls = HandleCalls::default();
    let mut misused = Vec::new();
    for (event, call) in
        events.iter().flat_map(|event| calls.step(event).into_iter().map(move |it| (event, it)))
    {
        let HandleCall::Broke { rule, given_out, given_back } = call else { continue };
        let EventKind::Refused { operation, .. } = event.kind else { continue };
        let Some(what) = events.iter().find(|event| event.seq == given_out).map(what) else { continue };
        let back = if what.is_context { "deleted" } else { "freed" };
        let broken = match rule {
            HandleRule::FreedTwice => format!("{what} was {back} twice"),
            HandleRule::NotCompleted => format!("{what} had a token that was not completed"),
            HandleRule::NotGranted => format!("{what} was used for what it was not granted"),
            HandleRule::ShortBuffer => format!("{what} was given too little room for its token"),
            HandleRule::StepOnFailedContext => format!("{what} had failed, and was stepped on"),
            HandleRule::UsedAfterFailing => format!("{what} was used that was never given"),
            HandleRule::UsedAfterFreeing => format!("{what} was used after it was {back}"),
            HandleRule::UsedHalfOpen => format!("{what} was used before it was established"),
            HandleRule::WrongKind => format!("{what} was passed as the other kind"),
        };
        let call = format!("{} (event {}){}", operation.name(), event.seq, places.at(event.seq));
        let before = given_back
            .map_or_else(String::new, |seq| format!(", {back} before (event {seq}){}", places.at(seq)));
        misused.push(format!("{broken}: {call}{before}"));
    }
    misused
}

/// What an event gave out.
struct GivenOut<'e> {
    is_context: bool,
    event: u64,
    principal: &'e str,
    package: &'e str,
}

fn what(event: &Event) -> GivenOut<'_> {
    let (is_context, principal, package) = match &event.kind {
        EventKind::Acquired { package, principal, .. } => (false, principal.as_str(), package.as_str()),
        EventKind::ContextImported { package, principal, .. }
        | EventKind::ContextStarted { package, principal, .. } => {
            (true, principal.as_str(), package.as_str())
        }
        _ => (false, "", ""),
    };
    GivenOut { is_context, event: event.seq, principal, package }
}

impl fmt::Display for GivenOut<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { is_context, event, principal, package } = self;
        let kind = if *is_context { "context" } else { "credential handle" };
        write!(f, "the {kind} of event {event} ({})", of(principal, package))
    }
}

fn of(principal: &str, package: &str) -> String {
    if principal.is_empty() { package.to_owned() } else { format!("{principal} for {package}") }
}

fn is_sign_in(event: &Event) -> bool {
    match event.kind {
        EventKind::Acquired { source, .. } | EventKind::CredentialsAdded { source, .. } => {
            matches!(source, Source::Cache | Source::Default | Source::Explicit | Source::Preloaded)
        }
        _ => false,
    }
}

impl fmt::Display for Unmet<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Left { cached, held, event } => {
                let mut and = "";
                for (credentials, how) in [(cached, "cached"), (held, "held by handles")] {
                    if *credentials > 0 {
                        let plural = if *credentials == 1 { "credential was" } else { "credentials were" };
                        write!(f, "{and}{credentials} {plural} still {how}")?;
                        and = " and ";
                    }
                }
                write!(f, " when the SSP was unloaded (event {event}), which is no sign-out")
            }
            Self::Unclean(unclean) => unclean.fmt(f),
            Self::Unused => f.write_str(
                "no sign-in went through this mock; is it the one that the process has loaded, and is it kept in a \
                 variable until the end of the test?",
            ),
        }
    }
}

/// The events, one a line.
pub(crate) fn list(events: &[Event]) -> impl fmt::Display + '_ {
    List(events)
}

struct List<'e>(&'e [Event]);

impl fmt::Display for List<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("events:")?;
        for event in self.0 {
            write!(f, "\n  {:>3} ", event.seq)?;
            match &event.kind {
                EventKind::Acquired { package, principal, source, .. } => {
                    write!(f, "Acquired {package} {principal} ({source:?})")?;
                }
                EventKind::Cached { package, principal, source, .. } => {
                    write!(f, "Cached {package} {principal} ({source:?})")?;
                }
                EventKind::CredentialsAdded { package, principal, source, .. } => {
                    write!(f, "CredentialsAdded {package} {principal} ({source:?})")?;
                }
                EventKind::Ended { how, left, .. } => {
                    write!(f, "Ended ({how}), {left} still cached")?;
                    if event.held > 0 {
                        write!(f, ", {} still held", event.held)?;
                    }
                }
                EventKind::Faulted { operation, effect } => {
                    write!(f, "Faulted {} ({})", operation.name(), effect.name())?;
                }
                EventKind::Held { package, principal, source, .. } => {
                    write!(f, "Held {package} {principal} ({source:?})")?;
                }
                EventKind::Refused { operation, status, package, principal, .. } => {
                    write!(f, "Refused {} {package} {principal} ({status:?})", operation.name())?;
                }
                kind => {
                    // The variant's name: what else there is are numbers.
                    let debug = format!("{kind:?}");
                    f.write_str(debug.split(' ').next().unwrap_or_default())?;
                }
            }
            if event.before != event.after {
                write!(f, "; cached: {} → {}", event.before, event.after)?;
            }
        }
        Ok(())
    }
}
