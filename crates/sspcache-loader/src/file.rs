//! Module files: what lies on the emulated disk, ready to be loaded.

use std::fmt;
use std::ops::Range;

use hashbrown::HashMap;
use widestring::U16String;

use crate::name::Name;
use crate::notification::Notification;

/// A module file on the emulated disk: its path, what it exports, and what it does when it is told of its load.
///
/// A file is described once and can be loaded and unloaded any number of times.
/// A path without a directory lies in the emulated system directory, where Windows keeps its SSPs.
pub struct ModuleFile<E> {
    pub(crate) path: U16String,
    pub(crate) is_module: bool,
    pub(crate) addresses: Option<Range<u64>>,
    pub(crate) names: HashMap<Box<[u8]>, E>,
    pub(crate) ordinals: HashMap<u16, E>,
    pub(crate) resolve: Option<Box<Resolve<E>>>,
    /// Whether what `resolve` finds stays so while the module is loaded.
    pub(crate) is_fixed: bool,
    pub(crate) entry: Option<Box<Entry<E>>>,
}

/// How exports are found that weren't listed.
pub(crate) type Resolve<E> = dyn Fn(&[u8]) -> Option<E> + Send + Sync;

/// What a module does when it is told of its load and unload: its DllMain.
pub(crate) type Entry<E> = dyn Fn(&Notification<'_, E>) -> bool + Send + Sync;

impl<E> ModuleFile<E> {
    /// A module without exports at `path`: bare, or absolute with a drive or share.
    pub fn new<'a>(path: impl Into<Name<'a>>) -> Self {
        Self {
            path: path.into().to_utf16(),
            is_module: true,
            addresses: None,
            names: HashMap::new(),
            ordinals: HashMap::new(),
            resolve: None,
            is_fixed: false,
            entry: None,
        }
    }

    /// A file that is no module of this machine: loading it fails with 193 (L6).
    pub fn foreign<'a>(path: impl Into<Name<'a>>) -> Self {
        Self { is_module: false, ..Self::new(path) }
    }

    /// Exports `value` under `name`, compared exactly (L7). A second export of the same name replaces the first.
    #[must_use]
    pub fn export(mut self, name: impl AsRef<[u8]>, value: E) -> Self {
        self.names.insert(name.as_ref().into(), value);
        self
    }

    /// Exports `value` under an ordinal (L7). For an export that has a name as well, call both methods.
    #[must_use]
    pub fn export_ordinal(mut self, ordinal: u16, value: E) -> Self {
        self.ordinals.insert(ordinal, value);
        self
    }

    /// Finds exports of other names when they are asked for, as a real file's own table does. It is asked while the module is
    /// loaded, or being told of its load or unload.
    #[must_use]
    pub fn exports_from(mut self, resolve: impl Fn(&[u8]) -> Option<E> + Send + Sync + 'static) -> Self {
        self.resolve = Some(Box::new(resolve));
        self.is_fixed = false;
        self
    }

    /// The same for exports that stay what they are while the module is loaded: what was found once is kept until then, and not
    /// asked for again. What wasn't found is.
    #[must_use]
    pub fn fixed_exports_from(mut self, resolve: impl Fn(&[u8]) -> Option<E> + Send + Sync + 'static) -> Self
    where
        E: Copy, // It is copied under the table's lock, where nobody else's code may run.
    {
        self.resolve = Some(Box::new(resolve));
        self.is_fixed = true;
        self
    }

    /// The addresses that the loaded module occupies, when its exports lie somewhere real. By default every load
    /// gets 64 KiB of an emulated address space that no host uses.
    #[must_use]
    pub fn addresses(mut self, addresses: Range<u64>) -> Self {
        self.addresses = Some(addresses);
        self
    }

    /// What the module does when it is told of its load and unload (L9), under the loader lock. Answering a load with
    /// `false` refuses it (1114); the answer to an unload is ignored.
    #[must_use]
    pub fn on_notification(
        mut self,
        entry: impl Fn(&Notification<'_, E>) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.entry = Some(Box::new(entry));
        self
    }
}

impl<E: Clone> ModuleFile<E> {
    pub(crate) fn find_export(&self, name: &[u8]) -> Option<E> {
        self.names.get(name).cloned().or_else(|| self.resolve.as_ref()?(name))
    }
}

impl<E> fmt::Debug for ModuleFile<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ModuleFile")
            .field("path", &self.path)
            .field("is_module", &self.is_module)
            .field("names", &self.names.len())
            .field("ordinals", &self.ordinals.len())
            .finish_non_exhaustive()
    }
}
