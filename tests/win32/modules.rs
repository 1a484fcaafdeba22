//! The C library of the module loader, called as C calls it: handles, names, errors, buffers, on the host's own files.
#![cfg(unix)]
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    ffi::{CStr, CString, c_void},
    fs,
    path::Path,
    process::Command,
    ptr, thread,
};

use sspcache_tests::{
    program::{Ran, fixture},
    stage::Stage,
    win32::{self, COMPILERS},
};
use sspcache_win32::*;

type Module = *mut c_void;

const PIN: u32 = 1;
const UNCHANGED: u32 = 2;
const FROM_ADDRESS: u32 = 4;

/// A stage with a shared object that exports a function. Its name is one test's: all of them are one process.
fn built(name: &str) -> Stage {
    let stage = Stage::new();
    let source = stage.path("module.c");
    fs::write(&source, "char *getenv(const char *); int answer(void) { return getenv(\"\") ? 1 : 42; }\n")
        .unwrap();
    stage.compile("cc", name, &source, &["-shared", "-fPIC"]);
    stage
}

fn c(text: &str) -> CString {
    CString::new(text).unwrap()
}

fn w(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

fn path(stage: &Stage, file: &str) -> String {
    stage.path("programs").join(file).to_str().unwrap().to_owned()
}

/// LoadLibrary, in both forms.
fn load(name: &str) -> [Module; 2] {
    // SAFETY: the names end in a null, and the modules have no constructors.
    unsafe { [sspcache_LoadLibraryA(c(name).as_ptr()), sspcache_LoadLibraryW(w(name).as_ptr())] }
}

/// GetModuleHandle, in both forms, which agree.
fn find(name: &str) -> Module {
    // SAFETY: the names end in a null.
    let found =
        unsafe { [sspcache_GetModuleHandleA(c(name).as_ptr()), sspcache_GetModuleHandleW(w(name).as_ptr())] };
    assert_eq!(found[0], found[1], "{name}");
    found[0]
}

/// GetProcAddress.
fn export(module: Module, name: &CStr) -> Module {
    // SAFETY: the name ends in a null; what is no module is refused.
    unsafe { sspcache_GetProcAddress(module, name.as_ptr()) }
}

/// The program's own handle.
fn program() -> Module {
    // SAFETY: a null name is the program.
    unsafe { sspcache_GetModuleHandleA(ptr::null()) }
}

/// What a call does to the last error.
fn error<T>(call: impl FnOnce() -> T) -> (T, u32) {
    sspcache_SetLastError(7777);
    let result = call();
    (result, sspcache_GetLastError())
}

/// GetModuleFileName with a buffer of this size, which ends where that says.
fn file_name(module: Module, size: usize) -> (u32, String) {
    let mut buffer = vec![b'x'; size + 1];
    let length = u32::try_from(size).unwrap();
    // SAFETY: there is as much room.
    let written = unsafe { sspcache_GetModuleFileNameA(module, buffer.as_mut_ptr().cast(), length) };
    assert_eq!(buffer[size], b'x', "past the end");
    assert!(written > 0 || buffer.iter().all(|&byte| byte == b'x'), "on failure the buffer is untouched");
    let text = CStr::from_bytes_until_nul(&buffer).map_or("", |text| text.to_str().unwrap());
    (written, text.to_owned())
}

/// L1, L2, L3, L8: a file is found in whatever form and case its path is written; each load counts.
#[test]
fn paths_of_both_kinds_name_the_same_module_and_loads_are_counted() {
    let stage = built("counted.dll");
    let unix = path(&stage, "counted.dll");
    let windows = format!("Z:{}", unix.replace('/', "\\"));
    let other_case = windows.to_uppercase();
    let mut loads = 0;
    let mut module: Module = ptr::null_mut();
    for name in [&unix, &windows, &other_case, &unix.trim_end_matches(".dll").to_owned()] {
        for loaded in load(name) {
            assert!(!loaded.is_null(), "{name}: {}", sspcache_GetLastError());
            assert!(module.is_null() || module == loaded, "{name}");
            (module, loads) = (loaded, loads + 1);
        }
        assert_eq!(find(name), module);
    }
    assert_eq!(find("COUNTED"), module);
    let answer = export(module, c"answer");
    // SAFETY: the export is this function, and its module is loaded.
    let answer: extern "C" fn() -> i32 = unsafe { std::mem::transmute(answer) };
    assert_eq!(answer(), 42);
    for left in (0..loads).rev() {
        assert_eq!(sspcache_FreeLibrary(module), 1);
        assert_eq!(find("counted.dll").is_null(), left == 0);
    }
    assert_eq!(error(|| sspcache_FreeLibrary(module)), (0, 126));
}

/// L6, L11
#[test]
fn what_fails_sets_the_last_error_and_what_succeeds_leaves_it_alone() {
    let stage = built("Other.so");
    let other = path(&stage, "Other.so");
    fs::write(stage.path("programs/text.dll"), "no module").unwrap();
    let module = load(&other)[0];
    for (what, call, code) in [
        ("absent", error(|| load("nowhere.dll")[1]), 126),
        ("another drive", error(|| load(&format!("C:{other}"))[1]), 126),
        ("a text", error(|| load(&path(&stage, "text.dll"))[1]), 193),
        ("not loaded", error(|| find("text.dll")), 126),
        ("an empty name", error(|| find("")), 126),
        // SAFETY: the name ends in a null.
        ("bytes that are no text", error(|| unsafe { sspcache_GetModuleHandleA(c"\xFF.dll".as_ptr()) }), 126),
        ("no export", error(|| export(module, c"Answer")), 127),
        ("another's export", error(|| export(module, c"printf")), 127),
        // SAFETY: an ordinal is no pointer.
        ("an ordinal", error(|| unsafe { sspcache_GetProcAddress(module, ptr::without_provenance(1)) }), 182),
        ("no module", error(|| export(ptr::without_provenance_mut(64), c"answer")), 126),
        // SAFETY: a null pointer is answered by an error.
        ("a null name", error(|| unsafe { sspcache_LoadLibraryA(ptr::null()) }), 87),
    ] {
        assert_eq!(call, (ptr::null_mut(), code), "{what}");
    }
    assert_eq!(error(|| sspcache_FreeLibrary(ptr::null_mut())), (0, 6));
    assert_eq!(error(|| find("other.so")), (module, 7777));
    let export = error(|| export(module, c"answer"));
    assert!(!export.0.is_null() && export.1 == 7777, "{export:?}");
    thread::spawn(|| assert_eq!(sspcache_GetLastError(), 0, "each thread has its own")).join().unwrap();
}

/// L12
#[test]
fn a_load_with_a_file_or_without_constructors_is_refused() {
    let stage = built("flagged.dll");
    let name = path(&stage, "flagged.dll");
    for (file, flags, code) in [(1, 0, 87), (0, 1, 50), (0, 0x108, 87)] {
        let file = ptr::without_provenance_mut(file);
        // SAFETY: the names end in a null, and the module has no constructors.
        let loaded = unsafe {
            [
                error(|| sspcache_LoadLibraryExA(c(&name).as_ptr(), file, flags)),
                error(|| sspcache_LoadLibraryExW(w(&name).as_ptr(), file, flags)),
            ]
        };
        assert_eq!(loaded, [(ptr::null_mut(), code); 2], "{file:?}, {flags:#x}");
    }
    assert!(find("flagged.dll").is_null());
}

/// L4, L10
#[test]
fn a_path_is_cut_where_the_buffer_ends() {
    let program = program();
    assert!(!program.is_null());
    assert_eq!(sspcache_FreeLibrary(program), 1, "freeing the program succeeds");
    let own = std::env::current_exe().unwrap().to_str().unwrap().to_owned();
    let length = u32::try_from(own.len()).unwrap();
    for module in [program, ptr::null_mut()] {
        assert_eq!(error(|| file_name(module, 4096)), ((length, own.clone()), 0));
        assert_eq!(error(|| file_name(module, own.len() + 1)), ((length, own.clone()), 0));
        assert_eq!(error(|| file_name(module, own.len())), ((length, own[..own.len() - 1].to_owned()), 122));
        assert_eq!(error(|| file_name(module, 1)), ((1, String::new()), 122));
        assert_eq!(error(|| file_name(module, 0)).1, 122);
    }
    let mut wide = [7; 5];
    // SAFETY: there is as much room.
    assert_eq!(unsafe { sspcache_GetModuleFileNameW(program, wide.as_mut_ptr(), 4) }, 4);
    assert_eq!(wide[3..], [0, 7]);
    assert_eq!(error(|| file_name(ptr::without_provenance_mut(64), 9)), ((0, String::new()), 126));
}

/// L5
#[test]
fn a_lookup_takes_the_reference_that_its_flags_say_and_finds_by_address() {
    let stage = built("referenced.dll");
    let module = load(&path(&stage, "referenced.dll"))[0];
    assert_eq!(sspcache_FreeLibrary(module), 1, "the other form's");
    let ex = |flags, name: *const c_void| {
        let mut place: Module = ptr::without_provenance_mut(5);
        // SAFETY: the place may be written to; the name ends in a null, or is an address.
        let found = unsafe { sspcache_GetModuleHandleExA(flags, name.cast(), &raw mut place) };
        (found, place)
    };
    let name = c"referenced.dll";
    assert_eq!(ex(0, name.as_ptr().cast()), (1, module));
    assert_eq!(sspcache_FreeLibrary(module), 1);
    assert_eq!(ex(UNCHANGED, name.as_ptr().cast()), (1, module));
    let export = export(module, c"answer");
    assert_eq!(ex(FROM_ADDRESS | UNCHANGED, export), (1, module));
    let here = (built as fn(&str) -> Stage) as *const c_void;
    let program = program();
    assert_eq!(ex(FROM_ADDRESS | UNCHANGED, here), (1, program));
    for (flags, name, code) in [
        (PIN | UNCHANGED, name.as_ptr().cast(), 87),
        (8, name.as_ptr().cast(), 87),
        (0, c"absent".as_ptr().cast(), 126),
        (FROM_ADDRESS, ptr::without_provenance(4096), 126),
    ] {
        assert_eq!(error(|| ex(flags, name)), ((0, ptr::null_mut()), code), "{flags}");
    }
    // SAFETY: a null pointer is answered by an error.
    let nowhere = error(|| unsafe { sspcache_GetModuleHandleExA(0, name.as_ptr(), ptr::null_mut()) });
    assert_eq!(nowhere, (0, 87));
    assert_eq!(sspcache_FreeLibrary(module), 1);
    assert!(find("referenced.dll").is_null(), "every reference was given back");
}

/// L11
#[test]
fn names_compare_without_case_in_both_forms() {
    for (left, right, order) in
        [("MSNSSPC.dll", "msnsspc.DLL", 0), ("a", "b", -1), ("é", "É", 0), ("ß", "SS", 1), ("a", "", 1)]
    {
        // SAFETY: the strings end in a null.
        let found = unsafe {
            [
                sspcache_lstrcmpiA(c(left).as_ptr(), c(right).as_ptr()),
                sspcache_lstrcmpiW(w(left).as_ptr(), w(right).as_ptr()),
            ]
        };
        assert_eq!(found, [order; 2], "{left} and {right}");
    }
    // SAFETY: null pointers may be compared.
    assert_eq!(unsafe { sspcache_lstrcmpiA(ptr::null(), c"".as_ptr()) }, -1);
}

/// L12: where a bare name is sought; and a missing folder is none.
#[test]
fn a_bare_name_is_found_beside_the_program() {
    let program = std::env::current_exe().unwrap();
    let built = program.with_file_name(format!(
        "{}MSNSSPC{}",
        std::env::consts::DLL_PREFIX,
        std::env::consts::DLL_SUFFIX
    ));
    let name = built.file_name().unwrap().to_str().unwrap();
    let [module, same] = load(&name.to_uppercase());
    assert!(!module.is_null() && module == same, "{name}: {}", sspcache_GetLastError());
    assert_eq!(Path::new(&file_name(module, 4096).1), built);
    for _ in 0..2 {
        assert_eq!(sspcache_FreeLibrary(module), 1);
    }
}

/// L9, M1: what other threads of the parent were in the middle of doesn't keep a child waiting, and what was loaded stays loaded.
#[test]
fn a_child_that_is_forked_while_other_threads_use_the_loader_goes_on() {
    const FORKS: usize = 200;
    let stage = Stage::new();
    let source = fixture("clients/forks.c");
    let program = win32::compile(&stage, COMPILERS[0], "forks", &source, &["-DLINKED", "-pthread"]);
    for ssp in ["MSNSSPC.dll", "MSAPSSPC.dll"] {
        fs::copy(stage.path(ssp), stage.path("programs").join(ssp)).unwrap();
    }
    let mut forks = Command::new(&program);
    win32::finds_library(&mut forks).env_remove("SSPCACHE_JOURNAL").env_remove("SSPCACHE_CONFIG");
    let ran = Ran::of(forks.args(["MSNSSPC.dll", &FORKS.to_string()])).exits_with(0);
    assert_eq!(ran.stdout, format!("{FORKS} children\n"));
}
