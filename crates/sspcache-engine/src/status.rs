//! The statuses that SSPI functions return.

use std::fmt;

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};
use windows_sys::Win32::Foundation as codes;

/// Declares [`Status`] from the names of `winerror.h`, so that a variant, its name and its number can't drift apart.
macro_rules! statuses {
    ($($(#[$doc:meta])* $variant:ident = $code:ident,)+) => {
        /// A `SECURITY_STATUS`: the result of an SSPI function, by its name in `winerror.h`.
        ///
        /// Reference: [SSPI status codes](https://learn.microsoft.com/en-us/windows/win32/secauthn/sspi-status-codes).
        ///
        /// ```
        /// use sspcache_engine::Status;
        /// assert_eq!(Status::NoCredentials.code() as u32, 0x8009_030E);
        /// assert_eq!(Status::NoCredentials.name(), "SEC_E_NO_CREDENTIALS");
        /// ```
        #[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
        #[non_exhaustive]
        pub enum Status {
            $($(#[$doc])* #[doc = concat!("`", stringify!($code), "`")] $variant,)+
        }

        impl Status {
            /// Every status that the mock knows, by name.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// The number, as `winerror.h` has it.
            pub const fn code(self) -> i32 {
                match self { $(Self::$variant => codes::$code,)+ }
            }

            /// The name, as `winerror.h` has it.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$variant => stringify!($code),)+ }
            }
        }
    };
}

statuses! {
    BadBindings = SEC_E_BAD_BINDINGS,
    BufferTooSmall = SEC_E_BUFFER_TOO_SMALL,
    CompleteAndContinue = SEC_I_COMPLETE_AND_CONTINUE,
    CompleteNeeded = SEC_I_COMPLETE_NEEDED,
    ContextExpired = SEC_E_CONTEXT_EXPIRED,
    ContinueNeeded = SEC_I_CONTINUE_NEEDED,
    DecryptFailure = SEC_E_DECRYPT_FAILURE,
    EncryptFailure = SEC_E_ENCRYPT_FAILURE,
    IncompleteMessage = SEC_E_INCOMPLETE_MESSAGE,
    InsufficientMemory = SEC_E_INSUFFICIENT_MEMORY,
    InternalError = SEC_E_INTERNAL_ERROR,
    InvalidHandle = SEC_E_INVALID_HANDLE,
    InvalidParameter = SEC_E_INVALID_PARAMETER,
    InvalidToken = SEC_E_INVALID_TOKEN,
    LogonDenied = SEC_E_LOGON_DENIED,
    MessageAltered = SEC_E_MESSAGE_ALTERED,
    NoAuthenticatingAuthority = SEC_E_NO_AUTHENTICATING_AUTHORITY,
    NoCredentials = SEC_E_NO_CREDENTIALS,
    NoImpersonation = SEC_E_NO_IMPERSONATION,
    NotOwner = SEC_E_NOT_OWNER,
    OutOfSequence = SEC_E_OUT_OF_SEQUENCE,
    QopNotSupported = SEC_E_QOP_NOT_SUPPORTED,
    SecpkgNotFound = SEC_E_SECPKG_NOT_FOUND,
    SecurityQosFailed = SEC_E_SECURITY_QOS_FAILED,
    TargetUnknown = SEC_E_TARGET_UNKNOWN,
    TimeSkew = SEC_E_TIME_SKEW,
    UnknownCredentials = SEC_E_UNKNOWN_CREDENTIALS,
    UnsupportedFunction = SEC_E_UNSUPPORTED_FUNCTION,
    WrongCredentialHandle = SEC_E_WRONG_CREDENTIAL_HANDLE,
    WrongPrincipal = SEC_E_WRONG_PRINCIPAL,
}

impl Status {
    /// The status of this name: `SEC_E_…` or `SEC_I_…`, exact case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.name() == name)
    }

    /// The status of this number.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.code() == code)
    }
}

impl fmt::Display for Status {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} (0x{:08X})", self.name(), self.code())
    }
}

impl std::error::Error for Status {}

impl Serialize for Status {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let name = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        Self::from_name(&name).ok_or_else(|| de::Error::custom("not a status of winerror.h"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back_to_their_status() {
        for &status in Status::ALL {
            assert_eq!(Status::from_name(status.name()), Some(status));
            assert_eq!(Status::from_code(status.code()), Some(status));
        }
    }
}
