//! The loader itself: loading, freeing, looking up, under one lock that knows its owner.
//!
//! Two locks: the *loader lock*, recursive, held while modules are told of loads and unloads (L9); and the lock of
//! the table, held for moments only and never while foreign code runs. Lookups take the second alone, so that nobody
//! waits for another thread's slow notification just to learn what is loaded. What is on its way in or out is seen
//! by the thread that owns the loader lock only.

mod directories;

use std::sync::Arc;
use std::{fmt, mem};

use widestring::{U16Str, U16String};

use crate::name::{self, Purpose, Wanted};
use crate::search::Search;
use crate::sync::{ReentrantMutex, RwLock};
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
    loader_lock: ReentrantMutex<()>,
    disk: Option<Box<dyn Disk<E>>>,
    table: RwLock<Table<E>>,
}

impl<E> EmulatedLoader<E> {
    /// A process in which the program alone is loaded. A bare path lies in `C:\`, and the program's folder is the
    /// current directory.
    pub fn new(program: ModuleFile<E>) -> Self {
        Self::over(program, None)
    }

    /// The same, with a disk behind what is [registered](Self::register).
    pub fn with_disk(program: ModuleFile<E>, disk: impl Disk<E> + 'static) -> Self {
        Self::over(program, Some(Box::new(disk)))
    }

    fn over(mut program: ModuleFile<E>, disk: Option<Box<dyn Disk<E>>>) -> Self {
        program.path = whole(&program.path, r"C:\");
        let folder = name::directory(program.path.as_slice()).to_vec();
        Self(Arc::new(Shared {
            loader_lock: ReentrantMutex::new(()),
            disk,
            table: RwLock::new(Table::new(program, Search::new(folder))),
        }))
    }

    /// Puts a file on the emulated disk, where [`load`](Self::load) finds it. A bare path lies in the system
    /// directory. A file of the same path is replaced; a module that was loaded from it stays what it is.
    pub fn register(&self, mut file: ModuleFile<E>) {
        file.path = whole(&file.path, SYSTEM_DIRECTORY);
        let key = name::key(file.path.as_slice());
        let replaced = self.0.table.write().files.insert(key, Arc::new(file));
        drop(replaced); // without the lock: exports may do anything when they are dropped
    }

    /// Loads a module, or takes another reference to it when it is loaded (L8). Emulates
    /// [LoadLibraryW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryw).
    ///
    /// A bare name is the loaded module of that name; else the file in the program's folder, the system and the
    /// Windows directory, the current directory, in this order. The module is told under the loader lock.
    ///
    /// # Errors
    /// [`FileNotFound`](LoaderError::FileNotFound), [`InvalidName`](LoaderError::InvalidName) (126),
    /// [`NotAModule`](LoaderError::NotAModule) (193),
    /// [`InitializationRefused`](LoaderError::InitializationRefused) (1114).
    pub fn load<'a>(&self, name: impl Into<Name<'a>>) -> Result<Handle, LoaderError> {
        self.load_ex(name, LoadFlags::default())
    }

    /// Loads a module as the flags say (L12). Emulates
    /// [LoadLibraryExW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-loadlibraryexw).
    ///
    /// A `LOAD_LIBRARY_SEARCH_` flag chooses the folders that are searched. A file that is opened as data gets a handle of its own
    /// at each call, which [`free`](Self::free) alone takes; when a module of the name is loaded, it is that module with a
    /// reference more (observed). With `DONT_RESOLVE_DLL_REFERENCES` the module isn't told of its load and unload.
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
            // A relative path, or flags, may lead to a file whose module the name alone didn't find.
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

    /// The file that a name asks for: in each folder what was registered, then what is on the disk.
    fn find_file(&self, wanted: &Wanted, flags: LoadFlags) -> Option<Arc<ModuleFile<E>>> {
        // The disk is asked without the table's lock: it may take its time.
        let paths = self.0.table.read().search.candidates(wanted, flags);
        paths.iter().find_map(|path| {
            let registered = self.0.table.read().files.get(path).cloned();
            let on_disk = || Some(Arc::new(self.0.disk.as_ref()?.open(U16Str::from_slice(path))?));
            registered.or_else(on_disk)
        })
    }

    /// Like [`load`](Self::load); the reference is given back when the result is dropped.
    pub fn load_ref<'a>(&self, name: impl Into<Name<'a>>) -> Result<ModuleRef<E>, LoaderError> {
        self.load(name).map(|handle| ModuleRef::owning(self.clone(), handle))
    }

    /// Gives a reference back; at the last one the module is told and its handle is dead (L8). Freeing the program
    /// succeeds and does nothing (L4), and so does freeing a pinned module. A file that was opened as data is closed. Emulates
    /// [FreeLibrary](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-freelibrary).
    ///
    /// Waits for the loader lock only when it gives back the last reference.
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
        // Asked again under the loader lock: meanwhile somebody may have taken a reference, or given this one back.
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

    /// The loaded module, without taking a reference: it may be gone the next moment. Emulates
    /// [GetModuleHandleW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulehandlew).
    ///
    /// # Errors
    /// [`NotLoaded`](LoaderError::NotLoaded), [`NoModuleAtAddress`](LoaderError::NoModuleAtAddress),
    /// [`InvalidName`](LoaderError::InvalidName) (126).
    pub fn find<'a>(&self, sought: impl Into<Sought<'a>>) -> Result<Handle, LoaderError> {
        self.find_ex(sought, Lifetime::Unchanged)
    }

    /// The loaded module, with what the lookup shall do to its references (L5). Emulates
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

    /// The loaded module, with a reference that is given back when the result is dropped.
    ///
    /// # Errors
    /// As [`find`](Self::find).
    pub fn acquire<'a>(&self, sought: impl Into<Sought<'a>>) -> Result<ModuleRef<E>, LoaderError> {
        self.find_ex(sought, Lifetime::Reference).map(|handle| ModuleRef::owning(self.clone(), handle))
    }

    /// Every loaded module that a name matches, in the order of their loads, each with a reference: all of a bare
    /// name's modules, whatever their folders; at most one for a path. All are referenced from the start, and those that
    /// the iterator wasn't asked for are given back with it. Windows has no such call; its callers walk the module list.
    ///
    /// # Errors
    /// [`InvalidName`](LoaderError::InvalidName). No match is no error, but an empty result.
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

    /// The whole path that a module was loaded from; the program's for `None`. Emulates
    /// [GetModuleFileNameW](https://learn.microsoft.com/en-us/windows/win32/api/libloaderapi/nf-libloaderapi-getmodulefilenamew)
    /// but for its buffer.
    ///
    /// # Errors
    /// [`DeadHandle`](LoaderError::DeadHandle) (126).
    pub fn file_name(&self, module: impl Into<Option<Handle>>) -> Result<U16String, LoaderError> {
        Ok(self.file(module.into())?.path.clone())
    }

    /// Whether this thread runs inside a notification, or otherwise owns the loader lock: where C6 is refused.
    pub fn is_loader_lock_held_by_current_thread(&self) -> bool {
        self.0.loader_lock.is_owned_by_current_thread()
    }

    /// Runs `body` under the loader lock, as if inside a notification: what a test of C6 needs.
    pub fn with_loader_lock<R>(&self, body: impl FnOnce() -> R) -> R {
        let _lock = self.0.loader_lock.lock();
        body()
    }

    /// The file of a module that this thread may see.
    fn file(&self, module: Option<Handle>) -> Result<Arc<ModuleFile<E>>, LoaderError> {
        let loading = || self.is_loader_lock_held_by_current_thread();
        let table = self.0.table.read();
        let module = table.module(module.unwrap_or(table.program), loading)?;
        Ok(Arc::clone(&module.file))
    }

    /// Tells a module of its load. Runs under the loader lock.
    fn attach(&self, handle: Handle) -> Result<Handle, LoaderError> {
        let removal = Removal { loader: self, handle };
        let file = self.file(Some(handle))?;
        if self.notify(&file, handle, Reason::Load) {
            self.0.table.write().loaded(handle);
            mem::forget(removal);
            return Ok(handle);
        }
        // The page of DllMain: a module that refuses is told of its unload at once.
        self.notify(&file, handle, Reason::Unload);
        Err(LoaderError::InitializationRefused { module: file.path.to_string_lossy() })
    }

    /// Tells a module of its unload and removes it. Runs under the loader lock.
    fn detach(&self, handle: Handle) {
        let _removal = Removal { loader: self, handle };
        if let Ok(file) = self.file(Some(handle)) {
            self.notify(&file, handle, Reason::Unload);
        }
    }

    fn notify(&self, file: &ModuleFile<E>, module: Handle, reason: Reason) -> bool {
        if !self.0.table.read().is_told(module) {
            return true;
        }
        let notification = Notification { loader: self, module, reason };
        file.entry.as_ref().is_none_or(|entry| entry(&notification))
    }
}

/// Removes a module when its notification is over, however that ended: a panic leaves no half-loaded module behind.
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

/// A registered path made whole: bare names lie in `folder`.
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
