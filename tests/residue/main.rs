//! What is left of secrets.

/// In the memory of a process that another one looks into.
mod memory;
/// In pages of memory: locked, in core dumps, in forked children.
mod pages;
/// In texts: `Debug`, errors, panics, journals, verdicts.
mod texts;
