//! Identities that are encrypted where they lie, under keys that the instance keeps to itself: what
//! `SspiEncryptAuthIdentity` does.

use zeroize::Zeroizing;

use chacha20poly1305::{AeadInOut, Nonce, Tag};

use crate::{SecurityStatus, context::export_key::ExportKey, state::Instance};

/// The instances that can decrypt an identity: a `SEC_WINNT_AUTH_IDENTITY_ENCRYPT_…` option.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum SealedFor {
    /// Instances that are configured with the same export key, as if they had one logon session; without such a key,
    /// this instance alone.
    Logon,
    /// This instance alone.
    Process,
}

/// The proof that nothing was changed since; it has to be kept with what was encrypted.
pub type Seal = [u8; 32];

impl Instance {
    /// See [`Engine::seal`](crate::Engine::seal).
    pub(crate) fn seal(
        &self,
        reach: SealedFor,
        header: &[u8],
        body: &mut [u8],
    ) -> Result<Seal, SecurityStatus> {
        let mut seal = Seal::default();
        let (salt, tag) = seal.split_at_mut(SALT);
        getrandom::fill(salt).map_err(|_| SecurityStatus::ENCRYPT_FAILURE)?;
        let cipher = self.sealing_key(reach).cipher(&labelled(salt));
        let sealed = cipher.encrypt_inout_detached(&Nonce::default(), header, body.into());
        tag.copy_from_slice(&sealed.map_err(|_| SecurityStatus::ENCRYPT_FAILURE)?);
        Ok(seal)
    }

    /// See [`Engine::unseal`](crate::Engine::unseal).
    pub(crate) fn unseal(
        &self,
        reach: SealedFor,
        header: &[u8],
        body: &mut [u8],
        seal: &Seal,
    ) -> Result<(), SecurityStatus> {
        let (salt, tag) = seal.split_at(SALT);
        let tag = Tag::try_from(tag).map_err(|_| SecurityStatus::DECRYPT_FAILURE)?;
        let cipher = self.sealing_key(reach).cipher(&labelled(salt));
        // The tag is compared before anything is decrypted.
        cipher
            .decrypt_inout_detached(&Nonce::default(), header, body.into(), &tag)
            .map_err(|_| SecurityStatus::DECRYPT_FAILURE)
    }

    fn sealing_key(&self, reach: SealedFor) -> ExportKey {
        let state = self.lock();
        match reach {
            SealedFor::Logon => state.export_key().clone(),
            SealedFor::Process => state.process_key().clone(),
        }
    }
}

/// What a key of its own is made from. No exported context begins so.
fn labelled(salt: &[u8]) -> Zeroizing<Vec<u8>> {
    Zeroizing::new([b"sspcache identity 1 ", salt].concat())
}

/// The random bytes at a seal's beginning.
const SALT: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Engine;

    /// S7
    #[test]
    fn what_was_sealed_is_opened_by_whom_it_was_sealed_for() {
        let [here, same, other] =
            ["a", "a", "b"].map(|key| Engine::builder("MSNSSPC.dll").export_key(key).build());
        for (reach, openers) in
            [(SealedFor::Process, [true, false, false]), (SealedFor::Logon, [true, true, false])]
        {
            let mut body = *b"correct horse";
            let seal = here.seal(reach, b"header", &mut body).unwrap();
            assert_ne!(&body, b"correct horse");
            for (engine, opens) in [&here, &same, &other].into_iter().zip(openers) {
                let mut copy = body;
                let opened = engine.unseal(reach, b"header", &mut copy, &seal);
                assert_eq!(opened.is_ok(), opens, "{reach:?}");
                assert_eq!(&copy == b"correct horse", opens, "{reach:?}");
            }
        }
    }

    /// S7
    #[test]
    fn what_was_changed_after_it_was_sealed_is_not_opened() {
        let engine = Engine::builder("MSNSSPC.dll").build();
        let mut body = *b"secret";
        let seal = engine.seal(SealedFor::Process, b"header", &mut body).unwrap();
        let refused = |reach, header: &[u8], mut body: [u8; 6], seal: &Seal| {
            let before = body;
            assert_eq!(engine.unseal(reach, header, &mut body, seal), Err(SecurityStatus::DECRYPT_FAILURE));
            assert_eq!(body, before);
        };
        refused(SealedFor::Logon, b"header", body, &seal);
        refused(SealedFor::Process, b"Header", body, &seal);
        for bit in 0..body.len() * 8 {
            let mut body = body;
            body[bit / 8] ^= 1 << (bit % 8);
            refused(SealedFor::Process, b"header", body, &seal);
        }
        for bit in 0..seal.len() * 8 {
            let mut seal = seal;
            seal[bit / 8] ^= 1 << (bit % 8);
            refused(SealedFor::Process, b"header", body, &seal);
        }
        assert_eq!(engine.unseal(SealedFor::Process, b"header", &mut body, &seal), Ok(()));
        assert_eq!(&body, b"secret");
    }
}
