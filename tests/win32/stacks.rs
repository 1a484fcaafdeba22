//! Stacks in journals of programs that use the library: they begin in the program, and not in the library.
#![cfg(target_os = "linux")]

use std::{ffi::OsStr, process::Command};

use sspcache_tests::{
    program::{Ran, fixture},
    stack::{self, Debugged},
    stage::Stage,
    win32::{self, COMPILERS},
};

/// Checks the stacks of `fixtures/clients/where.c`, built with LINKED: through a module that it loads, and through the library's own
/// functions.
#[track_caller]
pub(crate) fn are_the_programs(stage: &Stage, program: &OsStr, finds: impl Fn(&mut Command)) {
    for module in [Some("MSNSSPC.dll"), None] {
        let folder = stage.path("journals").join(module.unwrap_or("none")).join("");
        let mut exec = stage.exec();
        finds(&mut exec);
        exec.arg("--journal").arg(&folder).arg("--").arg(program).args(module);
        let ran = Ran::of(&mut exec).exits_with(0);
        let journals = stack::journals(&folder);
        // Without a module, the library asks both SSPs: the first has the package.
        let used = journals.iter().find(|journal| journal.events.iter().any(|event| !event.stack.is_empty()));
        let used = used.unwrap_or_else(|| panic!("no stack: {journals:?}"));
        stack::are_right(&ran.stdout, used, &Debugged::elf(program));
    }
}

/// Q4
#[test]
fn a_stack_begins_in_the_program_and_not_in_the_library_between() {
    let stage = Stage::new();
    let options = ["-DLINKED", "-g"];
    let program = win32::compile(&stage, COMPILERS[0], "where", &fixture("clients/where.c"), &options);
    are_the_programs(&stage, &program, |exec| _ = win32::finds_library(exec));
}
