//! Module files on the emulated disk.

use std::fmt;
use std::ops::Range;

use hashbrown::HashMap;
use widestring::U16String;

use crate::name::Name;
use crate::notification::Notification;

/// A module file on the emulated disk: its path, its exports, and its handler for notifications.
///
/// One file can be loaded and unloaded any number of times.
/// A path without a directory lies in the emulated system directory, where Windows keeps its SSPs.
pub struct ModuleFile<E> {
    pub(crate) path: U16String,
    pub(crate) is_module: bool,
    pub(crate) addresses: Option<Range<u64>>,
    pub(crate) names: HashMap<Box<[u8]>, E>,
    pub(crate) ordinals: HashMap<u16, E>,
    pub(crate) resolve: Option<Box<Resolve<E>>>,
    /// Whether the exports that `resolve` finds stay the same while the module is loaded.
    pub(crate) is_fixed: bool,
    pub(crate) entry: Option<Box<Entry<E>>>,
}

/// Finds exports that aren't listed.
pub(crate) type Resolve<E> = dyn Fn(&[u8]) -> Option<E> + Send + Sync;

/// A module's handler for notifications of its load and unload: its DllMain.
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

    /// A file that is not a module for this machine: loading it fails with 193 (L6).
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

    /// Finds exports with other names on demand, as the table of a real file does. The loader calls it only while the
    /// module is loaded, or during its notifications.
    #[must_use]
    pub fn exports_from(mut self, resolve: impl Fn(&[u8]) -> Option<E> + Send + Sync + 'static) -> Self {
        self.resolve = Some(Box::new(resolve));
        self.is_fixed = false;
        self
    }

    /// The same for exports that don't change while the module is loaded. The loader keeps those that it found, and
    /// asks again only for the others.
    #[must_use]
    pub fn fixed_exports_from(mut self, resolve: impl Fn(&[u8]) -> Option<E> + Send + Sync + 'static) -> Self
    where
        E: Copy, // It is copied under the table's lock, where foreign code must not run.
    {
        self.resolve = Some(Box::new(resolve));
        self.is_fixed = true;
        self
    }

    /// The addresses of the loaded module, when its exports have real ones. By default each load gets 64 KiB of an
    /// emulated address space that no host uses.
    #[must_use]
    pub fn addresses(mut self, addresses: Range<u64>) -> Self {
        self.addresses = Some(addresses);
        self
    }

    /// Sets the handler for notifications of loads and unloads (L9), which runs under the loader lock. Returning
    /// `false` for a load refuses it (1114); the result for an unload is ignored.
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
