//! The accounts that an acceptor verifies sign-ins against.

use std::{
    hash::{BuildHasher, Hasher},
    hint::black_box,
};

use foldhash::fast::FixedState;
use hashbrown::HashTable;
use sha2::{Digest, Sha256};
use sspcache_types::name::fold;
use zeroize::Zeroizing;

use crate::{AuthIdentity, Principal, SecretKind};

/// An account that sign-ins are verified against. It holds keys made from its secrets, never a secret.
#[derive(Clone, Debug)]
pub(crate) struct Account {
    pub(crate) principal: Principal,
    /// One for each kind of secret that it has.
    keys: Vec<(SecretKind, AccountKey)>,
}

impl Account {
    pub(crate) fn new(identity: &AuthIdentity) -> Self {
        let keys = vec![(identity.secret.kind(), AccountKey::of(identity))];
        Self { principal: identity.principal.clone(), keys }
    }

    /// The keys that sign in to it.
    pub(crate) fn keys(&self) -> impl Iterator<Item = &AccountKey> {
        self.keys.iter().map(|(_, key)| key)
    }

    /// Whether the secret of this identity is one of its own.
    pub(crate) fn is_of(&self, identity: &AuthIdentity) -> bool {
        self.has(&AccountKey::of(identity))
    }

    /// Whether this is one of its keys.
    pub(crate) fn has(&self, key: &AccountKey) -> bool {
        self.keys().any(|own| own == key)
    }

    /// Takes over the secrets of another account of the principal, in the place of those of the same kinds.
    fn update(&mut self, other: Self) {
        self.keys.retain(|(kind, _)| other.keys.iter().all(|(new, _)| new != kind));
        self.keys.extend(other.keys);
    }
}

/// A secret bound to its principal, one way.
#[derive(Clone, Eq)]
pub(crate) struct AccountKey(Zeroizing<[u8; 32]>);

/// In the same time wherever they differ.
impl PartialEq for AccountKey {
    fn eq(&self, other: &Self) -> bool {
        let differ = self.0.iter().zip(&*other.0).fold(0, |differ, (own, other)| differ | (own ^ other));
        black_box(differ) == 0
    }
}

impl AccountKey {
    pub(crate) fn of(identity: &AuthIdentity) -> Self {
        Self::derive(&identity.principal, identity.secret.kind().tag(), identity.secret.bytes())
    }

    /// The key of a principal with a secret of the kind that has this tag.
    pub(crate) fn derive(principal: &Principal, kind: u8, secret: &[u8]) -> Self {
        let mut hash = Sha256::new();
        hash.update(b"sspcache account 1");
        for name in [&principal.user, &principal.domain] {
            hash.update((name.units().len() as u64).to_le_bytes());
            for units in name.units().chunks(HASHED_AT_ONCE) {
                let mut bytes = [[0; 2]; HASHED_AT_ONCE];
                let places = &mut bytes[..units.len()];
                places.iter_mut().zip(units).for_each(|(place, &unit)| *place = fold(unit).to_le_bytes());
                hash.update(places.as_flattened());
            }
        }
        hash.update([kind]);
        hash.update(secret);
        let mut key = Zeroizing::new([0; 32]);
        hash.finalize_into((&mut *key).into());
        Self(key)
    }

    /// A key that is no account's.
    pub(crate) fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(Zeroizing::new(bytes))
    }

    pub(crate) fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}

/// Units of a name that are hashed in one piece: as many as most names have.
const HASHED_AT_ONCE: usize = 16;

impl std::fmt::Debug for AccountKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("AccountKey")
    }
}

/// Accounts by principal. Finding one takes the same time however many there are.
#[derive(Clone, Debug, Default)]
pub(crate) struct Accounts {
    table: HashTable<Account>,
    hasher: FixedState,
}

impl Accounts {
    pub(crate) fn get(&self, principal: &Principal) -> Option<&Account> {
        self.table.find(self.hash(principal), |account| account.principal == *principal)
    }

    /// Takes in an account. When the principal has one, that gets its secrets, and loses those of the same kinds.
    pub(crate) fn insert(&mut self, account: Account) {
        let hash = self.hash(&account.principal);
        if let Some(known) = self.table.find_mut(hash, |known| known.principal == account.principal) {
            known.update(account);
            return;
        }
        let Self { table, hasher } = self;
        table.insert_unique(hash, account, |account| hash_of(hasher, &account.principal));
    }

    fn hash(&self, principal: &Principal) -> u64 {
        hash_of(&self.hasher, principal)
    }
}

/// Hashes names as they compare.
fn hash_of(hasher: &FixedState, principal: &Principal) -> u64 {
    let mut hash = hasher.build_hasher();
    for name in [&principal.user, &principal.domain] {
        name.units().iter().for_each(|&unit| hash.write_u16(fold(unit)));
        hash.write_u16(0);
    }
    hash.finish()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Secret;

    /// M1, M2
    #[test]
    fn an_account_is_found_by_its_names_in_any_case_and_the_last_secret_counts() {
        let mut accounts = Accounts::default();
        for number in 0..100 {
            accounts.insert(Account::new(&AuthIdentity::password(format!("user{number}"), "CONTOSO", "x")));
        }
        accounts.insert(Account::new(&AuthIdentity::password("USER7", "contoso", "y")));
        let key = |name: &str| accounts.get(&Principal::parse(name))?.keys().next().cloned();
        assert_eq!(
            key(r"contoso\User7"),
            Some(AccountKey::of(&AuthIdentity::password("user7", "CONTOSO", "y")))
        );
        assert_eq!(
            key(r"CONTOSO\user8"),
            Some(AccountKey::of(&AuthIdentity::password("user8", "CONTOSO", "x")))
        );
        assert_eq!(key("user8"), None);
        assert_eq!(accounts.table.len(), 100);
    }

    /// P6
    #[test]
    fn an_account_has_a_secret_of_each_kind() {
        let mut accounts = Accounts::default();
        let identities = [(SecretKind::Password, "a"), (SecretKind::Keytab, "b"), (SecretKind::Keytab, "c")]
            .map(|(kind, secret)| {
                AuthIdentity::new(Principal::new("web", ""), Secret::opaque(kind, secret.as_bytes()))
            });
        for identity in &identities {
            accounts.insert(Account::new(identity));
        }
        let account = accounts.get(&Principal::new("WEB", "")).unwrap();
        assert_eq!(identities.map(|identity| account.is_of(&identity)), [true, false, true]);
        assert_eq!(account.keys().count(), 2);
    }

    #[test]
    fn a_key_is_of_the_principal_the_kind_and_the_secret() {
        let alice = Principal::new("alice", "CONTOSO");
        let key = AccountKey::derive(&alice, SecretKind::Password.tag(), b"x");
        assert_eq!(key, AccountKey::derive(&Principal::new("ALICE", "contoso"), 0, b"x"));
        for (principal, kind, secret) in [
            (Principal::new("alic", "eCONTOSO"), 0, b"x"),
            (alice.clone(), SecretKind::Keytab.tag(), b"x"),
            (alice.clone(), 0, b"y"),
        ] {
            assert_ne!(key, AccountKey::derive(&principal, kind, secret));
        }
        assert_eq!(format!("{key:?}"), "AccountKey");
    }
}
