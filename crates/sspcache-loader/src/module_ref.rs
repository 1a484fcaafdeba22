//! A held reference to a loaded module.

use std::fmt;

use smallvec::SmallVec;
use widestring::U16String;

use crate::{EmulatedLoader, Handle, LoaderError, Procedure};

/// A reference to a loaded module, freed on drop: while it is held, the module stays loaded.
///
/// Dropping the last reference takes the loader lock, notifies the module and unloads it.
pub struct ModuleRef<E> {
    loader: EmulatedLoader<E>,
    handle: Handle,
    /// Whether this value still has to free the reference.
    owned: bool,
}

impl<E> ModuleRef<E> {
    /// Takes over a reference that the loader has already counted.
    pub(crate) fn owning(loader: EmulatedLoader<E>, handle: Handle) -> Self {
        Self { loader, handle, owned: true }
    }

    /// The module's handle, valid at least as long as this reference.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The loader of the module.
    pub fn loader(&self) -> &EmulatedLoader<E> {
        &self.loader
    }

    /// The path of the module's file.
    pub fn file_name(&self) -> Result<U16String, LoaderError> {
        self.loader.file_name(self.handle)
    }

    /// An export of the module, see [`EmulatedLoader::procedure`].
    pub fn procedure<'p>(&self, procedure: impl Into<Procedure<'p>>) -> Result<E, LoaderError>
    where
        E: Clone,
    {
        self.loader.procedure(self.handle, procedure)
    }

    /// Passes the reference to the caller, who frees it with [`EmulatedLoader::free`]: for a C ABI.
    pub fn into_handle(mut self) -> Handle {
        self.owned = false;
        self.handle
    }
}

impl<E> Drop for ModuleRef<E> {
    fn drop(&mut self) {
        if self.owned {
            // The handle is dead when a caller has freed a reference too many: nothing is left to free.
            let _ = self.loader.free(self.handle);
        }
    }
}

/// References to several loaded modules, from [`EmulatedLoader::acquire_all`]. Dropping it frees those that it didn't
/// return.
pub struct ModuleRefs<E>(smallvec::IntoIter<[ModuleRef<E>; 1]>);

impl<E> FromIterator<ModuleRef<E>> for ModuleRefs<E> {
    fn from_iter<T: IntoIterator<Item = ModuleRef<E>>>(references: T) -> Self {
        Self(references.into_iter().collect::<SmallVec<_>>().into_iter())
    }
}

impl<E> Iterator for ModuleRefs<E> {
    type Item = ModuleRef<E>;

    fn next(&mut self) -> Option<ModuleRef<E>> {
        self.0.next()
    }

    fn size_hint(&self) -> (usize, Option<usize>) {
        self.0.size_hint()
    }
}

impl<E> ExactSizeIterator for ModuleRefs<E> {}

impl<E> fmt::Debug for ModuleRefs<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModuleRefs").field(&self.0.as_slice()).finish()
    }
}

impl<E> fmt::Debug for ModuleRef<E> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("ModuleRef").field(&self.handle).finish()
    }
}
