//! The Unix dynamic linker: it answers for modules that carry an SSP's name as their file name, such as the mock DLLs.
//!
//! Which modules are loaded is read from the linker's own list ([dl_iterate_phdr(3)], or dyld's list of images), since
//! `dlopen(RTLD_NOLOAD)` searches the disk for what is absent and doesn't find by its bare name what was loaded by
//! path. The reference is then taken by exact path.
//!
//! [dl_iterate_phdr(3)]: https://man7.org/linux/man-pages/man3/dl_iterate_phdr.3.html
#![allow(unsafe_code, reason = "asks the dynamic linker, and calls what it finds")]

use std::{
    ffi::{CStr, CString, OsStr},
    io,
    os::unix::ffi::OsStrExt,
    path::PathBuf,
    sync::Arc,
};

use libloading::os::unix::{Library, RTLD_NOW};
use smallvec::SmallVec;

use super::{
    CLEANUP_CREDENTIAL_CACHE, Export, INIT_SECURITY_INTERFACE, Loader, Module, WindowStation,
    sspi::{self, FunctionTable},
};
use crate::caches::{
    schannel::{self, SSL_EMPTY_CACHE},
    wininet::{self, INTERNET_SET_OPTION},
};
use sspcache_types::{SecurityStatus, name};

/// The dynamic linker of this process.
///
/// # Platform-specific behaviour
/// On Unix no call returns whether a constructor or destructor of a global object is running, and there are no window
/// stations. So a flush is allowed everywhere. On macOS the kernel returns the name of each image.
#[derive(Debug, Default)]
pub struct NativeLoader {
    images: images::Images,
}

impl Loader for NativeLoader {
    type Module = NativeModule;

    /// Always `false`: the dynamic linker has no call for it.
    fn is_inside_loader_callback(&self) -> bool {
        false
    }

    fn window_station(&self) -> WindowStation {
        WindowStation::None
    }

    fn modules(&self, name: &str) -> io::Result<impl Iterator<Item = NativeModule>> {
        let modules: SmallVec<[_; 1]> =
            self.images.named(name).into_iter().filter_map(NativeModule::open).collect();
        Ok(modules.into_iter())
    }
}

/// A loaded module, held by a reference of the dynamic linker.
#[derive(Debug)]
pub struct NativeModule {
    path: CString,
    library: Library,
}

impl NativeModule {
    /// References a module that is loaded from exactly this path; `None` when it has been unloaded meanwhile.
    fn open(path: CString) -> Option<Self> {
        let name = OsStr::from_bytes(path.to_bytes_with_nul());
        // SAFETY: with RTLD_NOLOAD no constructor runs: the module is loaded already, or it isn't referenced. Its
        // destructors run when this reference is dropped, if all others were freed meanwhile. The code that loaded the
        // module is responsible for that: it can't choose which thread frees the last reference.
        let library = unsafe { Library::open(Some(name), RTLD_NOW | libc::RTLD_NOLOAD) }.ok()?;
        Some(Self { path, library })
    }

    /// The address of an export of this very module: `dlsym` would look into the module's dependencies too.
    fn export(&self, Export(name): Export) -> Option<*const ()> {
        // SAFETY: the symbol is only taken as an address here, whatever its type.
        let symbol = unsafe { self.library.get::<*const ()>(name) }.ok()?;
        let address = symbol.as_raw_ptr().cast_const();
        let mut info = libc::Dl_info {
            dli_fname: std::ptr::null(),
            dli_fbase: std::ptr::null_mut(),
            dli_sname: std::ptr::null(),
            dli_saddr: std::ptr::null_mut(),
        };
        // SAFETY: `info` is valid for the call to fill in.
        let found = unsafe { libc::dladdr(address, &raw mut info) } != 0 && !info.dli_fname.is_null();
        // SAFETY: on success `dli_fname` is a string that lives as long as its module is loaded, as it is now.
        let own = found && unsafe { CStr::from_ptr(info.dli_fname) } == self.path.as_c_str();
        own.then_some(address.cast())
    }
}

impl Module for NativeModule {
    type Interface = FunctionTable;

    fn path(&self) -> PathBuf {
        OsStr::from_bytes(self.path.to_bytes()).into()
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
        // A reference of its own: the table may outlive this one. The module is loaded, and so is found.
        let own = Self::open(self.path.clone())?;
        // SAFETY: the export of an SSP is this function.
        Some(unsafe { sspi::init_security_interface(address, Arc::new(own)) })
    }
}

/// Paths of modules, mostly one.
type Paths = SmallVec<[CString; 1]>;

/// Whether this is the path of a module of that file name.
fn is_named(path: &CStr, wanted: &str) -> bool {
    let file = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
    // The program itself has an empty path here, and is not an SSP.
    !file.is_empty()
        && (file.eq_ignore_ascii_case(wanted.as_bytes())
            || !file.is_ascii() && std::str::from_utf8(file).is_ok_and(|file| name::eq(file, wanted)))
}

#[cfg(not(target_vendor = "apple"))]
mod images {
    //! ELF: `dl_iterate_phdr`.

    use std::{
        ffi::{CStr, c_int, c_void},
        hash::{BuildHasher, RandomState},
        panic::{AssertUnwindSafe, catch_unwind},
        sync::{Mutex, MutexGuard, TryLockError},
    };

    use super::Paths;

    /// The linker's list, and which names were found absent from it in its present state.
    #[derive(Debug, Default)]
    pub(super) struct Images {
        /// Locked inside the linker's lock, where `parking_lot`'s could take another of the linker's: a thread's first wait sets up
        /// data of the thread.
        absent: Mutex<Absent>,
        hasher: RandomState,
    }

    /// Hashes of names that are not loaded, as of a state of the list: loads and unloads so far.
    #[derive(Debug, Default)]
    struct Absent {
        state: (u64, u64),
        names: [Option<u64>; 8],
        next: usize,
    }

    impl Images {
        /// Paths of the loaded modules of this file name, in load order.
        pub(super) fn named(&self, name: &str) -> Paths {
            let mut paths = Paths::new();
            // As the list says that it is: it doesn't change during the iteration.
            let (mut state, mut is_known_absent) = (None, false);
            iterate(&mut |info| {
                if state.is_none() {
                    state = Some((info.dlpi_adds, info.dlpi_subs));
                    is_known_absent = self.absent().is_some_and(|absent| {
                        Some(absent.state) == state && absent.has(self.hasher.hash_one(name))
                    });
                    if is_known_absent {
                        return false;
                    }
                }
                // SAFETY: during the iteration a name is null or a string.
                let path = (!info.dlpi_name.is_null()).then(|| unsafe { CStr::from_ptr(info.dlpi_name) });
                if let Some(path) = path.filter(|path| super::is_named(path, name)) {
                    paths.push(path.to_owned());
                }
                true
            });
            if let Some(state) = state.filter(|_| paths.is_empty() && !is_known_absent)
                && let Some(mut absent) = self.absent()
            {
                absent.remember(state, self.hasher.hash_one(name));
            }
            paths
        }

        /// `None` while another thread has it, since it only saves time; and for ever in a child that was forked meanwhile.
        fn absent(&self) -> Option<MutexGuard<'_, Absent>> {
            match self.absent.try_lock() {
                Ok(absent) => Some(absent),
                Err(TryLockError::Poisoned(poisoned)) => Some(poisoned.into_inner()),
                Err(TryLockError::WouldBlock) => None,
            }
        }
    }

    impl Absent {
        fn has(&self, hash: u64) -> bool {
            self.names.contains(&Some(hash))
        }

        /// `state` is that of the list that the name was sought in.
        fn remember(&mut self, state: (u64, u64), hash: u64) {
            if self.state != state {
                *self = Self { state, ..Self::default() };
            }
            self.names[self.next % 8] = Some(hash);
            self.next += 1;
        }
    }

    /// Visits the list, under the linker's lock, for as long as `visit` wants more.
    fn iterate(visit: &mut dyn FnMut(&libc::dl_phdr_info) -> bool) {
        type Visit<'a> = &'a mut dyn FnMut(&libc::dl_phdr_info) -> bool;

        /// Visits one module.
        ///
        /// # Safety
        /// Only `dl_iterate_phdr` calls it, with a pointer to a [`Visit`] that no other code uses meanwhile.
        unsafe extern "C" fn callback(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
            // SAFETY: it is what is passed below, where it stays alive and untouched during the iteration.
            let visit = unsafe { &mut *data.cast::<Visit<'_>>() };
            // SAFETY: the linker gives a description that is valid during the callback.
            let info = unsafe { &*info };
            // A panic must not unwind through the linker; nothing in `visit` panics but for want of memory.
            match catch_unwind(AssertUnwindSafe(|| visit(info))) {
                Ok(true) => 0,
                Ok(false) | Err(_) => 1,
            }
        }

        let mut visit: Visit<'_> = visit;
        // SAFETY: the callback has the documented signature and `visit` outlives the call.
        unsafe { libc::dl_iterate_phdr(Some(callback), (&raw mut visit).cast()) };
    }
}

#[cfg(target_vendor = "apple")]
mod images {
    //! Mach-O: dyld's list of images.
    //!
    //! No public function reads that list with dyld's lock held, but those that register a callback for good. Another
    //! thread may unload an image, and free its name, while the list is read ([dyld(3)]). So a name is never followed
    //! here: the kernel copies it, and refuses what isn't mapped any more. What was copied from memory that was freed
    //! names nothing that is loaded, and so gives no reference.
    //!
    //! [dyld(3)]: https://manp.gs/mac/3/dyld

    use std::ffi::{CString, c_char, c_int, c_uint};

    use super::Paths;

    // Of <mach-o/dyld.h>, <mach/mach_init.h> and <mach/mach_vm.h>. The libc crate's own declarations are deprecated,
    // and these are not worth a dependency.
    unsafe extern "C" {
        safe fn _dyld_image_count() -> u32;
        safe fn _dyld_get_image_name(index: u32) -> *const c_char;
        safe static mach_task_self_: c_uint;
        fn mach_vm_read_overwrite(
            task: c_uint,
            address: u64,
            size: u64,
            data: *mut u8,
            out_size: *mut u64,
        ) -> c_int;
    }

    /// dyld's list; reading it opens no file and is quick.
    #[derive(Debug, Default)]
    pub(super) struct Images;

    impl Images {
        /// Paths of the loaded modules of this file name, in load order.
        #[expect(clippy::unused_self, reason = "the ELF linker's list has state")]
        pub(super) fn named(&self, name: &str) -> Paths {
            // A name is null, and so none, when its index is out of range by now, as other images were unloaded.
            let paths = (0.._dyld_image_count()).filter_map(|index| copy(_dyld_get_image_name(index)));
            paths.filter(|path| super::is_named(path, name)).collect()
        }
    }

    /// The string at a place; `None` when it isn't mapped, or no path.
    fn copy(string: *const c_char) -> Option<CString> {
        /// No page is smaller, and what lies within one is mapped as a whole.
        const PAGE: usize = 4096;
        const LONGEST: usize = 4096;
        let mut path = Vec::new();
        while path.len() < LONGEST {
            let address = string.addr().checked_add(path.len())?;
            let mut chunk = [0; 256];
            let size = chunk.len().min(PAGE - address % PAGE);
            let mut copied = 0;
            // SAFETY: the kernel writes at most so many bytes, for which there is room; an address that can't be read
            // it refuses.
            let refused = unsafe {
                mach_vm_read_overwrite(
                    mach_task_self_,
                    address as u64,
                    size as u64,
                    chunk.as_mut_ptr(),
                    &raw mut copied,
                )
            };
            if refused != 0 {
                return None;
            }
            let bytes = chunk[..size].split(|&byte| byte == 0).next().unwrap_or_default();
            path.extend_from_slice(bytes);
            if bytes.len() < size {
                return CString::new(path).ok();
            }
        }
        None
    }
}

#[cfg(all(test, target_os = "linux", target_env = "gnu"))]
mod tests {
    use super::*;

    /// C5: `dlsym` finds `malloc` in what this module depends on.
    #[test]
    fn an_export_of_a_dependency_is_not_the_modules_own() {
        let loader = NativeLoader::default();
        let mut modules = loader.modules("libgcc_s.so.1").unwrap();
        let module = modules.next().expect("Rust programs unwind with it");
        assert!(module.export(Export(c"_Unwind_Resume")).is_some());
        assert!(module.export(Export(c"malloc")).is_none());
    }
}
