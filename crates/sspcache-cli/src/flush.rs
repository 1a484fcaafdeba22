//! `sspcache flush`: empties the caches of the logon session and of the user that are named, after it has said what is in them.

use std::{
    io::{self, BufRead, IsTerminal, Write},
    sync::Arc,
};

use serde::Serialize;
use sspcache::{
    FlushReport,
    caches::{Cache, System},
};

use crate::{
    caches::{self, Status, providers, statuses},
    cli::{FlushArgs, Format},
    output::{Stream, message, print_json, quoted, terminal_width},
};

/// How a flush ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Ended {
    /// Each cache is empty or absent, or it was a dry run.
    Done,
    /// A cache isn't, or the answer was no.
    NotFlushed,
    /// There is no terminal to ask on.
    NotAsked,
}

/// Flushes what is named.
pub(crate) fn flush(args: &FlushArgs) -> io::Result<Ended> {
    let is_terminal = io::stdin().is_terminal() && io::stderr().is_terminal();
    flush_in(&caches::native(), args, is_terminal.then_some(&mut || ask(&mut io::stdin().lock())))
}

/// The same in any system. `ask` asks the question, if there is a terminal.
fn flush_in<S: System>(
    system: &Arc<S>,
    args: &FlushArgs,
    ask: Option<&mut dyn FnMut() -> io::Result<bool>>,
) -> io::Result<Ended> {
    let wanted = providers(system, &args.names);
    if args.dry_run {
        return print_plan(&statuses(&wanted), args.format).map(|()| Ended::Done);
    }
    if !args.yes {
        let Some(ask) = ask else {
            message(NO_TERMINAL);
            return Ok(Ended::NotAsked);
        };
        let plan = statuses(&wanted);
        if plan.iter().any(Status::is_there) {
            let mut terminal = anstream::stderr();
            write!(
                terminal,
                "{}{OTHERS}Flush? [y/N] ",
                caches::table(&plan, terminal_width(Stream::Stderr))
            )?;
            terminal.flush()?;
            if !ask()? {
                message("nothing was flushed");
                return Ok(Ended::NotFlushed);
            }
        }
    }
    let report = flush_all(&wanted);
    print(&report, args.format)?;
    Ok(if report.is_success() { Ended::Done } else { Ended::NotFlushed })
}

const NO_TERMINAL: &str = "nothing was flushed: there is no terminal to ask on; pass --yes to flush without a question, or --dry-run to see what would be";

const OTHERS: &str = "Other programs of the user are signed out as well.\n";

/// Asks nothing itself; a yes is a yes, and anything else, also the end of the input, is a no.
fn ask(answers: &mut impl BufRead) -> io::Result<bool> {
    let mut answer = String::new();
    answers.read_line(&mut answer)?;
    Ok(["y", "yes"].iter().any(|yes| answer.trim().eq_ignore_ascii_case(yes)))
}

fn flush_all(caches: &[Box<dyn Cache>]) -> FlushReport {
    let mut report = FlushReport::default();
    for cache in caches {
        for name in cache.caches() {
            cache.flush_into(name.name(), &mut report);
        }
    }
    report
}

/// What a dry run prints.
#[derive(Serialize)]
struct Plan<'s> {
    dry_run: bool,
    caches: &'s [Status],
}

fn print_plan(plan: &[Status], format: Format) -> io::Result<()> {
    match format {
        Format::Json => print_json(&Plan { dry_run: true, caches: plan }),
        Format::Text => write!(anstream::stdout(), "{}", caches::table(plan, terminal_width(Stream::Stdout))),
    }
}

fn print(report: &FlushReport, format: Format) -> io::Result<()> {
    match format {
        Format::Json => print_json(report),
        Format::Text => {
            let mut out = anstream::stdout();
            // Names of others, made safe for a terminal.
            report.to_string().lines().try_for_each(|line| writeln!(out, "{}", quoted(line)))
        }
    }
}

#[cfg(test)]
mod tests {
    use sspcache_mock::{CacheEffect, CacheFault, MockCcaches, MockProcess, MockTickets};

    use super::*;
    use crate::caches::Reachable;

    fn args(names: &[&str]) -> FlushArgs {
        let names = names.iter().map(|name| Reachable::parse(name).unwrap()).collect();
        FlushArgs { names, yes: false, dry_run: false, format: Format::Text }
    }

    /// Tickets and a ccache, and a process that can reach them.
    fn user(fault: Option<CacheFault>) -> (Arc<MockProcess>, MockTickets, MockCcaches) {
        let tickets = fault.into_iter().fold(MockTickets::new(), MockTickets::fault);
        let ccaches = MockCcaches::new();
        tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
        ccaches.ccache("FILE:/tmp/krb5cc_1000", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE"]);
        (Arc::new(MockProcess::new().with_tickets(&tickets).with_ccaches(&ccaches)), tickets, ccaches)
    }

    /// K1: what is named is flushed, once it is allowed, and nothing else.
    #[test]
    fn what_is_named_is_flushed_once_it_is_allowed() {
        type Answer<'a> = Option<&'a mut dyn FnMut() -> io::Result<bool>>;

        let (yes, no) = (|| Ok(true), || Ok(false));
        let (mut first, mut second, mut third) = (yes, no, no);
        let cases: [(Answer<'_>, bool, bool, Ended, usize); 6] = [
            (Some(&mut first), false, false, Ended::Done, 0),
            (Some(&mut second), false, false, Ended::NotFlushed, 1),
            (None, false, false, Ended::NotAsked, 1),
            (None, true, false, Ended::Done, 0),
            (None, true, true, Ended::Done, 1),
            (Some(&mut third), false, true, Ended::Done, 1),
        ];
        for (answer, yes, dry_run, ended, left) in cases {
            let (system, tickets, ccaches) = user(None);
            let asked = answer.is_some();
            let args = FlushArgs { yes, dry_run, ..args(&["kerberos"]) };
            assert_eq!(flush_in(&system, &args, answer).unwrap(), ended, "{asked} {yes} {dry_run}");
            assert_eq!(tickets.tickets().len(), left, "{asked} {yes} {dry_run}");
            assert_eq!(ccaches.ccaches().len(), 1, "nobody has named it");
        }
    }

    #[test]
    fn a_failure_is_no_success_and_the_rest_is_flushed() {
        let (system, tickets, ccaches) = user(Some(CacheFault::on_flush(CacheEffect::Fail("denied".into()))));
        let args = FlushArgs { yes: true, ..args(&["kerberos", "ccache"]) };
        assert_eq!(flush_in(&system, &args, None).unwrap(), Ended::NotFlushed);
        assert_eq!((tickets.tickets().len(), ccaches.ccaches().len()), (1, 0));
    }

    /// K2
    #[test]
    fn what_is_not_there_is_a_success_without_a_question() {
        let mut never = || -> io::Result<bool> { panic!("there is nothing to ask about") };
        let system = Arc::new(MockProcess::new());
        let ended =
            flush_in(&system, &args(&["kerberos", "ccache", "credentials:MyApp/*"]), Some(&mut never));
        assert_eq!(ended.unwrap(), Ended::Done);
    }

    #[test]
    fn only_a_yes_is_a_yes() {
        for (answer, is_yes) in [
            ("y\n", true),
            ("YES\r\n", true),
            (" y ", true),
            ("", false),
            ("\n", false),
            ("n\n", false),
            ("yy\n", false),
        ] {
            assert_eq!(ask(&mut answer.as_bytes()).unwrap(), is_yes, "{answer:?}");
        }
    }
}
