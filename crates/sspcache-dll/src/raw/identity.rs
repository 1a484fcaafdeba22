//! Identities that the caller passes: `SEC_WINNT_AUTH_IDENTITY` in its forms.

use std::{ffi::c_void, marker::PhantomData, ptr::NonNull, slice};

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SEC_WINNT_AUTH_IDENTITY_EX2 as Ex2, SEC_WINNT_AUTH_IDENTITY_EXW as Ex,
        SEC_WINNT_AUTH_IDENTITY_VERSION, SEC_WINNT_AUTH_IDENTITY_VERSION_2,
    },
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_W as Plain},
};
use zeroize::Zeroize;

use super::place::{Place, Raw};
use crate::text::{Ansi, Encoding, MAX_LENGTH, Text, Wide};

/// An identity, or a null pointer. What is read of it is borrowed from here; nothing may be when it is changed.
#[derive(Debug)]
pub struct AuthData<'c>(Place<'c, u8>);

impl Raw<*const c_void> for AuthData<'_> {
    unsafe fn from_raw(parameter: *const c_void) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter.cast()) })
    }
}

impl Raw<*mut c_void> for AuthData<'_> {
    unsafe fn from_raw(parameter: *mut c_void) -> Self {
        // SAFETY: the caller has made the same promise.
        Self(unsafe { Place::new(parameter.cast()) })
    }
}

/// The forms of an identity.
pub(crate) enum Form<'i> {
    /// `SEC_WINNT_AUTH_IDENTITY_EX2`
    Block(WholeBlock<'i>),
    /// `SEC_WINNT_AUTH_IDENTITY`, or `SEC_WINNT_AUTH_IDENTITY_EX`.
    Strings(AuthStrings<'i>),
}

/// An identity in one block of memory.
pub(crate) struct WholeBlock<'i> {
    start: NonNull<u8>,
    memory: PhantomData<&'i [u8]>,
}

/// An identity whose strings are at pointers. The A and the W structure differ in the pointers' types alone; the flags
/// say which it is.
pub(crate) struct AuthStrings<'i> {
    pub(crate) user: Counted<'i>,
    pub(crate) domain: Counted<'i>,
    pub(crate) password: Counted<'i>,
    /// Names, separated by commas; none without the field.
    pub(crate) packages: Counted<'i>,
    pub(crate) flags: u32,
}

/// A string of an identity, with its length.
pub(crate) struct Counted<'i> {
    start: Place<'i, u16>,
    length: u32,
    is_ansi: bool,
}

impl AuthData<'_> {
    /// Whether there is an identity.
    pub(crate) fn is_given(&self) -> bool {
        self.0.get().is_some()
    }

    /// The identity in its form; `None` for a null pointer.
    ///
    /// # Errors
    /// [`SecurityStatus::UNKNOWN_CREDENTIALS`] for what is recognizably none.
    pub(crate) fn form(&self) -> Result<Option<Form<'_>>, SecurityStatus> {
        let Some(start) = self.0.optional(SecurityStatus::UNKNOWN_CREDENTIALS)? else { return Ok(None) };
        // SAFETY: each form begins with a version, or with a pointer, which isn't smaller.
        let version = unsafe { start.cast::<u32>().read_unaligned() };
        let form = match version {
            SEC_WINNT_AUTH_IDENTITY_VERSION_2 => Form::Block(WholeBlock { start, memory: PhantomData }),
            SEC_WINNT_AUTH_IDENTITY_VERSION => Form::Strings(read_ex(start.cast())?),
            _ => {
                // SAFETY: without a version it is the form that has none.
                Form::Strings(strings_of(unsafe { start.cast::<Plain>().read_unaligned() }, None))
            }
        };
        Ok(Some(form))
    }

    /// The one block that this is, to be changed where it lies; `None` for other forms, and for a null pointer.
    ///
    /// # Errors
    /// As [`Self::form`] and [`WholeBlock::bytes`].
    pub(crate) fn block_mut(
        &mut self,
        handed_out: impl FnOnce(usize) -> Option<usize>,
    ) -> Result<Option<&mut [u8]>, SecurityStatus> {
        let Some(Form::Block(block)) = self.form()? else { return Ok(None) };
        let length = block.length(handed_out)?;
        // SAFETY: a block is as long as it says, and may be written to; nothing else is borrowed of it.
        Ok(Some(unsafe { slice::from_raw_parts_mut(block.start.as_ptr(), length) }))
    }

    /// Overwrites the strings that the identity's pointers lead to. Of one in one block there are none.
    ///
    /// # Errors
    /// As [`Self::form`].
    pub(crate) fn zero_strings(&mut self) -> Result<(), SecurityStatus> {
        if let Some(Form::Strings(AuthStrings { user, domain, password, packages, .. })) = self.form()? {
            [user, domain, password, packages].into_iter().for_each(Counted::zero);
        }
        Ok(())
    }
}

fn read_ex<'i>(start: NonNull<Ex>) -> Result<AuthStrings<'i>, SecurityStatus> {
    // SAFETY: there is as much as a version and a length, which says whether there is more.
    let [_, length] = unsafe { start.cast::<[u32; 2]>().read_unaligned() };
    if (length as usize) < size_of::<Ex>() {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    // SAFETY: the length says that all of it is there.
    let ex = unsafe { start.read_unaligned() };
    let plain = Plain {
        User: ex.User,
        UserLength: ex.UserLength,
        Domain: ex.Domain,
        DomainLength: ex.DomainLength,
        Password: ex.Password,
        PasswordLength: ex.PasswordLength,
        Flags: ex.Flags,
    };
    Ok(strings_of(plain, Some((ex.PackageList, ex.PackageListLength))))
}

fn strings_of<'i>(plain: Plain, packages: Option<(*mut u16, u32)>) -> AuthStrings<'i> {
    let is_ansi = plain.Flags & SEC_WINNT_AUTH_IDENTITY_ANSI != 0;
    let string = |start: *mut u16, length| {
        // SAFETY: a pointer of an identity that isn't null is to a string of the length beside it.
        let start = unsafe { Place::new(start) };
        Counted { start, length, is_ansi }
    };
    let (packages, packages_length) = packages.unwrap_or((std::ptr::null_mut(), 0));
    AuthStrings {
        user: string(plain.User, plain.UserLength),
        domain: string(plain.Domain, plain.DomainLength),
        password: string(plain.Password, plain.PasswordLength),
        packages: string(packages, packages_length),
        flags: plain.Flags,
    }
}

impl<'i> Counted<'i> {
    /// The text; `None` for a null pointer.
    ///
    /// # Errors
    /// As [`Encoding::decode`]; [`SecurityStatus::UNKNOWN_CREDENTIALS`] for a length at no place, one that no string
    /// has, or a null in an ANSI string. The page counts characters without the final null, so a null is the half of a
    /// character of UTF-16 whose flag is wrong: half of the name would sign in.
    pub(crate) fn text(&self) -> Result<Option<Text<'i>>, SecurityStatus> {
        if self.length == 0 {
            return Ok((!self.start.is_null()).then(Text::default));
        }
        let start = self.start().ok_or(SecurityStatus::UNKNOWN_CREDENTIALS)?;
        let length = self.length as usize;
        let text = if self.is_ansi {
            // SAFETY: an ANSI string has as many bytes, which stay as they are for as long as the identity is read.
            let bytes: &[u8] = unsafe { slice::from_raw_parts(start.cast().as_ptr(), length) };
            if bytes.contains(&0) {
                return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
            }
            Ansi::decode(bytes)
        } else {
            // SAFETY: a string of UTF-16 has as many units, which stay as they are for as long as the identity is read.
            Wide::decode(unsafe { slice::from_raw_parts(start.as_ptr(), length) })
        };
        text.map(Some)
    }

    fn zero(self) {
        let Some(start) = self.start() else { return };
        let unit = if self.is_ansi { 1 } else { size_of::<u16>() };
        // SAFETY: the string has as many units, may be written to, and is not borrowed.
        let bytes =
            unsafe { slice::from_raw_parts_mut(start.cast::<u8>().as_ptr(), self.length as usize * unit) };
        bytes.zeroize();
    }

    fn start(&self) -> Option<NonNull<u16>> {
        self.start.get().filter(|_| self.length <= MAX_LENGTH)
    }
}

impl<'i> WholeBlock<'i> {
    /// All of it, as far as its length is to be believed: `handed_out` gives how many bytes were handed out at an
    /// address.
    ///
    /// # Errors
    /// [`SecurityStatus::UNKNOWN_CREDENTIALS`] for a length that no block has, or that is more than was handed out.
    pub(crate) fn bytes(
        &self,
        handed_out: impl FnOnce(usize) -> Option<usize>,
    ) -> Result<&'i [u8], SecurityStatus> {
        let length = self.length(handed_out)?;
        // SAFETY: a block is as long as it says, and isn't written to for as long as it is looked at.
        Ok(unsafe { slice::from_raw_parts(self.start.as_ptr(), length) })
    }

    fn length(&self, handed_out: impl FnOnce(usize) -> Option<usize>) -> Result<usize, SecurityStatus> {
        // SAFETY: there is as much as a version and two lengths; they say whether there is more.
        let start = unsafe { self.start.cast::<Start>().read_unaligned() };
        let (header, length) = (usize::from(start.header_length), start.structure_length as usize);
        check_lengths(header, length)?;
        if handed_out(self.start.addr().get()).is_some_and(|size| size < length) {
            return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
        }
        Ok(length)
    }
}

/// Refuses lengths that no block has.
///
/// # Errors
/// [`SecurityStatus::UNKNOWN_CREDENTIALS`]
pub(crate) fn check_lengths(header: usize, length: usize) -> Result<(), SecurityStatus> {
    // No more than what the header's offsets and 16-bit lengths can be needed for.
    if header < size_of::<Ex2>() || length < header || length > MAX_BLOCK {
        return Err(SecurityStatus::UNKNOWN_CREDENTIALS);
    }
    Ok(())
}

/// The longest block that is looked at: a header, and four parts of 64 KiB.
const MAX_BLOCK: usize = 5 << 16;

/// The beginning of an [`Ex2`].
#[repr(C)]
struct Start {
    version: u32,
    header_length: u16,
    structure_length: u32,
}

const _: () = {
    assert!(std::mem::offset_of!(Start, version) == std::mem::offset_of!(Ex2, Version));
    assert!(std::mem::offset_of!(Start, header_length) == std::mem::offset_of!(Ex2, cbHeaderLength));
    assert!(std::mem::offset_of!(Start, structure_length) == std::mem::offset_of!(Ex2, cbStructureLength));
    assert!(std::mem::offset_of!(Ex, Version) == 0 && std::mem::offset_of!(Ex, Length) == size_of::<u32>());
};
