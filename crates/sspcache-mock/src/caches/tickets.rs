//! The Kerberos tickets of an emulated logon session.

use std::fmt;

use sspcache::caches::{Refusal, kerberos::TicketCache};

use super::store::{Entry, Go, Store, common};
use crate::CacheCall;

/// The Kerberos tickets of a logon session, which LSA has on Windows. Processes of one session share them:
///
/// ```
/// use sspcache::CredentialProvider;
/// use sspcache_mock::{MockProcess, MockTickets};
///
/// let tickets = MockTickets::new();
/// tickets.ticket("krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE");
/// let [application, other] = [(); 2].map(|()| MockProcess::new().with_tickets(&tickets));
/// // What belongs to the process alone leaves them.
/// assert!(application.caches().flush_all().is_success());
/// assert_eq!(tickets.tickets().len(), 1);
/// // By name they are purged, for every program of the session.
/// assert!(application.caches().and_kerberos().flush_all().is_success());
/// tickets.assert_clean();
/// assert!(!other.caches().and_kerberos().flush_all().to_string().contains("kerberos      flushed"));
/// ```
#[derive(Clone, Debug)]
pub struct MockTickets {
    store: Store<Ticket>,
}

common!(MockTickets);

impl MockTickets {
    /// Those of a new session: none.
    pub fn new() -> Self {
        Self { store: Store::new("kerberos") }
    }

    /// Puts a ticket for this server there, such as `krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE`.
    #[track_caller]
    pub fn ticket(&self, server: &str) {
        self.store.put(Ticket(server.to_owned()));
    }

    /// The servers that there are tickets for.
    pub fn tickets(&self) -> Vec<String> {
        self.store.with(|tickets| tickets.iter().map(|(ticket, _)| ticket.0.clone()).collect())
    }
}

impl TicketCache for MockTickets {
    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        self.store.call(CacheCall::List, None)?;
        match self.tickets() {
            none if none.is_empty() => Err(Refusal::Absent),
            some => Ok(some),
        }
    }

    fn purge(&self) -> Result<(), Refusal> {
        let go = self.store.call(CacheCall::Flush, None)?;
        if self.tickets().is_empty() {
            return Err(Refusal::Absent);
        }
        if go != Go::Pretend {
            self.store.empty();
        }
        if let Go::Refill(server) = go {
            self.ticket(&server);
        }
        Ok(())
    }
}

#[derive(Debug)]
struct Ticket(String);

impl Entry for Ticket {}

impl fmt::Display for Ticket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the ticket for {}", self.0)
    }
}
