//! What is found and not held against the program (clause Q1a): entries of a kind, a module or function, and the reason, as
//! valgrind's.

use std::{
    fmt::{self, Write},
    fs, io,
    path::{Path, PathBuf},
};

use serde::Deserialize;
use toml::Spanned;

use super::{
    Credential, Kind, Process,
    finding::{Broken, Finding, What},
    policy_rule::PolicyRule,
    rule::Rule,
};
use crate::places::Place;

/// The suppressions that apply to a run: the user's, and those that the program brings.
#[derive(Debug)]
pub(crate) struct Suppressions {
    users: Vec<Suppression>,
    defaults: Vec<Suppression>,
    /// The user's file.
    path: PathBuf,
}

#[derive(Debug)]
struct Suppression {
    entry: Entry,
    /// The line that it begins in, from 1.
    line: usize,
    is_used: bool,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct File {
    suppression: Vec<Spanned<Entry>>,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    kind: Of,
    /// The file name of the program, of a module that is known to be loaded in the process, or of one that the stack goes through.
    module: Option<String>,
    /// A function that the stack goes through.
    function: Option<String>,
    why: String,
}

/// The kinds that can be suppressed.
#[derive(Clone, Copy, Debug, Deserialize, Eq, PartialEq)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Of {
    Attribute,
    Cached,
    Context,
    CredentialHandle,
    ExportedContext,
    FreedTwice,
    Held,
    Identity,
    Memory,
    NoChannelBindings,
    NoMutualAuthentication,
    NoSpn,
    NotCompleted,
    NotGranted,
    NotKerberos,
    NtlmFallback,
    NtlmNotExcluded,
    NtlmPackage,
    NtlmPreferred,
    PackedIdentity,
    Packages,
    ShortBuffer,
    StepOnFailedContext,
    Token,
    UsedAfterFailing,
    UsedAfterFreeing,
    UsedHalfOpen,
    WrongFunction,
    WrongKind,
}

impl Of {
    fn name(self) -> &'static str {
        match self {
            Self::Attribute => What::Attribute.name(),
            Self::Cached => "cached",
            Self::Context => What::Context.name(),
            Self::CredentialHandle => What::CredentialHandle.name(),
            Self::ExportedContext => What::ExportedContext.name(),
            Self::FreedTwice => Rule::FreedTwice.name(),
            Self::Held => "held",
            Self::Identity => What::Identity.name(),
            Self::Memory => What::Memory.name(),
            Self::NoChannelBindings => PolicyRule::NoChannelBindings.name(),
            Self::NoMutualAuthentication => PolicyRule::NoMutualAuthentication.name(),
            Self::NoSpn => PolicyRule::NoSpn.name(),
            Self::NotCompleted => Rule::NotCompleted.name(),
            Self::NotGranted => Rule::NotGranted.name(),
            Self::NotKerberos => PolicyRule::NotKerberos.name(),
            Self::NtlmFallback => PolicyRule::NtlmFallback.name(),
            Self::NtlmNotExcluded => PolicyRule::NtlmNotExcluded.name(),
            Self::NtlmPackage => PolicyRule::NtlmPackage.name(),
            Self::NtlmPreferred => PolicyRule::NtlmPreferred.name(),
            Self::PackedIdentity => What::PackedIdentity.name(),
            Self::Packages => What::Packages.name(),
            Self::ShortBuffer => Rule::ShortBuffer.name(),
            Self::StepOnFailedContext => Rule::StepOnFailedContext.name(),
            Self::Token => What::Token.name(),
            Self::UsedAfterFailing => Rule::UsedAfterFailing.name(),
            Self::UsedAfterFreeing => Rule::UsedAfterFreeing.name(),
            Self::UsedHalfOpen => Rule::UsedHalfOpen.name(),
            Self::WrongFunction => Rule::WrongFunction.name(),
            Self::WrongKind => Rule::WrongKind.name(),
        }
    }
}

impl From<Kind> for Of {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Cached => Self::Cached,
            Kind::Held => Self::Held,
        }
    }
}

impl From<Rule> for Of {
    fn from(rule: Rule) -> Self {
        match rule {
            Rule::FreedTwice => Self::FreedTwice,
            Rule::NotCompleted => Self::NotCompleted,
            Rule::NotGranted => Self::NotGranted,
            Rule::ShortBuffer => Self::ShortBuffer,
            Rule::UsedAfterFailing => Self::UsedAfterFailing,
            Rule::UsedAfterFreeing => Self::UsedAfterFreeing,
            Rule::UsedHalfOpen => Self::UsedHalfOpen,
            Rule::WrongFunction => Self::WrongFunction,
            Rule::WrongKind => Self::WrongKind,
            Rule::StepOnFailedContext => Self::StepOnFailedContext,
        }
    }
}

impl From<Broken> for Of {
    fn from(rule: Broken) -> Self {
        match rule {
            Broken::Misuse(rule) => rule.into(),
            Broken::Policy(PolicyRule::NoChannelBindings) => Self::NoChannelBindings,
            Broken::Policy(PolicyRule::NoMutualAuthentication) => Self::NoMutualAuthentication,
            Broken::Policy(PolicyRule::NoSpn) => Self::NoSpn,
            Broken::Policy(PolicyRule::NotKerberos) => Self::NotKerberos,
            Broken::Policy(PolicyRule::NtlmFallback) => Self::NtlmFallback,
            Broken::Policy(PolicyRule::NtlmNotExcluded) => Self::NtlmNotExcluded,
            Broken::Policy(PolicyRule::NtlmPackage) => Self::NtlmPackage,
            Broken::Policy(PolicyRule::NtlmPreferred) => Self::NtlmPreferred,
        }
    }
}

impl From<What> for Of {
    fn from(what: What) -> Self {
        match what {
            What::Attribute => Self::Attribute,
            What::Context => Self::Context,
            What::CredentialHandle => Self::CredentialHandle,
            What::ExportedContext => Self::ExportedContext,
            What::Identity => Self::Identity,
            What::Memory => Self::Memory,
            What::PackedIdentity => Self::PackedIdentity,
            What::Packages => Self::Packages,
            What::Token => Self::Token,
        }
    }
}

/// Something that a suppression may be for.
pub(super) struct Subject<'s> {
    pub(super) kind: Of,
    pub(super) process: &'s Process,
    pub(super) stack: &'s [Place],
}

impl Suppressions {
    /// Those that the program brings, and no others.
    pub(crate) fn default() -> Self {
        let defaults = parse(include_str!("default-suppressions.toml")).expect("a test reads the same file");
        Self { users: Vec::new(), defaults, path: PathBuf::new() }
    }

    /// With those of a user's file.
    ///
    /// # Errors
    /// When the file can't be read, or is no list of suppressions: where the mistake is.
    pub(crate) fn read(path: &Path) -> Result<Self, SuppressionsError> {
        let text = fs::read_to_string(path)
            .map_err(|source| SuppressionsError::Unreadable { path: path.to_owned(), source })?;
        let users =
            parse(&text).map_err(|mistake| SuppressionsError::Invalid { path: path.to_owned(), mistake })?;
        Ok(Self { users, path: path.to_owned(), ..Self::default() })
    }

    /// With those of a user's file, if there is one.
    ///
    /// # Errors
    /// As [`read`](Self::read).
    pub(crate) fn of(path: Option<&Path>) -> Result<Self, SuppressionsError> {
        path.map_or_else(|| Ok(Self::default()), Self::read)
    }

    /// The reason not to hold this against the program, if there is one. The suppression counts as used.
    pub(super) fn reason(&mut self, subject: &Subject<'_>) -> Option<String> {
        let mut all = self.users.iter_mut().chain(&mut self.defaults);
        let found = all.find(|suppression| suppression.entry.is_for(subject))?;
        found.is_used = true;
        Some(found.entry.why.clone())
    }

    /// The user's suppressions that were for nothing, in words.
    pub(super) fn unused(&self) -> Vec<String> {
        let unused = self.users.iter().filter(|suppression| !suppression.is_used);
        let name = |suppression: &Suppression| {
            format!("{}:{}: {}", self.path.display(), suppression.line, suppression.entry.of())
        };
        unused.map(name).collect()
    }
}

impl Entry {
    fn is_for(&self, subject: &Subject<'_>) -> bool {
        let Subject { kind, process, stack } = subject;
        let is_module = |module: &String| {
            let same = |name: &str| name.eq_ignore_ascii_case(module);
            same(&process.program)
                || process.beside.iter().any(|name| same(name))
                || stack.iter().any(|place| same(place.module()))
        };
        let is_function =
            |function: &String| stack.iter().any(|place| place.function.as_ref() == Some(function));
        self.kind == *kind
            && self.module.as_ref().is_none_or(is_module)
            && self.function.as_ref().is_none_or(is_function)
    }

    /// `credential-handle, module libfoo.so`.
    fn of(&self) -> String {
        let part = |name: &str, value: &Option<String>| {
            value.as_ref().map(|value| format!(", {name} {value}")).unwrap_or_default()
        };
        format!("{}{}{}", self.kind.name(), part("module", &self.module), part("function", &self.function))
    }
}

fn parse(text: &str) -> Result<Vec<Suppression>, Mistake> {
    let file: File = toml::from_str(text).map_err(|error| {
        let at = error.span().map_or(0, |span| span.start);
        Mistake::at(text, at, error.message())
    })?;
    let checked = file.suppression.into_iter().map(|entry| {
        let at = entry.span().start;
        let entry = entry.into_inner();
        if entry.module.is_none() && entry.function.is_none() {
            return Err(Mistake::at(text, at, "missing field `module` or `function`"));
        }
        let given = [Some(&entry.why), entry.module.as_ref(), entry.function.as_ref()];
        let names = ["why", "module", "function"];
        for (value, name) in given.iter().zip(names) {
            if value.is_some_and(|value| value.trim().is_empty()) {
                return Err(Mistake::at(text, at, &format!("`{name}` is empty")));
            }
        }
        Ok(Suppression { entry, line: Mistake::at(text, at, "").line, is_used: false })
    });
    checked.collect()
}

/// Where in a file of suppressions what is wrong.
#[derive(Debug)]
pub(crate) struct Mistake {
    line: usize,
    column: usize,
    what: String,
}

impl Mistake {
    fn at(text: &str, at: usize, what: &str) -> Self {
        let before = text.get(..at).unwrap_or_default();
        let line_start = before.rfind('\n').map_or(0, |newline| newline + 1);
        Self {
            line: before.matches('\n').count() + 1,
            column: before[line_start..].chars().count() + 1,
            what: what.to_owned(),
        }
    }
}

impl fmt::Display for Mistake {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// Why a file of suppressions can't be used.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub(crate) enum SuppressionsError {
    #[error(
        "{}:{mistake}. A suppression is a table [[suppression]] with `kind`, `module` or `function`, and `why`",
        path.display()
    )]
    Invalid { path: PathBuf, mistake: Mistake },
    #[error("{}: can't read the suppressions: {source}", path.display())]
    Unreadable { path: PathBuf, source: io::Error },
}

/// A string of TOML.
fn string(value: &str) -> String {
    let mut string = String::from('"');
    for character in value.chars() {
        match character {
            '"' | '\\' => string.extend(['\\', character]),
            control if control.is_control() => {
                write!(string, "\\u{:04X}", u32::from(control)).expect("a string takes all text");
            }
            other => string.push(other),
        }
    }
    string.push('"');
    string
}

/// An entry that suppresses a finding, to be completed with the reason.
pub(super) fn generated(finding: &Finding) -> String {
    let kind = finding.rule.map_or_else(|| finding.what.name(), Broken::name);
    entry(kind, &finding.stack, &finding.program, &finding.of())
}

/// The same for a credential that was left.
pub(super) fn generated_for_left(process: &Process, credential: &Credential) -> String {
    let Credential { kind, stack, principal, package, .. } = credential;
    entry(Of::from(*kind).name(), stack, &process.program, &format!("{principal} for {package}"))
}

/// An entry for the innermost place, or the program where there is none.
fn entry(kind: &str, stack: &[Place], program: &str, whose: &str) -> String {
    let first = stack.first();
    let module = first.map(Place::module).filter(|module| !module.is_empty()).unwrap_or(program);
    let function = first.and_then(|place| place.function.as_deref());
    let (key, value) = function.map_or(("module", module), |function| ("function", function));
    let whose = if whose.is_empty() { String::new() } else { format!("{whose}: ") };
    let why = string(&format!("{whose}say why this is no fault of the program"));
    format!("[[suppression]]\nkind = {}\n{key} = {}\nwhy = {why}\n", string(kind), string(value))
}

#[cfg(test)]
mod tests {
    use sspcache_engine::journal::Journal;

    use super::*;
    use crate::cli::Policy;

    #[test]
    fn each_suppression_has_a_reason() {
        let Suppressions { defaults, .. } = Suppressions::default();
        assert!(!defaults.is_empty());
        for Suppression { entry, .. } in &defaults {
            assert!(entry.why.len() > 20, "{entry:?}");
            let module = entry.module.as_ref().expect("no process's functions are known beforehand");
            assert_eq!(*module, module.to_ascii_lowercase());
        }
    }

    /// Q2
    #[test]
    fn a_generated_suppression_can_be_read_whatever_is_in_its_names() {
        let text = entry("held", &[], "a \"quoted\"\\\u{7}.exe", "CONTOSO\\alice");
        let parsed = parse(&text).unwrap();
        assert_eq!(parsed[0].entry.module.as_deref(), Some("a \"quoted\"\\\u{7}.exe"), "{text}");
        assert!(parsed[0].entry.why.starts_with("CONTOSO\\alice: "), "{text}");
    }

    /// Q2, Q4
    #[test]
    fn a_function_suppresses_what_was_given_out_in_it_once_places_have_functions() {
        let module = "libauth.so";
        let text = [
            r#""event":"started","module":"secur32.dll","version":"VERSION","pid":1,"program":"client","os":"linux""#,
            r#""event":"image","image":1,"path":"/lib/libauth.so""#,
            r#""stack":["1+0x10"],"event":"acquired","handle":1,"package":"NTLM","principal":"a","source":"default""#,
            r#""stack":["1+0x20"],"event":"acquired","handle":2,"package":"NTLM","principal":"a","source":"default""#,
            r#""event":"ended","how":"exit","left":0,"lost":0"#,
        ];
        let line = |(seq, event): (usize, &&str)| {
            let event = event.replace("VERSION", env!("CARGO_PKG_VERSION"));
            format!("{{\"seq\":{seq},\"time\":{seq},\"before\":0,\"after\":0,{event}}}\n")
        };
        let text: String = text.iter().enumerate().map(line).collect();
        let journals = [Journal::parse(Path::new("1-secur32-0.jsonl"), text.as_bytes()).unwrap()];
        let mut resolve = |stack: &[Place]| {
            let function = |offset| if offset == 0x10 { "keep_one" } else { "lose_one" };
            let named =
                |place: &Place| Place { function: Some(function(place.offset).to_owned()), ..place.clone() };
            stack.iter().map(named).collect()
        };
        let mut judged = |key: &str, value: &str| {
            let users = parse(
                &entry("credential-handle", &[], "x", "")
                    .replace("module = \"x\"", &format!("{key} = \"{value}\"")),
            );
            let suppressions = Suppressions { users: users.unwrap(), ..Suppressions::default() };
            let verdict = crate::verdict::judge(
                &journals,
                &[],
                |_, _, _| false,
                suppressions,
                &Policy::default(),
                &mut resolve,
            );
            (verdict.leaks.all.leaked, verdict.leaks.all.suppressed, verdict.findings)
        };
        for (key, value, leaked, suppressed) in
            [("function", "keep_one", 1, 1), ("function", "keep", 2, 0), ("module", module, 0, 2)]
        {
            let (is_leaked, is_suppressed, findings) = judged(key, value);
            assert_eq!((is_leaked, is_suppressed), (leaked, suppressed), "{key} {value}: {findings:?}");
        }
        let (_, _, findings) = judged("function", "keep_one");
        assert!(generated(&findings[0]).contains("\nfunction = \"lose_one\"\n"), "{findings:?}");
    }

    /// Q2
    #[test]
    fn a_mistake_in_a_file_of_suppressions_has_its_line_and_key() {
        let good = "[[suppression]]\nkind = \"token\"\nmodule = \"a\"\nwhy = \"because\"\n";
        assert_eq!(parse(good).unwrap()[0].line, 1);
        for (text, said) in [
            ("kind = \"token\"\n", "1:1: unknown field `kind`"),
            (&good.replace("module", "modul"), "3:1: unknown field `modul`"),
            (&good.replace("\"token\"", "\"tokens\""), "2:8: unknown variant `tokens`"),
            (&good.replace("module = \"a\"\n", ""), "1:1: missing field `module` or `function`"),
            (&good.replace("why = \"because\"\n", ""), "1:1: missing field `why`"),
            (&good.replace("because", " "), "1:1: `why` is empty"),
            (&format!("{good}[[suppression]\n"), "5:"),
        ] {
            let mistake = parse(text).unwrap_err().to_string();
            assert!(mistake.starts_with(said), "{text}: {mistake}");
        }
    }
}
