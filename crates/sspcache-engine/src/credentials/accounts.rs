//! Operations on the configured accounts: verifying a sign-in, changing a password.

use std::sync::Arc;

use crate::{
    AuthIdentity, EventKind, Name, Operation, Principal, Secret, SecurityStatus,
    account::{Account, AccountKey},
    state::{Instance, Named},
};

impl Instance {
    /// See [`Engine::verify`](crate::Engine::verify).
    pub(crate) fn verify(&self, identity: &AuthIdentity) -> Result<(), SecurityStatus> {
        // Also for an account that there is none of, so that it takes as long.
        let key = AccountKey::of(identity);
        let state = self.lock();
        let account = state.accounts.get(&identity.principal);
        account.filter(|account| account.has(&key)).map(|_| ()).ok_or(SecurityStatus::LOGON_DENIED)
    }

    /// See [`Engine::change_password`](crate::Engine::change_password).
    pub(crate) fn change_password(
        &self,
        package: &Name,
        principal: &Principal,
        old: Secret,
        new: Secret,
    ) -> Result<(), SecurityStatus> {
        let operation = Operation::ChangeAccountPassword;
        self.enter(operation)?;
        let [old, new] = [old, new].map(|secret| AuthIdentity::new(principal.clone(), secret));
        let (mut state, now) = self.lock_at_now();
        let changed = state.package_id(package).and_then(|_| {
            if !CHANGING.iter().any(|&known| *package == Name::from(known)) {
                return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
            }
            let account = state.accounts.get(&old.principal).filter(|account| account.is_of(&old));
            account.map(|_| ()).ok_or(SecurityStatus::LOGON_DENIED)
        });
        match changed {
            Ok(()) => {
                let principal = new.principal.to_string();
                Arc::make_mut(&mut state.accounts).insert(Account::new(&new));
                state.ledger.record_with(now, || EventKind::PasswordChanged { principal });
            }
            Err(status) => state.refused(operation, status, Named::default(), now),
        }
        changed
    }
}

/// The packages that change passwords.
const CHANGING: [&str; 3] = ["Kerberos", "Negotiate", "NTLM"];
