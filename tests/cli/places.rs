//! Where in a program calls were made: frames of journals, as functions, files and lines.

use std::{
    fs,
    path::{Path, PathBuf},
    process::Command,
    time::{Duration, SystemTime},
};

use object::{Object as _, ObjectSymbol as _};
use sspcache_tests::{
    program::{Ran, fixture, root, sspcache, temporary_folder},
    stage::{MINGW, Stage},
    wine::is_left_out,
};

/// A journal of a process that left a credential, which it acquired with this stack. In it, image 1 is `image`.
struct Journal {
    folder: tempfile::TempDir,
}

impl Journal {
    fn new(image: &str, stack: &[u64]) -> Self {
        Self::at(SystemTime::now(), image, stack)
    }

    fn at(time: SystemTime, image: &str, stack: &[u64]) -> Self {
        const FROM_1601_TO_1970: u64 = 11_644_473_600;
        let since =
            time.duration_since(SystemTime::UNIX_EPOCH).unwrap() + Duration::from_secs(FROM_1601_TO_1970);
        let time = u64::try_from(since.as_nanos() / 100).unwrap();
        let stack: Vec<String> = stack.iter().map(|offset| format!("1+{offset:#x}")).collect();
        let events = [
            serde_json::json!({ "event": "started", "module": "secur32.dll", "version": env!("CARGO_PKG_VERSION"), "pid": 412,
                "program": "client" }),
            serde_json::json!({ "event": "image", "image": 1, "path": image }),
            serde_json::json!({ "event": "held", "credential": 1, "package": "Negotiate", "principal": "CONTOSO\\alice",
                "source": "explicit", "handle": 65536, "held": 1 }),
            serde_json::json!({ "event": "acquired", "handle": 65536, "package": "Negotiate",
                "principal": "CONTOSO\\alice", "credential": 1, "source": "explicit", "held": 1, "stack": stack }),
            serde_json::json!({ "event": "ended", "how": "exit", "left": 0, "lost": 0, "held": 1 }),
        ];
        let mut text = String::new();
        for (seq, mut event) in (0u64..).zip(events) {
            let common =
                serde_json::json!({ "seq": seq, "time": time + seq * 12_345, "before": 0, "after": 0 });
            event.as_object_mut().unwrap().extend(common.as_object().unwrap().clone());
            text += &(event.to_string() + "\n");
        }
        let folder = tempfile::tempdir().unwrap();
        fs::write(folder.path().join("412-secur32-0.jsonl"), text).unwrap();
        Self { folder }
    }

    fn check(&self, arguments: &[&str]) -> Ran {
        Ran::of(sspcache().args(["journal", "check"]).args(arguments).arg(self.folder.path())).exits_with(99)
    }

    fn show(&self) -> String {
        Ran::of(sspcache().args(["journal", "show"]).arg(self.folder.path())).exits_with(0).stdout
    }

    /// The lines of the verdict that are frames, without what differs from compiler to compiler: the offsets.
    fn places(&self) -> Vec<String> {
        let verdict = self.check(&[]).stdout;
        let frames =
            verdict.lines().filter(|line| line.starts_with("   at 0x") || line.starts_with("   by 0x"));
        let place = |line: &str| {
            let (number, place) = line.split_once(": ").unwrap();
            format!("{} {place}", &number[3..5])
        };
        frames.map(place).collect()
    }
}

/// The offset of a symbol in an image: what comes after a call there has it for its return address.
fn offset(image: &Path, symbol: &str) -> u64 {
    let content = fs::read(image).unwrap();
    let file = object::File::parse(&*content).unwrap();
    let symbol =
        file.symbols().find(|it| it.name() == Ok(symbol)).unwrap_or_else(|| panic!("{symbol} is not there"));
    symbol.address() - file.relative_address_base()
}

fn compile(stage: &Stage, compiler: &str, name: &str, source: &str, options: &[&str]) -> PathBuf {
    let language = if compiler == "clang++" { "-xc++" } else { "-xc" };
    stage.compile_as(compiler, name, language, &fixture("places").join(source), options).into()
}

/// Two calls of `client.c`: one at the very beginning of `acquire`, one in a function that was inlined into `main`.
fn of_client(image: &Path) -> Journal {
    let stack = [offset(image, "acquire") + 1, offset(image, "acquiring")];
    Journal::new(image.to_str().unwrap(), &stack)
}

/// The same with the inlined function's call first.
fn of_inlined(image: &Path) -> Journal {
    let stack = [offset(image, "acquiring"), offset(image, "acquire") + 1];
    Journal::new(image.to_str().unwrap(), &stack)
}

const PLACES_OF_CLIENT: [&str; 3] =
    ["at acquire (client.c:3)", "by sign_in (client.c:7)", "by main (client.c:14)"];

/// Q4
#[test]
fn a_call_in_a_program_with_debug_information_has_a_function_a_file_and_a_line() {
    let stage = Stage::new();
    for options in
        [&["-g", "-O1"][..], &["-g", "-O1", "-no-pie"], &["-gdwarf-4", "-O1"], &["-g", "-O1", "-gz"]]
    {
        let image = compile(&stage, "cc", "client", "client.c", options);
        assert_eq!(of_client(&image).places(), PLACES_OF_CLIENT, "{options:?}");
    }
}

/// Q4
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_call_in_a_windows_program_with_dwarf_has_a_function_a_file_and_a_line() {
    if is_left_out() {
        return;
    }
    let stage = Stage::new();
    let image = compile(&stage, MINGW, "client.exe", "client.c", &["-g", "-O1"]);
    assert_eq!(of_client(&image).places(), PLACES_OF_CLIENT);
    // As the program itself names its file, through a drive of this prefix.
    let (acquiring, folder) = (offset(&image, "acquiring"), image.parent().unwrap());
    let prefix = temporary_folder();
    fs::create_dir(prefix.path().join("dosdevices")).unwrap();
    std::os::unix::fs::symlink(folder, prefix.path().join("dosdevices/x:")).unwrap();
    let journal = Journal::new("X:\\CLIENT.exe", &[acquiring]);
    let show = |prefix: &Path| {
        let mut command = sspcache();
        command.args(["journal", "show"]).arg(journal.folder.path()).env("WINEPREFIX", prefix);
        Ran::of(&mut command).exits_with(0).stdout
    };
    assert!(show(prefix.path()).contains(": sign_in (client.c:7)"), "{}", show(prefix.path()));
    assert!(show(folder).contains(": ??? (in CLIENT.exe)"), "{}", show(folder));
    // Stripped, it has no name for anything.
    let stripped = compile(&stage, MINGW, "stripped.exe", "client.c", &["-s", "-O1"]);
    let journal = Journal::new(stripped.to_str().unwrap(), &[acquiring]);
    assert_eq!(journal.places(), ["at ??? (in stripped.exe)"]);
}

/// Q4
#[test]
fn without_debug_information_a_call_has_the_symbol_before_it_or_the_offset_in_its_module() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g0", "-O1"]);
    let (main, acquiring) = (offset(&image, "main"), offset(&image, "acquiring"));
    let main = format!("by main+{:#x} (in client)", acquiring - main);
    assert_eq!(of_client(&image).places(), ["at acquire+0x1 (in client)", &*main]);

    let stripped = compile(&stage, "cc", "stripped", "client.c", &["-g0", "-O1", "-s"]);
    let journal = Journal::new(stripped.to_str().unwrap(), &[acquiring]);
    assert_eq!(journal.places(), ["at ??? (in stripped)"]);
    // It is no address of the program's code.
    let journal = Journal::new(image.to_str().unwrap(), &[0, 1, u64::MAX]);
    assert_eq!(journal.places(), ["at ??? (in client)", "by ??? (in client)", "by ??? (in client)"]);
}

/// Q4
#[test]
fn debug_information_that_was_split_off_is_found_beside_the_program() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g", "-O1", "-Wl,--build-id"]);
    let journal = of_client(&image);
    let debug = image.with_file_name("client.debug");
    let objcopy = |arguments: &[&std::ffi::OsStr]| {
        Ran::of(Command::new("objcopy").args(arguments)).exits_with(0);
    };
    // The file of this name is one that other tests have, too.
    let stripped = image.with_file_name("split");
    objcopy(&["--only-keep-debug".as_ref(), image.as_ref(), debug.as_ref()]);
    let link = format!("--add-gnu-debuglink={}", debug.display());
    objcopy(&["--strip-all".as_ref(), link.as_ref(), image.as_ref(), stripped.as_ref()]);
    let (acquiring, acquire) = (offset(&image, "acquiring"), offset(&image, "acquire"));
    let split = Journal::new(stripped.to_str().unwrap(), &[acquire + 1, acquiring]);
    assert_eq!(split.places(), journal.places());
    assert_eq!(split.places(), PLACES_OF_CLIENT);

    // That of another build says nothing of this one.
    let other = compile(&stage, "cc", "other", "client.c", &["-g", "-O2", "-Wl,--build-id"]);
    objcopy(&["--only-keep-debug".as_ref(), other.as_ref(), debug.as_ref()]);
    let split = Journal::new(stripped.to_str().unwrap(), &[acquire + 1, acquiring]);
    assert_eq!(split.places(), ["at ??? (in split)", "by ??? (in split)"]);
}

/// Q4
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn names_in_cpp_are_as_the_source_has_them() {
    let stage = Stage::new();
    let image = compile(&stage, "clang++", "client", "client.cpp", &["-g"]);
    let journal = Journal::new(image.to_str().unwrap(), &[offset(&image, "acquiring")]);
    assert_eq!(journal.places(), ["at client::Session::acquire(int) const (client.cpp:10)"]);
    // The symbol table has names in another form.
    let image = compile(&stage, "clang++", "client", "client.cpp", &["-g0"]);
    let symbol = offset(&image, "_ZNK6client7Session7acquireEi");
    let journal = Journal::new(image.to_str().unwrap(), &[symbol + 1]);
    assert_eq!(journal.places(), ["at client::Session::acquire(int) const+0x1 (in client)"]);
}

/// Q4
#[test]
fn names_in_rust_are_as_the_source_has_them() {
    let folder = temporary_folder();
    let image = folder.path().join("client");
    let source = fixture("places/client.rs");
    let mut rustc = Command::new(std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into()));
    rustc.args(["--edition=2024", "-Cdebuginfo=2", "-o"]).arg(&image).arg(source);
    Ran::of(rustc.current_dir(root())).exits_with(0);
    let journal = Journal::new(image.to_str().unwrap(), &[offset(&image, "acquiring")]);
    assert_eq!(journal.places(), ["at client::session::Session::acquire (client.rs:10)"]);
}

/// Q4
#[test]
fn a_file_that_is_gone_or_was_changed_since_gives_the_offset_in_its_module() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g", "-O1"]);
    let acquiring = offset(&image, "acquiring");
    let path = image.to_str().unwrap();
    let before = SystemTime::now() - Duration::from_hours(1);
    assert_eq!(Journal::at(before, path, &[acquiring]).places(), ["at ??? (in client)"]);
    let folder = image.parent().unwrap();
    for path in [folder.join("gone"), folder.to_owned(), fixture("places/client.c"), "/dev/null".into()] {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert_eq!(
            Journal::new(path.to_str().unwrap(), &[acquiring]).places(),
            [format!("at ??? (in {name})")]
        );
    }
}

/// Q4
#[test]
fn the_verdict_and_the_timeline_show_the_stack_of_what_was_left() {
    let journal = Journal::new("/nowhere/client", &[0x1f40, 0x2a]);
    insta::assert_snapshot!(journal.check(&[]).stdout, @r"
     process       signed in  as             through                  what ended it
    ─────────────────────────────────────────────────────────────────────────────────────────────────
     client (412)  +0.002 s   CONTOSO\alice  Negotiate (secur32.dll)  LEFT at exit, held by a handle

    client (412) left CONTOSO\alice for Negotiate (secur32.dll); it was acquired
       at 0x1f40: ??? (in client)
       by 0x2a: ??? (in client)

    not clean: of 1 held credential, 1 was left. client (412) left CONTOSO\alice.
    Call FreeCredentialsHandle for each handle that was acquired with credentials. Windows discards what a handle holds when its process ends, and not before.
    note: 1 credential handle was never given back; --check=leaks fails for that, and says which
    ");
    insta::assert_snapshot!(journal.show(), @r"
    secur32.dll in client (412), 5 events
     event  time         what                                                cached  held
    ─────────────────────────────────────────────────────────────────────────────────────────
         0  +0.000000 s  started   mock 0.2.0                                     0     0
         2  +0.002469 s  held      CONTOSO\alice for Negotiate, by a handle       0     1
         3  +0.003704 s  acquired  as CONTOSO\alice, for Negotiate                0     1
             at 0x1f40: ??? (in client)
         4  +0.004938 s  ended     process exit                                   0     1
    ");
    let verdict = journal.check(&["--format", "json"]).json();
    assert_eq!(
        verdict["processes"][0]["credentials"][0]["stack"],
        serde_json::json!([
            { "image": "/nowhere/client", "offset": 0x1f40 },
            { "image": "/nowhere/client", "offset": 0x2a },
        ])
    );
}

/// Q4
#[test]
fn the_verdict_in_json_has_the_whole_path_and_the_column() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g", "-O1"]);
    let stack =
        &of_inlined(&image).check(&["--format", "json"]).json()["processes"][0]["credentials"][0]["stack"];
    let source = fixture("places/client.c");
    assert_eq!(stack[0]["inlined"], true, "{stack}");
    assert_eq!(stack[0]["offset"], stack[1]["offset"], "{stack}");
    assert_eq!(stack[1]["function"], "main", "{stack}");
    assert_eq!(Path::new(stack[1]["file"].as_str().unwrap()), source, "{stack}");
    assert_eq!((&stack[1]["line"], &stack[1]["column"]), (&14.into(), &12.into()), "{stack}");
    assert!(stack[1].get("inlined").is_none() && stack[1].get("behind").is_none(), "{stack}");
}

/// Q4
#[test]
fn an_annotation_has_the_file_and_line_in_the_repository() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g", "-O1"]);
    let journal = of_inlined(&image);
    let annotation = |workspace: &Path| {
        let mut command = sspcache();
        command.args(["journal", "check", "--format", "github"]).arg(journal.folder.path());
        Ran::of(command.env("GITHUB_WORKSPACE", workspace)).exits_with(99).stdout
    };
    let repository = root().canonicalize().unwrap();
    let text = annotation(&repository);
    let start = "::error file=fixtures/places/client.c,line=7,col=";
    assert!(
        text.starts_with(start) && text.contains(",title=sspcache%3A credential left::client (412) left "),
        "{text}"
    );
    assert!(text.contains(": sign_in (client.c:7)%0A   by 0x"), "{text}");
    // Elsewhere, the path is the compiler's.
    assert!(
        annotation(Path::new("/nowhere")).starts_with("::error file=/"),
        "{}",
        annotation(Path::new("/nowhere"))
    );
}

/// Q2, Q4
#[test]
fn a_suppression_names_a_function_that_the_stack_goes_through() {
    let stage = Stage::new();
    let image = compile(&stage, "cc", "client", "client.c", &["-g", "-O1"]);
    let journal = of_inlined(&image);
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("suppressions.toml");
    for (kinds, function, status) in [
        (&["held", "credential-handle"][..], "sign_in", 0),
        (&["held", "credential-handle"], "main", 0),
        (&["held"], "main", 99),
        (&["credential-handle"], "main", 99),
        (&["held", "credential-handle"], "sign", 99),
    ] {
        let entry = |kind: &&str| {
            format!("[[suppression]]\nkind = '{kind}'\nfunction = '{function}'\nwhy = 'a test'\n")
        };
        fs::write(&file, kinds.iter().map(entry).collect::<String>()).unwrap();
        let mut command = sspcache();
        command.args(["journal", "check", "--check=left,leaks", "--suppressions"]).arg(&file);
        Ran::of(command.arg(journal.folder.path())).exits_with(status);
    }
    // Such an entry can be had from the verdict.
    let text = journal.check(&["--check=leaks", "--gen-suppressions"]).stdout;
    assert!(text.contains("kind = \"credential-handle\"\nfunction = \"sign_in\"\n"), "{text}");
}
