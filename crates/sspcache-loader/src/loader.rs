//! The loader itself: loads, frees and finds modules.
//!
//! It has two locks. The *loader lock* is recursive, and held during notifications of loads and unloads (L9). The lock
//! of the table is held for short times only, and never while foreign code runs. Lookups take the table's lock alone,
//! so they never wait for a slow notification on another thread. Only the thread that owns the loader lock sees modules
//! that are being loaded or unloaded.

mod directories;
mod fork;

pub use fork::Paused;

use std::sync::Arc;
use std::{fmt, mem};

use widestring::{U16Str, U16String};

use crate::name::{self, Purpose, Wanted};
use crate::search::Search;
use crate::sync::{RecursiveLock, RwLock};
use crate::table::{GivenBack, Table};
use crate::{
    Disk, Handle, Lifetime, LoadFlags, LoaderError, ModuleFile, ModuleRef, ModuleRefs, Name, Notification,
    Procedure, Reason, Sought,
};

const SYSTEM_DIRECTORY: &str = r"C:\Windows\System32";

/// An emulated process as its module loader sees it: files on a disk, loaded modules, a loader lock.
///
/// Cheap to clone: clones are the same process. Two loaders made by [`new`](Self::new) share nothing.
pub struct EmulatedLoader<E>(Arc<Shared<E>>);

struct Shared<E> {
    /// Taken before `table`, never while `table` is held.
    loader_lock: RecursiveLock,
    disk: Option<Box<dyn Disk<E>>>,
    table: RwLock<Table<E>>,
}

impl<E> EmulatedLoader<E> {
    /// A process with only the program loaded. A bare path lies in `C:\`. The program's folder is the current
    /// directory.
    pub fn new(program: ModuleFile<E>) -> Self {
        Self::over(program, None)
    }

    /// The same, with a disk for files that are not [registered](Self::register).
    pub fn with_disk(program: ModuleFile<E>, disk: impl Disk<E> + 'static) -> Self {
        Self::over(program, Some(Box::new(disk)))
    }

    fn over(mut program: ModuleFile<E>, disk: Option<Box<dyn Disk<E>>>) -> Self {
        program.path = whole(&program.path, r"C:\");
        let folder = name::directory(program.path.as_slice()).to_vec();
        Self(Arc::new(Shared {
            loader_lock: RecursiveLock::new(),
            disk,
            table: RwLock::new(Table::new(program, Search::new(folder))),
        }))
    }

    /// Puts a file on the emulated disk, where [`load`](Self::load) finds it. A bare path lies in the system directory.
    /// The file replaces an earlier one of the same path, but not a module that was loaded from that.
    pub fn register(&self, mut file: ModuleFile<E>) {
        file.path = whole(&file.path, SYSTEM_DIRECTORY);
        let key = name::key(file.path.as_slice());
        let replaced = self.0.table.write().files.insert(key, Arc::new(file));
        drop(replaced); // without the lock: dropping exports may run any code
    }

    /// Loads a module, or takes another reference to it when it is loaded (L8). Emulates
    /// [LoadLibraryW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryw).
    ///
    /// A bare name finds the loaded module of that name, else a file in the program's folder, the system directory, the
    /// Windows directory, or the current directory, in this order. The module gets its notification under the loader
    /// lock.
    ///
    /// # Errors
    /// [`FileNotFound`](LoaderError::FileNotFound), [`InvalidName`](LoaderError::InvalidName) (126),
    /// [`NotAModule`](LoaderError::NotAModule) (193),
    /// [`InitializationRefused`](LoaderError::InitializationRefused) (1114).
    pub fn load<'a>(&self, name: impl Into<Name<'a>>) -> Result<Handle, LoaderError> {
        self.load_ex(name, LoadFlags::default())
    }

    /// Loads a module with flags (L12). Emulates
    /// [LoadLibraryExW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexw).
    ///
    /// `LOAD_LIBRARY_SEARCH_` flags choose the folders to search. Each call that opens a file as data returns a new
    /// handle, which only [`free`](Self::free) accepts; but when a module of that name is loaded, the call returns that
    /// module with one more reference (observed). With `DONT_RESOLVE_DLL_REFERENCES` the module gets no notifications.
    ///
    /// # Errors
    /// As [`load`](Self::load); [`DataFileNotFound`](LoaderError::DataFileNotFound) (2, observed),
    /// [`InvalidLoadFlags`](LoaderError::InvalidLoadFlags) and [`RelativePath`](LoaderError::RelativePath) (87),
    /// [`NotSigned`](LoaderError::NotSigned) (577).
    pub fn load_ex<'a>(&self, name: impl Into<Name<'a>>, flags: LoadFlags) -> Result<Handle, LoaderError> {
        let name = name.into();
        let _lock = self.0.loader_lock.lock();
        let wanted = {
            let mut table = self.0.table.write();
            let wanted = table.parse(name, Purpose::Load)?;
            table.search.check(flags, name, &wanted)?;
            if let Some(handle) = table.find_wanted(&wanted, || true) {
                return table.reference(handle);
            }
            wanted
        };
        let file = self.find_file(&wanted, flags).ok_or_else(|| {
            let (name, searched) = (name.to_string(), searched(&self.0.table.read().search, &wanted, flags));
            if flags.is_data() {
                LoaderError::DataFileNotFound { name, searched }
            } else {
                LoaderError::FileNotFound { name, searched }
            }
        })?;
        if !file.is_module {
            return Err(LoaderError::NotAModule { path: file.path.to_string_lossy() });
        }
        if flags.wants_signature() {
            return Err(LoaderError::NotSigned { path: file.path.to_string_lossy() });
        }
        let handle = {
            let mut table = self.0.table.write();
            // A relative path or flags can lead to the file of a loaded module that the name alone didn't find.
            if let Some(handle) = table.at_path(&name::key(file.path.as_slice()), || true) {
                return table.reference(handle);
            }
            if flags.is_data() {
                return Ok(table.insert_data(flags));
            }
            table.insert(file, flags)
        };
        self.attach(handle)
    }

    /// The file that a name stands for: in each folder, registered files come before those of the disk.
    fn find_file(&self, wanted: &Wanted, flags: LoadFlags) -> Option<Arc<ModuleFile<E>>> {
        // Without the table's lock: the disk may be slow.
        let paths = self.0.table.read().search.candidates(wanted, flags);
        paths.iter().find_map(|path| {
            let registered = self.0.table.read().files.get(path).cloned();
            let on_disk = || Some(Arc::new(self.0.disk.as_ref()?.open(U16Str::from_slice(path))?));
            registered.or_else(on_disk)
        })
    }

    /// Like [`load`](Self::load); dropping the result frees the reference.
    pub fn load_ref<'a>(&self, name: impl Into<Name<'a>>) -> Result<ModuleRef<E>, LoaderError> {
        self.load(name).map(|handle| ModuleRef::owning(self.clone(), handle))
    }

    /// Frees a reference. Freeing the last one notifies and unloads the module, and its handle is dead (L8). Freeing
    /// the program (L4) or a pinned module succeeds and does nothing. Freeing a data file closes it. Emulates
    /// [FreeLibrary](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-freelibrary).
    ///
    /// Waits for the loader lock only when it frees the last reference.
    ///
    /// # Errors
    /// [`DeadHandle`](LoaderError::DeadHandle) (126), [`NullHandle`](LoaderError::NullHandle) (6).
    pub fn free(&self, module: impl Into<Option<Handle>>) -> Result<(), LoaderError> {
        let handle = module.into().ok_or(LoaderError::NullHandle)?;
        let loading = || self.is_loader_lock_held_by_current_thread();
        {
            let mut table = self.0.table.write();
            if table.remove_data(handle) || table.give_back(handle, loading)? == GivenBack::Stays {
                return Ok(());
            }
        }
        // Checked again under the loader lock: another thread may have taken a reference since, or freed this one.
        let _lock = self.0.loader_lock.lock();
        {
            let mut table = self.0.table.write();
            if table.give_back(handle, || true)? == GivenBack::Stays {
                return Ok(());
            }
            table.unloading(handle);
        }
        self.detach(handle);
        Ok(())
    }

    /// The loaded module, without taking a reference: another thread may unload it at any time. Emulates
    /// [GetModuleHandleW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew).
    ///
    /// # Errors
    /// [`NotLoaded`](LoaderError::NotLoaded), [`NoModuleAtAddress`](LoaderError::NoModuleAtAddress),
    /// [`InvalidName`](LoaderError::InvalidName) (126).
    pub fn find<'a>(&self, sought: impl Into<Sought<'a>>) -> Result<Handle, LoaderError> {
        self.find_ex(sought, Lifetime::Unchanged)
    }

    /// The loaded module, with the effect that the lookup has on its references (L5). Emulates
    /// [GetModuleHandleExW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandleexw).
    ///
    /// # Errors
    /// As [`find`](Self::find).
    #[inline]
    pub fn find_ex<'a>(
        &self,
        sought: impl Into<Sought<'a>>,
        lifetime: Lifetime,
    ) -> Result<Handle, LoaderError> {
        let sought = sought.into();
        let loading = || self.is_loader_lock_held_by_current_thread();
        if lifetime == Lifetime::Unchanged {
            return self.0.table.read().find(sought, loading);
        }
        let mut table = self.0.table.write();
        let handle = table.find(sought, loading)?;
        if lifetime == Lifetime::Pin { table.pin(handle) } else { table.reference(handle) }
    }

    /// The loaded module, with a reference that dropping the result frees.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn acquire<'a>(&self, sought: impl Into<Sought<'a>>) -> Result<ModuleRef<E>, LoaderError> {
        self.find_ex(sought, Lifetime::Reference).map(|handle| ModuleRef::owning(self.clone(), handle))
    }

    /// All loaded modules that a name matches, in the order of their loads, each with a reference: for a bare name
    /// those of all folders, for a path at most one. The references are taken at once; dropping the iterator frees
    /// those that it didn't return. Windows has no such call: its callers walk the module list.
    ///
    /// # Errors
    /// [`InvalidName`](LoaderError::InvalidName). Without a match the result is empty, not an error.
    pub fn acquire_all<'a>(&self, name: impl Into<Name<'a>>) -> Result<ModuleRefs<E>, LoaderError> {
        let loading = || self.is_loader_lock_held_by_current_thread();
        let mut table = self.0.table.write();
        let handles = table.find_all(name.into(), loading)?;
        let references = handles.into_iter().filter_map(|handle| table.reference(handle).ok());
        Ok(references.map(|handle| ModuleRef::owning(self.clone(), handle)).collect())
    }

    /// The program's own handle (L4).
    pub fn program(&self) -> Handle {
        self.0.table.read().program
    }

    /// An export of a module; of the program for `None` (L7). Emulates
    /// [GetProcAddress](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getprocaddress).
    ///
    /// # Errors
    /// [`DeadHandle`](LoaderError::DeadHandle) (126), [`ExportNotFound`](LoaderError::ExportNotFound) (127),
    /// [`OrdinalNotFound`](LoaderError::OrdinalNotFound) (182).
    pub fn procedure<'p>(
        &self,
        module: impl Into<Option<Handle>>,
        procedure: impl Into<Procedure<'p>>,
    ) -> Result<E, LoaderError>
    where
        E: Clone,
    {
        let (sought, procedure) = (module.into(), procedure.into());
        let loading = || self.is_loader_lock_held_by_current_thread();
        let (handle, file) = {
            let table = self.0.table.read();
            let handle = sought.unwrap_or(table.program);
            let module = table.module(handle, loading)?;
            if let Procedure::Name(name) = procedure
                && let Some(kept) = module.kept_export(name)
            {
                return Ok(kept);
            }
            (handle, Arc::clone(&module.file))
        };
        let module = || file.path.to_string_lossy();
        match procedure {
            Procedure::Name(name) => {
                let found = file.find_export(name).ok_or_else(|| LoaderError::ExportNotFound {
                    module: module(),
                    export: String::from_utf8_lossy(name).into_owned(),
                })?;
                if file.is_fixed {
                    self.0.table.write().keep_export(handle, name, found.clone());
                }
                Ok(found)
            }
            Procedure::Ordinal(ordinal) => file
                .ordinals
                .get(&ordinal)
                .cloned()
                .ok_or_else(|| LoaderError::OrdinalNotFound { module: module(), ordinal }),
        }
    }

    /// The absolute path of a module's file; the program's for `None`. Emulates
    /// [GetModuleFileNameW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulefilenamew),
    /// without its buffer.
    ///
    /// # Errors
    /// [`DeadHandle`](LoaderError::DeadHandle) (126).
    pub fn file_name(&self, module: impl Into<Option<Handle>>) -> Result<U16String, LoaderError> {
        Ok(self.file(module.into())?.path.clone())
    }

    /// Whether this thread owns the loader lock, as inside a notification: then a flush is refused (C6).
    pub fn is_loader_lock_held_by_current_thread(&self) -> bool {
        self.0.loader_lock.is_owned_by_current_thread()
    }

    /// Runs `body` under the loader lock, as if inside a notification, for tests of C6.
    pub fn with_loader_lock<R>(&self, body: impl FnOnce() -> R) -> R {
        let _lock = self.0.loader_lock.lock();
        body()
    }

    /// The file of a module that this thread can see.
    fn file(&self, module: Option<Handle>) -> Result<Arc<ModuleFile<E>>, LoaderError> {
        let loading = || self.is_loader_lock_held_by_current_thread();
        let table = self.0.table.read();
        let module = table.module(module.unwrap_or(table.program), loading)?;
        Ok(Arc::clone(&module.file))
    }

    /// Notifies a module of its load. Runs under the loader lock.
    fn attach(&self, handle: Handle) -> Result<Handle, LoaderError> {
        let removal = Removal { loader: self, handle };
        let file = self.file(Some(handle))?;
        if self.notify(&file, handle, Reason::Load) {
            self.0.table.write().loaded(handle);
            mem::forget(removal);
            return Ok(handle);
        }
        // The page of DllMain: a module that refuses is notified of its unload at once.
        self.notify(&file, handle, Reason::Unload);
        Err(LoaderError::InitializationRefused { module: file.path.to_string_lossy() })
    }

    /// Notifies a module of its unload and removes it. Runs under the loader lock.
    fn detach(&self, handle: Handle) {
        let _removal = Removal { loader: self, handle };
        if let Ok(file) = self.file(Some(handle)) {
            self.notify(&file, handle, Reason::Unload);
        }
    }

    fn notify(&self, file: &ModuleFile<E>, module: Handle, reason: Reason) -> bool {
        if !self.0.table.read().is_notified(module) {
            return true;
        }
        let notification = Notification { loader: self, module, reason };
        file.entry.as_ref().is_none_or(|entry| entry(&notification))
    }
}

/// Removes a module at the end of its notification, also by a panic, which then leaves no half-loaded module.
struct Removal<'a, E> {
    loader: &'a EmulatedLoader<E>,
    handle: Handle,
}

impl<E> Drop for Removal<'_, E> {
    fn drop(&mut self) {
        let removed = self.loader.0.table.write().remove(self.handle);
        drop(removed); // without the lock
    }
}

/// The absolute form of a registered path: bare names lie in `folder`.
fn whole(path: &U16String, folder: &str) -> U16String {
    let folder: Vec<u16> = folder.encode_utf16().collect();
    U16String::from_vec(name::absolute(path.as_slice(), &folder))
}

fn searched(search: &Search, wanted: &Wanted, flags: LoadFlags) -> String {
    match wanted {
        Wanted::File(path) => String::from_utf16_lossy(path),
        Wanted::Bare(_) | Wanted::Relative(_) => {
            let folders = search.folders(flags);
            folders.iter().map(|folder| String::from_utf16_lossy(folder)).collect::<Vec<_>>().join("; ")
        }
    }
}

impl<E> Clone for EmulatedLoader<E> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<E> fmt::Debug for EmulatedLoader<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("EmulatedLoader").finish_non_exhaustive()
    }
}
