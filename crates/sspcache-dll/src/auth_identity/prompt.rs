//! Prompts, which the mock doesn't show, and Schannel's functions.

use sspcache_engine::{Operation, SecurityStatus};
use windows_sys::Win32::Foundation::{
    ERROR_CANCELLED, ERROR_INVALID_FLAGS, ERROR_INVALID_PARAMETER, ERROR_INVALID_PASSWORD,
    ERROR_LOGON_FAILURE, ERROR_NO_SUCH_USER, ERROR_PASSWORD_EXPIRED, ERROR_PASSWORD_MUST_CHANGE,
    ERROR_WRONG_PASSWORD, SEC_E_LOGON_DENIED, SEC_E_NO_CREDENTIALS, SEC_E_UNKNOWN_CREDENTIALS,
};

use crate::{
    raw::{Address, Out, all_given},
    state::Ssp,
};

/// `SspiIsPromptingNeeded`: whether other credentials could help, be it that there are none or that they were refused.
/// No page lists the errors; these are those of `winerror.h` and `ntstatus.h` that say so.
///
/// Reference: [SspiIsPromptingNeeded](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspiispromptingneeded).
pub fn is_prompting_needed(ssp: &Ssp, error: u32) -> Result<bool, SecurityStatus> {
    ssp.enter(Operation::SspiIsPromptingNeeded)?;
    let statuses = [SEC_E_LOGON_DENIED, SEC_E_NO_CREDENTIALS, SEC_E_UNKNOWN_CREDENTIALS];
    let errors = [
        ERROR_INVALID_PASSWORD,
        ERROR_LOGON_FAILURE,
        ERROR_NO_SUCH_USER,
        ERROR_PASSWORD_EXPIRED,
        ERROR_PASSWORD_MUST_CHANGE,
        ERROR_WRONG_PASSWORD,
    ];
    Ok(statuses.contains(&error.cast_signed()) || errors.contains(&error) || NT_STATUSES.contains(&error))
}

/// `SspiPromptForCredentials`: the mock shows no prompt and returns `ERROR_CANCELLED`, as when the user cancels. A flag
/// that the page doesn't list gives `ERROR_INVALID_FLAGS`.
///
/// Reference: [SspiPromptForCredentials](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspipromptforcredentialsw).
pub fn prompt_for_credentials(
    ssp: &Ssp,
    place: Out<'_, *mut std::ffi::c_void>,
    flags: u32,
) -> Result<u32, SecurityStatus> {
    ssp.enter(Operation::SspiPromptForCredentials)?;
    Ok(match (place.is_given(), flags & !PROMPT_FLAGS) {
        (false, _) => ERROR_INVALID_PARAMETER,
        (true, 0) => ERROR_CANCELLED,
        _ => ERROR_INVALID_FLAGS,
    })
}

/// `SspiSetChannelBindingFlags`: only Schannel's bindings have flags.
///
/// It has no page; the header declares it.
pub fn set_channel_binding_flags(ssp: &Ssp, bindings: Address) -> Result<(), SecurityStatus> {
    ssp.enter(Operation::SspiSetChannelBindingFlags)?;
    all_given([!bindings.is_null()])?;
    Err(SecurityStatus::UNSUPPORTED_FUNCTION)
}

/// `SSPIPFC_CREDPROV_DO_NOT_SAVE` and `SSPIPFC_NO_CHECKBOX`, which windows-sys has not.
const PROMPT_FLAGS: u32 = 1 | 2;

/// `STATUS_NO_SUCH_USER`, `STATUS_WRONG_PASSWORD`, `STATUS_LOGON_FAILURE`, `STATUS_PASSWORD_EXPIRED` and
/// `STATUS_PASSWORD_MUST_CHANGE`, which windows-sys has not.
const NT_STATUSES: [u32; 5] = [0xC000_0064, 0xC000_006A, 0xC000_006D, 0xC000_0071, 0xC000_0224];
