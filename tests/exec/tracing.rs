//! `sspcache exec --trace`, and `journal show --calls`: each call is a line.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    ffi::OsString,
    fs,
    io::{BufRead as _, BufReader},
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use sspcache_engine::EventKind;
use sspcache_tests::{
    program::{Ran, fixture, sspcache},
    stack,
    stage::{MINGW, Stage, words},
    win32::{self, COMPILERS},
};

/// What `fixtures/clients/traced.c` passes, and nothing may show.
const SECRETS: [&str; 2] = ["hunter2-in-a-call", "attack at dawn"];

/// The program that passes secrets to each function that takes one.
fn program(stage: &Stage) -> OsString {
    win32::compile(stage, COMPILERS[0], "traced", &fixture("clients/traced.c"), &["-g"])
}

/// `exec` with these options, ready for `--`.
fn exec(stage: &Stage, options: &[&str]) -> Command {
    let mut exec = stage.exec();
    win32::finds_library(&mut exec).env("SSPCACHE_PASSWORD", SECRETS[0]);
    exec.args(["--account", r"CONTOSO\alice"]).args(options);
    exec
}

/// A line of a trace: the program, its number, its thread, and the call.
#[derive(Debug)]
struct Line<'t> {
    program: &'t str,
    pid: u32,
    function: &'t str,
    /// Everything behind who it was.
    call: &'t str,
}

impl<'t> Line<'t> {
    /// As the page has it: `+0.000412 s client[4711/4712] Function(…) = RESULT …`.
    #[track_caller]
    fn parse(line: &'t str) -> Self {
        let parsed = || {
            let (time, rest) = line.strip_prefix('+')?.split_once(" s ")?;
            let (seconds, micros) = time.split_once('.')?;
            let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
            let (who, call) = rest.split_once("] ")?;
            let (program, numbers) = who.split_once('[')?;
            let (pid, thread) = numbers.split_once('/')?;
            let (function, rest) = call.split_once('(')?;
            let is_name = |name: &str| name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_');
            let is_whole = is_number(seconds) && is_number(micros) && micros.len() == 6 && is_number(thread);
            (is_whole && is_name(function) && rest.contains(") = ")).then_some(())?;
            Some(Self { program, pid: pid.parse().ok()?, function, call })
        };
        parsed().unwrap_or_else(|| panic!("no line of a trace: {line:?}"))
    }
}

/// The lines of a text, but for comments.
#[track_caller]
fn lines(text: &str) -> Vec<Line<'_>> {
    text.lines().filter(|line| !line.starts_with('#')).map(Line::parse).collect()
}

/// Runs the program with its calls in a file; the text of that file.
fn traced(stage: &Stage, options: &[&str], words: &[&str]) -> String {
    let file = stage.path("calls.txt");
    let mut exec = exec(stage, options);
    exec.arg(format!("--trace={}", file.display()))
        .arg("--")
        .arg(program(stage))
        .arg("MSNSSPC.dll")
        .args(words);
    let ran = Ran::of(&mut exec).exits_with(0);
    assert!(!ran.stderr.contains("AcquireCredentialsHandleA("), "{}", ran.stderr);
    fs::read_to_string(&file).unwrap()
}

/// Q8
#[test]
fn a_line_has_names_and_lengths_of_what_a_call_was_given_and_gave_and_its_place() {
    let stage = Stage::new();
    let trace = traced(&stage, &[], &[]);
    assert!(trace.starts_with("# sspcache "), "{trace}");
    let calls: Vec<_> = lines(&trace).iter().map(|line| line.call).collect();
    let source = fs::read_to_string(fixture("clients/traced.c")).unwrap();
    let line_of = |text: &str| 1 + source.lines().position(|line| line.contains(text)).unwrap();
    let export = line_of("ExportSecurityContext(&client_context");
    for expected in [
        "InitSecurityInterfaceA() = given at main (traced.c:",
        r#"AcquireCredentialsHandleA(principal=null, package="NTLM", credential_use=SECPKG_CRED_OUTBOUND, auth=given) = SEC_E_OK handle=cred1/NTLM at sign_in (traced.c:"#,
        r#"AcquireCredentialsHandleW(principal=null, package="NTLM", credential_use=SECPKG_CRED_OUTBOUND, auth=given) = SEC_E_OK handle=cred2/NTLM at sign_in"#,
        r#"AddCredentialsW(handle=cred2/NTLM, principal=null, package="NTLM", "#,
        "SetCredentialsAttributesA(handle=cred2/NTLM, attribute=SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS, buffer=given, size=18) = SEC_E_",
        "FreeCredentialsHandle(handle=cred2/NTLM) = SEC_E_OK at sign_in",
        r#"ChangeAccountPasswordA(package="NTLM", domain=given, account=given, old=given, new=given, reserved=0, output=[CHANGE_PASS_RESPONSE:18]) = SEC_E_OK"#,
        r#"InitializeSecurityContextA(credential=cred1/NTLM, context=null, target="HOST/server", requirements=0, input=null, output=[TOKEN:18]) = SEC_E_BUFFER_TOO_SMALL"#,
        r#"InitializeSecurityContextA(credential=cred1/NTLM, context=null, target="HOST/server", requirements=ISC_REQ_ALLOCATE_MEMORY|ISC_REQ_CONFIDENTIALITY|ISC_REQ_INTEGRITY, input=null, output=[TOKEN:0]) = SEC_I_CONTINUE_NEEDED new_context=ctx1/NTLM output=[TOKEN:"#,
        "AcceptSecurityContext(credential=cred3/NTLM, context=null, input=[TOKEN:",
        "requirements=ASC_REQ_ALLOCATE_MEMORY, output=[TOKEN:0]) = SEC_I_CONTINUE_NEEDED new_context=ctx2/NTLM output=[TOKEN:",
        r#"InitializeSecurityContextA(credential=given, context=ctx1/NTLM, target="HOST/server", "#,
        "QueryContextAttributesA(context=ctx1/NTLM, attribute=SECPKG_ATTR_SIZES, buffer=given) = SEC_E_OK",
        "MakeSignature(context=ctx1/NTLM, qop=0, message=[TOKEN:",
        ", DATA:15, DATA+READONLY:15]) = SEC_E_OK",
        "VerifySignature(context=ctx2/NTLM, message=[TOKEN:15, DATA:15, PADDING:",
        "ExportSecurityContext(context=ctx1/NTLM, flags=0) = SEC_E_OK packed=[EMPTY:",
        r#"ImportSecurityContextA(package="NTLM", packed=[EMPTY:"#,
        "context=ctx3/NTLM at shake_hands",
        "ApplyControlToken(context=ctx2/NTLM, token=[TOKEN:15, DATA:15, ",
        "SetContextAttributesW(context=ctx2/NTLM, attribute=SECPKG_ATTR_SESSION_KEY) = SEC_E_UNSUPPORTED_FUNCTION",
        r#"SspiPrepareForCredWrite(identity=given, target="HTTP/server") = SEC_E_OK credential_type=2 at "#,
        "DeleteSecurityContext(context=ctx3/NTLM) = SEC_E_OK",
        "SspiEncodeStringsAsAuthIdentity(user=given, domain=given, packed=given) = SEC_E_OK at make_identities",
        "SspiFreeAuthIdentity(identity=given) = void at make_identities",
        &format!("at shake_hands (traced.c:{export})"),
    ] {
        assert!(calls.iter().any(|call| call.contains(expected)), "{expected}\nis not in\n{trace}");
    }
    assert!(calls.iter().any(|call| call.contains("ISC_RET_ALLOCATED_MEMORY|ISC_RET_")), "{trace}");
}

/// Q8, M8: natively, for a forked child, and in the journal.
#[test]
fn no_secret_and_no_message_is_in_a_trace_and_tokens_of_handshakes_are_where_they_are_asked_for() {
    const NTLM: &str = ":4e544c4d535350";
    let stage = Stage::new();
    for (options, has_tokens) in [(&[][..], false), (&["--trace-tokens"], true)] {
        let folder = stage.path(if has_tokens { "tokens/" } else { "calls/" });
        let options = [options, &["--journal", folder.to_str().unwrap()]].concat();
        let trace = traced(&stage, &options, &["fork"]);
        let pids: BTreeSet<_> = lines(&trace).iter().map(|line| line.pid).collect();
        assert_eq!(pids.len(), 2, "a process and its child: {trace}");
        let with_tokens = lines(&trace).into_iter().filter(|line| line.call.contains(NTLM));
        let functions: BTreeSet<_> = with_tokens.map(|line| line.function).collect();
        let expected: &[&str] =
            if has_tokens { &["AcceptSecurityContext", "InitializeSecurityContextA"] } else { &[] };
        assert_eq!(functions, expected.iter().copied().collect(), "{trace}");
        has_no_secret(&trace);
        for journal in fs::read_dir(&folder).unwrap() {
            has_no_secret(&fs::read_to_string(journal.unwrap().path()).unwrap());
        }
        // The same afterwards.
        let shown = Ran::of(sspcache().args(["journal", "show", "--calls"]).arg(&folder)).exits_with(0);
        assert_eq!(shown.stdout, trace.split_once('\n').unwrap().1);
    }
}

/// As text and in hexadecimal, in bytes and in UTF-16.
#[track_caller]
fn has_no_secret(text: &str) {
    for secret in SECRETS {
        let hexadecimal = |bytes: &[u8]| {
            let digits: Vec<_> = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
            digits.concat()
        };
        let wide: Vec<u8> = secret.encode_utf16().flat_map(u16::to_le_bytes).collect();
        for form in [secret.to_owned(), hexadecimal(secret.as_bytes()), hexadecimal(&wide)] {
            assert!(!text.contains(&form), "{form} is in\n{text}");
        }
    }
}

/// Q8: whatever functions there will be.
#[test]
fn each_function_that_a_mock_exports_is_traced() {
    let stage = Stage::new();
    let mut inspect = sspcache();
    let inspected =
        Ran::of(inspect.args(["inspect", "--all", "--format=json"]).arg(stage.path("MSNSSPC.dll")))
            .exits_with(0);
    let exports: BTreeSet<String> = inspected.json()[0]["images"][0]["exports"]
        .as_array()
        .unwrap_or_else(|| panic!("no exports: {}", inspected.stdout))
        .iter()
        .map(|name| name.as_str().unwrap().to_owned())
        .collect();
    assert!(exports.contains("AcquireCredentialsHandleW") && exports.len() > 60, "{exports:?}");
    let client = stage.compile("cc", "each_export", &fixture("clients/each_export.c"), &["-ldl"]);
    let file = stage.path("calls.txt");
    let mut exec = stage.exec();
    exec.arg(format!("--trace={}", file.display())).arg("--").arg(client).arg("MSNSSPC.dll").args(&exports);
    Ran::of(&mut exec).exits_with(0);
    let trace = fs::read_to_string(&file).unwrap();
    let functions: BTreeSet<String> = lines(&trace).iter().map(|line| line.function.to_owned()).collect();
    assert_eq!(functions, exports);
}

/// Q8
#[test]
fn lines_go_to_standard_error_unless_a_file_is_named_and_there_are_none_unless_they_are_asked_for() {
    let stage = Stage::new();
    let folder = stage.path("journal/");
    let client = stage.c_client();
    let run = |options: &[&str]| {
        let _ = fs::remove_dir_all(&folder);
        // What another run asked for is nothing to this one.
        let mut exec = stage.exec();
        exec.env("SSPCACHE_TRACE", "tokens")
            .args(options)
            .arg("--journal")
            .arg(&folder)
            .arg("--")
            .arg(&client);
        let ran = Ran::of(exec.args(["sign-in", "alice", "flush"])).exits_with(0);
        let is_call = |kind: &EventKind| matches!(kind, EventKind::Called { .. });
        let calls = stack::journals(&folder)[0].events.iter().filter(|event| is_call(&event.kind)).count();
        (ran, calls)
    };
    let (ran, calls) = run(&["--trace"]);
    let text: Vec<_> = ran.stderr.lines().filter(|line| line.starts_with('+')).collect();
    let text = text.join("\n");
    let functions: Vec<_> = lines(&text).iter().map(|line| (line.program, line.function)).collect();
    let expected = ["AcquireCredentialsHandleA", "FreeCredentialsHandle", "CleanupCredentialCache"];
    assert_eq!(functions, expected.map(|function| ("client", function)), "{}", ran.stderr);
    assert_eq!(calls, 3);
    let (ran, calls) = run(&[]);
    assert!(!ran.stderr.contains("AcquireCredentialsHandle") && calls == 0, "{}", ran.stderr);
    let shown = Ran::of(sspcache().args(["journal", "show", "--calls"]).arg(&folder)).exits_with(0);
    assert!(shown.stdout.is_empty() && shown.stderr.contains("no calls"), "{shown:?}");
}

/// Q8
#[test]
fn a_line_is_there_while_the_command_still_runs() {
    let stage = Stage::new();
    let file = stage.path("calls.txt");
    let mut exec = stage.exec();
    exec.arg(format!("--trace={}", file.display())).arg("--").arg(stage.c_client());
    exec.args(["sign-in", "alice", "wait"])
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::null());
    let mut exec = exec.spawn().expect("it starts");
    let mut said = String::new();
    BufReader::new(exec.stdout.as_mut().unwrap()).read_line(&mut said).unwrap();
    // The client waits for the end of its input; the limit only keeps a failure from lasting for ever.
    let limit = Instant::now() + Duration::from_mins(2);
    while !fs::read_to_string(&file).unwrap().contains("FreeCredentialsHandle(handle=cred1/MSN) = SEC_E_OK") {
        assert!(exec.try_wait().unwrap().is_none() && Instant::now() < limit, "there is no line: {said}");
        thread::sleep(Duration::from_millis(10));
    }
    drop(exec.stdin.take());
    assert!(exec.wait().unwrap().success());
}

/// Q8
#[test]
fn the_lines_of_many_processes_are_whole_and_in_order() {
    const PROCESSES: usize = 12;
    let stage = Stage::new();
    let script =
        format!(r#"for n in $(seq {PROCESSES}); do "$1" sign-in "user$n" silent flush & done; wait"#);
    let file = stage.path("calls.txt");
    let mut exec = stage.exec();
    exec.arg(format!("--trace={}", file.display())).arg("--");
    Ran::of(exec.args(words(&[&"sh", &"-c", &script, &"sh", &stage.c_client()]))).exits_with(0);
    let trace = fs::read_to_string(&file).unwrap();
    let of_each = ["AcquireCredentialsHandleA", "FreeCredentialsHandle"].repeat(2);
    let of_each = [&of_each[..], &["CleanupCredentialCache"]].concat();
    let lines = lines(&trace);
    let pids: BTreeSet<_> = lines.iter().map(|line| line.pid).collect();
    assert_eq!(pids.len(), PROCESSES, "{trace}");
    for pid in pids {
        let functions: Vec<_> =
            lines.iter().filter(|line| line.pid == pid).map(|line| line.function).collect();
        assert_eq!(functions, of_each, "{trace}");
    }
}

/// Q8
#[test]
fn a_trace_that_cannot_be_written_is_found_before_the_command_starts() {
    let stage = Stage::new();
    let missing = stage.path("missing/calls.txt");
    let files = [missing.as_path(), stage.path(".").as_path()].map(Path::to_owned);
    let full = Path::new("/dev/full").exists().then(|| "/dev/full".into());
    for file in files.into_iter().chain(full) {
        let option = format!("--trace={}", file.display());
        let ran = Ran::of(stage.exec().args([&option, "--", "echo", "started"])).exits_with(125);
        assert!(ran.stderr.contains("can't write") && ran.stdout.is_empty(), "{ran:?}");
    }
    let ran = Ran::of(stage.exec().args(["--trace-tokens", "--", "echo", "started"])).exits_with(125);
    assert!(ran.stderr.contains("--trace") && ran.stdout.is_empty(), "{ran:?}");
    // For a program that was not started by `exec`.
    let mut alone = Command::new(stage.c_client());
    alone.env("LD_LIBRARY_PATH", stage.path("")).env("DYLD_LIBRARY_PATH", stage.path(""));
    alone.env_remove("SSPCACHE_CONFIG").env_remove("SSPCACHE_JOURNAL").env("SSPCACHE_TRACE", "everything");
    let ran = Ran::of(alone.args(["sign-in", "alice"]));
    assert!(ran.stdout.contains("80090304"), "SEC_E_INTERNAL_ERROR: {ran:?}");
    assert!(ran.stderr.contains("MSNSSPC.dll: SSPCACHE_TRACE is neither off, calls nor tokens"), "{ran:?}");
}

/// Q8: by name, and through secur32.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn the_calls_of_a_windows_program_are_traced() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let program = stage.compile(MINGW, "traced.exe", &fixture("clients/traced.c"), &["-g"]);
    let file = stage.path("calls.txt");
    for module in ["MSNSSPC.dll", "secur32.dll"] {
        let mut exec = exec(&stage, &["--trace-tokens"]);
        exec.arg(format!("--trace={}", file.display())).arg("--").args(words(&[&"wine", &program, &module]));
        Ran::of(&mut exec).exits_with(0);
        let trace = fs::read_to_string(&file).unwrap();
        has_no_secret(&trace);
        let calls: Vec<_> =
            lines(&trace).iter().filter(|line| line.program == "traced.exe").map(|line| line.call).collect();
        for expected in [
            "InitSecurityInterfaceA() = given at main (traced.c:",
            "= SEC_E_OK handle=cred2/NTLM at sign_in (traced.c:",
            "new_context=ctx1/NTLM output=[TOKEN:",
            "MakeSignature(context=ctx1/NTLM, qop=0, message=[TOKEN:",
            "SspiEncodeStringsAsAuthIdentity(user=given, domain=given, packed=given) = SEC_E_OK",
        ] {
            assert!(
                calls.iter().any(|call| call.contains(expected)),
                "{module}: {expected}\nis not in\n{trace}"
            );
        }
    }
}
