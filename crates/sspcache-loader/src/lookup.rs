//! The parameters of lookups: which module, which export, which flags.
//!
//! Reference: [GetModuleHandleExW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandleexw),
//! [GetProcAddress](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getprocaddress).

use std::ffi::CStr;

use widestring::{U16CStr, U16Str, U16String};
use windows_sys::Win32::System::LibraryLoader::{
    GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_PIN,
    GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
};

use crate::{LoaderError, Name, PlainName};

/// The loaded module to find.
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub enum Sought<'a> {
    /// The module that contains this address (`GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS`).
    Address(u64),
    /// The module of this name: bare, or the path of its file (L3).
    Name(Name<'a>),
    /// The module of this name, parsed already.
    Plain(PlainName),
    /// The program itself: the null name (L4).
    Program,
}

impl<'a> From<Name<'a>> for Sought<'a> {
    fn from(name: Name<'a>) -> Self {
        Self::Name(name)
    }
}

impl From<PlainName> for Sought<'_> {
    fn from(name: PlainName) -> Self {
        Self::Plain(name)
    }
}

macro_rules! sought_from_names {
    ($($name:ty),*) => {$(
        impl<'a> From<&'a $name> for Sought<'a> {
            fn from(name: &'a $name) -> Self {
                Self::Name(name.into())
            }
        }
    )*};
}

sought_from_names!(str, String, CStr, U16CStr, U16Str, U16String);

/// The effect of a lookup on the module's references (L5).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Lifetime {
    /// The module stays loaded until the emulated process ends, however often it is freed
    /// (`GET_MODULE_HANDLE_EX_FLAG_PIN`).
    Pin,
    /// The lookup takes a reference, which [`EmulatedLoader::free`](crate::EmulatedLoader::free) frees.
    Reference,
    /// The lookup takes no reference (`GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT`, and plain GetModuleHandle).
    Unchanged,
}

/// The flags of GetModuleHandleEx, checked.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct LookupFlags {
    /// The effect on the module's references.
    pub lifetime: Lifetime,
    /// Whether the name parameter is an address inside the module.
    pub from_address: bool,
}

impl LookupFlags {
    /// Reads the flags as a caller passes them.
    ///
    /// # Errors
    /// [`LoaderError::InvalidFlags`] for unknown bits, and for `PIN` together with `UNCHANGED_REFCOUNT` (L5).
    pub fn from_bits(flags: u32) -> Result<Self, LoaderError> {
        let lifetime = match flags & !GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS {
            0 => Lifetime::Reference,
            GET_MODULE_HANDLE_EX_FLAG_PIN => Lifetime::Pin,
            GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT => Lifetime::Unchanged,
            _ => return Err(LoaderError::InvalidFlags { flags }),
        };
        Ok(Self { lifetime, from_address: flags & GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS != 0 })
    }
}

/// The export to find (L7).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Procedure<'a> {
    /// By its name, compared byte by byte.
    Name(&'a [u8]),
    /// By its ordinal.
    Ordinal(u16),
}

impl<'a> From<&'a str> for Procedure<'a> {
    fn from(name: &'a str) -> Self {
        Self::Name(name.as_bytes())
    }
}

impl<'a> From<&'a CStr> for Procedure<'a> {
    fn from(name: &'a CStr) -> Self {
        Self::Name(name.to_bytes())
    }
}

impl<'a> From<&'a [u8]> for Procedure<'a> {
    fn from(name: &'a [u8]) -> Self {
        Self::Name(name)
    }
}

impl From<u16> for Procedure<'_> {
    fn from(ordinal: u16) -> Self {
        Self::Ordinal(ordinal)
    }
}
