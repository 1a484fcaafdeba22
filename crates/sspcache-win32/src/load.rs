//! Loading and freeing modules: the part of libloaderapi.h that runs their code.

use std::{
    ffi::{c_char, c_void},
    ptr,
};

use sspcache_loader::{LoadFlags, LoaderError};
use widestring::U16String;
use windows_sys::Win32::{
    Foundation::{ERROR_INVALID_PARAMETER, ERROR_MOD_NOT_FOUND, ERROR_NOT_SUPPORTED},
    System::LibraryLoader::DONT_RESOLVE_DLL_REFERENCES,
};

use crate::{
    drives,
    ffi::{Failure, call},
    modules::{Module, handle, module},
    process::{loader, refresh_search},
    text,
    threads::has_ended,
};

/// `LoadLibrary` for UTF-8: loads a module, or takes another reference to it.
///
/// # Safety
/// A name that isn't null ends in a null. The module's constructors run now, and its destructors when its last
/// reference is freed: the caller knows that both are sound.
///
/// Reference: [LoadLibrary](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibrarya).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LoadLibraryA(name: *const c_char) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    load(unsafe { text::ansi(name) }, ptr::null_mut(), 0)
}

/// `LoadLibrary` for UTF-16: as [`sspcache_LoadLibraryA`].
///
/// # Safety
/// As [`sspcache_LoadLibraryA`].
///
/// Reference: [LoadLibrary](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LoadLibraryW(name: *const u16) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    load(unsafe { text::wide(name) }, ptr::null_mut(), 0)
}

/// `LoadLibraryEx` for UTF-8: as `LoadLibrary`, with flags for the load and for the search (clause L12). The file must
/// be null.
///
/// # Safety
/// As [`sspcache_LoadLibraryA`].
///
/// # Platform-specific behaviour
/// `DONT_RESOLVE_DLL_REFERENCES` is refused (`ERROR_NOT_SUPPORTED`): the host's linker always runs constructors. A
/// module opened as data has a handle that can only be freed. `LOAD_LIBRARY_SEARCH_SYSTEM32` is the host's library
/// path.
///
/// Reference: [LoadLibraryEx](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LoadLibraryExA(
    name: *const c_char,
    file: *mut c_void,
    flags: u32,
) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    load(unsafe { text::ansi(name) }, file, flags)
}

/// `LoadLibraryEx` for UTF-16: as [`sspcache_LoadLibraryExA`].
///
/// # Safety
/// As [`sspcache_LoadLibraryA`].
///
/// Reference: [LoadLibraryEx](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LoadLibraryExW(name: *const u16, file: *mut c_void, flags: u32) -> Module {
    // SAFETY: the caller promises that a name which isn't null ends in a null.
    load(unsafe { text::wide(name) }, file, flags)
}

/// `FreeLibrary`: frees a reference. Freeing the last one unloads the module and runs its destructors.
///
/// Reference: [FreeLibrary](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-freelibrary).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_FreeLibrary(module: Module) -> i32 {
    call(|| Ok(loader().free(handle(module))?)).is_some().into()
}

/// `FreeLibraryAndExitThread`: frees a reference and ends the thread, without returning into a module that may be
/// unloaded.
///
/// # Safety
/// The thread has no frames of Rust or C++ code with destructors to run: it ends as by `pthread_exit`, with the code as
/// its result.
///
/// Reference: [FreeLibraryAndExitThread](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-freelibraryandexitthread).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C-unwind" fn sspcache_FreeLibraryAndExitThread(module: Module, code: u32) -> ! {
    unsafe extern "C-unwind" {
        /// Declared here because it unwinds the thread's stack.
        fn pthread_exit(result: *mut c_void) -> !;
    }
    sspcache_FreeLibrary(module);
    has_ended(code);
    // SAFETY: the caller promises that nothing on this thread's stack has to be cleaned up, and in this frame nothing
    // waits to be dropped.
    unsafe { pthread_exit(ptr::without_provenance_mut(code as usize)) }
}

/// `DisableThreadLibraryCalls`: checks that the module is loaded, and does nothing else, because modules on Unix get no
/// notifications of threads.
///
/// Reference: [DisableThreadLibraryCalls](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-disablethreadlibrarycalls).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_DisableThreadLibraryCalls(module: Module) -> i32 {
    let known = call(|| {
        let module = handle(module).ok_or(Failure(ERROR_MOD_NOT_FOUND))?;
        Ok(loader().file_name(module)?)
    });
    known.is_some().into()
}

fn load(name: Option<U16String>, file: *mut c_void, flags: u32) -> Module {
    let loaded = call(|| {
        let name = name.filter(|_| file.is_null()).ok_or(Failure(ERROR_INVALID_PARAMETER))?;
        let name = drives::resolve(name);
        if flags & DONT_RESOLVE_DLL_REFERENCES != 0 {
            return Err(Failure(ERROR_NOT_SUPPORTED));
        }
        let flags = LoadFlags::from_bits(flags)?;
        refresh_search();
        match loader().load_ex(&name, flags) {
            // A constructor can't refuse: the host's linker did, because a dependency is missing.
            Err(LoaderError::InitializationRefused { .. }) => Err(Failure(ERROR_MOD_NOT_FOUND)),
            loaded => Ok(loaded?),
        }
    });
    loaded.map_or(ptr::null_mut(), module)
}
