//! WinINet's session, for real: a server on this machine sets cookies and asks for a password.

use crate::process::{assert_passes, child};

/// K1: neither the session's cookie nor the password comes back after a flush. A persistent cookie does.
#[test]
fn wininet_forgets_its_session() {
    assert_passes(&mut child("caches::wininet::child::browse_and_sign_out"));
}

/// A server of HTTP, a thread that ends when this is dropped.
mod server {
    use std::{
        io::{BufRead, BufReader, Write},
        net::{SocketAddr, TcpListener, TcpStream},
        sync::{
            Arc, Mutex,
            atomic::{AtomicBool, Ordering::SeqCst},
        },
        thread::{self, JoinHandle},
    };

    /// What the server needs to know: alice's password, as Basic authentication sends it.
    pub(super) const AUTHORIZATION: &str = "Basic YWxpY2U6Y29ycmVjdA==";

    #[derive(Debug)]
    pub(super) struct Server {
        address: SocketAddr,
        cookies: Arc<Mutex<String>>,
        ended: Arc<AtomicBool>,
        thread: Option<JoinHandle<()>>,
    }

    impl Server {
        pub(super) fn start() -> Self {
            let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
            let address = listener.local_addr().unwrap();
            let (cookies, ended) = (Arc::<Mutex<String>>::default(), Arc::<AtomicBool>::default());
            let (seen, done) = (cookies.clone(), ended.clone());
            let thread = thread::spawn(move || {
                for stream in listener.incoming() {
                    if done.load(SeqCst) {
                        return;
                    }
                    // A client that hangs up is the next one's business.
                    let _ = stream.and_then(|stream| answer(&stream, &seen));
                }
            });
            Self { address, cookies, ended, thread: Some(thread) }
        }

        pub(super) fn port(&self) -> u16 {
            self.address.port()
        }

        /// The cookies of the last request.
        pub(super) fn cookies(&self) -> String {
            self.cookies.lock().unwrap().clone()
        }
    }

    impl Drop for Server {
        fn drop(&mut self) {
            self.ended.store(true, SeqCst);
            // Wakes it up.
            drop(TcpStream::connect(self.address));
            self.thread.take().map(JoinHandle::join);
        }
    }

    fn answer(stream: &TcpStream, cookies: &Mutex<String>) -> std::io::Result<()> {
        let mut lines = BufReader::new(stream).lines();
        let request = lines.next().transpose()?.unwrap_or_default();
        let (mut cookie, mut authorized) = (String::new(), false);
        for line in lines {
            let line = line?;
            match line.split_once(": ") {
                None => break,
                Some((name, value)) if name.eq_ignore_ascii_case("cookie") => value.clone_into(&mut cookie),
                Some((name, value)) if name.eq_ignore_ascii_case("authorization") => {
                    authorized = value == AUTHORIZATION;
                }
                Some(_) => {}
            }
        }
        *cookies.lock().unwrap() = cookie;
        let (status, headers) = match request.split(' ').nth(1) {
            Some("/private") if !authorized => {
                ("401 Unauthorized", "WWW-Authenticate: Basic realm=\"private\"\r\n")
            }
            // Wine sends a cookie back only if it has a path.
            Some("/sign-in") => (
                "200 OK",
                "Set-Cookie: session=1; Path=/\r\n\
                 Set-Cookie: kept=1; Path=/; Expires=Fri, 01 Jan 2038 00:00:00 GMT\r\n",
            ),
            Some("/forget") => {
                ("200 OK", "Set-Cookie: kept=; Path=/; Expires=Thu, 01 Jan 1998 00:00:00 GMT\r\n")
            }
            _ => ("200 OK", ""),
        };
        let mut stream = stream;
        write!(stream, "HTTP/1.1 {status}\r\n{headers}Content-Length: 0\r\nConnection: close\r\n\r\n")
    }
}

/// A test that another runs, in a process of its own.
mod child {
    use std::{ffi::c_void, io, ptr};

    use libloading::os::windows::Library;
    use sspcache::{CredentialProvider, caches::Caches};
    use windows_sys::{
        Win32::Networking::WinInet::{
            HTTP_QUERY_FLAG_NUMBER, HTTP_QUERY_STATUS_CODE, INTERNET_FLAG_NO_CACHE_WRITE,
            INTERNET_FLAG_NO_UI, INTERNET_FLAG_RELOAD, INTERNET_OPEN_TYPE_DIRECT, INTERNET_SERVICE_HTTP,
        },
        core::{BOOL, PCWSTR},
    };

    use super::server::Server;

    type Handle = *mut c_void;
    type Open = unsafe extern "system" fn(PCWSTR, u32, PCWSTR, PCWSTR, u32) -> Handle;
    type Connect = unsafe extern "system" fn(Handle, PCWSTR, u16, PCWSTR, PCWSTR, u32, u32, usize) -> Handle;
    type OpenRequest = unsafe extern "system" fn(
        Handle,
        PCWSTR,
        PCWSTR,
        PCWSTR,
        PCWSTR,
        *const PCWSTR,
        u32,
        usize,
    ) -> Handle;
    type Send = unsafe extern "system" fn(Handle, PCWSTR, u32, *const c_void, u32) -> BOOL;
    type Query = unsafe extern "system" fn(Handle, u32, *mut c_void, *mut u32, *mut u32) -> BOOL;
    type Close = unsafe extern "system" fn(Handle) -> BOOL;

    /// A client, as an application is one. It isn't linked, since no other test of this program needs wininet.dll.
    struct Client<'a> {
        wininet: Library,
        session: Handle,
        server: &'a Server,
    }

    fn wide(text: &str) -> Vec<u16> {
        text.encode_utf16().chain([0]).collect()
    }

    impl<'a> Client<'a> {
        fn new(server: &'a Server) -> Self {
            // SAFETY: a system DLL may be initialized on any thread.
            let wininet = unsafe { Library::new("wininet.dll") }.unwrap();
            let agent = wide("sspcache");
            let mut client = Self { wininet, session: ptr::null_mut(), server };
            // SAFETY: the type is that of the function's page; the name ends in a null, and there is no proxy.
            client.session = unsafe {
                client.function::<Open>("InternetOpenW")(
                    agent.as_ptr(),
                    INTERNET_OPEN_TYPE_DIRECT,
                    ptr::null(),
                    ptr::null(),
                    0,
                )
            };
            client
        }

        /// # Safety
        /// The function has this type.
        unsafe fn function<F: Copy>(&self, name: &str) -> F {
            // SAFETY: by this function's contract.
            *unsafe { self.wininet.get(name) }.unwrap()
        }

        /// Gets a path, and returns the status of the answer.
        fn get(&self, path: &str, user: Option<(&str, &str)>) -> u32 {
            let (host, path) = (wide("127.0.0.1"), wide(path));
            let user = user.map(|(name, password)| (wide(name), wide(password)));
            let (name, password) = user
                .as_ref()
                .map_or((ptr::null(), ptr::null()), |(name, password)| (name.as_ptr(), password.as_ptr()));
            let flags = INTERNET_FLAG_RELOAD | INTERNET_FLAG_NO_CACHE_WRITE | INTERNET_FLAG_NO_UI;
            // SAFETY: the types are those of the functions' pages; texts end in nulls or are null, and handles are used until
            // they are closed.
            unsafe {
                let connection = self.function::<Connect>("InternetConnectW")(
                    self.session,
                    host.as_ptr(),
                    self.server.port(),
                    name,
                    password,
                    INTERNET_SERVICE_HTTP,
                    0,
                    0,
                );
                let request = self.function::<OpenRequest>("HttpOpenRequestW")(
                    connection,
                    ptr::null(),
                    path.as_ptr(),
                    ptr::null(),
                    ptr::null(),
                    ptr::null(),
                    flags,
                    0,
                );
                let sent = self.function::<Send>("HttpSendRequestW")(request, ptr::null(), 0, ptr::null(), 0);
                assert_ne!(sent, 0, "{}", io::Error::last_os_error());
                let (mut status, mut size) = (0u32, 4);
                let known = self.function::<Query>("HttpQueryInfoW")(
                    request,
                    HTTP_QUERY_STATUS_CODE | HTTP_QUERY_FLAG_NUMBER,
                    (&raw mut status).cast(),
                    &raw mut size,
                    ptr::null_mut(),
                );
                assert_ne!(known, 0, "{}", io::Error::last_os_error());
                self.function::<Close>("InternetCloseHandle")(request);
                self.function::<Close>("InternetCloseHandle")(connection);
                status
            }
        }

        /// The cookies that come with a request.
        fn cookies(&self) -> Vec<String> {
            assert_eq!(self.get("/", None), 200);
            let mut cookies: Vec<_> = self.server.cookies().split("; ").map(str::to_owned).collect();
            cookies.sort();
            cookies
        }
    }

    impl Drop for Client<'_> {
        fn drop(&mut self) {
            // The persistent cookie would stay in the user's files.
            self.get("/forget", None);
            // SAFETY: the type is that of the function's page; the session is open.
            unsafe { self.function::<Close>("InternetCloseHandle")(self.session) };
        }
    }

    #[test]
    #[ignore = "run by wininet_forgets_its_session, in a process of its own"]
    fn browse_and_sign_out() {
        let server = Server::start();
        let client = Client::new(&server);
        assert_eq!(client.get("/sign-in", None), 200);
        assert_eq!(client.cookies(), ["kept=1", "session=1"]);
        assert_eq!(client.get("/private", None), 401);
        assert_eq!(client.get("/private", Some(("alice", "correct"))), 200);
        for _ in 0..2 {
            assert_eq!(client.get("/private", None), 200, "the password comes back");
        }

        let caches = Caches::process().allow_non_interactive(true);
        assert!(caches.is_present("wininet.dll").unwrap());
        let report = caches.flush_all();
        assert!(report.is_success() && report.flushed() > 0, "{report}");
        println!("{report}");

        assert_eq!(client.cookies(), ["kept=1"], "{report}");
        assert_eq!(client.get("/private", None), 401, "{report}");
        // It signs in again as before.
        assert_eq!(client.get("/private", Some(("alice", "correct"))), 200);
    }
}
