//! Names from before there was one set of types, until everything that used them has the new ones.

#![allow(non_upper_case_globals, missing_docs, clippy::must_use_candidate, reason = "they go away")]

use crate::{ContextFlags, Role, SecurityStatus};

impl SecurityStatus {
    #[doc(hidden)]
    pub const BadBindings: Self = Self::BAD_BINDINGS;
    #[doc(hidden)]
    pub const BufferTooSmall: Self = Self::BUFFER_TOO_SMALL;
    #[doc(hidden)]
    pub const CompleteAndContinue: Self = Self::COMPLETE_AND_CONTINUE;
    #[doc(hidden)]
    pub const CompleteNeeded: Self = Self::COMPLETE_NEEDED;
    #[doc(hidden)]
    pub const ContextExpired: Self = Self::CONTEXT_EXPIRED;
    #[doc(hidden)]
    pub const ContinueNeeded: Self = Self::CONTINUE_NEEDED;
    #[doc(hidden)]
    pub const DecryptFailure: Self = Self::DECRYPT_FAILURE;
    #[doc(hidden)]
    pub const EncryptFailure: Self = Self::ENCRYPT_FAILURE;
    #[doc(hidden)]
    pub const IncompleteMessage: Self = Self::INCOMPLETE_MESSAGE;
    #[doc(hidden)]
    pub const InsufficientMemory: Self = Self::INSUFFICIENT_MEMORY;
    #[doc(hidden)]
    pub const InternalError: Self = Self::INTERNAL_ERROR;
    #[doc(hidden)]
    pub const InvalidHandle: Self = Self::INVALID_HANDLE;
    #[doc(hidden)]
    pub const InvalidParameter: Self = Self::INVALID_PARAMETER;
    #[doc(hidden)]
    pub const InvalidToken: Self = Self::INVALID_TOKEN;
    #[doc(hidden)]
    pub const LogonDenied: Self = Self::LOGON_DENIED;
    #[doc(hidden)]
    pub const MessageAltered: Self = Self::MESSAGE_ALTERED;
    #[doc(hidden)]
    pub const NotOwner: Self = Self::NOT_OWNER;
    #[doc(hidden)]
    pub const NoAuthenticatingAuthority: Self = Self::NO_AUTHENTICATING_AUTHORITY;
    #[doc(hidden)]
    pub const NoCredentials: Self = Self::NO_CREDENTIALS;
    #[doc(hidden)]
    pub const NoImpersonation: Self = Self::NO_IMPERSONATION;
    #[doc(hidden)]
    pub const OutOfSequence: Self = Self::OUT_OF_SEQUENCE;
    #[doc(hidden)]
    pub const QopNotSupported: Self = Self::QOP_NOT_SUPPORTED;
    #[doc(hidden)]
    pub const SecpkgNotFound: Self = Self::SECPKG_NOT_FOUND;
    #[doc(hidden)]
    pub const SecurityQosFailed: Self = Self::SECURITY_QOS_FAILED;
    #[doc(hidden)]
    pub const TargetUnknown: Self = Self::TARGET_UNKNOWN;
    #[doc(hidden)]
    pub const TimeSkew: Self = Self::TIME_SKEW;
    #[doc(hidden)]
    pub const UnknownCredentials: Self = Self::UNKNOWN_CREDENTIALS;
    #[doc(hidden)]
    pub const UnsupportedFunction: Self = Self::UNSUPPORTED_FUNCTION;
    #[doc(hidden)]
    pub const WrongCredentialHandle: Self = Self::WRONG_CREDENTIAL_HANDLE;
    #[doc(hidden)]
    pub const WrongPrincipal: Self = Self::WRONG_PRINCIPAL;
}

impl ContextFlags {
    #[doc(hidden)]
    pub fn from_isc(bits: u32) -> Self {
        Self::from_wire(Role::Initiator, bits)
    }

    #[doc(hidden)]
    pub fn to_isc(self) -> u32 {
        self.to_returned(Role::Initiator)
    }

    #[doc(hidden)]
    pub fn from_asc(bits: u32) -> Self {
        Self::from_wire(Role::Acceptor, bits)
    }

    #[doc(hidden)]
    pub fn to_asc(self) -> u32 {
        self.to_returned(Role::Acceptor)
    }
}
