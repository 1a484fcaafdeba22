//! A disk behind the files that were registered.

use widestring::U16Str;

use crate::ModuleFile;

/// Where module files are found that nobody registered: a real disk, seen as Windows sees its own.
pub trait Disk<E>: Send + Sync {
    /// The file at this whole path, if there is one. The path comes in capitals and with backslashes, as paths are compared;
    /// the file's own has the letters that it has on the disk. It is asked under the loader lock.
    fn open(&self, path: &U16Str) -> Option<ModuleFile<E>>;

    /// Whether there is a folder of this whole path, spelled as for [`open`](Self::open).
    fn has_folder(&self, path: &U16Str) -> bool;
}
