//! The pages that secrets lie in: locked, not in a core dump, not in a forked child.
//!
//! Linux has all of that, and shows it: [smaps](https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html).
#![cfg(target_os = "linux")]
#![allow(unsafe_code, reason = "takes a right and a limit from a process that it starts")]

use std::{fs, io, os::unix::process::CommandExt, path::Path, process::Command};

use sspcache_engine::{AcquireRequest, AuthIdentity, Engine};
use sspcache_tests::{
    dll::{in_own_process, succeed},
    program::fixture,
    residue::{
        memory::{Found, Region, Search, regions},
        program::Program,
    },
    stage::Stage,
};

/// A program that signs accounts in with the mock DLL; see `fixtures/clients/residue.c`.
fn program(stage: &Stage) -> Command {
    let program = stage.compile("cc", "residue", &fixture("clients/residue.c"), &["-O1", "-ldl"]);
    let mut command = Command::new(program);
    command.arg(stage.path("MSNSSPC.dll")).env_remove("SSPCACHE_CONFIG").env_remove("SSPCACHE_JOURNAL");
    command
}

/// So many sign in, all of whom the program then has in its memory.
#[track_caller]
fn sign_in(program: &mut Program, pid: u32, accounts: u32) -> Found {
    assert_eq!(program.step(&format!("sign-in a 0 {accounts}")), accounts);
    let found = search(accounts).in_process(pid);
    assert_eq!(found.of(0), accounts as usize, "{found:?}");
    found
}

fn search(accounts: u32) -> Search {
    Search::new(accounts as usize, 1)
}

/// M8: made by a debugger, which leaves out what the system leaves out. That the dump has what is not left out, a word of its
/// environment and the names of who is signed in tell.
#[test]
#[ignore = "needs gdb: cargo xtask test"]
fn a_core_dump_has_a_programs_memory_and_no_secret() {
    const ACCOUNTS: u32 = 10_000;
    let stage = Stage::new();
    let (core, witness) = (stage.path("core"), format!("witness-{}", std::process::id()));
    let plain = program(&stage);
    let mut command = Command::new("gdb");
    command.args(["--batch", "-nx", "-ex", "set startup-with-shell off", "-ex", "run", "-ex"]);
    command.arg(format!("gcore {}", core.display())).args(["-ex", "kill", "--args"]);
    command.arg(plain.get_program()).args(plain.get_args()).env("WITNESS", &witness);
    let found = Command::new("gdb").arg("--version").output();
    found.unwrap_or_else(|error| {
        panic!("can't run gdb, which this test needs ({error}): `cargo xtask setup` installs it or says how")
    });
    let mut program = Program::start(&mut command);
    let pid = program.step("pid");
    program.step("load");
    sign_in(&mut program, pid, ACCOUNTS);
    program.tell("abort");
    program.wait();

    let found = search(ACCOUNTS).in_file(&core);
    assert_eq!((found.copies.len(), found.pieces.len()), (0, 0), "{found:?}");
    let core = fs::read(&core).expect("it was read just now");
    let last: Vec<u8> = format!("a{}", ACCOUNTS - 1).encode_utf16().flat_map(u16::to_le_bytes).collect();
    for there in [witness.as_bytes(), &last] {
        let is_there = core.windows(there.len()).any(|window| window == there);
        assert!(
            is_there,
            "{} is in the program's memory, and not in the dump",
            String::from_utf8_lossy(there)
        );
    }
}

/// How much memory a process may lock, and what becomes of the pages of its secrets.
const LIMITS: &[(Option<u64>, Locked)] =
    &[(None, Locked::All), (Some(128 << 10), Locked::Some), (Some(0), Locked::None)];

#[derive(Clone, Copy, Debug, PartialEq)]
enum Locked {
    All,
    None,
    Some,
}

/// Sets the limit for a process that is to be started, and takes the right from it to lock more.
fn limit(command: &mut Command, bytes: Option<u64>) {
    const CAP_IPC_LOCK: libc::c_ulong = 14;
    let Some(bytes) = bytes else { return };
    let limit = libc::rlimit { rlim_cur: bytes, rlim_max: bytes };
    let prepare = move || {
        // SAFETY: both calls are safe in a forked child, and `limit` is a limit. Only a process that is root's has that
        // right, or could give it away.
        unsafe {
            libc::prctl(libc::PR_CAPBSET_DROP, CAP_IPC_LOCK, 0, 0, 0);
            if libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) != 0 {
                return Err(io::Error::last_os_error());
            }
        }
        Ok(())
    };
    // SAFETY: it makes two system calls and allocates nothing.
    unsafe { command.pre_exec(prepare) };
}

/// M7, M8: beyond the limit, secrets are kept all the same, and are as short-lived.
#[test]
fn secrets_lie_in_pages_that_are_locked_as_far_as_the_limit_goes() {
    const ACCOUNTS: u32 = 10_000;
    let stage = Stage::new();
    for &(bytes, expected) in LIMITS {
        let mut command = program(&stage);
        limit(&mut command, bytes);
        let mut program = Program::start(&mut command);
        let pid = program.id();
        program.step("load");
        // Few secrets fit into what everybody may lock.
        let accounts = if bytes.is_none() { 1000 } else { ACCOUNTS };
        let found = sign_in(&mut program, pid, accounts);
        let regions = regions(pid);
        let of =
            |at: u64| regions.iter().find(|region| region.range.contains(&at)).expect("it was found there");
        let has = |region: &Region, flag: &str| region.flags.iter().any(|has| has == flag);
        for (at, which) in &found.copies {
            for (flag, missing) in [("dd", "dumped"), ("wf", "kept by a forked child")] {
                assert!(has(of(*at), flag), "{which:?} would be {missing}: {:?}", of(*at));
            }
        }
        let locked = found.copies.iter().filter(|(at, _)| has(of(*at), "lo") && of(*at).locked > 0).count();
        let seen = match locked {
            0 => Locked::None,
            locked if locked == found.copies.len() => Locked::All,
            _ => Locked::Some,
        };
        assert_eq!(seen, expected, "{locked} of {} under a limit of {bytes:?} bytes", found.copies.len());
        assert_eq!(program.step("silent"), 1);
        assert_eq!(program.step("flush"), 1);
        let left = search(accounts).in_process(pid);
        assert_eq!((left.copies.len(), left.pieces.len()), (0, 0), "{left:?}");
        program.quit();
    }
}

/// M8: who uses a mock is told.
#[test]
fn a_mock_tells_when_the_limit_keeps_its_secrets_from_being_locked() {
    let test = "a_mock_tells_when_the_limit_keeps_its_secrets_from_being_locked";
    let expected = "EXPECTED";
    for &(bytes, locked) in LIMITS {
        let body = || {
            let mock = Engine::builder("MSNSSPC.dll").build();
            let secrets =
                if std::env::var_os(expected).is_some_and(|all| all == "All") { 1000 } else { 10_000 };
            for number in 0..secrets {
                let identity = AuthIdentity::password(format!("a{number}").as_str(), "", "correct horse");
                mock.acquire(&AcquireRequest::outbound("MSN").with_identity(identity)).unwrap();
            }
            let memory = mock.memory();
            let seen = match (memory.lock_refused, memory.locked_bytes) {
                (false, 1..) => Locked::All,
                (true, 1..) => Locked::Some,
                (refused, 0) => {
                    assert!(refused, "{memory:?}");
                    Locked::None
                }
            };
            assert_eq!(format!("{seen:?}"), std::env::var(expected).unwrap(), "{memory:?}");
        };
        let Some(mut command) = in_own_process(test, &[(expected, format!("{locked:?}").as_ref())], body)
        else {
            return;
        };
        limit(&mut command, bytes);
        succeed(command);
    }
}

/// M7, M8: a child that is forked and runs on has nothing of its parent's, and its own use of the mock leaves the parent's
/// alone.
#[test]
fn a_forked_child_has_no_secret_in_its_memory_and_starts_empty() {
    const ACCOUNTS: u32 = 10_000;
    let stage = Stage::new();
    let mut program = Program::start(&mut program(&stage));
    let parent = program.id();
    program.step("load");
    sign_in(&mut program, parent, ACCOUNTS);
    let child = program.step("fork");
    assert!(Path::new(&format!("/proc/{child}")).exists() && child != parent);
    let nothing = |when: &str| {
        let found = search(ACCOUNTS).in_process(child);
        assert_eq!((found.copies.len(), found.pieces.len()), (0, 0), "{when}: {found:?}");
    };
    nothing("forked");
    assert_eq!(program.step("silent"), 0);
    assert_eq!(program.step("sign-in a 0 10"), 10);
    assert_eq!(search(ACCOUNTS).in_process(child).of(0), 10);
    assert_eq!(program.step("flush"), 1);
    nothing("flushed");
    // From here on the parent answers.
    assert_eq!(program.step("quit"), 0);
    assert_eq!(program.step("pid"), parent);
    assert_eq!(search(ACCOUNTS).in_process(parent).of(0), ACCOUNTS as usize);
    assert_eq!(program.step("silent"), 1);
    program.quit();
}
