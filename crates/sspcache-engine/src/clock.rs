//! The mock's time: FILETIMEs, from a clock that a test can replace.

use std::{
    fmt,
    sync::Arc,
    sync::atomic::{AtomicU64, Ordering},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

#[cfg(feature = "journal")]
use serde::{Deserialize, Serialize};

/// A moment: 100-nanosecond steps since the start of 1601, UTC unless said otherwise.
///
/// Reference: [FILETIME](https://learn.microsoft.com/en-us/windows/win32/api/minwinbase/ns-minwinbase-filetime).
#[derive(Clone, Copy, Debug, Default, Eq, Hash, Ord, PartialEq, PartialOrd)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "journal", serde(transparent))]
pub struct FileTime(pub u64);

impl FileTime {
    /// The value for "never expires" at the ABI.
    pub const NEVER: Self = Self(0x7FFF_FFFF_FFFF_FFFF);

    /// The moment this long after this one; at most [`Self::NEVER`].
    #[must_use]
    pub fn after(self, span: Duration) -> Self {
        // Not by `as_nanos`: dividing 128 bits takes longer than reading the clock.
        let steps = span.as_secs().checked_mul(STEPS_PER_SECOND.unsigned_abs());
        let steps =
            steps.and_then(|steps| steps.checked_add(u64::from(span.subsec_nanos() / NANOS_PER_STEP)));
        steps.and_then(|steps| self.0.checked_add(steps)).map_or(Self::NEVER, Self).min(Self::NEVER)
    }

    /// The same moment on a local clock that is this many seconds east of UTC; never stays never.
    #[must_use]
    pub fn to_local(self, seconds_east: i32) -> Self {
        if self >= Self::NEVER {
            return Self::NEVER;
        }
        Self(self.0.saturating_add_signed(i64::from(seconds_east) * STEPS_PER_SECOND))
    }

    /// Time since the Unix epoch; zero for moments before it.
    pub fn since_unix_epoch(self) -> Duration {
        let steps = self.0.saturating_sub(UNIX_EPOCH_STEPS);
        Duration::from_micros(steps / 10) + Duration::from_nanos(steps % 10 * 100)
    }
}

impl From<SystemTime> for FileTime {
    fn from(time: SystemTime) -> Self {
        let since = time.duration_since(UNIX_EPOCH).unwrap_or_default();
        Self(UNIX_EPOCH_STEPS).after(since)
    }
}

/// The source of the mock's time.
pub trait Clock: Send + Sync + fmt::Debug {
    /// Now, in UTC.
    fn now(&self) -> FileTime;

    /// The difference between local time and UTC, in seconds; positive east of Greenwich. Times at the ABI are local.
    fn seconds_east_of_utc(&self) -> i32 {
        0
    }
}

/// The operating system's clock. Local time is taken to be UTC, unless an offset is given: `std` knows no time zone.
#[derive(Clone, Copy, Debug, Default)]
pub struct SystemClock {
    /// The difference between local time and UTC, in seconds.
    pub seconds_east: i32,
}

impl Clock for SystemClock {
    fn now(&self) -> FileTime {
        SystemTime::now().into()
    }

    fn seconds_east_of_utc(&self) -> i32 {
        self.seconds_east
    }
}

/// A clock that stands still until a test moves it. Its clones are the same clock.
///
/// ```
/// use std::time::Duration;
/// use sspcache_engine::{AcquireRequest, AuthIdentity, Engine, SecurityStatus, clock::ManualClock};
///
/// let clock = ManualClock::default();
/// let ssp = Engine::builder("MSNSSPC.dll").lifetime(Duration::from_secs(60)).clock(clock.clone()).build();
/// ssp.acquire(&AcquireRequest::outbound("MSN").with_identity(AuthIdentity::password("alice", "", "x"))).unwrap();
///
/// clock.advance(Duration::from_secs(60));
/// assert_eq!(ssp.acquire(&AcquireRequest::outbound("MSN")).unwrap_err(), SecurityStatus::NO_CREDENTIALS);
/// ```
#[derive(Clone, Debug)]
pub struct ManualClock {
    now: Arc<AtomicU64>,
    seconds_east: i32,
}

impl ManualClock {
    /// A clock that shows this moment, with local time this many seconds ahead of UTC.
    pub fn new(now: FileTime, seconds_east: i32) -> Self {
        Self { now: Arc::new(AtomicU64::new(now.0)), seconds_east }
    }

    /// Moves the clock forward.
    pub fn advance(&self, span: Duration) {
        self.set(self.now().after(span));
    }

    /// Sets the clock, back if need be.
    pub fn set(&self, now: FileTime) {
        self.now.store(now.0, Ordering::SeqCst);
    }
}

/// The first moment of 2026, UTC.
impl Default for ManualClock {
    fn default() -> Self {
        Self::new(FileTime::from(UNIX_EPOCH + Duration::from_secs(490_896 * 3600)), 0)
    }
}

impl Clock for ManualClock {
    fn now(&self) -> FileTime {
        FileTime(self.now.load(Ordering::SeqCst))
    }

    fn seconds_east_of_utc(&self) -> i32 {
        self.seconds_east
    }
}

const NANOS_PER_STEP: u32 = 100;
const STEPS_PER_SECOND: i64 = 10_000_000;
/// From the start of 1601 to that of 1970: 134,774 days.
const UNIX_EPOCH_STEPS: u64 = 134_774 * 86_400 * 10_000_000;

#[cfg(test)]
mod tests {
    use super::*;

    /// M9
    #[test]
    fn times_are_filetimes_and_never_stays_never() {
        assert_eq!(FileTime::from(UNIX_EPOCH).0, 116_444_736_000_000_000); // as Microsoft's pages give it
        assert_eq!(FileTime(5).after(Duration::MAX), FileTime::NEVER);
        assert_eq!(FileTime::NEVER.to_local(-3_600), FileTime::NEVER);
        assert_eq!(FileTime(72_000_000_000).to_local(-3_600).0, 36_000_000_000);
        assert_eq!(FileTime::from(UNIX_EPOCH + Duration::from_micros(7)).since_unix_epoch().as_micros(), 7);
    }
}
