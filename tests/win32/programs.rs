//! Programs that do more than to sign in and out: what they call beside it, texts that are `L"…"`, and how a library path is read. The same
//! sources are built as Windows programs.
#![cfg(unix)]

use std::{collections::BTreeSet, fs, path::Path, process::Command, slice};

use sspcache_tests::{
    program::{Ran, fixture, root},
    stage::{MINGW, MINGW_CPP, Stage, words},
    win32::{self, COMPILERS, Compiler, include},
};

/// What the program prints, here and on Windows, in either form of texts.
const PROGRAM: &str = r"signed in CONTOSO\alice, status 00000000, exit code 0, in time: 1
sign-out  TRUE
126       has a text
";

/// What the program whose texts are wide prints.
const WIDE: &str = r"signed in: CONTOSO\alice, of 13 characters, as alice
sign-out: TRUE
";

/// What an option of that one prints.
const NUMBER: &str = "4294967295, narrow, 2\n";

/// What the functions of tchar.h print.
const GENERIC: &str = r"1 1 1
bcd cd cd 1
4000000000 4 3
-5 255 12
x
text|c|   42
7-text
7-text
7-text
";

/// With which a program is built for either form of texts, and on Unix with `L"…"` for the wide one.
const FORMS: [&[&str]; 3] =
    [&[], &["-DUNICODE", "-D_UNICODE"], &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"]];

/// Has MinGW print as Microsoft's library does: `%s` in a wide format is a wide text.
const MICROSOFTS: &str = "-D__USE_MINGW_ANSI_STDIO=0";

/// What Wine 8 prints where Microsoft's page says what is printed here.
const NOT_IN_WINE: [(&str, &str); 5] = [
    ("to UTF-16, other flags: 0, error 1004\n", "to UTF-16, other flags: 4\n 0061 0062 0063 0000\n"),
    ("to UTF-16, in its place: 0, error 87\n", "to UTF-16, in its place: 2\n"),
    ("to bytes, a default: 0, error 87\n", "to bytes, a default: 5\n"),
    ("to bytes, whether one is used: 0, error 87\n", "to bytes, whether one is used: 5\n"),
    ("twice the same: -1, error 87\n", "twice the same: 258\n"),
];

/// Runs a command, which succeeds, and returns what it printed.
#[track_caller]
fn printed(command: &mut Command) -> String {
    Ran::of(command).exits_with(0).stdout.replace("\r\n", "\n")
}

/// Runs a program under `sspcache exec`, which finds it clean.
#[track_caller]
fn judged(stage: &Stage, program: &[std::ffi::OsString]) -> String {
    let mut exec = stage.exec();
    printed(win32::finds_library(&mut exec).args(["--expect-clean", "--"]).args(program))
}

/// L11, L13: in each form of texts, unchanged.
#[test]
fn a_windows_program_builds_and_runs_unchanged() {
    builds_and_runs(&COMPILERS[..1]);
}

/// L11, L13: as C++, too, with each compiler.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn a_windows_program_builds_and_runs_with_every_compiler() {
    builds_and_runs(&COMPILERS[1..]);
}

fn builds_and_runs(compilers: &[Compiler]) {
    let stage = Stage::new();
    for &compiler in compilers {
        for form in FORMS {
            let program = win32::compile(&stage, compiler, "program", &fixture("win32/program.c"), form);
            assert_eq!(judged(&stage, &[program]), PROGRAM, "{compiler:?} {form:?}");
            let program = win32::compile(&stage, compiler, "generic", &fixture("win32/tchar.c"), form);
            let ran = printed(win32::finds_library(&mut Command::new(program)));
            assert_eq!(ran, GENERIC, "{compiler:?} {form:?}");
        }
        let options = FORMS[2];
        let program = win32::compile(&stage, compiler, "wide", &fixture("win32/wide.c"), options);
        assert_eq!(judged(&stage, slice::from_ref(&program)), WIDE, "{compiler:?}");
        let mut number = Command::new(program);
        assert_eq!(printed(win32::finds_library(&mut number).args(["--number", "FFFFFFFF"])), NUMBER);
    }
}

/// L11, L13: the same files under Wine.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn a_windows_program_does_the_same_on_windows() {
    let Some(stage) = Stage::with_windows_mocks() else { return };
    let narrow = &[MICROSOFTS, "-lsecur32"][..];
    let unicode = &["-DUNICODE", "-D_UNICODE", "-municode", MICROSOFTS, "-lsecur32"];
    for options in [narrow, unicode] {
        let program = stage.compile(MINGW, "program.exe", &fixture("win32/program.c"), options);
        assert_eq!(judged(&stage, &words(&[&"wine", &program])), PROGRAM, "{options:?}");
        let program = stage.compile(MINGW, "generic.exe", &fixture("win32/tchar.c"), options);
        assert_eq!(printed(stage.wine().arg(program)), GENERIC, "{options:?}");
    }
    for (compiler, language) in [(MINGW, "-xc"), (MINGW_CPP, "-xc++")] {
        let options = ["-municode", MICROSOFTS, "-lsecur32", "-static"];
        let program = stage.compile_as(compiler, "wide.exe", language, &fixture("win32/wide.c"), &options);
        assert_eq!(judged(&stage, &words(&[&"wine", &program])), WIDE, "{compiler}");
        let ran = printed(stage.wine().arg(program).args(["--number", "FFFFFFFF"]));
        assert_eq!(ran, NUMBER, "{compiler}");
    }
}

/// L11, L13: results and errors of the small functions, also where they are called wrongly.
#[test]
fn small_functions_return_what_their_pages_say() {
    print_the_table(&COMPILERS[..1]);
}

/// L11, L13: with each compiler.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn small_functions_return_the_same_with_every_compiler() {
    print_the_table(&COMPILERS[1..]);
}

/// The table of the small functions.
fn table() -> String {
    fs::read_to_string(fixture("win32/small.txt")).unwrap()
}

fn print_the_table(compilers: &[Compiler]) {
    let stage = Stage::new();
    for &compiler in compilers {
        for option in ["-pedantic", "-fshort-wchar"] {
            let program = win32::compile(&stage, compiler, "small", &fixture("win32/small.c"), &[option]);
            let found = printed(win32::finds_library(&mut Command::new(program)));
            assert_eq!(found, table(), "{compiler:?} {option}");
        }
    }
}

/// L11, L13: the same file under Wine, but for what Wine 8 has otherwise.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn small_functions_return_what_they_do_on_windows() {
    let Some(stage) = Stage::with_wine() else { return };
    let program = stage.compile(MINGW, "small.exe", &fixture("win32/small.c"), &["-lsecur32"]);
    let expected = NOT_IN_WINE.iter().fold(table(), |table, (ours, wines)| {
        assert_eq!(table.matches(ours).count(), 1, "{ours}");
        table.replace(ours, wines)
    });
    assert_eq!(printed(stage.wine().arg(program)), expected);
}

/// L9, L13: a forked child doesn't wait for the threads of its parent, and can have its own.
#[test]
fn a_forked_child_has_none_of_the_threads_of_its_parent() {
    let stage = Stage::new();
    let source = stage.path("fork.c");
    fs::write(&source, FORK).unwrap();
    let program = win32::compile(&stage, COMPILERS[0], "fork", &source, &["-D_DEFAULT_SOURCE"]);
    let ran = printed(win32::finds_library(&mut Command::new(program)));
    assert_eq!(ran, "child: -1, error 6; its own: 0, 7\nparent: 258; then 0, 5\n");
}

const FORK: &str = r#"
#include <windows.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

static DWORD WINAPI waits(LPVOID event) { WaitForSingleObject(event, INFINITE); return 5; }
static DWORD WINAPI ends(LPVOID parameter) { return parameter == NULL ? 7 : 0; }

int main(void)
{
    HANDLE event = CreateEventA(NULL, TRUE, FALSE, NULL), thread = CreateThread(NULL, 0, waits, event, 0, NULL);
    DWORD code = 0;
    pid_t child = fork();

    if (child == 0) {
        printf("child: %d", (int)WaitForSingleObject(thread, 60000));
        printf(", error %d; ", (int)GetLastError());
        thread = CreateThread(NULL, 0, ends, NULL, 0, NULL);
        printf("its own: %d", (int)WaitForSingleObject(thread, INFINITE));
        printf(", %d\n", GetExitCodeThread(thread, &code) ? (int)code : -1);
        fflush(stdout);
        _exit(0);
    }
    waitpid(child, NULL, 0);
    printf("parent: %d; ", (int)WaitForSingleObject(thread, 0));
    SetEvent(event);
    printf("then %d", (int)WaitForSingleObject(thread, INFINITE));
    printf(", %d\n", GetExitCodeThread(thread, &code) ? (int)code : -1);
    return 0;
}
"#;

/// L13: texts of `wchar_t`'s own size stop the compiler wherever a program passes them to what takes WCHAR.
#[test]
fn a_wide_literal_never_compiles_to_a_wrong_text() {
    does_not_compile(&COMPILERS[..1]);
}

/// L13: with each compiler.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn a_wide_literal_never_compiles_to_a_wrong_text_with_any_compiler() {
    does_not_compile(&COMPILERS[1..]);
}

fn does_not_compile(compilers: &[Compiler]) {
    const BEGIN: &str = "#define SECURITY_WIN32\n#define UNICODE\n#define _UNICODE\n#include <windows.h>\n#include <security.h>\n#include <tchar.h>\n#include <strsafe.h>\n#include <secext.h>\n";
    let stage = Stage::new();
    let source = stage.path("literal.c");
    let option = format!("-I{}", include().display());
    let compile = |&(compiler, [standard, language]): &Compiler, more: &[&str]| {
        let mut command = Command::new(compiler);
        command.args([standard, &option, "-fsyntax-only", language]).args(more);
        Ran::of(command.arg(&source))
    };
    let mut all = Vec::new();
    for statement in [
        r#"LoadLibraryW(L"a.dll");"#,
        r#"GetModuleHandle(L"a.dll");"#,
        r#"WCHAR text[8] = L"a"; (void)text;"#,
        r#"LPCWSTR text = L"a"; (void)text;"#,
        r#"PCWSTR text; text = 1 ? L"a" : L"b"; (void)text;"#,
        r#"const WCHAR *texts[] = { L"a", L"b" }; (void)texts;"#,
        r#"lstrcmpiW(TEXT("a"), L"a");"#,
        r#"WCHAR text[8]; StringCchCopyW(text, 8, L"a");"#,
        r#"WCHAR text[8]; StringCchPrintf(text, 8, L"%s", TEXT("a"));"#,
        r#"_tcslen(L"a");"#,
        r#"_tprintf(L"a");"#,
        r#"WCHAR text[8]; wcscpy(text, TEXT("a"));"#,
        r#"wchar_t text[8]; GetEnvironmentVariableW(TEXT("a"), text, 8);"#,
        "wchar_t text[8]; ULONG size = 8; GetUserNameExW(NameSamCompatible, text, &size);",
        "SEC_WCHAR *text = (wchar_t *)0; (void)text;",
        r#"OutputDebugStringW(L"a");"#,
        r#"SetEnvironmentVariableW(NEGOSSP_NAME_W, L"a");"#,
    ] {
        fs::write(&source, format!("{BEGIN}void test(void);\nvoid test(void) {{ {statement} }}\n")).unwrap();
        for compiler in compilers {
            // As programs are often built: without any warning, or with this one off.
            let ran = compile(compiler, &["-Wno-incompatible-pointer-types"]);
            assert!(ran.status != 0 && ran.stderr.contains("error: "), "{compiler:?} {statement}: {ran:?}");
        }
        all.push(format!("{{ {statement} }}\n"));
    }
    fs::write(&source, format!("{BEGIN}void test(void);\nvoid test(void) {{ {} }}\n", all.concat())).unwrap();
    for compiler in compilers {
        compile(compiler, &["-fshort-wchar"]).exits_with(0);
    }
}

/// L13: with `-fshort-wchar`, functions of the C library that would read 32 bits stop the compiler, or in C++ it warns of them; headers of
/// C++ that come later don't mind.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn what_takes_wchar_t_for_32_bits_is_not_used_unseen() {
    let stage = Stage::new();
    let source = stage.path("library.c");
    let option = format!("-I{}", include().display());
    let c = "wchar_t text[] = L\"a b\", *rest; wcstok(text, L\" \", &rest);";
    let cpp = "std::wstring text = L\"a\"; (void)text;";
    for (compiler, [standard, language]) in COMPILERS {
        let is_c = language == "-xc";
        let later = "#include <iostream>\n#include <filesystem>\n#include <regex>\n#include <locale>\n";
        for statement in [None, Some(if is_c { c } else { cpp })] {
            let text = format!(
                "#include <windows.h>\n{}void test(void);\nvoid test(void) {{ {} }}\n",
                if is_c { "#include <wctype.h>\n" } else { later },
                statement.unwrap_or_default()
            );
            fs::write(&source, text).unwrap();
            let mut command = Command::new(compiler);
            command.args(["-Wall", "-Wextra", "-Werror", "-fshort-wchar", "-fsyntax-only"]);
            let ran = Ran::of(command.args([standard, &option, language]).arg(&source));
            // Clang for macOS has a C++ library of its own, which isn't told.
            let is_told = is_c || cfg!(target_os = "linux");
            assert_eq!(ran.status == 0, statement.is_none() || !is_told, "{compiler}: {ran:?}");
        }
    }
}

/// L12: a relative folder of the library path, and an empty one, are as the linker has them.
#[test]
fn a_relative_folder_of_the_library_path_is_searched() {
    let stage = Stage::new();
    let program = win32::compile(&stage, COMPILERS[0], "program", &fixture("win32/program.c"), &[]);
    let [here, elsewhere] = ["mocks", "elsewhere"].map(|name| stage.path(name));
    fs::create_dir_all(here.join("below")).unwrap();
    fs::create_dir_all(&elsewhere).unwrap();
    fs::rename(stage.path("MSNSSPC.dll"), here.join("below/MSNSSPC.dll")).unwrap();
    let library = win32::library();
    let run = |path: &str| {
        let mut command = Command::new(&program);
        let path = format!("{}:{path}", library.display());
        command.current_dir(&here).env("LD_LIBRARY_PATH", &path).env("DYLD_LIBRARY_PATH", &path);
        Ran::of(&mut command)
    };
    for (path, is_found) in [
        ("/nowhere", false),
        ("below", true),
        ("./below", true),
        ("../mocks/below/", true),
        ("/nowhere:below", true),
        ("../below", false),
    ] {
        let ran = run(path);
        assert_eq!(ran.status == 0, is_found, "{path}: {ran:?}");
        assert_eq!(ran.stdout == PROGRAM, is_found, "{path}: {ran:?}");
    }
}

/// L13: the page lists the functions that the headers have, no more and no less.
#[test]
fn the_page_lists_each_function_of_the_headers() {
    let page = fs::read_to_string(root().join("docs/win32.md")).unwrap();
    let rows = page.lines().filter_map(|line| line.strip_prefix("| `")?.split_once("` | "));
    let mut listed = BTreeSet::new();
    let sspi = page.split("\n## ").find(|section| section.starts_with("SSPI\n")).unwrap();
    for (header, row) in rows.filter(|(header, _)| is_header(header)) {
        let path = include().join(header);
        // Those of SSPI have a table of their own, by subject.
        let functions = if header == "sspi.h" {
            sspi_rows(sspi)
        } else {
            row.split(" | ").next().unwrap_or_default().to_owned()
        };
        let text = with_families(&path);
        let of_header = functions_of(&text);
        let on_page: BTreeSet<_> = functions.split('`').skip(1).step_by(2).flat_map(names).collect();
        let missing: Vec<_> = of_header.difference(&on_page).collect();
        assert!(missing.is_empty(), "docs/win32.md leaves out of {header}: {missing:?}");
        let unknown: Vec<_> = on_page.iter().filter(|name| !text.contains(&***name)).collect();
        assert!(unknown.is_empty(), "{header} has no {unknown:?}, which docs/win32.md lists");
        assert!(listed.insert(header), "{header} has one row");
    }
    let all: BTreeSet<_> = fs::read_dir(include())
        .unwrap()
        .filter_map(|file| file.unwrap().file_name().into_string().ok())
        .filter(|name| is_header(name))
        .collect();
    let listed = listed.into_iter().map(str::to_owned).collect();
    assert_eq!(all, listed, "docs/win32.md has a row for each header");
}

fn is_header(name: &str) -> bool {
    name.rsplit_once('.').is_some_and(|(_, ending)| ending == "h")
}

/// The text of a header, with the functions that it includes once for each kind of text.
fn with_families(header: &Path) -> String {
    let read =
        |path: &Path| fs::read_to_string(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let (mut text, mut suffix) = (String::new(), String::new());
    for line in read(header).lines() {
        if let Some(named) = line.strip_prefix("#define SSPCACHE_NAMED(name) name##") {
            named.clone_into(&mut suffix);
        }
        let family = line.strip_prefix("#include \"").and_then(|file| file.strip_suffix('"'));
        match family.filter(|file| Path::new(file).extension().is_some_and(|it| it == "inc")) {
            Some(file) => {
                let family = read(&header.with_file_name(file));
                let begun = family.split("SSPCACHE_NAMED(").enumerate();
                text.extend(begun.map(|(at, part)| {
                    if at == 0 { part.to_owned() } else { part.replacen(')', &suffix, 1) }
                }));
            }
            None => text.extend([line, "\n"]),
        }
    }
    text
}

/// The functions of a header: those that the library exports, those that it defines, and those of tchar.h.
fn functions_of(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let exported = || line.strip_prefix("#define ")?.split_once(" sspcache_").map(|(name, _)| name);
        let defined = || line.strip_prefix("static inline ")?.split_once('(')?.0.rsplit([' ', '*']).next();
        let generic = (words.next() == Some("#define")).then(|| words.next()).flatten().filter(|name| {
            name.starts_with("_t")
                || ["_putts", "_fputts", "_ftprintf", "_vtprintf", "_vftprintf", "_sntprintf", "_vsntprintf"]
                    .contains(name)
        });
        found.extend(exported().or_else(defined).or(generic).map(str::to_owned));
    }
    found
}

/// The second column of the table of the functions of SSPI.
fn sspi_rows(section: &str) -> String {
    let rows = section.lines().filter_map(|line| line.strip_prefix("| ")?.split_once(" | "));
    rows.map(|(_, functions)| functions).collect()
}

/// The functions that the page writes as one: both forms, and one with `Ex` at its end.
fn names(written: &str) -> Vec<String> {
    let with = |name: &str, ends: [&str; 2]| ends.map(|end| format!("{name}{end}")).into();
    match (written.strip_suffix("A/W"), written.strip_suffix("(Ex)")) {
        (Some(name), _) => with(name, ["A", "W"]),
        (_, Some(name)) => with(name, ["", "Ex"]),
        _ => vec![written.to_owned()],
    }
}
