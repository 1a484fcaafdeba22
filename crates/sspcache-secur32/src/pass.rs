//! The functions that are never the mock's: each jumps to the system's function of the same name, whatever its parameters.
//!
//! The names are those that Windows' `secur32.dll` and `sspicli.dll` export: import libraries of public toolchains list
//! them.

use std::{
    arch::naked_asm,
    ffi::{CStr, c_void},
};

use crate::{library::SYSTEM, recorder};

/// Where the jump goes: the system's function, or one that reports that there is none.
extern "system" fn find(name: *const i8) -> *const c_void {
    // SAFETY: each caller below passes a constant that ends in a null.
    let name = unsafe { CStr::from_ptr(name.cast()) };
    // SASL's give out contexts and memory of SSPI's.
    if name.to_bytes().starts_with(b"Sasl") && recorder::is_on() {
        recorder::forget();
    }
    let function = SYSTEM.function(name);
    if function.is_null() { missing as *const c_void } else { function }
}

/// `STATUS_NOT_IMPLEMENTED`, of `ntstatus.h`; as a BOOLEAN or a count it is not 0, so a caller must not take it for one.
/// Called for a function that this system doesn't have, which a program looked up by name and may do without.
extern "system" fn missing() -> i32 {
    const STATUS_NOT_IMPLEMENTED: i32 = 0xC000_0002_u32.cast_signed();
    STATUS_NOT_IMPLEMENTED
}

macro_rules! pass {
    ($($name:ident)*) => {
        $(
            /// The system's own.
            ///
            /// # Safety
            /// As the function's page says.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            #[cfg(target_arch = "x86_64")]
            pub(crate) unsafe extern "system" fn $name() {
                // The parameters' registers are kept for the function that gets them; 16 bytes of each of the vector ones.
                naked_asm!(
                    "push rcx", "push rdx", "push r8", "push r9",
                    "sub rsp, 0x68",
                    "movdqu [rsp + 0x20], xmm0", "movdqu [rsp + 0x30], xmm1",
                    "movdqu [rsp + 0x40], xmm2", "movdqu [rsp + 0x50], xmm3",
                    "lea rcx, [rip + {name}]",
                    "call {find}",
                    "movdqu xmm0, [rsp + 0x20]", "movdqu xmm1, [rsp + 0x30]",
                    "movdqu xmm2, [rsp + 0x40]", "movdqu xmm3, [rsp + 0x50]",
                    "add rsp, 0x68",
                    "pop r9", "pop r8", "pop rdx", "pop rcx",
                    "jmp rax",
                    name = sym names::$name,
                    find = sym find,
                )
            }

            /// The system's own.
            ///
            /// # Safety
            /// As the function's page says.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            #[cfg(target_arch = "x86")]
            pub(crate) unsafe extern "system" fn $name() {
                // Parameters lie on the stack; `find` takes its own off it.
                naked_asm!(
                    "lea eax, {name}",
                    "push eax",
                    "call {find}",
                    "jmp eax",
                    name = sym names::$name,
                    find = sym find,
                )
            }

            /// The system's own.
            ///
            /// # Safety
            /// As the function's page says.
            #[unsafe(no_mangle)]
            #[unsafe(naked)]
            #[cfg(target_arch = "aarch64")]
            pub(crate) unsafe extern "system" fn $name() {
                naked_asm!(
                    "stp x29, x30, [sp, #-16]!", "stp x0, x1, [sp, #-16]!", "stp x2, x3, [sp, #-16]!",
                    "stp x4, x5, [sp, #-16]!", "stp x6, x7, [sp, #-16]!",
                    "adrp x0, {name}", "add x0, x0, :lo12:{name}",
                    "bl {find}",
                    "mov x16, x0",
                    "ldp x6, x7, [sp], #16", "ldp x4, x5, [sp], #16", "ldp x2, x3, [sp], #16",
                    "ldp x0, x1, [sp], #16", "ldp x29, x30, [sp], #16",
                    "br x16",
                    name = sym names::$name,
                    find = sym find,
                )
            }
        )*

        /// The names, each with its null.
        mod names {
            /// A name in memory.
            #[repr(transparent)]
            pub(super) struct Name<const N: usize>(#[allow(dead_code, reason = "read by address")] [u8; N]);

            $(
                #[allow(non_upper_case_globals, reason = "the documented name")]
                pub(super) static $name: Name<{ concat!(stringify!($name), "\0").len() }> = {
                    let text = concat!(stringify!($name), "\0").as_bytes();
                    let mut bytes = [0; concat!(stringify!($name), "\0").len()];
                    bytes.copy_from_slice(text);
                    Name(bytes)
                };
            )*
        }
    };
}

pass! {
    CloseLsaPerformanceData CollectLsaPerformanceData CredMarshalTargetInfo CredParseUserNameWithType
    CredUnmarshalTargetInfo GetComputerObjectNameA GetComputerObjectNameW GetSecurityUserInfo GetUserNameExA
    GetUserNameExW LogonUserExExW LsaCallAuthenticationPackage LsaConnectUntrusted LsaDeregisterLogonProcess
    LsaEnumerateLogonSessions LsaFreeReturnBuffer LsaGetLogonSessionData LsaLogonUser LsaLookupAuthenticationPackage
    LsaRegisterLogonProcess LsaRegisterPolicyChangeNotification LsaUnregisterPolicyChangeNotification
    OpenLsaPerformanceData SaslAcceptSecurityContext SaslEnumerateProfilesA SaslEnumerateProfilesW
    SaslGetContextOption SaslGetProfilePackageA SaslGetProfilePackageW SaslIdentifyPackageA SaslIdentifyPackageW
    SaslInitializeSecurityContextA SaslInitializeSecurityContextW SaslSetContextOption SecCacheSspiPackages
    SecDeleteUserModeContext SecGetLocaleSpecificEncryptionRules SecInitUserModeContext SeciAllocateAndSetCallFlags
    SeciAllocateAndSetIPAddress SeciFreeCallContext SeciIsProtectedUser SecpFreeMemory SecpSetIPAddress
    SecpTranslateName SecpTranslateNameEx SspiGetComputerNameForSPN SspiUnmarshalAuthIdentityInternal TranslateNameA
    TranslateNameW
}
