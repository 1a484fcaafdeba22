//! A mock SSP that can be loaded into an emulated process.

use std::{fmt, ops::Deref, sync::Arc};

use sspcache_engine::{Ending, Engine, Operation};
use sspcache_loader::{ModuleFile, Reason};

/// A mock SSP. It derefs to its [`Engine`]: what is cached, the events, [`Engine::assert_clean`].
///
/// Clones are the same SSP with the same cache. Set one up through [`Engine::builder`]:
///
/// ```
/// use std::time::Duration;
/// use sspcache_mock::{Engine, MockSsp};
/// let msn = MockSsp::from(Engine::builder("MSNSSPC.dll").lifetime(Duration::from_secs(3600)).build());
/// assert_eq!(msn.cached(), 0);
/// ```
#[derive(Clone)]
pub struct MockSsp(Arc<Engine>);

impl MockSsp {
    /// MSNSSPC.dll with the package `MSN`.
    pub fn msn() -> Self {
        Engine::builder("MSNSSPC.dll").build().into()
    }

    /// MSAPSSPC.dll with the package `DPA`.
    pub fn dpa() -> Self {
        Engine::builder("MSAPSSPC.dll").build().into()
    }

    /// The SSP as a file that a loader can load from this path. Its exports are those that no fault takes away.
    /// Unloading it wipes what it holds, as the real thing would lose it; loading it again starts it over.
    pub(crate) fn file(&self, path: &str) -> ModuleFile<Export> {
        let functions = [
            ("CleanupCredentialCache", Operation::CleanupCredentialCache, Function::CleanupCredentialCache),
            ("InitSecurityInterfaceW", Operation::InitSecurityInterface, Function::InitSecurityInterfaceW),
        ];
        let mut file = ModuleFile::new(path);
        for (name, operation, function) in functions {
            if !self.is_missing(operation) {
                file = file.export(name, Export { ssp: self.clone(), function });
            }
        }
        let ssp = self.clone();
        file.on_notification(move |notification| {
            match notification.reason() {
                Reason::Load => ssp.restart(),
                Reason::Unload => drop(ssp.end(Ending::Unloaded)),
                _ => {}
            }
            true
        })
    }
}

impl From<Engine> for MockSsp {
    fn from(engine: Engine) -> Self {
        Self(Arc::new(engine))
    }
}

impl Deref for MockSsp {
    type Target = Engine;

    fn deref(&self) -> &Engine {
        &self.0
    }
}

impl fmt::Debug for MockSsp {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("MockSsp").field(&self.module()).finish()
    }
}

/// What an emulated export stands for: a function of one SSP, called in safe Rust.
#[derive(Clone, Debug)]
pub(crate) struct Export {
    pub(crate) ssp: MockSsp,
    pub(crate) function: Function,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Function {
    CleanupCredentialCache,
    InitSecurityInterfaceW,
}
