//! How a handshake goes on, and how it fails.

use alloc::vec::Vec;

use crate::SecurityStatus;

/// Which side of a context.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Role {
    /// The server.
    Acceptor,
    /// The client.
    Initiator,
}

impl Role {
    /// The name, as journals have it.
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

/// How far a handshake is, and what comes next.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Progress {
    /// Done on this side: `SEC_E_OK`. A token, if there is one, is still to be sent.
    Complete,
    /// The token is to be completed by `CompleteAuthToken` and sent; then the other side's is awaited:
    /// `SEC_I_COMPLETE_AND_CONTINUE`.
    CompleteAndContinue,
    /// The token is to be completed by `CompleteAuthToken` and sent; then this side is done: `SEC_I_COMPLETE_NEEDED`.
    CompleteNeeded,
    /// The token is to be sent; then the other side's is awaited: `SEC_I_CONTINUE_NEEDED`.
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

    /// What a step that returned this number says; `None` for a failure.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.into_iter().find(|progress| progress.code() == code)
    }
}

/// Why a step of a handshake was refused, and what the other side is told of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Refusal {
    /// The status that the SSP gave.
    pub status: SecurityStatus,
    /// A token to send all the same, when extended errors were asked for.
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
