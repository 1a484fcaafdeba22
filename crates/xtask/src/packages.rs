//! Whether C programs can be built with what ships, wherever its folder lies: by `pkg-config` and by CMake.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result, ensure};
use xshell::cmd;

use crate::workspace::Workspace;

/// The documented sign-out.
const PROGRAM: &str = "fixtures/win32/sign_out.c";

/// The packages of `pkg-config`, and whether the program needs the mock DLL beside it.
const PACKAGES: [(&str, bool); 3] =
    [("sspcache-win32", true), ("sspcache-win32-static", true), ("sspcache-win32-mock", false)];

/// A CMake project as a user would write it: the program in each way of linking, each run and judged by a test.
const PROJECT: &str = "\
cmake_minimum_required(VERSION 3.13)
project(app LANGUAGES C)
find_package(sspcache @VERSION@ REQUIRED)
enable_testing()
foreach(kind win32 win32_static win32_mock)
    add_executable(app_${kind} @PROGRAM@)
    target_link_libraries(app_${kind} PRIVATE sspcache::${kind})
    add_test(NAME ${kind} COMMAND sspcache::sspcache exec --expect-clean --config @CONFIG@ -- $<TARGET_FILE:app_${kind}> MSNSSPC.dll MSNSSPC.dll)
endforeach()
";

/// Somebody is signed in as soon as the mock is used: the program itself signs nobody in.
const SIGNED_IN: &str = "\
[[preload]]
package = 'MSN'
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'
";

/// Builds and runs programs against a copy of a distribution, in a folder that it was not built for.
pub(crate) fn check(workspace: &Workspace, distribution: &Path) -> Result<()> {
    let folder = workspace.target.join("xtask/packages");
    workspace.shell.remove_path(&folder)?;
    workspace.shell.create_dir(&folder)?;
    let moved = folder.join("moved there");
    let sh = &workspace.shell;
    cmd!(sh, "cp -R {distribution} {moved}").quiet().run()?;
    with_pkg_config(workspace, &folder, &moved)?;
    with_cmake(workspace, &folder, &moved)
}

fn with_pkg_config(workspace: &Workspace, folder: &Path, moved: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let program = workspace.root.join(PROGRAM);
    for (package, needs_dll) in PACKAGES {
        let exact = format!("{package} = {}", env!("CARGO_PKG_VERSION"));
        let asked = cmd!(sh, "pkg-config --cflags --libs {exact}");
        let flags = asked.env("PKG_CONFIG_PATH", moved.join("lib/pkgconfig")).quiet().read()?;
        let built = folder.join(package);
        // The folder's name has a space, which the flags quote for a shell.
        let script = format!("exec cc -std=c11 -Wall -Werror \"$1\" -o \"$2\" {flags}");
        cmd!(sh, "sh -c {script} sh {program} {built}").quiet().run()?;
        let ran = cmd!(sh, "{built} MSNSSPC.dll").env("LD_LIBRARY_PATH", moved);
        expect(package, &ran.env("DYLD_LIBRARY_PATH", moved).quiet().read()?, "not loaded: 126")?;
        let ran = cmd!(sh, "{built} MSNSSPC.dll MSNSSPC.dll");
        let library_path = if needs_dll { moved } else { folder };
        let ran = ran.env("LD_LIBRARY_PATH", library_path).env("DYLD_LIBRARY_PATH", library_path);
        expect(package, &ran.quiet().read()?, "flushed")?;
    }
    Ok(())
}

fn with_cmake(workspace: &Workspace, folder: &Path, moved: &Path) -> Result<()> {
    let sh = &workspace.shell;
    let [source, built] = ["project", "built"].map(|name| folder.join(name));
    sh.create_dir(&source)?;
    let program = workspace.root.join(PROGRAM);
    let project = PROJECT.replace("@VERSION@", env!("CARGO_PKG_VERSION"));
    let config = folder.join("signed-in.toml");
    fs::write(&config, SIGNED_IN)?;
    let project = project.replace("@PROGRAM@", &program.display().to_string());
    let project = project.replace("@CONFIG@", &config.display().to_string());
    fs::write(source.join("CMakeLists.txt"), project)?;
    let prefix = format!("-DCMAKE_PREFIX_PATH={}", moved.display());
    cmd!(sh, "cmake -S {source} -B {built} {prefix}").quiet().run()?;
    cmd!(sh, "cmake --build {built}").quiet().run()?;
    cmd!(sh, "ctest --test-dir {built} --output-on-failure --no-tests=error")
        .env("LD_LIBRARY_PATH", moved)
        .env("DYLD_LIBRARY_PATH", moved)
        .quiet()
        .run()
        .context("a program that CMake built")?;
    // Another version is refused, and so is a folder that lacks a file.
    let refused = |prefix: &PathBuf, version: &str| -> Result<bool> {
        let lists = source.join("CMakeLists.txt");
        let text = format!(
            "cmake_minimum_required(VERSION 3.13)\nproject(app LANGUAGES C)\nfind_package(sspcache {version} REQUIRED)\n"
        );
        fs::write(&lists, text)?;
        let (prefix, again) = (format!("-DCMAKE_PREFIX_PATH={}", prefix.display()), folder.join("again"));
        workspace.shell.remove_path(&again)?;
        let output = cmd!(sh, "cmake -S {source} -B {again} {prefix}").quiet().ignore_status().output()?;
        Ok(!output.status.success())
    };
    ensure!(!refused(&moved.to_path_buf(), "")?, "CMake refuses what it took before");
    ensure!(refused(&moved.to_path_buf(), "99.0")?, "CMake takes a version that this isn't");
    workspace.shell.remove_path(moved.join("libsspcache_win32.a"))?;
    ensure!(refused(&moved.to_path_buf(), "")?, "CMake takes a folder without the static library");
    Ok(())
}

fn expect(package: &str, printed: &str, expected: &str) -> Result<()> {
    ensure!(printed == expected, "a program linked with {package} printed {printed:?} and not {expected:?}");
    Ok(())
}
