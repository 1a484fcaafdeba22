//! The witness of the functions that end in A: this test program with a manifest that makes UTF-8 their code page, as a program
//! of today asks for it. Wine 8.0 does as it says (observed).
//!
//! Reference: [Use UTF-8 code pages](https://learn.microsoft.com/en-us/windows/apps/design/globalizing/use-utf8-code-page).
#![allow(unsafe_code, reason = "asks the system for its code page")]

use std::process::Command;
use std::{env, fs};

use loader_vectors::Form;
use windows_sys::Win32::Globalization::{CP_UTF8, GetACP};

const MANIFEST: &str = r#"<?xml version="1.0" encoding="UTF-8" standalone="yes"?>
<assembly manifestVersion="1.0" xmlns="urn:schemas-microsoft-com:asm.v1">
  <assemblyIdentity type="win32" name="sspcache.vectors" version="1.0.0.0"/>
  <application>
    <windowsSettings>
      <activeCodePage xmlns="http://schemas.microsoft.com/SMI/2019/WindowsSettings">UTF-8</activeCodePage>
    </windowsSettings>
  </application>
</assembly>
"#;

/// Whether the functions that end in A take UTF-8 in this process.
pub(crate) fn has_utf8() -> bool {
    // SAFETY: nothing is passed.
    (unsafe { GetACP() }) == CP_UTF8
}

/// Runs a test of this program in the witness: a copy beside which the manifest lies.
pub(crate) fn run(form: Form, test: &str) {
    assert_eq!(env::var_os(WITNESS), None, "the system leaves the manifest out of account");
    let folder = tempfile::tempdir().expect("a folder");
    let program = env::current_exe().expect("a path");
    let witness = folder.path().join("witness.exe");
    fs::copy(&program, &witness).expect("the program");
    fs::copy(program.with_file_name("tiny_dll.dll"), folder.path().join("tiny_dll.dll"))
        .expect("the tiny DLL");
    fs::write(folder.path().join("witness.exe.manifest"), MANIFEST).expect("a manifest");
    loader_vectors::again(Command::new(witness).env(WITNESS, "1"), form, test);
}

/// Set in the witness.
const WITNESS: &str = "SSPCACHE_VECTOR_WITNESS";
