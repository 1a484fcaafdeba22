//! Handshakes that are not done yet.

use std::{
    collections::{BTreeSet, VecDeque},
    mem,
    time::Duration,
};

use foldhash::fast::FixedState;
use hashbrown::HashMap;

use super::{settings::Settings, token::Nonce};
use crate::{FileTime, SecurityStatus, account::AccountKey, credentials::stored::Stored};

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

/// What makes a request of Kerberos one of a kind: the initiator's time, and a random number.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd)]
pub(super) struct Authenticator {
    pub(super) time: FileTime,
    pub(super) nonce: Nonce,
}

/// The requests that acceptors have taken: one is good for one context.
///
/// One that is out of date is refused for that, so it is forgotten then. Of many the oldest are forgotten before, and from then on what is
/// as old as they are is refused as out of date: a server that doesn't know what it has taken must not take it again
/// ([RFC 4120, 3.2.3](https://www.rfc-editor.org/rfc/rfc4120#section-3.2.3)). So memory doesn't grow with the number of sign-ins, and a
/// request is never taken twice; clocks may differ by less meanwhile.
#[derive(Default)]
pub(super) struct Taken {
    /// Oldest first.
    kept: BTreeSet<Authenticator>,
    /// The latest time of those that were forgotten before they were out of date.
    forgotten: Option<FileTime>,
}

impl Taken {
    /// How many are kept: at a thousand sign-ins a second, those of sixteen seconds.
    const MOST: usize = 16 * 1024;

    /// # Errors
    /// When this request was taken before, or may have been.
    pub(super) fn check(&self, request: &Authenticator) -> Result<(), SecurityStatus> {
        if self.forgotten >= Some(request.time) {
            return Err(SecurityStatus::TIME_SKEW);
        }
        if self.kept.contains(request) { Err(SecurityStatus::LOGON_DENIED) } else { Ok(()) }
    }

    pub(super) fn add(&mut self, request: Authenticator, now: FileTime) {
        while self.kept.first().is_some_and(|oldest| oldest.time.after(SKEW) < now) {
            self.kept.pop_first();
        }
        self.kept.insert(request);
        // What is of this moment, or of a clock that is ahead, is kept in any number: else a request with the right time would be
        // refused. A test's clock may stand still.
        while self.kept.len() > Self::MOST
            && let Some(oldest) = self.kept.first().filter(|oldest| oldest.time < now)
        {
            self.forgotten = self.forgotten.max(Some(oldest.time));
            self.kept.pop_first();
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

    fn request(time: FileTime, nonce: u8) -> Authenticator {
        Authenticator { time, nonce: [nonce; 16] }
    }

    fn minutes(minutes: u64) -> FileTime {
        FileTime(0).after(Duration::from_mins(minutes))
    }

    /// P7a
    #[test]
    fn a_request_is_remembered_for_as_long_as_its_time_is_good() {
        let mut taken = Taken::default();
        let (behind, ahead) = (request(minutes(0), 1), request(minutes(10), 2));
        taken.add(behind, minutes(5));
        taken.add(ahead, minutes(5));
        for again in [behind, ahead] {
            assert_eq!(taken.check(&again), Err(SecurityStatus::LOGON_DENIED));
        }
        assert_eq!(taken.check(&request(minutes(0), 3)), Ok(()));
        taken.add(request(minutes(15), 3), minutes(15));
        assert_eq!((taken.kept.len(), taken.forgotten), (2, None));
        assert_eq!(taken.check(&ahead), Err(SecurityStatus::LOGON_DENIED));
    }

    /// P7a: however many there are, none is taken twice, and one with the right time is taken.
    #[test]
    fn of_many_requests_the_oldest_are_refused_as_out_of_date() {
        let mut taken = Taken::default();
        let most = u64::try_from(Taken::MOST).unwrap();
        for now in (0..2 * most).map(FileTime) {
            assert_eq!(taken.check(&request(now, 1)), Ok(()));
            taken.add(request(now, 1), now);
            assert!(taken.kept.len() <= Taken::MOST);
        }
        assert_eq!(taken.forgotten, Some(FileTime(most - 1)));
        for (time, expected) in [
            (0, SecurityStatus::TIME_SKEW),
            (most - 1, SecurityStatus::TIME_SKEW),
            (most, SecurityStatus::LOGON_DENIED),
        ] {
            assert_eq!(taken.check(&request(FileTime(time), 1)), Err(expected), "{time}");
        }
        assert_eq!(taken.check(&request(FileTime(most - 1), 2)), Err(SecurityStatus::TIME_SKEW));
        assert_eq!(taken.check(&request(FileTime(most), 2)), Ok(()));
    }

    /// P7a: a clock that stands still, as a test's does.
    #[test]
    fn requests_of_this_moment_are_taken_in_any_number() {
        let mut taken = Taken::default();
        for number in 0..2 * u128::try_from(Taken::MOST).unwrap() {
            let request = Authenticator { time: minutes(1), nonce: number.to_be_bytes() };
            assert_eq!(taken.check(&request), Ok(()));
            taken.add(request, minutes(1));
            assert_eq!(taken.check(&request), Err(SecurityStatus::LOGON_DENIED));
        }
    }

    #[test]
    fn no_nonce_comes_twice() {
        let mut nonces = Nonces::default();
        let drawn: std::collections::HashSet<_> = (0..1_000).map(|_| nonces.next().unwrap()).collect();
        assert_eq!(drawn.len(), 1_000);
    }
}
