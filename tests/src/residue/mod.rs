//! What the tests share that look for secrets in other processes' memory.

#[cfg(target_os = "linux")]
pub mod memory;
pub mod program;
pub mod recipe;
