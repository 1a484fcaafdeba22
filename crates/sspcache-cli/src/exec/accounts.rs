//! The options `--account` and `--logon`: names on the command line, passwords from the environment or a file.
//!
//! The mocks read one configuration. With these options, or `--forbid`, it is a temporary file that only this user can read: the
//! text of `--config`, followed by a table for each option.

use std::{
    env, fmt, fs,
    io::{self, Write},
    path::{Path, PathBuf},
};

use sspcache_engine::{Config, Principal};
use tempfile::TempPath;
use zeroize::Zeroizing;

use super::ExecError;
use crate::cli::Forbid;

/// The variable with the password of each name that names no place of its own.
const PASSWORD: &str = "SSPCACHE_PASSWORD";

/// The accounts and logons of a command line.
#[derive(Debug)]
pub(crate) struct Accounts(Vec<Entry>);

/// A principal, and where its password is.
#[derive(Debug)]
struct Entry {
    table: Table,
    name: String,
    /// Without one: that of another entry with this name, or else [`PASSWORD`].
    place: Option<Place>,
}

/// The tables of a configuration that options add to.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Table {
    Account,
    Logon,
}

impl Table {
    fn name(self) -> &'static str {
        match self {
            Self::Account => "account",
            Self::Logon => "logon",
        }
    }
}

/// The option that adds to a table.
impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "--{}", self.name())
    }
}

#[derive(Clone, Debug)]
enum Place {
    Environment(String),
    File(PathBuf),
}

impl Accounts {
    /// Reads the options. No error quotes more of one than the name: the rest may be a password.
    pub(crate) fn new(accounts: &[String], logons: &[String]) -> Result<Self, ExecError> {
        let accounts = accounts.iter().map(|option| Entry::parse(Table::Account, option));
        let logons = logons.iter().map(|option| Entry::parse(Table::Logon, option));
        accounts.chain(logons).collect::<Result<_, _>>().map(Self)
    }

    /// The configuration for the mocks: the user's, or a temporary one with these tables behind the user's.
    pub(crate) fn configure(
        &self,
        config: Option<&Path>,
        forbidden: &[Forbid],
    ) -> Result<Option<Configuration>, ExecError> {
        if self.0.is_empty() && forbidden.is_empty() {
            return Ok(config.map(|config| Configuration::Users(config.to_owned())));
        }
        let mut text = match config {
            None => Zeroizing::new(String::new()),
            Some(path) => Zeroizing::new(
                fs::read_to_string(path)
                    .map_err(|source| ExecError::Path { path: path.to_owned(), source })?,
            ),
        };
        let mut tables = Vec::new();
        for entry in &self.0 {
            tables.push(entry.table(&entry.place(self).password(entry)?));
        }
        tables.extend(forbidden.iter().map(|forbidden| {
            Zeroizing::new(format!("\n[[forbid]]\npackage = \"{}\"\n", forbidden.package()))
        }));
        for table in tables {
            // With room for all of it: a string that grows leaves copies behind.
            let mut longer = Zeroizing::new(String::with_capacity(text.len() + table.len()));
            longer.push_str(&text);
            longer.push_str(&table);
            text = longer;
        }
        let path = write(&text)?;
        match Config::read(&path) {
            Ok(_) => Ok(Some(Configuration::Merged(path))),
            Err(error) => Err(ExecError::CannotAdd {
                path: config.map(Path::to_owned).unwrap_or_default(),
                source: Box::new(error),
            }),
        }
    }
}

/// The file that the mocks read.
#[derive(Debug)]
pub(crate) enum Configuration {
    /// Deleted when this is dropped.
    Merged(TempPath),
    Users(PathBuf),
}

impl Configuration {
    pub(crate) fn path(&self) -> &Path {
        match self {
            Self::Merged(path) => path,
            Self::Users(path) => path,
        }
    }
}

/// Writes a file that no other user can read.
fn write(text: &str) -> io::Result<TempPath> {
    let mut file = tempfile::Builder::new().prefix("sspcache-").suffix(".toml").tempfile()?;
    file.write_all(text.as_bytes())?;
    Ok(file.into_temp_path())
}

impl Entry {
    fn parse(table: Table, option: &str) -> Result<Self, ExecError> {
        // No name of an account has one of these characters.
        let (name, rest) = match option.find([':', '=']) {
            None => (option, None),
            Some(end) => (&option[..end], Some(&option[end + 1..])),
        };
        let name = name.to_owned();
        let place = match rest.map(|rest| rest.split_once(':').unwrap_or((rest, ""))) {
            None => None,
            Some(("env", variable)) if !variable.is_empty() => Some(Place::Environment(variable.to_owned())),
            Some(("file", path)) if !path.is_empty() => Some(Place::File(path.into())),
            Some(_) => return Err(ExecError::PasswordOnCommandLine { option: table, name }),
        };
        if Principal::parse(name.as_str()).user.is_empty() {
            return Err(ExecError::NoName { option: table });
        }
        Ok(Self { table, name, place })
    }

    fn place(&self, all: &Accounts) -> Place {
        let same =
            |entry: &&Self| Principal::parse(entry.name.as_str()) == Principal::parse(self.name.as_str());
        let others = || all.0.iter().filter(same).find_map(|entry| entry.place.clone());
        self.place.clone().or_else(others).unwrap_or_else(|| Place::Environment(PASSWORD.to_owned()))
    }

    /// The text of its table.
    fn table(&self, password: &str) -> Zeroizing<String> {
        let principal = Principal::parse(self.name.as_str());
        // An escaped character has six at most.
        let room = 6 * (self.name.len() + password.len()) + 80;
        let mut text = Zeroizing::new(String::with_capacity(room));
        text.push_str("\n[[");
        text.push_str(self.table.name());
        text.push_str("]]\n");
        let domain = principal.domain.to_string();
        let user = principal.user.to_string();
        for (key, value) in [("user", &*user), ("domain", &*domain), ("password", password)] {
            text.push_str(key);
            text.push_str(" = \"");
            value.chars().for_each(|character| push_escaped(&mut text, character));
            text.push_str("\"\n");
        }
        text
    }
}

/// As in a basic string of TOML.
fn push_escaped(text: &mut String, character: char) {
    match character {
        '"' | '\\' => text.extend(['\\', character]),
        '\u{0}'..='\u{1F}' | '\u{7F}' => {
            let digit = |value: u32| char::from_digit(value & 0xF, 16).expect("four bits");
            let code = u32::from(character);
            text.extend(['\\', 'u', '0', '0', digit(code >> 4), digit(code)]);
        }
        other => text.push(other),
    }
}

impl Place {
    fn password(&self, entry: &Entry) -> Result<Zeroizing<String>, ExecError> {
        let fail =
            |reason: String| ExecError::NoPassword { option: entry.table, name: entry.name.clone(), reason };
        match self {
            Self::Environment(variable) => match env::var(variable) {
                Ok(password) => Ok(Zeroizing::new(password)),
                Err(env::VarError::NotUnicode(_)) => Err(fail(format!("{variable} is not Unicode"))),
                Err(env::VarError::NotPresent) => Err(fail(format!("the variable {variable} is not set"))),
            },
            Self::File(path) => {
                let text =
                    fs::read_to_string(path).map_err(|error| fail(format!("{}: {error}", path.display())))?;
                let mut password = Zeroizing::new(text);
                // An editor ends the last line.
                if password.ends_with('\n') {
                    password.pop();
                    if password.ends_with('\r') {
                        password.pop();
                    }
                }
                Ok(password)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_option_is_a_name_and_the_place_of_its_password() {
        for (option, name, place) in [
            (r"CONTOSO\alice", r"CONTOSO\alice", "None"),
            (r"CONTOSO\alice:env:P", r"CONTOSO\alice", r#"Some(Environment("P"))"#),
            (r"alice@contoso.com:file:C:\p.txt", "alice@contoso.com", r#"Some(File("C:\\p.txt"))"#),
        ] {
            let entry = Entry::parse(Table::Account, option).unwrap();
            assert_eq!((&*entry.name, &*format!("{:?}", entry.place)), (name, place), "{option}");
        }
    }

    /// M8
    #[test]
    fn what_may_be_a_password_is_refused_and_not_quoted() {
        for option in
            ["alice:hunter2", "alice=hunter2", "alice:env:", "alice:hunter2:env:P", "alice:pass:hunter2"]
        {
            let error = Entry::parse(Table::Logon, option).unwrap_err().to_string();
            assert!(error.contains("--logon alice:"), "{error}");
            assert!(!error.contains("hunter2"), "{error}");
        }
        for option in ["", ":env:P", r"CONTOSO\"] {
            assert!(matches!(Entry::parse(Table::Logon, option), Err(ExecError::NoName { .. })), "{option}");
        }
    }

    #[test]
    fn a_table_holds_any_text() {
        let entry = Entry::parse(Table::Account, r"CONTOSO\al'ice").unwrap();
        let password = "\"\\\u{1}\u{7F}\n]# é🔑";
        let table = entry.table(password);
        let parsed: toml::Table = table.parse().unwrap();
        let account = &parsed["account"][0];
        assert_eq!(account["user"].as_str(), Some("al'ice"));
        assert_eq!(account["domain"].as_str(), Some("CONTOSO"));
        assert_eq!(account["password"].as_str(), Some(password));
        assert!(table.capacity() >= table.len() && table.len() <= 6 * (14 + password.len()) + 80);
    }
}
