//! The system's own `secur32.dll`: Wine's, or that of Windows' system folder.

use std::{
    ffi::{CStr, c_void},
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use windows_sys::Win32::{
    Foundation::HMODULE,
    System::{
        Environment::GetEnvironmentVariableW,
        LibraryLoader::{GetProcAddress, LoadLibraryW},
        SystemInformation::GetSystemDirectoryW,
        Threading::GetCurrentThreadId,
    },
};

/// The folder of Wine's DLLs for this machine, below the one that the variable of the loader names.
const WINE_FOLDER: &str = if cfg!(target_arch = "x86") {
    r"\i386-windows"
} else if cfg!(target_arch = "aarch64") {
    r"\aarch64-windows"
} else {
    r"\x86_64-windows"
};

/// Set by Wine's loader in the environment of each Windows process.
const WINE_VARIABLE: &str = "WINEDLLDIR0";

static MODULE: AtomicPtr<c_void> = AtomicPtr::new(ptr::null_mut());

/// The module; loaded by the first call that needs it. It stays loaded.
///
/// Two threads may load it at once, and the module's own start may ask for it again: each load gives the same handle.
fn module() -> HMODULE {
    let known = MODULE.load(Ordering::Acquire);
    if !known.is_null() {
        return known;
    }
    let path: Vec<u16> = folder().into_iter().chain(r"\secur32.dll".encode_utf16()).chain([0]).collect();
    // Its start may load Wine's providers, which forward to this DLL's name.
    // SAFETY: the path ends in a null. A system's DLL may be loaded by any thread that is outside of DllMain.
    let module = inside(|| unsafe { LoadLibraryW(path.as_ptr()) });
    MODULE.store(module, Ordering::Release);
    module
}

/// The folder of the system's DLLs. Under Wine not `system32`, where this DLL lies.
fn folder() -> Vec<u16> {
    let variable: Vec<u16> = WINE_VARIABLE.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends in a null; the buffer has the size that it is said to have.
    let mut wine = filled(|buffer, size| unsafe { GetEnvironmentVariableW(variable.as_ptr(), buffer, size) });
    if wine.is_empty() {
        // SAFETY: the buffer has the size that it is said to have.
        return filled(|buffer, size| unsafe { GetSystemDirectoryW(buffer, size) });
    }
    wine.extend(WINE_FOLDER.encode_utf16());
    wine
}

/// What a function writes to a buffer that is large enough; empty when it fails.
fn filled(write: impl Fn(*mut u16, u32) -> u32) -> Vec<u16> {
    let mut buffer = vec![0u16; 512];
    loop {
        let size = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let written = write(buffer.as_mut_ptr(), size) as usize;
        if written < buffer.len() {
            buffer.truncate(written);
            return buffer;
        }
        buffer.resize(written + 1, 0);
    }
}

/// The system's function of this name; null if it has none.
pub(crate) fn function(name: &CStr) -> *const c_void {
    let module = module();
    if module.is_null() {
        return ptr::null();
    }
    // SAFETY: the module stays loaded; the name ends in a null.
    let function = unsafe { GetProcAddress(module, name.as_ptr().cast()) };
    function.map_or(ptr::null(), |function| function as *const c_void)
}

/// Whether the system's own was ever needed.
pub(crate) fn is_loaded() -> bool {
    !MODULE.load(Ordering::Acquire).is_null()
}

/// The system's table of functions, by the name of the function that gives it; null if it has none.
pub(crate) fn init_security_interface<T>(name: &CStr) -> *const T {
    let function = function(name);
    if function.is_null() {
        return ptr::null();
    }
    // SAFETY: the function's type, by its page.
    let init = unsafe { std::mem::transmute::<*const c_void, extern "system" fn() -> *const T>(function) };
    inside(|| init())
}

/// The threads that are inside a call of the system's.
static INSIDE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);

/// Calls a function of the system's. What that asks of `secur32.dll` meanwhile, it asks of itself: Wine's own providers
/// forward to the name, and would come back here without end.
pub(crate) fn inside<R>(call: impl FnOnce() -> R) -> R {
    struct Leave(u32);
    impl Drop for Leave {
        fn drop(&mut self) {
            let mut threads = INSIDE.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(at) = threads.iter().rposition(|thread| *thread == self.0) {
                threads.remove(at);
            }
            HOW_MANY.fetch_sub(1, Ordering::Release);
        }
    }
    // SAFETY: it takes nothing.
    let thread = unsafe { GetCurrentThreadId() };
    HOW_MANY.fetch_add(1, Ordering::Acquire);
    INSIDE.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
    let _leave = Leave(thread);
    call()
}

/// Whether this thread is inside a call of the system's.
pub(crate) fn is_inside() -> bool {
    if HOW_MANY.load(Ordering::Acquire) == 0 {
        return false;
    }
    // SAFETY: it takes nothing.
    let thread = unsafe { GetCurrentThreadId() };
    INSIDE.lock().unwrap_or_else(PoisonError::into_inner).contains(&thread)
}
