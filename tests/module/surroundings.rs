//! The mock DLLs when what surrounds them fails or changes: the journal's disk, the configuration, their own files.
//!
//! On Linux alone: what is taken away from a process here (a right of root's, room in a file) is taken by means of that system.
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "limits and restricts processes that it starts")]

use std::{
    env, fs,
    os::unix::{fs::PermissionsExt, process::CommandExt},
    path::{Path, PathBuf},
    process::Command,
    ptr,
};

use sspcache_engine::{
    EventKind, Operation,
    journal::{self, Journal},
};
use sspcache_tests::{
    dll::{self, Mock, Wide, Widest, in_own_process, shipped, succeed},
    program::{Ran, root},
    stage::Stage,
};
use windows_sys::Win32::{
    Foundation::{SEC_E_INTERNAL_ERROR, SEC_E_NO_CREDENTIALS},
    Security::Authentication::Identity::{
        SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_DATA, SECBUFFER_TOKEN, SECBUFFER_VERSION, SecBuffer,
        SecBufferDesc,
    },
};

const SECRET: &str = "hunter2-in-surroundings";

/// Signs in, silently too, and out: all of it works, and nothing is cached afterwards.
#[track_caller]
fn works(mock: &Mock) {
    let sspi = mock.sspi::<Wide>();
    for user in dll::users(3) {
        let handle = sspi.sign_in(&user, "CONTOSO", SECRET).unwrap();
        assert_eq!(sspi.free(&raw const handle), 0);
    }
    assert!(sspi.silent().is_ok());
    assert!(mock.flush());
    assert_eq!(sspi.silent().unwrap_err(), SEC_E_NO_CREDENTIALS);
}

/// Limits how long a file may get that this process writes; `None` as long as it was when the process began.
fn limit_files(bytes: Option<u64>) {
    let mut limit = libc::rlimit { rlim_cur: 0, rlim_max: 0 };
    // SAFETY: the structure is valid for both calls. A write beyond the limit then fails instead of ending the process.
    unsafe {
        libc::signal(libc::SIGXFSZ, libc::SIG_IGN);
        assert_eq!(libc::getrlimit(libc::RLIMIT_FSIZE, &raw mut limit), 0);
        limit.rlim_cur = bytes.unwrap_or(limit.rlim_max);
        assert_eq!(libc::setrlimit(libc::RLIMIT_FSIZE, &raw const limit), 0);
    }
}

/// Uses a mock while no file gets longer than this.
fn works_with_room_for(bytes: u64) {
    let (_folder, file) = shipped("MSNSSPC");
    limit_files(Some(bytes));
    let mock = Mock::at(&file);
    works(&mock);
    mock.unload();
}

/// Where the journal is to be written, in a process of its own.
fn target() -> PathBuf {
    env::var_os("SSPCACHE_JOURNAL").expect("set for this process").into()
}

/// What goes wrong with the journal while a process uses the mock, and what the journals then say: for each, how many events
/// are in it, whether it is cut and whether events are missing.
type Trouble = (&'static str, fn(), fn(&[Journal]));

/// How many events [`works`] makes.
const EVENTS: usize = 3 * 3 + 1 + 1 + 1;

const TROUBLES: &[Trouble] = &[
    (
        "no room for a single line",
        || works_with_room_for(0),
        |journals| assert!(matches!(journals, [journal] if journal.events.is_empty()), "{journals:?}"),
    ),
    (
        "a disk that is full in the middle of a line",
        || works_with_room_for(1000),
        |journals| {
            let [journal] = journals else { panic!("{journals:?}") };
            assert!(journal.cut && (1..EVENTS).contains(&journal.events.len()), "{journal:?}");
        },
    ),
    (
        "a disk that has room again",
        || {
            let (_folder, file) = shipped("MSNSSPC");
            let mock = Mock::at(&file);
            limit_files(Some(1000));
            works(&mock);
            limit_files(None);
            works(&mock);
            mock.unload();
        },
        |journals| {
            let [journal] = journals else { panic!("{journals:?}") };
            assert!(journal.incomplete && !journal.cut && journal.events.len() > EVENTS, "{journal:?}");
            let ended = &journal.events.last().unwrap().kind;
            let all = 1 + 2 * EVENTS as u64 + 1;
            let there = journal.events.len() as u64;
            assert!(
                matches!(ended, EventKind::Ended { left: 0, lost, .. } if there + lost == all),
                "{there} of {all}: {ended:?}"
            );
        },
    ),
    (
        "a folder that vanishes",
        || {
            let (_folder, file) = shipped("MSNSSPC");
            let mock = Mock::at(&file);
            works(&mock);
            fs::remove_dir_all(target()).unwrap();
            works(&mock);
            mock.unload();
            // There is no folder of that name any more: the files' names begin with it now.
            let mock = Mock::at(&file);
            works(&mock);
            mock.unload();
        },
        |journals| {
            assert!(matches!(journals, [journal] if journal.events.len() == EVENTS + 2), "{journals:?}");
        },
    ),
    (
        "a folder that a forked child doesn't find any more",
        || {
            let (_folder, file) = shipped("MSNSSPC");
            let mock = Mock::at(&file);
            works(&mock);
            let beside = target().parent().unwrap().to_owned();
            fs::remove_dir_all(beside).unwrap();
            // SAFETY: this process runs one test in one thread.
            let child = unsafe { libc::fork() };
            works(&mock);
            if child == 0 {
                // SAFETY: it ends the child and runs nothing.
                unsafe { libc::_exit(0) };
            }
            let mut status = -1;
            // SAFETY: the status may be written to.
            unsafe { libc::waitpid(child, &raw mut status, 0) };
            assert_eq!(status, 0);
            mock.unload();
        },
        |journals| assert!(journals.is_empty(), "{journals:?}"),
    ),
];

/// M11, M12: the caller notices nothing.
#[test]
fn calls_work_whatever_becomes_of_the_journal() {
    let test = "calls_work_whatever_becomes_of_the_journal";
    for (what, body, told) in TROUBLES {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("beside/journal");
        fs::create_dir_all(&target).unwrap();
        let environment = [("SSPCACHE_JOURNAL", target.as_os_str()), ("TROUBLE", what.as_ref())];
        // In its own process each runs the one that it was started for.
        let body = || {
            let wanted = env::var("TROUBLE").unwrap();
            assert!(TROUBLES.iter().any(|(what, ..)| *what == wanted));
            if *what == wanted {
                body();
            }
        };
        match in_own_process(test, &environment, body) {
            Some(command) => assert_eq!(succeed(command), "", "{what}"),
            None => continue,
        }
        let files =
            if folder.path().join("beside").exists() { journal::find(&target).unwrap() } else { Vec::new() };
        let journals: Vec<Journal> = files.iter().map(|file| Journal::read(file).unwrap()).collect();
        for file in &files {
            let bytes = fs::read(file).unwrap();
            assert!(!bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes()), "{what}");
        }
        told(&journals);
    }
}

/// M8, M11
#[test]
fn a_journal_that_may_not_be_written_fails_every_call_with_one_message() {
    const CAP_DAC_OVERRIDE: libc::c_ulong = 1;
    let test = "a_journal_that_may_not_be_written_fails_every_call_with_one_message";
    let folder = tempfile::tempdir().unwrap();
    let target = folder.path().join("journal");
    fs::create_dir(&target).unwrap();
    fs::set_permissions(&target, fs::Permissions::from_mode(0o555)).unwrap();
    let body = || {
        let mock = Mock::own("MSNSSPC");
        for _ in 0..2 {
            assert_eq!(mock.sspi::<Wide>().sign_in("alice", "", SECRET).unwrap_err(), SEC_E_INTERNAL_ERROR);
            assert!(!mock.flush());
        }
        mock.unload();
    };
    let Some(mut command) = in_own_process(test, &[("SSPCACHE_JOURNAL", target.as_os_str())], body) else {
        return;
    };
    // What root may write is everything; without this right it is as everybody.
    let restrict = || {
        // SAFETY: it is safe in a forked child; only a process that is root's has the right, or could give it away.
        unsafe { libc::prctl(libc::PR_CAPBSET_DROP, CAP_DAC_OVERRIDE, 0, 0, 0) };
        Ok(())
    };
    // SAFETY: it makes a system call and allocates nothing.
    unsafe { command.pre_exec(restrict) };
    let stderr = succeed(command);
    let [line] = stderr.lines().collect::<Vec<_>>()[..] else { panic!("not one line: {stderr}") };
    assert!(
        line.contains("MSNSSPC.dll") && line.contains("SSPCACHE_JOURNAL") && line.contains("journal"),
        "{line}"
    );
    assert!(!line.contains(SECRET), "{line}");
}

/// M11: a configuration is read once, by the first call after the module was loaded.
#[test]
fn a_configuration_that_changes_counts_from_the_next_load_on() {
    let test = "a_configuration_that_changes_counts_from_the_next_load_on";
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mock.toml");
    let body = || {
        let config = PathBuf::from(env::var_os("SSPCACHE_CONFIG").unwrap());
        let write = |text: &str| fs::write(&config, text).unwrap();
        let (_folder, file) = shipped("MSNSSPC");
        let changes: [&dyn Fn(); 3] = [
            &|| write("no TOML"),
            &|| write("[[fault]]\noperation = 'AcquireCredentialsHandle'\neffect = 'panic'\n"),
            &|| fs::remove_file(&config).unwrap(),
        ];
        for change in changes {
            write("");
            let mock = Mock::at(&file);
            works(&mock);
            change();
            works(&mock);
            mock.unload();
            let mock = Mock::at(&file);
            for _ in 0..2 {
                let status = mock.sspi::<Wide>().sign_in("alice", "", SECRET).unwrap_err();
                assert_eq!(status, SEC_E_INTERNAL_ERROR);
            }
            // What could not be used isn't read again either.
            write("");
            assert!(mock.sspi::<Wide>().sign_in("alice", "", SECRET).is_err());
            mock.unload();
            let mock = Mock::at(&file);
            works(&mock);
            mock.unload();
        }
    };
    if let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", config.as_os_str())], body) {
        let stderr = succeed(command);
        assert_eq!(stderr.lines().count(), 2, "one line for each that could not be used: {stderr}");
        assert!(!stderr.contains(SECRET), "{stderr}");
    }
}

/// What is wrong with a mock DLL's file, what makes it so of a good one, and whether `inspect` sees it: it looks at what a file
/// exports, for whatever machine.
type Broken = (&'static str, fn(&mut Vec<u8>), bool);

const BROKEN: &[Broken] = &[
    ("empty", Vec::clear, true),
    ("cut in its header", |file| file.truncate(40), true),
    ("cut behind its header", |file| file.truncate(64), true),
    ("cut to a page", |file| file.truncate(4 << 10), true),
    ("cut in its middle", |file| file.truncate(loaded(file) / 2), true),
    ("cut before the end of what is loaded", |file| file.truncate(loaded(file) - (8 << 10)), true),
    // e_machine: EM_AARCH64, and where that is its own EM_X86_64.
    (
        "of another machine",
        |file| {
            let machine: u16 = if cfg!(target_arch = "aarch64") { 62 } else { 183 };
            file[18..20].copy_from_slice(&machine.to_le_bytes());
        },
        false,
    ),
    // e_ident[EI_VERSION]
    ("of another version of its format", |file| file[6] = 2, true),
    ("of another system", |file| *file = fs::read(root().join("fixtures/inspect/pe-64.dll")).unwrap(), false),
];

/// Where the part of a 64-bit ELF file ends that is loaded; what is behind it is for debuggers, and may be missing.
fn loaded(file: &[u8]) -> usize {
    const PT_LOAD: u64 = 1;
    let number = |at: usize, length: usize| {
        file[at..at + length].iter().rev().fold(0, |number, &byte| number << 8 | u64::from(byte))
    };
    let at = |number: u64| usize::try_from(number).unwrap();
    // e_phoff, e_phentsize, e_phnum; p_type, p_offset, p_filesz
    let headers = (0..number(56, 2)).map(|index| at(number(32, 8) + index * number(54, 2)));
    let ends = headers.filter(|&header| number(header, 4) == PT_LOAD);
    ends.map(|header| at(number(header + 8, 8) + number(header + 32, 8))).max().expect("something is loaded")
}

/// C4, M10: a broken mock never makes a run clean, and `inspect` says what is wrong.
#[test]
fn a_broken_mock_never_passes_for_one_that_was_flushed() {
    let stage = Stage::new();
    let client = [stage.c_client()];
    let mock = stage.path("MSNSSPC.dll");
    let good = fs::read(&mock).unwrap();
    // Never written over: it is a link to what cargo built.
    fs::remove_file(&mock).unwrap();
    let steps = "sign-in alice flush";
    fs::write(&mock, &good).unwrap();
    assert_eq!(stage.expect_clean(&client, steps).status, 0, "as it is, it works");
    for (what, break_it, seen) in BROKEN {
        let mut file = good.clone();
        break_it(&mut file);
        fs::write(&mock, file).unwrap();
        let ran = stage.expect_clean(&client, steps);
        assert!(ran.status != 0 && !ran.stderr.is_empty(), "{what}: {ran:?}");
        let inspected = inspect(&mock);
        assert_eq!(inspected.status != 0, *seen, "{what}: {inspected:?}");
    }
}

/// What each function takes before a fault can strike: buffers that can be read, names, something that isn't null. Nothing of
/// it stands for anything.
struct Arguments {
    /// Of which no function makes anything.
    zeros: [usize; 512],
    package: [u16; 4],
    token: SecBuffer,
    /// One of data, one for a token and one for an answer; none has any memory.
    _buffers: Box<[SecBuffer; 3]>,
    described: SecBufferDesc,
}

impl Arguments {
    fn new() -> Self {
        let empty = |kind| SecBuffer { cbBuffer: 0, BufferType: kind, pvBuffer: ptr::null_mut() };
        let kinds = [SECBUFFER_DATA, SECBUFFER_TOKEN, SECBUFFER_CHANGE_PASS_RESPONSE];
        let mut buffers = Box::new(kinds.map(empty));
        let described =
            SecBufferDesc { ulVersion: SECBUFFER_VERSION, cBuffers: 3, pBuffers: buffers.as_mut_ptr() };
        let package = ['M', 'S', 'N', '\0'].map(|letter| u16::try_from(u32::from(letter)).unwrap());
        Self { zeros: [0; 512], package, token: empty(SECBUFFER_TOKEN), _buffers: buffers, described }
    }

    fn of(&self, operation: Operation) -> [usize; 12] {
        let zeros = self.zeros.as_ptr().expose_provenance();
        let described = ptr::from_ref(&self.described).expose_provenance();
        let mut all = [zeros, zeros, 0, zeros, zeros, 0, 0, zeros, zeros, 0, 0, 0];
        match operation {
            // What a credential is for is looked at before.
            Operation::AcquireCredentialsHandle => all[2] = 1,
            Operation::AddCredentials => (all[2], all[3]) = (zeros, 1),
            Operation::ChangeAccountPassword => {
                all[0] = self.package.as_ptr().expose_provenance();
                (all[2], all[7]) = (zeros, described);
            }
            Operation::DecryptMessage | Operation::VerifySignature => (all[1], all[2]) = (described, 0),
            Operation::EncryptMessage | Operation::MakeSignature => {
                (all[1], all[2], all[3]) = (0, described, 0);
            }
            Operation::ExportSecurityContext => {
                (all[1], all[2]) = (0, ptr::from_ref(&self.token).expose_provenance());
            }
            // Where a length is asked for, there is none.
            _ => {}
        }
        all
    }
}

/// M3, M11: in whichever function it was, later calls work, and a flush leaves nothing.
#[test]
fn after_a_fault_of_any_operation_calls_work_and_a_flush_leaves_nothing() {
    let test = "after_a_fault_of_any_operation_calls_work_and_a_flush_leaves_nothing";
    let folder = tempfile::tempdir().unwrap();
    let [config, journal] = ["mock.toml", "journal"].map(|name| folder.path().join(name));
    fs::create_dir(&journal).unwrap();
    let cases = || {
        let effects = ["panic", "false", "SEC_E_LOGON_DENIED"];
        Operation::ALL.iter().flat_map(move |&operation| effects.map(|effect| (operation, effect)))
    };
    let body = || {
        let config = env::var_os("SSPCACHE_CONFIG").unwrap();
        let (_folder, file) = shipped("MSNSSPC");
        let arguments = Arguments::new();
        for (operation, effect) in cases() {
            let fault = format!("[[fault]]\noperation = '{operation}'\neffect = '{effect}'\ntimes = 1\n");
            fs::write(&config, fault).unwrap();
            let mock = Mock::at(&file);
            let names = ["", "W"].map(|form| format!("{operation}{form}"));
            let function = names.iter().find_map(|name| mock.export::<Widest>(name)).expect("it is exported");
            function.call(arguments.of(operation));
            works(&mock);
            mock.unload();
        }
    };
    let environment = [("SSPCACHE_CONFIG", config.as_os_str()), ("SSPCACHE_JOURNAL", journal.as_os_str())];
    let Some(command) = in_own_process(test, &environment, body) else { return };
    assert_eq!(succeed(command), "");
    let mut struck = std::collections::BTreeSet::new();
    for file in journal::find(&journal).unwrap() {
        let events = Journal::read(&file).unwrap().events;
        struck.extend(events.iter().filter_map(|event| match event.kind {
            EventKind::Faulted { operation, effect } => Some((operation, effect.name())),
            _ => None,
        }));
        let ended = &events.last().unwrap().kind;
        assert!(matches!(ended, EventKind::Ended { left: 0, lost: 0, .. }), "{ended:?}");
    }
    let missing: Vec<_> = cases().filter(|case| !struck.contains(case)).collect();
    assert!(missing.is_empty(), "these struck nothing: {missing:?}");
}

fn inspect(file: &Path) -> Ran {
    Ran::of(Command::new(env!("CARGO_BIN_EXE_sspcache")).arg("inspect").arg(file))
}
