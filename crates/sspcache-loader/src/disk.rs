//! The disk for files that are not registered.

use widestring::U16Str;

use crate::ModuleFile;

/// The disk on which the loader finds files that are not registered: a real one, as Windows would see it.
pub trait Disk<E>: Send + Sync {
    /// The file at this absolute path, if there is one. The path has the form in which paths are compared: capitals and
    /// backslashes. The path of the returned file has the disk's spelling. The loader calls it under the loader lock.
    fn open(&self, path: &U16Str) -> Option<ModuleFile<E>>;

    /// Whether there is a folder at this absolute path, in the form that [`open`](Self::open) gets.
    fn has_folder(&self, path: &U16Str) -> bool;
}
