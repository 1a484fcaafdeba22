//! The texts of codes and the memory they come in, called as C calls them.
#![cfg(unix)]
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    ffi::{CStr, CString, c_char, c_void},
    ptr,
};

use sspcache_win32::*;

const ALLOCATE: u32 = 0x100;
const IGNORE_INSERTS: u32 = 0x200;
const FROM_STRING: u32 = 0x400;
const FROM_HMODULE: u32 = 0x800;
const FROM_SYSTEM: u32 = 0x1000;
const ARGUMENT_ARRAY: u32 = 0x2000;
const PLAIN: u32 = FROM_SYSTEM | IGNORE_INSERTS;

/// FormatMessageA with a buffer of this size: the text or the last error. What is written ends in the buffer, and on failure
/// none is.
fn message_in(
    size: usize,
    flags: u32,
    code: u32,
    language: u32,
    arguments: *const c_void,
) -> Result<String, u32> {
    let mut buffer = vec![b'x'; size + 1];
    let room = u32::try_from(size).unwrap();
    sspcache_SetLastError(7777);
    // SAFETY: there is as much room, and the arguments are what the test passes.
    let length = unsafe {
        sspcache_FormatMessageA(
            flags,
            ptr::null(),
            code,
            language,
            buffer.as_mut_ptr().cast(),
            room,
            arguments,
        )
    };
    assert_eq!(buffer[size], b'x', "past the end");
    if length == 0 {
        assert!(buffer.iter().all(|&byte| byte == b'x'), "on failure the buffer is untouched");
        return Err(sspcache_GetLastError());
    }
    assert_eq!(sspcache_GetLastError(), 7777, "success leaves the last error alone");
    let text = CStr::from_bytes_until_nul(&buffer).unwrap().to_str().unwrap().to_owned();
    assert_eq!(text.len(), length as usize);
    Ok(text)
}

fn message(flags: u32, code: u32) -> Result<String, u32> {
    message_in(300, flags, code, 0, ptr::null())
}

/// L6
#[test]
fn codes_of_the_loader_and_of_sspi_have_their_texts() {
    let missing = "The specified module could not be found.\r\n";
    assert_eq!(message(PLAIN, 126).as_deref(), Ok(missing));
    assert_eq!(message(PLAIN, 0x8007_007E).as_deref(), Ok(missing), "as an HRESULT");
    assert_eq!(message(PLAIN | FROM_HMODULE, 126).as_deref(), Ok(missing), "the module has none");
    assert_eq!(message(FROM_SYSTEM, 0x8009_030C).as_deref(), Ok("The logon attempt failed.\r\n"));
    // Every code that these functions set.
    for code in [
        0, 2, 6, 8, 50, 87, 111, 122, 126, 127, 182, 193, 203, 234, 258, 317, 577, 1004, 1113, 1114, 1332,
        1359, 1812, 1815,
    ] {
        let text = message(PLAIN, code).unwrap();
        assert!(text.len() > 10 && text.ends_with(".\r\n"), "{code}: {text}");
    }
    // Every status of the mock.
    for &status in sspcache_engine::SecurityStatus::ALL {
        let text =
            message(PLAIN, status.code().cast_unsigned()).unwrap_or_else(|code| panic!("{status}: {code}"));
        assert!(text.ends_with(".\r\n"), "{status}: {text}");
    }
}

/// L6
#[test]
fn what_cannot_be_told_is_an_error() {
    for (what, flags, code, error) in [
        ("no source", IGNORE_INSERTS, 126, 87),
        ("a code that nobody has", PLAIN, 0x0BAD_C0DE, 317),
        ("a module's code", FROM_HMODULE | IGNORE_INSERTS, 126, 1812),
        ("a text of the caller", FROM_STRING, 0, 50),
        ("an insert without its argument", FROM_SYSTEM, 193, 87),
    ] {
        assert_eq!(message(flags, code), Err(error), "{what}");
    }
    // SAFETY: a null buffer is answered by an error.
    let nowhere =
        unsafe { sspcache_FormatMessageA(PLAIN, ptr::null(), 126, 0, ptr::null_mut(), 0, ptr::null()) };
    assert_eq!((nowhere, sspcache_GetLastError()), (0, 87));
    let length = message(PLAIN, 126).unwrap().len();
    assert_eq!(message_in(length, PLAIN, 126, 0, ptr::null()), Err(122));
    assert!(message_in(length + 1, PLAIN, 126, 0, ptr::null()).is_ok());
}

/// L6
#[test]
fn the_texts_are_english_and_nothing_else() {
    for (language, found) in
        [(0, true), (0x400, true), (9, true), (0x409, true), (0x809, true), (0x407, false)]
    {
        let text = message_in(300, PLAIN, 126, language, ptr::null());
        assert_eq!(text.clone().err(), (!found).then_some(1815), "{language:#x}: {text:?}");
    }
}

/// L6, L11
#[test]
fn an_insert_is_the_argument_in_either_form() {
    let name = CString::new("Größe.dll").unwrap();
    let arguments: [*const c_char; 1] = [name.as_ptr()];
    let text = message_in(300, FROM_SYSTEM | ARGUMENT_ARRAY, 193, 0, arguments.as_ptr().cast());
    assert_eq!(text.as_deref(), Ok("Größe.dll is not a valid Win32 application.\r\n"));
    assert_eq!(message(PLAIN, 193).as_deref(), Ok("%1 is not a valid Win32 application.\r\n"));
    assert_eq!(message_in(300, FROM_SYSTEM, 193, 0, arguments.as_ptr().cast()), Err(50), "a va_list");

    let name: Vec<u16> = "Größe.dll\0".encode_utf16().collect();
    let arguments: [*const u16; 1] = [name.as_ptr()];
    let mut place: *mut u16 = ptr::null_mut();
    let flags = FROM_SYSTEM | ARGUMENT_ARRAY | ALLOCATE;
    // SAFETY: the argument is a string of this form, and the place is a pointer's.
    let length = unsafe {
        let buffer = (&raw mut place).cast();
        sspcache_FormatMessageW(flags, ptr::null(), 193, 0, buffer, 100, arguments.as_ptr().cast())
    };
    // SAFETY: so many units were allocated, and at least those that were asked for.
    let text = unsafe { std::slice::from_raw_parts(place, 100) };
    let (text, rest) = text.split_at(length as usize);
    assert_eq!(String::from_utf16(text).unwrap(), "Größe.dll is not a valid Win32 application.\r\n");
    assert!(rest.iter().all(|&unit| unit == 0));
    // SAFETY: it was allocated by this call.
    assert!(unsafe { sspcache_LocalFree(place.cast()) }.is_null());
}

/// L6
#[test]
fn what_fails_to_allocate_gives_a_null_pointer() {
    let mut place: *mut c_char = ptr::dangling_mut();
    // SAFETY: the place is a pointer's.
    let length = unsafe {
        let buffer = (&raw mut place).cast();
        sspcache_FormatMessageA(PLAIN | ALLOCATE, ptr::null(), 0x0BAD_C0DE, 0, buffer, 0, ptr::null())
    };
    assert_eq!((length, place), (0, ptr::null_mut()));
    // SAFETY: null may be freed.
    assert!(unsafe { sspcache_LocalFree(ptr::null_mut()) }.is_null());
}

/// L6
#[test]
fn lines_are_as_wide_as_they_are_asked_to_be() {
    assert_eq!(message(PLAIN | 0xFF, 126).as_deref(), Ok("The specified module could not be found. "));
    assert_eq!(message(PLAIN + 20, 126).as_deref(), Ok("The specified module\r\ncould not be found. "));
    assert_eq!(message(PLAIN + 5, 5).as_deref(), Ok("Acces\r\ns is\r\ndenie\r\nd. "));
}

/// L8
#[test]
fn what_is_no_handle_is_not_closed() {
    for handle in [ptr::null_mut(), ptr::dangling_mut()] {
        sspcache_SetLastError(7777);
        assert_eq!((sspcache_CloseHandle(handle), sspcache_GetLastError()), (0, 6));
    }
}
