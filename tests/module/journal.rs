//! The journal that the mock DLLs write: complete, whole and without a secret, whatever becomes of the process.

use std::{
    collections::BTreeSet,
    fs,
    path::Path,
    process::Stdio,
    sync::{Arc, Barrier},
    thread,
    time::Duration,
};

use sspcache_engine::{
    Ending, EventKind,
    journal::{self, Journal},
};
use sspcache_tests::dll::{self, Mock, Wide, in_own_process, succeed};
#[cfg(unix)]
use sspcache_tests::{context::Terms, dll::Ask};

use crate::providers;

const SECRET: &str = "hunter2-in-journal";

/// The journals in a folder; none is cut or has a gap, and no file has the secret in it.
#[track_caller]
fn journals(folder: &Path) -> Vec<Journal> {
    let files = journal::find(folder).unwrap();
    for file in &files {
        let bytes = fs::read(file).unwrap();
        let wide: Vec<u8> = SECRET.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for secret in [SECRET.as_bytes(), &wide] {
            assert!(!bytes.windows(secret.len()).any(|window| window == secret), "{}", file.display());
        }
    }
    let journals: Vec<_> = files.iter().map(|file| Journal::read(file).unwrap()).collect();
    for journal in &journals {
        assert!(!journal.cut && !journal.incomplete, "{journal:?}");
    }
    journals
}

/// Who was cached, in order.
fn cached(journal: &Journal) -> Vec<&str> {
    journal
        .events
        .iter()
        .filter_map(|event| match &event.kind {
            EventKind::Cached { principal, .. } => Some(principal.as_str()),
            _ => None,
        })
        .collect()
}

/// M8, M10, M12
#[test]
fn every_step_is_in_the_journal_and_the_end_says_what_was_left() {
    let _unchanged = providers::unchanged();
    let folder = tempfile::tempdir().unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let alice = sspi.sign_in("alice", "CONTOSO", SECRET).unwrap();
        sspi.free(&raw const alice);
        assert!(mock.flush());
        sspi.silent().unwrap_err();
        sspi.sign_in("bob", "CONTOSO", SECRET).unwrap();
        mock.unload();
    };
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let test = "every_step_is_in_the_journal_and_the_end_says_what_was_left";
    let Some(command) = in_own_process(test, &environment, body) else { return };
    succeed(command);
    let [journal] = &journals(folder.path())[..] else { panic!("one module, one journal") };
    let steps: Vec<_> =
        journal.events.iter().map(|event| (name(&event.kind), event.before, event.after)).collect();
    assert_eq!(
        steps,
        [
            ("started", 0, 0),
            ("cached", 0, 1),
            ("acquired", 1, 1),
            ("freed", 1, 1),
            ("flushed", 1, 0),
            ("refused", 0, 0),
            ("cached", 0, 1),
            ("acquired", 1, 1),
            ("ended", 1, 0),
        ]
    );
    let ended = EventKind::Ended { how: Ending::Unloaded, left: 1, lost: 0 };
    assert_eq!(journal.events.last().unwrap().kind, ended);
}

fn name(kind: &EventKind) -> &'static str {
    match kind {
        EventKind::Acquired { .. } => "acquired",
        EventKind::Cached { .. } => "cached",
        EventKind::Ended { .. } => "ended",
        EventKind::Flushed => "flushed",
        EventKind::Freed { .. } => "freed",
        EventKind::Refused { .. } => "refused",
        EventKind::Started { .. } => "started",
        _ => "another",
    }
}

/// M10
#[test]
fn the_end_of_a_process_is_an_event_of_its_own() {
    let _unchanged = providers::unchanged();
    let folder = tempfile::tempdir().unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        mock.sspi::<Wide>().sign_in("alice", "", SECRET).unwrap();
        // Still loaded when the process ends.
        std::mem::forget(mock);
    };
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let Some(command) = in_own_process("the_end_of_a_process_is_an_event_of_its_own", &environment, body)
    else {
        return;
    };
    succeed(command);
    let [journal] = &journals(folder.path())[..] else { panic!("one module, one journal") };
    // An ELF destructor can't tell the process's end from being unloaded.
    let how = if cfg!(windows) { Ending::Exit } else { Ending::Unloaded };
    assert_eq!(journal.events.last().unwrap().kind, EventKind::Ended { how, left: 1, lost: 0 });
}

/// M12
#[test]
fn a_killed_process_leaves_every_event_up_to_its_last() {
    let _unchanged = providers::unchanged();
    let folder = tempfile::tempdir().unwrap();
    let ready = folder.path().join("ready");
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        for user in dll::users(3) {
            sspi.sign_in(&user, "", SECRET).unwrap();
        }
        fs::write(std::env::var_os("READY").unwrap(), "").unwrap();
        // Killed here; should the other process be gone, this one doesn't stay for ever.
        thread::sleep(Duration::from_mins(2));
    };
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str()), ("READY", ready.as_os_str())];
    let test = "a_killed_process_leaves_every_event_up_to_its_last";
    let Some(mut command) = in_own_process(test, &environment, body) else { return };
    let mut child = command.stdout(Stdio::null()).spawn().unwrap();
    while !ready.exists() {
        assert!(child.try_wait().unwrap().is_none(), "it ended by itself");
        thread::sleep(Duration::from_millis(5));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    let [journal] = &journals(folder.path())[..] else { panic!("one module, one journal") };
    assert_eq!(cached(journal), ["user0", "user1", "user2"]);
    assert_eq!(name(&journal.events.last().unwrap().kind), "acquired");
}

const PROCESSES: usize = 4;
const THREADS: usize = 4;
const SIGN_INS: usize = 50;

/// M12
#[test]
fn four_processes_of_four_threads_lose_and_tear_no_line() {
    let _unchanged = providers::unchanged();
    let folder = tempfile::tempdir().unwrap();
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let mut children = Vec::new();
    for _ in 0..PROCESSES {
        let test = "four_processes_of_four_threads_lose_and_tear_no_line";
        let Some(mut command) = in_own_process(test, &environment, four_threads) else { return };
        children.push(command.stdout(Stdio::null()).spawn().unwrap());
    }
    for mut child in children {
        assert!(child.wait().unwrap().success());
    }
    let journals = journals(folder.path());
    let found: Vec<_> = journals.iter().map(|journal| (&journal.path, journal.events.len())).collect();
    assert_eq!(journals.len(), PROCESSES, "{found:#?}");
    let everybody: Vec<String> = (0..THREADS)
        .flat_map(|thread| dll::users(SIGN_INS).map(move |user| format!("{thread}-{user}")))
        .collect();
    for journal in &journals {
        // Started; cached, acquired and freed for each sign-in; ended.
        assert_eq!(journal.events.len(), 1 + 3 * THREADS * SIGN_INS + 1);
        let cached = cached(journal);
        assert_eq!(cached.len(), THREADS * SIGN_INS);
        assert_eq!(
            cached.into_iter().collect::<BTreeSet<_>>(),
            everybody.iter().map(String::as_str).collect()
        );
        let left = u32::try_from(THREADS * SIGN_INS).unwrap();
        let ended = &journal.events.last().unwrap().kind;
        assert!(matches!(ended, EventKind::Ended { left: l, lost: 0, .. } if *l == left), "{ended:?}");
    }
}

fn four_threads() {
    let mock = Mock::own("MSNSSPC");
    let start = Arc::new(Barrier::new(THREADS));
    thread::scope(|scope| {
        for thread in 0..THREADS {
            let (sspi, start) = (mock.sspi::<Wide>(), start.clone());
            scope.spawn(move || {
                start.wait();
                for user in dll::users(SIGN_INS) {
                    let handle = sspi.sign_in(&format!("{thread}-{user}"), "", SECRET).unwrap();
                    sspi.free(&raw const handle);
                }
            });
        }
    });
}

/// M1, M12
#[test]
#[cfg(unix)]
#[allow(unsafe_code, reason = "forks")]
fn a_forked_child_starts_empty_and_writes_a_journal_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let sspi = mock.sspi::<Wide>();
        let alice = sspi.sign_in("alice", "", SECRET).unwrap();
        // SAFETY: this process runs one test in one thread.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let empty = sspi.silent().is_err() && sspi.free(&raw const alice) != 0;
            let signed_in = sspi.sign_in("bob", "", SECRET).is_ok();
            // SAFETY: it runs the destructors of what is loaded, the mock's among them, and ends the process.
            unsafe { libc::exit(i32::from(!(empty && signed_in))) };
        }
        let mut status = -1;
        // SAFETY: the status may be written to.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        assert!(sspi.silent().is_ok(), "the parent's cache is as it was");
        mock.unload();
    };
    let environment = [("SSPCACHE_JOURNAL", folder.path().as_os_str())];
    let test = "a_forked_child_starts_empty_and_writes_a_journal_of_its_own";
    let Some(command) = in_own_process(test, &environment, body) else { return };
    succeed(command);
    let mut journals = journals(folder.path());
    let is_fork =
        |journal: &Journal| matches!(journal.started(), Some(EventKind::Started { forked: true, .. }));
    journals.sort_by_key(is_fork);
    let [parent, child] = &journals[..] else { panic!("two processes, two journals: {journals:?}") };
    assert!(is_fork(child) && !is_fork(parent));
    assert_eq!((cached(parent), cached(child)), (vec!["alice"], vec!["bob"]));
    for journal in [parent, child] {
        let ended = EventKind::Ended { how: Ending::Unloaded, left: 1, lost: 0 };
        assert_eq!(journal.events.last().unwrap().kind, ended);
    }
}

/// P2, P3, M1: the session is the child's, too; what the parent's handles hold is not.
#[test]
#[cfg(unix)]
#[allow(unsafe_code, reason = "forks")]
fn a_forked_child_has_the_sessions_credentials_and_none_that_the_parent_holds() {
    let folder = tempfile::tempdir().unwrap();
    let (journals_folder, config) = (folder.path().join("journal"), folder.path().join("mock.toml"));
    fs::create_dir(&journals_folder).unwrap();
    let alice = "user = 'alice'\ndomain = 'CONTOSO'\npassword = 'correct horse'\n";
    fs::write(&config, format!("[[account]]\n{alice}[[logon]]\n{alice}")).unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        let (sspi, contexts) = (mock.sspi::<Wide>(), mock.contexts::<Wide>());
        let silent = || sspi.handle(Ask { package: Some("NTLM"), ..Ask::default() }).unwrap();
        let signs_in = || {
            let service = contexts.server("NTLM");
            contexts.shake_as(&silent(), &service, &Terms::default(), &Terms::default()).is_ok()
        };
        let held = contexts.client("NTLM", "correct horse");
        assert!(signs_in());
        // SAFETY: this process runs one test in one thread.
        let child = unsafe { libc::fork() };
        assert!(child >= 0);
        if child == 0 {
            let good = sspi.free(&raw const held) != 0 && signs_in();
            // SAFETY: it runs the destructors of what is loaded, the mock's among them, and ends the process.
            unsafe { libc::exit(i32::from(!good)) };
        }
        let mut status = -1;
        // SAFETY: the status may be written to.
        unsafe { libc::waitpid(child, &raw mut status, 0) };
        assert_eq!(status, 0);
        mock.unload();
    };
    let environment =
        [("SSPCACHE_JOURNAL", journals_folder.as_os_str()), ("SSPCACHE_CONFIG", config.as_os_str())];
    let test = "a_forked_child_has_the_sessions_credentials_and_none_that_the_parent_holds";
    let Some(command) = in_own_process(test, &environment, body) else { return };
    succeed(command);
    let held_at_the_end = |journal: &Journal| journal.events.last().unwrap().held;
    let mut held: Vec<u32> = journals(&journals_folder).iter().map(held_at_the_end).collect();
    held.sort_unstable();
    assert_eq!(held, [0, 1]);
}
