//! Forwards calls to the SSPs.

/// Defines functions that forward their parameters to the function of the same name in an SSP. `by` chooses the SSP:
///
/// - `handle(h)`: the SSP that made the handle;
/// - `handle(h) or handle(g), marks(n)`: that of the first handle that isn't null; a new handle is marked as its own;
/// - `package`: all in turn, until one has the package;
/// - `package, marks(n)`: the same, with a new handle.
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
                let status = $crate::ffi::call(|| Ok(ways!(pass, $($way($($argument),*)),+)));
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
    ($pass:ident, package()) => {
        $crate::sspi::forward::each(|provider| $pass(provider))
    };
    ($pass:ident, package(), marks($new:ident)) => {
        $crate::sspi::forward::each(|provider| marked!($pass, provider, $new))
    };
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

use windows_sys::Win32::Foundation::SEC_E_SECPKG_NOT_FOUND;

use super::providers::{self, Provider};

/// Calls the SSPs in turn, until one has the package.
pub(super) fn each(ask: impl Fn(&Provider) -> i32) -> i32 {
    providers::all()
        .map(ask)
        .find(|&status| status != SEC_E_SECPKG_NOT_FOUND)
        .unwrap_or(SEC_E_SECPKG_NOT_FOUND)
}
