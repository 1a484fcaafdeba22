//! The wineserver of a prefix: waits for the Windows programs that it serves, and ends them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    process::{Command, Stdio},
    thread,
    time::Duration,
};

use super::super::run::Signals;

/// The program `wineserver` that belongs to a Wine.
#[derive(Debug)]
pub(crate) struct Server {
    program: OsString,
}

/// How often it is asked whether a program still runs.
const PAUSE: Duration = Duration::from_millis(20);

impl Server {
    /// The one that lies beside the program `wine`, else the one on the `PATH`. `WINESERVER` names another, as it does to
    /// Wine.
    pub(crate) fn of(wine: &OsStr) -> Self {
        let named = env::var_os("WINESERVER").filter(|program| !program.is_empty());
        let beside = || Some(path_of(wine)?.parent()?.join("wineserver").into()).filter(|it| exists(it));
        Self { program: named.or_else(beside).unwrap_or_else(|| "wineserver".into()) }
    }

    /// Waits for the end of all Windows programs of a prefix that has a server of its own, then ends Wine's own services
    /// there. A signal ends the programs at once.
    pub(crate) fn wait(&self, prefix: &Path, signals: &mut Signals) -> io::Result<()> {
        let Ok(mut waiting) = self.command(prefix, "--wait").spawn() else { return Ok(()) };
        loop {
            if waiting.try_wait()?.is_some() {
                return Ok(());
            }
            // Left to themselves the services take two seconds to notice.
            if signals.interrupted().is_some() || only_services_run(prefix) {
                self.end(prefix);
                waiting.wait()?;
                return Ok(());
            }
            thread::sleep(PAUSE);
        }
    }

    /// Ends everything that runs in a prefix, and waits for the end of the server, which writes the registry then.
    pub(crate) fn end(&self, prefix: &Path) {
        for option in ["--kill", "--wait"] {
            // When there is no server, there is nothing to end.
            let _ = self.command(prefix, option).status();
        }
    }

    fn command(&self, prefix: &Path, option: &str) -> Command {
        let mut command = Command::new(&self.program);
        command.arg(option).env("WINEPREFIX", prefix);
        command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        command
    }
}

/// The file of a program that is named as a shell names it, without links.
fn path_of(program: &OsStr) -> Option<PathBuf> {
    if program.as_bytes().contains(&b'/') {
        return Path::new(program).canonicalize().ok();
    }
    let path = env::var_os("PATH")?;
    env::split_paths(&path)
        .map(|folder| folder.join(program))
        .find(|file| file.is_file())?
        .canonicalize()
        .ok()
}

fn exists(program: &OsString) -> bool {
    Path::new(program).is_file()
}

/// Whether Wine's own services are all that runs in a prefix. Only Linux shows it; elsewhere they are waited for.
fn only_services_run(prefix: &Path) -> bool {
    let Ok(processes) = fs::read_dir("/proc") else { return false };
    let mut variable = OsString::from("WINEPREFIX=");
    variable.push(prefix);
    let is_of_prefix = |process: &Path| {
        // Other users' can't be read.
        let environment = fs::read(process.join("environ")).unwrap_or_default();
        environment.split(|&byte| byte == 0).any(|it| it == variable.as_bytes())
    };
    let programs: Vec<_> = processes
        .flatten()
        .map(|process| process.path())
        .filter(|process| is_of_prefix(process))
        .filter_map(|process| {
            Some((fs::read_link(process.join("exe")).ok()?, fs::read(process.join("cmdline")).ok()?))
        })
        .collect();
    // Where nothing can be seen, not even the server, nothing is known.
    let is_named = |path: &Path, name: &str| {
        path.file_name().is_some_and(|it| it.as_bytes().starts_with(name.as_bytes()))
    };
    programs.iter().any(|(exe, _)| is_named(exe, "wineserver"))
        && programs.iter().all(|(exe, command)| {
            is_named(exe, "wineserver") || !is_wine(exe, command) || is_service(command)
        })
}

/// Whether a process is Wine, or a script that is about to start it.
fn is_wine(exe: &Path, command: &[u8]) -> bool {
    let is_named_so =
        |path: &OsStr| Path::new(path).file_name().is_some_and(|name| name.as_bytes().starts_with(b"wine"));
    is_named_so(exe.as_os_str())
        || command.split(|&byte| byte == 0).take(2).any(|word| is_named_so(OsStr::from_bytes(word)))
}

/// Whether a process is one that Wine starts by itself in each prefix (seen under Wine 8 and 10).
fn is_service(command: &[u8]) -> bool {
    const SERVICES: [&str; 6] = ["explorer", "plugplay", "rpcss", "services", "svchost", "winedevice"];
    let program = command.split(|&byte| byte == 0).next().unwrap_or_default();
    let text = String::from_utf8_lossy(program).to_ascii_lowercase();
    let program = text.split(' ').next().unwrap_or_default();
    SERVICES.iter().any(|service| program == format!(r"c:\windows\system32\{service}.exe"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn services_are_distinguished_from_programs_of_the_same_names() {
        for (command, expected) in [
            (&br"C:\windows\system32\services.exe"[..], true),
            (b"C:\\windows\\system32\\explorer.exe\0/desktop\0", true),
            (br"C:\windows\system32\svchost.exe -k LocalServiceNetworkRestricted", true),
            (br"C:\windows\system32\cmd.exe", false),
            (br"Z:\build\services.exe", false),
            (b"app.exe\0", false),
            (b"", false),
        ] {
            assert_eq!(is_service(command), expected, "{}", String::from_utf8_lossy(command));
        }
    }
}
