//! `sspcache journal check --check=leaks`: what was given out and not given back, by the journals alone.

use std::{fs, path::Path};

use serde_json::{Value, json};
use sspcache_tests::{
    program::{Ran, sspcache},
    schema,
};
use tempfile::TempDir;

/// The journal of one SSP in one process. Events have a time of a millisecond each.
pub(crate) struct Journal {
    folder: TempDir,
    name: String,
    pub(crate) events: Vec<Value>,
}

impl Journal {
    pub(crate) fn of(os: &str, module: &str) -> Self {
        let (folder, name) = (tempfile::tempdir().unwrap(), "412-mock-0.jsonl".to_owned());
        let mut journal = Self { folder, name, events: Vec::new() };
        let program = if os == "windows" { "client.exe" } else { "client" };
        journal.add(json!({
            "event": "started", "module": module, "version": env!("CARGO_PKG_VERSION"), "pid": 412, "program": program, "os": os,
        }));
        journal
    }

    fn linux() -> Self {
        Self::of("linux", "secur32.dll")
    }

    fn windows() -> Self {
        Self::of("windows", "secur32.dll")
    }

    pub(crate) fn add(&mut self, mut event: Value) {
        let seq = self.events.len() as u64;
        for (key, value) in
            [("seq", seq), ("time", 134_117_856_000_000_000 + seq * 10_000), ("before", 0), ("after", 0)]
        {
            event[key] = value.into();
        }
        self.events.push(event);
    }

    pub(crate) fn with(mut self, events: &[Value]) -> Self {
        for event in events {
            self.add(event.clone());
        }
        self
    }

    pub(crate) fn ends(self, how: &str) -> Self {
        self.with(&[json!({ "event": "ended", "how": how, "left": 0, "lost": 0 })])
    }

    /// Beside this one, in the same process.
    pub(crate) fn beside(self, other: &Self) -> Self {
        let path = self.write();
        fs::copy(path, other.folder.path().join("412-beside-0.jsonl")).unwrap();
        self
    }

    fn write(&self) -> std::path::PathBuf {
        let path = self.folder.path().join(&self.name);
        let lines: Vec<String> = self.events.iter().map(|event| format!("{event}\n")).collect();
        fs::write(&path, lines.concat()).unwrap();
        path
    }

    fn check(&self, options: &[&str]) -> Ran {
        self.run(&[&["--check=leaks"], options].concat())
    }

    /// `journal check` with these options.
    pub(crate) fn run(&self, options: &[&str]) -> Ran {
        self.write();
        let mut check = sspcache();
        check.args(["journal", "check"]).args(options).arg(self.folder.path());
        Ran::of(&mut check)
    }

    fn verdict(&self) -> Value {
        schema::verdict(&self.check(&["--format", "json"]).stdout)
    }
}

fn acquired(handle: u64, principal: &str, source: &str) -> Value {
    json!({ "event": "acquired", "handle": handle, "package": "NTLM", "principal": principal, "source": source })
}

fn freed(handle: u64) -> Value {
    json!({ "event": "freed", "handle": handle })
}

fn started(context: u64) -> Value {
    json!({
        "event": "context-started", "context": context, "role": "initiator", "package": "Negotiate", "principal": r"CONTOSO\alice",
    })
}

fn established(context: u64) -> Value {
    json!({ "event": "context-established", "context": context, "role": "initiator", "package": "NTLM", "principal": r"CONTOSO\alice" })
}

fn failed(context: u64) -> Value {
    json!({ "event": "context-failed", "context": context, "status": "SEC_E_LOGON_DENIED" })
}

fn exported(context: u64) -> Value {
    json!({ "event": "context-exported", "context": context })
}

fn deleted(context: u64) -> Value {
    json!({ "event": "context-deleted", "context": context })
}

fn allocated(memory: u64, holds: &str) -> Value {
    json!({ "event": "allocated", "memory": memory, "holds": holds, "size": 64, "package": "NTLM" })
}

fn memory_freed(memory: u64) -> Value {
    json!({ "event": "memory-freed", "memory": memory })
}

fn loaded(module: &str) -> Value {
    json!({ "event": "modules", "loaded": [module] })
}

/// A journal, the outcome, and how many things were leaked, suppressed and not judged.
type Case<'c> = (&'c str, Journal, &'c str, [u64; 3]);

#[track_caller]
fn judge(cases: &[Case<'_>]) {
    for (case, journal, outcome, numbers) in cases {
        let verdict = journal.verdict();
        let leaks = &verdict["leaks"];
        assert_eq!(leaks["outcome"], *outcome, "{case}: {verdict}");
        let said = ["leaked", "suppressed", "not_judged"].map(|name| leaks[name].as_u64().unwrap());
        assert_eq!(said, *numbers, "{case}: {leaks}");
        assert_eq!(journal.check(&[]).status, if *outcome == "clean" { 0 } else { 99 }, "{case}");
        let found = verdict["findings"].as_array().unwrap().iter();
        let found: u64 = found.map(|finding| finding["count"].as_u64().unwrap()).sum();
        assert_eq!(found, numbers.iter().sum::<u64>(), "{case}: what is counted is found");
    }
}

fn alice() -> Value {
    acquired(1, r"CONTOSO\alice", "default")
}

fn ended_with_events_lost() -> Value {
    json!({ "event": "ended", "how": "exit", "left": 0, "lost": 1 })
}

/// Q2
#[test]
fn what_was_given_out_and_not_given_back_is_leaked() {
    let journal = |events: &[Value]| Journal::linux().with(events).ends("unloaded");
    judge(&[
        ("nothing", journal(&[]), "not-exercised", [0, 0, 0]),
        ("all given back", journal(&[alice(), freed(1)]), "clean", [0, 0, 0]),
        ("a default handle", journal(&[alice()]), "leaked", [1, 0, 0]),
        ("an inbound handle", journal(&[acquired(1, "", "inbound")]), "leaked", [1, 0, 0]),
        (
            "a handle freed before its context",
            journal(&[alice(), started(2), freed(1), deleted(2)]),
            "clean",
            [0, 0, 0],
        ),
        ("a half-open handshake", journal(&[started(2)]), "leaked", [1, 0, 0]),
        ("one that failed", journal(&[started(2), failed(2)]), "leaked", [1, 0, 0]),
        (
            "one that failed and was deleted",
            journal(&[started(2), failed(2), deleted(2)]),
            "clean",
            [0, 0, 0],
        ),
        ("exported", journal(&[started(2), established(2), exported(2)]), "leaked", [1, 0, 0]),
        (
            "exported and deleted",
            journal(&[started(2), established(2), exported(2), deleted(2)]),
            "clean",
            [0, 0, 0],
        ),
        (
            "memory",
            journal(&[allocated(1, "token"), allocated(2, "packages"), memory_freed(1)]),
            "leaked",
            [1, 0, 0],
        ),
        (
            "what a parent was given",
            journal(&[memory_freed(7), deleted(8), freed(9), alice(), freed(1)]),
            "clean",
            [0, 0, 0],
        ),
        ("a handle's number again", journal(&[alice(), freed(1), alice(), freed(1)]), "clean", [0, 0, 0]),
        ("dropped", Journal::linux().with(&[alice()]).ends("dropped"), "leaked", [1, 0, 0]),
        ("unloaded on Windows", Journal::windows().with(&[alice()]).ends("unloaded"), "leaked", [1, 0, 0]),
    ]);
}

/// Q2, Q6
#[test]
fn what_had_no_chance_or_is_not_known_is_no_leak_and_never_clean() {
    let (linux, windows) = (
        |events: &[Value]| Journal::linux().with(events),
        |events: &[Value]| Journal::windows().with(events),
    );
    judge(&[
        ("killed", linux(&[alice()]), "incomplete", [0, 0, 1]),
        ("killed when all was given back", linux(&[alice(), freed(1)]), "clean", [0, 0, 0]),
        ("crashed", windows(&[alice()]), "incomplete", [0, 0, 1]),
        ("crashed when all was given back", windows(&[alice(), freed(1)]), "incomplete", [0, 0, 0]),
        ("events lost", linux(&[alice(), ended_with_events_lost()]), "incomplete", [0, 0, 1]),
    ]);
}

/// Q2, S6
#[test]
fn buffers_behind_the_systems_secur32_are_not_judged_and_fail_nothing() {
    let behind = |events: &[Value]| Journal::of("windows", "MSNSSPC.dll").with(events).ends("exit");
    let other = |os, module| Journal::of(os, module).with(&[allocated(1, "token")]).ends("exit");
    judge(&[
        ("a token", behind(&[alice(), freed(1), allocated(1, "token")]), "clean", [0, 0, 1]),
        ("handles and identities", behind(&[alice(), allocated(1, "identity")]), "leaked", [2, 0, 0]),
        ("a token of our own", other("windows", "secur32.dll"), "leaked", [1, 0, 0]),
        ("a token on Unix", other("linux", "MSNSSPC.dll"), "leaked", [1, 0, 0]),
    ]);
    let note = behind(&[allocated(1, "token")]).check(&[]).exits_with(0).stdout;
    let said = "note: 1 token is still there as far as the journal tells, which is not judged: NTLM (MSNSSPC.dll), in \
                client.exe (412): the system's secur32.dll may free buffers of MSNSSPC.dll without asking it\n";
    assert!(note.contains(said), "{note}");
}

/// Q2, M11
#[test]
fn what_an_injected_fault_kept_from_being_given_back_is_not_judged() {
    let fault = |operation: &str, effect: &str| json!({ "event": "faulted", "operation": operation, "effect": effect });
    let invalid = "SEC_E_INVALID_HANDLE";
    let journal = |events: &[Value]| Journal::linux().with(events).ends("unloaded");
    judge(&[
        ("a handle", journal(&[alice(), fault("FreeCredentialsHandle", invalid)]), "clean", [0, 0, 1]),
        ("a context", journal(&[started(2), fault("DeleteSecurityContext", invalid)]), "clean", [0, 0, 1]),
        (
            "a buffer",
            journal(&[allocated(1, "token"), fault("FreeContextBuffer", invalid)]),
            "clean",
            [0, 0, 1],
        ),
        ("another function", journal(&[alice(), fault("FreeContextBuffer", invalid)]), "leaked", [1, 0, 0]),
        ("a delay", journal(&[alice(), fault("FreeCredentialsHandle", "delay")]), "leaked", [1, 0, 0]),
    ]);
}

/// Q1a, Q2
#[test]
fn what_dotnet_does_not_free_at_exit_is_suppressed_and_named() {
    let net = |events: &[Value]| Journal::windows().with(&[loaded("coreclr.dll")]).with(events);
    judge(&[
        ("at exit", net(&[alice(), started(2)]).ends("exit"), "clean", [0, 2, 0]),
        ("its buffers", net(&[allocated(1, "attribute")]).ends("exit"), "leaked", [1, 0, 0]),
        (
            "after a sign-out",
            net(&[alice(), json!({ "event": "signed-out" })]).ends("exit"),
            "leaked",
            [1, 0, 0],
        ),
        ("crashed", net(&[alice(), started(2)]), "incomplete", [0, 0, 2]),
    ]);
    let note = net(&[alice()]).ends("exit").check(&[]).exits_with(0).stdout;
    assert!(
        note.contains("note: 1 credential handle is still there at exit: CONTOSO\\alice for NTLM"),
        "{note}"
    );
    assert!(note.contains(": .NET runs no finalizers at exit"), "{note}");
}

/// Q2, M12
#[test]
fn where_something_is_missing_or_came_too_late_leaks_are_unknown() {
    let mut journal = Journal::linux().with(&[acquired(1, "alice", "default")]).ends("unloaded");
    journal.events[0]["version"] = "9.0.0".into();
    assert_eq!(journal.verdict()["leaks"]["outcome"], "incomplete");
    // Nor is anything accused when another journal of the process is not whole.
    let mut cut =
        Journal::of("linux", "MSNSSPC.dll").with(&[allocated(1, "token"), memory_freed(1)]).ends("unloaded");
    cut.events.remove(1);
    let whole = Journal::linux().with(&[acquired(1, "alice", "default")]).ends("unloaded");
    let _cut = cut.beside(&whole);
    assert_eq!(whole.verdict()["leaks"]["outcome"], "incomplete");
    // Nor what was given back when the SSP had ended, which on Unix destructors may do.
    let refused =
        json!({ "event": "refused", "operation": "FreeCredentialsHandle", "status": "SEC_E_INVALID_HANDLE" });
    let mut late = Journal::linux().with(&[refused]).ends("unloaded");
    let before = Journal::linux().with(&[acquired(1, "alice", "default")]).ends("unloaded");
    assert_eq!(before.verdict()["leaks"]["outcome"], "leaked");
    for event in &mut late.events {
        event["time"] = (event["time"].as_u64().unwrap() + 1_000_000).into();
    }
    let _late = late.beside(&before);
    assert_eq!(before.verdict()["leaks"]["outcome"], "incomplete");
}

/// Q4
#[test]
fn a_finding_says_who_what_since_when_and_where_and_how_to_mend_it() {
    let at = |mut event: Value, stack: &[&str]| {
        event["stack"] = json!(stack);
        event
    };
    let journal = Journal::linux()
        .with(&[
            json!({ "event": "image", "image": 1, "path": "/opt/app/lib/libauth.so" }),
            json!({ "event": "image", "image": 2, "path": "C:\\app\\client" }),
            at(acquired(1, r"CONTOSO\alice", "default"), &["1+0x1f40", "2+0x33"]),
            at(acquired(2, r"CONTOSO\alice", "default"), &["1+0x1f40", "2+0x33"]),
            at(acquired(3, r"CONTOSO\alice", "default"), &["1+0x2000", "2+0x33"]),
            loaded("winhttp.dll"),
            at(started(4), &["2+0x44"]),
            allocated(1, "token"),
        ])
        .ends("unloaded");
    insta::assert_snapshot!(journal.check(&["--gen-suppressions"]).exits_with(99).stdout, @r#"
    note: client (412) signed in with the default credentials 3 times, which leaves nothing
    clean: 3 sign-ins with default credentials in 1 process, and nothing was left.

    1. 2 credential handles, never freed
       CONTOSO\alice for NTLM (secur32.dll), in client (412)
       the first since +0.003 s (event 3), still there at unload or exit
       at 0x1f40: ??? (in libauth.so)
       by 0x33: ??? (in client)
       Call FreeCredentialsHandle for each handle that AcquireCredentialsHandle gave.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle

    2. 1 credential handle, never freed
       CONTOSO\alice for NTLM (secur32.dll), in client (412)
       since +0.005 s (event 5), still there at unload or exit
       at 0x2000: ??? (in libauth.so)
       by 0x33: ??? (in client)
       Call FreeCredentialsHandle for each handle that AcquireCredentialsHandle gave.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle

    3. 1 half-open context, never deleted
       CONTOSO\alice for Negotiate (secur32.dll), in client (412)
       since +0.007 s (event 7), still there at unload or exit
       at 0x44: ??? (in client)
       Call DeleteSecurityContext for each context, also for one whose handshake failed or was given up.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext

    4. 1 token (64 bytes), never freed
       NTLM (secur32.dll), in client (412)
       since +0.008 s (event 8), still there at unload or exit
       Call FreeContextBuffer for each token that the SSP allocated (ISC_REQ_ALLOCATE_MEMORY, ASC_REQ_ALLOCATE_MEMORY), also for one that a failed step gave.
       https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecontextbuffer

                         given out  given back  leaked  suppressed  not judged
    ───────────────────────────────────────────────────────────────────────────
     credential handles          3           0       3           0           0
     contexts                    1           0       1           0           0
     tokens                      1           0       1           0           0
     in all                      5           0       5           0           0

    WinHTTP is in the process: it frees what a request signed in with when the request's handle is closed (WinHttpCloseHandle).
    leaked: of 5 things that the SSP gave out, 3 credential handles, 1 context and 1 token were never given back.

    # For a file that `--suppressions` names:

    [[suppression]]
    kind = "credential-handle"
    module = "libauth.so"
    why = "CONTOSO\\alice for NTLM: say why this is no fault of the program"

    [[suppression]]
    kind = "context"
    module = "client"
    why = "CONTOSO\\alice for Negotiate: say why this is no fault of the program"

    [[suppression]]
    kind = "token"
    module = "client"
    why = "NTLM: say why this is no fault of the program"
    "#);
    let suppress = |entry: &str| {
        let path = journal.folder.path().join("suppressions.toml");
        fs::write(&path, entry).unwrap();
        let option = format!("--suppressions={}", Path::new(&path).display());
        journal.check(&["--format=json", &option]).json()["leaks"]["suppressed"].as_u64().unwrap()
    };
    let entry = |kind: &str, module: &str| {
        format!("[[suppression]]\nkind = \"{kind}\"\nmodule = \"{module}\"\nwhy = \"a library's own\"\n")
    };
    assert_eq!(suppress(&entry("credential-handle", "libauth.so")), 3);
    assert_eq!(suppress(&entry("context", "LIBAUTH.so")), 0);
    assert_eq!(suppress(&entry("context", "client")), 1);
    // What was passed there and is left has the place, too.
    let held = Journal::linux()
        .with(&[
            json!({ "event": "image", "image": 1, "path": "/opt/app/lib/libauth.so" }),
            json!({ "event": "held", "held": 1, "credential": 9, "package": "NTLM", "principal": "alice", "source": "explicit", "handle": 1 }),
        ])
        .with(&[at(
            json!({ "event": "acquired", "held": 1, "handle": 1, "package": "NTLM", "principal": "alice", "credential": 9, "source": "explicit" }),
            &["1+0x1f40"],
        )])
        .with(&[json!({ "event": "ended", "held": 1, "how": "unloaded", "left": 0, "lost": 0 })]);
    let verdict = held.check(&["--check=left", "--gen-suppressions", "--format=json"]).json();
    let place = &verdict["processes"][0]["credentials"][0]["stack"][0];
    assert_eq!(*place, json!({ "image": "/opt/app/lib/libauth.so", "offset": 0x1f40 }));
    let generated = verdict["generated_suppressions"].as_str().unwrap();
    for kind in ["held", "credential-handle"] {
        assert!(generated.contains(&entry(kind, "libauth.so")[..60]), "{kind}: {generated}");
    }
    // No place has a function until one is found for it.
    assert_eq!(suppress(&entry("context", "client").replace("module", "function")), 0);
}
