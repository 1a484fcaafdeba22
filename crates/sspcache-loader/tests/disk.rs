//! Files that nobody registered, found on a disk that a test makes up.

#![forbid(unsafe_code)]

use std::sync::{Arc, Mutex};

use sspcache_loader::{Disk, EmulatedLoader, ModuleFile, Reason};
use widestring::U16Str;

/// Files by their paths in capitals, and what it was asked for.
#[derive(Clone, Default)]
struct Shelf {
    files: &'static [&'static str],
    asked: Arc<Mutex<Vec<String>>>,
}

impl Disk<usize> for Shelf {
    fn open(&self, path: &U16Str) -> Option<ModuleFile<usize>> {
        let path = path.to_string().unwrap();
        self.asked.lock().unwrap().push(path.clone());
        let file = self.files.iter().find(|file| file.to_uppercase() == path)?;
        let length = file.len();
        let file = ModuleFile::new(*file).export("Listed", 1);
        Some(file.exports_from(move |name| (name == b"Length").then_some(length)))
    }
}

fn process(files: &'static [&'static str]) -> (EmulatedLoader<usize>, Shelf) {
    let shelf = Shelf { files, ..Shelf::default() };
    (EmulatedLoader::with_disk(ModuleFile::new(r"C:\app\app.exe"), shelf.clone()), shelf)
}

/// L2, L3
#[test]
fn a_file_is_sought_in_the_folders_in_their_order() {
    let (loader, shelf) = process(&[r"C:\second\Tool.dll", r"C:\third\tool.dll"]);
    loader.set_search_folders([r"C:\first", r"C:\second", "third"].map(Into::into));
    let module = loader.load("tool").unwrap();
    assert_eq!(loader.file_name(module).unwrap().to_string().unwrap(), r"C:\second\Tool.dll");
    assert_eq!(*shelf.asked.lock().unwrap(), [r"C:\FIRST\TOOL.DLL", r"C:\SECOND\TOOL.DLL"]);
    assert_eq!(loader.find("TOOL.DLL"), Ok(module));
    loader.load("tool").unwrap();
    assert_eq!(shelf.asked.lock().unwrap().len(), 2, "what is loaded is not sought");
    let error = loader.load("other.dll").unwrap_err();
    assert_eq!(error.code(), 126);
    assert!(error.to_string().contains(r"C:\first; C:\second; C:\app\third; C:\app"), "{error}");
}

/// L3, L7: what is registered comes before the disk; what is not listed is resolved.
#[test]
fn what_is_registered_comes_first_and_other_exports_are_resolved() {
    let (loader, shelf) = process(&[r"C:\app\a.dll"]);
    let from_disk = loader.load("a.dll").unwrap();
    assert_eq!(loader.procedure(from_disk, "Listed"), Ok(1));
    assert_eq!(loader.procedure(from_disk, "Length"), Ok(r"C:\app\a.dll".len()));
    assert_eq!(loader.procedure(from_disk, "length").unwrap_err().code(), 127);
    loader.free(from_disk).unwrap();
    loader.register(ModuleFile::new(r"C:\app\A.dll").export("Listed", 2));
    let registered = loader.load("a.dll").unwrap();
    assert_eq!(loader.procedure(registered, "Listed"), Ok(2));
    assert_eq!(shelf.asked.lock().unwrap().len(), 1);
}

/// L9: the disk is asked by the thread that owns the loader lock, which may ask the loader in turn.
#[test]
fn a_disk_may_ask_the_loader() {
    struct Curious(Arc<Mutex<Option<EmulatedLoader<usize>>>>);
    impl Disk<usize> for Curious {
        fn open(&self, path: &U16Str) -> Option<ModuleFile<usize>> {
            let loader = self.0.lock().unwrap().clone()?;
            assert!(loader.is_loader_lock_held_by_current_thread());
            assert!(loader.find("a.dll").is_err());
            let file = ModuleFile::new(path).on_notification(move |told| match told.reason() {
                Reason::Load => told.loader().find("a.dll").is_ok(),
                _ => true,
            });
            Some(file)
        }
    }
    let place = Arc::new(Mutex::new(None));
    let loader = EmulatedLoader::with_disk(ModuleFile::new(r"C:\app.exe"), Curious(place.clone()));
    *place.lock().unwrap() = Some(loader.clone());
    let module = loader.load("a.dll").unwrap();
    loader.free(module).unwrap();
    assert!(loader.find("a.dll").is_err());
    place.lock().unwrap().take();
}
