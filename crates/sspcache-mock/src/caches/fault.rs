//! What a test makes a cache do instead of its work.

use std::time::Duration;

/// What is asked of a cache.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
#[non_exhaustive]
pub enum CacheCall {
    /// Emptying it: `SslEmptyCacheW`, `InternetSetOptionW`, purging tickets, deleting a credential, destroying a ccache.
    Flush,
    /// Asking what is in it. Schannel and WinINet have no function for that, so nothing calls it there.
    List,
}

/// What a call does instead.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum CacheEffect {
    /// It answers that there is no such cache, and does nothing.
    Absent,
    /// It takes this long, and then does its work.
    Delay(Duration),
    /// It fails with this message, and does nothing.
    Fail(String),
    /// It answers that it did its work, and does nothing. Schannel and WinINet don't say what is in them, so
    /// [`MockSchannel::assert_clean`](crate::MockSchannel::assert_clean) finds that, and a report doesn't.
    Keep,
    /// It panics, and does nothing.
    Panic,
    /// It does its work, and then this entry is there, as when another program signs in meanwhile.
    Refill(String),
    /// It answers that the system doesn't implement this, in these words, and does nothing.
    Unsupported(String),
}

/// A fault to inject into the calls of a cache.
///
/// ```
/// use sspcache::CredentialProvider;
/// use sspcache_mock::{CacheEffect, CacheFault, MockProcess, MockTickets};
///
/// let tickets = MockTickets::new()
///     .fault(CacheFault::on_flush(CacheEffect::Fail("LSA is shutting down".into())).times(1));
/// tickets.ticket("krbtgt/CONTOSO.EXAMPLE");
/// let sign_out = MockProcess::new().with_tickets(&tickets).caches().and_kerberos();
/// assert!(!sign_out.flush_all().is_success());
/// assert!(sign_out.flush_all().is_success());
/// tickets.assert_clean();
/// ```
#[derive(Clone, Debug)]
#[must_use = "a fault does nothing until a mock has it"]
pub struct CacheFault {
    call: CacheCall,
    effect: CacheEffect,
    entry: Option<String>,
    times: u32,
}

impl CacheFault {
    /// What each of these calls does.
    pub fn new(call: CacheCall, effect: CacheEffect) -> Self {
        Self { call, effect, entry: None, times: u32::MAX }
    }

    /// What each flush does.
    pub fn on_flush(effect: CacheEffect) -> Self {
        Self::new(CacheCall::Flush, effect)
    }

    /// What each listing does.
    pub fn on_list(effect: CacheEffect) -> Self {
        Self::new(CacheCall::List, effect)
    }

    /// Applies to this one of several alone: the target of a credential, or the name of a ccache.
    pub fn of(mut self, entry: &str) -> Self {
        self.entry = Some(entry.to_owned());
        self
    }

    /// Applies to so many calls. Without this, to all.
    pub fn times(mut self, calls: u32) -> Self {
        self.times = calls;
        self
    }

    /// The effect on a call, of this entry if it is about one; one time less is left.
    pub(super) fn take(&mut self, call: CacheCall, entry: Option<&str>) -> Option<CacheEffect> {
        let is_meant = self.call == call && (self.entry.is_none() || self.entry.as_deref() == entry);
        if !is_meant || self.times == 0 {
            return None;
        }
        self.times -= 1;
        Some(self.effect.clone())
    }
}
