//! `sspcache exec`.

/// Accounts of the command line.
mod accounts;
/// What the verdict says about one client, in each language.
mod clients;
/// The command and its surroundings: options, streams, signals, exit status, files that are written.
mod command;
/// Journals that had no room.
mod gaps;
/// What handles hold, and what a process can't help.
mod held;
/// What was given out and not given back.
mod leaks;
/// Calls that break rules: the rows of `fixtures/misuse.toml`.
mod misuse;
/// The names under which a program finds the mocks.
mod names;
/// The lines of programs in the verdict.
mod places;
/// Mistakes that are planted in clients of five languages.
mod planted;
/// Policies: the rows of `fixtures/policy.toml`.
mod policy;
/// Several processes: forked, in the background, killed.
mod processes;
/// The SSPs of Wine in the place of the mock, recorded.
mod record;
/// Processes that outlive the command.
mod running;
/// Windows programs that are linked to secur32.
mod secur32;
/// Where in the program something was given out and taken back.
mod stacks;
/// The calls of a program, one a line.
mod tracing;
/// Commands that find no mock, and why.
mod unseen;
/// Windows programs under Wine, by name and through secur32, and the prefix in which they run.
mod wine;
