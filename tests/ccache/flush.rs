//! Flushes in a process of their own.

use std::{
    env,
    process::{Command, Output, Stdio},
};

use sspcache_tests::kdc::Kdc;

/// What a process is to flush, in its environment: `default`, `collection`, `memory`, or the name of a ccache.
const SELECTION: &str = "SSPCACHE_TEST_SELECTION";
/// Kerberos libraries that the process has loaded before, with a comma between them.
const LIBRARY: &str = "SSPCACHE_TEST_LIBRARY";
/// Whether it only looks.
const LOOKS: &str = "SSPCACHE_TEST_LOOKS";
/// Limits what the process can do: `nobody`, `no-space`, or `no-keyrings`.
const LIMIT: &str = "SSPCACHE_TEST_LIMIT";

pub(crate) const MIT: &str = "libkrb5.so.3";
pub(crate) const HEIMDAL: &str = "libkrb5.so.26";

/// A row of a report, or of a status: the name of the ccache, how many entries, and what became of it.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(crate) struct Row {
    pub(crate) instance: String,
    pub(crate) scope: String,
    pub(crate) entries: Option<usize>,
    /// `flushed`, `absent`, or the code of an error.
    pub(crate) outcome: String,
    pub(crate) text: String,
}

impl Row {
    #[track_caller]
    pub(crate) fn is(&self, instance: &str, entries: Option<usize>, outcome: &str) {
        assert_eq!(
            (self.instance.as_str(), self.entries, self.outcome.as_str()),
            (instance, entries, outcome),
            "{self:?}"
        );
    }
}

/// A flush to be made.
pub(crate) struct Flush(Command);

/// The ccaches of a selection, with `KRB5CCNAME`.
pub(crate) fn flush(kdc: &Kdc, selection: &str, default: &str) -> Flush {
    let mut command = child("child::flushes");
    kdc.bind(&mut command, default).env(SELECTION, selection);
    Flush(command)
}

/// A process that runs one of the tests that are meant for that.
pub(crate) fn child(test: &str) -> Command {
    let mut child = Command::new(env::current_exe().unwrap());
    child.args(["--exact", "--ignored", "--nocapture", &format!("flush::{test}")]);
    child.stdin(Stdio::null());
    child
}

impl Flush {
    /// The library that the process has loaded before.
    pub(crate) fn with(mut self, library: &str) -> Self {
        self.0.env(LIBRARY, library);
        self
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn limited(mut self, limit: &str) -> Self {
        self.0.env(LIMIT, limit);
        self
    }

    #[cfg(target_os = "linux")]
    pub(crate) fn env(mut self, name: &str, value: &std::path::Path) -> Self {
        self.0.env(name, value);
        self
    }

    /// Only looks at what there is.
    pub(crate) fn looks(mut self) -> Vec<Row> {
        self.0.env(LOOKS, "1");
        self.rows()
    }

    /// The only row.
    #[track_caller]
    pub(crate) fn row(self) -> Row {
        let rows = self.rows();
        assert_eq!(rows.len(), 1, "{rows:?}");
        rows.into_iter().next().unwrap()
    }

    #[track_caller]
    pub(crate) fn rows(mut self) -> Vec<Row> {
        let ran = self.0.output().unwrap();
        parse(&ran)
    }
}

#[track_caller]
fn parse(ran: &Output) -> Vec<Row> {
    let printed = String::from_utf8_lossy(&ran.stdout);
    assert!(
        ran.status.success() && printed.contains("1 passed"),
        "{printed}{}",
        String::from_utf8_lossy(&ran.stderr)
    );
    printed
        .lines()
        .filter_map(|line| line.strip_prefix("row\t"))
        .map(|line| {
            let mut fields = line.split('\t').map(str::to_owned);
            let mut next = || fields.next().unwrap();
            Row {
                instance: next(),
                scope: next(),
                entries: next().parse().ok(),
                outcome: next(),
                text: next(),
            }
        })
        .collect()
}

mod child {
    use std::{
        env,
        io::{self, Write as _},
        sync::Arc,
    };

    use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
    use sspcache::{
        CredentialProvider as _, Flush, FlushReport,
        caches::{
            Cache as _, Contents,
            ccache::{Ccaches, Selection},
        },
        loader::NativeLoader,
    };

    use super::super::example;

    /// Gives up what a test says.
    fn limit() {
        match env::var(super::LIMIT).as_deref() {
            // SAFETY: this process has one thread that matters; it gives up rights.
            Ok("nobody") => unsafe {
                if libc::geteuid() == 0 {
                    assert_eq!(libc::setgroups(0, std::ptr::null()), 0);
                    assert_eq!(libc::setgid(65534), 0);
                    assert_eq!(libc::setuid(65534), 0);
                }
            },
            #[cfg(target_os = "linux")]
            Ok("no-keyrings") => {
                let step = |code, jf, k| libc::sock_filter { code, jt: 0, jf, k };
                // As of <linux/bpf_common.h> and <linux/seccomp.h>: the number of the call; if it is this, EPERM; else go on.
                let keyctl = libc::SYS_keyctl.try_into().unwrap();
                let refused = libc::SECCOMP_RET_ERRNO | 1;
                let mut steps = [
                    step(0x20, 0, 0),
                    step(0x15, 1, keyctl),
                    step(6, 0, refused),
                    step(6, 0, libc::SECCOMP_RET_ALLOW),
                ];
                let filter = libc::sock_fprog { len: 4, filter: steps.as_mut_ptr() };
                // SAFETY: the filter is valid during the call, and is for this thread.
                unsafe {
                    assert_eq!(libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0), 0);
                    let mode = libc::SECCOMP_MODE_FILTER;
                    assert_eq!(libc::prctl(libc::PR_SET_SECCOMP, mode, &raw const filter), 0);
                }
            }
            Ok("no-space") => {
                let none = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
                // SAFETY: the signal is ignored, so that a write fails; the structure is valid.
                unsafe {
                    libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
                    assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const none), 0);
                }
            }
            _ => {}
        }
    }

    #[test]
    #[ignore = "run by the tests of flushes"]
    fn flushes() {
        let selection = match env::var(super::SELECTION).unwrap() {
            name if name == "default" => Selection::Default,
            name if name == "collection" => Selection::Collection,
            name if name == "memory" => Selection::Memory,
            name => Selection::Named(name),
        };
        let names = env::var(super::LIBRARY).unwrap_or_default();
        let libraries = names.split(',').filter(|name| !name.is_empty());
        // SAFETY: they are the system's Kerberos libraries.
        let load = |name| unsafe { Library::open(Some(name), RTLD_NOW | RTLD_LOCAL) }.unwrap();
        let _libraries: Vec<_> = libraries.map(load).collect();
        limit();
        let ccaches = Ccaches::new(Arc::new(NativeLoader::default()), selection);
        let mut printed = Vec::new();
        let one_line = |text: String| text.replace(['\n', '\t'], " ");
        if env::var_os(super::LOOKS).is_some() {
            for status in ccaches.status() {
                let (count, text, outcome) = match &status.contents {
                    Ok(Contents::Absent) => (None, String::new(), "absent"),
                    Ok(Contents::Entries(all)) => (Some(all.len()), all.join(" "), "there"),
                    Ok(_) => (None, String::new(), "unknown"),
                    Err(error) => (None, format!("{error:?}"), error.code()),
                };
                let count = count.map_or_else(|| "-".to_owned(), |count| count.to_string());
                let instance = status.instance.unwrap_or_default();
                let scope = status.scope;
                printed.push(format!("row\t{instance}\t{scope}\t{count}\t{outcome}\t{}", one_line(text)));
            }
        } else {
            let mut report = FlushReport::default();
            ccaches.flush_into("ccache", &mut report);
            for row in report.rows() {
                let (outcome, text) = match &row.outcome {
                    Ok(Flush::Flushed) => ("flushed", String::new()),
                    Ok(_) => ("absent", String::new()),
                    Err(error) => (error.code(), format!("{error}: {error:?}")),
                };
                let count = row.entries.map_or_else(|| "-".to_owned(), |count| count.to_string());
                let scope = row.scope;
                let instance = row.instance.as_deref().unwrap_or_default();
                printed.push(format!("row\t{instance}\t{scope}\t{count}\t{outcome}\t{}", one_line(text)));
            }
        }
        // The harness writes to the same line before.
        writeln!(io::stdout(), "\n{}", printed.join("\n")).unwrap();
    }

    /// K2
    #[test]
    #[ignore = "run by the tests of flushes"]
    fn finds_no_library() {
        let ccaches = Ccaches::new(Arc::new(NativeLoader::default()), Selection::Memory);
        assert!(!ccaches.is_present("ccache").unwrap());
        let mut report = FlushReport::default();
        ccaches.flush_into("ccache", &mut report);
        assert!(report.rows().iter().all(|row| matches!(row.outcome, Ok(Flush::Absent))), "{report}");
        for name in [super::MIT, super::HEIMDAL] {
            // SAFETY: nothing is loaded.
            let loaded = unsafe { Library::open(Some(name), RTLD_NOW | libc::RTLD_NOLOAD) };
            assert!(loaded.is_err(), "{name}");
        }
    }

    /// The process's own ccache that is its default.
    const OWN: &std::ffi::CStr = c"MEMORY:client";

    /// Puts the tickets of another ccache into the one in memory.
    fn fill(library: &Library, from: &str) {
        type Raw = *mut std::ffi::c_void;
        type Init = unsafe extern "C" fn(*mut Raw) -> i32;
        type Resolve = unsafe extern "C" fn(Raw, *const std::ffi::c_char, *mut Raw) -> i32;
        type Principal = unsafe extern "C" fn(Raw, Raw, *mut Raw) -> i32;
        type Three = unsafe extern "C" fn(Raw, Raw, Raw) -> i32;

        let from = std::ffi::CString::new(from).unwrap();
        let (mut context, mut file, mut own, mut principal): (Raw, Raw, Raw, Raw) =
            [std::ptr::null_mut(); 4].into();
        // SAFETY: the functions have these types in MIT krb5 and in Heimdal, but for one, which each names its own way; all that
        // they are given is valid.
        unsafe {
            let init = library.get::<Init>(b"krb5_init_context").unwrap();
            let resolve = library.get::<Resolve>(b"krb5_cc_resolve").unwrap();
            let get_principal = library.get::<Principal>(b"krb5_cc_get_principal").unwrap();
            let initialize = library.get::<Three>(b"krb5_cc_initialize").unwrap();
            let copy = library.get::<Three>(b"krb5_cc_copy_creds");
            let copy = copy.or_else(|_| library.get::<Three>(b"krb5_cc_copy_cache")).unwrap();
            assert_eq!(init(&raw mut context), 0);
            assert_eq!(resolve(context, from.as_ptr(), &raw mut file), 0);
            assert_eq!(resolve(context, OWN.as_ptr(), &raw mut own), 0);
            assert_eq!(get_principal(context, file, &raw mut principal), 0);
            assert_eq!(initialize(context, own, principal), 0);
            assert_eq!(copy(context, file, own), 0);
        }
    }

    #[test]
    #[ignore = "run by the tests of clients"]
    fn signs_in_and_out() {
        let client = example::gssapi::Client::new(Some(&env::var(super::LIBRARY).unwrap())).unwrap();
        let user = env::var("SSPCACHE_TEST_USER").ok();
        if let Ok(from) = env::var("SSPCACHE_TEST_FROM") {
            let names = [super::MIT, super::HEIMDAL].into_iter();
            // SAFETY: the GSS-API library has loaded one of them.
            let mut loaded = names
                .filter_map(|name| unsafe { Library::open(Some(name), RTLD_NOW | libc::RTLD_NOLOAD) }.ok());
            fill(&loaded.next().unwrap(), &from);
        }
        example::client::run(&client, "host@localhost", user.as_deref()).unwrap();
    }

    /// Another than the default, which a library may not list.
    #[test]
    #[ignore = "run by the tests of clients"]
    fn names_its_own() {
        let library = env::var(super::LIBRARY).unwrap();
        // SAFETY: the system's Kerberos library.
        let library = unsafe { Library::open(Some(library), RTLD_NOW | RTLD_LOCAL) }.unwrap();
        fill(&library, &env::var("SSPCACHE_TEST_FROM").unwrap());
        let named = Selection::Named(OWN.to_str().unwrap().to_owned());
        let ccaches = Ccaches::new(Arc::new(NativeLoader::default()), named);
        assert!(ccaches.is_present("ccache").unwrap());
        let mut report = FlushReport::default();
        ccaches.flush_into("ccache", &mut report);
        let [row] = report.rows() else { panic!("{report}") };
        assert_eq!((row.entries, row.scope), (Some(1), sspcache::caches::Scope::Process), "{report}");
        assert!(matches!(row.outcome, Ok(Flush::Flushed)), "{report}");
        assert!(!ccaches.is_present("ccache").unwrap());
    }
}
