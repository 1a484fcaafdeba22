//! Message texts: `FormatMessage`.

mod texts;

use std::{
    ffi::{CStr, c_char, c_void},
    mem::MaybeUninit,
    ptr, slice,
};

use widestring::U16CStr;
use windows_sys::Win32::{
    Foundation::{
        ERROR_INSUFFICIENT_BUFFER, ERROR_INVALID_PARAMETER, ERROR_MR_MID_NOT_FOUND, ERROR_NOT_ENOUGH_MEMORY,
        ERROR_NOT_SUPPORTED, ERROR_RESOURCE_DATA_NOT_FOUND, ERROR_RESOURCE_LANG_NOT_FOUND,
    },
    System::Diagnostics::Debug::{
        FORMAT_MESSAGE_ALLOCATE_BUFFER, FORMAT_MESSAGE_ARGUMENT_ARRAY, FORMAT_MESSAGE_FROM_HMODULE,
        FORMAT_MESSAGE_FROM_STRING, FORMAT_MESSAGE_FROM_SYSTEM, FORMAT_MESSAGE_IGNORE_INSERTS,
    },
};

use crate::{
    ffi::{Failure, call},
    text,
};

/// `FormatMessage` for UTF-8: the text of a system error code or of an SSPI status, in English. Returns its length.
///
/// Supports `FORMAT_MESSAGE_FROM_SYSTEM`, with `ALLOCATE_BUFFER`, `IGNORE_INSERTS`, `ARGUMENT_ARRAY` and a width.
/// Errors: 87 without a source, 317 for an unknown code, 1812 for a code of modules only, 1815 for another language,
/// 122 for a buffer that is too small, which stays unchanged. A text with an insert needs its argument, or
/// `IGNORE_INSERTS`: else 87.
///
/// # Safety
/// The buffer has room for so many bytes, or with `ALLOCATE_BUFFER` for a pointer; arguments that aren't null are an
/// array of strings, as long as the text has inserts.
///
/// # Platform-specific behaviour
/// `FORMAT_MESSAGE_FROM_STRING`, and arguments as a `va_list`, are refused (`ERROR_NOT_SUPPORTED`). Modules have no
/// message tables here: `FORMAT_MESSAGE_FROM_HMODULE` finds the system's texts only.
///
/// Reference: [FormatMessage](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-formatmessagea).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_FormatMessageA(
    flags: u32,
    _source: *const c_void,
    code: u32,
    language: u32,
    buffer: *mut c_char,
    size: u32,
    arguments: *const c_void,
) -> u32 {
    let place = Place { flags, buffer: buffer.cast::<u8>(), size };
    let written = call(|| {
        // SAFETY: a string of the caller's arguments ends in a null.
        let read = |text: *const c_char| unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: the caller promises that arguments which aren't null are an array of such strings.
        let text = unsafe { message(flags, code, language, arguments, read) };
        // SAFETY: the caller promises room for so many bytes, or for a pointer.
        text.and_then(|text| unsafe { place.write(text.as_bytes()) })
    });
    // SAFETY: the caller promises room for so many bytes, or for a pointer.
    written.unwrap_or_else(|| unsafe { place.clear() })
}

/// `FormatMessage` for UTF-16: as [`sspcache_FormatMessageA`].
///
/// # Safety
/// As [`sspcache_FormatMessageA`], in UTF-16 units.
///
/// Reference: [FormatMessage](https://learn.microsoft.com/en-us/windows/win32/api/winbase/nf-winbase-formatmessagew).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_FormatMessageW(
    flags: u32,
    _source: *const c_void,
    code: u32,
    language: u32,
    buffer: *mut u16,
    size: u32,
    arguments: *const c_void,
) -> u32 {
    let place = Place { flags, buffer, size };
    let written = call(|| {
        // SAFETY: a string of the caller's arguments ends in a null.
        let read = |text: *const u16| unsafe { U16CStr::from_ptr_str(text) }.to_string_lossy();
        // SAFETY: the caller promises that arguments which aren't null are an array of such strings.
        let text = unsafe { message(flags, code, language, arguments, read) };
        let text: Vec<u16> = text?.encode_utf16().collect();
        // SAFETY: the caller promises room for so many units, or for a pointer.
        unsafe { place.write(&text) }
    });
    // SAFETY: the caller promises room for so many units, or for a pointer.
    written.unwrap_or_else(|| unsafe { place.clear() })
}

/// The text of a code in the form that the flags choose.
///
/// # Safety
/// Arguments that aren't null are an array of what `read` reads, as long as the text has inserts.
unsafe fn message<T>(
    flags: u32,
    code: u32,
    language: u32,
    arguments: *const c_void,
    read: impl Fn(*const T) -> String,
) -> Result<String, Failure> {
    const SOURCES: u32 =
        FORMAT_MESSAGE_FROM_HMODULE | FORMAT_MESSAGE_FROM_STRING | FORMAT_MESSAGE_FROM_SYSTEM;
    match flags & SOURCES {
        0 => return Err(Failure(ERROR_INVALID_PARAMETER)),
        sources if sources & FORMAT_MESSAGE_FROM_STRING != 0 => return Err(Failure(ERROR_NOT_SUPPORTED)),
        FORMAT_MESSAGE_FROM_HMODULE => return Err(Failure(ERROR_RESOURCE_DATA_NOT_FOUND)),
        _ => {}
    }
    if !is_english(language) {
        return Err(Failure(ERROR_RESOURCE_LANG_NOT_FOUND));
    }
    let mut text = texts::text(code).ok_or(Failure(ERROR_MR_MID_NOT_FOUND))?.to_owned();
    if flags & FORMAT_MESSAGE_IGNORE_INSERTS == 0 && text.contains(texts::INSERT) {
        if arguments.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        if flags & FORMAT_MESSAGE_ARGUMENT_ARRAY == 0 {
            return Err(Failure(ERROR_NOT_SUPPORTED));
        }
        // SAFETY: the caller promises an array as long as the text has inserts, which is one here.
        let argument = unsafe { arguments.cast::<*const T>().read() };
        if argument.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        text = text.replace(texts::INSERT, &read(argument));
    }
    Ok(broken(&text, flags & 0xFF))
}

/// Whether a `LANGID` is English of any country, or leaves the language open.
fn is_english(language: u32) -> bool {
    const PRIMARY: u32 = 0x3FF;
    const ENGLISH: u32 = 9;
    [0, ENGLISH].contains(&(language & PRIMARY))
}

/// A text wrapped to lines of this many units; 0 keeps its lines, 255 makes one line of it.
fn broken(text: &str, width: u32) -> String {
    const ONE_LINE: u32 = 0xFF;
    match width {
        0 => format!("{text}\r\n"),
        ONE_LINE => format!("{text} "),
        width => {
            let options = textwrap::Options::new(width as usize)
                .word_separator(textwrap::WordSeparator::AsciiSpace)
                .word_splitter(textwrap::WordSplitter::NoHyphenation)
                .wrap_algorithm(textwrap::WrapAlgorithm::FirstFit);
            textwrap::wrap(text, options).join("\r\n") + " "
        }
    }
}

/// The destination of a message.
#[derive(Clone, Copy)]
struct Place<T> {
    flags: u32,
    buffer: *mut T,
    size: u32,
}

impl<T: Copy + Default> Place<T> {
    fn allocates(self) -> bool {
        self.flags & FORMAT_MESSAGE_ALLOCATE_BUFFER != 0
    }

    /// Writes a message with a terminating null.
    ///
    /// # Safety
    /// The buffer has room for so many units, or with `ALLOCATE_BUFFER` for a pointer.
    unsafe fn write(self, text: &[T]) -> Result<u32, Failure> {
        let length = u32::try_from(text.len()).map_err(|_| Failure(ERROR_INSUFFICIENT_BUFFER))?;
        let into = if self.allocates() {
            if self.buffer.is_null() {
                return Err(Failure(ERROR_NOT_ENOUGH_MEMORY));
            }
            let units = self.size.max(length.saturating_add(1)) as usize;
            // SAFETY: it is asked for memory alone.
            let memory = unsafe { libc::calloc(units, size_of::<T>()) };
            if memory.is_null() {
                return Err(Failure(ERROR_NOT_ENOUGH_MEMORY));
            }
            // SAFETY: the buffer isn't null, and so has room for a pointer, as the caller promises of
            // `ALLOCATE_BUFFER`.
            unsafe { self.buffer.cast::<*mut c_void>().write_unaligned(memory) };
            memory.cast::<T>()
        } else {
            if self.buffer.is_null() {
                return Err(Failure(ERROR_INVALID_PARAMETER));
            }
            if length >= self.size {
                return Err(Failure(ERROR_INSUFFICIENT_BUFFER));
            }
            self.buffer
        };
        // SAFETY: there is room for the text and a null, allocated just now or checked against the size that the caller
        // promises.
        let into = unsafe { slice::from_raw_parts_mut(into.cast::<MaybeUninit<T>>(), text.len() + 1) };
        text::put(text, into);
        Ok(length)
    }

    /// After a failure: writes no text, and sets the pointer of `ALLOCATE_BUFFER` to null.
    ///
    /// # Safety
    /// As [`Self::write`].
    unsafe fn clear(self) -> u32 {
        if self.allocates() && !self.buffer.is_null() {
            // SAFETY: the buffer isn't null, and so has room for a pointer, as the caller promises of
            // `ALLOCATE_BUFFER`.
            unsafe { self.buffer.cast::<*mut c_void>().write_unaligned(ptr::null_mut()) };
        }
        0
    }
}
