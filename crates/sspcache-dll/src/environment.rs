//! The variables that `sspcache exec` sets, also for a program that was started without them.
//!
//! A program that starts another with an environment of its own (`env -i`, a daemon's supervisor) takes the journal's place away
//! from it, and then no journal has what that one leaves. On Linux `exec` holds a file in memory with its variables, and this module
//! looks for it among the open files of the process's ancestors. Only what the same user runs is asked. For Windows programs under Wine
//! a file of the prefix that `exec` makes has the variables: Windows has no folder that is one run's alone.
//!
//! Reference: [proc_pid_fd(5)](https://man7.org/linux/man-pages/man5/proc_pid_fd.5.html).
#![forbid(unsafe_code)]

use std::{env, ffi::OsString};

/// The variable of the journal. A program that has it has them all, also where it is empty.
pub(crate) const JOURNAL: &str = "SSPCACHE_JOURNAL";

/// The variables that are this program's, or those of the run that it is part of.
#[derive(Debug)]
pub(crate) struct Environment {
    /// What the run says, where the program's own environment doesn't.
    run: Vec<u8>,
}

impl Environment {
    pub(crate) fn new() -> Self {
        let is_told = env::var_os(JOURNAL).is_some();
        Self { run: if is_told { Vec::new() } else { run::find().unwrap_or_default() } }
    }

    /// A variable that isn't empty.
    pub(crate) fn get(&self, name: &str) -> Option<OsString> {
        let own = env::var_os(name);
        own.or_else(|| self.of_run(name)).filter(|value| !value.is_empty())
    }

    /// A variable of the run: `NAME=value`, each with a null behind it, as in `/proc/PID/environ`.
    fn of_run(&self, name: &str) -> Option<OsString> {
        let mut variables = self.run.split(|&byte| byte == 0);
        variables.find_map(|it| it.strip_prefix(name.as_bytes())?.strip_prefix(b"=")).map(run::text)
    }
}

#[cfg(all(target_os = "linux", not(miri)))]
mod run {
    use std::{
        ffi::{OsStr, OsString},
        fs,
        os::unix::{ffi::OsStrExt as _, fs::MetadataExt as _},
        path::Path,
    };

    /// What the kernel calls the file of `exec`.
    const NAME: &str = "/memfd:sspcache-run (deleted)";

    /// More ancestors than a process has.
    const MOST: usize = 64;

    /// What the nearest run says of which this process is a part.
    pub(super) fn find() -> Option<Vec<u8>> {
        let user = fs::metadata("/proc/self").ok()?.uid();
        let mut pid = parent("self")?;
        for _ in 0..MOST {
            let process = Path::new("/proc").join(&pid);
            if fs::metadata(&process).is_ok_and(|it| it.uid() == user) {
                // Another process of this user may close its files meanwhile, or may not be looked into.
                let files = fs::read_dir(process.join("fd")).into_iter().flatten().flatten();
                let mut paths = files.map(|file| file.path());
                let found = paths.find(|path| fs::read_link(path).is_ok_and(|it| it.as_os_str() == NAME));
                if let Some(found) = found.and_then(|path| fs::read(path).ok()) {
                    return Some(found);
                }
            }
            pid = parent(&pid)?;
        }
        None
    }

    /// The number of a process's parent, unless it has none here.
    fn parent(pid: &str) -> Option<String> {
        let stat = fs::read(Path::new("/proc").join(pid).join("stat")).ok()?;
        // Behind the name, which may have blanks and brackets of its own, are the state and the parent.
        let behind = stat.iter().rposition(|&byte| byte == b')')? + 1;
        let parent = stat[behind..].split(|&byte| byte == b' ').filter(|field| !field.is_empty()).nth(1)?;
        let parent = std::str::from_utf8(parent).ok()?;
        (parent != "0").then(|| parent.to_owned())
    }

    pub(super) fn text(value: &[u8]) -> OsString {
        OsStr::from_bytes(value).to_owned()
    }
}

#[cfg(all(windows, not(miri)))]
mod run {
    use std::{ffi::OsString, fs};

    /// In the place that every prefix of Wine has.
    const FILE: &str = r"C:\windows\sspcache-run";

    pub(super) fn find() -> Option<Vec<u8>> {
        fs::read(FILE).ok()
    }

    pub(super) fn text(value: &[u8]) -> OsString {
        String::from_utf8_lossy(value).into_owned().into()
    }
}

/// Elsewhere a program's environment is all there is.
#[cfg(any(miri, not(any(windows, target_os = "linux"))))]
mod run {
    use std::ffi::OsString;

    pub(super) fn find() -> Option<Vec<u8>> {
        None
    }

    pub(super) fn text(_value: &[u8]) -> OsString {
        OsString::new()
    }
}
