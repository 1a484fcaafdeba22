//! Forwards calls to the SSPs.

/// Defines functions that forward their parameters to the function of the same name in an SSP. `by` chooses the SSP:
///
/// - `handle(h)`: the SSP that made the handle;
/// - `handle(h) or handle(g), marks(n)`: that of the first handle that isn't null; a new handle is marked as its own;
/// - `package(p)`: all in turn, until one has the package; the SSP comes first whose own it is;
/// - `package(p), marks(n)`: the same, with a new handle.
macro_rules! forward {
    ($(
        $(#[$doc:meta])*
        fn $symbol:ident = $name:literal($($parameter:ident: $type:ty),* $(,)?)
            by $($way:ident($($argument:ident),*)),+;
    )*) => {
        $(
            $(#[$doc])*
            ///
            /// # Safety
            /// Pointers are valid as Microsoft's page says.
            #[doc = concat!(
                "\n\nReference: [", $name, "](https://learn.microsoft.com/en-us/windows/win32/api/sspi/)."
            )]
            #[unsafe(no_mangle)]
            #[allow(non_snake_case, reason = "the documented name")]
            #[allow(clippy::too_many_arguments, reason = "SSPI's functions are long")]
            pub unsafe extern "system" fn $symbol($($parameter: $type),*) -> i32 {
                use windows_sys::Win32::Foundation::{SEC_E_INTERNAL_ERROR, SEC_E_UNSUPPORTED_FUNCTION};

                type Function = unsafe extern "system" fn($($type),*) -> i32;
                static FOUND: $crate::sspi::providers::Slots = $crate::sspi::providers::Slots::new();

                let pass = |provider: &$crate::sspi::providers::Provider| {
                    // SAFETY: an SSP's export of this name is such a function.
                    let Some(function) = (unsafe { provider.function::<Function>(&FOUND, $name) }) else {
                        return SEC_E_UNSUPPORTED_FUNCTION;
                    };
                    // SAFETY: the caller promises that pointers are to what the page says, which is all that the SSP
                    // asks for.
                    unsafe { function($($parameter),*) }
                };
                let edge = $crate::edge::Edge::default();
                let status = edge.within(|| $crate::ffi::call(|| Ok(ways!(pass, $($way($($argument),*)),+))));
                status.unwrap_or(SEC_E_INTERNAL_ERROR)
            }
        )*
    };
}

/// The choices of [`forward!`].
macro_rules! ways {
    ($pass:ident, handle($handle:ident)) => {
        // SAFETY: the caller promises that a handle which isn't null is one.
        match unsafe { $crate::sspi::providers::of($handle) } {
            Ok(provider) => $pass(provider),
            Err(status) => status,
        }
    };
    ($pass:ident, handle($handle:ident, $other:ident), marks($new:ident)) => {{
        let asked = if $handle.is_null() { $other } else { $handle };
        // SAFETY: the caller promises that a handle which isn't null is one.
        match unsafe { $crate::sspi::providers::of(asked) } {
            Ok(provider) => marked!($pass, provider, $new),
            Err(status) => status,
        }
    }};
    ($pass:ident, package($package:ident)) => {{
        // SAFETY: the caller promises that a name which isn't null ends in a null.
        let package = unsafe { $crate::sspi::forward::Text::to_utf16($package) };
        $crate::sspi::forward::each(package.as_deref(), |provider| $pass(provider))
    }};
    ($pass:ident, package($package:ident), marks($new:ident)) => {{
        // SAFETY: the caller promises that a name which isn't null ends in a null.
        let package = unsafe { $crate::sspi::forward::Text::to_utf16($package) };
        $crate::sspi::forward::each(package.as_deref(), |provider| marked!($pass, provider, $new))
    }};
}

/// Forwards a call, and marks the handle that it makes.
macro_rules! marked {
    ($pass:ident, $provider:ident, $new:ident) => {{
        let status = $pass($provider);
        if status >= 0 {
            // SAFETY: the caller promises a place for the new handle, and the SSP has written one there.
            unsafe { $provider.mark($new) };
        }
        status
    }};
}

use widestring::{U16Str, U16String};
use windows_sys::Win32::Foundation::SEC_E_SECPKG_NOT_FOUND;

use super::providers::{self, Provider};
use crate::text;

/// Calls the SSPs in turn, until one has the package.
pub(super) fn each(package: Option<&U16Str>, ask: impl Fn(&Provider) -> i32) -> i32 {
    providers::for_package(package)
        .map(ask)
        .find(|&status| status != SEC_E_SECPKG_NOT_FOUND)
        .unwrap_or(SEC_E_SECPKG_NOT_FOUND)
}

/// A string in the form of the function that has it.
pub(super) trait Text: Copy {
    /// The string; `None` for a pointer to none.
    ///
    /// # Safety
    /// A pointer that isn't null is to a string that ends in a null.
    unsafe fn to_utf16(self) -> Option<U16String>;
}

macro_rules! text {
    ($($pointer:ty = $read:ident),*) => {
        $(
            impl Text for $pointer {
                unsafe fn to_utf16(self) -> Option<U16String> {
                    let is_followed = self.addr() >= providers::LOWEST_ADDRESS;
                    // SAFETY: the caller promises that it is to a string which ends in a null.
                    is_followed.then(|| unsafe { text::$read(self.cast()) })?
                }
            }
        )*
    };
}

text! { *const i8 = ansi, *mut i8 = ansi, *const u16 = wide, *mut u16 = wide }
