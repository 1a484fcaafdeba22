//! A program that links `libsspcache_win32` and WinPR, which has functions of the same documented names: neither disturbs the
//! other, in whichever order they are linked. On Linux alone, where distributions have WinPR for developers.
#![cfg(target_os = "linux")]

use std::{
    collections::BTreeSet,
    env, fs,
    path::{Path, PathBuf},
    process::Command,
};

use object::{Object, ObjectSymbol, read::archive::ArchiveFile};
use sspcache_tests::{
    program::{Ran, fixture, root},
    stage::Stage,
};

/// What the program prints, whatever the order.
const PRINTED: &str = "\
errors: set, 1111 and 2222
another thread: begins, 0 and 0
ours: set again, 5 and 2222
WinPR's: set again, 5 and 7
what isn't there, by us: refused, 126 and 2222
what isn't there, by WinPR: refused, 1111 and 2222
an export, by us: 42, 1111 and 2222
an export, by WinPR: 42, 1111 and 2222
WinPR's handle, its export: refused, 126 and 2222
WinPR's handle, its path: refused, 126 and 2222
WinPR's handle, freed: refused, 126 and 2222
freed by WinPR: freed, 1111 and 2222
an export, by us: 42, 1111 and 2222
freed by us: freed, 1111 and 2222
an export, by WinPR: 42, 1111 and 2222
found by us: gone, 126 and 2222
the program: the same, 1111 and 2222
126: The specified module could not be found., 1111 and 2222
";

/// The functions that both halves of the program call.
const CALLED: [&str; 5] =
    ["FreeLibrary", "GetLastError", "GetModuleFileNameA", "GetProcAddress", "LoadLibraryA"];

/// What a program needs that links the static library: Rust's own standard library asks for it.
const OF_RUST: [&str; 5] = ["-lgcc_s", "-lrt", "-lpthread", "-lm", "-ldl"];

/// The folder in which cargo put our library.
fn library() -> PathBuf {
    env::current_exe().unwrap().parent().unwrap().to_path_buf()
}

/// What the C compiler finds of WinPR: its library, and the folder of its headers.
fn winpr() -> (PathBuf, PathBuf) {
    const HOW: &str = "which this test needs: `cargo xtask setup` installs it or says how";
    let output = Command::new("cc").arg("-print-file-name=libwinpr2.so").output();
    let output = output.unwrap_or_else(|error| panic!("can't run the C compiler cc ({error}), {HOW}"));
    let library = PathBuf::from(String::from_utf8(output.stdout).unwrap().trim());
    // The compiler repeats the bare name of what it doesn't find.
    assert!(library.is_absolute(), "WinPR's {} isn't installed, {HOW}", library.display());
    let mut folders = ["/usr/include/winpr2", "/usr/local/include/winpr2"].map(PathBuf::from).into_iter();
    let headers = folders.find(|folder| folder.join("winpr/library.h").is_file());
    (library, headers.unwrap_or_else(|| panic!("WinPR's winpr/library.h isn't installed, {HOW}")))
}

/// The program and the module that it loads, linked with these options.
struct Built {
    program: PathBuf,
    module: PathBuf,
}

impl Built {
    fn new(stage: &Stage, linked: &[&str]) -> Self {
        let source = stage.path("answer.c");
        fs::write(&source, "int answer(void) { return 42; }\n").unwrap();
        let module = stage.compile("cc", "answer.dll", &source, &["-shared", "-fPIC"]);
        let other_half = fixture("win32/beside_winpr_other_half.c");
        let (_, headers) = winpr();
        let headers = ["-c", "-isystem", headers.to_str().unwrap()];
        let object = stage.compile("cc", "other_half.o", &other_half, &headers);
        let include = root().join("crates/sspcache-win32/include");
        let (include, library) = (format!("-I{}", include.display()), format!("-L{}", library().display()));
        let mut options =
            vec!["-std=c11", "-D_GNU_SOURCE", "-pthread", &include, object.to_str().unwrap(), &library];
        options.extend(linked);
        let program = stage.compile("cc", "beside", &fixture("win32/beside_winpr.c"), &options);
        Self { program: program.into(), module: module.into() }
    }

    fn run(&self) -> String {
        let mut command = Command::new(&self.program);
        command.arg(&self.module).env("LD_LIBRARY_PATH", library());
        Ran::of(&mut command).exits_with(0).stdout
    }

    /// The symbols of others that the program binds to.
    fn bound(&self) -> BTreeSet<String> {
        let file = fs::read(&self.program).unwrap();
        let file = object::File::parse(&*file).unwrap();
        let undefined = file.dynamic_symbols().filter(ObjectSymbol::is_undefined);
        undefined.map(|symbol| symbol.name().unwrap().to_owned()).collect()
    }
}

/// What a shared library gives to others.
fn exported(path: &Path) -> BTreeSet<String> {
    let file = fs::read(path).unwrap();
    let file = object::File::parse(&*file).unwrap();
    let defined = file.dynamic_symbols().filter(ObjectSymbol::is_definition);
    defined.map(|symbol| symbol.name().unwrap().to_owned()).collect()
}

/// What a static library gives to others.
fn archived(path: &Path) -> BTreeSet<String> {
    let file = fs::read(path).unwrap();
    let mut names = BTreeSet::new();
    for member in ArchiveFile::parse(&*file).unwrap().members() {
        let Ok(object) = object::File::parse(member.unwrap().data(&*file).unwrap()) else { continue };
        let given = object.symbols().filter(|symbol| symbol.is_definition() && symbol.is_global());
        names.extend(given.map(|symbol| symbol.name().unwrap().to_owned()));
    }
    names
}

/// L6, L7, L8: each library keeps its own last error, per thread, and its own references; our functions refuse WinPR's handles.
#[test]
#[ignore = "needs WinPR: cargo xtask test"]
fn a_program_uses_this_loader_and_winprs_side_by_side() {
    let archive = library().join("libsspcache_win32.a");
    let archive = archive.to_str().unwrap();
    let mut linked = vec![
        vec!["-lsspcache_win32", "-lwinpr2"],
        vec!["-lwinpr2", "-lsspcache_win32"],
        vec![archive, "-lwinpr2"],
        vec!["-lwinpr2", archive],
    ];
    for linked in &mut linked {
        if linked.contains(&archive) {
            linked.extend(OF_RUST);
        }
        let stage = Stage::new();
        let built = Built::new(&stage, linked);
        assert_eq!(built.run(), PRINTED, "{linked:?}");
        let bound = built.bound();
        for name in CALLED {
            assert!(bound.contains(name), "{linked:?}: {name} is WinPR's, of {bound:?}");
            let ours = format!("sspcache_{name}");
            assert_eq!(bound.contains(&ours), !linked.contains(&archive), "{linked:?}: {ours} of {bound:?}");
        }
    }
}

/// No symbol that others may bind to is called as one of WinPR's, in the shared library or in the static one.
#[test]
#[ignore = "needs WinPR: cargo xtask test"]
fn no_symbol_of_this_library_is_one_of_winprs() {
    let winprs = exported(&winpr().0);
    assert!(CALLED.iter().all(|name| winprs.contains(*name)), "WinPR has the documented names");
    let folder = library();
    let shared = exported(&folder.join("libsspcache_win32.so"));
    let archive = archived(&folder.join("libsspcache_win32.a"));
    for (kind, names) in [("shared", &shared), ("static", &archive)] {
        assert!(names.contains("sspcache_GetLastError"), "{kind}: {}", names.len());
        let common: Vec<_> = names.intersection(&winprs).collect();
        assert!(common.is_empty(), "{kind}: {common:?}");
    }
    let foreign: Vec<_> = shared.iter().filter(|name| !name.starts_with("sspcache_")).collect();
    assert!(foreign.is_empty(), "{foreign:?}");
}
