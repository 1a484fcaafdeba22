//! Errors of a configuration.

use std::{
    fmt, io,
    ops::Range,
    path::{Path, PathBuf},
};

use super::keys::allowed_at;

/// The reason why a configuration is refused. It names the place, the key and what is allowed there, and never quotes
/// the file's text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct ConfigError {
    file: Option<PathBuf>,
    /// Line and column, from 1.
    position: Option<(usize, usize)>,
    key: String,
    problem: Problem,
}

impl ConfigError {
    pub(super) fn new(problem: Problem) -> Self {
        Self { file: None, position: None, key: String::new(), problem }
    }

    /// The file, if one was read.
    pub fn file(&self) -> Option<&Path> {
        self.file.as_deref()
    }

    /// The line, from 1, where there is one.
    pub fn line(&self) -> Option<usize> {
        self.position.map(|(line, _)| line)
    }

    /// The column in that line, in characters, from 1.
    pub fn column(&self) -> Option<usize> {
        self.position.map(|(_, column)| column)
    }

    /// The key that is wrong, as `fault[1].effect`; empty for the file as a whole.
    pub fn key(&self) -> &str {
        &self.key
    }

    /// What is allowed there, in words; empty when the problem is not a key's value.
    pub fn allowed(&self) -> String {
        match self.problem {
            Problem::NotCaching | Problem::NotUtf8 | Problem::Syntax | Problem::Unreadable(_) => {
                String::new()
            }
            Problem::EmulationOnly | Problem::Invalid | Problem::Missing(_) | Problem::UnknownKey => {
                allowed_at(&self.path())
            }
        }
    }

    /// The key that the problem is about, with the table's path.
    fn path(&self) -> String {
        match self.problem {
            Problem::Missing(name) => format!("{}.{name}", self.key),
            _ => self.key.clone(),
        }
    }

    pub(super) fn located(mut self, text: &str, span: Range<usize>) -> Self {
        let before = text.get(..span.start).unwrap_or(text);
        let line_start = before.rfind('\n').map_or(0, |at| at + 1);
        self.position = Some((before.split('\n').count(), before[line_start..].chars().count() + 1));
        self
    }

    pub(super) fn in_file(mut self, file: &Path) -> Self {
        self.file = Some(file.to_owned());
        self
    }

    pub(super) fn with_key(mut self, key: String) -> Self {
        self.key = key;
        self
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        if let Some(file) = &self.file {
            write!(f, "{}: ", file.display())?;
        }
        if let Some((line, column)) = self.position {
            write!(f, "line {line}, column {column}: ")?;
        }
        if !self.key.is_empty() {
            write!(f, "{}: ", self.key)?;
        }
        write!(f, "{}", self.problem)?;
        match self.allowed() {
            allowed if allowed.is_empty() => Ok(()),
            allowed => write!(f, "; allowed is {allowed}"),
        }
    }
}

impl std::error::Error for ConfigError {}

#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Problem {
    EmulationOnly,
    Invalid,
    Missing(&'static str),
    NotCaching,
    NotUtf8,
    Syntax,
    UnknownKey,
    Unreadable(io::ErrorKind),
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::EmulationOnly => {
                f.write_str("`missing` works in the emulation only: a DLL's exports can't be taken away")
            }
            Self::Invalid => f.write_str("not valid here"),
            Self::Missing(field) => write!(f, "`{field}` is missing"),
            Self::NotCaching => f.write_str(
                "this package doesn't cache, so nothing can be preloaded for it: use [[logon]], or `caching = true` in its \
                 [[package]]",
            ),
            Self::NotUtf8 => f.write_str("not UTF-8"),
            Self::Syntax => f.write_str("not TOML from here on: look for a missing quote, bracket or `=`"),
            Self::UnknownKey => f.write_str("there is no such key"),
            Self::Unreadable(kind) => write!(f, "can't read the configuration: {kind}"),
        }
    }
}
