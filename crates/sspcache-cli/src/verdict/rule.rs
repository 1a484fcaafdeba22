//! The rules that a call can break (clause Q3): their names, titles, advice and pages. `fixtures/misuse.toml` has a row of each.

use serde::Serialize;

use super::finding::What;
use crate::output::thousands;

/// A rule that a call can break, most important first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Rule {
    /// Something is given back once.
    FreedTwice,
    /// Nothing is used once it was given back.
    UsedAfterFreeing,
    /// Memory is given back to the function that its page names.
    WrongFunction,
    /// A credential handle is no context handle.
    WrongKind,
    /// A context whose handshake failed can only be deleted.
    StepOnFailedContext,
}

impl Rule {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 5] = [
        Self::FreedTwice,
        Self::UsedAfterFreeing,
        Self::WrongFunction,
        Self::WrongKind,
        Self::StepOnFailedContext,
    ];

    /// The rule's name, as suppressions have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FreedTwice => "freed-twice",
            Self::UsedAfterFreeing => "used-after-freeing",
            Self::WrongFunction => "wrong-function",
            Self::WrongKind => "wrong-kind",
            Self::StepOnFailedContext => "step-on-failed-context",
        }
    }

    /// `a credential handle was freed twice, in 2 calls`.
    pub(super) fn title(self, what: What, number: usize) -> String {
        let one = what.one();
        let title = match (self, what) {
            (Self::FreedTwice, _) => format!("{one} was freed twice"),
            (Self::UsedAfterFreeing, What::Context) => format!("{one} was used after it was deleted"),
            (Self::UsedAfterFreeing, _) => format!("{one} was used after it was freed"),
            (Self::WrongFunction, _) => format!("{one} was passed to a function that doesn't free it"),
            (Self::WrongKind, What::Context) => {
                "a context handle was passed as a credential handle".to_owned()
            }
            (Self::WrongKind, _) => format!("{one} was passed as a context handle"),
            (Self::StepOnFailedContext, _) => {
                "a step was made on a context whose handshake had failed".to_owned()
            }
        };
        if number == 1 { title } else { format!("{title}, in {} calls", thousands(number as u64)) }
    }

    pub(super) fn advice(self, what: What) -> &'static str {
        match (self, what) {
            (Self::FreedTwice, What::CredentialHandle) => {
                "Free a credential handle once, and mark it then (SecInvalidateHandle), so that no other path frees it again."
            }
            (Self::FreedTwice, _) => "Free memory once, and set its pointer to null then.",
            (Self::UsedAfterFreeing, What::CredentialHandle) => {
                "Free a credential handle when no call uses it any more. Contexts that were begun with it go on without it."
            }
            (Self::UsedAfterFreeing, _) => {
                "Delete a context when no call uses it any more: its handle is invalid from then on."
            }
            (Self::WrongFunction, what) => what.advice(),
            (Self::WrongKind, _) => {
                "Pass a handle of AcquireCredentialsHandle where a CredHandle is wanted, and a handle of a context where a CtxtHandle is."
            }
            (Self::StepOnFailedContext, _) => {
                "Delete a context whose handshake failed (DeleteSecurityContext), and begin another one without it."
            }
        }
    }

    pub(super) fn reference(self, what: What) -> &'static str {
        match (self, what) {
            (Self::WrongKind, What::Context) => What::CredentialHandle.reference(),
            (Self::WrongKind, _) => What::Context.reference(),
            (_, what) => what.reference(),
        }
    }
}
