//! The registry's list of security providers, through the documented program `reg` of Wine or Windows.
//!
//! Reference: [reg](https://learn.microsoft.com/en-us/windows-server/administration/windows-commands/reg).

use std::{
    ffi::OsString,
    io::{self, Read, Seek},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use super::ExecError;

/// The parent of [`KEY`], which every registry has.
const PARENT: &str = r"HKLM\SYSTEM\CurrentControlSet\Control";
const KEY: &str = r"HKLM\SYSTEM\CurrentControlSet\Control\SecurityProviders";
const VALUE: &str = "SecurityProviders";

/// How often `reg` is started before its failure counts. Wine 8 on a busy machine sometimes fails to start a program,
/// which then does nothing and prints nothing (observed).
const TRIES: usize = 3;

/// A registry.
#[derive(Debug)]
pub(super) struct Registry {
    program: OsString,
    arguments: &'static [&'static str],
    prefix: Option<PathBuf>,
}

impl Registry {
    pub(super) fn of_wine(program: OsString, prefix: &Path) -> Self {
        Self { program, arguments: &["reg"], prefix: Some(prefix.to_owned()) }
    }

    pub(super) fn of_windows() -> Self {
        Self { program: "reg".into(), arguments: &[], prefix: None }
    }

    /// The list, or `None` when the registry has none.
    ///
    /// # Errors
    /// When it is unknown whether there is a list: a list that is taken for absent is deleted in the end.
    pub(super) fn query(&self) -> Result<Option<String>, ExecError> {
        // `reg` reports a missing value in the user's language, so this queries all values.
        let values = match self.run(&["query", KEY]) {
            Ok(values) => values,
            Err(error) => {
                let keys = self.run(&["query", PARENT])?;
                let is_key = |line: &str| line.trim().ends_with(KEY.trim_start_matches("HKLM"));
                return if keys.lines().any(is_key) { Err(error) } else { Ok(None) };
            }
        };
        let Some(list) = values.lines().find_map(data_of_value) else { return Ok(None) };
        match list.split_once(char::is_whitespace).unwrap_or((list, "")) {
            ("REG_SZ", list) => Ok(Some(list.trim().to_owned())),
            (kind, _) => Err(ExecError::register(format!(
                "the value {VALUE} of {KEY} has the type {kind}, not REG_SZ"
            ))),
        }
    }

    pub(super) fn set(&self, value: &str) -> Result<(), ExecError> {
        self.run(&["add", KEY, "/v", VALUE, "/t", "REG_SZ", "/d", value, "/f"]).map(drop)
    }

    pub(super) fn delete(&self) -> Result<(), ExecError> {
        // `reg` fails when the value is gone already.
        if self.query()?.is_some() {
            self.run(&["delete", KEY, "/v", VALUE, "/f"])?;
        }
        Ok(())
    }

    /// Runs `reg` and returns its output.
    fn run(&self, arguments: &[&str]) -> Result<String, ExecError> {
        for _ in 1..TRIES {
            match self.run_once(arguments) {
                Err(ExecError::Register { .. }) => {}
                result => return result,
            }
        }
        self.run_once(arguments)
    }

    fn run_once(&self, arguments: &[&str]) -> Result<String, ExecError> {
        let mut command = Command::new(&self.program);
        command.args(self.arguments).args(arguments).stdin(Stdio::null());
        if let Some(prefix) = &self.prefix {
            command.env("WINEPREFIX", prefix).env("WINEDEBUG", "-all");
        }
        // Not a pipe: the first Windows program starts services that inherit it and hold it open for seconds.
        let mut said = tempfile::tempfile().map_err(ExecError::register)?;
        let output = || said.try_clone().map_err(ExecError::register);
        let status = command.stdout(output()?).stderr(output()?).status();
        let status = status.map_err(|error| match error.kind() {
            io::ErrorKind::NotFound => ExecError::NotFound { command: super::shown(&self.program) },
            _ => ExecError::CannotRun { command: super::shown(&self.program), source: error },
        })?;
        let mut text = Vec::new();
        said.rewind().and_then(|()| said.read_to_end(&mut text)).map_err(ExecError::register)?;
        let text = String::from_utf8_lossy(&text).into_owned();
        if status.success() {
            return Ok(text);
        }
        let verb = arguments.first().copied().unwrap_or_default();
        let hint = if cfg!(windows) && verb != "query" { " (it needs administrator rights)" } else { "" };
        let text = Some(text.trim()).filter(|text| !text.is_empty()).unwrap_or("it printed nothing");
        Err(ExecError::register(format!("`reg {verb}` failed with {status}{hint}: {text}")))
    }
}

/// Type and data of the list, from a line that `reg query` prints: `    SecurityProviders    REG_SZ    credssp.dll`.
fn data_of_value(line: &str) -> Option<&str> {
    let (name, data) = line.trim().split_once(char::is_whitespace)?;
    (name == VALUE).then(|| data.trim_start())
}

/// A registry for tests: a script in place of `reg` that keeps the list in a folder, and can fail to start at first.
#[cfg(all(test, unix))]
pub(super) mod fake {
    use std::fs;

    use super::*;

    const REG: &str = r#"
        cd "$WINEPREFIX"
        left=$(cat failures)
        echo $((left - 1)) > failures
        [ "$left" -le 0 ] || exit 1
        case "$1:$2" in
            query:*\\SecurityProviders)
                [ -e value ] || [ -e key ] || { echo 'reg: there is no such key'; exit 1; }
                echo
                echo 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders'
                [ ! -e value ] || echo "    SecurityProviders    $(cat value)"
                echo 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders\Schannel'
                ;;
            query:*)
                echo 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\Print'
                ! [ -e value -o -e key ] ||
                    echo 'HKEY_LOCAL_MACHINE\SYSTEM\CurrentControlSet\Control\SecurityProviders'
                ;;
            add:*) printf '%s    %s' "$6" "$8" > value ;;
            delete:*) rm value ;;
        esac
    "#;

    /// A registry in a folder, with this type and value.
    pub(crate) fn registry(folder: &Path, value: Option<&str>) -> Registry {
        fails(folder, 0);
        fs::write(folder.join("key"), "").expect("the folder is the test's own");
        if let Some(value) = value {
            fs::write(folder.join("value"), value).expect("the folder is the test's own");
        }
        Registry { program: "sh".into(), arguments: &["-c", REG, "reg"], prefix: Some(folder.to_owned()) }
    }

    /// Makes the next starts fail.
    pub(crate) fn fails(folder: &Path, starts: usize) {
        fs::write(folder.join("failures"), starts.to_string()).expect("the folder is the test's own");
    }

    /// The type and value in the registry now.
    pub(crate) fn value(folder: &Path) -> Option<String> {
        fs::read_to_string(folder.join("value")).ok()
    }
}

#[cfg(all(test, unix))]
mod tests {
    use std::fs;

    use super::*;

    fn folder() -> tempfile::TempDir {
        tempfile::tempdir().expect("there is a temporary folder")
    }

    #[test]
    fn a_list_is_read_as_it_is() {
        for (value, list) in [
            (None, None),
            (Some("REG_SZ    credssp.dll"), Some("credssp.dll")),
            (Some("REG_SZ    a.dll, b c.dll"), Some("a.dll, b c.dll")),
            (Some("REG_SZ    "), Some("")),
        ] {
            let folder = folder();
            let read = fake::registry(folder.path(), value).query().expect("it can be read");
            assert_eq!(read.as_deref(), list);
        }
    }

    #[test]
    fn a_registry_without_the_key_has_no_list() {
        let folder = folder();
        let registry = fake::registry(folder.path(), None);
        fs::remove_file(folder.path().join("key")).expect("it was there");
        assert_eq!(registry.query().expect("it can be read"), None);
        registry.set("MSNSSPC.dll").expect("the key is made");
        assert_eq!(registry.query().expect("it can be read").as_deref(), Some("MSNSSPC.dll"));
    }

    #[test]
    fn a_list_of_another_type_is_refused() {
        let folder = folder();
        let registry = fake::registry(folder.path(), Some("REG_EXPAND_SZ    %A%.dll"));
        let error = registry.query().expect_err("it would not be put back as it was").to_string();
        for part in ["SecurityProviders", "REG_EXPAND_SZ", "REG_SZ"] {
            assert!(error.contains(part), "{part}: {error}");
        }
    }

    #[test]
    fn what_is_gone_need_not_be_deleted() {
        let folder = folder();
        let registry = fake::registry(folder.path(), Some("REG_SZ    MSNSSPC.dll"));
        registry.delete().expect("it is there");
        assert_eq!(fake::value(folder.path()), None);
        registry.delete().expect("there is nothing to do");
    }

    #[test]
    fn a_program_that_said_nothing_gave_no_answer() {
        let folder = folder();
        let registry = fake::registry(folder.path(), Some("REG_SZ    credssp.dll"));
        for failures in 1..TRIES {
            fake::fails(folder.path(), failures);
            let list = registry.query().expect("it starts at last");
            assert_eq!(list.as_deref(), Some("credssp.dll"), "after {failures} failures");
        }
        // Nor to the question whether the key exists.
        fake::fails(folder.path(), usize::MAX >> 1);
        let error = registry.query().expect_err("it never starts").to_string();
        assert!(error.contains("`reg query` failed") && error.contains("it printed nothing"), "{error}");
        // A failure of the first question alone doesn't mean that there is no key.
        fake::fails(folder.path(), TRIES);
        assert!(registry.query().is_err(), "the list is there");
    }
}
