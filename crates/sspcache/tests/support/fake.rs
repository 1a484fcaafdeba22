//! A process that a test makes up: the loader's answers, and a log of what it was asked.
#![allow(dead_code, reason = "each test file uses a part of it")]

use std::{
    io,
    sync::{Arc, Mutex},
};

use sspcache::{
    SecurityStatus, SignIn,
    loader::{Loader, Module, SecurityInterface, WindowStation},
};

/// What was asked and called, in order.
#[derive(Clone, Debug, Default)]
pub(crate) struct Log(Arc<Mutex<Vec<String>>>);

impl Log {
    fn add(&self, entry: impl Into<String>) {
        self.0.lock().unwrap().push(entry.into());
    }

    /// What was logged since this was last asked.
    pub(crate) fn take(&self) -> Vec<String> {
        std::mem::take(&mut self.0.lock().unwrap())
    }
}

/// A loader that knows what it is given.
#[derive(Debug)]
pub(crate) struct FakeLoader {
    pub(crate) is_inside_loader_callback: bool,
    pub(crate) window_station: WindowStation,
    pub(crate) is_broken: bool,
    pub(crate) modules: Vec<FakeModule>,
    pub(crate) log: Log,
}

impl FakeLoader {
    /// An ordinary thread of an interactive process that has loaded these modules.
    pub(crate) fn with(modules: impl IntoIterator<Item = FakeModule>) -> Self {
        let log = Log::default();
        let modules = modules.into_iter().map(|module| FakeModule { log: log.clone(), ..module }).collect();
        Self {
            is_inside_loader_callback: false,
            window_station: WindowStation::Visible,
            is_broken: false,
            modules,
            log,
        }
    }
}

impl Loader for FakeLoader {
    type Module = Reference;

    fn is_inside_loader_callback(&self) -> bool {
        self.log.add("inside a loader callback?");
        self.is_inside_loader_callback
    }

    fn window_station(&self) -> WindowStation {
        self.log.add("which window station?");
        self.window_station.clone()
    }

    fn modules(&self, name: &str) -> io::Result<Vec<Reference>> {
        self.log.add(format!("modules named {name}?"));
        if self.is_broken {
            return Err(io::Error::other("the list is locked"));
        }
        let named = self.modules.iter().filter(|module| module.path.ends_with(&format!(r"\{name}")));
        Ok(named.cloned().map(Reference).collect())
    }
}

/// A loaded module.
#[derive(Clone, Debug)]
pub(crate) struct FakeModule {
    path: &'static str,
    cleanup: Option<bool>,
    signs_in: bool,
    log: Log,
}

impl FakeModule {
    /// A module whose `CleanupCredentialCache` answers this, or isn't there.
    pub(crate) fn new(path: &'static str, cleanup: Option<bool>) -> Self {
        Self { path, cleanup, signs_in: false, log: Log::default() }
    }

    /// The same with an `InitSecurityInterface` that has the package `MSN`.
    pub(crate) fn that_signs_in(self) -> Self {
        Self { signs_in: true, ..self }
    }
}

/// A reference to a module, given back when dropped.
#[derive(Debug)]
pub(crate) struct Reference(FakeModule);

impl Drop for Reference {
    fn drop(&mut self) {
        self.0.log.add(format!("{} given back", self.0.path));
    }
}

impl Module for Reference {
    type Interface = FakeInterface;

    fn path(&self) -> String {
        self.0.path.to_owned()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let answer = self.0.cleanup?;
        Some(move || {
            self.0.log.add(format!("{} called", self.0.path));
            answer
        })
    }

    fn security_interface(&self) -> Option<Result<FakeInterface, SecurityStatus>> {
        self.0.signs_in.then(|| Ok(FakeInterface(self.0.log.clone())))
    }
}

/// Signs in whoever has a password.
#[derive(Debug)]
pub(crate) struct FakeInterface(Log);

impl SecurityInterface for FakeInterface {
    type Handle = String;
    type Context = ();

    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<String, SecurityStatus> {
        let identity = sign_in.identity().ok_or(SecurityStatus::NO_CREDENTIALS)?;
        Ok(format!(r"{}\{} of {package}", identity.domain, identity.user))
    }

    fn principal(&self, handle: &String) -> Result<String, SecurityStatus> {
        Ok(handle.clone())
    }

    fn free(&self, handle: &String) -> Result<(), SecurityStatus> {
        self.0.add(format!("{handle} freed"));
        Ok(())
    }
}
