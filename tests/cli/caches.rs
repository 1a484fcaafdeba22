//! `sspcache caches` and `sspcache flush`: names, questions, exit status, and what becomes of a ccache. Other caches that are there are
//! tested over emulated ones, beside the code.

#[cfg(target_os = "linux")]
use sspcache_tests::ccache_file::{self, SECRET};
use sspcache_tests::program::{Ran, sspcache};
use tempfile::TempDir;

/// A user whose default ccache would be in this folder, and isn't there. No cache of the user who runs the tests is looked at.
fn command(folder: &TempDir) -> std::process::Command {
    let mut command = sspcache();
    command.env("KRB5CCNAME", format!("FILE:{}", folder.path().join("ccache").display()));
    // Nothing of this machine's configuration.
    command.env("KRB5_CONFIG", folder.path().join("krb5.conf"));
    command
}

fn folder() -> TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("krb5.conf"), "[libdefaults]\n").unwrap();
    folder
}

/// K1: what belongs to a process is refused, and with the reason.
#[test]
fn what_is_in_the_memory_of_a_program_is_refused_with_the_reason() {
    let folder = folder();
    for name in ["schannel.dll", "wininet.dll", "MSNSSPC.dll", "CONTOSSP.dll", "ccache:MEMORY:app"] {
        let ran = Ran::of(command(&folder).args(["flush", "--yes", "ccache", name])).exits_with(2);
        assert!(
            ran.stdout.is_empty() && ran.stderr.contains("in the memory of the program"),
            "{name}: {ran:?}"
        );
        Ran::of(command(&folder).args(["caches", name])).exits_with(2);
    }
}

#[test]
fn a_name_that_no_cache_has_is_refused_with_those_that_there_are() {
    let folder = folder();
    for name in ["", "tickets", "FILE:/tmp/krb5cc_1000", "credentials", "credentials:*", "ccache:"] {
        let ran = Ran::of(command(&folder).args(["flush", "--yes", name])).exits_with(2);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("error: invalid value"), "{name}: {ran:?}");
    }
    let ran = Ran::of(command(&folder).args(["flush", "tickets"])).exits_with(2);
    assert!(ran.stderr.contains("credentials:PREFIX*"), "{ran:?}");
    Ran::of(command(&folder).arg("flush")).exits_with(2);
}

#[test]
fn without_a_terminal_and_without_yes_nothing_is_flushed() {
    let folder = folder();
    let mut flush = command(&folder);
    let ran = Ran::of(flush.args(["flush", "ccache"]).stdin(std::process::Stdio::null())).exits_with(2);
    assert!(ran.stdout.is_empty(), "{ran:?}");
    assert!(ran.stderr.contains("no terminal to ask on; pass --yes"), "{ran:?}");
    Ran::of(command(&folder).args(["flush", "ccache", "--yes", "--dry-run"])).exits_with(2);
}

/// K2
#[test]
fn a_ccache_that_is_not_there_is_a_success_and_is_not_created() {
    let folder = folder();
    let named = format!("ccache:FILE:{}", folder.path().join("none").display());
    for _ in 0..2 {
        let ran = Ran::of(command(&folder).args(["flush", "--yes", "ccache", &named])).exits_with(0);
        assert_eq!(ran.stdout.matches("absent").count(), 2, "{ran:?}");
        let plan =
            Ran::of(command(&folder).args(["flush", "--dry-run", "--format", "json", "ccache", &named]));
        let plan = plan.exits_with(0).json();
        assert_eq!(plan["dry_run"], true);
        assert_eq!(plan["caches"].as_array().unwrap().len(), 2, "{plan}");
        for cache in plan["caches"].as_array().unwrap() {
            assert_eq!((&cache["state"], &cache["scope"]), (&"absent".into(), &"user".into()), "{plan}");
        }
    }
    assert_eq!(std::fs::read_dir(folder.path()).unwrap().count(), 1, "the configuration alone");
}

#[test]
fn a_flush_reports_as_json_what_the_library_reports() {
    let folder = folder();
    let report =
        Ran::of(command(&folder).args(["flush", "--yes", "--format", "json", "ccache"])).exits_with(0);
    let report = report.json();
    assert_eq!(report["success"], true, "{report}");
    let row = &report["rows"][0];
    assert_eq!(
        (&row["cache"], &row["scope"], &row["outcome"]),
        (&"ccache".into(), &"user".into(), &"absent".into())
    );
}

#[test]
fn the_list_says_what_there_is_and_what_it_can_not_have() {
    let folder = folder();
    let text = Ran::of(command(&folder).args(["caches"])).exits_with(0).stdout;
    assert!(text.contains("kerberos") && text.contains("Not listed:"), "{text}");
    let list = Ran::of(command(&folder).args(["caches", "--format", "json", "ccache"])).exits_with(0).json();
    let [cache] = list.as_array().unwrap().as_slice() else { panic!("{list}") };
    assert_eq!((&cache["state"], &cache["can_be_flushed"]), (&"absent".into(), &true.into()), "{list}");
}

#[test]
fn the_help_says_which_names_there_are_and_what_the_exit_status_means() {
    let help = Ran::of(sspcache().args(["flush", "--help"])).exits_with(0).stdout;
    for promise in
        ["Exit status: 1", "2 when", "--yes", "--dry-run", "kerberos", "ccache:*", "credentials:PREFIX*"]
    {
        assert!(help.contains(promise), "{promise} is not in: {help}");
    }
}

/// Questions, which take a terminal.
#[cfg(unix)]
mod terminal {
    use std::{
        fs::File,
        io::{Read as _, Write as _},
        os::fd::OwnedFd,
    };

    use rustix::{
        fs::{Mode, OFlags},
        pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt},
    };

    use super::*;

    /// Runs the command on a terminal of its own, on which this is typed. Returns the result, and what the terminal shows.
    fn on_a_terminal(command: &mut std::process::Command, typed: &str) -> (Ran, String) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let slave =
            || -> OwnedFd { rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap() };
        let mut master = File::from(master);
        // The terminal keeps it until it is read.
        master.write_all(typed.as_bytes()).unwrap();
        let held = slave();
        let ran = Ran::of(command.stdin(slave()).stderr(slave()));
        // What was shown is read while the terminal is held: some systems drop it with the last program that has it open.
        rustix::fs::fcntl_setfl(&master, OFlags::NONBLOCK).unwrap();
        let mut shown = Vec::new();
        let _ends_with_an_error = master.read_to_end(&mut shown);
        drop(held);
        (ran, String::from_utf8_lossy(&shown).into_owned())
    }

    #[test]
    fn there_is_no_question_about_what_is_not_there() {
        let folder = folder();
        // A question would get an answer, and the run would end all the same.
        let (ran, shown) = on_a_terminal(command(&folder).args(["flush", "ccache"]), "n\n");
        let ran = ran.exits_with(0);
        assert!(ran.stdout.contains("absent") && !shown.contains("[y/N]"), "{ran:?}, {shown}");
    }

    /// K1, K4
    #[cfg(target_os = "linux")]
    #[test]
    fn a_flush_says_what_it_would_empty_and_asks() {
        let folder = folder();
        let ccache = write_ccache(&folder, "ccache");
        for (typed, status, stays) in [("\n", 1, true), ("n\n", 1, true), ("y\n", 0, false)] {
            let (ran, shown) = on_a_terminal(command(&folder).args(["flush", "ccache"]), typed);
            let ran = ran.exits_with(status);
            for part in [TICKET, "Other programs of the user are signed out as well.", "Flush? [y/N]"] {
                assert!(shown.contains(part), "{part} is not in: {shown}");
            }
            assert!(shown.contains(ccache.to_str().unwrap()) && !shown.contains(SECRET), "{shown}");
            assert_eq!(ccache.exists(), stays, "{typed:?}: {ran:?}");
            assert_eq!(ran.stdout.contains("flushed") && ran.stdout.contains("1 entry"), !stays, "{ran:?}");
            assert_eq!(shown.contains("nothing was flushed"), stays, "{shown}");
        }
    }
}

/// The server of the ticket in a ccache of [`write_ccache`].
#[cfg(target_os = "linux")]
const TICKET: &str = "krbtgt/CONTOSO.EXAMPLE@CONTOSO.EXAMPLE";

/// Writes a ccache of alice's with one ticket, in the folder.
#[cfg(target_os = "linux")]
fn write_ccache(folder: &TempDir, name: &str) -> std::path::PathBuf {
    let path = folder.path().join(name);
    ccache_file::write(&path, [TICKET]);
    path
}

/// K2, K4: looking at a ccache changes nothing; names are shown, and no secret.
#[cfg(target_os = "linux")]
#[test]
fn a_ccache_is_listed_by_the_names_of_its_tickets_and_then_destroyed() {
    let folder = folder();
    let ccache = write_ccache(&folder, "ccache");
    let before = std::fs::read(&ccache).unwrap();
    let name = format!("ccache:FILE:{}", ccache.display());
    for arguments in
        [&["caches"][..], &["caches", "ccache"], &["caches", &name], &["flush", "--dry-run", &name]]
    {
        let ran = Ran::of(command(&folder).args(arguments)).exits_with(0);
        assert!(ran.stdout.contains(&name) && ran.stdout.contains(TICKET), "{arguments:?}: {ran:?}");
        assert!(!ran.stdout.contains(SECRET), "{ran:?}");
    }
    let list = Ran::of(command(&folder).args(["caches", "--format", "json"])).exits_with(0).json();
    let listed = list.as_array().unwrap().iter().find(|listed| listed["name"] == name.as_str()).unwrap();
    assert_eq!((&listed["state"], &listed["entries"]), (&"entries".into(), &vec![TICKET].into()), "{list}");
    assert_eq!(std::fs::read(&ccache).unwrap(), before);

    let report = Ran::of(command(&folder).args(["flush", "--yes", "--format", "json", "ccache", &name]));
    let report = report.exits_with(0).json();
    let rows: Vec<_> =
        report["rows"].as_array().unwrap().iter().map(|row| (&row["outcome"], &row["entries"])).collect();
    assert_eq!(rows.len(), 2, "{report}");
    // It was named twice. Which of the two names was first is no matter.
    assert!(
        rows.contains(&(&"flushed".into(), &1.into())) && rows.iter().any(|row| row.0 == "absent"),
        "{report}"
    );
    assert!(!ccache.exists());
}

/// K1: one of a collection is named, or all.
#[cfg(target_os = "linux")]
#[test]
fn a_collection_is_flushed_by_its_name_alone() {
    let folder = folder();
    let collection = folder.path().join("collection");
    std::fs::create_dir(&collection).unwrap();
    let command = || {
        let mut command = command(&folder);
        command.env("KRB5CCNAME", format!("DIR:{}", collection.display()));
        command
    };
    let both = ["collection/tkt", "collection/tktother"].map(|name| write_ccache(&folder, name));
    let listed = Ran::of(command().args(["caches"])).exits_with(0).stdout;
    assert_eq!(listed.matches(TICKET).count(), 2, "{listed}");
    Ran::of(command().args(["flush", "--yes", "ccache"])).exits_with(0);
    assert_eq!(both.each_ref().map(|path| path.exists()), [false, true], "the primary one is the default");
    Ran::of(command().args(["flush", "--yes", "ccache:*"])).exits_with(0);
    assert_eq!(both.each_ref().map(|path| path.exists()), [false, false]);
}
