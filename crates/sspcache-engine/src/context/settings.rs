//! The configuration of contexts.

use std::time::Duration;

use crate::Name;

/// The settings of contexts.
#[derive(Clone, Debug)]
pub(crate) struct Settings {
    /// How long a context is valid; without it, as long as the credential.
    pub(crate) lifetime: Option<Duration>,
    /// How long a handshake may take.
    pub(crate) handshake: Duration,
    /// Whether the initiator's proof is to be completed by `CompleteAuthToken`.
    pub(crate) complete_tokens: bool,
    /// What impersonation does.
    pub(crate) impersonation: Impersonation,
    /// The targets that an initiator finds; without it, any.
    pub(crate) known_targets: Option<Vec<Name>>,
    /// The targets that an acceptor is; without it, any.
    pub(crate) accepted_targets: Option<Vec<Name>>,
    /// What Negotiate offers first; without it, what fits the target.
    pub(crate) negotiate_first: Option<NegotiateFirst>,
    /// Whether an initiator of Negotiate is done when its mechanism is, before the acceptor's last token.
    pub(crate) early_ok: bool,
}

/// What `ImpersonateSecurityContext` does.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) enum Impersonation {
    /// The thread gets a token of the process's own user (clause R3).
    ProcessToken,
    #[default]
    Refuse,
    /// It succeeds, and no token changes.
    Simulate,
}

/// The package that Negotiate offers first, whatever the target: see
/// [`EngineBuilder::negotiate_first`](crate::EngineBuilder::negotiate_first).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum NegotiateFirst {
    /// Kerberos, for targets too that it has no names for.
    Kerberos,
    /// NTLM, with Kerberos behind it where that fits the target.
    Ntlm,
}

impl Settings {
    pub(super) fn knows(&self, target: Option<&Name>) -> bool {
        is_in(self.known_targets.as_ref(), target)
    }

    pub(super) fn accepts(&self, target: Option<&Name>) -> bool {
        is_in(self.accepted_targets.as_ref(), target)
    }
}

/// How long a handshake may take, unless the configuration says otherwise.
const HANDSHAKE_TIME: Duration = Duration::from_secs(5 * 60);

impl Default for Settings {
    fn default() -> Self {
        Self {
            lifetime: None,
            handshake: HANDSHAKE_TIME,
            complete_tokens: false,
            impersonation: Impersonation::Refuse,
            known_targets: None,
            accepted_targets: None,
            negotiate_first: None,
            early_ok: false,
        }
    }
}

/// An initiator that names no target means any.
fn is_in(list: Option<&Vec<Name>>, target: Option<&Name>) -> bool {
    match (list, target) {
        (Some(list), Some(target)) => list.contains(target),
        _ => true,
    }
}

/// The settings of contexts in a configuration file; the others stay as they are.
#[cfg(feature = "config")]
#[derive(Debug, Default)]
pub(crate) struct Overrides {
    pub(crate) lifetime: Option<Duration>,
    pub(crate) handshake: Option<Duration>,
    pub(crate) complete_tokens: Option<bool>,
    pub(crate) impersonation: Option<Impersonation>,
    pub(crate) known_targets: Option<Vec<Name>>,
    pub(crate) accepted_targets: Option<Vec<Name>>,
    pub(crate) negotiate_first: Option<NegotiateFirst>,
    pub(crate) early_ok: Option<bool>,
}

#[cfg(feature = "config")]
impl Overrides {
    pub(crate) fn apply(&self, settings: &mut Settings) {
        settings.lifetime = self.lifetime.or(settings.lifetime);
        settings.handshake = self.handshake.unwrap_or(settings.handshake);
        settings.complete_tokens = self.complete_tokens.unwrap_or(settings.complete_tokens);
        settings.impersonation = self.impersonation.unwrap_or(settings.impersonation);
        settings.negotiate_first = self.negotiate_first.or(settings.negotiate_first);
        settings.early_ok = self.early_ok.unwrap_or(settings.early_ok);
        if let Some(known) = &self.known_targets {
            settings.known_targets = Some(known.clone());
        }
        if let Some(accepted) = &self.accepted_targets {
            settings.accepted_targets = Some(accepted.clone());
        }
    }
}
