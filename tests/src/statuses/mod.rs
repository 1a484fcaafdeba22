//! The table of statuses, and who runs it.

mod abi;
mod emulated;
mod row;
mod run;

pub use self::{
    abi::Abi,
    emulated::Emulated,
    row::{Row, rows},
    run::run,
};
