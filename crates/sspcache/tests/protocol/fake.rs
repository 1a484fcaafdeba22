//! A process that a test makes up: the loader's answers, and a log of what it was asked.

use std::{
    io,
    path::PathBuf,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering::SeqCst},
    },
};

use sspcache::{
    Identity, SecurityStatus, SignIn,
    caches::{
        Refusal as CacheRefusal, System,
        ccache::{Ccache, CcacheLibrary, Selection},
        credentials::{CredentialStore, Filter, StoredCredential},
        kerberos::TicketCache,
    },
    context::{ContextFlags, ContextRequest, Protection, Role, Sealed},
    loader::{Loader, Module, Progress, Refusal, SecurityInterface, WindowStation},
};
use zeroize::Zeroizing;

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

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = Reference>> {
        self.log.add(format!("modules named {name}?"));
        if self.is_broken {
            return Err(io::Error::other("the list is locked"));
        }
        let named = self.modules.iter().filter(move |module| module.path.ends_with(&format!(r"\{name}")));
        Ok(named.cloned().map(Reference))
    }
}

/// A system with one ticket, one credential that can't be deleted, and no Kerberos library.
impl System for FakeLoader {
    fn ticket_cache(&self) -> Arc<dyn TicketCache> {
        Arc::new(Around(self.log.clone()))
    }

    fn credential_store(&self) -> Arc<dyn CredentialStore> {
        Arc::new(Around(self.log.clone()))
    }

    fn ccache_library(&self) -> Arc<dyn CcacheLibrary> {
        Arc::new(Around(self.log.clone()))
    }
}

/// What is around a process.
struct Around(Log);

impl TicketCache for Around {
    fn tickets(&self) -> Result<Vec<String>, CacheRefusal> {
        let is_purged = self.0.0.lock().unwrap().iter().any(|entry| entry == "purge");
        self.0.add("list tickets");
        Ok(if is_purged { Vec::new() } else { vec!["krbtgt/CONTOSO.EXAMPLE".to_owned()] })
    }

    fn purge(&self) -> Result<(), CacheRefusal> {
        self.0.add("purge");
        Ok(())
    }
}

impl CredentialStore for Around {
    fn enumerate(&self, filter: &Filter) -> Result<Vec<StoredCredential>, CacheRefusal> {
        self.0.add(format!("list credentials of {filter}"));
        Ok(vec![StoredCredential { target: "MyApp/alice".to_owned(), kind: 1 }])
    }

    fn delete(&self, credential: &StoredCredential) -> Result<(), CacheRefusal> {
        self.0.add(format!("delete {}", credential.target));
        Err(CacheRefusal::failed("access is denied"))
    }
}

impl CcacheLibrary for Around {
    fn find(&self, selection: &Selection) -> Result<Vec<Box<dyn Ccache>>, CacheRefusal> {
        self.0.add(format!("find ccaches: {selection}"));
        match selection {
            Selection::Memory => Err(CacheRefusal::Absent),
            _ => Err(CacheRefusal::Unsupported("no Kerberos library is installed".to_owned())),
        }
    }
}

/// A loaded module.
#[derive(Clone, Debug)]
pub(crate) struct FakeModule {
    path: &'static str,
    cleanup: Option<bool>,
    signs_in: bool,
    steps: Steps,
    stalls: bool,
    log: Log,
}

/// What the steps of handshakes give, one after the other: a context goes with progress, and a token with a refusal.
type Steps = &'static [Result<Progress, SecurityStatus>];

impl FakeModule {
    /// A module whose `CleanupCredentialCache` answers this, or isn't there.
    pub(crate) fn new(path: &'static str, cleanup: Option<bool>) -> Self {
        Self { path, cleanup, signs_in: false, steps: &[], stalls: false, log: Log::default() }
    }

    /// The same with an `InitSecurityInterface` that has the package `MSN`.
    pub(crate) fn that_signs_in(self) -> Self {
        Self { signs_in: true, ..self }
    }

    /// The same, whose handshakes go so.
    pub(crate) fn that_steps(self, steps: Steps) -> Self {
        Self { signs_in: true, steps, ..self }
    }

    /// The same, which accepts sign-ins, and none of whose steps gives a token.
    pub(crate) fn that_stalls(self) -> Self {
        Self { stalls: true, ..self }
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

    fn path(&self) -> PathBuf {
        self.0.path.into()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let answer = self.0.cleanup?;
        Some(move || {
            self.0.log.add(format!("{} called", self.0.path));
            answer
        })
    }

    fn security_interface(&self) -> Option<Result<FakeInterface, SecurityStatus>> {
        let FakeModule { steps, stalls, ref log, .. } = self.0;
        let interface = FakeInterface { log: log.clone(), steps, stalls, step: AtomicUsize::new(0) };
        self.0.signs_in.then_some(Ok(interface))
    }
}

/// Signs in every user that has a password.
#[derive(Debug)]
pub(crate) struct FakeInterface {
    log: Log,
    steps: Steps,
    stalls: bool,
    step: AtomicUsize,
}

/// Functions that an SSP lacks.
macro_rules! lacking {
    ($($name:ident($($argument:ty),*) -> $result:ty;)+) => {
        $(fn $name(&self, $(_: $argument),*) -> Result<$result, SecurityStatus> {
            Err(SecurityStatus::UNSUPPORTED_FUNCTION)
        })+
    };
}

impl SecurityInterface for FakeInterface {
    type Handle = String;
    type Context = usize;

    fn acquire(&self, package: &str, sign_in: &SignIn<'_>) -> Result<String, SecurityStatus> {
        let identity = sign_in.identity().ok_or(SecurityStatus::NO_CREDENTIALS)?;
        Ok(format!(r"{}\{} of {package}", identity.domain, identity.user))
    }

    fn acquire_inbound(&self, package: &str) -> Result<String, SecurityStatus> {
        if self.stalls {
            Ok(format!("server of {package}"))
        } else {
            Err(SecurityStatus::UNSUPPORTED_FUNCTION)
        }
    }

    fn principal(&self, handle: &String) -> Result<String, SecurityStatus> {
        Ok(handle.clone())
    }

    fn free(&self, handle: &String) -> Result<(), SecurityStatus> {
        self.log.add(format!("{handle} freed"));
        Ok(())
    }

    fn step(
        &self,
        role: Role,
        _credential: &String,
        context: &mut Option<usize>,
        _request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal> {
        let number = self.step.fetch_add(1, SeqCst);
        self.log.add(format!("{role:?} of {context:?} steps with {token:?}"));
        let Some(step) = self.steps.get(number) else {
            return Err(SecurityStatus::UNSUPPORTED_FUNCTION.into());
        };
        let token = if self.stalls { Vec::new() } else { format!("token {number}").into_bytes() };
        match *step {
            Ok(progress) => {
                context.get_or_insert(number);
                Ok((progress, token))
            }
            Err(SecurityStatus(0)) => Ok((Progress::Continue, token)),
            Err(status) => Err(Refusal { status, token: Some(token) }),
        }
    }

    fn complete(&self, context: &usize, token: &mut Vec<u8>) -> Result<(), SecurityStatus> {
        self.log.add(format!("{context} completes"));
        token.extend(b", complete");
        Ok(())
    }

    fn delete(&self, context: &usize) -> Result<(), SecurityStatus> {
        self.log.add(format!("{context} deleted"));
        Ok(())
    }

    fn unwrap(&self, _context: &usize, sealed: &Sealed) -> Result<(Vec<u8>, Protection), SecurityStatus> {
        Ok((sealed.data.clone(), Protection::Sign))
    }

    lacking! {
        add_credentials(&String, &str, &SignIn<'_>) -> ();
        change_password(&str, Identity<'_>, &str) -> ();
        impersonate(&usize) -> ();
        revert(&usize) -> ();
        client(&usize) -> String;
        package(&usize) -> String;
        flags(&usize) -> ContextFlags;
        session_key(&usize) -> Zeroizing<Vec<u8>>;
        sign(&usize, &[u8]) -> Vec<u8>;
        verify(&usize, &[u8], &[u8]) -> ();
        wrap(&usize, &[u8], Protection) -> Sealed;
        export(&usize) -> Zeroizing<Vec<u8>>;
        import(&str, Role, &[u8]) -> usize;
    }
}
