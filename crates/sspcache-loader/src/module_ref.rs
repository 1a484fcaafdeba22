//! A held reference to a loaded module.

use std::fmt;

use smallvec::SmallVec;
use widestring::U16String;

use crate::{EmulatedLoader, Handle, LoaderError, Procedure};

/// A reference to a loaded module, given back on drop: while it is held, the module cannot be unloaded.
///
/// Dropping the last reference unloads the module, and so takes the loader lock and notifies it.
pub struct ModuleRef<E> {
    loader: EmulatedLoader<E>,
    handle: Handle,
    /// Whether the reference is still this value's to give back.
    owned: bool,
}

impl<E> ModuleRef<E> {
    /// Takes over a reference that the loader has already counted.
    pub(crate) fn owning(loader: EmulatedLoader<E>, handle: Handle) -> Self {
        Self { loader, handle, owned: true }
    }

    /// The module's handle, alive at least as long as this reference.
    pub fn handle(&self) -> Handle {
        self.handle
    }

    /// The loader that the module is loaded in.
    pub fn loader(&self) -> &EmulatedLoader<E> {
        &self.loader
    }

    /// The path that the module was loaded from.
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

    /// Gives the reference to the caller, who frees it by [`EmulatedLoader::free`]: how a C ABI hands it out.
    pub fn into_handle(mut self) -> Handle {
        self.owned = false;
        self.handle
    }
}

impl<E> Drop for ModuleRef<E> {
    fn drop(&mut self) {
        if self.owned {
            // A dead handle means that somebody freed a reference that was not theirs: nothing is left to give back.
            let _ = self.loader.free(self.handle);
        }
    }
}

/// References to several loaded modules, as [`EmulatedLoader::acquire_all`] takes them: those that are not asked for are given
/// back with this.
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
