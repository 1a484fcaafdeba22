//! What the tests share that look for secrets in other processes' memory.
#![allow(dead_code, reason = "each test file uses a part of it")]

pub(crate) mod memory;
pub(crate) mod program;
pub(crate) mod recipe;
