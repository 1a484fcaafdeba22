//! What is asked of a Credential Manager that says more than it was asked, and where nothing may be asked.

use std::{io, iter, sync::Mutex};

use super::*;
use crate::{
    caches::{
        Caches,
        ccache::{CcacheLibrary, NativeCcaches},
        kerberos::TicketCache,
    },
    loader::{Loader, NativeModule, WindowStation},
};

/// The entries that there are, whichever filter is asked for.
#[derive(Default)]
struct Store(Mutex<Vec<StoredCredential>>);

impl CredentialStore for Store {
    fn enumerate(&self, _: &Filter) -> Result<Vec<StoredCredential>, Refusal> {
        Ok(self.0.lock().unwrap().clone())
    }

    fn delete(&self, credential: &StoredCredential) -> Result<(), Refusal> {
        self.0.lock().unwrap().retain(|one| one != credential);
        Ok(())
    }
}

/// A process with that store.
#[derive(Default)]
struct Process {
    store: Arc<Store>,
    is_inside_loader_callback: bool,
}

impl Loader for Process {
    type Module = NativeModule;

    fn is_inside_loader_callback(&self) -> bool {
        self.is_inside_loader_callback
    }

    fn window_station(&self) -> WindowStation {
        WindowStation::Visible
    }

    fn modules(&self, _: &str) -> io::Result<impl Iterator<Item = NativeModule>> {
        Ok(iter::empty())
    }
}

impl System for Process {
    fn ticket_cache(&self) -> Arc<dyn TicketCache> {
        unreachable!("LSA is asked in DllMain")
    }

    fn credential_store(&self) -> Arc<dyn CredentialStore> {
        assert!(!self.is_inside_loader_callback, "advapi32 is asked in DllMain");
        self.store.clone()
    }

    fn ccache_library(&self) -> Arc<dyn CcacheLibrary> {
        Arc::new(NativeCcaches::default())
    }
}

/// K1
#[test]
fn whatever_a_store_returns_only_what_the_filter_means_is_deleted() {
    let entry = |target: &str| StoredCredential { target: target.to_owned(), kind: 1 };
    let others = ["MyApp", "MyApp2/alice", "Contoso:MyApp/alice", "", "MyÄpp/alice"].map(entry);
    let store = Arc::new(Store::default());
    store.0.lock().unwrap().extend(others.clone());
    store.0.lock().unwrap().extend(["MyApp/alice", "MYAPP/Bob", "MyApp/"].map(entry));
    let credentials = Credentials::new(
        Arc::new(Process { store: store.clone(), ..Process::default() }),
        Filter::new("MyApp/*").unwrap(),
    );
    let report = credentials.flush_all();
    assert_eq!((report.flushed(), report.rows()[0].entries), (1, Some(3)), "{report}");
    assert_eq!(*store.0.lock().unwrap(), others);
    assert_eq!(credentials.flush("credentials").unwrap(), Flush::Absent);
    assert!(!credentials.is_present("credentials").unwrap());
    assert_eq!(*credentials.status()[0].contents.as_ref().unwrap(), Contents::Absent);
}

/// C6: looking at a cache of LSA or of the Credential Manager loads a library, too.
#[test]
fn nothing_outside_of_the_process_is_asked_in_dllmain() {
    let inside = Process { is_inside_loader_callback: true, ..Process::default() };
    let caches = Caches::process_of(inside).and_kerberos().and_credentials("MyApp/*").unwrap();
    for cache in ["kerberos", "credentials"] {
        for refused in [caches.is_present(cache).map(drop), caches.flush(cache).map(drop)] {
            assert!(matches!(refused, Err(Error::InsideLoaderCallback { .. })), "{refused:?}");
        }
        let status = caches.status();
        let status = status.iter().find(|status| status.cache.is_named(cache)).unwrap();
        assert!(status.contents.is_err() && status.allowed.is_err(), "{status:?}");
    }
}
