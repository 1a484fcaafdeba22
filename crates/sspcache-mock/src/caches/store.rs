//! What all emulated caches have in common: entries with the places where a test put them, faults, and expectations.

use std::{fmt, io, panic::Location, sync::Arc, thread};

use parking_lot::Mutex;
use sspcache::caches::Refusal;
use sspcache_loader::{ModuleFile, Reason};

use super::{CacheCall, CacheEffect, CacheFault};
use crate::loader::Export;

/// What a test puts into a cache.
pub(crate) trait Entry: fmt::Display {
    /// Whether a sign-out should have removed it.
    fn is_removed_by_a_flush(&self) -> bool {
        true
    }
}

/// A cache that several processes may share. Clones are the same cache; what is expected of it is expected of one of them.
pub(crate) struct Store<T: Entry> {
    /// What the cache is called in messages.
    what: &'static str,
    // Never held while a fault is carried out, and not poisoned by a panic.
    shared: Arc<Mutex<Shared<T>>>,
    /// Where a sign-out was expected.
    expected_at: Option<&'static Location<'static>>,
}

/// Entries, and where a test put each.
pub(crate) type Entries<T> = Vec<(T, &'static Location<'static>)>;

struct Shared<T> {
    entries: Entries<T>,
    faults: Vec<CacheFault>,
    /// How many entries a test has put in.
    put: usize,
    /// How many went with their module.
    unloaded: usize,
    /// How many flushes were called.
    flushes: usize,
}

/// How a call that succeeds goes on.
#[derive(Debug, Eq, PartialEq)]
pub(crate) enum Go {
    /// It does its work.
    On,
    /// It does nothing, and says that it did.
    Pretend,
    /// It does its work, and then this entry is there.
    Refill(String),
}

impl<T: Entry> Store<T> {
    pub(crate) fn new(what: &'static str) -> Self {
        let shared = Shared { entries: Vec::new(), faults: Vec::new(), put: 0, unloaded: 0, flushes: 0 };
        Self { what, shared: Arc::new(Mutex::new(shared)), expected_at: None }
    }

    pub(crate) fn add_fault(&self, fault: CacheFault) {
        self.shared.lock().faults.push(fault);
    }

    #[track_caller]
    pub(crate) fn put(&self, entry: T) {
        let mut shared = self.shared.lock();
        shared.put += 1;
        shared.entries.push((entry, Location::caller()));
    }

    #[track_caller]
    pub(crate) fn expect_sign_out(&mut self) {
        self.expected_at = Some(Location::caller());
    }

    /// Begins a call, with what a fault makes of it. `entry` is the one of several that it is about.
    ///
    /// # Errors
    /// The refusal that a fault asks for.
    pub(crate) fn call(&self, call: CacheCall, entry: Option<&str>) -> Result<Go, Refusal> {
        let effect = {
            let mut shared = self.shared.lock();
            shared.flushes += usize::from(call == CacheCall::Flush);
            shared.faults.iter_mut().find_map(|fault| fault.take(call, entry))
        };
        match effect {
            None => Ok(Go::On),
            Some(CacheEffect::Absent) => Err(Refusal::Absent),
            Some(CacheEffect::Delay(delay)) => {
                thread::sleep(delay);
                Ok(Go::On)
            }
            Some(CacheEffect::Fail(message)) => Err(Refusal::failed(message)),
            Some(CacheEffect::Keep) => Ok(Go::Pretend),
            Some(CacheEffect::Panic) => panic!("{}: a fault of the test panics", self.what),
            Some(CacheEffect::Refill(entry)) => Ok(Go::Refill(entry)),
            Some(CacheEffect::Unsupported(what)) => Err(Refusal::Unsupported(what)),
        }
    }

    /// Makes something of the entries.
    pub(crate) fn with<R>(&self, make: impl FnOnce(&mut Entries<T>) -> R) -> R {
        make(&mut self.shared.lock().entries)
    }

    /// The entries, in words.
    pub(crate) fn names(&self) -> Vec<String> {
        self.with(|entries| entries.iter().map(|(entry, _)| entry.to_string()).collect())
    }

    /// Removes what a flush removes.
    pub(crate) fn empty(&self) {
        self.with(|entries| entries.retain(|(entry, _)| !entry.is_removed_by_a_flush()));
    }

    /// Calls an export that removes what a flush removes, and that returns TRUE or FALSE. `refill` puts an entry there, where a fault asks
    /// for one.
    pub(crate) fn flush(&self, export: &str, refill: impl FnOnce(&str)) -> io::Result<()> {
        match self.call(CacheCall::Flush, None) {
            Ok(go) => {
                if go != Go::Pretend {
                    self.empty();
                }
                if let Go::Refill(entry) = go {
                    refill(&entry);
                }
                Ok(())
            }
            // The function has no word for that nothing is there.
            Err(Refusal::Absent) => Ok(()),
            Err(Refusal::Failed(cause)) => Err(io::Error::other(format!("{export}: {cause}"))),
            Err(Refusal::Unsupported(what)) => Err(io::Error::new(io::ErrorKind::Unsupported, what)),
            Err(_) => Err(io::Error::other(format!("{export} returned FALSE"))),
        }
    }

    /// The cache as the file of a module, with its export unless it lacks that. Unloading it loses the entries, which is no
    /// flush.
    pub(crate) fn file(&self, path: &str, export: Option<(&str, Export)>) -> ModuleFile<Export>
    where
        T: Send + 'static,
    {
        let file = ModuleFile::new(path);
        let file = export.into_iter().fold(file, |file, (name, export)| file.export(name, export));
        let store = self.clone();
        file.on_notification(move |notification| {
            if notification.reason() == Reason::Unload {
                store.unload();
            }
            true
        })
    }

    fn unload(&self) {
        let mut shared = self.shared.lock();
        shared.unloaded += shared.entries.iter().filter(|(entry, _)| entry.is_removed_by_a_flush()).count();
        shared.entries.clear();
    }

    /// What is still there, if anything is that a flush should have removed.
    pub(crate) fn unclean(&self) -> Option<String> {
        let shared = self.shared.lock();
        let left: Vec<_> = shared.entries.iter().filter(|(entry, _)| entry.is_removed_by_a_flush()).collect();
        if left.is_empty() {
            return None;
        }
        let are = if left.len() == 1 { "entry is" } else { "entries are" };
        let flushes = match shared.flushes {
            0 => "no flush reached it".to_owned(),
            1 => "1 flush reached it".to_owned(),
            flushes => format!("{flushes} flushes reached it"),
        };
        let list: Vec<_> = left.iter().map(|(entry, at)| format!("  {entry}, put there at {at}")).collect();
        Some(format!("{}: {} {are} still there, and {flushes}:\n{}", self.what, left.len(), list.join("\n")))
    }

    /// How the sign-out that was expected of this value didn't happen.
    fn unmet(&self) -> Option<String> {
        let expected_at = self.expected_at?;
        let unmet = self.unclean().or_else(|| {
            let shared = self.shared.lock();
            match (shared.put, shared.unloaded) {
                (0, _) => Some(format!("{}: nothing was put there, so nothing was tested", self.what)),
                (_, 0) => None,
                (_, left) => Some(format!(
                    "{}: {left} of its entries were there when it was unloaded, which is no sign-out",
                    self.what
                )),
            }
        })?;
        Some(format!("the sign-out that {expected_at} expects didn't happen: {unmet}"))
    }
}

impl<T: Entry> Clone for Store<T> {
    fn clone(&self) -> Self {
        Self { what: self.what, shared: self.shared.clone(), expected_at: None }
    }
}

impl<T: Entry> Drop for Store<T> {
    fn drop(&mut self) {
        // A second panic would abort the run of tests, and hide the first.
        if thread::panicking() {
            return;
        }
        if let Some(unmet) = self.unmet() {
            panic!("{unmet}");
        }
    }
}

impl<T: Entry> fmt::Debug for Store<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.names()).finish()
    }
}

/// What each mock of a cache can do. Its field `store` is a [`Store`].
macro_rules! common {
    ($mock:ident) => {
        impl $mock {
            /// Makes a call fail. Of several faults for one call, the first whose turn it is applies.
            #[must_use]
            pub fn fault(self, fault: $crate::CacheFault) -> Self {
                self.store.add_fault(fault);
                self
            }

            /// Expects a sign-out. Dropping this value panics when nothing was ever put there, and when something is left that a
            /// flush removes. Keep it in a variable until the end of the test. Its clones check nothing, and nothing is
            /// checked while the thread is panicking already.
            #[must_use = "it checks when it is dropped: keep it until the end of the test"]
            #[track_caller]
            pub fn expect_sign_out(mut self) -> Self {
                self.store.expect_sign_out();
                self
            }

            /// Asserts that nothing is left that a flush removes.
            ///
            /// # Panics
            /// When there is something. The message names each entry, and where the test put it there.
            #[track_caller]
            pub fn assert_clean(&self) {
                if let Some(unclean) = self.store.unclean() {
                    panic!("{unclean}");
                }
            }
        }

        impl Default for $mock {
            fn default() -> Self {
                Self::new()
            }
        }
    };
}
pub(super) use common;
