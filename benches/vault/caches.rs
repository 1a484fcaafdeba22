//! What is measured: the vault, and the maps that one would take in its place.
//!
//! The maps come with their own hashes, and those whose own is the standard library's slow one also with the vault's. They
//! get what is good for them: secrets of a fixed length in one allocation each, and keys that are compared byte for
//! byte, where the vault folds case. Secrets are on the heap, because a table that grows leaves copies behind of what lies
//! in it.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use sspcache_engine::vault::{KeyRef, Limits, NEVER, NewCredential, Vault};
use zeroize::zeroize_bytes;

/// A cache that is measured.
pub(super) trait Cache: Sync {
    /// What credentials are kept and looked up by, in the form that the candidate has them in.
    type Key: Sync;

    fn new() -> Self;
    fn key(user: &str, domain: &str) -> Self::Key;
    /// Takes a copy of both.
    fn insert(&self, key: &Self::Key, secret: &[u8; SECRET]);
    /// Something of all the secret's bytes, if it is there.
    fn read(&self, key: &Self::Key) -> Option<u64>;
    /// Wipes all secrets, as far as the candidate does that before it returns.
    fn flush(&self);
}

pub(super) const SECRET: usize = 32;

/// The key of a map, the natural way.
pub(super) type Key = (String, String);

/// A secret that overwrites itself when dropped.
pub(super) struct Wiped([u8; SECRET]);

impl Drop for Wiped {
    fn drop(&mut self) {
        zeroize_bytes(&mut self.0);
        if COUNTING.load(Ordering::Relaxed) {
            WIPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether wiped secrets are counted: never while time is measured.
pub(super) static COUNTING: AtomicBool = AtomicBool::new(false);
pub(super) static WIPED: AtomicUsize = AtomicUsize::new(0);

pub(super) fn digest(secret: &[u8]) -> u64 {
    let (words, _) = secret.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

impl Cache for Mutex<Vault> {
    type Key = (Box<[u16]>, Box<[u16]>);

    fn new() -> Self {
        Mutex::new(Vault::new(Limits::default()))
    }

    fn key(user: &str, domain: &str) -> Self::Key {
        (user.encode_utf16().collect(), domain.encode_utf16().collect())
    }

    fn insert(&self, (user, domain): &Self::Key, secret: &[u8; SECRET]) {
        let mut vault = self.lock().unwrap_or_else(PoisonError::into_inner);
        let key = KeyRef { package: 0, user, domain };
        let new = NewCredential { key, kind: 0, secret, cached_at: 0, expires: NEVER };
        vault.insert(new, &mut |_| {}).expect("memory");
    }

    fn read(&self, (user, domain): &Self::Key) -> Option<u64> {
        let mut vault = self.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = vault.find(KeyRef { package: 0, user, domain })?;
        vault.get(slot).map(|entry| digest(entry.secret()))
    }

    fn flush(&self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

fn owned(user: &str, domain: &str) -> Key {
    (user.to_owned(), domain.to_owned())
}

pub(super) type LockedHashMap<S> = Mutex<HashMap<Key, Box<Wiped>, S>>;

impl<S: BuildHasher + Default + Send> Cache for LockedHashMap<S> {
    type Key = Key;

    fn new() -> Self {
        Mutex::default()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        self.lock().expect("a lock").insert(key.clone(), Box::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.lock().expect("a lock").get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.lock().expect("a lock").clear();
    }
}

pub(super) type DashMap<S> = dashmap::DashMap<Key, Box<Wiped>, S>;

impl<S: BuildHasher + Clone + Default + Send + Sync> Cache for DashMap<S> {
    type Key = Key;

    fn new() -> Self {
        Self::default()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        self.insert(key.clone(), Box::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear();
    }
}

pub(super) type Moka = moka::sync::Cache<Key, Arc<Wiped>>;

impl Cache for Moka {
    type Key = Key;

    fn new() -> Self {
        Self::builder().build()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        self.insert(key.clone(), Arc::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.invalidate_all();
        // Invalidating only marks; this is what drops.
        while self.entry_count() > 0 {
            self.run_pending_tasks();
        }
    }
}

pub(super) type Papaya<S> = papaya::HashMap<Key, Box<Wiped>, S>;

impl<S: BuildHasher + Default + Send + Sync> Cache for Papaya<S> {
    type Key = Key;

    fn new() -> Self {
        Self::default()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        self.pin().insert(key.clone(), Box::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.pin().get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.pin().clear();
    }
}

pub(super) type QuickCache = quick_cache::sync::Cache<Key, Arc<Wiped>>;

impl Cache for QuickCache {
    type Key = Key;

    fn new() -> Self {
        let hash = quick_cache::DefaultHashBuilder::default();
        let lifecycle = quick_cache::sync::DefaultLifecycle::default();
        // A small estimate, so that it grows as the others do; a capacity that nothing is evicted from.
        Self::with(1024, 1 << 22, quick_cache::UnitWeighter, hash, lifecycle)
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        self.insert(key.clone(), Arc::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear();
    }
}

pub(super) type Scc<S> = scc::HashMap<Key, Box<Wiped>, S>;

impl<S: BuildHasher + Default + Send + Sync> Cache for Scc<S> {
    type Key = Key;

    fn new() -> Self {
        Self::default()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, key: &Key, secret: &[u8; SECRET]) {
        let _ = self.insert_sync(key.clone(), Box::new(Wiped(*secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.read_sync(key, |_, secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear_sync();
    }
}
