//! The set-up of an engine.

use std::{
    num::NonZeroU32,
    sync::{Arc, PoisonError},
    time::Duration,
};

use crate::{
    AuthIdentity, Clock, Engine, EventSink, Fault, Logon, Name, PackageInfo, StackSource, SystemClock,
    context::{Accounts, settings::Settings},
    ledger::HandlePolicy,
    state::Setup,
};

/// Sets up an [`Engine`]: see [`Engine::builder`].
#[derive(Debug)]
#[must_use = "a builder does nothing until `build`"]
pub struct EngineBuilder(Setup);

impl Engine {
    /// Starts setting up an instance for the module of this file name.
    ///
    /// ```
    /// use std::time::Duration;
    /// use sspcache_engine::{Engine, PackageInfo};
    /// let ssp = Engine::builder("MSNSSPC.dll")
    ///     .package(PackageInfo::named("Contoso"))
    ///     .account("alice", "CONTOSO", "correct horse")
    ///     .lifetime(Duration::from_secs(8 * 3600))
    ///     .build();
    /// let names: Vec<_> = ssp.packages().iter().map(|package| package.name.to_string()).collect();
    /// assert_eq!(names, ["MSN", "Negotiate", "Kerberos", "NTLM", "DPA", "Contoso"]);
    /// ```
    pub fn builder(module: &str) -> EngineBuilder {
        EngineBuilder(Setup {
            module: module.to_owned(),
            packages: Vec::new(),
            only_packages: None,
            forbidden: Vec::new(),
            accounts: Arc::new(Accounts::default()),
            logons: Vec::new(),
            preloads: Vec::new(),
            handle_policy: HandlePolicy::default(),
            lifetime: None,
            capacity: None,
            clock: Arc::new(SystemClock::default()),
            contexts: Settings::default(),
            #[cfg(feature = "contexts")]
            access_tokens: None,
            export_key: None,
            faults: Vec::new(),
            sinks: std::sync::Mutex::default(),
            stacks: None,
            record: true,
        })
    }
}

impl EngineBuilder {
    /// Configures an account that an acceptor verifies sign-ins against.
    #[cfg(feature = "contexts")]
    pub fn account(mut self, user: impl Into<Name>, domain: impl Into<Name>, password: &str) -> Self {
        let account = crate::account::Account::new(&AuthIdentity::password(user, domain, password));
        Arc::make_mut(&mut self.0.accounts).insert(account);
        self
    }

    /// Makes the initiator's proof one that `CompleteAuthToken` is to complete: without that, the acceptor refuses
    /// it.
    #[cfg(feature = "contexts")]
    pub fn complete_tokens(mut self, complete: bool) -> Self {
        self.0.contexts.complete_tokens = complete;
        self
    }

    /// Sets how long a context is valid. Without it, as long as its credential.
    #[cfg(feature = "contexts")]
    pub fn context_lifetime(mut self, lifetime: Duration) -> Self {
        self.0.contexts.lifetime = Some(lifetime);
        self
    }

    /// The targets that an acceptor is: it refuses what is meant for another. Without it, nothing.
    #[cfg(feature = "contexts")]
    pub fn accepted_targets(mut self, targets: impl IntoIterator<Item: Into<Name>>) -> Self {
        self.0.contexts.accepted_targets = Some(targets.into_iter().map(Into::into).collect());
        self
    }

    /// Lets every instance that has this key import what this one exports. Without it, only the same instance can.
    #[cfg(feature = "contexts")]
    pub fn export_key(mut self, key: &str) -> Self {
        self.0.export_key = Some(crate::context::export_key::ExportKey::from_secret(key.as_bytes()));
        self
    }

    /// Sets how long a handshake may take before it fails. Without it, five minutes.
    #[cfg(feature = "contexts")]
    pub fn handshake_time(mut self, time: Duration) -> Self {
        self.0.contexts.handshake = time;
        self
    }

    /// The targets that an initiator finds. Without it, any.
    #[cfg(feature = "contexts")]
    pub fn known_targets(mut self, targets: impl IntoIterator<Item: Into<Name>>) -> Self {
        self.0.contexts.known_targets = Some(targets.into_iter().map(Into::into).collect());
        self
    }

    /// What Negotiate offers first. Without it, Kerberos where the target has a name that Kerberos finds, and NTLM for
    /// any other.
    #[cfg(feature = "contexts")]
    pub fn negotiate_first(mut self, first: crate::context::NegotiateFirst) -> Self {
        self.0.contexts.negotiate_first = Some(first);
        self
    }

    /// Makes an initiator of Negotiate say that it is done as soon as its mechanism is, before it was given the acceptor's
    /// last token.
    #[cfg(feature = "contexts")]
    pub fn early_ok(mut self, early: bool) -> Self {
        self.0.contexts.early_ok = early;
        self
    }

    /// Whether impersonation is pretended, instead of refused. No token of the operating system changes.
    #[cfg(feature = "contexts")]
    pub fn simulate_impersonation(mut self, simulate: bool) -> Self {
        use crate::context::settings::Impersonation;
        self.0.contexts.impersonation =
            if simulate { Impersonation::Simulate } else { Impersonation::Refuse };
        self
    }

    /// Limits the cache to this many credentials: the least recently used one makes room. Without it there is
    /// none.
    pub fn capacity(mut self, credentials: NonZeroU32) -> Self {
        self.0.capacity = Some(credentials);
        self
    }

    /// Gives access to the system's tokens, without which impersonation with the token of the process is
    /// [unsupported](crate::SecurityStatus::UNSUPPORTED_FUNCTION).
    #[cfg(feature = "contexts")]
    pub fn access_tokens(mut self, tokens: impl crate::context::AccessTokens + 'static) -> Self {
        self.0.access_tokens = Some(Box::new(tokens));
        self
    }

    /// Takes the time from this clock instead of the operating system's.
    pub fn clock(mut self, clock: impl Clock + 'static) -> Self {
        self.0.clock = Arc::new(clock);
        self
    }

    /// Applies what a configuration file says, on top of what was set before.
    #[cfg(feature = "config")]
    pub fn config(mut self, config: &crate::Config) -> Self {
        self.0.apply(config);
        self
    }

    /// Injects a fault. Of several for one operation, the first whose turn it is strikes.
    pub fn fault(mut self, fault: Fault) -> Self {
        self.0.faults.push(fault);
        self
    }

    /// What a handle acquired before a flush may still do.
    pub fn handle_policy(mut self, policy: HandlePolicy) -> Self {
        self.0.handle_policy = policy;
        self
    }

    /// Sets how long a cached credential is valid. Without it, it never expires.
    pub fn lifetime(mut self, lifetime: Duration) -> Self {
        self.0.lifetime = Some(lifetime);
        self
    }

    /// Adds default credentials of the logon session, which a sign-in without any takes. Of several that fit, the one for
    /// the most special target counts, and then the first.
    pub fn logon(mut self, logon: Logon) -> Self {
        self.0.logons.push(logon);
        self
    }

    /// Offers only these of the packages that it would offer otherwise, in the order that they have without this.
    pub fn only_packages(mut self, names: impl IntoIterator<Item: Into<Name>>) -> Self {
        self.0.only_packages = Some(names.into_iter().map(Into::into).collect());
        self
    }

    /// Offers no package of this name, which Negotiate then neither chooses nor takes the tokens of: as a system from which it was
    /// removed. When Negotiate would have begun a handshake with it, the event of its refusal says so.
    pub fn forbid_package(mut self, name: impl Into<Name>) -> Self {
        self.0.forbidden.push(name.into());
        self
    }

    /// Offers this package beside the others, or in the place of the one of this name.
    ///
    /// Every module offers `Negotiate`, `Kerberos`, `NTLM`, `MSN` and `DPA`, its own first: `MSN` for MSNSSPC.dll, `DPA`
    /// for MSAPSSPC.dll, one named after the module for any other but secur32.dll.
    pub fn package(mut self, package: PackageInfo) -> Self {
        self.0.packages.retain(|known| known.name != package.name);
        self.0.packages.push(package);
        self
    }

    /// Puts a credential into the cache before the first call, for a package that caches. What a logged-on user's session
    /// brings for any package is a [`logon`](Self::logon).
    pub fn preload(mut self, package: impl Into<Name>, identity: AuthIdentity) -> Self {
        self.0.preloads.push((package.into(), identity));
        self
    }

    /// Whether events are kept in memory for [`Engine::events`]; they are, unless this says no.
    pub fn record_events(mut self, record: bool) -> Self {
        self.0.record = record;
        self
    }

    /// Sends every event to this sink.
    pub fn sink(mut self, sink: impl EventSink + 'static) -> Self {
        let sinks = self.0.sinks.get_mut().unwrap_or_else(PoisonError::into_inner);
        sinks.0.push(Box::new(sink));
        self
    }

    /// Records with each event [where in the program](crate::Event::stack) its call was made: `frames` of the stack where something is
    /// given out.
    pub fn stacks(mut self, source: impl StackSource + 'static, frames: usize) -> Self {
        self.0.stacks = Some((Arc::new(source), frames));
        self
    }

    /// Makes the engine.
    ///
    /// # Panics
    /// When the operating system gives no random numbers, or no memory for what is to be preloaded; when something is to be
    /// preloaded for a package that doesn't cache.
    pub fn build(mut self) -> Engine {
        self.0.packages = self.0.offered();
        for PackageInfo { name, .. } in self.0.packages.iter().filter(|package| !package.caching) {
            let preloaded = self.0.preloads.iter().any(|(package, _)| package == name);
            assert!(!preloaded, "{name} doesn't cache, so nothing is preloaded for it: use `logon` instead");
        }
        Engine::from(self.0)
    }
}

impl Setup {
    /// The packages that the instance offers: the default ones, those that were set up, less those left out.
    fn offered(&mut self) -> Vec<PackageInfo> {
        let mut offered = default_packages(&self.module);
        for package in std::mem::take(&mut self.packages) {
            match offered.iter_mut().find(|known| known.name == package.name) {
                Some(known) => *known = package,
                None => offered.push(package),
            }
        }
        if let Some(only) = &self.only_packages {
            offered.retain(|package| only.contains(&package.name));
        }
        offered.retain(|package| !self.forbidden.contains(&package.name));
        offered
    }
}

/// The packages that a module offers without any configuration (clause P1): its own first.
fn default_packages(module: &str) -> Vec<PackageInfo> {
    const ALL: [&str; 5] = ["Negotiate", "Kerberos", "NTLM", "MSN", "DPA"];
    let stem = module.rsplit_once('.').map_or(module, |(stem, _)| stem);
    let own = match stem.to_ascii_uppercase().as_str() {
        "MSNSSPC" => Some("MSN"),
        "MSAPSSPC" => Some("DPA"),
        "SECUR32" => None,
        _ => Some(stem),
    };
    let own = own.map(Name::from);
    let others = ALL.into_iter().map(Name::from).filter(|name| Some(name) != own.as_ref());
    own.iter().cloned().chain(others).map(PackageInfo::named).collect()
}

#[cfg(feature = "config")]
impl Setup {
    /// Applies what a configuration says of this module, on top of what was set before.
    fn apply(&mut self, config: &crate::Config) {
        self.handle_policy = config.handle_policy.unwrap_or(self.handle_policy);
        self.lifetime = config.lifetime.or(self.lifetime);
        self.capacity = config.capacity.or(self.capacity);
        config.contexts.apply(&mut self.contexts);
        if let Some(key) = &config.export_key {
            self.export_key = Some(key.clone());
        }
        let module = Name::from(self.module.as_str());
        if let Some(only) = &config.only_packages {
            self.only_packages = Some(only.clone());
        }
        self.forbidden.extend(config.forbidden.iter().cloned());
        for package in config.packages.iter().filter_map(|package| package.of(&module)) {
            self.packages.retain(|known| known.name != package.name);
            self.packages.push(package.clone());
        }
        self.faults.extend(config.faults.iter().filter_map(|fault| fault.of(&module)).cloned());
        let accounts = Arc::make_mut(&mut self.accounts);
        config.accounts.iter().for_each(|account| accounts.insert(crate::account::Account::new(account)));
        self.logons.extend(config.logons.iter().cloned());
        let caches = |name: &Name| {
            let known = self.packages.iter().find(|package| package.name == *name);
            known.map_or_else(|| PackageInfo::named(name.clone()).caching, |package| package.caching)
        };
        // A preload for a package that only another module's configuration lets cache is none of this one's business.
        let preloads = config.preloads.iter().filter(|(package, _)| caches(package));
        self.preloads.extend(preloads.cloned());
    }
}
