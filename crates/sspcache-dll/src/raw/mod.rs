//! The parameters of a call, turned into safe values once: here, and nowhere else, a pointer of the caller is followed.
//!
//! An exported function makes a value of each parameter with [`Raw::from_raw`], which follows nothing yet. What the
//! value gives is read when it is asked for, in the order in which the function checks its parameters.
//!
//! # What the caller promises
//!
//! [`Raw::from_raw`] is unsafe, because only the caller of the C function can keep its contract, for as long as the
//! call lasts:
//!
//! - a pointer that is not null is to what the function's page says, wherever it is aligned; strings and arrays of
//!   units are aligned as their units;
//! - strings, identities and bytes that are read are not written to, neither by another thread nor through
//!   another parameter;
//! - descriptors and their arrays lie apart from the buffers that they describe. Those buffers may lie in one another:
//!   [`BufferDesc`] and [`StepBuffers`] take care of that.
//!
//! Null pointers are always allowed, and pointers below 64 KiB are never followed: see [`place`].

mod attributes;
mod buffers;
mod bytes;
mod cred_write;
mod handles;
mod identity;
mod options;
mod parameter;
mod place;
mod step;
mod strings;

pub(crate) use self::{
    attributes::{AttributeBuffer, Structure},
    buffers::{Access, BufferDesc, Descriptor, InBuffer, Piece, Whole},
    bytes::InBytes,
    cred_write::CredWriteParameters,
    handles::{InHandle, OutHandle},
    identity::{AuthData, AuthStrings, Form, WholeBlock, check_lengths},
    options::PackageOptions,
    parameter::{Parameter, Parameters},
    place::{Address, Out, all_given},
    step::{StepBuffers, StepCall},
    strings::Str,
};
pub use self::{
    parameter::{Kind, Parametric, begin_trace, shape},
    place::Raw,
};
