//! Runs rows against a loader, whichever it is, and reports every row that it disagrees with.

use std::collections::HashMap;

use crate::row::{Call, Export, Row, Step, Wanted};

/// A loader with the documented functions; a failure is the last error.
pub(crate) trait Loader {
    /// Whether it may differ where a row says so.
    const IS_THE_SYSTEM: bool;

    /// The folder that the row's files lie in, without a trailing backslash: `{dir}`, and the current directory.
    fn folder(&self) -> String;
    /// The program's path: `{program}`.
    fn program(&self) -> String;
    fn load_library(&mut self, name: &str) -> Result<u64, u32>;
    fn free_library(&mut self, module: u64) -> Result<(), u32>;
    fn get_module_handle(&mut self, name: Option<&str>) -> Result<u64, u32>;
    fn get_module_handle_ex(&mut self, flags: u32, sought: Sought<'_>) -> Result<u64, u32>;
    /// What the export returns when it is called.
    fn get_proc_address(&mut self, module: u64, export: &Export) -> Result<u32, u32>;
    fn get_module_file_name(&mut self, module: u64) -> Result<String, u32>;
    fn load_library_ex(&mut self, name: &str, flags: u32) -> Result<u64, u32>;
    fn disable_thread_library_calls(&mut self, module: u64) -> Result<(), u32>;
    fn set_dll_directory(&mut self, path: Option<&str>) -> Result<(), u32>;
    fn add_dll_directory(&mut self, path: &str) -> Result<u64, u32>;
    fn remove_dll_directory(&mut self, cookie: u64) -> Result<(), u32>;
    fn set_default_dll_directories(&mut self, flags: u32) -> Result<(), u32>;
    /// What the modules were told: `+name` for a load, `-name` for an unload.
    fn told(&self) -> Vec<String>;
}

/// The second parameter of GetModuleHandleEx.
pub(crate) enum Sought<'a> {
    Name(Option<&'a str>),
    Address(u64),
}

/// Runs each row in a loader of its own, which has the row's files, and gives their number.
pub(crate) fn all<'r, L: Loader>(
    rows: impl IntoIterator<Item = &'r Row>,
    loader: impl Fn(&Row) -> L,
) -> usize {
    let outcomes: Vec<Option<String>> = rows
        .into_iter()
        .map(|row| {
            let failure = Run { loader: loader(row), handles: HashMap::new() }.row(row).err()?;
            Some(format!("{} ({}): {failure}", row.says, row.clause))
        })
        .collect();
    let failures: Vec<&str> = outcomes.iter().flatten().map(String::as_str).collect();
    assert!(failures.is_empty(), "{} of {} rows:\n{}", failures.len(), outcomes.len(), failures.join("\n"));
    outcomes.len()
}

/// Runs the rows that leave something behind, each in this test program started again for it alone.
#[cfg(windows)]
pub(crate) fn alone<'r>(rows: impl IntoIterator<Item = &'r Row>, test: &str) -> usize {
    let program = std::env::current_exe().expect("a path");
    let run = |row: &Row| {
        let mut run = std::process::Command::new(&program);
        let ran =
            run.args([test, "--exact", "--nocapture"]).env(ALONE, &row.says).output().expect("it starts");
        let said = String::from_utf8_lossy(&[ran.stdout, ran.stderr].concat()).into_owned();
        assert!(ran.status.success() && said.contains("1 passed"), "{}: {said}", row.says);
    };
    rows.into_iter().map(run).count()
}

/// Names the row that a process is started for.
#[cfg(windows)]
pub(crate) const ALONE: &str = "SSPCACHE_VECTOR";

struct Run<L> {
    loader: L,
    /// Handles by the names that rows give them.
    handles: HashMap<String, u64>,
}

/// What a call gave.
#[derive(Debug)]
enum Got {
    Handle(u64),
    Done,
    Number(u32),
    Path(String),
}

impl<L: Loader> Run<L> {
    fn row(mut self, row: &Row) -> Result<(), String> {
        let program = self.loader.get_module_handle(None).map_err(|code| format!("no program: {code}"))?;
        self.handles.extend([("null".into(), 0), ("forged".into(), 0x10), ("program".into(), program)]);
        for step in &row.setup {
            self.step(step, &[])?;
        }
        let differs = row.differs.as_ref().filter(|_| L::IS_THE_SYSTEM);
        self.step(&row.test, differs.map_or(&[], |differs| &differs.errors))?;
        match &row.told {
            Some(told) if *told != self.loader.told() => {
                Err(format!("modules were told {:?}, wanted {told:?}", self.loader.told()))
            }
            _ => Ok(()),
        }
    }

    /// `or`: further errors that may come instead of what the step wants.
    fn step(&mut self, step: &Step, or: &[u32]) -> Result<(), String> {
        let got = self.call(&step.call)?;
        let agrees = match (&got, &step.wanted) {
            (Err(code), wanted) => *wanted == Err(*code) || or.contains(code),
            (Ok(Got::Done), Ok(Wanted::Bool(true))) => true,
            (Ok(Got::Number(number)), Ok(Wanted::Number(wanted))) => number == wanted,
            (Ok(Got::Path(path)), Ok(Wanted::Text(wanted))) => *path == self.fill(wanted),
            // A new name is given to the handle; a known one must be its.
            (Ok(Got::Handle(handle)), Ok(Wanted::Text(name))) => {
                *handle != 0 && *self.handles.entry(name.clone()).or_insert(*handle) == *handle
            }
            _ => false,
        };
        if agrees { Ok(()) } else { Err(format!("{step:?} gave {got:x?}")) }
    }

    fn call(&mut self, call: &Call) -> Result<Result<Got, u32>, String> {
        Ok(match call {
            Call::FreeLibrary { module } => {
                let module = self.handle(module)?;
                self.loader.free_library(module).map(|()| Got::Done)
            }
            Call::GetModuleFileName { module } => {
                let module = self.handle(module)?;
                self.loader.get_module_file_name(module).map(Got::Path)
            }
            Call::GetModuleHandle { name } => {
                let name = name.as_ref().map(|name| self.fill(name));
                self.loader.get_module_handle(name.as_deref()).map(Got::Handle)
            }
            Call::GetModuleHandleEx { flags, name, address } => {
                let name = name.as_ref().map(|name| self.fill(name));
                let sought = match address {
                    Some((module, offset)) => Sought::Address(self.handle(module)? + offset),
                    None => Sought::Name(name.as_deref()),
                };
                self.loader.get_module_handle_ex(*flags, sought).map(Got::Handle)
            }
            Call::GetProcAddress { module, export } => {
                let module = self.handle(module)?;
                self.loader.get_proc_address(module, export).map(Got::Number)
            }
            Call::LoadLibrary { name } => self.loader.load_library(&self.fill(name)).map(Got::Handle),
            Call::LoadLibraryEx { name, flags } => {
                self.loader.load_library_ex(&self.fill(name), *flags).map(Got::Handle)
            }
            Call::DisableThreadLibraryCalls { module } => {
                let module = self.handle(module)?;
                self.loader.disable_thread_library_calls(module).map(|()| Got::Done)
            }
            Call::AddDllDirectory { path } => {
                self.loader.add_dll_directory(&self.fill(path)).map(Got::Handle)
            }
            Call::RemoveDllDirectory { cookie } => {
                let cookie = self.handle(cookie)?;
                self.loader.remove_dll_directory(cookie).map(|()| Got::Done)
            }
            Call::SetDefaultDllDirectories { flags } => {
                self.loader.set_default_dll_directories(*flags).map(|()| Got::Done)
            }
            Call::SetDllDirectory { path } => {
                let path = path.as_ref().map(|path| self.fill(path));
                self.loader.set_dll_directory(path.as_deref()).map(|()| Got::Done)
            }
        })
    }

    fn handle(&self, name: &str) -> Result<u64, String> {
        self.handles.get(name).copied().ok_or_else(|| format!("no handle was called {name}"))
    }

    fn fill(&self, text: &str) -> String {
        let folder = self.loader.folder();
        let program = self.loader.program();
        let (_, program_name) = program.rsplit_once('\\').unwrap_or(("", &program));
        text.replace("{dir}", &folder)
            .replace("{drive}", &folder[..2])
            .replace("{root}", &folder[2..])
            .replace("{DIR}", &folder.to_uppercase())
            .replace("{dir/}", &folder.replace('\\', "/"))
            .replace("{program}", &program)
            .replace("{program name}", program_name)
    }
}
