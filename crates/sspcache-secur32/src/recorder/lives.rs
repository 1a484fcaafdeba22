//! What the system's own gave out and took back: handles and memory by the numbers that the journal has, and the tokens of this process.
//!
//! The system uses values and addresses again. What it gives out is new, whatever was there before.

use std::sync::{Mutex, MutexGuard, PoisonError};

use sspcache_dll::recording::{self, EventKind};

use crate::{owner::Key, ssp};

/// A handle, or memory.
#[derive(Clone, Debug)]
pub(super) struct Life {
    pub(super) number: usize,
    pub(super) package: String,
    pub(super) principal: String,
    /// Of a credential: whether the program passed a secret with it.
    pub(super) holds: bool,
    pub(super) is_given_back: bool,
    /// Of a context: whether its handshake has ended, in whatever way.
    pub(super) has_ended: bool,
}

/// What was given out, by its value. It is short, and searched from its beginning: a map would be a tenth of the DLL's additions.
#[derive(Debug)]
pub(super) struct Table(Vec<(Key, Life)>);

impl Table {
    const fn new() -> Self {
        Self(Vec::new())
    }

    pub(super) fn get(&self, key: Key) -> Option<&Life> {
        self.0.iter().find(|entry| entry.0 == key).map(|entry| &entry.1)
    }

    pub(super) fn get_mut(&mut self, key: Key) -> Option<&mut Life> {
        self.0.iter_mut().find(|entry| entry.0 == key).map(|entry| &mut entry.1)
    }

    pub(super) fn insert(&mut self, key: Key, life: Life) {
        if let Some(before) = self.get_mut(key) {
            *before = life;
            return;
        }
        if self.0.len() >= MOST {
            self.forget();
        }
        self.0.push((key, life));
    }

    pub(super) fn remove(&mut self, key: Key) -> Option<Life> {
        let at = self.0.iter().position(|entry| entry.0 == key)?;
        Some(self.0.swap_remove(at).1)
    }

    /// Forgets what was given back.
    pub(super) fn forget(&mut self) {
        self.0.retain(|entry| !entry.1.is_given_back);
    }
}

/// The place of memory in a table.
pub(super) fn of_memory(address: usize) -> Key {
    (address, 0)
}

#[derive(Debug)]
pub(super) struct Lives {
    /// How many things have a number.
    numbers: usize,
    pub(super) credentials: Table,
    pub(super) contexts: Table,
    pub(super) memory: Table,
    /// The tokens that steps returned, by their contents, with their numbers.
    tokens: Vec<(u64, u64)>,
    sent: u64,
    pub(super) held: u32,
    has_begun: bool,
}

static LIVES: Mutex<Lives> = Mutex::new(Lives {
    numbers: 0,
    credentials: Table::new(),
    contexts: Table::new(),
    memory: Table::new(),
    tokens: Vec::new(),
    sent: 0,
    held: 0,
    has_begun: false,
});

/// Locked while events are written, so that their counts are those of their order.
pub(super) fn lives() -> MutexGuard<'static, Lives> {
    LIVES.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Forgets what was given back: a call that isn't recorded may have given out something in its place.
pub(crate) fn forget() {
    let mut lives = lives();
    lives.credentials.forget();
    lives.contexts.forget();
    lives.memory.forget();
}

/// Lets go of everything, when the DLL is unloaded, unless a thread was stopped in the middle of a call.
pub(crate) fn end() {
    if let Ok(mut lives) = LIVES.try_lock() {
        lives.credentials = Table::new();
        lives.contexts = Table::new();
        lives.memory = Table::new();
        lives.tokens = Vec::new();
    }
}

/// The most handles of a kind that are known before those which were given back are forgotten, and the most tokens.
const MOST: usize = 4096;
const MOST_TOKENS: usize = 256;

impl Lives {
    pub(super) fn note(&mut self, kind: EventKind) {
        if !self.has_begun {
            self.has_begun = true;
            // What can't be recorded was printed when the journal was opened.
            let _ = recording::note(&ssp::SSP, EventKind::PassedOn, 0);
        }
        let _ = recording::note(&ssp::SSP, kind, self.held);
    }

    pub(super) fn number(&mut self) -> usize {
        self.numbers += 1;
        self.numbers
    }

    pub(super) fn add_memory(&mut self, address: usize) -> u64 {
        let number = self.number();
        self.memory.insert(of_memory(address), Life::new(number, "", ""));
        number as u64
    }

    /// Numbers a token that a step returned.
    pub(super) fn send(&mut self, token: &[u8]) -> u64 {
        self.sent += 1;
        self.tokens.push((hash(token), self.sent));
        if self.tokens.len() > MOST_TOKENS {
            self.tokens.remove(0);
        }
        self.sent
    }

    /// The number of a token that a step is given, if another one returned it.
    pub(super) fn received(&self, token: &[u8]) -> Option<u64> {
        let hash = hash(token);
        self.tokens.iter().rev().find(|sent| sent.0 == hash).map(|sent| sent.1)
    }
}

impl Life {
    pub(super) fn new(number: usize, package: &str, principal: &str) -> Self {
        let (package, principal) = (package.to_owned(), principal.to_owned());
        Self { number, package, principal, holds: false, is_given_back: false, has_ended: false }
    }
}

/// FNV-1a. Tokens that it distinguishes are kept for this process alone, and are in no file.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
