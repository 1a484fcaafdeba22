//! The configuration of a mock: TOML, named by `SSPCACHE_CONFIG`.
//!
//! ```toml
//! [cache]
//! handle-policy = "revoke"      # or "retain"
//! lifetime-seconds = 28800      # without it, credentials never expire
//! capacity = 1000               # without it, there is no limit
//!
//! [[package]]                   # replaces the module's own package
//! name = "NTLM"
//! module = "MSNSSPC.dll"        # offered by this mock alone; without it, by every one
//! comment = "for tests"
//! capabilities = ["integrity", "privacy", "connection"]
//! max-token = 2888
//! rpc-id = 10
//!
//! [[account]]                   # what an acceptor verifies sign-ins against
//! user = "alice"
//! domain = "CONTOSO"
//! password = "correct horse"
//!
//! [[preload]]                   # cached from the start, as by a user's session
//! package = "NTLM"
//! user = "alice"
//! domain = "CONTOSO"
//! password = "correct horse"
//!
//! [context]
//! lifetime-seconds = 3600       # without it, a context is good for as long as its credential
//! handshake-seconds = 300       # a handshake that takes longer has failed
//! complete-tokens = true        # the initiator's proof is to be completed by CompleteAuthToken
//! impersonation = "simulate"    # without it, or with "refuse", SEC_E_NO_IMPERSONATION
//! export-key = "battery staple" # who has the same imports what others export; without it, the same instance alone
//!
//! [targets]
//! known = ["HTTP/web"]          # an initiator finds no other target; without it, any
//! accepted = ["HTTP/web"]       # an acceptor refuses what is meant for another; without it, nothing
//!
//! [[fault]]
//! operation = "CleanupCredentialCache"
//! effect = "false"              # or "delay", "panic", "missing", or a status such as "SEC_E_INTERNAL_ERROR"
//! after = 0                     # lets so many calls pass
//! times = 1                     # makes so many fail; without it, all
//! delay-ms = 50
//! ```
//!
//! A configuration holds passwords, so an error tells line, column, key and what is allowed there, and never quotes
//! the file's text (clause M8).

use std::{
    fmt, fs, io,
    num::NonZeroU32,
    ops::Range,
    path::{Path, PathBuf},
    time::Duration,
};

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use crate::{
    AuthIdentity, Effect, Fault, Name, Operation, PackageInfo, Principal, Secret,
    context::{export_key::ExportKey, settings::Overrides},
    ledger::HandlePolicy,
    package::Capabilities,
};

/// A configuration that was read and found valid.
///
/// ```
/// use sspcache_engine::{Config, Engine};
/// let config: Config = "[cache]\nlifetime-seconds = 60".parse().unwrap();
/// let ssp = Engine::builder("MSNSSPC.dll").config(&config).build();
///
/// let error = "[cache]\nlifetime-seconds = 'soon'".parse::<Config>().unwrap_err();
/// assert_eq!(
///     error.to_string(),
///     "line 2, column 20: cache.lifetime-seconds: not valid here; allowed is a whole number of seconds, at least 1",
/// );
/// ```
#[derive(Debug, Default)]
pub struct Config {
    pub(crate) handle_policy: Option<HandlePolicy>,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) capacity: Option<NonZeroU32>,
    pub(crate) contexts: Overrides,
    pub(crate) export_key: Option<ExportKey>,
    pub(crate) packages: Vec<ForModule<PackageInfo>>,
    pub(crate) accounts: Vec<AuthIdentity>,
    pub(crate) preloads: Vec<(Name, AuthIdentity)>,
    pub(crate) faults: Vec<ForModule<Fault>>,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's path.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let at = |error: ConfigError| ConfigError { file: Some(path.to_owned()), ..error };
        let unreadable = |error: io::Error| at(ConfigError::new(Problem::Unreadable(error.kind())));
        // One buffer of the right size: a growing one would leave pieces of the text behind.
        let mut bytes = Zeroizing::new(Vec::new());
        let mut file = fs::File::open(path).map_err(unreadable)?;
        let length = file.metadata().map_err(unreadable)?.len();
        bytes.reserve_exact(usize::try_from(length).unwrap_or(0).saturating_add(1));
        io::Read::read_to_end(&mut file, &mut bytes).map_err(unreadable)?;
        let text = std::str::from_utf8(&bytes).map_err(|error| {
            let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
            at(ConfigError::new(Problem::NotUtf8).located(&valid, valid.len()..valid.len()))
        })?;
        text.parse().map_err(at)
    }

    /// What applies to a mock DLL only in part: faults that a DLL can't inject into itself.
    ///
    /// # Errors
    /// Names the first fault whose effect is `missing`: a DLL's exports can't be taken away.
    pub fn check_for_dll(&self) -> Result<(), ConfigError> {
        match self.faults.iter().position(|fault| fault.item.effect == Effect::Missing) {
            None => Ok(()),
            Some(index) => {
                Err(ConfigError::new(Problem::EmulationOnly).with_key(format!("fault[{index}].effect")))
            }
        }
    }

    fn read_cache(&mut self, cache: &Section<'_>) -> Result<(), ConfigError> {
        self.handle_policy = cache.optional("handle-policy", |value| match value.as_str()? {
            "retain" => Some(HandlePolicy::Retain),
            "revoke" => Some(HandlePolicy::Revoke),
            _ => None,
        })?;
        self.lifetime = cache.optional("lifetime-seconds", seconds)?;
        self.capacity = cache.optional("capacity", number)?;
        Ok(())
    }

    fn read_context(&mut self, context: &Section<'_>) -> Result<(), ConfigError> {
        let contexts = &mut self.contexts;
        contexts.lifetime = context.optional("lifetime-seconds", seconds)?;
        contexts.handshake = context.optional("handshake-seconds", seconds)?;
        contexts.complete_tokens = context.optional("complete-tokens", truth)?;
        contexts.simulate_impersonation =
            context.optional("impersonation", |value| match value.as_str()? {
                "refuse" => Some(false),
                "simulate" => Some(true),
                _ => None,
            })?;
        self.export_key = context.optional("export-key", |value| {
            value.as_str().filter(|key| !key.is_empty()).map(|key| ExportKey::from_secret(key.as_bytes()))
        })?;
        Ok(())
    }

    fn read_targets(&mut self, targets: &Section<'_>) -> Result<(), ConfigError> {
        self.contexts.known_targets = targets.optional("known", names)?;
        self.contexts.accepted_targets = targets.optional("accepted", names)?;
        Ok(())
    }

    fn read_package(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        let default = PackageInfo::named(section.required("name", name)?);
        let item = PackageInfo {
            comment: section.optional("comment", name)?.unwrap_or(default.comment),
            capabilities: section.optional("capabilities", capabilities)?.unwrap_or(default.capabilities),
            max_token: section.optional("max-token", number)?.map_or(default.max_token, NonZeroU32::get),
            rpc_id: section.optional("rpc-id", number)?.unwrap_or(default.rpc_id),
            ..default
        };
        self.packages.push(ForModule { module: section.optional("module", name)?, item });
        Ok(())
    }

    fn read_account(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        self.accounts.push(section.identity()?);
        Ok(())
    }

    fn read_preload(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        self.preloads.push((section.required("package", name)?, section.identity()?));
        Ok(())
    }

    fn read_fault(&mut self, section: &Section<'_>) -> Result<(), ConfigError> {
        let operation = section.required("operation", |value| Operation::from_name(value.as_str()?))?;
        let effect = section.required("effect", |value| Effect::from_name(value.as_str()?))?;
        let mut item = Fault::new(operation, effect)
            .after(section.optional("after", number)?.unwrap_or(0))
            .delay(Duration::from_millis(section.optional("delay-ms", number::<u32>)?.unwrap_or(0).into()));
        if let Some(times) = section.optional("times", number)? {
            item = item.times(times);
        }
        self.faults.push(ForModule { module: section.optional("module", name)?, item });
        Ok(())
    }
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let document = DeTable::parse(text).map_err(|error| {
            // The parser's own message may quote the text.
            ConfigError::new(Problem::Syntax).located(text, error.span().unwrap_or_default())
        })?;
        let file = Section::new(text, String::new(), document.span(), document.get_ref())?;
        let mut config = Self::default();
        file.table("cache", |section| config.read_cache(section))?;
        file.table("context", |section| config.read_context(section))?;
        file.table("targets", |section| config.read_targets(section))?;
        file.tables("package", |section| config.read_package(section))?;
        file.tables("account", |section| config.read_account(section))?;
        file.tables("preload", |section| config.read_preload(section))?;
        file.tables("fault", |section| config.read_fault(section))?;
        Ok(config)
    }
}

/// Something that applies to one module, or to each.
#[derive(Debug)]
pub(crate) struct ForModule<T> {
    module: Option<Name>,
    item: T,
}

impl<T> ForModule<T> {
    pub(crate) fn of(&self, module: &Name) -> Option<&T> {
        self.module.as_ref().is_none_or(|only| only == module).then_some(&self.item)
    }
}

/// A table of the file. It is walked by hand, rather than deserialized, to know the place of everything that is wrong, and
/// because generic deserialization made up a quarter of the mock DLL.
struct Section<'t> {
    text: &'t str,
    key: String,
    span: Range<usize>,
    table: &'t DeTable<'t>,
}

impl<'t> Section<'t> {
    /// A table in which every key is a known one.
    fn new(
        text: &'t str,
        key: String,
        span: Range<usize>,
        table: &'t DeTable<'t>,
    ) -> Result<Self, ConfigError> {
        let section = Self { text, key, span, table };
        let is_unknown = |name: &str| allowed_at(&pattern(&section.path(name))).is_empty();
        let unknown = table.keys().filter(|name| is_unknown(name.get_ref())).map(Spanned::span);
        // Of several the first in the file, not in the alphabet: the name of an unknown key is text of the file, and only its
        // table is told.
        match unknown.min_by_key(|span| span.start) {
            None => Ok(section),
            Some(span) => {
                Err(ConfigError::new(Problem::UnknownKey).with_key(section.key).located(text, span))
            }
        }
    }

    fn path(&self, key: &str) -> String {
        if self.key.is_empty() { key.to_owned() } else { format!("{}.{key}", self.key) }
    }

    fn value(&self, key: &str) -> Option<&'t Spanned<DeValue<'t>>> {
        self.table.get(key)
    }

    fn invalid(&self, key: String, span: Range<usize>) -> ConfigError {
        ConfigError::new(Problem::Invalid).with_key(key).located(self.text, span)
    }

    fn optional<T>(
        &self,
        key: &str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key) else { return Ok(None) };
        let read = read(value.get_ref());
        read.map(Some).ok_or_else(|| self.invalid(self.path(key), value.span()))
    }

    fn required<T>(
        &self,
        key: &'static str,
        read: impl Fn(&DeValue<'_>) -> Option<T>,
    ) -> Result<T, ConfigError> {
        self.optional(key, read)?.ok_or_else(|| {
            ConfigError::new(Problem::Missing(key))
                .with_key(self.key.clone())
                .located(self.text, self.span.clone())
        })
    }

    fn identity(&self) -> Result<AuthIdentity, ConfigError> {
        let user = self.required("user", name)?;
        let domain = self.optional("domain", name)?.unwrap_or_default();
        let secret = self.required("password", |value| value.as_str().map(Secret::password))?;
        Ok(AuthIdentity::new(Principal::new(user, domain), secret))
    }

    /// The table of this key, if there is one.
    fn table(
        &self,
        key: &str,
        read: impl FnOnce(&Section<'t>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        match self.value(key) {
            None => Ok(()),
            Some(value) => read(&self.section(self.path(key), value)?),
        }
    }

    /// Each table of this key's array.
    fn tables(
        &self,
        key: &str,
        mut read: impl FnMut(&Section<'t>) -> Result<(), ConfigError>,
    ) -> Result<(), ConfigError> {
        let Some(value) = self.value(key) else { return Ok(()) };
        let array = value.get_ref().as_array().ok_or_else(|| self.invalid(self.path(key), value.span()))?;
        for (index, value) in array.iter().enumerate() {
            read(&self.section(format!("{}[{index}]", self.path(key)), value)?)?;
        }
        Ok(())
    }

    fn section(&self, key: String, value: &'t Spanned<DeValue<'t>>) -> Result<Section<'t>, ConfigError> {
        match value.get_ref().as_table() {
            Some(table) => Section::new(self.text, key, value.span(), table),
            None => Err(self.invalid(key, value.span())),
        }
    }
}

fn name(value: &DeValue<'_>) -> Option<Name> {
    value.as_str().map(Name::from)
}

fn truth(value: &DeValue<'_>) -> Option<bool> {
    value.as_bool()
}

fn names(value: &DeValue<'_>) -> Option<Vec<Name>> {
    value.as_array()?.iter().map(|value| name(value.get_ref())).collect()
}

/// A time of at least a second.
fn seconds(value: &DeValue<'_>) -> Option<Duration> {
    number::<NonZeroU32>(value).map(|seconds| Duration::from_secs(seconds.get().into()))
}

/// A whole number in the type's range.
fn number<T: TryFrom<Number>>(value: &DeValue<'_>) -> Option<T> {
    let digits = value.as_integer()?;
    let number = u32::from_str_radix(digits.as_str(), digits.radix()).ok()?;
    T::try_from(Number(number)).ok()
}

/// A whole number of the file, on its way into the type of its key.
struct Number(u32);

impl TryFrom<Number> for NonZeroU32 {
    type Error = ();

    fn try_from(number: Number) -> Result<Self, ()> {
        Self::new(number.0).ok_or(())
    }
}

impl TryFrom<Number> for u16 {
    type Error = ();

    fn try_from(number: Number) -> Result<Self, ()> {
        Self::try_from(number.0).map_err(|_| ())
    }
}

impl From<Number> for u32 {
    fn from(number: Number) -> Self {
        number.0
    }
}

fn capabilities(value: &DeValue<'_>) -> Option<Capabilities> {
    value.as_array()?.iter().try_fold(Capabilities(0), |all, name| {
        Some(Capabilities(all.0 | Capabilities::from_name(name.get_ref().as_str()?)?.0))
    })
}

/// Why a configuration is refused. It names the place, the key and what is allowed there, never the file's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    /// Line and column, from 1.
    position: Option<(usize, usize)>,
    key: String,
    problem: Problem,
}

impl ConfigError {
    fn new(problem: Problem) -> Self {
        Self { file: None, position: None, key: String::new(), problem }
    }

    /// The file, if one was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1, where there is one.
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// The column in that line, in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }

    /// The key that is wrong, as `fault[1].effect`; empty for the file as a whole.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is allowed there, in words; empty when the problem is none of a key's value.
    pub fn allowed(&self) -> String {
        match self.problem {
            Problem::Unreadable(_) | Problem::NotUtf8 | Problem::Syntax => String::new(),
            Problem::EmulationOnly | Problem::Invalid | Problem::Missing(_) | Problem::UnknownKey => {
                allowed_at(&self.pattern())
            }
        }
    }

    fn pattern(&self) -> String {
        let mut pattern = pattern(&self.key);
        if let Problem::Missing(field) = self.problem {
            if !pattern.is_empty() {
                pattern.push('.');
            }
            pattern.push_str(field);
        }
        pattern
    }

    fn located(mut self, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.position = Some((before.split('\n').count(), before[line_start..].chars().count() + 1));
        self
    }

    fn with_key(mut self, key: String) -> Self {
        self.key = key;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        match self.allowed() {
            allowed if allowed.is_empty() => Ok(()),
            allowed => write!(f, "; allowed is {allowed}"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[derive(Clone, Debug, Eq, PartialEq)]
enum Problem {
    EmulationOnly,
    Invalid,
    Missing(&'static str),
    NotUtf8,
    Syntax,
    UnknownKey,
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmulationOnly => {
                f.write_str("`missing` works in the emulation only: a DLL's exports can't be taken away")
            }
            Self::Invalid => f.write_str("not valid here"),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Syntax => f.write_str("not TOML from here on: look for a missing quote, bracket or `=`"),
            Self::UnknownKey => f.write_str("there is no such key"),
            Self::Unreadable(kind) => write!(f, "can't read the configuration: {kind}"),
        }
    }
}

/// Every key of a configuration: its path, such as `cache.capacity`, what is allowed there, and what it says.
pub fn keys() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    let keys = KEYS.iter().filter(|(path, ..)| !path.is_empty());
    keys.map(|&(path, _, meaning)| (path, allowed_at(path), meaning))
}

/// What is allowed at a key. The empty key is the file as a whole.
fn allowed_at(pattern: &str) -> String {
    let known = KEYS.iter().find(|(key, ..)| *key == pattern).map_or("", |(_, allowed, _)| *allowed);
    match known {
        CAPABILITY_LIST => {
            format!("a list of any of {}", Capabilities::all_names().collect::<Vec<_>>().join(", "))
        }
        OPERATION_NAME => {
            format!(
                "one of {}",
                Operation::ALL.iter().map(|operation| operation.name()).collect::<Vec<_>>().join(", ")
            )
        }
        _ => known.to_owned(),
    }
}

/// The key of the schema that a path such as `fault[1].effect` stands for: `fault.effect`.
fn pattern(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|character| {
            inside = inside && *character != ']' || *character == '[';
            !inside && *character != ']'
        })
        .collect()
}

const CAPABILITY_LIST: &str = "(capabilities)";
const OPERATION_NAME: &str = "(operations)";
const MODULE: &str = "a module's file name, such as \"MSNSSPC.dll\"";
const NAME: &str = "a string";
const NAMES: &str = "a list of targets' names, such as [\"HTTP/web\"]";
const SECONDS: &str = "a whole number of seconds, at least 1";
const COUNT: &str = "a whole number from 0 to 4294967295";

/// Every key: its path, what is allowed there, what it says. The empty path is the file as a whole.
const KEYS: &[(&str, &str, &str)] = &[
    ("", "[cache], [context], [targets], [[package]], [[account]], [[preload]], [[fault]]", "the file"),
    ("cache", "a table of handle-policy, lifetime-seconds, capacity", "the credential cache"),
    ("cache.handle-policy", "\"revoke\" or \"retain\"", "what a handle may still do after a flush"),
    ("cache.lifetime-seconds", SECONDS, "how long a credential is cached; without it, for ever"),
    (
        "cache.capacity",
        "a whole number of credentials, at least 1",
        "how many are cached; without it, any number",
    ),
    (
        "context",
        "a table of lifetime-seconds, handshake-seconds, complete-tokens, impersonation, export-key",
        "security contexts",
    ),
    (
        "context.lifetime-seconds",
        SECONDS,
        "how long a context is good for; without it, as long as its credential",
    ),
    ("context.handshake-seconds", SECONDS, "how long a handshake may take; without it, 300"),
    ("context.complete-tokens", "true or false", "whether CompleteAuthToken completes the initiator's proof"),
    ("context.impersonation", "\"refuse\" or \"simulate\"", "whether impersonation is pretended"),
    (
        "context.export-key",
        "a string that is not empty",
        "instances with the same key import each other's contexts",
    ),
    ("targets", "a table of known, accepted", "whom an initiator may name"),
    ("targets.known", NAMES, "the targets that an initiator finds; without it, any"),
    ("targets.accepted", NAMES, "the targets that an acceptor is; without it, any"),
    (
        "package",
        "tables of name, module, comment, capabilities, max-token, rpc-id",
        "replaces the module's own package",
    ),
    ("package.name", "a package's name, such as \"NTLM\"", "the package's name"),
    ("package.module", MODULE, "the one module that offers it; without it, each"),
    ("package.comment", NAME, "its description"),
    ("package.capabilities", CAPABILITY_LIST, "what it can do"),
    ("package.max-token", "a whole number of bytes, at least 1", "the longest token"),
    ("package.rpc-id", "a whole number from 0 to 65535", "its number in RPC"),
    ("account", "tables of user, domain, password", "whom an acceptor verifies"),
    ("account.user", NAME, "the user"),
    ("account.domain", NAME, "the domain; without it, none"),
    ("account.password", NAME, "the password"),
    ("preload", "tables of package, user, domain, password", "what is cached from the start"),
    ("preload.package", "a package's name, such as \"MSN\"", "for which package"),
    ("preload.user", NAME, "the user"),
    ("preload.domain", NAME, "the domain; without it, none"),
    ("preload.password", NAME, "the password"),
    ("fault", "tables of operation, effect, module, after, times, delay-ms", "makes calls fail"),
    ("fault.operation", OPERATION_NAME, "the function that fails"),
    (
        "fault.effect",
        "\"false\", \"delay\", \"panic\", \"missing\" or a status such as \"SEC_E_INTERNAL_ERROR\"",
        "how it fails",
    ),
    ("fault.module", MODULE, "the one module that fails; without it, each"),
    ("fault.after", COUNT, "how many calls pass before"),
    ("fault.times", COUNT, "how many calls fail; without it, all"),
    ("fault.delay-ms", "a whole number of milliseconds from 0 to 4294967295", "how long a call waits before"),
];
