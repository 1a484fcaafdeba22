//! How a call is passed on.

/// Makes functions that pass their parameters on to the function of the same name of an SSP. After `by` comes who is asked:
///
/// - `handle(h)`: the SSP that made the handle;
/// - `handle(h) or handle(g), marks(n)`: that of the first handle that isn't null; a handle that it makes is marked as its own;
/// - `package`: each in turn until one knows the package;
/// - `package, marks(n)`: the same, and it makes a handle.
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
            /// Pointers are to what the page says.
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
                    // SAFETY: the caller promises that pointers are to what the page says, which is all that the SSP asks for.
                    unsafe { function($($parameter),*) }
                };
                let status = $crate::ffi::call(|| Ok(ways!(pass, $($way($($argument),*)),+)));
                status.unwrap_or(SEC_E_INTERNAL_ERROR)
            }
        )*
    };
}

/// The ways of [`forward!`].
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

/// Passes a call on, and marks the handle that it makes.
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

/// Asks each SSP in turn until one knows the package.
pub(super) fn each(ask: impl Fn(&Provider) -> i32) -> i32 {
    providers::all()
        .map(ask)
        .find(|&status| status != SEC_E_SECPKG_NOT_FOUND)
        .unwrap_or(SEC_E_SECPKG_NOT_FOUND)
}
