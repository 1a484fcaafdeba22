//! The statuses that SSPI functions return.

use core::fmt;

use windows_sys::Win32::Foundation as codes;

/// A `SECURITY_STATUS`, as an SSPI function returned it.
///
/// It may be any number. The constants are those that have a name here.
///
/// ```
/// use sspcache_types::SecurityStatus;
/// assert_eq!(SecurityStatus::NO_CREDENTIALS.to_string(), "SEC_E_NO_CREDENTIALS (0x8009030E)");
/// assert_eq!(SecurityStatus(0x8010_0001_u32 as i32).to_string(), "(0x80100001)");
/// ```
///
/// Reference: [SSPI status codes](https://learn.microsoft.com/en-us/windows/win32/secauthn/sspi-status-codes).
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub struct SecurityStatus(pub i32);

/// Declares the statuses that have a name here, from those of `winerror.h`.
macro_rules! statuses {
    ($($(#[$doc:meta])* $name:ident = $code:ident,)+) => {
        impl SecurityStatus {
            $($(#[$doc])* pub const $name: Self = Self(codes::$code);)+

            /// Every status that has a name here.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The name, as `winerror.h` has it; empty for any other number.
            pub const fn name(self) -> &'static str {
                match self {
                    $(Self::$name => stringify!($code),)+
                    _ => "",
                }
            }
        }
    };
}

statuses! {
    /// `SEC_E_BAD_BINDINGS`: the other side has other channel bindings.
    BAD_BINDINGS = SEC_E_BAD_BINDINGS,
    /// `SEC_E_BUFFER_TOO_SMALL`: the caller's buffer is too small.
    BUFFER_TOO_SMALL = SEC_E_BUFFER_TOO_SMALL,
    /// `SEC_I_COMPLETE_AND_CONTINUE`: complete the token and send it; this side needs another step.
    COMPLETE_AND_CONTINUE = SEC_I_COMPLETE_AND_CONTINUE,
    /// `SEC_I_COMPLETE_NEEDED`: complete the token and send it; this side is done.
    COMPLETE_NEEDED = SEC_I_COMPLETE_NEEDED,
    /// `SEC_E_CONTEXT_EXPIRED`: the context has expired.
    CONTEXT_EXPIRED = SEC_E_CONTEXT_EXPIRED,
    /// `SEC_I_CONTINUE_NEEDED`: send the token; this side needs another step.
    CONTINUE_NEEDED = SEC_I_CONTINUE_NEEDED,
    /// `SEC_E_DECRYPT_FAILURE`: the message can't be decrypted.
    DECRYPT_FAILURE = SEC_E_DECRYPT_FAILURE,
    /// `SEC_E_ENCRYPT_FAILURE`: the message can't be encrypted.
    ENCRYPT_FAILURE = SEC_E_ENCRYPT_FAILURE,
    /// `SEC_E_INCOMPLETE_MESSAGE`: a part of the message is missing.
    INCOMPLETE_MESSAGE = SEC_E_INCOMPLETE_MESSAGE,
    /// `SEC_E_INSUFFICIENT_MEMORY`: there is not enough memory.
    INSUFFICIENT_MEMORY = SEC_E_INSUFFICIENT_MEMORY,
    /// `SEC_E_INTERNAL_ERROR`: the SSP failed.
    INTERNAL_ERROR = SEC_E_INTERNAL_ERROR,
    /// `SEC_E_INVALID_HANDLE`: no credential or context has this handle.
    INVALID_HANDLE = SEC_E_INVALID_HANDLE,
    /// `SEC_E_INVALID_PARAMETER`: a parameter is not valid.
    INVALID_PARAMETER = SEC_E_INVALID_PARAMETER,
    /// `SEC_E_INVALID_TOKEN`: the other side's token is not valid for this package.
    INVALID_TOKEN = SEC_E_INVALID_TOKEN,
    /// `SEC_E_LOGON_DENIED`: the account is unknown, or the password is wrong.
    LOGON_DENIED = SEC_E_LOGON_DENIED,
    /// `SEC_E_MESSAGE_ALTERED`: the message was changed on its way.
    MESSAGE_ALTERED = SEC_E_MESSAGE_ALTERED,
    /// `SEC_E_NOT_OWNER`: the caller isn't the owner.
    NOT_OWNER = SEC_E_NOT_OWNER,
    /// `SEC_E_NO_AUTHENTICATING_AUTHORITY`: no authority answers for the account.
    NO_AUTHENTICATING_AUTHORITY = SEC_E_NO_AUTHENTICATING_AUTHORITY,
    /// `SEC_E_NO_CREDENTIALS`: no credential was passed, and none is cached.
    NO_CREDENTIALS = SEC_E_NO_CREDENTIALS,
    /// `SEC_E_NO_IMPERSONATION`: the client of this context can't be impersonated.
    NO_IMPERSONATION = SEC_E_NO_IMPERSONATION,
    /// `SEC_E_OUT_OF_SEQUENCE`: the message was received before, or out of order.
    OUT_OF_SEQUENCE = SEC_E_OUT_OF_SEQUENCE,
    /// `SEC_E_QOP_NOT_SUPPORTED`: the context doesn't have this quality of protection.
    QOP_NOT_SUPPORTED = SEC_E_QOP_NOT_SUPPORTED,
    /// `SEC_E_SECPKG_NOT_FOUND`: the SSP has no package of this name.
    SECPKG_NOT_FOUND = SEC_E_SECPKG_NOT_FOUND,
    /// `SEC_E_SECURITY_QOS_FAILED`: the context lacks a property that was required.
    SECURITY_QOS_FAILED = SEC_E_SECURITY_QOS_FAILED,
    /// `SEC_E_TARGET_UNKNOWN`: the target is not known.
    TARGET_UNKNOWN = SEC_E_TARGET_UNKNOWN,
    /// `SEC_E_TIME_SKEW`: the clocks of the two sides differ too much.
    TIME_SKEW = SEC_E_TIME_SKEW,
    /// `SEC_E_UNKNOWN_CREDENTIALS`: the SSP can't read the identity.
    UNKNOWN_CREDENTIALS = SEC_E_UNKNOWN_CREDENTIALS,
    /// `SEC_E_UNSUPPORTED_FUNCTION`: the SSP has no such function.
    UNSUPPORTED_FUNCTION = SEC_E_UNSUPPORTED_FUNCTION,
    /// `SEC_E_WRONG_CREDENTIAL_HANDLE`: the context began with another credential.
    WRONG_CREDENTIAL_HANDLE = SEC_E_WRONG_CREDENTIAL_HANDLE,
    /// `SEC_E_WRONG_PRINCIPAL`: the target has another principal.
    WRONG_PRINCIPAL = SEC_E_WRONG_PRINCIPAL,
}

impl SecurityStatus {
    /// The number, as `winerror.h` has it.
    pub const fn code(self) -> i32 {
        self.0
    }

    /// The status of this name: `SEC_E_…` or `SEC_I_…`, exact case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.name() == name)
    }

    /// The status of this number, if it has a name here.
    pub fn from_code(code: i32) -> Option<Self> {
        Self::ALL.iter().copied().find(|status| status.0 == code)
    }
}

impl fmt::Display for SecurityStatus {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            "" => {}
            name => write!(f, "{name} ")?,
        }
        write!(f, "(0x{:08X})", self.0)
    }
}

impl core::error::Error for SecurityStatus {}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_and_codes_lead_back_to_their_status() {
        for &status in SecurityStatus::ALL {
            assert_eq!(SecurityStatus::from_name(status.name()), Some(status));
            assert_eq!(SecurityStatus::from_code(status.code()), Some(status));
        }
        assert_eq!(SecurityStatus::from_name(""), None);
        assert_eq!(SecurityStatus::from_code(1), None);
    }
}
