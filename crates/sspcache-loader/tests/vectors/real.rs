//! The loader of the system as a driver of the vectors: copies of a tiny DLL in a folder of their own.
#![allow(unsafe_code, reason = "the functions under observation are the system's own")]

use std::ffi::c_void;
use std::path::PathBuf;
use std::{env, fs, mem, ptr};

use tempfile::TempDir;
use windows_sys::Win32::Foundation::{FreeLibrary, GetLastError, HMODULE, SetLastError};
use windows_sys::Win32::System::LibraryLoader::{
    AddDllDirectory, DisableThreadLibraryCalls, GetModuleFileNameW, GetModuleHandleExW, GetModuleHandleW,
    GetProcAddress, LoadLibraryExW, LoadLibraryW, RemoveDllDirectory, SetDefaultDllDirectories,
    SetDllDirectoryW,
};
use windows_sys::core::BOOL;

use crate::row::{Export, Row};
use crate::run::{Loader, Sought};

/// What the last error is before each call: no function sets it.
const UNTOUCHED: u32 = 0x2000_DEAD;

const TOLD: &str = "TINY_DLL_TOLD";

pub(crate) struct Real {
    folder: TempDir,
    before: PathBuf,
    files: Vec<String>,
    /// Of the folders that the row added and didn't remove.
    cookies: Vec<u64>,
}

impl Real {
    pub(crate) fn new(row: &Row) -> Self {
        let dll = env::current_exe().expect("a path").with_file_name("tiny_dll.dll");
        let folder = tempfile::tempdir().expect("a folder");
        for file in &row.files {
            let path = folder.path().join(file);
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            if file.contains("not-a-module") {
                fs::write(&path, "no module of any machine").expect("a file");
            } else {
                fs::copy(&dll, &path).expect("tiny_dll.dll lies beside the test program");
            }
        }
        let before = env::current_dir().expect("a folder");
        env::set_current_dir(folder.path()).expect("a folder");
        // SAFETY: this test program reads and writes its environment through the functions of the system, which lock.
        unsafe { env::remove_var(TOLD) };
        Self { folder, before, files: row.files.clone(), cookies: Vec::new() }
    }
}

impl Drop for Real {
    /// Frees what the row left loaded, so that the next row begins with nothing. Pinned modules stay.
    fn drop(&mut self) {
        for cookie in mem::take(&mut self.cookies) {
            self.remove_dll_directory(cookie).expect("it was added");
        }
        self.set_dll_directory(None).expect("the standard search");
        for file in &self.files {
            let path = wide(&format!(r"{}\{file}", self.folder()));
            for _ in 0..16 {
                // SAFETY: a terminated string; a handle that the system just gave, or null, which it refuses.
                let freed = unsafe { FreeLibrary(GetModuleHandleW(path.as_ptr())) };
                if freed == 0 {
                    break;
                }
            }
        }
        env::set_current_dir(&self.before).expect("the folder was there before");
    }
}

impl Loader for Real {
    const IS_THE_SYSTEM: bool = true;

    fn folder(&self) -> String {
        self.folder.path().to_str().expect("a temporary folder has a plain name").to_owned()
    }

    fn program(&self) -> String {
        env::current_exe().expect("a path").to_str().expect("a test program has a plain name").to_owned()
    }

    fn load_library(&mut self, name: &str) -> Result<u64, u32> {
        let name = wide(name);
        // SAFETY: a terminated string; the DLL's entry point is ours.
        handle(call(|| unsafe { LoadLibraryW(name.as_ptr()) }))
    }

    fn free_library(&mut self, module: u64) -> Result<(), u32> {
        // SAFETY: the rows free references that they took; what they forge, the system refuses.
        succeeded(call(|| unsafe { FreeLibrary(module as HMODULE) }))
    }

    fn get_module_handle(&mut self, name: Option<&str>) -> Result<u64, u32> {
        let name = name.map(wide);
        let name = name.as_ref().map_or(ptr::null(), Vec::as_ptr);
        // SAFETY: null or a terminated string.
        let (module, error) = call(|| unsafe { GetModuleHandleW(name) });
        let module = handle((module, error))?;
        assert_untouched(error);
        Ok(module)
    }

    fn get_module_handle_ex(&mut self, flags: u32, sought: Sought<'_>) -> Result<u64, u32> {
        let name = match sought {
            Sought::Name(name) => name.map(wide),
            Sought::Address(_) => None,
        };
        let pointer = match sought {
            Sought::Address(address) => address as *const u16,
            Sought::Name(_) => name.as_ref().map_or(ptr::null(), Vec::as_ptr),
        };
        let mut module: HMODULE = ptr::without_provenance_mut(0x55);
        // SAFETY: null, a terminated string, or an address with the flag that says so; and a place for the result.
        let (succeeded, error) = call(|| unsafe { GetModuleHandleExW(flags, pointer, &raw mut module) });
        if succeeded == 0 {
            assert!(module.is_null(), "L5: the result is nulled on failure, not {module:?}");
            return Err(error);
        }
        assert_untouched(error);
        Ok(module as u64)
    }

    fn get_proc_address(&mut self, module: u64, export: &Export) -> Result<u32, u32> {
        let name = match export {
            Export::Name(name) => name.bytes().chain([0]).collect(),
            Export::Ordinal(_) => Vec::new(),
        };
        let pointer = match export {
            Export::Name(_) => name.as_ptr(),
            Export::Ordinal(ordinal) => ptr::without_provenance(usize::from(*ordinal)),
        };
        // SAFETY: a terminated string or an ordinal.
        let (function, error) = call(|| unsafe { GetProcAddress(module as HMODULE, pointer) });
        let Some(function) = function else { return Err(error) };
        // SAFETY: the exports that rows ask for are the tiny DLL's, of this type.
        let function: unsafe extern "system" fn() -> u32 = unsafe { mem::transmute(function) };
        assert_untouched(error);
        // SAFETY: as above.
        Ok(unsafe { function() })
    }

    fn get_module_file_name(&mut self, module: u64) -> Result<String, u32> {
        let mut buffer = [0; 1024];
        // SAFETY: a buffer of the length that is passed.
        match call(|| unsafe { GetModuleFileNameW(module as HMODULE, buffer.as_mut_ptr(), 1024) }) {
            (0, error) => Err(error),
            (length, _) => Ok(String::from_utf16_lossy(&buffer[..length as usize])),
        }
    }

    fn load_library_ex(&mut self, name: &str, flags: u32) -> Result<u64, u32> {
        let name = wide(name);
        // SAFETY: a terminated string; the DLL's entry point is ours.
        handle(call(|| unsafe { LoadLibraryExW(name.as_ptr(), ptr::null_mut(), flags) }))
    }

    fn disable_thread_library_calls(&mut self, module: u64) -> Result<(), u32> {
        // SAFETY: what the rows forge, the system refuses.
        succeeded(call(|| unsafe { DisableThreadLibraryCalls(module as HMODULE) }))
    }

    fn set_dll_directory(&mut self, path: Option<&str>) -> Result<(), u32> {
        let path = path.map(wide);
        // SAFETY: null or a terminated string.
        succeeded(call(|| unsafe { SetDllDirectoryW(path.as_ref().map_or(ptr::null(), Vec::as_ptr)) }))
    }

    fn add_dll_directory(&mut self, path: &str) -> Result<u64, u32> {
        let path = wide(path);
        // SAFETY: a terminated string.
        let (cookie, error) = call(|| unsafe { AddDllDirectory(path.as_ptr()) });
        if cookie.is_null() {
            return Err(error);
        }
        self.cookies.push(cookie as u64);
        Ok(cookie as u64)
    }

    fn remove_dll_directory(&mut self, cookie: u64) -> Result<(), u32> {
        self.cookies.retain(|added| *added != cookie);
        // SAFETY: the rows remove what they added, once.
        succeeded(call(|| unsafe { RemoveDllDirectory(cookie as *const c_void) }))
    }

    fn set_default_dll_directories(&mut self, flags: u32) -> Result<(), u32> {
        // SAFETY: flags alone.
        succeeded(call(|| unsafe { SetDefaultDllDirectories(flags) }))
    }

    fn told(&self) -> Vec<String> {
        let told = env::var(TOLD).unwrap_or_default();
        told.split_whitespace().map(str::to_owned).collect()
    }
}

/// What a function gives, and the last error right after it.
fn call<R>(function: impl FnOnce() -> R) -> (R, u32) {
    // SAFETY: these touch this thread's last error alone.
    unsafe {
        SetLastError(UNTOUCHED);
        let result = function();
        (result, GetLastError())
    }
}

fn handle((module, error): (HMODULE, u32)) -> Result<u64, u32> {
    if module.is_null() { Err(error) } else { Ok(module as u64) }
}

fn succeeded((result, error): (BOOL, u32)) -> Result<(), u32> {
    if result == 0 { Err(error) } else { Ok(()) }
}

/// L6: GetModuleHandle(Ex) and GetProcAddress leave the last error alone when they succeed.
fn assert_untouched(error: u32) {
    assert_eq!(error, UNTOUCHED, "the last error changed although the call succeeded");
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}
