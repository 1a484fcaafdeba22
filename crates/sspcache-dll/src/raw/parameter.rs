//! The parameters of any call, as a trace reads them: what is behind a pointer only where it is shown.
#![allow(clippy::inline_always, reason = "smaller than a call, in every function of an SSP")]

use std::{ffi::c_void, fmt::Write as _, ptr, slice};

use windows_sys::Win32::Security::{
    Authentication::Identity::{
        SEC_GET_KEY_FN, SECBUFFER_ATTRMASK, SECBUFFER_TOKEN, SECBUFFER_VERSION, SECURITY_PACKAGE_OPTIONS,
        SecBuffer, SecBufferDesc, SecPkgContext_Bindings,
    },
    Credentials::SecHandle,
};

use super::{
    place::{Place, Raw},
    strings::Str,
};
use crate::{
    stack::Edge,
    state::Ssp,
    text::{Ansi, Wide},
    trace,
};

/// The parameters of a call, and their names.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameters {
    shape: &'static [u8],
    words: [*const c_void; MOST],
    count: usize,
}

/// As many as any function has.
const MOST: usize = 12;

/// The shape of a function's calls: the kinds of its parameters, then its name and theirs with blanks between. In one piece, since each
/// function of an SSP passes its own.
#[must_use]
pub const fn shape<const PARAMETERS: usize, const LENGTH: usize>(
    kinds: [Kind; PARAMETERS],
    names: &str,
) -> [u8; LENGTH] {
    let (mut shape, mut index) = ([0; LENGTH], 0);
    while index < LENGTH {
        shape[index] =
            if index < PARAMETERS { kinds[index] as u8 } else { names.as_bytes()[index - PARAMETERS] };
        index += 1;
    }
    shape
}

impl Parameters {
    /// # Safety
    /// The shape begins with the kind of each word. Each word is a parameter of this kind, and what the function's page says until the call
    /// returns. So long, and no longer, this and what comes of it is used.
    unsafe fn new(shape: &'static [u8], words: &[*const c_void]) -> Self {
        let mut all = [ptr::null(); MOST];
        let count = words.len().min(MOST);
        all[..count].copy_from_slice(&words[..count]);
        Self { shape, words: all, count }
    }

    /// The function's name, then those of the parameters.
    pub(crate) fn names(&self) -> impl Iterator<Item = &'static str> + use<> {
        str::from_utf8(&self.shape[self.count..]).unwrap_or_default().split(' ')
    }

    pub(crate) fn get(&self, index: usize) -> Parameter {
        Parameter { kind: Kind::ALL[usize::from(self.shape[index])], word: self.words[index] }
    }
}

/// Begins the trace of a call. All that a function of an SSP does for it.
///
/// # Safety
/// As `Parameters::new`.
#[cold]
#[inline(never)]
pub unsafe fn begin_trace(edge: &Edge, ssp: &'static Ssp, shape: &'static [u8], words: &[*const c_void]) {
    // SAFETY: the caller has made the same promise, and the edge is that of the call.
    trace::begin(edge, ssp, unsafe { Parameters::new(shape, words) });
}

/// A parameter of a call. Nothing is followed before it is asked for its value.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Parameter {
    kind: Kind,
    word: *const c_void,
}

/// What a parameter is, by its type.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    /// A string of bytes.
    Ansi,
    /// A `SecBuffer`.
    Buffer,
    /// A `SecBufferDesc`.
    Buffers,
    /// A `SecHandle`.
    Handle,
    /// A number.
    Number,
    /// A place for a number.
    OutNumber,
    /// Something that isn't read.
    Pointer,
    /// A place for a result that isn't read.
    Result,
    /// A string of UTF-16.
    Wide,
}

impl Kind {
    const ALL: [Self; 9] = [
        Self::Ansi,
        Self::Buffer,
        Self::Buffers,
        Self::Handle,
        Self::Number,
        Self::OutNumber,
        Self::Pointer,
        Self::Result,
        Self::Wide,
    ];
}

/// The type of a parameter.
pub trait Parametric {
    /// What it is.
    const KIND: Kind;

    /// The pointer, or the number in the place of one.
    fn word(self) -> *const c_void;
}

macro_rules! pointers {
    ($($kind:ident: $($type:ty),+;)*) => {
        $($(
            impl Parametric for $type {
                const KIND: Kind = Kind::$kind;

                #[inline(always)]
                fn word(self) -> *const c_void {
                    self.cast()
                }
            }
        )+)*
    };
}

pointers! {
    Ansi: *mut i8, *const i8;
    Buffer: *mut SecBuffer;
    Buffers: *mut SecBufferDesc;
    Handle: *mut SecHandle;
    OutNumber: *mut u32;
    Pointer: *mut c_void, *const c_void, *const u8, *const SECURITY_PACKAGE_OPTIONS, *mut SecPkgContext_Bindings;
    Result: *mut i64, *mut i32, *mut bool;
    Wide: *mut u16, *const u16;
}

impl<T> Parametric for *mut *mut T {
    const KIND: Kind = Kind::Result;

    #[inline(always)]
    fn word(self) -> *const c_void {
        self.cast()
    }
}

impl<T> Parametric for *mut *const T {
    const KIND: Kind = Kind::Result;

    #[inline(always)]
    fn word(self) -> *const c_void {
        self.cast()
    }
}

macro_rules! numbers {
    ($($type:ty),+) => {
        $(
            impl Parametric for $type {
                const KIND: Kind = Kind::Number;

                #[inline(always)]
                fn word(self) -> *const c_void {
                    ptr::without_provenance(self as usize)
                }
            }
        )+
    };
}

numbers!(u32, u8);

impl Parametric for SEC_GET_KEY_FN {
    const KIND: Kind = Kind::Pointer;

    #[inline(always)]
    fn word(self) -> *const c_void {
        self.map_or(ptr::null(), |function| function as *const c_void)
    }
}

impl Parameter {
    pub(crate) fn kind(self) -> Kind {
        self.kind
    }

    pub(crate) fn is_null(self) -> bool {
        self.word.is_null()
    }

    /// What it points to.
    fn read<T: Copy>(self) -> Option<T> {
        // SAFETY: by the promise to `Parameters::new` it is to what its page says, and so to what its type says.
        let place = unsafe { Place::<T>::new(self.word.cast()) };
        // SAFETY: a pointer that may be followed is to a value of its type.
        place.get().map(|place| unsafe { place.read_unaligned() })
    }

    /// Writes whether it is given, and no more.
    pub(crate) fn write_given(self, to: &mut String) {
        to.push(if self.is_null() { '-' } else { '+' });
    }

    /// Writes the value that is there now, as a `Called` event has it: the text of a string, what a handle holds, how buffers are described.
    /// `tokens` asks for the content of those that are tokens.
    pub(crate) fn write(self, tokens: bool, to: &mut String) {
        if self.try_write(tokens, to).is_none() {
            self.write_given(to);
        }
    }

    fn try_write(self, tokens: bool, to: &mut String) -> Option<()> {
        let written = match self.kind {
            Kind::Ansi | Kind::Wide => {
                let name = if self.kind == Kind::Ansi {
                    // SAFETY: as in `read`.
                    unsafe { Str::<Ansi>::from_raw(self.word.cast::<i8>()) }.name()
                } else {
                    // SAFETY: as in `read`.
                    unsafe { Str::<Wide>::from_raw(self.word.cast::<u16>()) }.name()
                };
                write!(to, "{:?}", shortened(name.ok()??.to_string()))
            }
            Kind::Buffer => {
                let buffer = self.read()?;
                to.push('[');
                describe(&buffer, tokens, to);
                to.push(']');
                Ok(())
            }
            Kind::Buffers => {
                describe_all(&self.read()?, tokens, to);
                Ok(())
            }
            // What is in the other half is no part of it: clause S8.
            Kind::Handle => write!(to, "#{}", self.read::<SecHandle>()?.dwLower),
            Kind::Number => write!(to, "{}", self.word.addr()),
            Kind::OutNumber => write!(to, "{}", self.read::<u32>()?),
            Kind::Pointer | Kind::Result => return None,
        };
        written.ok()
    }
}

/// A name, or as much of it as fits in a line.
fn shortened(mut name: String) -> String {
    const LONGEST: usize = 256;
    if name.len() > LONGEST {
        name.truncate(name.floor_char_boundary(LONGEST));
        name.push('…');
    }
    name
}

/// The buffers of a descriptor, as many as there usually are at most; none of one that no function reads.
fn describe_all(descriptor: &SecBufferDesc, tokens: bool, to: &mut String) {
    const MOST: u32 = 64;
    to.push('[');
    let count = if descriptor.ulVersion == SECBUFFER_VERSION { descriptor.cBuffers.min(MOST) } else { 0 };
    for index in 0..count as usize {
        // SAFETY: a descriptor that has buffers points at as many.
        let place = unsafe { Place::<SecBuffer>::new(descriptor.pBuffers.wrapping_add(index)) };
        let Some(place) = place.get() else { break };
        if index > 0 {
            to.push(',');
        }
        // SAFETY: a pointer that may be followed is to a buffer.
        describe(&unsafe { place.read_unaligned() }, tokens, to);
    }
    to.push(']');
}

fn describe(buffer: &SecBuffer, tokens: bool, to: &mut String) {
    let _ = write!(to, "{:x}:{}", buffer.BufferType, buffer.cbBuffer);
    let is_token = buffer.BufferType & !SECBUFFER_ATTRMASK == SECBUFFER_TOKEN;
    if tokens && is_token && buffer.cbBuffer > 0 {
        to.push(':');
        // SAFETY: it is asked for its address here.
        let place = unsafe { Place::<u8>::new(buffer.pvBuffer.cast()) };
        let length = buffer.cbBuffer as usize;
        // No object is longer than half of what can be addressed.
        if let (Some(place), Ok(_)) = (place.get(), isize::try_from(length)) {
            // SAFETY: the caller's buffer has as many bytes, which nothing writes to as long as this lasts.
            for byte in unsafe { slice::from_raw_parts(place.as_ptr(), length) } {
                let _ = write!(to, "{byte:02x}");
            }
        }
    }
}
