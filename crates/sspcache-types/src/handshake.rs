//! The sides of a handshake, its progress and its failure.

use alloc::vec::Vec;

use crate::SecurityStatus;

/// A side of a context.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The server.
    Acceptor,
    /// The client.
    Initiator,
}

impl Role {
    /// The name, as in journals.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Acceptor => "acceptor",
            Self::Initiator => "initiator",
        }
    }

    /// The role of this name.
    pub fn from_name(name: &str) -> Option<Self> {
        [Self::Acceptor, Self::Initiator].into_iter().find(|role| role.name() == name)
    }
}

/// The next thing that this side of a handshake does.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// This side is done: `SEC_E_OK`. Send the token, if there is one.
    Complete,
    /// Complete the token with `CompleteAuthToken` and send it, then wait for the other side's:
    /// `SEC_I_COMPLETE_AND_CONTINUE`.
    CompleteAndContinue,
    /// Complete the token with `CompleteAuthToken` and send it; then this side is done: `SEC_I_COMPLETE_NEEDED`.
    CompleteNeeded,
    /// Send the token, then wait for the other side's: `SEC_I_CONTINUE_NEEDED`.
    Continue,
}

impl Progress {
    const ALL: [Self; 4] = [Self::Complete, Self::CompleteAndContinue, Self::CompleteNeeded, Self::Continue];

    /// The number, as `winerror.h` has it: `SEC_E_OK` or one of `SEC_I_…`.
    pub const fn code(self) -> i32 {
        match self {
            Self::Complete => 0,
            Self::CompleteAndContinue => SecurityStatus::COMPLETE_AND_CONTINUE.0,
            Self::CompleteNeeded => SecurityStatus::COMPLETE_NEEDED.0,
            Self::Continue => SecurityStatus::CONTINUE_NEEDED.0,
        }
    }

    /// The progress that this return value of a step means; `None` for a failure.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|progress| progress.code() == code)
    }
}

/// Why a step of a handshake failed, and the token that reports it to the other side.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status that the SSP returned.
    pub status: SecurityStatus,
    /// A token to send to the other side. SSPs give one when extended errors were requested.
    pub token: Option<Vec<u8>>,
}

impl From<SecurityStatus> for Refusal {
    fn from(status: SecurityStatus) -> Self {
        Self { status, token: None }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_and_names_lead_back() {
        for progress in Progress::ALL {
            assert_eq!(Progress::from_code(progress.code()), Some(progress));
        }
        assert_eq!(Progress::from_code(SecurityStatus::LOGON_DENIED.0), None);
        for role in [Role::Acceptor, Role::Initiator] {
            assert_eq!(Role::from_name(role.name()), Some(role));
        }
        assert_eq!(Role::from_name("server"), None);
    }
}
