//! The C headers of `sspcache-win32`: each by itself, all against those of MinGW, and against what the library and the mock export.
#![cfg(unix)]

use std::{
    collections::BTreeSet,
    env::consts::{DLL_PREFIX, DLL_SUFFIX},
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use object::{Object, read::NameOrOrdinal};
use sspcache_tests::{
    program::{Ran, fixture},
    stage::{MINGW, MINGW_CPP, Stage},
    win32::{self, COMPILERS, Compiler, include, library},
    wine,
};

/// Both forms of texts.
const FORMS: [&str; 2] = ["-DUNICODE", "-UUNICODE"];

/// What MinGW's headers lack, or have with a number of old, and Microsoft's pages have.
const NOT_IN_MINGW: [&str; 4] = [
    "CRED_MAX_CREDENTIAL_BLOB_SIZE",
    "ERROR_INVALID_IMAGE_HASH",
    "LOAD_LIBRARY_SAFE_CURRENT_DIRS",
    "SspiSetChannelBindingFlags",
];

/// The headers: those that a program includes, and those in the folder that they use.
fn headers() -> Vec<PathBuf> {
    let folder = |folder: PathBuf| fs::read_dir(folder).unwrap().map(|file| file.unwrap().path());
    let mut headers: Vec<_> = folder(include()).chain(folder(include().join("sspcache"))).collect();
    headers.retain(|path| path.extension().is_some_and(|it| it == "h"));
    headers.sort();
    assert!(headers.len() >= 12, "{headers:?}");
    headers
}

/// The lines of all headers.
fn lines() -> String {
    headers().iter().map(|header| fs::read_to_string(header).unwrap()).collect()
}

/// The words of a C file.
fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split(|it: char| !it.is_ascii_alphanumeric() && it != '_').filter(|word| !word.is_empty())
}

/// L11, L13: each header stands alone, with either form of texts, and with `L"…"`; the sizes are asserted in them.
#[test]
fn each_header_stands_alone() {
    stand_alone(&COMPILERS[..1]);
}

/// L11, L13: in C++, too, with each compiler.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn each_header_stands_alone_in_c_and_in_cpp() {
    stand_alone(&COMPILERS[1..]);
}

fn stand_alone(compilers: &[Compiler]) {
    let stage = Stage::new();
    let option = format!("-I{}", include().display());
    for header in headers() {
        let source = stage.path("header.source");
        let name = header.strip_prefix(include()).unwrap().display();
        let text = "extern const TCHAR *text;\nconst TCHAR *text = TEXT(\"text\");\nint size(void) { return (int)sizeof *text; }\n";
        fs::write(&source, format!("#include <{name}>\n#include <sspcache/base.h>\n{text}")).unwrap();
        for &(compiler, [standard, language]) in compilers {
            for form in [&FORMS[..1], &FORMS[1..], &["-DUNICODE", "-D_UNICODE", "-fshort-wchar"]] {
                let mut command = Command::new(compiler);
                command.args([
                    "-Wall",
                    "-Wextra",
                    "-Werror",
                    "-fsyntax-only",
                    "-pedantic",
                    "-DSECURITY_WIN32",
                ]);
                command.args(form).args([standard, &option, language]);
                Ran::of(command.arg(&source)).exits_with(0);
            }
        }
    }
}

/// L11: a program without SECURITY_WIN32, and a driver, get an error that says so.
#[test]
fn sspi_is_for_programs_that_say_so() {
    let stage = Stage::new();
    for header in ["sspi.h", "security.h"] {
        let source = stage.path("header.c");
        fs::write(&source, format!("#include <{header}>\n")).unwrap();
        for (option, said) in [
            ("-USECURITY_WIN32", Some("define SECURITY_WIN32")),
            ("-DSECURITY_KERNEL", Some("only SECURITY_WIN32 is supported")),
            ("-DSECURITY_MAC", Some("only SECURITY_WIN32 is supported")),
            ("-DSECURITY_WIN32", None),
        ] {
            let mut command = Command::new("cc");
            command.arg("-fsyntax-only").arg(option).arg("-I").arg(include()).arg(&source);
            let ran = Ran::of(&mut command);
            assert_eq!(ran.status == 0, said.is_none(), "{header} with {option}: {ran:?}");
            assert!(ran.stderr.contains(said.unwrap_or_default()), "{header} with {option}: {ran:?}");
        }
    }
}

/// L11: sizes, places of members and numbers, as MinGW has them. The witness runs under Wine.
#[test]
#[ignore = "needs Wine: cargo xtask test"]
fn sizes_places_and_numbers_are_those_of_the_headers_for_windows() {
    let Some(stage) = Stage::with_wine() else { return };
    let facts = fixture("win32/facts.c");
    for form in FORMS {
        let mut printed = Vec::new();
        for compiler in COMPILERS {
            let program = win32::compile(&stage, compiler, "facts", &facts, &["-pedantic", form]);
            let mut command = Command::new(program);
            printed.push(Ran::of(win32::finds_library(&mut command)).exits_with(0).stdout);
        }
        {
            let program = stage.compile(MINGW, "facts.exe", &facts, &[form]);
            let witness = Ran::of(stage.wine().arg(program)).exits_with(0).stdout.replace("\r\n", "\n");
            assert!(witness.lines().count() > 700, "{witness}");
            for ours in printed {
                let of = |text: &str| text.lines().map(str::to_owned).collect::<BTreeSet<_>>();
                let (ours, theirs) = (of(&ours), of(&witness));
                let (only_ours, only_theirs) = (ours.difference(&theirs), theirs.difference(&ours));
                assert!(
                    ours == theirs,
                    "{form}: only here {:#?}, only there {:#?}",
                    only_ours.collect::<Vec<_>>(),
                    only_theirs.collect::<Vec<_>>()
                );
            }
        }
    }
}

/// L11: each function can be used as what it is on Windows, by its documented name, whatever else a program has of that name.
#[test]
#[ignore = "needs Clang: cargo xtask test"]
fn functions_have_the_types_of_the_headers_for_windows() {
    let stage = Stage::new();
    let functions = fixture("win32/functions.c");
    let option = format!("-I{}", include().display());
    for form in FORMS {
        for (compiler, [standard, language]) in COMPILERS {
            let options = [standard, form, "-pedantic", "-c", &option];
            stage.compile_as(compiler, "functions.o", language, &functions, &options);
        }
        if !wine::is_left_out() {
            for (compiler, language) in [(MINGW, "-xc"), (MINGW_CPP, "-xc++")] {
                stage.compile_as(compiler, "functions.o", language, &functions, &[form, "-c"]);
            }
        }
    }
}

/// L11: what is compared above is all that there is: each number, each structure with its members, each function that the library exports.
#[test]
fn nothing_in_the_headers_is_left_uncompared() {
    let text = lines();
    let compared =
        ["win32/facts.c", "win32/functions.c"].map(|name| fs::read_to_string(fixture(name)).unwrap());
    let compared: BTreeSet<_> = compared.iter().flat_map(|text| words(text)).collect();
    let mut expected = BTreeSet::new();
    let mut is_in_type = false;
    for line in text.lines() {
        is_in_type |=
            ["typedef struct", "typedef union", "typedef enum"].iter().any(|it| line.starts_with(it));
        is_in_type &= !line.starts_with('}');
        let mut words = words(line);
        match (words.next(), words.next(), words.next()) {
            // A number: no function, no other name.
            (Some("define"), Some(name), Some(value))
                if !line.contains(&format!("{name}("))
                    && name.chars().all(|it| !it.is_ascii_lowercase())
                    && (line.contains('(') || value.starts_with(|it: char| it.is_ascii_digit())) =>
            {
                expected.insert(name);
            }
            (Some("SSPCACHE_GUID"), Some(name), _) => _ = expected.insert(name),
            _ => {}
        }
        // A member, a value of an enumeration, or the name of a structure.
        if is_in_type && line.starts_with(' ') {
            let member = line.split('[').next().filter(|_| line.ends_with(';'));
            expected
                .extend(member.map_or_else(|| self::words(line).next(), |member| self::words(member).last()));
        }
        if line.starts_with("} ") {
            expected.extend(self::words(line).next());
        }
    }
    expected.retain(|name| !name.starts_with("SSPCACHE"));
    assert!(expected.len() > 600, "{expected:?}");
    let declared = declared(&[]);
    expected.extend(declared.iter().map(String::as_str));
    let left_out: Vec<_> =
        expected.iter().filter(|name| !compared.contains(*name) && !NOT_IN_MINGW.contains(name)).collect();
    assert!(left_out.is_empty(), "{left_out:?}");
}

/// The functions that headers declare, under their documented names, to which they bind them.
fn declared(only: &[&str]) -> BTreeSet<String> {
    let mut declared = BTreeSet::new();
    for header in headers() {
        let name = header.file_name().and_then(|name| name.to_str()).unwrap();
        if !only.is_empty() && !only.contains(&name) {
            continue;
        }
        let text = fs::read_to_string(&header).unwrap();
        let functions: BTreeSet<_> = text
            .lines()
            .filter(|line| !line.starts_with("#define"))
            .filter_map(|line| Some(line.split_once("sspcache_")?.1.split_once('(')?.0.to_owned()))
            .collect();
        let bound = text.lines().filter_map(|line| {
            let (name, symbol) = line.strip_prefix("#define ")?.split_once(" sspcache_")?;
            assert_eq!(name, symbol, "{}", header.display());
            Some(name.to_owned())
        });
        assert_eq!(functions, bound.collect::<BTreeSet<_>>(), "{}", header.display());
        declared.extend(functions);
    }
    declared
}

/// What a shared library exports.
fn exports(path: &Path) -> BTreeSet<String> {
    let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    let file = object::File::parse(&*bytes).unwrap();
    // The linker's names begin with an underscore on macOS.
    let prefix = if cfg!(target_vendor = "apple") { "_" } else { "" };
    let names = file.exports().unwrap().map(|export| match export.unwrap().name() {
        NameOrOrdinal::Name(name) => str::from_utf8(name).unwrap().strip_prefix(prefix).unwrap().to_owned(),
        NameOrOrdinal::Ordinal(ordinal) => panic!("number {ordinal} without a name"),
    });
    names.collect()
}

/// S2, L11: what is declared is there, what is there is declared, and the mock has nothing that can't be called through it.
#[test]
fn headers_library_and_mock_have_the_same_functions() {
    let named = |name: &str| library().join(format!("{DLL_PREFIX}{name}{DLL_SUFFIX}"));
    let library = exports(&named("sspcache_win32"));
    let functions: BTreeSet<_> =
        library.iter().filter_map(|name| Some(name.strip_prefix("sspcache_")?.to_owned())).collect();
    assert_eq!(functions.len(), library.len(), "it exports nothing else: {library:?}");
    assert_eq!(functions, declared(&[]));

    let mut mock = exports(&named("MSNSSPC"));
    // Found by GetProcAddress alone: as on Windows, WinPR's names for two others, and the mock's mark of a sign-out.
    for name in [
        "CleanupCredentialCache",
        "InitSecurityInterfaceExA",
        "InitSecurityInterfaceExW",
        "sspcache_signed_out",
    ] {
        assert!(mock.remove(name), "{name}");
    }
    assert_eq!(mock, declared(&["sspi.h"]));
}
