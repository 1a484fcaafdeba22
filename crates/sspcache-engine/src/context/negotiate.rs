//! What Negotiate offers and chooses.
//!
//! It never chooses `MSN` or `DPA` where it may choose Kerberos or NTLM, which Windows' own Negotiate alone knows.

use super::{
    frame::{Protocol, is_address, spnego::Mechanism},
    settings::{NegotiateFirst, Settings},
    stage::{Choice, Client},
};
use crate::{Name, SecurityStatus};

/// How an initiator begins.
pub(super) enum Plan {
    /// Without SPNEGO: with the first of these packages, whose token may name the others.
    Bare(Vec<Choice>),
    /// With SPNEGO: the first mechanism's package, and what the acceptor may choose in its place.
    Listed { mechanisms: Vec<Mechanism>, first: Choice, others: Vec<Choice> },
}

/// What Negotiate offers to a target, of the packages that it may use, the preferred ones first.
///
/// | it may use | it sends |
/// | --- | --- |
/// | Kerberos and NTLM | SPNEGO: Kerberos's token, or NTLM's where the configuration or the package list puts it first |
/// | Kerberos | SPNEGO |
/// | NTLM, or both for a target that Kerberos has no name for | NTLM's bare token |
/// | neither | the mock's own token, which names the other packages |
///
/// # Errors
/// [`SecurityStatus::TARGET_UNKNOWN`] when Kerberos alone is left, and not for this target;
/// [`SecurityStatus::NO_CREDENTIALS`] when nothing is.
pub(super) fn plan(
    mut choices: Vec<Choice>,
    target: Option<&Name>,
    settings: &Settings,
) -> Result<Plan, SecurityStatus> {
    let at = |protocol| choices.iter().position(|choice| Protocol::of(&choice.package.name) == protocol);
    let ntlm_first = match settings.negotiate_first {
        None => at(Protocol::Ntlm) < at(Protocol::Kerberos),
        Some(first) => first == NegotiateFirst::Ntlm,
    };
    let mut take = |protocol| {
        let at = choices.iter().position(|choice| Protocol::of(&choice.package.name) == protocol);
        at.map(|at| choices.remove(at))
    };
    let (kerberos, ntlm) = (take(Protocol::Kerberos), take(Protocol::Ntlm));
    let fits = match settings.negotiate_first {
        Some(NegotiateFirst::Kerberos) => settings.knows(target),
        _ => target.is_some_and(|target| settings.knows(Some(target)) && !is_address(target)),
    };
    let had_kerberos = kerberos.is_some();
    // Kerberos has no null sessions.
    let kerberos = kerberos.filter(|choice| fits && matches!(choice.client, Client::User { .. }));
    match (kerberos, ntlm) {
        (Some(kerberos), Some(ntlm)) => {
            let mut mechanisms = Mechanism::ALL.to_vec();
            if ntlm_first {
                mechanisms.rotate_right(1);
                return Ok(Plan::Listed { mechanisms, first: ntlm, others: vec![kerberos] });
            }
            Ok(Plan::Listed { mechanisms, first: kerberos, others: vec![ntlm] })
        }
        (Some(kerberos), None) => {
            let mut mechanisms = Mechanism::ALL.to_vec();
            mechanisms.retain(|mechanism| *mechanism != Mechanism::Ntlm);
            Ok(Plan::Listed { mechanisms, first: kerberos, others: Vec::new() })
        }
        (None, Some(ntlm)) => Ok(Plan::Bare(vec![ntlm])),
        (None, None) if had_kerberos && !fits => Err(SecurityStatus::TARGET_UNKNOWN),
        (None, None) if had_kerberos || choices.is_empty() => Err(SecurityStatus::NO_CREDENTIALS),
        (None, None) => Ok(Plan::Bare(choices)),
    }
}
