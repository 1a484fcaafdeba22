//! How an engine is set up.

use std::{num::NonZeroU32, sync::Arc, time::Duration};

use crate::{
    Clock, Engine, EventSink, Fault, Identity, Name, PackageInfo, SystemClock,
    context::{Accounts, ExportKey, Settings},
};

/// What a handle acquired before a flush may still do (clause M4). Real SSPs don't document it; a caller must
/// survive both.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub enum HandlePolicy {
    /// The handle can be freed and nothing else: starting a context gives `SEC_E_NO_CREDENTIALS`.
    #[default]
    Revoke,
    /// The handle keeps a copy of its own until it is freed.
    Retain,
}

/// Sets up an [`Engine`]: see [`Engine::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct EngineBuilder {
    pub(crate) module: String,
    pub(crate) packages: Vec<PackageInfo>,
    pub(crate) accounts: Accounts,
    pub(crate) preloads: Vec<(Name, Identity)>,
    pub(crate) handle_policy: HandlePolicy,
    pub(crate) lifetime: Option<Duration>,
    pub(crate) capacity: Option<NonZeroU32>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) contexts: Settings,
    /// Without one, the engine draws its own.
    pub(crate) export_key: Option<ExportKey>,
    pub(crate) faults: Vec<Fault>,
    pub(crate) sinks: Sinks,
    pub(crate) record: bool,
}

impl EngineBuilder {
    pub(crate) fn new(module: &str) -> Self {
        Self {
            module: module.to_owned(),
            packages: Vec::new(),
            accounts: Accounts::default(),
            preloads: Vec::new(),
            handle_policy: HandlePolicy::default(),
            lifetime: None,
            capacity: None,
            clock: Arc::new(SystemClock::default()),
            contexts: Settings::default(),
            export_key: None,
            faults: Vec::new(),
            sinks: Sinks(Vec::new()),
            record: true,
        }
    }

    /// Configures an account that an acceptor verifies sign-ins against.
    #[cfg(feature = "contexts")]
    pub fn account(mut self, user: impl Into<Name>, domain: impl Into<Name>, password: &str) -> Self {
        self.add_account(&Identity::password(user, domain, password));
        self
    }

    /// Makes the initiator's proof one that `CompleteAuthToken` is to complete: without that, the acceptor refuses
    /// it.
    #[cfg(feature = "contexts")]
    pub fn complete_tokens(mut self, complete: bool) -> Self {
        self.contexts.complete_tokens = complete;
        self
    }

    /// How long a context is good for. Without it, as long as its credential.
    #[cfg(feature = "contexts")]
    pub fn context_lifetime(mut self, lifetime: Duration) -> Self {
        self.contexts.lifetime = Some(lifetime);
        self
    }

    /// The targets that an acceptor is: it refuses what is meant for another. Without it, nothing.
    #[cfg(feature = "contexts")]
    pub fn accepted_targets(mut self, targets: impl IntoIterator<Item: Into<Name>>) -> Self {
        self.contexts.accepted_targets = Some(targets.into_iter().map(Into::into).collect());
        self
    }

    /// Lets every instance that has this key import what this one exports. Without it, only the same instance can.
    #[cfg(feature = "contexts")]
    pub fn export_key(mut self, key: &str) -> Self {
        self.export_key = Some(ExportKey::from_secret(key.as_bytes()));
        self
    }

    /// How long a handshake may take before it has failed: five minutes, unless this says otherwise.
    #[cfg(feature = "contexts")]
    pub fn handshake_time(mut self, time: Duration) -> Self {
        self.contexts.handshake = time;
        self
    }

    /// The targets that an initiator finds. Without it, any.
    #[cfg(feature = "contexts")]
    pub fn known_targets(mut self, targets: impl IntoIterator<Item: Into<Name>>) -> Self {
        self.contexts.known_targets = Some(targets.into_iter().map(Into::into).collect());
        self
    }

    /// Whether impersonation is pretended, instead of refused. No token of the operating system changes.
    #[cfg(feature = "contexts")]
    pub fn simulate_impersonation(mut self, simulate: bool) -> Self {
        self.contexts.simulate_impersonation = simulate;
        self
    }

    /// Limits the cache to this many credentials: the least recently used one makes room. Without it there is
    /// none.
    pub fn capacity(mut self, credentials: NonZeroU32) -> Self {
        self.capacity = Some(credentials);
        self
    }

    /// Takes the time from this clock instead of the operating system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Applies what a configuration file says, on top of what was set before.
    #[cfg(feature = "config")]
    pub fn config(mut self, config: &crate::Config) -> Self {
        config.apply(&mut self);
        self
    }

    /// Injects a fault. Of several for one operation, the first whose turn it is strikes.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.faults.push(fault);
        self
    }

    /// What a handle acquired before a flush may still do.
    pub fn handle_policy(mut self, policy: HandlePolicy) -> Self {
        self.handle_policy = policy;
        self
    }

    /// How long a cached credential is good for. Without it, it never expires.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// Offers this package. The first call replaces the module's own default (`MSN` for MSNSSPC.dll, `DPA` for
    /// MSAPSSPC.dll, else one named after the module).
    pub fn package(mut self, package: PackageInfo) -> Self {
        self.packages.retain(|known| known.name != package.name);
        self.packages.push(package);
        self
    }

    /// Puts a credential into the cache before the first call: what a logged-on user's session would bring.
    pub fn preload(mut self, package: impl Into<Name>, identity: Identity) -> Self {
        self.preloads.push((package.into(), identity));
        self
    }

    /// Whether events are kept in memory for [`Engine::events`]; they are, unless this says no.
    pub fn record_events(mut self, record: bool) -> Self {
        self.record = record;
        self
    }

    /// Tells this sink of every event.
    pub fn sink(mut self, sink: impl EventSink + 'static) -> Self {
        self.sinks.0.push(Box::new(sink));
        self
    }

    /// Makes the engine.
    ///
    /// # Panics
    /// When the operating system gives no random numbers, or no memory for what is to be preloaded.
    pub fn build(mut self) -> Engine {
        if self.packages.is_empty() {
            self.packages.push(PackageInfo::named(default_package(&self.module)));
        }
        Engine::from_builder(self)
    }

    #[cfg(feature = "contexts")]
    pub(crate) fn add_account(&mut self, identity: &Identity) {
        self.accounts.insert(crate::account::Account::new(identity));
    }
}

/// Where events go.
pub(crate) struct Sinks(pub(crate) Vec<Box<dyn EventSink>>);

impl std::fmt::Debug for Sinks {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} sinks", self.0.len())
    }
}

fn default_package(module: &str) -> &str {
    let stem = module.rsplit_once('.').map_or(module, |(stem, _)| stem);
    match stem.to_ascii_uppercase().as_str() {
        "MSNSSPC" => "MSN",
        "MSAPSSPC" => "DPA",
        _ => stem,
    }
}
