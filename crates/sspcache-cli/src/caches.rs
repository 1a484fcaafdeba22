//! `sspcache caches`: what the caches of today hold here, and by which name `sspcache flush` empties each.
//!
//! A command reaches what belongs to the logon session and to the user (clause K1).

use std::{borrow::Cow, error::Error as StdError, fmt, io, io::Write, sync::Arc};

use serde::Serialize;
use sspcache::{
    CacheName, Error,
    caches::{
        Cache, CacheStatus, Contents, System,
        ccache::{Ccaches, Selection},
        credentials::{Credentials, Filter},
        kerberos::Kerberos,
    },
    loader::NativeLoader,
};

use crate::{
    cli::{CachesArgs, Format},
    output::{FAINT, Stream, fitted, print_json, quoted, styled, terminal_width, wrapped},
};

/// A cache that a command can reach, by the name on the command line. In the order of a flush: what could sign the user in
/// again comes first.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(crate) enum Reachable {
    Credentials(String),
    Ccache(String),
    Collection,
    DefaultCcache,
    Kerberos,
}

impl Reachable {
    /// Reads a name.
    ///
    /// # Errors
    /// Why there is no such cache, or why a command can't flush it.
    pub(crate) fn parse(name: &str) -> Result<Self, String> {
        let of_a_process = [CacheName::SCHANNEL, CacheName::WININET]
            .iter()
            .chain(CacheName::KNOWN)
            .any(|cache| cache.is_named(name))
            || name.to_ascii_lowercase().ends_with(".dll");
        if of_a_process {
            return Err(IN_MEMORY.to_owned());
        }
        match name.split_once(':').map_or((name, None), |(cache, of)| (cache, Some(of))) {
            (cache, None) if CacheName::CCACHE.is_named(cache) => Ok(Self::DefaultCcache),
            (cache, None) if CacheName::KERBEROS.is_named(cache) => Ok(Self::Kerberos),
            (cache, of) if CacheName::CREDENTIALS.is_named(cache) => {
                let filter =
                    of.ok_or("which ones? Name a target, or a prefix such as credentials:MyApp/*")?;
                Filter::new(filter).map_err(|error| error.to_string())?;
                Ok(Self::Credentials(filter.to_owned()))
            }
            (cache, Some(of)) if CacheName::CCACHE.is_named(cache) => match of {
                "" => {
                    Err("which one? Name it with its type, such as ccache:FILE:/tmp/krb5cc_1000".to_owned())
                }
                "*" => Ok(Self::Collection),
                memory if is_in_memory(memory) => Err(IN_MEMORY.to_owned()),
                name => Ok(Self::Ccache(name.to_owned())),
            },
            // Also the type of a ccache without `ccache:` before it.
            _ => Err("there is no such cache; the names are kerberos, ccache, ccache:TYPE:NAME, ccache:*, \
                 credentials:TARGET and credentials:PREFIX*"
                .to_owned()),
        }
    }

    fn provider<S: System>(&self, system: &Arc<S>) -> Box<dyn Cache> {
        let ccaches = |selection| Box::new(Ccaches::new(system.clone(), selection));
        match self {
            Self::Ccache(name) => ccaches(Selection::Named(name.clone())),
            Self::Collection => ccaches(Selection::Collection),
            Self::Credentials(filter) => {
                let filter = Filter::new(filter).expect("it was read from the command line");
                Box::new(Credentials::new(system.clone(), filter))
            }
            Self::DefaultCcache => ccaches(Selection::Default),
            Self::Kerberos => Box::new(Kerberos::new(system.clone())),
        }
    }
}

/// Why a command can't flush a cache that belongs to a process.
const IN_MEMORY: &str = "this cache is in the memory of the program that uses it, which no other program can flush: \
     flush it from there, with the library, or end that program";

fn is_in_memory(ccache: &str) -> bool {
    ccache.split_once(':').is_some_and(|(kind, _)| kind.eq_ignore_ascii_case("MEMORY"))
}

/// The caches of a system, in the order of a flush, each once.
pub(crate) fn providers<S: System>(system: &Arc<S>, names: &[Reachable]) -> Vec<Box<dyn Cache>> {
    let mut names = names.to_vec();
    names.sort();
    names.dedup();
    names.iter().map(|name| name.provider(system)).collect()
}

/// The system that this program runs on.
pub(crate) fn native() -> Arc<NativeLoader> {
    Arc::new(NativeLoader::default())
}

/// What there is of one cache. It has names of entries, never secrets.
#[derive(Debug, Eq, PartialEq, Serialize)]
pub(crate) struct Status {
    /// The name for `sspcache flush`.
    name: String,
    scope: &'static str,
    /// `absent`, `entries`, `unknown` or `failed`.
    state: &'static str,
    /// What is in it, where the system tells.
    entries: Option<Vec<String>>,
    /// `None` where it can't be looked at: a flush may work nevertheless.
    can_be_flushed: Option<bool>,
    /// Why it can't be flushed or looked at.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

impl Status {
    fn of(status: CacheStatus) -> Self {
        let CacheStatus { cache, scope, instance, contents, allowed, .. } = status;
        let name = match instance.as_deref() {
            None | Some("default") => cache.to_string(),
            Some("collection") => format!("{cache}:*"),
            Some(instance) => format!("{cache}:{instance}"),
        };
        let (state, entries, unseen) = match contents {
            Err(error) => ("failed", None, Some(reason(&error))),
            Ok(Contents::Absent) => ("absent", None, None),
            Ok(Contents::Entries(entries)) => ("entries", Some(entries), None),
            Ok(_) => ("unknown", None, None),
        };
        let can_be_flushed = match &allowed {
            Err(_) => Some(false),
            Ok(()) => unseen.is_none().then_some(true),
        };
        let error = allowed.err().map(|error| reason(&error)).or(unseen);
        Self { name, scope: scope.as_str(), state, entries, can_be_flushed, error }
    }

    /// Whether a flush would find it.
    pub(crate) fn is_there(&self) -> bool {
        self.state != "absent"
    }

    fn has_failed(&self) -> bool {
        self.state == "failed"
    }

    fn row(&self) -> Vec<String> {
        let can = match (self.can_be_flushed, self.is_there()) {
            (None, _) => "unknown",
            (Some(false), _) => "no",
            (Some(true), false) => "nothing to flush",
            (Some(true), true) => "yes",
        };
        vec![line(&self.name).into(), self.scope.to_owned(), can.to_owned(), self.to_string()]
    }
}

/// What is in it.
impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.entries, &self.error) {
            (_, Some(error)) => f.write_str(&line(error)),
            (Some(entries), None) if entries.is_empty() => f.write_str("none"),
            (Some(entries), None) => write!(f, "{}: {}", entries.len(), line(&entries.join(", "))),
            (None, None) => f.write_str(self.state),
        }
    }
}

/// What is wrong with a cache that was looked at, and not flushed.
fn reason(error: &Error) -> String {
    match error {
        Error::Other { source, .. } => {
            let first: &(dyn StdError + 'static) = &**source;
            let causes = std::iter::successors(Some(first), |&error| error.source());
            causes.map(ToString::to_string).collect::<Vec<_>>().join(": ")
        }
        Error::Unsupported { what, .. } => format!("unsupported here: {what}"),
        error => error.to_string(),
    }
}

/// Names of others, made safe for a terminal.
fn line(text: &str) -> Cow<'_, str> {
    quoted(text)
}

/// What there is of these caches, each once.
pub(crate) fn statuses(caches: &[Box<dyn Cache>]) -> Vec<Status> {
    let mut all: Vec<Status> = Vec::new();
    for status in caches.iter().flat_map(|cache| cache.status()).map(Status::of) {
        if !all.iter().any(|known| known.name == status.name) {
            all.push(status);
        }
    }
    all
}

/// What there is of the caches that a command reaches without a name: tickets, the default ccache, the others of its collection.
fn all<S: System>(system: &Arc<S>) -> Vec<Status> {
    let mut all = statuses(&providers(system, &[Reachable::DefaultCcache]));
    let others = statuses(&providers(system, &[Reachable::Collection]));
    // A collection in which there is nothing says what its default says.
    let others = others.into_iter().filter(|other| other.name != "ccache:*");
    for other in others {
        if !all.iter().any(|known| known.name == other.name) {
            all.push(other);
        }
    }
    all.extend(statuses(&providers(system, &[Reachable::Kerberos])));
    all
}

/// A table of what there is.
pub(crate) fn table(statuses: &[Status], width: Option<u16>) -> String {
    let rows: Vec<_> = statuses.iter().map(Status::row).collect();
    fitted(&["cache", "scope", "can be flushed", "entries"], &rows, width)
}

/// Prints what there is, and returns whether all that was named could be looked at.
pub(crate) fn caches(args: &CachesArgs) -> io::Result<bool> {
    let system = native();
    let found = if args.names.is_empty() { all(&system) } else { statuses(&providers(&system, &args.names)) };
    match args.format {
        Format::Json => print_json(&found)?,
        Format::Text => {
            let width = terminal_width(Stream::Stdout);
            let mut out = anstream::stdout();
            write!(out, "{}", table(&found, width))?;
            if args.names.is_empty() {
                write!(out, "\n{}", styled(FAINT, wrapped(NOT_LISTED, "", width)))?;
            }
        }
    }
    Ok(args.names.is_empty() || !found.iter().any(Status::has_failed))
}

/// What isn't among the caches.
const NOT_LISTED: &str = "Not listed: entries of the Credential Manager, which need a filter (sspcache caches 'credentials:MyApp/*'), \
     and what is in the memory of each program: SSPs, WinINet, Schannel, MEMORY: ccaches.";

#[cfg(test)]
mod tests {
    use sspcache_mock::{CacheEffect, CacheFault, MockCcaches, MockCredentials, MockProcess, MockTickets};

    use super::*;

    fn reachable(name: &str) -> Reachable {
        Reachable::parse(name).unwrap_or_else(|error| panic!("{name}: {error}"))
    }

    #[test]
    fn names_are_read_without_case_and_refused_with_the_reason() {
        for (name, read) in [
            ("kerberos", Reachable::Kerberos),
            ("Kerberos", Reachable::Kerberos),
            ("ccache", Reachable::DefaultCcache),
            ("ccache:*", Reachable::Collection),
            ("ccache:FILE:/tmp/krb5cc_1000", Reachable::Ccache("FILE:/tmp/krb5cc_1000".into())),
            ("CCACHE:/tmp/krb5cc_1000", Reachable::Ccache("/tmp/krb5cc_1000".into())),
            ("credentials:MyApp/*", Reachable::Credentials("MyApp/*".into())),
            ("credentials:a:b", Reachable::Credentials("a:b".into())),
        ] {
            assert_eq!(reachable(name), read, "{name}");
        }
        for (name, says) in [
            ("schannel.dll", "in the memory of the program"),
            ("WININET.DLL", "in the memory of the program"),
            ("msnsspc.dll", "in the memory of the program"),
            ("CONTOSSP.dll", "in the memory of the program"),
            ("ccache:MEMORY:app", "in the memory of the program"),
            ("ccache:memory:", "in the memory of the program"),
            ("ccache:", "which one?"),
            ("credentials", "which ones?"),
            ("credentials:", "it is empty"),
            ("credentials:*", "those of other programs too"),
            ("credentials:My*App", "at its end"),
            ("FILE:/tmp/krb5cc_1000", "ccache:TYPE:NAME"),
            ("kerberos:*", "there is no such cache"),
            ("tickets", "there is no such cache"),
            ("", "there is no such cache"),
        ] {
            let refused = Reachable::parse(name).unwrap_err();
            assert!(refused.contains(says), "{name}: {refused}");
        }
    }

    /// A user with something of everything.
    fn user() -> (MockProcess, MockTickets, MockCredentials, MockCcaches) {
        let (tickets, credentials, ccaches) =
            (MockTickets::new(), MockCredentials::new(), MockCcaches::new());
        tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
        tickets.ticket("HTTP/web");
        credentials.entry("MyApp/alice", MockCredentials::GENERIC);
        credentials.entry("Other/alice", MockCredentials::GENERIC);
        ccaches.ccache("DIR::/tmp/tkt", "alice@CONTOSO.EXAMPLE", ["krbtgt/CONTOSO.EXAMPLE"]);
        ccaches.ccache("DIR::/tmp/\u{1b}[2Jtkt2", "bob@CONTOSO.EXAMPLE", []);
        let process = MockProcess::new().with_tickets(&tickets);
        (process.with_credentials(&credentials).with_ccaches(&ccaches), tickets, credentials, ccaches)
    }

    /// K2: the list has each cache once, and looking changes nothing.
    #[test]
    fn what_there_is_is_listed_once_with_the_name_that_flushes_it() {
        let (process, tickets, credentials, ccaches) = user();
        let system = Arc::new(process);
        let text = table(&all(&system), None);
        insta::assert_snapshot!(text, @r"
         cache                           scope          can be flushed  entries
        ────────────────────────────────────────────────────────────────────────────────────────────────────
         ccache:DIR::/tmp/tkt            user           yes             1: krbtgt/CONTOSO.EXAMPLE
         ccache:DIR::/tmp/\u{1b}[2Jtkt2  user           yes             none
         kerberos                        logon session  yes             2: krbtgt/CONTOSO.EXAMPLE, HTTP/web
        ");
        let named = [reachable("credentials:MyApp/*"), reachable("ccache:FILE:/none")];
        insta::assert_snapshot!(table(&statuses(&providers(&system, &named)), None), @r"
         cache                scope  can be flushed    entries
        ──────────────────────────────────────────────────────────────
         credentials:MyApp/*  user   yes               1: MyApp/alice
         ccache:FILE:/none    user   nothing to flush  absent
        ");
        assert_eq!(
            (tickets.tickets().len(), credentials.entries().len(), ccaches.ccaches().len()),
            (2, 2, 2)
        );
    }

    #[test]
    fn what_can_not_be_looked_at_is_said_and_not_called_empty() {
        for (effect, says) in [
            (CacheEffect::Fail("access is denied".into()), "access is denied"),
            (
                CacheEffect::Unsupported("LSA has no such message".into()),
                "unsupported here: LSA has no such message",
            ),
        ] {
            let tickets = MockTickets::new().fault(CacheFault::on_list(effect));
            let system = Arc::new(MockProcess::new().with_tickets(&tickets));
            let [status] =
                <[Status; 1]>::try_from(statuses(&providers(&system, &[Reachable::Kerberos]))).unwrap();
            assert!(status.has_failed() && status.is_there());
            assert_eq!(status.row(), ["kerberos", "logon session", "unknown", says]);
        }
    }

    #[test]
    fn a_name_that_is_given_twice_is_flushed_once_and_in_the_order_of_a_flush() {
        let (process, ..) = user();
        let names =
            ["kerberos", "ccache:*", "credentials:MyApp/*", "kerberos", "credentials:MyApp/*"].map(reachable);
        let providers = providers(&Arc::new(process), &names);
        let names: Vec<_> = providers.iter().map(|cache| cache.caches()[0].to_string()).collect();
        assert_eq!(names, ["credentials", "ccache", "kerberos"]);
    }
}
