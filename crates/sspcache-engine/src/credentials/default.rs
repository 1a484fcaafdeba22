//! Which of the logon session's default credentials a sign-in takes (clause P3).

use super::{Logon, stored::Stored};
use crate::{Name, Principal, SecurityStatus, state::State};

impl State {
    /// The default credential for a handle of this package: the principal's that is named, or else what fits the contexts
    /// to come. Without one for any target, the handle names no principal until it meets its target.
    ///
    /// # Errors
    /// [`SecurityStatus::NO_CREDENTIALS`] when the session has none for the package.
    pub(super) fn default_credential(
        &self,
        package: u16,
        wanted: Option<&Principal>,
    ) -> Result<(Principal, Stored), SecurityStatus> {
        let mut logons = (0..).zip(&self.logons).filter(|(_, logon)| self.is_logon_for(logon, package));
        if let Some(wanted) = wanted {
            let (number, logon) = logons
                .find(|(_, logon)| logon.principal() == wanted)
                .ok_or(SecurityStatus::NO_CREDENTIALS)?;
            return Ok((logon.principal().clone(), Stored::Logon(number)));
        }
        let logons: Vec<_> = logons.map(|(_, logon)| logon).collect();
        if logons.is_empty() {
            return Err(SecurityStatus::NO_CREDENTIALS);
        }
        let own = logons.into_iter().find(|logon| logon.is_for_any_target());
        Ok((own.map(|logon| logon.principal().clone()).unwrap_or_default(), Stored::Default))
    }

    /// The default credential for a context over this package to this target: the one that fits best, and of those the
    /// first.
    ///
    /// # Errors
    /// [`SecurityStatus::NO_CREDENTIALS`] when none fits.
    pub(super) fn fitting_logon(
        &self,
        package: &Name,
        negotiated: bool,
        target: Option<&Name>,
    ) -> Result<(Principal, Stored), SecurityStatus> {
        let fitting = (0..).zip(&self.logons).filter(|(_, logon)| logon.allows(package, negotiated));
        let best = fitting
            .filter_map(|(number, logon)| Some((logon.fit(target)?, number, logon)))
            .min_by_key(|(fit, number, _)| (*fit, *number));
        let (_, number, logon) = best.ok_or(SecurityStatus::NO_CREDENTIALS)?;
        Ok((logon.principal().clone(), Stored::Logon(number)))
    }

    fn is_logon_for(&self, logon: &Logon, package: u16) -> bool {
        if self.is_negotiate(package) {
            self.negotiable().iter().any(|other| logon.allows(&other.name, true))
        } else {
            logon.allows(&self.package(package).name, false)
        }
    }
}
