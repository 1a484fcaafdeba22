//! Proofs of a handshake: a hash of every token, and MACs of it under the account's key.

use hmac::{Hmac, KeyInit, Mac, digest::FixedOutput};
use sha2::{Digest as _, Sha256};
use zeroize::Zeroizing;

use super::{Role, SessionKey, token::Digest};
use crate::account::AccountKey;

/// Everything that was said so far, in order.
#[derive(Clone)]
pub(super) struct Transcript(Sha256);

impl Transcript {
    /// Nothing yet.
    pub(super) fn new() -> Self {
        Self(Sha256::new_with_prefix(b"sspcache handshake 1"))
    }

    /// The same, and then this. A token says itself where it ends, so that none can be taken for two.
    #[must_use]
    pub(super) fn with(mut self, token: &[u8]) -> Self {
        self.0.update(token);
        self
    }
}

/// Makes proofs under the key of the initiator's account.
#[derive(Clone)]
pub(super) struct Prover(Hmac<Sha256>);

impl Prover {
    pub(super) fn new(key: &AccountKey) -> Self {
        Self(keyed(key.bytes()))
    }

    /// Over a transcript that goes up to the proof, without its MAC.
    pub(super) fn over(&self, transcript: Transcript) -> Proofs {
        Proofs(self.0.clone().chain_update(transcript.0.finalize()))
    }
}

/// The MACs over a whole handshake, under the key of the initiator's account.
#[derive(Clone)]
pub(super) struct Proofs(Hmac<Sha256>);

impl Proofs {
    /// The initiator's proof that it knows the secret.
    pub(super) fn proof(&self) -> Digest {
        self.labelled(b"proof").finalize().into_bytes().into()
    }

    /// The acceptor's proof that it knows the account.
    pub(super) fn confirmation(&self) -> Digest {
        self.labelled(b"confirmation").finalize().into_bytes().into()
    }

    pub(super) fn is_proof(&self, mac: &Digest) -> bool {
        self.labelled(b"proof").verify_slice(mac).is_ok()
    }

    pub(super) fn is_confirmation(&self, mac: &Digest) -> bool {
        self.labelled(b"confirmation").verify_slice(mac).is_ok()
    }

    /// The initiator's proof, in DCE style, that it has the acceptor's.
    pub(super) fn acknowledgement(&self) -> Digest {
        self.labelled(b"acknowledgement").finalize().into_bytes().into()
    }

    pub(super) fn is_acknowledgement(&self, mac: &Digest) -> bool {
        self.labelled(b"acknowledgement").verify_slice(mac).is_ok()
    }

    /// The proof of a side that it offered, or was offered, this list of mechanisms.
    pub(super) fn list(&self, role: Role, list: &[u8]) -> Digest {
        let label: &[u8] = match role {
            Role::Acceptor => b"acceptor's list",
            Role::Initiator => b"initiator's list",
        };
        self.labelled(label).chain_update(list).finalize().into_bytes().into()
    }

    pub(super) fn session_key(&self) -> SessionKey {
        let mut key = Zeroizing::new([0; 32]);
        self.labelled(b"session key").finalize_into((&mut *key).into());
        SessionKey(key)
    }

    fn labelled(&self, label: &[u8]) -> Hmac<Sha256> {
        self.0.clone().chain_update(label)
    }
}

/// The key of null sessions, which is no secret.
pub(super) fn null_key() -> AccountKey {
    AccountKey::from_bytes([0; 32])
}

/// The digest of channel bindings, which a proof carries.
pub(super) fn bindings(application_data: &[u8]) -> Digest {
    Sha256::new_with_prefix(b"sspcache channel bindings 1").chain_update(application_data).finalize().into()
}

/// HMAC under this key.
pub(crate) fn keyed(key: &[u8]) -> Hmac<Sha256> {
    Hmac::<Sha256>::new_from_slice(key).expect("HMAC takes keys of any length")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::AuthIdentity;

    fn bytes(hex: &str) -> Vec<u8> {
        (0..hex.len()).step_by(2).map(|at| u8::from_str_radix(&hex[at..at + 2], 16).unwrap()).collect()
    }

    /// S3: the numbers are those of Python's `hmac` and `hashlib`, by the description in `docs/handshake.md`.
    #[test]
    fn proofs_are_those_of_an_independent_implementation() {
        let key = AccountKey::of(&AuthIdentity::password("alice", "CONTOSO", "correct horse"));
        let known = bytes("fadda78867cd10165bb992b1c1388065547d4ee750ea13c4d5c02684cf938762");
        assert_eq!(&key.bytes()[..], known);
        let proofs =
            Prover::new(&key).over(Transcript::new().with(b"hello").with(b"challenge").with(b"proof"));
        for (made, known) in [
            (&proofs.proof()[..], "fdf13667583bbf9067b2db8f0a52c55b28b6e06948f7ff1d308d52f124db9646"),
            (&proofs.confirmation(), "9d8fe30f9ea8b4e966e3cbf0da31daf2c3a820cb672955ec8829f9a25d257e5f"),
            (
                proofs.session_key().bytes(),
                "200bd2ccc38c3e77f602e2e363acbc8768544afb74eb6ef930064ed5227af08b",
            ),
            (&bindings(b"tls-unique:1"), "ead452bd56cd541e190f8283e1e383e8ee933cc754c171f6540ef7e4064dbd67"),
        ] {
            assert_eq!(made, bytes(known));
        }
        assert!(proofs.is_proof(&proofs.proof()) && !proofs.is_proof(&proofs.confirmation()));
        assert!(proofs.is_confirmation(&proofs.confirmation()) && !proofs.is_confirmation(&proofs.proof()));
    }
}
