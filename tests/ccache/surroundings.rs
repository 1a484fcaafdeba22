//! What is in the way of a flush: each is an error that says what and where, and nothing is lost that wasn't asked for.

use std::{
    fs::{self, File},
    os::{fd::AsRawFd as _, unix::fs::PermissionsExt as _},
    path::Path,
};

use sspcache_tests::kdc::{Kdc, Kind};

use crate::flush::{HEIMDAL, MIT, flush};

const LIBRARIES: [&str; 2] = [MIT, HEIMDAL];

/// A KDC, and a ccache with tickets.
fn signed_in() -> (Kdc, String) {
    let kdc = Kdc::start(Kind::Mit);
    let ccache = format!("FILE:{}", kdc.path("ccache").display());
    kdc.kinit(&ccache);
    (kdc, ccache)
}

/// K3
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_ccache_of_another_user_is_an_error_and_stays() {
    let (kdc, ccache) = signed_in();
    let everyone = |path: &Path, mode| fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
    // So that it can be reached. Without root's rights the test takes its own away.
    everyone(&kdc.path(""), 0o755);
    // SAFETY: it has no conditions.
    let is_root = unsafe { libc::geteuid() } == 0;
    everyone(&kdc.path("ccache"), if is_root { 0o600 } else { 0 });
    for library in LIBRARIES {
        for selection in ["default", &ccache] {
            let row = flush(&kdc, selection, &ccache).with(library).limited("nobody").row();
            row.is(&ccache, None, "other");
            assert!(row.text.contains("ermission") && row.text.contains(library), "{row:?}");
        }
    }
    everyone(&kdc.path("ccache"), 0o600);
    assert!(kdc.reaches_service(&ccache));
}

/// K2
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_ccache_that_is_locked_is_an_error_and_stays() {
    let (kdc, ccache) = signed_in();
    let locked = File::options().read(true).write(true).open(kdc.path("ccache")).unwrap();
    // SAFETY: all zeroes are a value of it.
    let mut lock: libc::flock = unsafe { std::mem::zeroed() };
    lock.l_type = libc::F_WRLCK.try_into().unwrap();
    // SAFETY: the file is open, and the structure valid.
    assert_eq!(unsafe { libc::fcntl(locked.as_raw_fd(), libc::F_SETLK, &raw const lock) }, 0);
    for library in LIBRARIES {
        let row = flush(&kdc, "default", &ccache).with(library).row();
        row.is(&ccache, None, "other");
        let says = format!("{} is locked by process {}", kdc.path("ccache").display(), std::process::id());
        assert!(row.text.contains(&says), "{row:?}");
    }
    drop(locked);
    assert!(kdc.reaches_service(&ccache));
    flush(&kdc, "default", &ccache).row().is(&ccache, Some(2), "flushed");
}

/// K4: where nothing more can be written, as on a full disk, the tickets go nevertheless or their ccache is an error.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn where_nothing_can_be_written_no_flush_is_claimed() {
    for library in LIBRARIES {
        let (kdc, ccache) = signed_in();
        let row = flush(&kdc, "default", &ccache).with(library).limited("no-space").row();
        if kdc.path("ccache").exists() {
            assert_eq!((row.instance.as_str(), row.outcome.as_str()), (&*ccache, "other"), "{row:?}");
        } else {
            assert!(!kdc.reaches_service(&ccache));
        }
    }
}

/// K2: a library overwrites whatever it is told to destroy.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_file_that_is_no_ccache_is_left_as_it_is() {
    let (kdc, _) = signed_in();
    let thesis = kdc.path("thesis.txt");
    fs::write(&thesis, "years of work\n").unwrap();
    let name = format!("FILE:{}", thesis.display());
    for library in LIBRARIES {
        for selection in ["default", &name] {
            let row = flush(&kdc, selection, &name).with(library).row();
            row.is(&name, None, "other");
            assert!(row.text.contains("isn't a ccache"), "{row:?}");
            assert_eq!(fs::read_to_string(&thesis).unwrap(), "years of work\n");
        }
    }
    let name = format!("FILE:{}", kdc.path("").display());
    let row = flush(&kdc, &name, "FILE:nowhere").row();
    assert_eq!(row.outcome, "other", "{row:?}");
    assert!(row.text.contains("not a regular file"), "{row:?}");
}

/// K4: what is left of a ccache may still have a ticket in it.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_ccache_that_is_broken_off_is_destroyed() {
    for library in LIBRARIES {
        let (kdc, ccache) = signed_in();
        let whole = fs::read(kdc.path("ccache")).unwrap();
        for length in [2, 5, 20, 60, whole.len() / 2, whole.len() - 1] {
            fs::write(kdc.path("ccache"), &whole[..length]).unwrap();
            let row = flush(&kdc, "default", &ccache).with(library).row();
            assert_eq!(
                (row.instance.as_str(), row.outcome.as_str()),
                (&*ccache, "flushed"),
                "{length} {row:?}"
            );
            assert!(!kdc.path("ccache").exists(), "{library} {length}");
        }
        // Whatever has become of the rest of it.
        let mut broken = whole.clone();
        broken[30..].fill(0xff);
        fs::write(kdc.path("ccache"), broken).unwrap();
        let row = flush(&kdc, "default", &ccache).with(library).row();
        assert_eq!(row.outcome, "flushed", "{row:?}");
    }
}

/// K3
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_type_that_no_library_knows_is_unsupported() {
    let (kdc, _) = signed_in();
    for library in LIBRARIES {
        for selection in ["default", "collection", "FOO:bar"] {
            let row = flush(&kdc, selection, "FOO:bar").with(library).row();
            assert_eq!(row.outcome, "unsupported", "{row:?}");
            assert!(row.text.contains("FOO:bar") && row.text.contains("nknown"), "{row:?}");
        }
    }
}

/// K3: as in containers.
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn where_a_process_may_have_no_keyrings_they_are_unsupported() {
    let (kdc, _) = signed_in();
    for name in
        ["KEYRING:session:sspcache", "KEYRING:user:sspcache", "KEYRING:persistent:0", "KEYRING:sspcache"]
    {
        for selection in ["default", "collection", name] {
            let row = flush(&kdc, selection, name).with(MIT).limited("no-keyrings").row();
            assert_eq!(row.outcome, "unsupported", "{row:?}");
            assert!(row.text.contains("no keyrings") && row.text.contains(name), "{row:?}");
        }
    }
}

/// K3
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn a_configuration_that_is_broken_is_an_error_that_names_it() {
    let (kdc, ccache) = signed_in();
    fs::write(kdc.path("broken.conf"), "[libdefaults\n default_realm = }\n").unwrap();
    let broken = |selection, library| {
        flush(&kdc, selection, &ccache).with(library).env("KRB5_CONFIG", &kdc.path("broken.conf")).row()
    };
    for selection in ["default", "memory", "collection", &ccache] {
        let row = broken(selection, MIT);
        assert_eq!(row.outcome, "other", "{row:?}");
        assert!(row.text.contains("broken.conf") && row.text.contains(MIT), "{row:?}");
    }
    assert!(kdc.reaches_service(&ccache));
    // Heimdal goes on without what it can't read; the name of the ccache doesn't come from there.
    let row = broken("default", HEIMDAL);
    row.is(&ccache, Some(2), "flushed");
}
