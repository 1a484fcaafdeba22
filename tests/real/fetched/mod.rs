//! One test for each client. Its runs are a table: those that must be clean, and those that must not.

/// Crates, built as Windows programs.
mod crates;
/// Node for Windows.
mod node;
/// Python for Windows.
mod python;
/// What Windows itself has, in the form of Wine.
mod system;
