//! What the system's own gave out and took back: handles and memory by the numbers that the journal has, and the tokens of this process.
//!
//! The system uses values and addresses again. What it gives out is new, whatever was there before.

use std::{
    collections::{BTreeMap, VecDeque},
    sync::{Mutex, MutexGuard, PoisonError},
};

use sspcache_dll::recording::{self, EventKind};

use crate::{owner::Key, ssp};

/// A handle.
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

#[derive(Clone, Copy, Debug)]
pub(super) struct Block {
    pub(super) number: u64,
    pub(super) is_given_back: bool,
}

#[derive(Debug)]
pub(super) struct Lives {
    /// How many things have a number.
    numbers: usize,
    pub(super) credentials: BTreeMap<Key, Life>,
    pub(super) contexts: BTreeMap<Key, Life>,
    pub(super) memory: BTreeMap<usize, Block>,
    /// The tokens that steps returned, by their contents, with their numbers.
    tokens: VecDeque<(u64, u64)>,
    sent: u64,
    pub(super) held: u32,
    has_begun: bool,
}

static LIVES: Mutex<Lives> = Mutex::new(Lives {
    numbers: 0,
    credentials: BTreeMap::new(),
    contexts: BTreeMap::new(),
    memory: BTreeMap::new(),
    tokens: VecDeque::new(),
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
    lives.credentials.retain(|_, life| !life.is_given_back);
    lives.contexts.retain(|_, life| !life.is_given_back);
    lives.forget_memory();
}

/// Lets go of everything, when the DLL is unloaded, unless a thread was stopped in the middle of a call.
pub(crate) fn end() {
    if let Ok(mut lives) = LIVES.try_lock() {
        lives.credentials = BTreeMap::new();
        lives.contexts = BTreeMap::new();
        lives.memory = BTreeMap::new();
        lives.tokens = VecDeque::new();
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

    pub(super) fn add_credential(&mut self, key: Key, life: Life) {
        add(&mut self.credentials, key, life);
    }

    pub(super) fn add_context(&mut self, key: Key, life: Life) {
        add(&mut self.contexts, key, life);
    }

    pub(super) fn add_memory(&mut self, address: usize) -> u64 {
        if self.memory.len() >= MOST {
            self.forget_memory();
        }
        let number = self.number() as u64;
        self.memory.insert(address, Block { number, is_given_back: false });
        number
    }

    pub(super) fn forget_memory(&mut self) {
        self.memory.retain(|_, block| !block.is_given_back);
    }

    /// Numbers a token that a step returned.
    pub(super) fn send(&mut self, token: &[u8]) -> u64 {
        self.sent += 1;
        self.tokens.push_back((hash(token), self.sent));
        if self.tokens.len() > MOST_TOKENS {
            self.tokens.pop_front();
        }
        self.sent
    }

    /// The number of a token that a step is given, if another one returned it.
    pub(super) fn received(&self, token: &[u8]) -> Option<u64> {
        let hash = hash(token);
        self.tokens.iter().rev().find(|sent| sent.0 == hash).map(|sent| sent.1)
    }
}

fn add(handles: &mut BTreeMap<Key, Life>, key: Key, life: Life) {
    if handles.len() >= MOST {
        handles.retain(|_, life| !life.is_given_back);
    }
    handles.insert(key, life);
}

/// FNV-1a. Tokens that are told apart by it are kept for this process alone, and are in no file.
fn hash(bytes: &[u8]) -> u64 {
    bytes
        .iter()
        .fold(0xCBF2_9CE4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3))
}
