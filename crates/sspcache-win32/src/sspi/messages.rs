//! Messages in a context.

use windows_sys::Win32::Security::{Authentication::Identity::SecBufferDesc, Credentials::SecHandle};

forward! {
    /// Signs a message.
    fn sspcache_MakeSignature = "MakeSignature"(
        context: *mut SecHandle, quality: u32, message: *mut SecBufferDesc, number: u32
    ) by handle(context);
    /// Verifies the signature of a message.
    fn sspcache_VerifySignature = "VerifySignature"(
        context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, quality: *mut u32
    ) by handle(context);
    /// Encrypts a message.
    fn sspcache_EncryptMessage = "EncryptMessage"(
        context: *mut SecHandle, quality: u32, message: *mut SecBufferDesc, number: u32
    ) by handle(context);
    /// Decrypts a message.
    fn sspcache_DecryptMessage = "DecryptMessage"(
        context: *mut SecHandle, message: *mut SecBufferDesc, number: u32, quality: *mut u32
    ) by handle(context);
}
