//! What each function may answer.

#[allow(clippy::wildcard_imports, reason = "they are listed below")]
use windows_sys::Win32::Foundation::*;

/// The statuses of a function: those of its page, of `docs/handshake.md` and of `docs/messages.md`. No call of the
/// cases runs out of memory, and `SEC_E_INTERNAL_ERROR` would be a panic that was caught.
pub(super) fn of(function: &str) -> &'static [i32] {
    let found = DOCUMENTED.iter().find(|(name, _)| *name == function);
    found.unwrap_or_else(|| panic!("{function} is no function")).1
}

/// The statuses that any function may answer as well when a caller passes what no page allows: clause S5.
pub(super) const OF_BAD_INPUT: &[i32] = &[
    SEC_E_BUFFER_TOO_SMALL,
    SEC_E_INVALID_HANDLE,
    SEC_E_INVALID_PARAMETER,
    SEC_E_INVALID_TOKEN,
    SEC_E_SECPKG_NOT_FOUND,
    SEC_E_UNKNOWN_CREDENTIALS,
    SEC_E_UNSUPPORTED_FUNCTION,
];

const DOCUMENTED: &[(&str, &[i32])] = &[
    (
        "AcceptSecurityContext",
        &[
            SEC_E_OK,
            SEC_I_CONTINUE_NEEDED,
            SEC_E_BAD_BINDINGS,
            SEC_E_BUFFER_TOO_SMALL,
            // Kerberos says that of Negotiate's tokens.
            SEC_E_INSUFFICIENT_MEMORY,
            SEC_E_INVALID_HANDLE,
            SEC_E_INVALID_PARAMETER,
            SEC_E_INVALID_TOKEN,
            SEC_E_LOGON_DENIED,
            SEC_E_NO_CREDENTIALS,
            SEC_E_WRONG_CREDENTIAL_HANDLE,
        ],
    ),
    (
        "AcquireCredentialsHandle",
        &[
            SEC_E_OK,
            SEC_E_INVALID_PARAMETER,
            SEC_E_NO_CREDENTIALS,
            SEC_E_SECPKG_NOT_FOUND,
            SEC_E_UNKNOWN_CREDENTIALS,
        ],
    ),
    (
        "AddCredentials",
        &[
            SEC_E_OK,
            SEC_E_INVALID_HANDLE,
            SEC_E_INVALID_PARAMETER,
            SEC_E_NO_CREDENTIALS,
            SEC_E_SECPKG_NOT_FOUND,
            SEC_E_UNKNOWN_CREDENTIALS,
        ],
    ),
    ("ApplyControlToken", &[SEC_E_INVALID_HANDLE, SEC_E_UNSUPPORTED_FUNCTION]),
    (
        "ChangeAccountPassword",
        &[
            SEC_E_OK,
            SEC_E_INVALID_PARAMETER,
            SEC_E_LOGON_DENIED,
            SEC_E_SECPKG_NOT_FOUND,
            SEC_E_UNSUPPORTED_FUNCTION,
        ],
    ),
    ("CompleteAuthToken", &[SEC_E_OK, SEC_E_INVALID_HANDLE, SEC_E_INVALID_TOKEN, SEC_E_UNSUPPORTED_FUNCTION]),
    ("DecryptMessage", UNPROTECT),
    ("DeleteSecurityContext", &[SEC_E_OK, SEC_E_INVALID_HANDLE]),
    ("EncryptMessage", PROTECT),
    ("EnumerateSecurityPackages", &[SEC_E_OK]),
    ("ExportSecurityContext", &[SEC_E_OK, SEC_E_INVALID_HANDLE, SEC_E_UNSUPPORTED_FUNCTION]),
    ("FreeContextBuffer", &[SEC_E_OK, SEC_E_INVALID_HANDLE]),
    ("FreeCredentialsHandle", &[SEC_E_OK, SEC_E_INVALID_HANDLE]),
    ("ImpersonateSecurityContext", &[SEC_E_OK, SEC_E_INVALID_HANDLE, SEC_E_NO_IMPERSONATION]),
    ("ImportSecurityContext", &[SEC_E_OK, SEC_E_INVALID_TOKEN, SEC_E_SECPKG_NOT_FOUND]),
    (
        "InitializeSecurityContext",
        &[
            SEC_E_OK,
            SEC_I_COMPLETE_AND_CONTINUE,
            SEC_I_COMPLETE_NEEDED,
            SEC_I_CONTINUE_NEEDED,
            SEC_E_BAD_BINDINGS,
            SEC_E_BUFFER_TOO_SMALL,
            SEC_E_INVALID_HANDLE,
            SEC_E_INVALID_PARAMETER,
            SEC_E_INVALID_TOKEN,
            SEC_E_LOGON_DENIED,
            SEC_E_NO_CREDENTIALS,
            // Negotiate that may choose Kerberos alone, without a target.
            SEC_E_TARGET_UNKNOWN,
            SEC_E_WRONG_CREDENTIAL_HANDLE,
        ],
    ),
    ("MakeSignature", PROTECT),
    (
        "QueryContextAttributes",
        &[
            SEC_E_OK,
            SEC_E_BUFFER_TOO_SMALL,
            SEC_E_INVALID_HANDLE,
            SEC_E_INVALID_PARAMETER,
            // Of an access token.
            SEC_E_NO_IMPERSONATION,
            SEC_E_TARGET_UNKNOWN,
            SEC_E_UNSUPPORTED_FUNCTION,
        ],
    ),
    (
        "QueryCredentialsAttributes",
        &[
            SEC_E_OK,
            SEC_E_BUFFER_TOO_SMALL,
            SEC_E_INVALID_HANDLE,
            SEC_E_INVALID_PARAMETER,
            SEC_E_UNSUPPORTED_FUNCTION,
        ],
    ),
    ("QuerySecurityContextToken", &[SEC_E_INVALID_HANDLE, SEC_E_NO_IMPERSONATION]),
    ("QuerySecurityPackageInfo", &[SEC_E_OK, SEC_E_SECPKG_NOT_FOUND]),
    ("RevertSecurityContext", &[SEC_E_OK, SEC_E_INVALID_HANDLE, SEC_E_NO_IMPERSONATION]),
    ("SetContextAttributes", &[SEC_E_INVALID_HANDLE, SEC_E_UNSUPPORTED_FUNCTION]),
    (
        "SetCredentialsAttributes",
        &[SEC_E_OK, SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_UNSUPPORTED_FUNCTION],
    ),
    ("VerifySignature", UNPROTECT),
    // Both sides' steps, with everything as it should be but for a password or a package.
    (
        "a handshake",
        &[
            SEC_E_OK,
            SEC_I_COMPLETE_AND_CONTINUE,
            SEC_I_COMPLETE_NEEDED,
            SEC_I_CONTINUE_NEEDED,
            SEC_E_INVALID_TOKEN,
            SEC_E_LOGON_DENIED,
        ],
    ),
];

const PROTECT: &[i32] = &[
    SEC_E_OK,
    SEC_E_BUFFER_TOO_SMALL,
    SEC_E_INVALID_HANDLE,
    SEC_E_INVALID_PARAMETER,
    SEC_E_INVALID_TOKEN,
    SEC_E_QOP_NOT_SUPPORTED,
    SEC_E_UNSUPPORTED_FUNCTION,
];

const UNPROTECT: &[i32] = &[
    SEC_E_OK,
    SEC_E_INVALID_HANDLE,
    SEC_E_INVALID_PARAMETER,
    SEC_E_INVALID_TOKEN,
    SEC_E_MESSAGE_ALTERED,
    SEC_E_OUT_OF_SEQUENCE,
    SEC_E_QOP_NOT_SUPPORTED,
    SEC_E_UNSUPPORTED_FUNCTION,
];
