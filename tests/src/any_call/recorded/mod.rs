//! Calls as real programs make them: recorded by a build of the mock for that, without contents ([docs/fuzzing.md](../../../../docs/fuzzing.md)),
//! and made again with shapes of that kind. A fuzz target takes them as bytes, which it changes.

mod bytes;
mod functions;
mod memory;
mod replay;
mod text;

pub use functions::Function;

/// What a program called, in order.
#[derive(Clone, Debug, Default, Eq, PartialEq)]
pub struct Recording {
    pub calls: Vec<Call>,
}

/// A call.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Call {
    pub function: &'static Function,
    pub wide: bool,
    pub values: Vec<Value>,
    /// The number of the handle that it gave.
    pub gives: Option<u8>,
    /// What it answered; not known of bytes.
    pub status: Option<i32>,
}

/// What a parameter was.
#[derive(Clone, Debug, Eq, PartialEq)]
pub enum Value {
    /// A target of so many units whose host is an address.
    Address(u16),
    /// Memory of the caller's, to be written to.
    At,
    Auth(Auth),
    Buffers(Descriptor),
    Handle(Handed),
    Null,
    Number(u32),
    /// The name of a package, as an index of [`PACKAGES`].
    Package(u8),
    /// The same address as an earlier parameter, which this is the index of.
    Same(u8),
    /// An address that is no memory's.
    Small(u16),
    /// A string of so many units.
    Text(u16),
}

/// The names of packages that are recorded.
pub const PACKAGES: [&str; 6] = ["MSN", "DPA", "NTLM", "Kerberos", "Negotiate", "CredSSP"];

/// What a handle was.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Handed {
    /// One that an earlier call gave, by its number.
    Given(u8),
    Ones,
    Other,
    Zero,
}

/// An identity: its parts are lengths, `None` at a null pointer.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Auth {
    /// The structure with a version, and the length that it says of itself.
    pub extended: Option<u32>,
    pub flags: u32,
    pub parts: Vec<(bool, u16)>,
}

/// A descriptor of buffers.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Descriptor {
    pub version: u32,
    /// The number of buffers at a null pointer.
    pub without: Option<u8>,
    pub buffers: Vec<Shape>,
}

/// A buffer.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Shape {
    pub kind: u32,
    pub size: u32,
    pub place: Place,
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Place {
    /// Within the memory of an earlier buffer of the descriptor.
    In(u8, u16),
    Null,
    Own,
    Small,
}
