//! The table of files and loaded modules, without locks and notifications.

use std::collections::BTreeMap;
use std::num::NonZeroU64;
use std::sync::Arc;

use hashbrown::{HashMap, HashSet};

use crate::by_name::{ByName, Handles};
use crate::name::{self, Key, Purpose, Wanted};
use crate::search::Search;
use crate::{Handle, LoadFlags, LoaderError, ModuleFile, Name, Sought};

/// The beginning of the emulated address space: above all addresses that a host gives to a process, so that emulated
/// and real addresses never collide.
const FIRST_BASE: u64 = 1 << 60;

/// Distance between two bases: the allocation granularity of Windows.
const GRANULARITY: u64 = 0x1_0000;

/// How many found exports the table keeps per module: more than an SSP has, and few enough that a linear search is
/// faster than hashing.
const MOST_KEPT: usize = 32;

/// The files, modules and settings of a loader.
pub(crate) struct Table<E> {
    pub(crate) files: HashMap<Key, Arc<ModuleFile<E>>>,
    pub(crate) search: Search,
    pub(crate) program: Handle,
    modules: HashMap<Handle, Module<E>>,
    by_name: ByName,
    by_path: HashMap<Key, Handle>,
    /// Modules that are being loaded or unloaded, and so are not [loaded](Phase::Loaded): usually none.
    in_transit: Vec<Handle>,
    by_address: BTreeMap<u64, (u64, Handle)>,
    /// Handles of files that are open as data. They have low bits that handles of modules never have.
    data: HashSet<Handle>,
    next_base: u64,
}

/// One load of a file.
pub(crate) struct Module<E> {
    pub(crate) file: Arc<ModuleFile<E>>,
    phase: Phase,
    references: References,
    is_notified: bool,
    /// Exports that were found and don't change.
    kept: Vec<(Box<[u8]>, E)>,
}

impl<E: Clone> Module<E> {
    /// An export that was found earlier.
    #[inline]
    pub(crate) fn kept_export(&self, name: &[u8]) -> Option<E> {
        let (_, export) = self.kept.iter().find(|(kept, _)| **kept == *name)?;
        Some(export.clone())
    }
}

/// The references that keep a module loaded (L5, L8).
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum References {
    /// The number of references.
    Counted(u32),
    /// The module stays until the process ends.
    Pinned,
}

/// The result of freeing a reference.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum GivenBack {
    /// It is the last one and not freed yet: the module has to be notified first.
    Last,
    /// The module stays.
    Stays,
}

/// The phase of a module between its load and its unload.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Phase {
    /// During the notification of its load: only the loading thread sees it.
    Loading,
    /// All threads see it.
    Loaded,
    /// During the notification of its unload: only the unloading thread sees it.
    Unloading,
}

impl<E> Table<E> {
    /// A table with only the program loaded. The path of its file is absolute.
    pub(crate) fn new(program: ModuleFile<E>, search: Search) -> Self {
        let mut table = Self {
            files: HashMap::new(),
            search,
            program: Handle(NonZeroU64::MIN), // replaced below
            modules: HashMap::new(),
            by_name: ByName::default(),
            by_path: HashMap::new(),
            in_transit: Vec::new(),
            by_address: BTreeMap::new(),
            data: HashSet::new(),
            next_base: FIRST_BASE,
        };
        table.program = table.insert(Arc::new(program), LoadFlags::default());
        table.loaded(table.program);
        if let Some(program) = table.modules.get_mut(&table.program) {
            program.references = References::Pinned;
        }
        table
    }

    /// A module that the caller can see.
    #[inline]
    pub(crate) fn module(
        &self,
        handle: Handle,
        loading: impl Fn() -> bool + Copy,
    ) -> Result<&Module<E>, LoaderError> {
        let module = self.modules.get(&handle).filter(|module| module.phase == Phase::Loaded || loading());
        module.ok_or(LoaderError::DeadHandle { handle })
    }

    /// Keeps an export that was found, unless the module is gone by now: no other module ever gets its handle.
    pub(crate) fn keep_export(&mut self, handle: Handle, name: &[u8], export: E) {
        let Some(module) = self.modules.get_mut(&handle) else { return };
        // Another thread may have kept it meanwhile.
        if module.kept.len() < MOST_KEPT && module.kept.iter().all(|(kept, _)| **kept != *name) {
            module.kept.push((name.into(), export));
        }
    }

    /// Finds a loaded module. `loading` returns whether the caller owns the loader lock, and so sees modules that are
    /// being loaded or unloaded.
    #[inline]
    pub(crate) fn find(
        &self,
        sought: Sought<'_>,
        loading: impl Fn() -> bool + Copy,
    ) -> Result<Handle, LoaderError> {
        match sought {
            // The page: a null parameter stands for the program, with any flags.
            Sought::Program | Sought::Address(0) => Ok(self.program),
            Sought::Address(address) => {
                self.at_address(address, loading).ok_or(LoaderError::NoModuleAtAddress { address })
            }
            Sought::Name(name) => self
                .find_wanted(&self.parse(name, Purpose::Lookup)?, loading)
                .ok_or_else(|| LoaderError::NotLoaded { name: name.to_string() }),
            Sought::Plain(name) => (self.visible(self.by_name.plainly_named(name), loading).next())
                .ok_or_else(|| LoaderError::NotLoaded { name: name.to_string() }),
        }
    }

    /// Every loaded module that a name matches, in the order of their loads.
    pub(crate) fn find_all(
        &self,
        name: Name<'_>,
        loading: impl Fn() -> bool + Copy,
    ) -> Result<Handles, LoaderError> {
        if let Some(name) = name.plain() {
            return Ok(self.visible(self.by_name.plainly_named(name), loading).collect());
        }
        Ok(match self.parse(name, Purpose::Lookup)? {
            Wanted::Bare(base) => self.with_base_name(&base, loading).collect(),
            wanted @ (Wanted::File(_) | Wanted::Relative(_)) => {
                self.find_wanted(&wanted, loading).into_iter().collect()
            }
        })
    }

    /// Reads a name.
    pub(crate) fn parse(&self, name: Name<'_>, purpose: Purpose) -> Result<Wanted, LoaderError> {
        name::parse(name, purpose, &self.search.current_directory)
            .ok_or_else(|| LoaderError::InvalidName { name: name.to_string() })
    }

    /// The loaded module that a name stands for; of several with the same base name, the one loaded first (L3).
    pub(crate) fn find_wanted(&self, wanted: &Wanted, loading: impl Fn() -> bool + Copy) -> Option<Handle> {
        match wanted {
            Wanted::File(path) => self.at_path(path, loading),
            Wanted::Bare(base) => self.with_base_name(base, loading).next(),
            Wanted::Relative(_) => {
                let paths = self.search.candidates(wanted, LoadFlags::default());
                paths.iter().find_map(|path| self.at_path(path, loading))
            }
        }
    }

    /// The module of the file at this path.
    pub(crate) fn at_path(&self, path: &[u16], loading: impl Fn() -> bool + Copy) -> Option<Handle> {
        self.by_path.get(path).copied().filter(|at| self.is_visible(*at, loading))
    }

    /// The loaded modules of a base name, in the order of their loads.
    pub(crate) fn with_base_name(
        &self,
        base: &[u16],
        loading: impl Fn() -> bool + Copy,
    ) -> impl Iterator<Item = Handle> {
        self.visible(self.by_name.named(base), loading)
    }

    /// The modules of these that the caller can see.
    fn visible(&self, handles: &[Handle], loading: impl Fn() -> bool + Copy) -> impl Iterator<Item = Handle> {
        handles.iter().copied().filter(move |handle| self.is_visible(*handle, loading))
    }

    /// Whether a folder is one of the process's own, or has a registered file in it or below.
    pub(crate) fn has_folder(&self, folder: &[u16]) -> bool {
        let inside = name::join(folder, &[]);
        self.search.has_folder(folder) || self.files.keys().any(|file| file.starts_with(&inside))
    }

    /// Adds a module with one reference, before the notification of its load.
    pub(crate) fn insert(&mut self, file: Arc<ModuleFile<E>>, flags: LoadFlags) -> Handle {
        let (base, handle) = self.next_base(0);
        let (path, base_name) = keys(&file);
        self.by_path.insert(path, handle);
        self.by_name.insert(base_name, handle);
        self.by_address.insert(base, (base + GRANULARITY, handle));
        if let Some(addresses) = &file.addresses {
            self.by_address.entry(addresses.start).or_insert((addresses.end, handle));
        }
        let references = References::Counted(1);
        let module = Module {
            file,
            phase: Phase::Loading,
            references,
            is_notified: flags.notifies(),
            kept: Vec::new(),
        };
        self.modules.insert(handle, module);
        self.in_transit.push(handle);
        handle
    }

    /// Adds a file that is opened as data: a handle that no lookup finds.
    pub(crate) fn insert_data(&mut self, flags: LoadFlags) -> Handle {
        let (_, handle) = self.next_base(flags.data_bits());
        self.data.insert(handle);
        handle
    }

    /// Closes a file that was opened as data, and returns whether the handle was that of one.
    pub(crate) fn remove_data(&mut self, handle: Handle) -> bool {
        self.data.remove(&handle)
    }

    /// Whether a module gets notifications of its load and unload.
    pub(crate) fn is_notified(&self, handle: Handle) -> bool {
        self.modules.get(&handle).is_some_and(|module| module.is_notified)
    }

    /// An address that was never used, and its handle.
    fn next_base(&mut self, low_bits: u64) -> (u64, Handle) {
        let base = self.next_base;
        self.next_base += GRANULARITY;
        let handle = NonZeroU64::new(base | low_bits).expect("bases start above zero and only grow");
        (base, Handle(handle))
    }

    /// Makes a module visible to all threads, after the notification of its load.
    pub(crate) fn loaded(&mut self, handle: Handle) {
        if let Some(module) = self.modules.get_mut(&handle) {
            module.phase = Phase::Loaded;
            self.in_transit.retain(|other| *other != handle);
        }
    }

    /// Adds a reference (L8).
    pub(crate) fn reference(&mut self, handle: Handle) -> Result<Handle, LoaderError> {
        let references = self.references_mut(handle)?;
        if let References::Counted(count) = *references {
            // So many references can never all be freed.
            *references = count.checked_add(1).map_or(References::Pinned, References::Counted);
        }
        Ok(handle)
    }

    /// Keeps a module loaded until the process ends (L5).
    pub(crate) fn pin(&mut self, handle: Handle) -> Result<Handle, LoaderError> {
        *self.references_mut(handle)? = References::Pinned;
        Ok(handle)
    }

    /// Removes a reference, unless it is the last (L8).
    pub(crate) fn give_back(
        &mut self,
        handle: Handle,
        loading: impl Fn() -> bool + Copy,
    ) -> Result<GivenBack, LoaderError> {
        let module =
            self.modules.get_mut(&handle).filter(|module| module.phase == Phase::Loaded || loading());
        let module = module.ok_or(LoaderError::DeadHandle { handle })?;
        match (module.phase, &mut module.references) {
            (Phase::Unloading, _) => Err(LoaderError::DeadHandle { handle }),
            (Phase::Loaded, References::Counted(1)) => Ok(GivenBack::Last),
            // The current load owns the last reference, and removes the module itself when it fails.
            (Phase::Loading, References::Counted(1)) | (_, References::Pinned) => Ok(GivenBack::Stays),
            (_, References::Counted(count)) => {
                *count -= 1;
                Ok(GivenBack::Stays)
            }
        }
    }

    /// Hides a module whose last reference was freed from all threads but the one that unloads it.
    pub(crate) fn unloading(&mut self, handle: Handle) {
        if let Some(module) = self.modules.get_mut(&handle) {
            module.phase = Phase::Unloading;
            self.in_transit.push(handle);
        }
    }

    /// Removes a module: from now on its handle is dead. The caller drops the result without the table's lock, since
    /// dropping exports may run any code.
    pub(crate) fn remove(&mut self, handle: Handle) -> Option<Module<E>> {
        let module = self.modules.remove(&handle)?;
        self.in_transit.retain(|other| *other != handle);
        let (path, base_name) = keys(&module.file);
        self.by_path.remove(&path);
        self.by_name.remove(&base_name, handle);
        let starts = [Some(handle.to_u64()), module.file.addresses.as_ref().map(|addresses| addresses.start)];
        for start in starts.into_iter().flatten() {
            if self.by_address.get(&start).is_some_and(|(_, owner)| *owner == handle) {
                self.by_address.remove(&start);
            }
        }
        Some(module)
    }

    /// Removes the modules that are being loaded or unloaded. The caller gets them without having to drop them.
    pub(crate) fn remove_in_transit(&mut self) -> Vec<Module<E>> {
        self.in_transit.clone().into_iter().filter_map(|handle| self.remove(handle)).collect()
    }

    fn at_address(&self, address: u64, loading: impl Fn() -> bool + Copy) -> Option<Handle> {
        let (_, (end, handle)) = self.by_address.range(..=address).next_back()?;
        (address < *end && self.is_visible(*handle, loading)).then_some(*handle)
    }

    /// The references of a module, if it can still be kept.
    fn references_mut(&mut self, handle: Handle) -> Result<&mut References, LoaderError> {
        match self.modules.get_mut(&handle) {
            None => Err(LoaderError::DeadHandle { handle }),
            Some(Module { phase: Phase::Unloading, file, .. }) => {
                Err(LoaderError::Unloading { module: file.path.to_string_lossy() })
            }
            Some(module) => Ok(&mut module.references),
        }
    }

    /// Whether the caller can see a module of the table.
    #[inline]
    fn is_visible(&self, handle: Handle, loading: impl Fn() -> bool + Copy) -> bool {
        !self.in_transit.contains(&handle) || loading()
    }
}

/// A file's path and base name in the form in which they are compared.
fn keys<E>(file: &ModuleFile<E>) -> (Key, Key) {
    let path = file.path.as_slice();
    (name::key(path), name::key(name::base_name(path)))
}
