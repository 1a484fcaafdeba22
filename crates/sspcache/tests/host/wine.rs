//! Processes whose environment the Unix libraries below Wine see, too.
//!
//! Variables that a Windows program sets for another reach neither those libraries nor Wine's own loader.

use std::{
    env,
    ffi::{CStr, c_char},
    fs, io,
    path::Path,
    ptr, thread,
    time::Duration,
};

use libloading::os::windows::Library;
use windows_sys::Win32::System::Threading::{CreateProcessW, PROCESS_INFORMATION, STARTUPINFOW};

use crate::process::{assert_passes, child};

/// Runs one ignored test of this binary with a variable, and waits for it to end.
///
/// # Panics
/// When the test failed, or there is none of this name; with what it printed.
#[track_caller]
pub(crate) fn child_passes(test: &str, variable: Option<(&str, String)>) {
    let Some(program) = unix_path(&env::current_exe().unwrap()) else {
        return assert_passes(child(test).envs(variable));
    };
    let variable = variable.map(|(name, value)| format!("{name}='{value}' ")).unwrap_or_default();
    let printed = on_unix(&format!("{variable}wine '{program}' --exact --ignored --nocapture {test}"));
    assert!(printed.contains("1 passed"), "{printed}");
}

/// What a command prints on the Unix below Wine. Wine gives no handle of such a process, so its output is waited for.
fn on_unix(command: &str) -> String {
    let folder = tempfile::tempdir().unwrap();
    let printed = folder.path().join("printed");
    let file = unix_path(&printed).unwrap();
    let line = format!("sh -c \"({command}) >'{file}~' 2>&1; mv '{file}~' '{file}'\"");
    let mut line: Vec<u16> = line.encode_utf16().chain([0]).collect();
    let shell: Vec<u16> = r"\\?\unix\bin\sh".encode_utf16().chain([0]).collect();
    let startup =
        STARTUPINFOW { cb: u32::try_from(size_of::<STARTUPINFOW>()).unwrap(), ..Default::default() };
    let mut process = PROCESS_INFORMATION::default();
    // SAFETY: the texts end in nulls, no attributes, environment and folder are the default ones, and the structures are there
    // until the call returns.
    let started = unsafe {
        CreateProcessW(
            shell.as_ptr(),
            line.as_mut_ptr(),
            ptr::null(),
            ptr::null(),
            0,
            0,
            ptr::null(),
            ptr::null(),
            &raw const startup,
            &raw mut process,
        )
    };
    assert_ne!(started, 0, "{}", io::Error::last_os_error());
    for _ in 0..1200 {
        if printed.exists() {
            return fs::read_to_string(printed).unwrap();
        }
        thread::sleep(Duration::from_millis(100));
    }
    panic!("no answer to {command}");
}

/// Where Wine has a file; `None` on Windows.
pub(crate) fn unix_path(file: &Path) -> Option<String> {
    type UnixFileName = unsafe extern "C" fn(*const u16) -> *mut c_char;

    let kernel32 = Library::open_already_loaded("kernel32.dll").unwrap();
    // SAFETY: Wine's export has this type.
    let name = unsafe { kernel32.get::<UnixFileName>("wine_get_unix_file_name") }.ok()?;
    let wide: Vec<u16> = file.display().to_string().encode_utf16().chain([0]).collect();
    // SAFETY: the path ends in a null.
    let unix = unsafe { name(wide.as_ptr()) };
    assert!(!unix.is_null(), "{}", file.display());
    // SAFETY: what is returned ends in a null, and is never freed.
    Some(unsafe { CStr::from_ptr(unix) }.to_str().unwrap().to_owned())
}
