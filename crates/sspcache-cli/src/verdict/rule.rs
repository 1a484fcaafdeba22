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
    /// A handle that AcquireCredentialsHandle didn't give isn't used.
    UsedAfterFailing,
    /// Memory is given back to the function that its page names.
    WrongFunction,
    /// A credential handle is no context handle.
    WrongKind,
    /// A context whose handshake failed can only be deleted.
    StepOnFailedContext,
    /// A token that is to be completed is completed first.
    NotCompleted,
    /// Messages are protected by a context whose handshake is done.
    UsedHalfOpen,
    /// What was asked for is used when it was granted.
    NotGranted,
    /// A token's buffer has room for the longest token, or the step is made again.
    ShortBuffer,
}

impl Rule {
    #[cfg(test)]
    pub(crate) const ALL: [Self; 10] = [
        Self::FreedTwice,
        Self::UsedAfterFreeing,
        Self::UsedAfterFailing,
        Self::WrongFunction,
        Self::WrongKind,
        Self::StepOnFailedContext,
        Self::NotCompleted,
        Self::UsedHalfOpen,
        Self::NotGranted,
        Self::ShortBuffer,
    ];

    /// The rule's name, as suppressions have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::FreedTwice => "freed-twice",
            Self::UsedAfterFreeing => "used-after-freeing",
            Self::UsedAfterFailing => "used-after-failing",
            Self::WrongFunction => "wrong-function",
            Self::WrongKind => "wrong-kind",
            Self::StepOnFailedContext => "step-on-failed-context",
            Self::NotCompleted => "not-completed",
            Self::UsedHalfOpen => "used-half-open",
            Self::NotGranted => "not-granted",
            Self::ShortBuffer => "short-buffer",
        }
    }

    /// `a credential handle was freed twice, in 2 calls`.
    pub(super) fn title(self, what: What, number: usize) -> String {
        let one = what.one();
        let title = match (self, what) {
            (Self::FreedTwice, _) => format!("{one} was freed twice"),
            (Self::UsedAfterFreeing, What::Context) => format!("{one} was used after it was deleted"),
            (Self::UsedAfterFreeing, _) => format!("{one} was used after it was freed"),
            (Self::UsedAfterFailing, _) => {
                format!("{one} was used that AcquireCredentialsHandle didn't give")
            }
            (Self::WrongFunction, _) => format!("{one} was passed to a function that doesn't free it"),
            (Self::WrongKind, What::Context) => {
                "a context handle was passed as a credential handle".to_owned()
            }
            (Self::WrongKind, _) => format!("{one} was passed as a context handle"),
            (Self::StepOnFailedContext, _) => {
                "a step was made on a context whose handshake had failed".to_owned()
            }
            (Self::NotCompleted, _) => "a context was used whose token had not been completed".to_owned(),
            (Self::UsedHalfOpen, _) => "a context was used whose handshake was not done".to_owned(),
            (Self::NotGranted, _) => "a protection was used that was asked for and not granted".to_owned(),
            (Self::ShortBuffer, _) => "a token had no room in a buffer shorter than cbMaxToken".to_owned(),
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
            (Self::UsedAfterFailing, _) => {
                "Look at the status of AcquireCredentialsHandle: without SEC_E_OK there is no handle to begin a handshake with."
            }
            (Self::WrongFunction, what) => what.advice(),
            (Self::WrongKind, _) => {
                "Pass a handle of AcquireCredentialsHandle where a CredHandle is wanted, and a handle of a context where a CtxtHandle is."
            }
            (Self::StepOnFailedContext, _) => {
                "Delete a context whose handshake failed (DeleteSecurityContext), and begin another one without it."
            }
            (Self::NotCompleted, _) => {
                "Call CompleteAuthToken after SEC_I_COMPLETE_NEEDED and SEC_I_COMPLETE_AND_CONTINUE, before the token is sent."
            }
            (Self::UsedHalfOpen, _) => {
                "After SEC_I_CONTINUE_NEEDED, wait for the other side's token and pass it to another step, until one returns SEC_E_OK."
            }
            (Self::NotGranted, _) => {
                "Look at the flags that the last step returned: without ISC_RET_INTEGRITY or ISC_RET_CONFIDENTIALITY there is no such protection."
            }
            (Self::ShortBuffer, _) => {
                "Give a token the room of cbMaxToken, which QuerySecurityPackageInfo says, or let the SSP allocate it."
            }
        }
    }

    pub(super) fn reference(self, what: What) -> &'static str {
        match (self, what) {
            (Self::WrongKind, What::Context) => What::CredentialHandle.reference(),
            (Self::WrongKind, _) => What::Context.reference(),
            (Self::UsedAfterFailing | Self::UsedHalfOpen, _) => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw"
            }
            (Self::NotCompleted, _) => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken"
            }
            (Self::NotGranted, _) => {
                "https://learn.microsoft.com/en-us/windows/win32/secauthn/context-requirements"
            }
            (Self::ShortBuffer, _) => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkginfow"
            }
            (_, what) => what.reference(),
        }
    }
}
