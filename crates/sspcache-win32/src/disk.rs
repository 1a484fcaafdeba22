//! The host's disk, as the loader sees it: paths in capitals with backslashes, modules that the dynamic linker opens.

use std::{
    ffi::{CStr, CString, OsStr},
    fs,
    os::unix::ffi::OsStrExt,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use libloading::os::unix::{Library, RTLD_LOCAL, RTLD_NOW};
use sspcache_loader::{Disk, ModuleFile, Reason};
use widestring::{U16Str, U16String};

use crate::{
    image::is_for_this_machine,
    locks::{Address, libraries},
};

/// The drive for the root of the host's disk, as in Wine.
pub(crate) const ROOT: &str = "Z:";

/// The disk of this machine.
pub(crate) struct HostDisk;

impl Disk<Address> for HostDisk {
    fn open(&self, path: &U16Str) -> Option<ModuleFile<Address>> {
        let path = without_link(find(path).filter(|path| path.is_file())?);
        let name = to_windows(&path);
        if is_for_this_machine(&path) { Some(module(path, &name)) } else { Some(ModuleFile::foreign(&name)) }
    }

    fn has_folder(&self, path: &U16Str) -> bool {
        find(path).is_some_and(|path| path.is_dir())
    }
}

/// A file of the host in the form that the loader knows: `Z:\folder\file`.
pub(crate) fn to_windows(path: &Path) -> U16String {
    let text = path.to_string_lossy().replace('/', "\\");
    U16String::from_str(&format!("{ROOT}{text}"))
}

/// A path of the loader in the form of the host; `None` for another drive, and for invalid UTF-16.
pub(crate) fn to_host(path: &U16Str) -> Option<String> {
    let path = path.to_string().ok()?;
    let (drive, rest) = path.split_at_checked(ROOT.len())?;
    drive.eq_ignore_ascii_case(ROOT).then(|| rest.replace('\\', "/"))
}

/// The file or folder with this path in any case (clause L12); of several, the first by name. A literal path keeps its
/// slashes and dots, which match no file.
fn find(path: &U16Str) -> Option<PathBuf> {
    if path.as_slice().contains(&u16::from(b'/')) {
        return None;
    }
    let host = to_host(path)?;
    let mut found = PathBuf::from("/");
    for component in host.split('/').filter(|component| !component.is_empty()) {
        found.push(entry(&found, component)?);
    }
    Some(found)
}

/// The file behind a link whose name differs from the file's in case alone: such links serve programs whose loader minds case.
fn without_link(path: PathBuf) -> PathBuf {
    let real = fs::canonicalize(&path).ok().filter(|real| {
        let [link, file] = [&path, real].map(|path| path.file_name().map(OsStr::to_string_lossy));
        let same =
            |link: &str, file: &str| sspcache_types::name::same(link.encode_utf16(), file.encode_utf16());
        link != file && link.zip(file).is_some_and(|(link, file)| same(&link, &file))
    });
    real.unwrap_or(path)
}

/// The entry of a folder with this name, ignoring case.
fn entry(folder: &Path, name: &str) -> Option<std::ffi::OsString> {
    let is = |file: &OsStr| {
        let units = file.to_str().into_iter().flat_map(str::encode_utf16);
        sspcache_types::name::same(units, name.encode_utf16())
    };
    let mut named: Vec<_> =
        fs::read_dir(folder).ok()?.flatten().map(|entry| entry.file_name()).filter(|file| is(file)).collect();
    named.sort_unstable();
    named.into_iter().next()
}

/// A shared object. The dynamic linker opens it in the notification of its load: its constructors run there, under the
/// loader lock (clauses C6 and L9), and its destructors when it is unloaded.
fn module(path: PathBuf, name: &U16Str) -> ModuleFile<Address> {
    static NEXT: AtomicU64 = AtomicU64::new(0);
    let (number, own) = (NEXT.fetch_add(1, Ordering::Relaxed), path.clone());
    ModuleFile::new(name)
        .fixed_exports_from(move |name| {
            // Without the lock: while a constructor runs, the linker blocks lookups on other threads, and the
            // constructor may look up a symbol itself.
            let library = libraries().get(&number).cloned()?;
            export(&library, &own, name)
        })
        .on_notification(move |notification| {
            if notification.reason() == Reason::Load {
                // SAFETY: opening the library runs its constructors, and dropping the last reference its destructors.
                // The contract of `LoadLibrary` makes its caller responsible for both, as for DllMain on Windows.
                let library = unsafe { Library::open(Some(&path), RTLD_NOW | RTLD_LOCAL) }.ok();
                let is_open = library.is_some();
                let before = library.and_then(|library| libraries().insert(number, Arc::new(library)));
                drop(before);
                return is_open;
            }
            // Closed without the lock: destructors may run any code.
            let library = libraries().remove(&number);
            drop(library);
            true
        })
}

/// An export of this module itself: the linker would search its dependencies, too.
fn export(library: &Library, path: &Path, name: &[u8]) -> Option<Address> {
    let name = CString::new(name).ok()?;
    // SAFETY: the symbol is only taken as an address here.
    let symbol = unsafe { library.get::<*const ()>(name.as_bytes_with_nul()) }.ok()?;
    let address = symbol.as_raw_ptr();
    let file = file_of(address.cast_const().cast())?;
    (file == path || fs::canonicalize(file).ok() == fs::canonicalize(path).ok())
        .then(|| address.expose_provenance())
}

/// The file of the module that contains an address.
pub(crate) fn file_of(address: *const std::ffi::c_void) -> Option<PathBuf> {
    let mut info = libc::Dl_info {
        dli_fname: std::ptr::null(),
        dli_fbase: std::ptr::null_mut(),
        dli_sname: std::ptr::null(),
        dli_saddr: std::ptr::null_mut(),
    };
    // SAFETY: the structure is there to be filled in; the address is only compared.
    if unsafe { libc::dladdr(address, &raw mut info) } == 0 || info.dli_fname.is_null() {
        return None;
    }
    // SAFETY: the linker's string lives as long as its module is loaded. The caller holds the module that contains the
    // address, as for any use of the address.
    let name = unsafe { CStr::from_ptr(info.dli_fname) };
    Some(PathBuf::from(OsStr::from_bytes(name.to_bytes())))
}
