//! Why a server can't start.

use std::{io, net::SocketAddr};

use sspcache_engine::SecurityStatus;

/// Why a server can't start.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ServeError {
    /// The address can't be listened at.
    #[error("can't listen at {address}: {source}")]
    Listen {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A scheme was asked for, and the mock has no package of its name.
    #[error("can't offer the scheme {scheme}: the mock refuses a credential of this package with {status}")]
    NoPackage {
        /// The scheme, which is the name of a package.
        scheme: String,
        /// The status of `AcquireCredentialsHandle`.
        status: SecurityStatus,
    },
    /// A scheme was asked for whose name can't be in a header.
    #[error(
        "can't offer the scheme {scheme:?}: a scheme of HTTP has letters, digits and !#$%&'*+-.^_`|~ alone"
    )]
    NoScheme {
        /// The name.
        scheme: String,
    },
    /// The certificate of the server can't be made.
    #[error("can't make a certificate: {0}")]
    Certificate(String),
    /// The thread of the server can't start.
    #[error("can't start the server's thread: {0}")]
    Start(#[source] io::Error),
}
