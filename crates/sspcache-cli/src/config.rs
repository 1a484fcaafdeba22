//! `sspcache config`: whether a configuration is valid and how it sets up the mocks, an example, and the list of keys.
//!
//! A configuration holds passwords. Errors name the place and what is allowed there, and never quote the file (clause
//! M8).

use std::{
    fmt::Write as _,
    io::{self, Write},
    path::{Path, PathBuf},
};

use serde::Serialize;
use sspcache_engine::{Config, ConfigError, Engine, config};

use crate::{
    cli::{Format, Mock},
    output::{GOOD, STRONG, Stream, count, join, lines, message, print_json, styled, table, terminal_width},
};

/// The result for one file.
#[derive(Debug, Serialize)]
struct Checked<'args> {
    file: &'args Path,
    valid: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<Fault>,
    /// Why the mock DLLs refuse what the mock in Rust accepts.
    #[serde(skip_serializing_if = "Option::is_none")]
    emulation_only: Option<String>,
    mocks: Vec<Configured>,
}

#[derive(Debug, Serialize)]
struct Fault {
    line: Option<usize>,
    column: Option<usize>,
    key: String,
    allowed: String,
    message: String,
}

impl From<&ConfigError> for Fault {
    fn from(error: &ConfigError) -> Self {
        Self {
            line: error.line(),
            column: error.column(),
            key: error.key().to_owned(),
            allowed: error.allowed(),
            message: error.to_string(),
        }
    }
}

/// A mock as this configuration sets it up.
#[derive(Debug, Serialize)]
struct Configured {
    module: &'static str,
    packages: Vec<String>,
    /// Credentials that are cached from the start.
    preloaded: Vec<String>,
}

/// Checks the files and returns whether all are valid.
pub(crate) fn check(files: &[PathBuf], format: Format) -> io::Result<bool> {
    let checked: Vec<Checked<'_>> = files.iter().map(|file| check_file(file)).collect();
    match format {
        Format::Json => print_json(&checked)?,
        Format::Text => {
            let mut out = anstream::stdout();
            for file in &checked {
                match &file.error {
                    Some(fault) => message(&fault.message),
                    None => write!(out, "{}", text(file))?,
                }
            }
        }
    }
    Ok(checked.iter().all(|file| file.valid))
}

fn check_file(file: &Path) -> Checked<'_> {
    let config = match Config::read(file) {
        Ok(config) => config,
        Err(error) => {
            let error = Some(Fault::from(&error));
            return Checked { file, valid: false, error, emulation_only: None, mocks: Vec::new() };
        }
    };
    Checked {
        file,
        valid: true,
        error: None,
        emulation_only: config.check_for_dll().err().map(|error| error.to_string()),
        mocks: [Mock::Msnsspc, Mock::Msapsspc].map(|mock| configured(mock, &config)).into(),
    }
}

/// A configuration with every key and comments.
const EXAMPLE: &str = include_str!("config/example.toml");

/// Prints [`EXAMPLE`].
pub(crate) fn example() -> io::Result<()> {
    io::stdout().write_all(EXAMPLE.as_bytes())
}

/// A key in its JSON form.
#[derive(Debug, Serialize)]
struct Row {
    key: &'static str,
    allowed: String,
    meaning: &'static str,
}

/// Prints every key: what it means, and what is allowed there.
pub(crate) fn keys(format: Format) -> io::Result<()> {
    let keys = config::keys().map(|(key, allowed, meaning)| Row { key, allowed, meaning });
    match format {
        Format::Json => print_json(&keys.collect::<Vec<_>>()),
        Format::Text => {
            let mut out = anstream::stdout();
            // Not a table: some keys allow dozens of words.
            for Row { key, allowed, meaning } in keys {
                writeln!(out, "{}\n    {meaning}\n    allowed: {allowed}", styled(STRONG, key))?;
            }
            Ok(())
        }
    }
}

/// Builds the mock and reads its settings, so that the output shows what it really does.
fn configured(mock: Mock, config: &Config) -> Configured {
    let ssp = Engine::builder(mock.file_name()).config(config).build();
    Configured {
        module: mock.file_name(),
        packages: ssp.packages().iter().map(|package| package.name.to_string()).collect(),
        preloaded: ssp
            .cached_credentials()
            .iter()
            .map(|credential| format!("{} for {}", credential.principal, credential.package))
            .collect(),
    }
}

fn text(checked: &Checked<'_>) -> String {
    let mut text = format!("{}: {}\n", styled(STRONG, checked.file.display()), styled(GOOD, "valid"));
    let mut facts = table(&[], terminal_width(Stream::Stdout));
    for mock in &checked.mocks {
        let mut offers = format!("offers {}", join(&mock.packages));
        if !mock.preloaded.is_empty() {
            write!(offers, "; {} cached from the start", count(mock.preloaded.len(), "credential"))
                .expect("a string takes all text");
        }
        facts.add_row([mock.module.to_owned(), offers]);
    }
    text += &lines(&facts);
    if let Some(why) = &checked.emulation_only {
        writeln!(text, "note: for the mock in Rust only; a mock DLL refuses it: {why}")
            .expect("a string takes all text");
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_is_valid_and_names_every_key() {
        EXAMPLE.parse::<Config>().unwrap().check_for_dll().unwrap();
        // What is commented out counts, and is valid as well.
        let lines = EXAMPLE.lines().map(|line| match line.strip_prefix("# ") {
            Some(rest) if rest.split_once(" = ").is_some_and(|(key, _)| !key.contains(' ')) => rest,
            _ => line,
        });
        let (mut table, mut named) = ("", Vec::new());
        for line in lines.clone() {
            if let Some((header, _)) = line.split_once(']').filter(|_| line.starts_with('[')) {
                table = header.trim_start_matches('[');
                named.push(table.to_owned());
            } else if let Some((key, _)) = line.split_once(" = ") {
                named.push(format!("{table}.{key}"));
            }
        }
        let missing: Vec<_> = config::keys()
            .map(|(key, ..)| key)
            .filter(|key| !named.iter().any(|named| named == key))
            .collect();
        assert!(missing.is_empty(), "config/example.toml lacks {missing:?}");
        lines.collect::<Vec<_>>().join("\n").parse::<Config>().unwrap();
    }
}
