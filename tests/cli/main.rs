//! The program `sspcache`, but for `sspcache exec`.

/// `sspcache caches` and `sspcache flush`.
mod caches;
/// `sspcache journal compare`.
mod compare;
/// `sspcache config`.
mod config;
/// `sspcache demo`.
mod demo;
/// The form of a verdict that GitHub Actions reads.
mod github;
/// `sspcache inspect`.
mod inspect;
/// `sspcache journal`, and the forms of a verdict.
mod journal;
/// The form of a verdict that CI servers read.
mod junit;
/// What was given out and not given back, by the journals.
mod leaks;
/// Calls that break rules, by the journals: the rows of `fixtures/misuse.toml`.
mod misuse;
/// Functions, files and lines in the verdict and the timeline. They are of ELF files, and of PE files with DWARF.
#[cfg(target_os = "linux")]
mod places;
/// What a policy forbids and requires, by the journals: the rows of `fixtures/policy.toml`.
mod policy;
/// The JSON form of verdicts, by its schema.
mod schema;
/// What all commands have in common: arguments, exit status, streams, colour, completions, manual pages.
mod usage;
