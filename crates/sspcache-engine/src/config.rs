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
    path::{Path, PathBuf},
    time::Duration,
};

use serde::Deserialize;
use zeroize::Zeroizing;

use crate::{
    Effect, EngineBuilder, Fault, Identity, Name, Operation, PackageInfo, Principal, Secret,
    builder::HandlePolicy, package::Capabilities,
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
#[derive(Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
pub struct Config {
    #[serde(default)]
    cache: CacheConfig,
    #[serde(default)]
    package: Vec<PackageConfig>,
    #[serde(default)]
    account: Vec<AccountConfig>,
    #[serde(default)]
    preload: Vec<PreloadConfig>,
    #[serde(default)]
    fault: Vec<FaultConfig>,
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
        let text = std::str::from_utf8(&bytes)
            .map_err(|error| at(ConfigError::new(Problem::NotUtf8).located(&bytes[..error.valid_up_to()])))?;
        text.parse().map_err(at)
    }

    /// What applies to a mock DLL only in part: faults that a DLL can't inject into itself.
    ///
    /// # Errors
    /// Names the first fault whose effect is `missing`: a DLL's exports can't be taken away.
    pub fn check_for_dll(&self) -> Result<(), ConfigError> {
        match self.fault.iter().position(|fault| fault.effect == Effect::Missing) {
            None => Ok(()),
            Some(index) => {
                Err(ConfigError::new(Problem::EmulationOnly).with_key(format!("fault[{index}].effect")))
            }
        }
    }

    pub(crate) fn apply(&self, builder: &mut EngineBuilder) {
        let CacheConfig { handle_policy, lifetime_seconds, capacity } = &self.cache;
        if let Some(policy) = handle_policy {
            builder.handle_policy = match policy {
                PolicyName::Retain => HandlePolicy::Retain,
                PolicyName::Revoke => HandlePolicy::Revoke,
            };
        }
        if let Some(seconds) = lifetime_seconds {
            builder.lifetime = Some(Duration::from_secs(u64::from(seconds.get())));
        }
        builder.capacity = capacity.or(builder.capacity);
        let here = |module: &Option<Name>| {
            module.as_ref().is_none_or(|module| *module == Name::from(builder.module.as_str()))
        };
        let packages: Vec<PackageInfo> =
            self.package.iter().filter(|package| here(&package.module)).map(PackageConfig::to_info).collect();
        let faults: Vec<Fault> =
            self.fault.iter().filter(|fault| here(&fault.module)).map(FaultConfig::to_fault).collect();
        for package in packages {
            builder.packages.retain(|known| known.name != package.name);
            builder.packages.push(package);
        }
        builder.faults.extend(faults);
        for AccountConfig { user, domain, password } in &self.account {
            builder.add_account(&identity(user, domain, password));
        }
        for PreloadConfig { package, user, domain, password } in &self.preload {
            builder.preloads.push((package.clone(), identity(user, domain, password)));
        }
    }
}

impl std::str::FromStr for Config {
    type Err = ConfigError;

    fn from_str(text: &str) -> Result<Self, ConfigError> {
        let located = |problem, span: Option<std::ops::Range<usize>>| {
            let before = span.map_or(0, |span| span.start.min(text.len()));
            ConfigError::new(problem).located(&text.as_bytes()[..before])
        };
        let document =
            toml::Deserializer::parse(text).map_err(|error| located(Problem::Syntax, error.span()))?;
        serde_path_to_error::deserialize(document).map_err(|error| {
            let key = match error.path().to_string() {
                root if root == "." => String::new(),
                // The name of an unknown key is text of the file: only its table is told.
                path => path,
            };
            let error = error.into_inner();
            let problem = Problem::of(error.message());
            let key = match &problem {
                Problem::UnknownKey => table_of(&key),
                _ => key,
            };
            located(problem, error.span()).with_key(key)
        })
    }
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
        // fault[1].effect → fault.effect
        let mut pattern = String::new();
        let mut inside = false;
        for character in self.key.chars() {
            match character {
                '[' => inside = true,
                ']' => inside = false,
                other if !inside => pattern.push(other),
                _ => {}
            }
        }
        if let Problem::Missing(field) = self.problem {
            if !pattern.is_empty() {
                pattern.push('.');
            }
            pattern.push_str(field);
        }
        pattern
    }

    fn located(mut self, before: &[u8]) -> Self {
        let line_start = before.iter().rposition(|&byte| byte == b'\n').map_or(0, |at| at + 1);
        let line = before.split(|&byte| byte == b'\n').count();
        let column = String::from_utf8_lossy(&before[line_start..]).chars().count() + 1;
        self.position = Some((line, column));
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

impl Problem {
    /// What kind of message this is; the message itself may quote the file and goes no further.
    fn of(message: &str) -> Self {
        if message.starts_with("unknown field") {
            return Self::UnknownKey;
        }
        let missing = message.strip_prefix("missing field `").and_then(|rest| rest.strip_suffix('`'));
        let known = |field: &str| {
            SCHEMA.iter().filter_map(|(key, _)| key.rsplit('.').next()).find(|known| *known == field)
        };
        missing.and_then(known).map_or(Self::Invalid, Self::Missing)
    }
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

/// What is allowed at a key. The empty key is the file as a whole.
fn allowed_at(pattern: &str) -> String {
    let known = SCHEMA.iter().find(|(key, _)| *key == pattern).map_or("", |(_, allowed)| *allowed);
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

/// The table that a key path ends in, without the key itself.
fn table_of(path: &str) -> String {
    path.rsplit_once('.').map_or_else(String::new, |(table, _)| table.to_owned())
}

const CAPABILITY_LIST: &str = "(capabilities)";
const OPERATION_NAME: &str = "(operations)";
const MODULE: &str = "a module's file name, such as \"MSNSSPC.dll\"";
const NAME: &str = "a string";
const COUNT: &str = "a whole number from 0 to 4294967295";

/// Every key, and what is allowed there.
const SCHEMA: &[(&str, &str)] = &[
    ("", "[cache], [[package]], [[account]], [[preload]], [[fault]]"),
    ("cache", "a table of handle-policy, lifetime-seconds, capacity"),
    ("cache.handle-policy", "\"revoke\" or \"retain\""),
    ("cache.lifetime-seconds", "a whole number of seconds, at least 1"),
    ("cache.capacity", "a whole number of credentials, at least 1"),
    ("package", "tables of name, module, comment, capabilities, max-token, rpc-id"),
    ("package.name", "a package's name, such as \"NTLM\""),
    ("package.module", MODULE),
    ("package.comment", NAME),
    ("package.capabilities", CAPABILITY_LIST),
    ("package.max-token", "a whole number of bytes, at least 1"),
    ("package.rpc-id", "a whole number from 0 to 65535"),
    ("account", "tables of user, domain, password"),
    ("account.user", NAME),
    ("account.domain", NAME),
    ("account.password", NAME),
    ("preload", "tables of package, user, domain, password"),
    ("preload.package", "a package's name, such as \"MSN\""),
    ("preload.user", NAME),
    ("preload.domain", NAME),
    ("preload.password", NAME),
    ("fault", "tables of operation, effect, module, after, times, delay-ms"),
    ("fault.operation", OPERATION_NAME),
    (
        "fault.effect",
        "\"false\", \"delay\", \"panic\", \"missing\" or a status such as \"SEC_E_INTERNAL_ERROR\"",
    ),
    ("fault.module", MODULE),
    ("fault.after", COUNT),
    ("fault.times", COUNT),
    ("fault.delay-ms", "a whole number of milliseconds from 0 to 4294967295"),
];

#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields, rename_all = "kebab-case")]
struct CacheConfig {
    handle_policy: Option<PolicyName>,
    lifetime_seconds: Option<NonZeroU32>,
    capacity: Option<NonZeroU32>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case")]
enum PolicyName {
    Retain,
    Revoke,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct PackageConfig {
    name: Name,
    module: Option<Name>,
    comment: Option<Name>,
    capabilities: Option<Capabilities>,
    max_token: Option<NonZeroU32>,
    rpc_id: Option<u16>,
}

impl PackageConfig {
    fn to_info(&self) -> PackageInfo {
        let default = PackageInfo::named(self.name.clone());
        PackageInfo {
            comment: self.comment.clone().unwrap_or(default.comment),
            capabilities: self.capabilities.unwrap_or(default.capabilities),
            max_token: self.max_token.map_or(default.max_token, NonZeroU32::get),
            rpc_id: self.rpc_id.unwrap_or(default.rpc_id),
            ..default
        }
    }
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct AccountConfig {
    user: Name,
    #[serde(default)]
    domain: Name,
    password: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields)]
struct PreloadConfig {
    package: Name,
    user: Name,
    #[serde(default)]
    domain: Name,
    password: Secret,
}

#[derive(Debug, Deserialize)]
#[serde(deny_unknown_fields, rename_all = "kebab-case")]
struct FaultConfig {
    operation: Operation,
    effect: Effect,
    module: Option<Name>,
    #[serde(default)]
    after: u32,
    times: Option<u32>,
    #[serde(default)]
    delay_ms: u32,
}

impl FaultConfig {
    fn to_fault(&self) -> Fault {
        let fault = Fault::new(self.operation, self.effect)
            .after(self.after)
            .delay(Duration::from_millis(u64::from(self.delay_ms)));
        match self.times {
            None => fault,
            Some(times) => fault.times(times),
        }
    }
}

fn identity(user: &Name, domain: &Name, password: &Secret) -> Identity {
    Identity::new(Principal::new(user.clone(), domain.clone()), password.clone())
}
