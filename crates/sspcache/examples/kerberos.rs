//! A client of a Kerberos service on Linux or macOS, and a sign-out after which no ticket is left to reach it with.
//!
//! ```console
//! $ kinit alice && cargo run -p sspcache --example kerberos -- host@server      # with the user's ccache, which is emptied
//! $ cargo run -p sspcache --example kerberos -- host@server alice <password.txt # with tickets of its own
//! ```
//!
//! It speaks GSS-API ([RFC 2744]) with whatever Kerberos is installed, MIT krb5's or Heimdal's.
//!
//! [RFC 2744]: https://www.rfc-editor.org/rfc/rfc2744
#![allow(unsafe_code, reason = "calls GSS-API, which is C")]

#[cfg(unix)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    let mut arguments = std::env::args().skip(1);
    let service =
        arguments.next().ok_or("usage: kerberos SERVICE@HOST [USER], with the user's password as input")?;
    let user = arguments.next();
    let client = gssapi::Client::new(None)?;
    client::run(&client, &service, user.as_deref())
}

#[cfg(not(unix))]
fn main() {
    println!("On Windows SSPI has the tickets, and `Caches::and_kerberos` purges them.");
}

#[cfg(unix)]
pub(crate) mod client {
    //! What the application does.

    use std::{error::Error, io::read_to_string, io::stdin};

    use sspcache::{CredentialProvider, caches::Caches};

    use super::gssapi::Client;

    /// Signs in, out, and in vain in again.
    ///
    /// # Errors
    /// Where signing in or out fails, and where a ticket is left after it.
    pub(crate) fn run(gssapi: &Client, service: &str, user: Option<&str>) -> Result<(), Box<dyn Error>> {
        let credential = match user {
            Some(user) => Some(gssapi.sign_in(user, read_to_string(stdin())?.trim_end())?),
            None => None,
        };
        let token = gssapi.first_token(service, credential.as_ref())?;
        println!("signed in: a first token of {token} bytes for {service}");

        // A credential's tickets go with it. Then this process's ccaches, and the user's default one, which other programs use.
        drop(credential);
        let report = Caches::process().and_ccache().flush_all();
        println!("signed out:\n{report}");
        report.into_result()?;

        match gssapi.first_token(service, None) {
            Ok(_) => Err("a ticket was left".into()),
            Err(why) => {
                println!("and there is no way back: {why}");
                Ok(())
            }
        }
    }
}

#[cfg(unix)]
pub(crate) mod gssapi {
    //! As much of GSS-API as a client needs.

    use std::{
        ffi::{OsStr, c_int, c_void},
        ptr::{null, null_mut},
    };

    use libloading::{Library, Symbol};

    type Handle = *mut c_void;

    /// `gss_buffer_desc`.
    #[repr(C)]
    struct Buffer {
        length: usize,
        value: *const c_void,
    }

    impl Buffer {
        fn of(bytes: &[u8]) -> Self {
            Self { length: bytes.len(), value: bytes.as_ptr().cast() }
        }

        fn empty() -> Self {
            Self { length: 0, value: null() }
        }
    }

    /// `gss_OID_desc`.
    #[repr(C)]
    // Apple packs it by two on x86-64, and has packed it so since PowerPC.
    #[cfg_attr(all(target_vendor = "apple", target_arch = "x86_64"), repr(packed(2)))]
    struct Oid {
        length: u32,
        elements: *const c_void,
    }

    impl Oid {
        fn of(elements: &'static [u8]) -> Self {
            Self {
                length: elements.len().try_into().expect("it is short"),
                elements: elements.as_ptr().cast(),
            }
        }
    }

    /// 1.2.840.113554.1.2.2
    const KERBEROS: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x02";
    /// 1.2.840.113554.1.2.1.4: `GSS_C_NT_HOSTBASED_SERVICE`
    const SERVICE: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x04";
    /// 1.2.840.113554.1.2.1.1: `GSS_C_NT_USER_NAME`
    const USER: &[u8] = b"\x2a\x86\x48\x86\xf7\x12\x01\x02\x01\x01";

    /// The routine errors and calling errors of a status.
    const ERRORS: u32 = 0xffff_0000;
    const GSS_C_INITIATE: c_int = 1;
    const GSS_C_MECH_CODE: c_int = 2;

    /// Where GSS-API is.
    const LIBRARIES: &[&str] = if cfg!(target_vendor = "apple") {
        &["/System/Library/Frameworks/GSS.framework/GSS"]
    } else {
        &["libgssapi_krb5.so.2", "libgssapi.so.3"]
    };

    /// A client, with the default ccache of its process.
    pub(crate) struct Client(&'static Library);

    /// A user's credential.
    pub(crate) struct Credential<'a> {
        client: &'a Client,
        handle: Handle,
    }

    impl Drop for Credential<'_> {
        fn drop(&mut self) {
            self.client.release("gss_release_cred", self.handle).expect("the library has this function");
        }
    }

    impl Client {
        /// Loads the library of this name, or the first that is installed.
        ///
        /// # Errors
        /// Where there is none.
        pub(crate) fn new(name: Option<&str>) -> Result<Self, libloading::Error> {
            // SAFETY: the system's library, whose constructors run anywhere.
            let open = |name: &&str| unsafe { Library::new(OsStr::new(name)) };
            // It stays loaded: a thread that has called Heimdal's crashes at its end otherwise.
            let stays = |library| Self(Box::leak(Box::new(library)));
            if let Some(name) = name {
                return open(&name).map(stays);
            }
            let (last, others) = LIBRARIES.split_last().expect("there are some");
            others.iter().find_map(|name| open(name).ok()).map_or_else(|| open(last), Ok).map(stays)
        }

        /// A function.
        ///
        /// # Safety
        /// Its type is `T`.
        unsafe fn get<T>(&self, name: &str) -> Result<Symbol<'_, T>, String> {
            // SAFETY: as the caller says.
            unsafe { self.0.get(name.as_bytes()) }.map_err(|error| format!("{name}: {error}"))
        }

        /// What a call returned, and why.
        fn check(&self, name: &str, major: u32, minor: u32) -> Result<(), String> {
            type Display =
                unsafe extern "C" fn(*mut u32, u32, c_int, *const Oid, *mut u32, *mut Buffer) -> u32;
            if major & ERRORS == 0 {
                return Ok(());
            }
            let mut text = Buffer::empty();
            let (mut status, mut more) = (0, 0);
            let oid = Oid::of(KERBEROS);
            // SAFETY: this is its type; every pointer is valid, and the text is a buffer that the library filled in.
            let text = unsafe {
                let display = self.get::<Display>("gss_display_status")?;
                display(
                    &raw mut status,
                    minor,
                    GSS_C_MECH_CODE,
                    &raw const oid,
                    &raw mut more,
                    &raw mut text,
                );
                self.take(text)?
            };
            Err(format!("{name}: {} ({major:#x})", String::from_utf8_lossy(&text)))
        }

        /// Copies a buffer of the library's, and frees it.
        ///
        /// # Safety
        /// The library filled it in, and it wasn't freed.
        unsafe fn take(&self, mut buffer: Buffer) -> Result<Vec<u8>, String> {
            if buffer.value.is_null() {
                return Ok(Vec::new());
            }
            let mut minor = 0;
            // SAFETY: it has so many bytes, and is freed once.
            unsafe {
                let copy = std::slice::from_raw_parts(buffer.value.cast(), buffer.length).to_vec();
                let release =
                    self.get::<unsafe extern "C" fn(*mut u32, *mut Buffer) -> u32>("gss_release_buffer")?;
                release(&raw mut minor, &raw mut buffer);
                Ok(copy)
            }
        }

        fn name(&self, name: &str, of_type: &'static [u8]) -> Result<Handle, String> {
            type Import = unsafe extern "C" fn(*mut u32, *const Buffer, *const Oid, *mut Handle) -> u32;
            let (text, oid) = (Buffer::of(name.as_bytes()), Oid::of(of_type));
            let (mut minor, mut handle) = (0, null_mut());
            // SAFETY: this is its type, and every pointer is valid.
            let major = unsafe {
                let import = self.get::<Import>("gss_import_name")?;
                import(&raw mut minor, &raw const text, &raw const oid, &raw mut handle)
            };
            self.check("gss_import_name", major, minor)?;
            Ok(handle)
        }

        /// Frees a name, a credential or a context.
        fn release(&self, function: &str, mut handle: Handle) -> Result<(), String> {
            type Release = unsafe extern "C" fn(*mut u32, *mut Handle) -> u32;
            type Delete = unsafe extern "C" fn(*mut u32, *mut Handle, *mut Buffer) -> u32;
            let mut minor = 0;
            // SAFETY: these are their types; the library made the handle, and it is freed once.
            unsafe {
                if function == "gss_delete_sec_context" {
                    self.get::<Delete>(function)?(&raw mut minor, &raw mut handle, null_mut());
                } else {
                    self.get::<Release>(function)?(&raw mut minor, &raw mut handle);
                }
            }
            Ok(())
        }

        /// Gets the user's first ticket with a password.
        ///
        /// # Errors
        /// What the library says, such as that the password is wrong.
        pub(crate) fn sign_in(&self, user: &str, password: &str) -> Result<Credential<'_>, String> {
            type Acquire = unsafe extern "C" fn(
                *mut u32,
                Handle,
                *const Buffer,
                u32,
                *const c_void,
                c_int,
                *mut Handle,
                *mut Handle,
                *mut u32,
            ) -> u32;
            let name = self.name(user, USER)?;
            let password = Buffer::of(password.as_bytes());
            let (mut minor, mut credential) = (0, null_mut());
            // SAFETY: this is its type. Every pointer is valid, or null where the function allows it.
            let major = unsafe {
                self.get::<Acquire>("gss_acquire_cred_with_password")?(
                    &raw mut minor,
                    name,
                    &raw const password,
                    0,
                    null(),
                    GSS_C_INITIATE,
                    &raw mut credential,
                    null_mut(),
                    null_mut(),
                )
            };
            self.release("gss_release_name", name)?;
            self.check("gss_acquire_cred_with_password", major, minor)?;
            Ok(Credential { client: self, handle: credential })
        }

        /// The length of the token that begins an authentication: it has a ticket for the service in it.
        ///
        /// # Errors
        /// What the library says, such as that there is no ticket to get another with.
        pub(crate) fn first_token(
            &self,
            service: &str,
            credential: Option<&Credential<'_>>,
        ) -> Result<usize, String> {
            type Init = unsafe extern "C" fn(
                *mut u32,
                Handle,
                *mut Handle,
                Handle,
                *const Oid,
                u32,
                u32,
                *const c_void,
                *const Buffer,
                *mut Handle,
                *mut Buffer,
                *mut u32,
                *mut u32,
            ) -> u32;
            let name = self.name(service, SERVICE)?;
            let kerberos = Oid::of(KERBEROS);
            let (mut minor, mut context, mut token) = (0, null_mut(), Buffer::empty());
            // SAFETY: this is its type. Every pointer is valid, or null where the function allows it: for the default credential, no
            // context yet, no bindings, no token yet.
            let (major, token) = unsafe {
                let major = self.get::<Init>("gss_init_sec_context")?(
                    &raw mut minor,
                    credential.map_or(null_mut(), |credential| credential.handle),
                    &raw mut context,
                    name,
                    &raw const kerberos,
                    0,
                    0,
                    null(),
                    null(),
                    null_mut(),
                    &raw mut token,
                    null_mut(),
                    null_mut(),
                );
                (major, self.take(token)?)
            };
            self.release("gss_release_name", name)?;
            let begun = self.check("gss_init_sec_context", major, minor);
            if !context.is_null() {
                self.release("gss_delete_sec_context", context)?;
            }
            begun.map(|()| token.len())
        }
    }
}
