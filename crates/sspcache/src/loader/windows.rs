//! Windows' loader.
//!
//! [GetModuleHandle] answers first, as on the page of `CleanupCredentialCache`: if it finds nothing, nothing is loaded.
//! It returns only one module, so on a hit we enumerate all modules ([EnumProcessModules]), match the name ourselves,
//! and take each reference by the module's address.
//!
//! [EnumProcessModules]: https://learn.microsoft.com/en-us/windows/win32/api/psapi/nf-psapi-enumprocessmodules
//! [GetModuleHandle]: https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew
#![allow(unsafe_code, reason = "asks Windows' loader, and calls what it finds")]

use std::{io, path::PathBuf, ptr, sync::Arc};

use libloading::os::windows::Library;
use smallvec::SmallVec;
use windows_sys::Win32::{
    Foundation::HMODULE,
    System::{
        LibraryLoader::{
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GetModuleFileNameW, GetModuleHandleExW, GetModuleHandleW,
        },
        ProcessStatus::K32EnumProcessModules,
        Threading::GetCurrentProcess,
    },
};

use super::{
    CLEANUP_CREDENTIAL_CACHE, Export, INIT_SECURITY_INTERFACE, Loader, Module, WindowStation,
    sspi::{self, FunctionTable},
};
use crate::caches::{
    schannel::{self, SSL_EMPTY_CACHE},
    wininet::{self, INTERNET_SET_OPTION},
};
use sspcache_types::{SecurityStatus, name};

/// Windows' loader, as this process sees it.
///
/// # Platform-specific behaviour
/// ntdll's `RtlIsThreadWithinLoaderCallout` returns whether a thread is inside a loader callback. Where ntdll lacks it
/// (as in Wine 8), the owner of the loader lock counts as inside. The first query of the window station loads user32,
/// unless it is loaded already; never from DllMain, where the protocol refuses before it queries.
#[derive(Debug, Default)]
pub struct NativeLoader {
    station: station::Station,
}

impl Loader for NativeLoader {
    type Module = NativeModule;

    fn is_inside_loader_callback(&self) -> bool {
        callback::is_running()
    }

    fn window_station(&self) -> WindowStation {
        self.station.ask()
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = NativeModule>> {
        let handles = if is_surely_absent(name) { Vec::new() } else { handles()? };
        let modules: SmallVec<[_; 1]> =
            handles.into_iter().filter_map(|handle| NativeModule::open(handle, name)).collect();
        Ok(modules.into_iter())
    }
}

/// A loaded module, held by a reference of Windows' loader.
#[derive(Debug)]
pub struct NativeModule {
    path: String,
    library: Arc<Library>,
}

impl NativeModule {
    /// References the module of that handle; `None` when it has another name, or has been unloaded meanwhile.
    fn open(handle: HMODULE, name: &str) -> Option<Self> {
        // Asked first without a reference, since giving one back may be what unloads a module.
        path(handle).filter(|path| is_named(path, name))?;
        let mut referenced: HMODULE = ptr::null_mut();
        // SAFETY: the address is only looked up among the loaded modules; the result's pointer is valid.
        let found = unsafe {
            GetModuleHandleExW(
                GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS,
                handle.cast_const().cast(),
                &raw mut referenced,
            )
        };
        if found == 0 {
            return None;
        }
        // SAFETY: the handle came with a reference, which the library owns from here on. If it is the last one when it
        // is freed, DllMain runs. The code that loaded the module is responsible for that: it can't choose which thread
        // frees the last reference.
        let library = unsafe { Library::from_raw(referenced.expose_provenance().cast_signed()) };
        // Asked again, since between the two another module may have come to lie at the address.
        let path = path(referenced).filter(|path| is_named(path, name))?;
        Some(Self { path, library: Arc::new(library) })
    }

    /// The address of an export.
    fn export(&self, Export(name): Export) -> Option<*const ()> {
        // SAFETY: the symbol is only taken as an address here.
        let symbol = unsafe { self.library.get::<*const ()>(name) }.ok()?;
        Some(symbol.as_raw_ptr().cast_const().cast())
    }
}

impl Module for NativeModule {
    type Interface = FunctionTable;

    fn path(&self) -> PathBuf {
        self.path.clone().into()
    }

    fn cleanup_credential_cache(&self) -> Option<impl FnOnce() -> bool> {
        let address = self.export(CLEANUP_CREDENTIAL_CACHE)?;
        // SAFETY: the export of an SSP is this function (clause C1; registering an SSP asserts that). The closure's
        // type captures the borrow of `self`, which keeps the module loaded.
        Some(move || unsafe { sspi::cleanup_credential_cache(address) })
    }

    fn ssl_empty_cache(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        let address = self.export(SSL_EMPTY_CACHE)?;
        // SAFETY: the export of schannel.dll is this function, and the closure's borrow of `self` keeps it loaded.
        Some(move || unsafe { schannel::ssl_empty_cache(address) })
    }

    fn end_browser_session(&self) -> Option<impl FnOnce() -> io::Result<()>> {
        let address = self.export(INTERNET_SET_OPTION)?;
        // SAFETY: the export of wininet.dll is this function, and the closure's borrow of `self` keeps it loaded.
        Some(move || unsafe { wininet::end_browser_session(address) })
    }

    fn security_interface(&self) -> Option<Result<FunctionTable, SecurityStatus>> {
        let address = self.export(INIT_SECURITY_INTERFACE)?;
        // SAFETY: the export of an SSP is this function.
        Some(unsafe { sspi::init_security_interface(address, self.library.clone()) })
    }
}

/// Whether this is the path of a module of that file name.
fn is_named(path: &str, wanted: &str) -> bool {
    let file = path.rsplit(['\\', '/']).next().unwrap_or_default();
    name::eq(file, wanted)
}

/// Whether certainly no module of that file name is loaded. Allocates nothing, and takes no reference.
fn is_surely_absent(name: &str) -> bool {
    // To a name without extension, `.dll` would be added. A dot at its end is documented to prevent that, but with it
    // Wine 8 doesn't find a module that it has loaded.
    if !name.contains('.') {
        return false;
    }
    // A file's name has 255 units at most.
    let mut buffer = [0; 255 + 1];
    let mut units = name.encode_utf16();
    buffer[..255].iter_mut().zip(&mut units).for_each(|(place, unit)| *place = unit);
    // SAFETY: the buffer ends in a null, since its last unit is left as it was.
    units.next().is_some() || unsafe { GetModuleHandleW(buffer.as_ptr()) }.is_null()
}

/// The handles of all modules, in load order. No references are taken.
fn handles() -> io::Result<Vec<HMODULE>> {
    let mut handles = vec![ptr::null_mut(); 256];
    loop {
        let size = u32::try_from(size_of_val(handles.as_slice())).unwrap_or(u32::MAX);
        let mut needed = 0;
        // SAFETY: it takes nothing, and gives a number that stands for this process.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the buffer has the size in bytes that is passed.
        let listed = unsafe { K32EnumProcessModules(process, handles.as_mut_ptr(), size, &raw mut needed) };
        if listed == 0 {
            return Err(io::Error::last_os_error());
        }
        let count = needed as usize / size_of::<HMODULE>();
        let had_room = count <= handles.len();
        handles.resize(count, ptr::null_mut());
        if had_room {
            return Ok(handles);
        }
    }
}

/// The path of a module's file; `None` when it is not loaded, or its path is not Unicode and so none that is asked for.
fn path(handle: HMODULE) -> Option<String> {
    let mut buffer = vec![0; 260];
    loop {
        // SAFETY: the buffer has the length that is passed; a handle that is none any more is refused.
        let length =
            unsafe { GetModuleFileNameW(handle, buffer.as_mut_ptr(), u32::try_from(buffer.len()).ok()?) };
        match length as usize {
            0 => return None,
            length if length < buffer.len() => return String::from_utf16(&buffer[..length]).ok(),
            // Truncated.
            length => buffer.resize(length * 2, 0),
        }
    }
}

mod callback {
    //! Whether this thread is inside a loader callback (clause C6). Nothing here calls further than ntdll and kernel32,
    //! which is all that DllMain may do.

    use std::{
        ffi::c_void,
        mem::offset_of,
        sync::atomic::{AtomicPtr, Ordering::Relaxed},
    };

    use windows_sys::{
        Wdk::System::Threading::{NtQueryInformationProcess, ProcessBasicInformation},
        Win32::System::{
            LibraryLoader::{GetModuleHandleW, GetProcAddress},
            Threading::{
                CRITICAL_SECTION, GetCurrentProcess, GetCurrentThreadId, PEB, PROCESS_BASIC_INFORMATION,
            },
        },
        s, w,
    };

    /// Whether this thread is inside a loader callback.
    pub(super) fn is_running() -> bool {
        within_loader_callout().unwrap_or_else(owns_loader_lock)
    }

    /// What ntdll says, if it has a word on it.
    fn within_loader_callout() -> Option<bool> {
        type RtlIsThreadWithinLoaderCallout = unsafe extern "system" fn() -> u8;

        // SAFETY: the name ends in a null.
        let ntdll = unsafe { GetModuleHandleW(w!("ntdll.dll")) };
        // SAFETY: the name ends in a null; ntdll is part of every process and never unloaded.
        let function = unsafe { GetProcAddress(ntdll, s!("RtlIsThreadWithinLoaderCallout")) }?;
        // SAFETY: the function of this name takes nothing and returns a BOOLEAN.
        let function: RtlIsThreadWithinLoaderCallout = unsafe { std::mem::transmute(function) };
        // SAFETY: it takes nothing, and may be called from anywhere, loader callbacks included.
        Some((unsafe { function() }) != 0)
    }

    /// Whether this thread owns the loader lock.
    fn owns_loader_lock() -> bool {
        let Some(lock) = loader_lock() else { return false };
        let owner = lock.wrapping_byte_add(offset_of!(CRITICAL_SECTION, OwningThread)).cast();
        // SAFETY: the loader's critical section is there as long as the process is, aligned. Its owner is written by
        // other threads meanwhile, but this thread's id by this thread alone.
        let owner = unsafe { AtomicPtr::<c_void>::from_ptr(owner) }.load(Relaxed);
        // SAFETY: it takes nothing.
        owner.addr() == unsafe { GetCurrentThreadId() } as usize
    }

    /// The loader's critical section, to which the process environment block points.
    fn loader_lock() -> Option<*mut CRITICAL_SECTION> {
        // The field `LoaderLock`, which the public header counts among its `Reserved9` and the public symbols of ntdll
        // name. It has stood at these offsets since the first Windows of each width.
        const LOADER_LOCK: usize = if cfg!(target_pointer_width = "64") { 0x110 } else { 0xA0 };
        const {
            let field = offset_of!(PEB, Reserved9);
            assert!(LOADER_LOCK >= field && LOADER_LOCK < field + size_of::<[*mut c_void; 45]>());
        }

        let mut basic = PROCESS_BASIC_INFORMATION::default();
        let size = u32::try_from(size_of_val(&basic)).ok()?;
        // SAFETY: it takes nothing, and gives a number that stands for this process.
        let process = unsafe { GetCurrentProcess() };
        // SAFETY: the structure that this class of information fills in, and its size.
        let status = unsafe {
            NtQueryInformationProcess(
                process,
                ProcessBasicInformation,
                (&raw mut basic).cast(),
                size,
                std::ptr::null_mut(),
            )
        };
        if status < 0 || basic.PebBaseAddress.is_null() {
            return None;
        }
        let lock = basic.PebBaseAddress.wrapping_byte_add(LOADER_LOCK).cast::<*mut CRITICAL_SECTION>();
        // SAFETY: the block of one's own process is there as long as the process is, and is that long.
        let lock = unsafe { lock.read() };
        (!lock.is_null()).then_some(lock)
    }
}

mod station {
    //! What the process's window station is like (clause C7).
    //!
    //! Reference: [GetUserObjectInformation](https://learn.microsoft.com/en-us/windows/win32/api/winuser/nf-winuser-getuserobjectinformationw).

    use std::ffi::c_void;

    use libloading::os::windows::Library;
    use once_cell::sync::OnceCell;
    use windows_sys::{
        Win32::{
            Foundation::HANDLE,
            System::{
                LibraryLoader::LOAD_LIBRARY_SEARCH_SYSTEM32,
                StationsAndDesktops::{
                    HWINSTA, UOI_FLAGS, UOI_NAME, USER_OBJECT_INFORMATION_INDEX, USEROBJECTFLAGS,
                },
            },
            UI::WindowsAndMessaging::WSF_VISIBLE,
        },
        core::BOOL,
    };

    use super::super::WindowStation;

    type GetProcessWindowStationFn = unsafe extern "system" fn() -> HWINSTA;
    type GetUserObjectInformationFn =
        unsafe extern "system" fn(HANDLE, USER_OBJECT_INFORMATION_INDEX, *mut c_void, u32, *mut u32) -> BOOL;

    /// Queries user32, which the first query loads: programs that only link this crate don't need it.
    #[derive(Debug, Default)]
    pub(super) struct Station(OnceCell<Option<User32>>);

    impl Station {
        /// What the process's window station is like now.
        pub(super) fn ask(&self) -> WindowStation {
            self.0.get_or_init(User32::open).as_ref().and_then(User32::ask).unwrap_or(WindowStation::None)
        }
    }

    #[derive(Debug)]
    struct User32 {
        process_window_station: GetProcessWindowStationFn,
        user_object_information: GetUserObjectInformationFn,
        _library: Library,
    }

    impl User32 {
        /// `None` in a process that may not have user32, such as one that is locked out of win32k.
        fn open() -> Option<Self> {
            // SAFETY: it is Windows' own, from its own folder, and this is no loader callback (clause C6 comes before).
            // It is unloaded where the provider is dropped, or with the process: user32 is made for both.
            let library =
                unsafe { Library::load_with_flags("user32.dll", LOAD_LIBRARY_SEARCH_SYSTEM32) }.ok()?;
            // SAFETY: the export of this name has the documented signature.
            let process_window_station = *unsafe { library.get(b"GetProcessWindowStation\0") }.ok()?;
            // SAFETY: the export of this name has the documented signature.
            let user_object_information = *unsafe { library.get(b"GetUserObjectInformationW\0") }.ok()?;
            Some(Self { process_window_station, user_object_information, _library: library })
        }

        /// `None` when the station is unknown, as without the right to read its attributes.
        fn ask(&self) -> Option<WindowStation> {
            // SAFETY: it takes nothing; the handle is the process's own and not to be closed.
            let station = unsafe { (self.process_window_station)() };
            let mut flags = USEROBJECTFLAGS::default();
            let size = u32::try_from(size_of_val(&flags)).ok()?;
            let mut needed = 0;
            // SAFETY: the structure that this index fills in, and its size; a null station is refused.
            let is_known = unsafe {
                (self.user_object_information)(
                    station,
                    UOI_FLAGS,
                    (&raw mut flags).cast(),
                    size,
                    &raw mut needed,
                )
            };
            if is_known == 0 {
                return None;
            }
            let flags = flags.dwFlags;
            if flags & WSF_VISIBLE.cast_unsigned() != 0 {
                return Some(WindowStation::Visible);
            }
            Some(WindowStation::NotVisible { name: self.name(station), flags })
        }

        /// The station's name, or an empty string when Windows refuses it.
        fn name(&self, station: HWINSTA) -> String {
            let mut name = [0u16; 256];
            let mut needed = 0;
            // SAFETY: the buffer has the size in bytes that is passed.
            let is_known = unsafe {
                (self.user_object_information)(
                    station,
                    UOI_NAME,
                    name.as_mut_ptr().cast(),
                    512,
                    &raw mut needed,
                )
            };
            let length =
                if is_known == 0 { 0 } else { name.iter().position(|&unit| unit == 0).unwrap_or(name.len()) };
            String::from_utf16_lossy(&name[..length])
        }
    }
}
