//! The [caches of today](sspcache::caches) of an emulated process, its logon session and its user.

mod ccaches;
mod credentials;
mod fault;
mod schannel;
mod store;
mod tickets;
mod wininet;

pub(crate) use self::ccaches::Reachable;
pub use self::{
    ccaches::MockCcaches,
    credentials::MockCredentials,
    fault::{CacheCall, CacheEffect, CacheFault},
    schannel::MockSchannel,
    tickets::MockTickets,
    wininet::MockWinInet,
};
