//! Tickets that a KDC gave, before and after a flush.

use std::{
    fs,
    io::{self, Write as _},
    net::{Ipv4Addr, TcpStream},
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
    process::Stdio,
    thread,
    time::Duration,
};

use sspcache_tests::kdc::{Kdc, Kind, PASSWORD};

use crate::flush::{HEIMDAL, MIT, Row, child, flush};

const KDCS: [Kind; 2] = [Kind::Mit, Kind::Heimdal];

fn file(kdc: &Kdc, name: &str) -> String {
    format!("FILE:{}", kdc.path(name).display())
}

/// Signs in, and gets a ticket for a service.
#[track_caller]
fn sign_in(kdc: &Kdc, ccache: &str) {
    kdc.kinit(ccache);
    assert!(kdc.reaches_service(ccache), "{ccache}");
    assert!(kdc.klist(ccache).1.contains(&kdc.principal("host/localhost")), "{:?}", kdc.klist(ccache));
}

/// Nothing is there any more, as the library's own programs see it.
#[track_caller]
fn assert_signed_out(kdc: &Kdc, ccache: &str) {
    let (succeeds, printed) = kdc.klist(ccache);
    assert!(!printed.contains(&kdc.principal("alice")), "{printed}");
    assert!(kdc.kind() == Kind::Heimdal || !succeeds, "{printed}");
    assert!(!kdc.reaches_service(ccache), "{ccache}");
}

/// K2, K4: each library reads what either's kinit wrote.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_service_is_out_of_reach_after_a_flush_of_the_default_ccache() {
    for kdc in KDCS.map(Kdc::start) {
        for library in [MIT, HEIMDAL] {
            let ccache = file(&kdc, "ccache");
            sign_in(&kdc, &ccache);
            let looks = flush(&kdc, "default", &ccache).with(library).looks();
            let [there] = &looks[..] else { panic!("{looks:?}") };
            there.is(&ccache, Some(2), "there");
            assert!(there.text.contains(&kdc.principal("host/localhost")), "{there:?}");
            let row = flush(&kdc, "default", &ccache).with(library).row();
            row.is(&ccache, Some(2), "flushed");
            assert_eq!(row.scope, "user");
            assert_signed_out(&kdc, &ccache);
            flush(&kdc, "default", &ccache).with(library).row().is("default", None, "absent");
            assert!(!kdc.path("ccache").exists());
        }
    }
}

/// K2: an installed library is loaded for the user's ccaches; the library isn't the cache.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_process_without_a_kerberos_library_flushes_through_an_installed_one() {
    let kdc = Kdc::start(Kind::Mit);
    let (default, other) = (file(&kdc, "ccache"), file(&kdc, "other"));
    for (selection, ccache) in [("default", &default), ("collection", &default), (&*other, &other)] {
        sign_in(&kdc, ccache);
        flush(&kdc, selection, &default).row().is(ccache, Some(2), "flushed");
        assert_signed_out(&kdc, ccache);
    }
}

/// K4: two libraries in one process see the same ccache.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_ccache_is_flushed_once() {
    let kdc = Kdc::start(Kind::Heimdal);
    let ccache = file(&kdc, "ccache");
    for (selection, both) in [("default", [MIT, HEIMDAL]), ("collection", [HEIMDAL, MIT])] {
        sign_in(&kdc, &ccache);
        flush(&kdc, selection, &ccache).with(&both.join(",")).row().is(&ccache, Some(2), "flushed");
        assert_signed_out(&kdc, &ccache);
    }
}

/// K1: the flush named none of the others.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_ccache_that_is_flushed_by_name_is_the_only_one() {
    let kdc = Kdc::start(Kind::Mit);
    let (default, other) = (file(&kdc, "ccache"), file(&kdc, "other"));
    sign_in(&kdc, &default);
    sign_in(&kdc, &other);
    flush(&kdc, &other, &default).row().is(&other, Some(2), "flushed");
    assert_signed_out(&kdc, &other);
    assert!(kdc.reaches_service(&default));
}

/// K1, K4: of a directory the default flushes the primary alone, as kdestroy does; the collection, and the directory by name, all.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_directory_is_flushed_as_a_whole_where_it_is_named() {
    for kdc in KDCS.map(Kdc::start) {
        for library in [MIT, HEIMDAL] {
            let path = kdc.path("directory");
            let directory = format!("DIR:{}", path.display());
            let one = |name: &str| format!("DIR::{}/{name}", path.display());
            fs::create_dir(&path).unwrap();
            let fill = || {
                for name in ["tkt", "tktb"] {
                    // By the names of the files: for those of a directory Heimdal's kinit leaves an empty file in /tmp.
                    sign_in(&kdc, &format!("FILE:{}", path.join(name).display()));
                    assert!(kdc.klist(&one(name)).0);
                }
                fs::write(path.join("primary"), "tktb\n").unwrap();
            };
            let flush = |selection: &str, default: &str| flush(&kdc, selection, default).with(library).rows();
            fill();
            let rows = flush("default", &directory);
            assert_eq!(rows.len(), 1, "{rows:?}");
            rows[0].is(&one("tktb"), Some(2), "flushed");
            assert!(kdc.reaches_service(&one("tkt")));
            for (selection, default) in [("collection", &*directory), (&*directory, "FILE:nowhere")] {
                fill();
                let rows = flush(selection, default);
                assert_eq!(rows.len(), 2, "{rows:?}");
                rows[0].is(&one("tktb"), Some(2), "flushed");
                rows[1].is(&one("tkt"), Some(2), "flushed");
                assert_signed_out(&kdc, &one("tkt"));
                assert_signed_out(&kdc, &one("tktb"));
            }
            fs::remove_dir_all(path).unwrap();
        }
    }
}

/// Whether this kernel lets a process have keyrings. Where it doesn't, that is said: containers often may not.
fn has_keyrings() -> bool {
    const GET_KEYRING_ID: libc::c_long = 0;
    const USER: libc::c_long = -4;
    // SAFETY: it asks for the number of the user's keyring, and makes one.
    if unsafe { libc::syscall(libc::SYS_keyctl, GET_KEYRING_ID, USER, 1) } >= 0 {
        return true;
    }
    let why = io::Error::last_os_error();
    // Not by `eprintln!`: the harness shows what a test prints that way only where it fails.
    let mut seen = io::stderr();
    writeln!(seen, "left out: ccaches in keyrings, which the kernel doesn't give this process: {why}")
        .unwrap();
    false
}

/// What MIT krb5 leaves of a collection in the user's keyring: it ends with the test.
struct Collection(String);

impl Drop for Collection {
    fn drop(&mut self) {
        /// Of <linux/keyctl.h>.
        const SEARCH: libc::c_long = 10;
        const UNLINK: libc::c_long = 9;
        const USER: libc::c_long = -4;

        let name = std::ffi::CString::new(format!("_krb_{}", self.0)).unwrap();
        // SAFETY: the strings are valid; what is found is unlinked from where it was found.
        unsafe {
            let found = libc::syscall(libc::SYS_keyctl, SEARCH, USER, c"keyring".as_ptr(), name.as_ptr(), 0);
            libc::syscall(libc::SYS_keyctl, UNLINK, found, USER);
        }
    }
}

/// K2, K4
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn tickets_in_the_kernels_keyrings_are_flushed() {
    let kdc = Kdc::start(Kind::Mit);
    let name = Collection(format!("sspcache{}", std::process::id()));
    let collection = format!("KEYRING:user:{}", name.0);
    let names = [format!("{collection}:one"), format!("{collection}:two")];
    if !has_keyrings() {
        return;
    }
    let fill = || {
        for name in &names {
            kdc.kinit(name);
            assert!(kdc.reaches_service(name));
        }
    };
    let sorted = |mut rows: Vec<Row>| {
        rows.sort_by(|a, b| a.instance.cmp(&b.instance));
        rows
    };
    fill();
    flush(&kdc, &names[0], "FILE:nowhere").row().is(&names[0], Some(2), "flushed");
    assert_signed_out(&kdc, &names[0]);
    assert!(kdc.reaches_service(&names[1]));
    for (selection, default) in [("collection", &*collection), (&*collection, "FILE:nowhere")] {
        fill();
        let rows = sorted(flush(&kdc, selection, default).rows());
        assert_eq!(rows.len(), 2, "{rows:?}");
        rows[0].is(&names[0], Some(2), "flushed");
        rows[1].is(&names[1], Some(2), "flushed");
        assert_signed_out(&kdc, &names[0]);
        assert_signed_out(&kdc, &names[1]);
    }
    // Heimdal's library doesn't know the type, but MIT krb5's does.
    let both = [HEIMDAL, MIT].join(",");
    for (selection, default, libraries) in [
        (&*names[0], "FILE:nowhere", HEIMDAL),
        ("default", &names[0], HEIMDAL),
        ("default", &names[0], &both),
    ] {
        fill();
        flush(&kdc, selection, default).with(libraries).row().is(&names[0], Some(2), "flushed");
    }
}

const GSSAPI: [&str; 2] = ["libgssapi_krb5.so.2", "libgssapi.so.3"];

/// Runs a test of a client in a process of its own; returns what it printed.
#[track_caller]
fn client(kdc: &Kdc, test: &str, library: &str, variable: (&str, &str), default: &str) -> String {
    let mut client = child(test);
    kdc.bind(&mut client, default).env("SSPCACHE_TEST_LIBRARY", library).env(variable.0, variable.1);
    client.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut client = client.spawn().unwrap();
    // Not every client reads it.
    let _ = writeln!(client.stdin.take().unwrap(), "{PASSWORD}");
    let ran = client.wait_with_output().unwrap();
    let printed = String::from_utf8_lossy(&ran.stdout).into_owned();
    let errors = String::from_utf8_lossy(&ran.stderr);
    assert!(ran.status.success() && printed.contains("1 passed"), "{printed}{errors}");
    printed
}

/// K1, K2, K4: the tickets of the process, in its memory. Those of the user stay.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_client_with_tickets_in_its_memory_signs_out() {
    for (kdc, library) in KDCS.map(Kdc::start).into_iter().zip(GSSAPI) {
        let of_user = file(&kdc, "ccache");
        kdc.kinit(&of_user);
        let from = ("SSPCACHE_TEST_FROM", &*of_user);
        let printed = client(&kdc, "child::signs_in_and_out", library, from, "MEMORY:client");
        let row = printed.lines().find(|line| line.contains("MEMORY:client")).expect(&printed);
        assert!(row.contains("flushed") && row.contains('2'), "{row}");
        assert!(printed.contains("no way back"), "{printed}");
        assert!(kdc.reaches_service(&of_user));
    }
}

/// K1, K2, K4: MIT krb5 lists no ccache in memory but the default.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_client_flushes_tickets_in_memory_that_it_names() {
    for (kdc, library) in KDCS.map(Kdc::start).into_iter().zip([MIT, HEIMDAL]) {
        let of_user = file(&kdc, "ccache");
        kdc.kinit(&of_user);
        client(&kdc, "child::names_its_own", library, ("SSPCACHE_TEST_FROM", &of_user), &of_user);
        assert!(kdc.reaches_service(&of_user));
    }
}

/// K1, K4
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_client_signs_out_of_what_the_user_had_signed_in_to() {
    for (kdc, library) in KDCS.map(Kdc::start).into_iter().zip(GSSAPI) {
        let of_user = file(&kdc, "ccache");
        kdc.kinit(&of_user);
        let with_password = ("SSPCACHE_TEST_USER", &*kdc.principal("alice"));
        for variable in [("SSPCACHE_TEST_NONE", ""), with_password] {
            kdc.kinit(&of_user);
            let printed = client(&kdc, "child::signs_in_and_out", library, variable, &of_user);
            assert!(printed.contains("no way back"), "{printed}");
            assert_signed_out(&kdc, &of_user);
        }
    }
}

/// K2: a look, and a flush of what isn't there.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn what_is_absent_stays_so() {
    let kdc = Kdc::start(Kind::Mit);
    let folder = kdc.path("empty");
    fs::create_dir(&folder).unwrap();
    let path = |name: &str| folder.join(name).display().to_string();
    let keyring = format!("KEYRING:user:sspcache-absent{}", std::process::id());
    // Of a user ID that no user has.
    let persistent = "KEYRING:persistent:424242424".to_owned();
    let made = [format!("_krb_sspcache-absent{}:", std::process::id()), "_persistent.424242424:".to_owned()];
    let keys = || {
        let keys = fs::read_to_string("/proc/keys").unwrap_or_default();
        made.iter().any(|made| keys.contains(made))
    };
    let names = [
        format!("FILE:{}", path("file")),
        path("without a type"),
        format!("FILE:{}", path("no/such/folder")),
        format!("DIR:{}", path("directory")),
        format!("DIR::{}", path("directory/tkt")),
        format!("DIR:{}", folder.display()),
        "MEMORY:nothing".to_owned(),
    ];
    let names =
        names.into_iter().chain(has_keyrings().then_some([keyring, persistent]).into_iter().flatten());
    for name in names {
        for library in [MIT, HEIMDAL] {
            for (selection, shown) in [("default", "default"), ("collection", "collection"), (&*name, &*name)]
            {
                let looks = flush(&kdc, selection, &name).with(library).looks();
                assert_eq!(looks.len(), 1, "{looks:?}");
                looks[0].is(shown, None, "absent");
                flush(&kdc, selection, &name).with(library).row().is(shown, None, "absent");
            }
        }
        assert!(is_empty(&folder), "{name}: {:?}", fs::read_dir(&folder).unwrap().collect::<Vec<_>>());
        assert!(!keys(), "{name}");
    }
}

fn is_empty(folder: &Path) -> bool {
    fs::read_dir(folder).unwrap().next().is_none()
}

/// K2: no library is loaded in order to look into its memory.
#[test]
fn without_a_library_nothing_is_in_memory() {
    let folder = tempfile::tempdir().unwrap();
    let mut looks = child("child::finds_no_library");
    let ran = looks.env("KRB5_CONFIG", folder.path().join("none")).output().unwrap();
    assert!(ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "{ran:?}");
}

#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_kdc_ends_with_a_test_that_panics() {
    for kind in KDCS {
        let mut port = 0;
        let panicked = catch_unwind(AssertUnwindSafe(|| {
            let kdc = Kdc::start(kind);
            port = kdc.port();
            assert!(TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok());
            panic!("as a test does");
        }));
        assert!(panicked.is_err_and(|why| why.is::<&str>()));
        // Its workers end by themselves, after it.
        while TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok() {
            thread::sleep(Duration::from_millis(10));
        }
    }
}
