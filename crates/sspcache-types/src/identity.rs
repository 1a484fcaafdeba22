//! The identity that a user signs in with.

use core::fmt;

/// A user's name, domain and password. `Debug` doesn't print the password.
#[derive(Clone, Copy)]
pub struct Identity<'a> {
    /// The user.
    pub user: &'a str,
    /// The domain or realm. It may be empty.
    pub domain: &'a str,
    /// The password. A callee that copies it overwrites the copy.
    pub password: &'a str,
}

impl fmt::Debug for Identity<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Identity")
            .field("user", &self.user)
            .field("domain", &self.domain)
            .finish_non_exhaustive()
    }
}
