//! Calls of a mock's C ABI in any order, what they may be given, and what they may answer.
#![allow(unsafe_code, reason = "calls a C ABI")]

mod case;
mod contexts;
mod credentials;
mod documented;
mod generate;
mod messages;
pub mod recorded;
mod world;

use crate::context::Terms;
pub use generate::{CONFIG, calls};
pub use world::World;

/// A call, in one of the two forms.
#[derive(Clone, Debug)]
pub struct Call {
    pub wide: bool,
    pub what: What,
}

/// What is called, and with what.
#[derive(Clone, Debug)]
pub enum What {
    Accept {
        credential: Pick,
        context: Option<Pick>,
        token: Token,
        terms: Given,
    },
    Acquire {
        package: &'static str,
        credential_use: u32,
        who: Who,
    },
    Add {
        credential: Pick,
        package: &'static str,
        credential_use: u32,
        who: Who,
    },
    Attribute {
        context: Pick,
        attribute: u32,
        place: Place,
    },
    Change {
        package: &'static str,
        old: &'static str,
        kind: u32,
        reserved: u32,
    },
    Complete {
        context: Pick,
        token: Token,
    },
    CredentialAttribute {
        credential: Pick,
        attribute: u32,
        place: Place,
    },
    Delete(Pick),
    Enumerate,
    Export {
        context: Pick,
        flags: u32,
    },
    Flush,
    Free(Pick),
    Import {
        package: &'static str,
        packed: Token,
    },
    /// Gives the settings of a proxy, of which so many bytes are told.
    KdcProxy {
        credential: Pick,
        attribute: u32,
        version: u32,
        lengths: [u16; 2],
        size: usize,
    },
    Initialize {
        credential: Pick,
        context: Option<Pick>,
        token: Token,
        terms: Given,
    },
    /// Exports a context and imports it, in whole or spoilt.
    Move {
        context: Pick,
        package: &'static str,
        spoilt: bool,
    },
    OfContext {
        function: OfContext,
        context: Pick,
    },
    Package(&'static str),
    Protect {
        function: Protect,
        context: Pick,
        qop: u32,
        descriptor: Descriptor,
        shapes: Vec<Shape>,
    },
    Release(Memory),
    Shake {
        package: &'static str,
        flags: u32,
    },
    Talk {
        pair: Index,
        sealed: bool,
        spoilt: bool,
    },
}

/// A place in a list that isn't there yet.
#[derive(Clone, Copy, Debug)]
pub struct Index(usize);

impl Index {
    /// A place in a list of this length, which isn't empty.
    pub fn index(self, length: usize) -> usize {
        self.0 % length
    }

    pub fn get<T>(self, list: &[T]) -> &T {
        &list[self.index(list.len())]
    }

    pub fn get_mut<T>(self, list: &mut [T]) -> &mut T {
        &mut list[self.index(list.len())]
    }
}

/// A handle.
#[derive(Clone, Copy, Debug)]
pub enum Pick {
    Forged(usize),
    Freed(Index),
    Live(Index),
    Null,
    /// A context where a credential belongs, or the other way round.
    Other(Index),
}

/// Bytes from the other side, or that pretend to be.
#[derive(Clone, Debug)]
pub enum Token {
    Cut(Index, Index),
    Last,
    Made(Vec<u8>),
    None,
    Sent(Index),
    Spoilt(Index, Index),
}

/// What a step is given besides.
#[derive(Clone, Debug)]
pub struct Given {
    pub target: Option<&'static str>,
    pub flags: u32,
    pub bindings: Option<Vec<u8>>,
    pub room: usize,
}

/// Who signs in.
#[derive(Clone, Copy, Debug)]
pub enum Who {
    Cached,
    Named(&'static str, &'static str),
    /// Flags, and a length at null pointers.
    Odd(u32, u32),
}

/// Where an attribute goes.
#[derive(Clone, Copy, Debug)]
pub enum Place {
    Null,
    Plain,
    Sized(u32),
}

/// A function whose one parameter that matters is a context.
#[derive(Clone, Copy, Debug)]
pub enum OfContext {
    ApplyControlToken,
    Impersonate,
    QueryToken,
    Revert,
    SetAttributes,
}

#[derive(Clone, Copy, Debug)]
pub enum Protect {
    Decrypt,
    Encrypt,
    Sign,
    Verify,
}

/// How a descriptor of buffers is broken, if it is.
#[derive(Clone, Copy, Debug)]
pub enum Descriptor {
    Null,
    Sound,
    Version(u32),
    WithoutBuffers(u32),
}

/// A buffer of a message.
#[derive(Clone, Copy, Debug)]
pub struct Shape {
    pub kind: u32,
    pub bytes: Bytes,
}

/// The memory of such a buffer.
#[derive(Clone, Copy, Debug)]
pub enum Bytes {
    Null(u32),
    Own(usize),
    /// Inside another buffer's memory.
    Over(Index, Index),
}

/// What is given to `FreeContextBuffer`.
#[derive(Clone, Copy, Debug)]
pub enum Memory {
    Forged(usize),
    Held(Index),
    Null,
    Released(Index),
}

impl Given {
    fn terms(&self) -> Terms<'_> {
        Terms { target: self.target, flags: self.flags, bindings: self.bindings.as_deref(), room: self.room }
    }
}
