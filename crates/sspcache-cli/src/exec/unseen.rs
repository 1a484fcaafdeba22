//! Why no process of the command used a mock: what its files, the loader and the command line tell (clause Q6).

use std::{
    ffi::{OsStr, OsString},
    fs, iter,
    path::{Path, PathBuf},
};

use object::{
    Architecture, BinaryFormat, File, FileKind, Object, ReadRef,
    elf::{FileHeader32, FileHeader64},
    read::elf::{FileHeader, ProgramHeader},
};

use super::find::{self, MOCKS, Mocks};
use crate::{
    inspect::{format_of, machine},
    output::join,
};

/// The reasons that can be seen, each a sentence without its full stop. They say what keeps the command's programs from a
/// mock; with none of them, the programs may just not use SSPI.
pub(crate) fn reasons(command: &[OsString], mocks: &Mocks) -> Vec<String> {
    let mut reasons: Vec<String> = own_environment(command).into_iter().collect();
    for program in programs(command) {
        let name = program.display();
        reasons.extend(ignores_the_loaders_variables(&program).map(|why| {
            format!("{name} is {why}: the system's loader ignores LD_LIBRARY_PATH and LD_PRELOAD for it, so it finds no mock")
        }));
        reasons.extend(
            Image::read(&program).and_then(|image| image.misfit(mocks)).map(|why| format!("{name} {why}")),
        );
    }
    reasons.extend(does_not_load(mocks));
    reasons
}

/// The files among the words of a command: its program, which may be a script's interpreter, and programs that it may start.
fn programs(command: &[OsString]) -> Vec<PathBuf> {
    /// A command line may name thousands of files.
    const MOST: usize = 16;
    let mut programs: Vec<PathBuf> = Vec::new();
    let first = command.first().and_then(|program| find::program(program));
    let arguments = command.iter().skip(1).map(PathBuf::from);
    for path in first.into_iter().chain(arguments).filter(|path| path.is_file()).take(MOST) {
        let interpreter = interpreter_of_script(&path);
        for path in iter::once(path).chain(interpreter) {
            if !programs.contains(&path) {
                programs.push(path);
            }
        }
    }
    programs
}

/// The program that a script's first line names.
fn interpreter_of_script(path: &Path) -> Option<PathBuf> {
    use std::io::Read;
    let mut head = [0; 256];
    let length = fs::File::open(path).ok()?.read(&mut head).ok()?;
    let line = head[..length].strip_prefix(b"#!")?.split(|&byte| byte == b'\n').next()?;
    let mut words = std::str::from_utf8(line).ok()?.split_whitespace();
    let interpreter = words.next()?;
    // `#!/usr/bin/env python3`
    match words.next() {
        Some(program) if interpreter.ends_with("/env") => find::program(OsStr::new(program)),
        _ => Some(interpreter.into()),
    }
}

/// Whether the command starts programs with an environment of its own.
fn own_environment(command: &[OsString]) -> Option<String> {
    /// Programs that start others on behalf of another user, in a container or on another machine.
    const ELSEWHERE: [&str; 9] =
        ["doas", "docker", "flatpak", "podman", "runuser", "ssh", "su", "sudo", "systemd-run"];
    let (program, arguments) = command.split_first()?;
    let name = Path::new(program).file_name()?.to_str()?;
    if ELSEWHERE.contains(&name) {
        return Some(format!(
            "{name} starts programs in an environment of its own, without the variables by which they find a mock"
        ));
    }
    let mut options =
        arguments.iter().map_while(|option| option.to_str()).take_while(|option| option.starts_with('-'));
    let clears = |option: &str| {
        option == "-"
            || option == "--ignore-environment"
            || option.contains("SSPCACHE_")
            || (!option.starts_with("--") && option.contains('i'))
    };
    let clears =
        name == "env" && (options.any(clears) || arguments.iter().any(|word| word == "SSPCACHE_JOURNAL"));
    clears.then(|| "env takes away the variables by which programs find a mock and its journal".to_owned())
}

/// Whether the system starts a file with other rights than the user's; then its loader reads no variables.
#[cfg(unix)]
fn ignores_the_loaders_variables(path: &Path) -> Option<&'static str> {
    use std::os::unix::fs::MetadataExt;
    const SETUID: u32 = 0o4000;
    const SETGID: u32 = 0o2000;
    let file = fs::metadata(path).ok()?;
    let user = rustix::process::geteuid().as_raw();
    let group = rustix::process::getegid().as_raw();
    if file.mode() & SETUID != 0 && file.uid() != user {
        Some("setuid")
    } else if file.mode() & SETGID != 0 && file.gid() != group {
        Some("setgid")
    } else {
        None
    }
}

/// Windows has no such files.
#[cfg(not(unix))]
fn ignores_the_loaders_variables(_path: &Path) -> Option<&'static str> {
    None
}

/// What a program's file says of itself.
#[derive(Debug, Eq, PartialEq)]
struct Image {
    format: BinaryFormat,
    machine: Architecture,
    /// Of an ELF program, the loader that it asks for.
    loader: Option<String>,
    is_program: bool,
}

impl Image {
    fn read(path: &Path) -> Option<Self> {
        // By its head first: a file of data may be long.
        format_of(path)?;
        let data = fs::read(path).ok()?;
        let file = File::parse(&*data).ok()?;
        let loader = match FileKind::parse(&*data).ok()? {
            FileKind::Elf32 => loader::<FileHeader32<object::Endianness>, _>(&*data),
            FileKind::Elf64 => loader::<FileHeader64<object::Endianness>, _>(&*data),
            _ => None,
        };
        Some(Self {
            format: file.format(),
            machine: file.architecture(),
            loader,
            // A library has no entry, unless it is one that runs.
            is_program: file.entry() != 0,
        })
    }

    /// Why no mock of these suits it, if none does.
    fn misfit(&self, mocks: &Mocks) -> Option<String> {
        if !self.is_program {
            return None;
        }
        let native = mocks.native.join(MOCKS[0].file_name());
        let folders = match self.format {
            BinaryFormat::Pe if cfg!(unix) => vec![mocks.windows.clone(), mocks.windows_32()],
            _ => vec![mocks.native.clone()],
        };
        let files = folders.into_iter().map(|folder| folder.join(MOCKS[0].file_name()));
        let machines: Vec<Architecture> =
            files.filter_map(|file| Self::read(&file)).map(|image| image.machine).collect();
        if self.format != BinaryFormat::Pe
            && Self::read(&native).is_none_or(|mock| mock.format != self.format)
        {
            return None;
        }
        if !machines.is_empty() && !machines.contains(&self.machine) {
            let machines: Vec<String> = machines.into_iter().map(machine).collect();
            return Some(format!(
                "is for {}, and the mocks here are for {}",
                machine(self.machine),
                join(&machines)
            ));
        }
        match &self.loader {
            None if self.format == BinaryFormat::Elf => {
                Some("is linked statically: it loads no library, and so no mock".to_owned())
            }
            Some(loader)
                if cfg!(target_os = "linux") && loader.contains("musl") != cfg!(target_env = "musl") =>
            {
                let [its, ours] =
                    if cfg!(target_env = "musl") { ["another C library", "musl"] } else { ["musl", "glibc"] };
                Some(format!("is for {its} (its loader is {loader}), and the mocks here are for {ours}"))
            }
            _ => None,
        }
    }
}

/// The loader that an ELF program asks for; a static one asks for none.
fn loader<'data, H: FileHeader<Endian = object::Endianness>, R: ReadRef<'data>>(data: R) -> Option<String> {
    let header = H::parse(data).ok()?;
    let endian = header.endian().ok()?;
    let mut segments = header.program_headers(endian, data).ok()?.iter();
    let path = segments.find_map(|segment| segment.interpreter(endian, data).ok().flatten())?;
    Some(String::from_utf8_lossy(path).into_owned())
}

/// Tries once to load a mock into a child of this program, and returns what the loader says against it.
#[cfg(unix)]
fn does_not_load(mocks: &Mocks) -> Option<String> {
    use std::{
        env,
        process::{Command, Stdio},
    };

    use super::environment::PRELOAD;

    let mock = mocks.native.join(MOCKS[0].file_name());
    let mut child = Command::new(env::current_exe().ok()?);
    // Each symbol at once, so that a missing one shows.
    child.arg("--version").env(PRELOAD, &mock).env("LD_BIND_NOW", "1").stdin(Stdio::null());
    let tried = child.output().ok()?;
    let said = String::from_utf8_lossy(&tried.stderr);
    let first = said.lines().find(|line| !line.trim().is_empty());
    match first {
        Some(line) => Some(format!("the mock {} can't be loaded here: {}", mock.display(), line.trim())),
        None if !tried.status.success() => Some(format!(
            "the mock {} can't be loaded here: a program that loads it ends with {}",
            mock.display(),
            tried.status
        )),
        None => None,
    }
}

/// No variable of Windows has a program load a library.
#[cfg(not(unix))]
fn does_not_load(_mocks: &Mocks) -> Option<String> {
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<OsString> {
        line.split_whitespace().map(OsString::from).collect()
    }

    #[test]
    fn commands_that_make_an_environment_of_their_own_are_known() {
        for (line, known) in [
            ("env -i ./client", true),
            ("/usr/bin/env - ./client", true),
            ("env -iS x", true),
            ("env --unset=SSPCACHE_JOURNAL ./client", true),
            ("env -u SSPCACHE_JOURNAL ./client", true),
            ("sudo ./client", true),
            ("env A=b ./client -i", false),
            ("env ./client", false),
            ("./sudo-client", false),
            ("sh -c env", false),
        ] {
            assert_eq!(own_environment(&words(line)).is_some(), known, "{line}");
        }
    }
}
