//! The key that exported contexts and encrypted identities are sealed under.

use chacha20poly1305::{ChaCha20Poly1305, KeyInit};
use hmac::Mac;
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::proof::keyed;

/// The key that exported contexts are sealed under.
#[derive(Clone)]
pub(crate) struct ExportKey(Zeroizing<[u8; 32]>);

impl ExportKey {
    /// A random key, for one instance alone.
    ///
    /// # Panics
    /// When the operating system gives no random numbers.
    pub(crate) fn random() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).expect("the operating system has random numbers");
        Self(key)
    }

    /// The key that instances configured with the same secret share.
    pub(crate) fn from_secret(secret: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(b"sspcache export 1 ").chain_update(secret);
        Self(Zeroizing::new(hash.finalize().into()))
    }

    /// The cipher of what begins with this header, which makes a key of its own for it.
    pub(crate) fn cipher(&self, header: &[u8]) -> ChaCha20Poly1305 {
        let mut mac = keyed(&*self.0);
        mac.update(header);
        let key = Zeroizing::new(<[u8; 32]>::from(mac.finalize().into_bytes()));
        ChaCha20Poly1305::new((&*key).into())
    }
}

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportKey")
    }
}
