//! Files that the test didn't register, found on a disk that a test makes up.

use std::sync::{Arc, Mutex};

use sspcache_loader::{Disk, EmulatedLoader, LoadFlags, ModuleFile, Reason};
use widestring::{U16Str, U16String};

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

    fn has_folder(&self, path: &U16Str) -> bool {
        let inside = format!(r"{}\", path.to_string().unwrap());
        self.files.iter().any(|file| file.to_uppercase().starts_with(&inside))
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
    loader.set_system_folders([r"C:\first", r"C:\second", "third"].map(Into::into));
    let module = loader.load("tool").unwrap();
    assert_eq!(loader.file_name(module).unwrap().to_string().unwrap(), r"C:\second\Tool.dll");
    assert_eq!(
        *shelf.asked.lock().unwrap(),
        [r"C:\APP\TOOL.DLL", r"C:\FIRST\TOOL.DLL", r"C:\SECOND\TOOL.DLL"]
    );
    assert_eq!(loader.find("TOOL.DLL"), Ok(module));
    loader.load("tool").unwrap();
    assert_eq!(shelf.asked.lock().unwrap().len(), 3, "what is loaded is not sought");
    let error = loader.load("other.dll").unwrap_err();
    assert_eq!(error.code(), 126);
    assert!(error.to_string().contains(r"C:\app; C:\first; C:\second; C:\app\third; C:\app"), "{error}");
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
        fn has_folder(&self, _: &U16Str) -> bool {
            false
        }

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

/// L12: the standard search, and what takes its place.
#[test]
fn every_folder_has_its_place_in_the_search() {
    let (loader, shelf) = process(&[r"C:\added\a.dll", r"C:\second\a.dll"]);
    loader.set_current_directory(r"C:\current");
    let sought = |flags: u32| {
        shelf.asked.lock().unwrap().clear();
        let flags = LoadFlags::from_bits(flags).unwrap();
        assert_eq!(loader.load_ex("missing", flags).unwrap_err().code(), 126);
        shelf.asked.lock().unwrap().iter().map(|path| path.replace(r"\MISSING.DLL", "")).collect::<Vec<_>>()
    };
    let (app, system, windows) = (r"C:\APP", r"C:\WINDOWS\SYSTEM32", r"C:\WINDOWS");
    assert_eq!(sought(0), [app, system, windows, r"C:\CURRENT"]);
    assert_eq!(sought(0x1000), [app, system]);
    let added = loader.add_dll_directory("C:/ADDED/").unwrap();
    loader.add_dll_directory(r"C:\second").unwrap();
    loader.set_dll_directory(Some("chosen".into()));
    assert_eq!(loader.dll_directory().unwrap(), U16String::from_str("chosen"));
    assert_eq!(sought(0), [app, r"C:\CURRENT\CHOSEN", system, windows]);
    let all = [app, r"C:\ADDED", r"C:\SECOND", r"C:\CURRENT\CHOSEN", system];
    assert_eq!(sought(0x1000), all);
    assert_eq!(sought(0xE00), all);
    assert_eq!((sought(0x200), sought(0x800)), (vec![app.to_owned()], vec![system.to_owned()]));
    loader.remove_dll_directory(added).unwrap();
    assert_eq!(loader.remove_dll_directory(added).unwrap_err().code(), 87);
    assert_eq!(sought(0x400), all[2..4]);
    loader.set_default_dll_directories(0xA00).unwrap();
    assert_eq!(sought(0), [app, system]);
    assert_eq!(sought(0x400), all[2..4], "a load's own flags come first");
}

/// L12: what has no folder of its own on the disk can't be added.
#[test]
fn a_folder_that_is_to_be_added_must_be_there() {
    let (loader, _) = process(&[r"C:\on\disk\a.dll"]);
    loader.register(ModuleFile::new(r"C:\Registered\below\b.dll"));
    for folder in [r"C:\on", r"\on\disk", r"c:\registered\", r"C:\registered\below", r"C:\app", r"C:\windows"]
    {
        assert!(loader.add_dll_directory(folder).is_ok(), "{folder}");
    }
    for (folder, code) in
        [(r"C:\o", 2), (r"C:\registered\other", 2), (r"D:\on", 2), ("on", 87), ("", 87), ("C:on", 87)]
    {
        let error = loader.add_dll_directory(folder).unwrap_err();
        assert_eq!(error.code(), code, "{folder}: {error}");
        assert!(error.to_string().contains(&format!("`{folder}`")), "{error}");
    }
}
