//! The Credential Manager of the user who runs the tests, with targets that no other program has.

use std::{
    io, process, ptr,
    sync::{Mutex, MutexGuard, PoisonError},
};

use sspcache::{
    CredentialProvider, Error, Flush, FlushReport,
    caches::{Caches, Contents, Scope},
};
use windows_sys::Win32::{
    Foundation::ERROR_NOT_FOUND,
    Security::Credentials::{
        CRED_PERSIST_SESSION, CRED_TYPE_DOMAIN_PASSWORD, CRED_TYPE_GENERIC, CREDENTIALW, CredDeleteW,
        CredFree, CredReadW, CredWriteW,
    },
};

/// An entry that the test wrote. It is deleted when this is dropped.
struct Entry {
    target: Vec<u16>,
    kind: u32,
}

impl Entry {
    fn write(target: &str, kind: u32) -> Self {
        let mut entry = Self { target: target.encode_utf16().chain([0]).collect(), kind };
        let mut user: Vec<u16> = "alice\0".encode_utf16().collect();
        // Of an odd length, after which Wine aligns nothing.
        let mut secret = *b"correct";
        let credential = CREDENTIALW {
            Type: kind,
            TargetName: entry.target.as_mut_ptr(),
            CredentialBlobSize: u32::try_from(secret.len()).unwrap(),
            CredentialBlob: secret.as_mut_ptr(),
            Persist: CRED_PERSIST_SESSION,
            UserName: user.as_mut_ptr(),
            ..CREDENTIALW::default()
        };
        // SAFETY: the strings end in a null, the secret has its size, and all of them are there until the call returns.
        let written = unsafe { CredWriteW(&raw const credential, 0) };
        assert_ne!(written, 0, "{target}: {}", io::Error::last_os_error());
        entry
    }

    fn exists(&self) -> bool {
        let mut credential = ptr::null_mut();
        // SAFETY: the name ends in a null, and the pointer is valid for the call to fill in.
        let found = unsafe { CredReadW(self.target.as_ptr(), self.kind, 0, &raw mut credential) };
        if found == 0 {
            let error = io::Error::last_os_error();
            assert_eq!(error.raw_os_error(), Some(ERROR_NOT_FOUND.cast_signed()), "{error}");
            return false;
        }
        // SAFETY: the call above allocated it.
        unsafe { CredFree(credential.cast()) };
        true
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        // SAFETY: the name ends in a null. It may be deleted already.
        unsafe { CredDeleteW(self.target.as_ptr(), self.kind, 0) };
    }
}

/// Lets one test at a time write and delete: Wine 8 misses entries that it enumerates while others are deleted *(observed)*.
fn alone() -> MutexGuard<'static, ()> {
    static ALONE: Mutex<()> = Mutex::new(());
    ALONE.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A prefix of this process and this test.
fn prefix(test: &str) -> String {
    format!("sspcache-{test}-{}", process::id())
}

fn flush(filter: &str) -> FlushReport {
    let mut report = FlushReport::default();
    Caches::process().and_credentials(filter).unwrap().flush_into("credentials", &mut report);
    report
}

fn status(filter: &str) -> Contents {
    let caches = Caches::process().and_credentials(filter).unwrap();
    caches.status().remove(0).contents.unwrap()
}

/// K1, K4: those that the filter means, of each type, and no other.
#[test]
fn entries_that_match_are_deleted_and_others_stay() {
    let _alone = alone();
    let prefix = prefix("match");
    let meant = [
        Entry::write(&format!("{prefix}/alice"), CRED_TYPE_GENERIC),
        Entry::write(&format!("{prefix}/alice"), CRED_TYPE_DOMAIN_PASSWORD),
        Entry::write(&format!("{}/BOB", prefix.to_uppercase()), CRED_TYPE_GENERIC),
    ];
    let others = [
        Entry::write(&prefix, CRED_TYPE_GENERIC),
        Entry::write(&format!("{prefix}2/alice"), CRED_TYPE_GENERIC),
        Entry::write(&format!("x{prefix}/alice"), CRED_TYPE_GENERIC),
    ];
    let filter = format!("{prefix}/*");
    let Contents::Entries(listed) = status(&filter) else { panic!("{:?}", status(&filter)) };
    assert_eq!(listed.len(), 3, "{listed:?}");
    assert!(meant.iter().all(Entry::exists), "a status deletes nothing");

    let report = flush(&filter);
    let row = &report.rows()[0];
    assert_eq!(*row.outcome.as_ref().unwrap(), Flush::Flushed);
    assert_eq!((row.entries, row.scope, row.instance.as_deref()), (Some(3), Scope::User, Some(&*filter)));
    assert!(!meant.iter().any(Entry::exists), "{report}");
    assert!(others.iter().all(Entry::exists), "{report}");
    assert!(!format!("{report} {report:?}").contains("correct"), "{report}");

    assert_eq!(flush(&filter).into_result().unwrap(), Flush::Absent);
    assert_eq!(status(&filter), Contents::Absent);
}

/// K1: a whole name is no prefix.
#[test]
fn a_whole_name_means_the_entries_of_that_target() {
    let _alone = alone();
    let prefix = prefix("whole");
    let (whole, longer) =
        (Entry::write(&prefix, CRED_TYPE_GENERIC), Entry::write(&format!("{prefix}/x"), CRED_TYPE_GENERIC));
    let report = flush(&prefix.to_uppercase());
    assert_eq!(report.rows()[0].entries, Some(1), "{report}");
    assert!(!whole.exists() && longer.exists());
}

/// K1: what would sign other programs out is refused before anything is asked.
#[test]
fn a_filter_that_means_too_much_is_refused() {
    let _alone = alone();
    let entry = Entry::write(&prefix("refused"), CRED_TYPE_GENERIC);
    for filter in ["", "*", "**", "sspcache-*-x", "*sspcache", "sspcache-**", "sspcache\0-*"] {
        let error = Caches::process().and_credentials(filter).unwrap_err();
        assert!(matches!(error, Error::InvalidFilter { .. }), "{filter:?}: {error}");
    }
    assert!(entry.exists());
}

/// K1, K2, K4: what the emulated Credential Manager passes, this one does, too, as far as a test can set it up.
#[test]
fn it_is_flushed_as_the_table_says() {
    let _alone = alone();
    assert_eq!(
        table::run("credentials", table::Real::default),
        [
            "entries of a prefix are deleted, and no others",
            "an entry of a whole name is deleted, and none that begins with it",
            "names compare without case",
            "entries of one target and several types are deleted, each",
            "a filter without entries is absent",
            "deleted once more, they are absent",
            "each filter has its row",
        ]
    );
}

mod table {
    //! This Credential Manager in the shared table of cases.

    use std::collections::BTreeMap;

    use sspcache::{CredentialProvider, caches::Caches};
    pub(super) use sspcache_tests::caches::run;
    use sspcache_tests::caches::{self, Case, State, Surroundings, added};

    use super::{Entry, prefix};

    #[derive(Default)]
    pub(super) struct Real {
        written: Vec<(caches::Entry, Entry)>,
    }

    impl Surroundings for Real {
        fn names(&self) -> BTreeMap<&'static str, String> {
            [("app", prefix("table"))].into()
        }

        fn set_up(&mut self, case: &Case) -> bool {
            // Nothing makes this one fail.
            if !case.faults.is_empty() {
                return false;
            }
            let write = |entry: &caches::Entry| (entry.clone(), Entry::write(&entry.target, entry.kind));
            self.written = case.start.credentials.iter().map(write).collect();
            true
        }

        fn caches(&self, and: &[String]) -> Box<dyn CredentialProvider> {
            Box::new(added(Caches::process(), and))
        }

        fn state(&self, _: &State) -> State {
            let there = self.written.iter().filter(|(_, entry)| entry.exists());
            State { credentials: there.map(|(entry, _)| entry.clone()).collect(), ..State::default() }
        }
    }
}
