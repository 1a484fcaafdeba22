//! The texts of the codes, in the words of the reference pages.
//!
//! Reference: [System error codes](https://learn.microsoft.com/en-us/windows/win32/debug/system-error-codes),
//! [SSPI status codes](https://learn.microsoft.com/en-us/windows/win32/secauthn/sspi-status-codes).

use windows_sys::Win32::Foundation as codes;

/// The place of a text's argument.
pub(super) const INSERT: &str = "%1";

/// The text of a system error code, of the `HRESULT` of one, or of an SSPI status.
pub(super) fn text(code: u32) -> Option<&'static str> {
    const FACILITY_WIN32: u32 = 0x8007_0000;
    let code = if code & 0xFFFF_0000 == FACILITY_WIN32 { code & 0xFFFF } else { code };
    if let Some(&(_, text)) = SYSTEM.iter().find(|&&(known, _)| known == code) {
        return Some(text);
    }
    STATUSES.iter().find(|&&(known, _)| known.cast_unsigned() == code).map(|&(_, text)| text)
}

/// Codes that the loader sets, and others that callers often see.
const SYSTEM: &[(u32, &str)] = &[
    (codes::ERROR_SUCCESS, "The operation completed successfully."),
    (codes::ERROR_INVALID_FUNCTION, "Incorrect function."),
    (codes::ERROR_FILE_NOT_FOUND, "The system cannot find the file specified."),
    (codes::ERROR_PATH_NOT_FOUND, "The system cannot find the path specified."),
    (codes::ERROR_ACCESS_DENIED, "Access is denied."),
    (codes::ERROR_INVALID_HANDLE, "The handle is invalid."),
    (codes::ERROR_NOT_ENOUGH_MEMORY, "Not enough memory resources are available to process this command."),
    (codes::ERROR_NOT_SUPPORTED, "The request is not supported."),
    (codes::ERROR_INVALID_PARAMETER, "The parameter is incorrect."),
    (codes::ERROR_BUFFER_OVERFLOW, "The file name is too long."),
    (codes::ERROR_INSUFFICIENT_BUFFER, "The data area passed to a system call is too small."),
    (codes::ERROR_MOD_NOT_FOUND, "The specified module could not be found."),
    (codes::ERROR_PROC_NOT_FOUND, "The specified procedure could not be found."),
    (codes::ERROR_INVALID_ORDINAL, "The operating system cannot run %1."),
    (codes::ERROR_BAD_EXE_FORMAT, "%1 is not a valid Win32 application."),
    (codes::ERROR_ENVVAR_NOT_FOUND, "The system could not find the environment option that was entered."),
    (codes::ERROR_MORE_DATA, "More data is available."),
    (codes::WAIT_TIMEOUT, "The wait operation timed out."),
    (
        codes::ERROR_MR_MID_NOT_FOUND,
        "The system cannot find message text for the requested message number in the message file.",
    ),
    (codes::ERROR_INVALID_IMAGE_HASH, "The digital signature of this file cannot be verified."),
    (codes::ERROR_INVALID_FLAGS, "Invalid flags."),
    (
        codes::ERROR_NO_UNICODE_TRANSLATION,
        "No mapping for the Unicode character exists in the target multi-byte code page.",
    ),
    (codes::ERROR_DLL_INIT_FAILED, "A dynamic link library (DLL) initialization routine failed."),
    (codes::ERROR_LOGON_FAILURE, "The user name or password is incorrect."),
    (codes::ERROR_NONE_MAPPED, "No mapping between account names and security IDs was done."),
    (codes::ERROR_INTERNAL_ERROR, "An internal error occurred."),
    (codes::ERROR_RESOURCE_DATA_NOT_FOUND, "The specified image file did not contain a resource section."),
    (
        codes::ERROR_RESOURCE_LANG_NOT_FOUND,
        "The specified resource language ID cannot be found in the image file.",
    ),
];

/// Statuses that the SSPI functions return.
const STATUSES: &[(i32, &str)] = &[
    (codes::SEC_E_INSUFFICIENT_MEMORY, "Not enough memory is available to complete this request."),
    (codes::SEC_E_INVALID_HANDLE, "The handle specified is invalid."),
    (codes::SEC_E_UNSUPPORTED_FUNCTION, "The function requested is not supported."),
    (codes::SEC_E_TARGET_UNKNOWN, "The specified target is unknown or unreachable."),
    (codes::SEC_E_INTERNAL_ERROR, "The Local Security Authority cannot be contacted."),
    (codes::SEC_E_SECPKG_NOT_FOUND, "The requested security package does not exist."),
    (codes::SEC_E_NOT_OWNER, "The caller is not the owner of the desired credentials."),
    (codes::SEC_E_INVALID_TOKEN, "The token supplied to the function is invalid."),
    (codes::SEC_E_QOP_NOT_SUPPORTED, "The quality of protection is not supported by the security package."),
    (codes::SEC_E_NO_IMPERSONATION, "The security context does not allow impersonation of the client."),
    (codes::SEC_E_LOGON_DENIED, "The logon attempt failed."),
    (codes::SEC_E_UNKNOWN_CREDENTIALS, "The credentials supplied to the package were not recognized."),
    (codes::SEC_E_NO_CREDENTIALS, "No credentials are available in the security package."),
    (codes::SEC_E_MESSAGE_ALTERED, "The message supplied for verification has been altered."),
    (codes::SEC_E_OUT_OF_SEQUENCE, "The message supplied for verification is out of sequence."),
    (codes::SEC_E_NO_AUTHENTICATING_AUTHORITY, "No authority could be contacted for authentication."),
    (codes::SEC_E_BAD_BINDINGS, "The channel bindings that the client supplied were incorrect."),
    (codes::SEC_E_CONTEXT_EXPIRED, "The context has expired and can no longer be used."),
    (codes::SEC_E_INCOMPLETE_MESSAGE, "The supplied message is incomplete. The signature was not verified."),
    (codes::SEC_E_BUFFER_TOO_SMALL, "The buffers supplied to the function are not large enough."),
    (codes::SEC_E_WRONG_PRINCIPAL, "The target principal name is incorrect."),
    (codes::SEC_E_TIME_SKEW, "The clocks on the client and server computers do not match."),
    (codes::SEC_E_ENCRYPT_FAILURE, "The specified data could not be encrypted."),
    (codes::SEC_E_DECRYPT_FAILURE, "The specified data could not be decrypted."),
    (codes::SEC_E_SECURITY_QOS_FAILED, "The security context could not be established with this quality."),
    (codes::SEC_E_INVALID_PARAMETER, "One or more of the parameters passed to the function was invalid."),
    (codes::SEC_E_WRONG_CREDENTIAL_HANDLE, "The credential handle does not belong to the security context."),
    (
        codes::SEC_I_CONTINUE_NEEDED,
        "The function completed successfully, but must be called again to complete the context.",
    ),
    (
        codes::SEC_I_COMPLETE_NEEDED,
        "The function completed successfully, but CompleteAuthToken must be called.",
    ),
    (
        codes::SEC_I_COMPLETE_AND_CONTINUE,
        "The function completed successfully, but both CompleteAuthToken and this function must be called.",
    ),
];
