//! A WinINet client and its sign-out: cookies of the session and the password that WinINet remembers, entries of the Credential
//! Manager that the application stored, and whatever else this process has.
//!
//! ```console
//! $ cargo run -p sspcache --example wininet --target x86_64-pc-windows-gnu -- http://intranet.example/ alice
//! ```
//!
//! It asks for the password, gets the page with it, gets it once more without it, signs out, and gets it again: a page that asks for
//! Basic authentication answers 200, 200 and 401.
#![allow(unsafe_code, reason = "calls WinINet")]

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{env, io};

    use client::Client;
    use sspcache::{CredentialProvider, FlushOnDrop, caches::Caches};

    let mut arguments = env::args().skip(1);
    let (Some(url), Some(user)) = (arguments.next(), arguments.next()) else {
        return Err("name a page and a user: http://intranet.example/ alice".into());
    };
    // Everything that this application leaves: it stores passwords under `sspcache-example/…`. Terminals are opened over SSH, too; an
    // application with windows leaves `allow_non_interactive` out.
    let caches = Caches::process().and_credentials("sspcache-example/*")?.allow_non_interactive(true);
    // Flushes on the ways out that nobody thought of: an early return, a panic.
    let last_resort =
        FlushOnDrop::new(&caches, |report| println!("at the end, which does no harm:\n{report}"));

    println!("password of {user}:");
    let mut password = String::new();
    io::stdin().read_line(&mut password)?;

    let client = Client::new()?;
    println!("with the password: {}", client.get(&url, Some((&user, password.trim_end())))?);
    println!("without it: {}", client.get(&url, None)?);

    // Connections that are authenticated stay so until they are closed.
    drop(client);
    let report = caches.flush_all();
    println!("signing out:\n{report}");
    report.into_result()?;

    println!("signed out: {}", Client::new()?.get(&url, None)?);
    drop(last_resort);
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    println!("There is no WinINet on this system: build it for Windows.");
}

#[cfg(windows)]
mod client {
    use std::{ffi::c_void, io, ptr};

    use windows_sys::Win32::Networking::WinInet::{
        HTTP_QUERY_FLAG_NUMBER, HTTP_QUERY_STATUS_CODE, HttpOpenRequestW, HttpQueryInfoW, HttpSendRequestW,
        INTERNET_FLAG_NO_CACHE_WRITE, INTERNET_FLAG_NO_UI, INTERNET_FLAG_RELOAD, INTERNET_FLAG_SECURE,
        INTERNET_OPEN_TYPE_PRECONFIG, INTERNET_SERVICE_HTTP, InternetCloseHandle, InternetConnectW,
        InternetOpenW,
    };

    /// A handle of WinINet, closed when it is dropped.
    struct Handle(*mut c_void);

    impl Handle {
        /// Takes what a function returned.
        fn new(handle: *mut c_void) -> io::Result<Self> {
            if handle.is_null() { Err(io::Error::last_os_error()) } else { Ok(Self(handle)) }
        }
    }

    impl Drop for Handle {
        fn drop(&mut self) {
            // SAFETY: it is open, and closed once.
            unsafe { InternetCloseHandle(self.0) };
        }
    }

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    /// A client with its connections.
    pub(crate) struct Client(Handle);

    impl Client {
        pub(crate) fn new() -> io::Result<Self> {
            let agent = wide("sspcache example");
            // SAFETY: the name ends in a null, and there is no proxy of the application's own.
            Handle::new(unsafe {
                InternetOpenW(agent.as_ptr(), INTERNET_OPEN_TYPE_PRECONFIG, ptr::null(), ptr::null(), 0)
            })
            .map(Self)
        }

        /// Gets a page, and returns the status of the answer.
        pub(crate) fn get(&self, url: &str, user: Option<(&str, &str)>) -> io::Result<u32> {
            let wrong = || io::Error::new(io::ErrorKind::InvalidInput, "not a URL of HTTP");
            let (scheme, rest) = url.split_once("://").ok_or_else(wrong)?;
            let (host, path) = rest.split_once('/').unwrap_or((rest, ""));
            let (port, secure) = match scheme {
                "http" => (80, 0),
                "https" => (443, INTERNET_FLAG_SECURE),
                _ => return Err(wrong()),
            };
            let (host, port) = match host.split_once(':') {
                Some((host, port)) => (host, port.parse().map_err(|_| wrong())?),
                None => (host, port),
            };
            let (host, path) = (wide(host), wide(&format!("/{path}")));
            let (user, password) = user.unzip();
            let (user, password) = (user.map(wide), password.map(wide));
            let pointer = |text: &Option<Vec<u16>>| text.as_ref().map_or(ptr::null(), Vec::as_ptr);

            // SAFETY: texts end in nulls or are null, and the client's handle is open.
            let connection = Handle::new(unsafe {
                InternetConnectW(
                    self.0.0,
                    host.as_ptr(),
                    port,
                    pointer(&user),
                    pointer(&password),
                    INTERNET_SERVICE_HTTP,
                    0,
                    0,
                )
            })?;
            let flags = secure | INTERNET_FLAG_RELOAD | INTERNET_FLAG_NO_CACHE_WRITE | INTERNET_FLAG_NO_UI;
            let none = ptr::null();
            // SAFETY: as above.
            let request = Handle::new(unsafe {
                HttpOpenRequestW(connection.0, none, path.as_ptr(), none, none, ptr::null(), flags, 0)
            })?;
            // SAFETY: the handle is open, and there are neither further headers nor a body.
            if unsafe { HttpSendRequestW(request.0, none, 0, ptr::null(), 0) } == 0 {
                return Err(io::Error::last_os_error());
            }
            let (mut status, mut size) = (0u32, 4);
            // SAFETY: the number has the size that is passed.
            let known = unsafe {
                HttpQueryInfoW(
                    request.0,
                    HTTP_QUERY_STATUS_CODE | HTTP_QUERY_FLAG_NUMBER,
                    (&raw mut status).cast(),
                    &raw mut size,
                    ptr::null_mut(),
                )
            };
            if known == 0 { Err(io::Error::last_os_error()) } else { Ok(status) }
        }
    }
}
