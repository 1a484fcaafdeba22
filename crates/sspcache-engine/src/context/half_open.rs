//! Handshakes that are not done yet.

use std::{collections::VecDeque, mem, time::Duration};

use foldhash::fast::FixedState;
use hashbrown::{HashMap, HashSet};

use super::{settings::Settings, token::Nonce};
use crate::{FileTime, account::AccountKey, credentials::stored::Stored};

/// Everything of an engine that handshakes alone need.
pub(crate) struct Handshakes {
    /// Whether the journal says whose token it is that impersonation gives.
    pub(super) named_process_token: bool,
    pub(crate) settings: Settings,
    pub(super) half_open: HalfOpen,
    pub(super) nonces: Nonces,
    pub(super) taken: Taken,
    /// A sign-in to an unknown account is verified against this key, so that it takes as long as any other.
    pub(super) nobody: AccountKey,
}

impl Handshakes {
    /// # Errors
    /// When the operating system gives no random numbers.
    pub(crate) fn new(settings: Settings) -> Result<Self, getrandom::Error> {
        let mut nobody = [0; 32];
        getrandom::fill(&mut nobody)?;
        Ok(Self {
            named_process_token: false,
            settings,
            half_open: HalfOpen::default(),
            nonces: Nonces::default(),
            taken: Taken::default(),
            nobody: AccountKey::from_bytes(nobody),
        })
    }

    /// Forgets every handshake: their contexts are gone.
    pub(crate) fn start_over(&mut self) {
        self.half_open = HalfOpen::default();
        self.nonces = Nonces::default();
        self.taken = Taken::default();
    }
}

/// Contexts whose handshake is not done, and when they will have been abandoned.
///
/// All have the same time, so those that are overdue stand at the head of one queue. What has left it otherwise is
/// let be there until it makes up half of it: each operation costs a constant time, taken together.
#[derive(Default)]
pub(super) struct HalfOpen {
    waiting: HashMap<usize, Waiting, FixedState>,
    queue: VecDeque<(FileTime, usize)>,
}

/// A context that waits for its next step.
#[derive(Debug, PartialEq)]
pub(super) struct Waiting {
    /// The credentials that it holds.
    pub(super) credentials: Slots,
}

/// The places of credentials: mostly one; several where Negotiate has one for each package.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub(super) struct Slots {
    first: Option<Stored>,
    others: Vec<Stored>,
}

impl Slots {
    /// Adds one, unless it is there.
    pub(super) fn add(&mut self, stored: Stored) {
        match self.first {
            None => self.first = Some(stored),
            Some(first) if first == stored || self.others.contains(&stored) => {}
            Some(_) => self.others.push(stored),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = Stored> {
        self.first.into_iter().chain(self.others.iter().copied())
    }
}

impl HalfOpen {
    pub(super) fn add(&mut self, context: usize, credentials: Slots, deadline: FileTime) {
        const FEW: usize = 64;
        let Self { waiting, queue } = self;
        if queue.len() > FEW + 2 * waiting.len() {
            queue.retain(|(_, context)| waiting.contains_key(context));
        }
        waiting.insert(context, Waiting { credentials });
        queue.push_back((deadline, context));
    }

    pub(super) fn contains(&self, context: usize) -> bool {
        self.waiting.contains_key(&context)
    }

    /// A handshake is done, one way or the other; `None` when it was not half-open any more.
    pub(super) fn settle(&mut self, context: usize) -> Option<Waiting> {
        self.waiting.remove(&context)
    }

    /// A context needs its credentials no longer.
    pub(super) fn let_go(&mut self, context: usize) -> Slots {
        self.waiting.get_mut(&context).map(|waiting| mem::take(&mut waiting.credentials)).unwrap_or_default()
    }

    /// The next context whose time is up.
    pub(super) fn next_overdue(&mut self, now: FileTime) -> Option<usize> {
        while self.queue.front().is_some_and(|(deadline, _)| *deadline <= now) {
            let (_, context) = self.queue.pop_front()?;
            if self.waiting.contains_key(&context) {
                return Some(context);
            }
        }
        None
    }
}

/// Random numbers in stock, since asking the operating system for each takes longer than all the rest of a
/// handshake's step. They travel in the clear, so they are no secret.
#[derive(Default)]
pub(super) struct Nonces(Vec<Nonce>);

impl Nonces {
    /// # Errors
    /// When the operating system gives no random numbers.
    pub(super) fn next(&mut self) -> Result<Nonce, getrandom::Error> {
        if self.0.is_empty() {
            const STOCK: usize = 64;
            let mut stock = vec![Nonce::default(); STOCK];
            getrandom::fill(stock.as_flattened_mut())?;
            self.0 = stock;
        }
        Ok(self.0.pop().unwrap_or_default())
    }
}

/// The requests that acceptors have taken: one is good for one context.
///
/// One that is out of date is refused for that, so it is forgotten then.
#[derive(Default)]
pub(super) struct Taken {
    nonces: HashSet<Nonce, FixedState>,
    queue: VecDeque<(FileTime, Nonce)>,
}

impl Taken {
    pub(super) fn contains(&self, nonce: &Nonce) -> bool {
        self.nonces.contains(nonce)
    }

    pub(super) fn add(&mut self, nonce: Nonce, now: FileTime) {
        while let Some((until, nonce)) = self.queue.front()
            && *until <= now
        {
            self.nonces.remove(nonce);
            self.queue.pop_front();
        }
        if self.nonces.insert(nonce) {
            // It may be as much ahead of this side's clock as it may fall behind.
            self.queue.push_back((now.after(2 * SKEW), nonce));
        }
    }
}

/// How much the clocks of two sides may differ: Kerberos's default.
pub(super) const SKEW: Duration = Duration::from_secs(5 * 60);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_done_leaves_the_queue_before_its_time() {
        let mut half_open = HalfOpen::default();
        for context in 0..10_000 {
            half_open.add(context, Slots::default(), FileTime(1_000_000));
            if context >= 10 {
                assert_eq!(half_open.settle(context), Some(Waiting { credentials: Slots::default() }));
            }
        }
        assert!(half_open.queue.len() <= 64 + 2 * 11, "{}", half_open.queue.len());
        assert_eq!(half_open.next_overdue(FileTime(999_999)), None);
        let overdue: Vec<_> = std::iter::from_fn(|| half_open.next_overdue(FileTime(1_000_000))).collect();
        assert_eq!(overdue, (0..10).collect::<Vec<_>>());
    }

    /// P7a
    #[test]
    fn a_request_is_remembered_for_as_long_as_its_time_is_good() {
        let mut taken = Taken::default();
        let later = |minutes| FileTime(0).after(Duration::from_mins(minutes));
        taken.add([1; 16], later(0));
        taken.add([2; 16], later(9));
        taken.add([1; 16], later(9));
        assert!(taken.contains(&[1; 16]) && taken.contains(&[2; 16]));
        taken.add([3; 16], later(10));
        assert!(!taken.contains(&[1; 16]) && taken.contains(&[2; 16]));
        assert_eq!((taken.nonces.len(), taken.queue.len()), (2, 2));
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut nonces = Nonces::default();
        let drawn: std::collections::HashSet<_> = (0..1_000).map(|_| nonces.next().unwrap()).collect();
        assert_eq!(drawn.len(), 1_000);
    }
}
