//! The configuration of a mock: TOML, named by `SSPCACHE_CONFIG`.
//!
//! ```toml
//! [cache]
//! handle-policy = "revoke"      # or "retain"
//! lifetime-seconds = 28800      # without it, credentials never expire
//! capacity = 1000               # without it, there is no limit
//!
//! [packages]
//! only = ["NTLM"]               # offers no other package; without it, Negotiate, Kerberos, NTLM, MSN and DPA, too
//!
//! [[forbid]]                    # not offered, nor chosen by Negotiate, as if it had been removed
//! package = "DPA"
//!
//! [[package]]                   # beside the others, or in the place of the one of this name
//! name = "NTLM"
//! caching = true                # what a program signs in with is cached; without it, NTLM keeps it in the handle
//! module = "MSNSSPC.dll"        # offered by this mock alone; without it, by every one
//! comment = "for tests"
//! capabilities = ["integrity", "privacy", "connection"]
//! max-token = 2888
//! trailer-size = 16             # the room that EncryptMessage asks for
//! trailer-used = 16             # how much of it it uses
//! block-size = 1                # what it pads to a multiple of
//! rpc-id = 10
//! token-size = 12000            # the length of an initiator's first token; without it, as long as it has to be
//!
//! [[account]]                   # what an acceptor verifies sign-ins against
//! user = "alice"
//! domain = "CONTOSO"
//! password = "correct horse"
//! keytab = "BQIAAAA="           # in Base64; it signs in, too, and may stand alone
//! certificate = "MIIB"          # likewise
//!
//! [[logon]]                     # default credentials: what signing in without any takes
//! user = "alice"
//! domain = "CONTOSO"
//! password = "correct horse"
//! packages = ["Negotiate"]      # without it, every package
//! target = "*.contoso.example"  # only for it, as an entry of the Credential Manager; without it, for any
//!
//! [[preload]]                   # cached from the start, for a package that caches
//! package = "MSN"
//! user = "alice"
//! domain = "CONTOSO"
//! password = "correct horse"
//!
//! [context]
//! lifetime-seconds = 3600       # without it, a context is good for as long as its credential
//! handshake-seconds = 300       # a handshake that takes longer has failed
//! complete-tokens = true        # the initiator's proof is to be completed by CompleteAuthToken
//! impersonation = "simulate"    # without it, or with "refuse", SEC_E_NO_IMPERSONATION; or "process-token", on Windows
//! export-key = "battery staple" # instances with the same key import each other's contexts
//!
//! [targets]
//! known = ["HTTP/web"]          # an initiator finds no other target; without it, any
//! accepted = ["HTTP/web"]       # an acceptor refuses what is meant for another; without it, nothing
//!
//! [negotiate]
//! first = "ntlm"                # or "kerberos"; without it, Kerberos where the target has a name that it finds
//! early-ok = true               # an initiator is done before it was given the acceptor's last token
//!
//! [[fault]]
//! operation = "CleanupCredentialCache"
//! effect = "false"              # or "delay", "panic", "missing", or a status such as "SEC_E_INTERNAL_ERROR"
//! after = 0                     # lets so many calls pass
//! times = 1                     # makes so many fail; without it, all
//! delay-ms = 50
//! ```
//!
//! A configuration holds passwords, so an error names line, column, key and what is allowed there, and never quotes the
//! file's text (clause M8). The table of keys is in `config/keys.rs`.

mod base64;
mod error;
mod keys;

use std::{fs, io, num::NonZeroU32, ops::Range, path::Path, time::Duration};

pub use error::ConfigError;
use error::Problem;
use keys::Key;
pub use keys::keys;

use toml::{
    Spanned,
    de::{DeTable, DeValue},
};
use zeroize::Zeroizing;

use crate::{
    AuthIdentity, Effect, Fault, Logon, MessageSizes, Name, PackageInfo, PackageList, Principal,
    context::{export_key::ExportKey, settings::Overrides},
    ledger::HandlePolicy,
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
    pub(crate) only_packages: Option<Vec<Name>>,
    pub(crate) forbidden: Vec<Name>,
    pub(crate) packages: Vec<ForModule<PackageInfo>>,
    pub(crate) accounts: Vec<AuthIdentity>,
    pub(crate) logons: Vec<Logon>,
    pub(crate) preloads: Vec<(Name, AuthIdentity)>,
    pub(crate) faults: Vec<ForModule<Fault>>,
}

impl Config {
    /// Reads a configuration file.
    ///
    /// # Errors
    /// [`ConfigError`], with the file's path.
    pub fn read(path: &Path) -> Result<Self, ConfigError> {
        let at = |error: ConfigError| error.in_file(path);
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

    /// Refuses what a mock DLL can't do: inject certain faults into itself.
    ///
    /// # Errors
    /// The error names the first fault whose effect is `missing`: a DLL's exports can't be taken away.
    pub fn check_for_dll(&self) -> Result<(), ConfigError> {
        match self.faults.iter().position(|fault| fault.item.effect == Effect::Missing) {
            None => Ok(()),
            Some(index) => {
                Err(ConfigError::new(Problem::EmulationOnly).with_key(format!("fault[{index}].effect")))
            }
        }
    }

    fn read_cache(&mut self, cache: &Section<'_>) -> Result<(), ConfigError> {
        self.handle_policy = cache.optional(&keys::HANDLE_POLICY)?;
        self.lifetime = cache.optional(&keys::LIFETIME)?;
        self.capacity = cache.optional(&keys::CAPACITY)?;
        Ok(())
    }

    fn read_context(&mut self, context: &Section<'_>) -> Result<(), ConfigError> {
        let contexts = &mut self.contexts;
        contexts.lifetime = context.optional(&keys::CONTEXT_LIFETIME)?;
        contexts.handshake = context.optional(&keys::HANDSHAKE_TIME)?;
        contexts.complete_tokens = context.optional(&keys::COMPLETE_TOKENS)?;
        contexts.impersonation = context.optional(&keys::IMPERSONATION)?;
        self.export_key = context.optional(&keys::EXPORT_KEY)?;
        Ok(())
    }

    fn read_targets(&mut self, targets: &Section<'_>) -> Result<(), ConfigError> {
        self.contexts.known_targets = targets.optional(&keys::KNOWN)?;
        self.contexts.accepted_targets = targets.optional(&keys::ACCEPTED)?;
        Ok(())
    }

    fn read_negotiate(&mut self, negotiate: &Section<'_>) -> Result<(), ConfigError> {
        self.contexts.negotiate_first = negotiate.optional(&keys::NEGOTIATE_FIRST)?;
        self.contexts.early_ok = negotiate.optional(&keys::EARLY_OK)?;
        Ok(())
    }

    fn read_package(&mut self, package: &Section<'_>) -> Result<(), ConfigError> {
        let default = PackageInfo::named(package.required(&keys::PACKAGE_NAME)?);
        let item = PackageInfo {
            comment: package.optional(&keys::COMMENT)?.unwrap_or(default.comment),
            capabilities: package.optional(&keys::CAPABILITIES)?.unwrap_or(default.capabilities),
            max_token: package.optional(&keys::MAX_TOKEN)?.map_or(default.max_token, NonZeroU32::get),
            rpc_id: package.optional(&keys::RPC_ID)?.unwrap_or(default.rpc_id),
            caching: package.optional(&keys::CACHING)?.unwrap_or(default.caching),
            token_size: package.optional(&keys::TOKEN_SIZE)?,
            messages: read_sizes(package, default.messages)?,
            ..default
        };
        self.packages.push(ForModule { module: package.optional(&keys::PACKAGE_MODULE)?, item });
        Ok(())
    }

    fn read_account(&mut self, account: &Section<'_>) -> Result<(), ConfigError> {
        let user = account.required(&keys::ACCOUNT_USER)?;
        let domain = account.optional(&keys::ACCOUNT_DOMAIN)?.unwrap_or_default();
        let opaque =
            [account.optional(&keys::ACCOUNT_KEYTAB)?, account.optional(&keys::ACCOUNT_CERTIFICATE)?];
        let password = if opaque.iter().any(Option::is_some) {
            account.optional(&keys::ACCOUNT_PASSWORD)?
        } else {
            Some(account.required(&keys::ACCOUNT_PASSWORD)?)
        };
        let principal = Principal::new(user, domain);
        let secrets = [password].into_iter().chain(opaque).flatten();
        self.accounts.extend(secrets.map(|secret| AuthIdentity::new(principal.clone(), secret)));
        Ok(())
    }

    fn read_logon(&mut self, logon: &Section<'_>) -> Result<(), ConfigError> {
        let user = logon.required(&keys::LOGON_USER)?;
        let domain = logon.optional(&keys::LOGON_DOMAIN)?.unwrap_or_default();
        let password = logon.required(&keys::LOGON_PASSWORD)?;
        let packages: PackageList =
            logon.optional(&keys::LOGON_PACKAGES)?.unwrap_or_default().into_iter().collect();
        let mut read = Logon::new(Principal::new(user, domain), password).with_packages(packages);
        if let Some(target) = logon.optional(&keys::LOGON_TARGET)? {
            read = read.to(target);
        }
        self.logons.push(read);
        Ok(())
    }

    fn read_preload(&mut self, preload: &Section<'_>) -> Result<(), ConfigError> {
        let package = preload.required(&keys::PRELOAD_PACKAGE)?;
        let mut configured = self.packages.iter().filter(|known| known.item.name == package).peekable();
        let caches = if configured.peek().is_some() {
            configured.any(|known| known.item.caching)
        } else {
            PackageInfo::named(package.clone()).caching
        };
        if !caches {
            return Err(preload.wrong(&keys::PRELOAD_PACKAGE, Problem::NotCaching));
        }
        let user = preload.required(&keys::PRELOAD_USER)?;
        let domain = preload.optional(&keys::PRELOAD_DOMAIN)?.unwrap_or_default();
        let password = preload.required(&keys::PRELOAD_PASSWORD)?;
        self.preloads.push((package, AuthIdentity::new(Principal::new(user, domain), password)));
        Ok(())
    }

    fn read_fault(&mut self, fault: &Section<'_>) -> Result<(), ConfigError> {
        let operation = fault.required(&keys::OPERATION)?;
        let effect = fault.required(&keys::EFFECT)?;
        let mut item = Fault::new(operation, effect)
            .after(fault.optional(&keys::AFTER)?.unwrap_or(0))
            .delay(fault.optional(&keys::DELAY)?.unwrap_or_default());
        if let Some(times) = fault.optional(&keys::TIMES)? {
            item = item.times(times);
        }
        self.faults.push(ForModule { module: fault.optional(&keys::FAULT_MODULE)?, item });
        Ok(())
    }
}

/// The sizes of a package's messages. With one of the two that a trailer has, the other one follows it where it must.
fn read_sizes(package: &Section<'_>, default: MessageSizes) -> Result<MessageSizes, ConfigError> {
    let [room, used] = [&keys::TRAILER_SIZE, &keys::TRAILER_USED].map(|key| package.optional(key));
    let (trailer, trailer_used) = match (room?, used?) {
        (None, None) => (default.trailer, default.trailer_used),
        (Some(room), None) => (room, default.trailer_used.min(room)),
        (None, Some(used)) => (default.trailer.max(used), used),
        (Some(room), Some(used)) if used <= room => (room, used),
        (Some(_), Some(_)) => return Err(package.wrong(&keys::TRAILER_USED, Problem::Invalid)),
    };
    let block = package.optional(&keys::BLOCK_SIZE)?.unwrap_or(default.block);
    Ok(MessageSizes { trailer, trailer_used, block, ..default })
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
        file.table("packages", |section| {
            config.only_packages = section.optional(&keys::ONLY)?;
            Ok(())
        })?;
        file.table("negotiate", |section| config.read_negotiate(section))?;
        file.tables("forbid", &mut |section| {
            config.forbidden.push(section.required(&keys::FORBIDDEN)?);
            Ok(())
        })?;
        file.tables("package", &mut |section| config.read_package(section))?;
        file.tables("account", &mut |section| config.read_account(section))?;
        file.tables("logon", &mut |section| config.read_logon(section))?;
        file.tables("preload", &mut |section| config.read_preload(section))?;
        file.tables("fault", &mut |section| config.read_fault(section))?;
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

/// A table of the file. The code walks it, rather than deserializing it, to know the place of each mistake, and because
/// generic deserialization made up a quarter of the mock DLL.
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
        let is_unknown = |name: &str| !keys::is_known(&section.key, name);
        let unknown = table.keys().filter(|name| is_unknown(name.get_ref())).map(Spanned::span);
        // Of several, report the first in the file. The name of an unknown key is text of the file, so the error names
        // the table only.
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

    /// A problem of a key's value that the key alone doesn't show.
    fn wrong<T>(&self, key: &Key<T>, problem: Problem) -> ConfigError {
        let span = self.value(key.name()).map_or_else(|| self.span.clone(), Spanned::span);
        ConfigError::new(problem).with_key(self.path(key.name())).located(self.text, span)
    }

    fn optional<T>(&self, key: &Key<T>) -> Result<Option<T>, ConfigError> {
        let Some(value) = self.value(key.name()) else { return Ok(None) };
        let read = key.read(value.get_ref());
        read.map(Some).ok_or_else(|| self.invalid(self.path(key.name()), value.span()))
    }

    fn required<T>(&self, key: &Key<T>) -> Result<T, ConfigError> {
        self.optional(key)?.ok_or_else(|| {
            ConfigError::new(Problem::Missing(key.name()))
                .with_key(self.key.clone())
                .located(self.text, self.span.clone())
        })
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
        // No type of its own: the mock DLLs would have this once for each kind of table.
        read: &mut dyn FnMut(&Section<'t>) -> Result<(), ConfigError>,
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
