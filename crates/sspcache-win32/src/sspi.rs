//! The functions of sspi.h, which pass their calls on to the SSPs: what secur32.dll is on Windows.

#[macro_use]
mod forward;
mod auth_identity;
mod contexts;
mod credentials;
mod messages;
mod packages;
mod providers;
mod table;

pub use auth_identity::*;
pub use contexts::*;
pub use credentials::*;
pub use messages::*;
pub use packages::*;
pub use table::{sspcache_InitSecurityInterfaceA, sspcache_InitSecurityInterfaceW};
