//! Functions of the operating system: standard error, local time, and what is loaded.

#[cfg(unix)]
use std::time::{SystemTime, UNIX_EPOCH};

#[cfg(unix)]
use crate::inside::Inside;

/// Writes to standard error. Not through `std::io::stderr`, which keeps thread-local state that would pin the DLL.
#[cfg(unix)]
pub(crate) fn write_to_standard_error(text: &str) {
    let mut rest = text.as_bytes();
    while !rest.is_empty() {
        // SAFETY: the pointer and length are those of a slice.
        let written = unsafe { libc::write(libc::STDERR_FILENO, rest.as_ptr().cast(), rest.len()) };
        match usize::try_from(written) {
            Ok(written @ 1..) => rest = &rest[written..],
            // Closed or full: there is no other place for the message.
            _ => return,
        }
    }
}

/// Writes to standard error. Not through `std::io::stderr`, which keeps thread-local state that would pin the DLL.
#[cfg(windows)]
pub(crate) fn write_to_standard_error(text: &str) {
    use std::{fs::File, io::Write, mem::ManuallyDrop, os::windows::io::FromRawHandle};
    use windows_sys::Win32::{
        Foundation::INVALID_HANDLE_VALUE,
        System::Console::{GetStdHandle, STD_ERROR_HANDLE},
    };

    // SAFETY: it takes a constant.
    let handle = unsafe { GetStdHandle(STD_ERROR_HANDLE) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return;
    }
    // SAFETY: the handle is open, and never closed here.
    let mut file = ManuallyDrop::new(unsafe { File::from_raw_handle(handle.cast()) });
    // Closed or full: there is no other place for the message.
    let _ = file.write_all(text.as_bytes());
}

/// The current thread, as the operating system numbers it.
pub(crate) fn thread() -> u64 {
    #[cfg(any(target_os = "linux", target_os = "android"))]
    {
        // The function `gettid` is newer than the C libraries that the mocks run with.
        // SAFETY: it takes nothing.
        u64::try_from(unsafe { libc::syscall(libc::SYS_gettid) }).unwrap_or_default()
    }
    #[cfg(target_vendor = "apple")]
    {
        let mut thread = 0;
        // SAFETY: there is a place for the number; 0 is the current thread.
        unsafe { libc::pthread_threadid_np(0, &raw mut thread) };
        thread
    }
    #[cfg(windows)]
    {
        // SAFETY: it takes nothing.
        unsafe { windows_sys::Win32::System::Threading::GetCurrentThreadId() }.into()
    }
    #[cfg(not(any(target_os = "linux", target_os = "android", target_vendor = "apple", windows)))]
    {
        0
    }
}

/// The difference between local time and UTC now, in seconds; positive east of Greenwich. UTC in a child whose parent's threads may
/// have left the C library's lock of the time zone taken.
#[cfg(unix)]
pub(crate) fn seconds_east_of_utc() -> i32 {
    static INSIDE: Inside = Inside::new();
    INSIDE.call(ask_seconds_east_of_utc).unwrap_or(0)
}

#[cfg(unix)]
fn ask_seconds_east_of_utc() -> i32 {
    let since_1970 = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let now = since_1970.as_secs().try_into().unwrap_or_default();
    let mut local = std::mem::MaybeUninit::<libc::tm>::zeroed();
    // SAFETY: both structures are valid for the call; `localtime_r` keeps no pointer.
    if unsafe { libc::localtime_r(&raw const now, local.as_mut_ptr()) }.is_null() {
        return 0;
    }
    // SAFETY: the call succeeded, and so it has filled the structure in.
    i32::try_from(unsafe { local.assume_init() }.tm_gmtoff).unwrap_or(0)
}

/// The difference between local time and UTC now, in seconds; positive east of Greenwich.
#[cfg(windows)]
pub(crate) fn seconds_east_of_utc() -> i32 {
    use windows_sys::Win32::System::Time::{
        GetTimeZoneInformation, TIME_ZONE_ID_INVALID, TIME_ZONE_INFORMATION,
    };

    /// What `GetTimeZoneInformation` returns while daylight saving time is in force.
    const TIME_ZONE_ID_DAYLIGHT: u32 = 2;

    let mut zone = TIME_ZONE_INFORMATION::default();
    // SAFETY: the structure is valid for the call.
    let id = unsafe { GetTimeZoneInformation(&raw mut zone) };
    if id == TIME_ZONE_ID_INVALID {
        return 0;
    }
    let season = if id == TIME_ZONE_ID_DAYLIGHT { zone.DaylightBias } else { zone.StandardBias };
    // The bias is in minutes, and what is added to local time to get UTC.
    -(zone.Bias + season) * 60
}

/// Which of these modules are loaded: a bit for each, in their order. None in a child whose parent's threads may have left the linker's
/// lock taken.
#[cfg(all(unix, not(target_vendor = "apple")))]
pub(crate) fn loaded_among(names: &[&str]) -> u32 {
    use std::ffi::{CStr, c_int, c_void};

    struct Search<'a> {
        names: &'a [&'a str],
        found: u32,
    }

    /// Looks at one module.
    ///
    /// # Safety
    /// The linker calls it, with a description and what was passed to `dl_iterate_phdr`.
    unsafe extern "C" fn look(info: *mut libc::dl_phdr_info, _size: usize, search: *mut c_void) -> c_int {
        // SAFETY: the linker passes a description that is valid for the call.
        let name = unsafe { (*info).dlpi_name };
        if name.is_null() {
            return 0;
        }
        // SAFETY: it is a string of C, valid for the call.
        let path = unsafe { CStr::from_ptr(name) };
        // SAFETY: it is what was passed to `dl_iterate_phdr`, and nothing else refers to it meanwhile.
        let search = unsafe { &mut *search.cast::<Search<'_>>() };
        search.found |= bit_of(path.to_bytes(), search.names);
        0
    }

    let mut search = Search { names, found: 0 };
    if cfg!(miri) {
        // Miri has no linker to ask.
        return search.found;
    }
    crate::linker::ask(|| {
        // SAFETY: the function takes what is passed beside it, which is valid for the call.
        unsafe { libc::dl_iterate_phdr(Some(look), (&raw mut search).cast()) }
    });
    search.found
}

/// Which of these modules are loaded: a bit for each, in their order.
#[cfg(target_vendor = "apple")]
pub(crate) fn loaded_among(names: &[&str]) -> u32 {
    unsafe extern "C" {
        safe fn _dyld_image_count() -> u32;
        safe fn _dyld_get_image_name(index: u32) -> *const std::ffi::c_char;
    }

    let mut found = 0;
    for index in 0.._dyld_image_count() {
        let name = _dyld_get_image_name(index);
        if !name.is_null() {
            // SAFETY: it is a string of C, which stays while the image is loaded.
            let path = unsafe { std::ffi::CStr::from_ptr(name) };
            found |= bit_of(path.to_bytes(), names);
        }
    }
    found
}

/// Which of these modules are loaded: a bit for each, in their order.
#[cfg(windows)]
pub(crate) fn loaded_among(names: &[&str]) -> u32 {
    use windows_sys::Win32::System::LibraryLoader::GetModuleHandleW;

    let is_loaded = |name: &str| {
        let name: Vec<u16> = name.encode_utf16().chain([0]).collect();
        // SAFETY: the name ends with a null. No reference to the module is taken, and its handle isn't used.
        !unsafe { GetModuleHandleW(name.as_ptr()) }.is_null()
    };
    names.iter().enumerate().fold(0, |found, (bit, name)| found | u32::from(is_loaded(name)) << bit)
}

/// The bit of the name that is a path's last component.
#[cfg(unix)]
fn bit_of(path: &[u8], names: &[&str]) -> u32 {
    let file = path.rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    names.iter().position(|name| name.as_bytes() == file).map_or(0, |bit| 1 << bit)
}

/// The access tokens that impersonation gives: those of the process's own user (clause R3).
#[cfg(windows)]
pub(crate) struct ProcessTokens;

#[cfg(windows)]
mod tokens {
    use std::ptr;

    use sspcache_engine::{SecurityStatus, context::AccessTokens};
    use windows_sys::Win32::{
        Foundation::{CloseHandle, HANDLE},
        Security::{
            DuplicateTokenEx, RevertToSelf, SecurityImpersonation, TOKEN_ADJUST_DEFAULT,
            TOKEN_ADJUST_PRIVILEGES, TOKEN_DUPLICATE, TOKEN_IMPERSONATE, TOKEN_QUERY, TokenImpersonation,
        },
        System::{
            Threading::{GetCurrentProcess, OpenProcessToken, SetThreadToken},
            WindowsProgramming::GetUserNameW,
        },
    };

    use super::ProcessTokens;

    impl AccessTokens for ProcessTokens {
        fn impersonate(&self) -> Result<(), SecurityStatus> {
            let token = Token::duplicate()?;
            // SAFETY: without a thread it is this one's; the token is open, and the thread takes a reference of its own.
            done(unsafe { SetThreadToken(ptr::null(), token.0) })
        }

        fn revert(&self) -> Result<(), SecurityStatus> {
            // SAFETY: it takes nothing. Without impersonation it succeeds.
            done(unsafe { RevertToSelf() })
        }

        fn duplicate(&self) -> Result<usize, SecurityStatus> {
            let token = std::mem::ManuallyDrop::new(Token::duplicate()?);
            Ok(token.0.expose_provenance())
        }

        fn user(&self) -> String {
            // UNLEN of lmcons.h, and a null.
            const LONGEST: u32 = 257;
            let (mut name, mut length) = ([0u16; LONGEST as usize], LONGEST);
            // SAFETY: there is as much room as is said.
            if unsafe { GetUserNameW(name.as_mut_ptr(), &raw mut length) } == 0 {
                return String::new();
            }
            let ends = name.iter().position(|&unit| unit == 0).unwrap_or(name.len());
            String::from_utf16_lossy(&name[..ends])
        }
    }

    /// An open token, closed when dropped.
    struct Token(HANDLE);

    impl Token {
        /// An impersonation token of the process's user.
        fn duplicate() -> Result<Self, SecurityStatus> {
            let mut primary = ptr::null_mut();
            // SAFETY: it takes nothing, and what it returns needs no closing.
            let process = unsafe { GetCurrentProcess() };
            // SAFETY: there is a place for the handle.
            done(unsafe { OpenProcessToken(process, TOKEN_DUPLICATE | TOKEN_QUERY, &raw mut primary) })?;
            let primary = Self(primary);
            let access = TOKEN_QUERY
                | TOKEN_IMPERSONATE
                | TOKEN_DUPLICATE
                | TOKEN_ADJUST_DEFAULT
                | TOKEN_ADJUST_PRIVILEGES;
            let mut token = ptr::null_mut();
            // SAFETY: the token is open, and there is a place for the new handle.
            done(unsafe {
                DuplicateTokenEx(
                    primary.0,
                    access,
                    ptr::null(),
                    SecurityImpersonation,
                    TokenImpersonation,
                    &raw mut token,
                )
            })?;
            Ok(Self(token))
        }
    }

    impl Drop for Token {
        fn drop(&mut self) {
            // SAFETY: the handle is open, and no other code closes it.
            unsafe { CloseHandle(self.0) };
        }
    }

    fn done(result: i32) -> Result<(), SecurityStatus> {
        if result == 0 { Err(SecurityStatus::NO_IMPERSONATION) } else { Ok(()) }
    }
}
