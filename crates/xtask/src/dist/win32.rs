//! The loader's library for C and C++ on Unix: as it is linked, its headers, and what tells other build systems where that lies.
//!
//! | file | what |
//! | --- | --- |
//! | `libsspcache_win32.so` or `.dylib`, `libsspcache_win32.a` | the loader |
//! | `libsspcache_win32_mock.a` | the loader with both mock SSPs linked in |
//! | `include/`, `examples/` | the headers, and programs to begin with |
//! | `lib/pkgconfig/` | for `pkg-config`: `sspcache-win32`, `sspcache-win32-static`, `sspcache-win32-mock` |
//! | `lib/cmake/sspcache/` | for `find_package(sspcache)` |

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

use super::{File, build, library_file};
use crate::workspace::Workspace;

const PACKAGE: &str = "sspcache-win32";
const LIBRARY: &str = "sspcache_win32";

/// What a program needs beside a static library of Rust's.
const PRIVATE: &str = "-lpthread -ldl -lm";

/// Builds all of it.
pub(super) fn files(workspace: &Workspace, triple: &str) -> Result<Vec<File>> {
    let archive = format!("lib{LIBRARY}.a");
    let with_mock = format!("lib{LIBRARY}_mock.a");
    let shared = library_file(triple, LIBRARY);

    // Cargo gives both builds the same name: the first is put aside.
    let mock = build(workspace, triple, PACKAGE, "rustc --lib --crate-type staticlib --features mock")?;
    fs::rename(mock.folder.join(&archive), mock.folder.join(&with_mock))
        .context("cargo built no static library")?;
    let built = build(workspace, triple, PACKAGE, "rustc --lib --crate-type cdylib,staticlib")?;

    let mut files = vec![mock.file(&with_mock, &with_mock)];
    for name in [&shared, &archive] {
        files.push(built.file(name, name));
    }
    let package = workspace.root.join("crates").join(PACKAGE);
    for folder in ["include", "examples"] {
        for file in below(&package.join(folder))? {
            let to = file.strip_prefix(&package)?.to_owned();
            files.push(File::plain(file, to));
        }
    }
    let filled = built.folder.join("packaging");
    let mut fill = |template: &str, to: PathBuf, values: &[(&str, &str)]| -> Result<()> {
        let from = package.join("packaging").join(template);
        let text = fs::read_to_string(&from).with_context(|| format!("can't read {}", from.display()))?;
        let text = values.iter().fold(text, |text, (name, value)| text.replace(&format!("@{name}@"), value));
        fs::create_dir_all(filled.join(&to).parent().unwrap_or(&filled))?;
        fs::write(filled.join(&to), text)?;
        files.push(File::plain(filled.join(&to), to));
        Ok(())
    };
    let soname = if triple.contains("apple") { format!("@rpath/{shared}") } else { shared.clone() };
    let version = env!("CARGO_PKG_VERSION");
    let [major, minor] = [env!("CARGO_PKG_VERSION_MAJOR"), env!("CARGO_PKG_VERSION_MINOR")];
    for (file, values) in [
        ("sspcacheConfig.cmake", &[("SHARED", &*shared), ("SONAME", &soname)][..]),
        ("sspcacheConfigVersion.cmake", &[("VERSION", version), ("MAJOR", major), ("MINOR", minor)]),
    ] {
        let template = format!("{file}.in");
        fill(&template, Path::new("lib/cmake/sspcache").join(file), values)?;
    }
    let archive_libs = format!("${{prefix}}/{archive} {PRIVATE}");
    let mock_libs = format!("${{prefix}}/{with_mock} {PRIVATE}");
    for (name, description, libs) in [
        (PACKAGE, "The Win32 module loader for C and C++", "-L${prefix} -lsspcache_win32"),
        ("sspcache-win32-static", "The Win32 module loader for C and C++, linked in", &archive_libs),
        ("sspcache-win32-mock", "The Win32 module loader with both mock SSPs, linked in", &mock_libs),
    ] {
        let to = Path::new("lib/pkgconfig").join(format!("{name}.pc"));
        let values = [("NAME", name), ("DESCRIPTION", description), ("VERSION", version), ("LIBS", libs)];
        fill("sspcache-win32.pc.in", to, &values)?;
    }
    Ok(files)
}

/// Every file below a folder, in the order of their paths.
fn below(folder: &Path) -> Result<Vec<PathBuf>> {
    let mut files = Vec::new();
    let entries = fs::read_dir(folder).with_context(|| format!("can't read {}", folder.display()))?;
    for entry in entries {
        let path = entry?.path();
        if path.is_dir() { files.extend(below(&path)?) } else { files.push(path) }
    }
    files.sort_unstable();
    Ok(files)
}
