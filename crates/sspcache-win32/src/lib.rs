//! The Win32 module loader for C and C++ programs on Unix: the exports of `libsspcache_win32`, which the headers in
//! `include/` declare under the documented names.
//!
//! A program written after Microsoft's page (verify, GetModuleHandle, GetProcAddress, call) builds against these
//! headers and this library as it builds against the SDK. The [emulated loader](sspcache_loader) has the rules. This
//! crate adds the host: one loader for the process, files on the real disk, the thread's last error, and C's strings.
//!
//! - **Symbols** begin with `sspcache_`, so a program may link another library that has the documented names.
//! - **Modules** are the host's shared objects, under any file name: `LoadLibrary("MSNSSPC.dll")` opens the mock.
//! - **Constructors** of a module run under the loader lock, as DllMain does.
//! - **SSPI** functions forward to the mock, which the first call loads by name. `LoadLibrary("secur32.dll")` has them, too.
//! - **Small functions** that programs call beside these have a module each: threads, events and locks, memory, time, texts,
//!   environment variables, names. `docs/win32.md` lists them with their limits.
//! - **Paths** may have Windows' or Unix's form. Drive `Z:` is the root; the variable `SSPCACHE_WIN32_DRIVES`
//!   (`C=/opt/c:D=/data`) maps other drives to folders.
//!
//! With the feature `mock` both mock SSPs are linked in: `LoadLibrary("MSNSSPC.dll")` needs no file.
//!
//! On Windows this crate is empty: the SDK has all functions.
//!
//! # Features
//!
//! - `provider`: `Win32Loader`, with which a program in Rust flushes modules that these functions loaded, through
//!   `sspcache`. It refuses flushes inside constructors and destructors.
#![cfg(unix)]
#![allow(unsafe_code, reason = "the C ABI: pointers in and out")]
#![cfg_attr(not(test), warn(clippy::missing_panics_doc))]
#![warn(clippy::multiple_unsafe_ops_per_block)]

mod clock;
mod convert;
mod critical_section;
mod debugger;
mod directories;
mod disk;
mod drives;
mod edge;
mod environment;
mod ffi;
mod handles;
mod image;
mod last_error;
#[cfg(feature = "mock")]
mod linked;
mod load;
mod locks;
mod memory;
mod messages;
mod modules;
mod names;
mod process;
#[cfg(feature = "provider")]
mod provider;
mod secur32;
mod sspi;
mod strings;
mod text;
mod threads;

pub use clock::{
    sspcache_GetLocalTime, sspcache_GetSystemTime, sspcache_GetSystemTimeAsFileTime, sspcache_GetTickCount,
    sspcache_GetTickCount64, sspcache_QueryPerformanceCounter, sspcache_QueryPerformanceFrequency,
    sspcache_Sleep,
};
pub use convert::{sspcache_MultiByteToWideChar, sspcache_WideCharToMultiByte};
pub use critical_section::{
    CriticalSection, sspcache_DeleteCriticalSection, sspcache_EnterCriticalSection,
    sspcache_InitializeCriticalSection, sspcache_InitializeCriticalSectionAndSpinCount,
    sspcache_LeaveCriticalSection, sspcache_TryEnterCriticalSection,
};
pub use debugger::{sspcache_IsDebuggerPresent, sspcache_OutputDebugStringA, sspcache_OutputDebugStringW};
pub use directories::{
    sspcache_AddDllDirectory, sspcache_GetDllDirectoryA, sspcache_GetDllDirectoryW,
    sspcache_RemoveDllDirectory, sspcache_SetDefaultDllDirectories, sspcache_SetDllDirectoryA,
    sspcache_SetDllDirectoryW,
};
pub use environment::{
    sspcache_GetEnvironmentVariableA, sspcache_GetEnvironmentVariableW, sspcache_SetEnvironmentVariableA,
    sspcache_SetEnvironmentVariableW,
};
pub use handles::{
    sspcache_CloseHandle, sspcache_CreateEventA, sspcache_CreateEventW, sspcache_ResetEvent,
    sspcache_SetEvent, sspcache_WaitForMultipleObjects, sspcache_WaitForSingleObject,
};
pub use last_error::{sspcache_GetLastError, sspcache_SetLastError};
pub use load::{
    sspcache_DisableThreadLibraryCalls, sspcache_FreeLibrary, sspcache_FreeLibraryAndExitThread,
    sspcache_LoadLibraryA, sspcache_LoadLibraryExA, sspcache_LoadLibraryExW, sspcache_LoadLibraryW,
};
pub use memory::{
    sspcache_GetProcessHeap, sspcache_GlobalAlloc, sspcache_GlobalFree, sspcache_HeapAlloc,
    sspcache_HeapFree, sspcache_LocalAlloc, sspcache_LocalFree,
};
pub use messages::{sspcache_FormatMessageA, sspcache_FormatMessageW};
pub use modules::{
    sspcache_GetModuleFileNameA, sspcache_GetModuleFileNameW, sspcache_GetModuleHandleA,
    sspcache_GetModuleHandleExA, sspcache_GetModuleHandleExW, sspcache_GetModuleHandleW,
    sspcache_GetProcAddress,
};
pub use names::{
    sspcache_GetComputerNameA, sspcache_GetComputerNameW, sspcache_GetUserNameA, sspcache_GetUserNameExA,
    sspcache_GetUserNameExW, sspcache_GetUserNameW,
};
#[cfg(feature = "provider")]
pub use provider::{Win32Loader, Win32Module};
pub use sspi::{
    sspcache_AcceptSecurityContext, sspcache_AcquireCredentialsHandleA, sspcache_AcquireCredentialsHandleW,
    sspcache_AddCredentialsA, sspcache_AddCredentialsW, sspcache_AddSecurityPackageA,
    sspcache_AddSecurityPackageW, sspcache_ApplyControlToken, sspcache_ChangeAccountPasswordA,
    sspcache_ChangeAccountPasswordW, sspcache_CompleteAuthToken, sspcache_DecryptMessage,
    sspcache_DeleteSecurityContext, sspcache_DeleteSecurityPackageA, sspcache_DeleteSecurityPackageW,
    sspcache_EncryptMessage, sspcache_EnumerateSecurityPackagesA, sspcache_EnumerateSecurityPackagesW,
    sspcache_ExportSecurityContext, sspcache_FreeContextBuffer, sspcache_FreeCredentialsHandle,
    sspcache_ImpersonateSecurityContext, sspcache_ImportSecurityContextA, sspcache_ImportSecurityContextW,
    sspcache_InitSecurityInterfaceA, sspcache_InitSecurityInterfaceW, sspcache_InitializeSecurityContextA,
    sspcache_InitializeSecurityContextW, sspcache_MakeSignature, sspcache_QueryContextAttributesA,
    sspcache_QueryContextAttributesExA, sspcache_QueryContextAttributesExW, sspcache_QueryContextAttributesW,
    sspcache_QueryCredentialsAttributesA, sspcache_QueryCredentialsAttributesExA,
    sspcache_QueryCredentialsAttributesExW, sspcache_QueryCredentialsAttributesW,
    sspcache_QuerySecurityContextToken, sspcache_QuerySecurityPackageInfoA,
    sspcache_QuerySecurityPackageInfoW, sspcache_RevertSecurityContext, sspcache_SetContextAttributesA,
    sspcache_SetContextAttributesW, sspcache_SetCredentialsAttributesA, sspcache_SetCredentialsAttributesW,
    sspcache_SspiCompareAuthIdentities, sspcache_SspiCopyAuthIdentity, sspcache_SspiDecryptAuthIdentity,
    sspcache_SspiDecryptAuthIdentityEx, sspcache_SspiEncodeAuthIdentityAsStrings,
    sspcache_SspiEncodeStringsAsAuthIdentity, sspcache_SspiEncryptAuthIdentity,
    sspcache_SspiEncryptAuthIdentityEx, sspcache_SspiExcludePackage, sspcache_SspiFreeAuthIdentity,
    sspcache_SspiGetTargetHostName, sspcache_SspiIsAuthIdentityEncrypted, sspcache_SspiIsPromptingNeeded,
    sspcache_SspiLocalFree, sspcache_SspiMarshalAuthIdentity, sspcache_SspiPrepareForCredRead,
    sspcache_SspiPrepareForCredWrite, sspcache_SspiPromptForCredentialsA, sspcache_SspiPromptForCredentialsW,
    sspcache_SspiSetChannelBindingFlags, sspcache_SspiUnmarshalAuthIdentity,
    sspcache_SspiValidateAuthIdentity, sspcache_SspiZeroAuthIdentity, sspcache_VerifySignature,
};
pub use strings::{
    sspcache_lstrcmpA, sspcache_lstrcmpW, sspcache_lstrcmpiA, sspcache_lstrcmpiW, sspcache_lstrlenA,
    sspcache_lstrlenW,
};
pub use threads::{
    Start, sspcache_CreateThread, sspcache_ExitProcess, sspcache_ExitThread, sspcache_GetCurrentProcessId,
    sspcache_GetCurrentThreadId, sspcache_GetExitCodeThread, sspcache_ResumeThread,
};
