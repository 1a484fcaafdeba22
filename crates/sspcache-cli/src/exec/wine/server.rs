//! The wineserver of a prefix: waits for the Windows programs that it serves, and ends them.

use std::{
    env,
    ffi::{OsStr, OsString},
    fs, io,
    os::unix::ffi::OsStrExt as _,
    path::Path,
    process::{Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use super::{
    super::{find, signals::Signals},
    program::is_wine as is_named_wine,
};

/// The program `wineserver` that belongs to a Wine.
#[derive(Debug)]
pub(crate) struct Server {
    program: OsString,
}

/// How often it is asked whether a program still runs.
const PAUSE: Duration = Duration::from_millis(20);

/// How long after the end of the command a process that it left behind may still become Wine: a shell's child is none yet when it begins.
const A_MOMENT: Duration = Duration::from_secs(2);

impl Server {
    /// The one that lies beside the program `wine`, else the one on the `PATH`. `WINESERVER` names another, as it does to
    /// Wine.
    pub(crate) fn of(wine: &OsStr) -> Self {
        let named = env::var_os("WINESERVER").filter(|program| !program.is_empty());
        let beside = || {
            Some(find::program(wine)?.canonicalize().ok()?.parent()?.join("wineserver").into()).filter(exists)
        };
        Self { program: named.or_else(beside).unwrap_or_else(|| "wineserver".into()) }
    }

    /// Waits for the end of all Windows programs of a prefix that has a server of its own, then ends Wine's own services
    /// there. A signal ends the programs at once.
    pub(crate) fn wait(&self, prefix: &Path, signals: &mut Signals) -> io::Result<()> {
        let start = Instant::now();
        let goes_on = |running: Running| running.programs || (running.others && start.elapsed() < A_MOMENT);
        loop {
            // Not started where it doesn't run yet: it would begin in a prefix in which a program begins.
            if running(prefix).is_some_and(|it| !it.services && goes_on(it))
                && signals.interrupted().is_none()
            {
                thread::sleep(PAUSE);
                continue;
            }
            let Ok(mut waiting) = self.command(prefix, "--wait").spawn() else { return Ok(()) };
            while waiting.try_wait()?.is_none() {
                // Left to themselves the services take two seconds to notice.
                let has_ended = |running: Running| running.services && !goes_on(running);
                if signals.interrupted().is_some() || running(prefix).is_some_and(has_ended) {
                    self.end(prefix);
                    waiting.wait()?;
                    break;
                }
                thread::sleep(PAUSE);
            }
            // A program that the command left behind may not have come to starting the server yet.
            if signals.interrupted().is_some() || !running(prefix).is_some_and(goes_on) {
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

fn exists(program: &OsString) -> bool {
    Path::new(program).is_file()
}

/// What runs in a prefix.
#[derive(Clone, Copy, Debug, Default)]
struct Running {
    /// Windows programs.
    programs: bool,
    /// Wine's server, and what Wine starts by itself.
    services: bool,
    /// Programs of this system, which may start Wine.
    others: bool,
}

/// What runs in a prefix. Only Linux shows it.
fn running(prefix: &Path) -> Option<Running> {
    let processes = fs::read_dir("/proc").ok()?;
    let mut variable = OsString::from("WINEPREFIX=");
    variable.push(prefix);
    let mut running = Running::default();
    for process in processes.flatten().map(|process| process.path()) {
        // Other users' can't be read.
        let Ok(environment) = fs::read(process.join("environ")) else { continue };
        if !environment.split(|&byte| byte == 0).any(|it| it == variable.as_bytes()) {
            continue;
        }
        // Those that have just ended can't either.
        let (Ok(file), Ok(command)) = (fs::read_link(process.join("exe")), fs::read(process.join("cmdline")))
        else {
            continue;
        };
        if is_server(&file, &command) || is_service(&command) {
            running.services = true;
        } else if is_wine(&file, &command) {
            running.programs = true;
        } else {
            running.others = true;
        }
    }
    Some(running)
}

/// Whether a process is Wine's server or one of its services, which end some time after the programs.
#[cfg(target_os = "linux")]
pub(crate) fn is_wines_own(file: &Path, command: &[u8]) -> bool {
    is_server(file, command) || is_service(command)
}

/// Whether a process is Wine's server, or a script that is about to start it.
fn is_server(file: &Path, command: &[u8]) -> bool {
    const SERVER: &[u8] = b"wineserver";
    file_name(file).starts_with(SERVER) || words(command).any(|word| file_name(word).starts_with(SERVER))
}

/// Whether a process is Wine, or a script that is about to start it.
fn is_wine(file: &Path, command: &[u8]) -> bool {
    file_name(file).starts_with(b"wine") || words(command).any(|word| is_named_wine(word.as_os_str()))
}

/// What a process runs, and where that is a shell its script.
fn words(command: &[u8]) -> impl Iterator<Item = &Path> {
    command.split(|&byte| byte == 0).take(2).map(|word| Path::new(OsStr::from_bytes(word)))
}

fn file_name(path: &Path) -> &[u8] {
    path.file_name().unwrap_or_default().as_bytes()
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
