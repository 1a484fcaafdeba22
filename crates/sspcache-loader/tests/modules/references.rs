//! Held references, modules of one name, addresses, and names that are no valid UTF-16.

use std::sync::{Arc, Mutex};

use sspcache_loader::{EmulatedLoader, Handle, Lifetime, LoaderError, ModuleFile, PlainName, Sought};
use widestring::{U16Str, U16String, u16str};

fn loader() -> EmulatedLoader<&'static str> {
    let loader = EmulatedLoader::new(ModuleFile::new(r"C:\app\program.exe").export("main", "program"));
    for folder in ["a", "b", "c"] {
        loader.register(ModuleFile::new(&format!(r"C:\{folder}\ssp.dll")).export("where", folder));
    }
    loader
}

/// C4, L8
#[test]
fn a_module_stays_while_a_reference_is_held() {
    let loader = loader();
    let handle = loader.load(r"C:\a\ssp").unwrap();
    let reference = loader.acquire("ssp").unwrap();
    loader.free(handle).unwrap();
    assert_eq!(reference.procedure("where"), Ok("a"));
    assert_eq!(reference.file_name().unwrap(), u16str!(r"C:\a\ssp.dll"));
    drop(reference);
    assert_eq!(loader.find("ssp").unwrap_err().code(), 126);
}

/// L8
#[test]
fn a_reference_turned_into_a_handle_is_given_back_by_free() {
    let loader = loader();
    let handle = loader.load_ref(r"C:\a\ssp").unwrap().into_handle();
    assert_eq!(loader.find("ssp"), Ok(handle));
    loader.free(handle).unwrap();
    assert!(loader.find("ssp").is_err());
}

/// C4: when several loaded modules carry the SSP's name, each is flushed by its own handle.
#[test]
fn all_modules_of_a_name_are_found_in_the_order_of_their_loads() {
    let loader = loader();
    assert!(loader.acquire_all("ssp.dll").unwrap().len() == 0);
    let references: Vec<_> = ["b", "c", "a"]
        .iter()
        .map(|folder| loader.load_ref(&format!(r"C:\{folder}\ssp.dll")).unwrap())
        .collect();
    let found: Vec<_> = loader.acquire_all("SSP").unwrap().collect();
    let folders: Vec<_> = found.iter().map(|module| module.procedure("where").unwrap()).collect();
    assert_eq!(folders, ["b", "c", "a"]);
    drop(references);
    assert_eq!(found[1].procedure("where"), Ok("c"), "each is referenced");
    let by_path: Vec<_> = loader.acquire_all(r"c:/a/ssp.dll").unwrap().collect();
    assert_eq!(by_path.len(), 1);
    assert_eq!(by_path[0].handle(), found[2].handle());
    drop((found, by_path));
    assert!(loader.acquire_all("ssp").unwrap().len() == 0);
}

/// L8: a handle that died stays dead, however often the module comes back.
#[test]
fn no_handle_is_given_out_twice() {
    let loader = loader();
    let mut handles: Vec<Handle> = Vec::new();
    for _ in 0..if cfg!(miri) { 20 } else { 1000 } {
        let handle = loader.load(r"C:\a\ssp").unwrap();
        loader.free(handle).unwrap();
        handles.push(handle);
    }
    let count = handles.len();
    handles.sort();
    handles.dedup();
    assert_eq!(handles.len(), count);
    let _alive = loader.load_ref(r"C:\a\ssp").unwrap();
    for handle in handles {
        assert_eq!(loader.free(handle), Err(LoaderError::DeadHandle { handle }));
    }
}

/// L5: a module whose exports lie somewhere real is found by their addresses as well as by its handle.
#[test]
fn a_module_is_found_by_the_addresses_it_was_registered_with() {
    let loader = loader();
    loader.register(ModuleFile::new("low.dll").addresses(0x40_0000..0x40_8000).export("f", "low"));
    loader.register(ModuleFile::new("high.dll").addresses(0x40_8000..0x41_0000).export("f", "high"));
    let [low, high] = ["low", "high"].map(|name| loader.load(name).unwrap());
    let cases = [
        (0x3f_ffff, None),
        (0x40_0000, Some(low)),
        (0x40_7fff, Some(low)),
        (0x40_8000, Some(high)),
        (0x40_ffff, Some(high)),
        (0x41_0000, None),
        (low.to_u64(), Some(low)),
        (high.to_u64() + 0xffff, Some(high)),
        (u64::MAX, None),
    ];
    for (address, module) in cases {
        assert_eq!(loader.find(Sought::Address(address)).ok(), module, "{address:#x}");
    }
    loader.free(low).unwrap();
    assert_eq!(
        loader.find(Sought::Address(0x40_0000)),
        Err(LoaderError::NoModuleAtAddress { address: 0x40_0000 })
    );
    assert_eq!(loader.find(Sought::Address(0x40_8000)), Ok(high));
    let again = loader.load("low").unwrap();
    assert_eq!(loader.find(Sought::Address(0x40_0000)), Ok(again), "it is where it was before");
}

/// L1, L11: an unpaired surrogate is a letter like any other, kept as it is.
#[test]
fn unpaired_surrogates_are_neither_replaced_nor_mixed_up() {
    let loader = EmulatedLoader::new(ModuleFile::new("program.exe"));
    let name = |surrogate: u16| U16String::from_vec([&[surrogate], u16str!("x.dll").as_slice()].concat());
    let (one, other) = (name(0xD800), name(0xDFFF));
    loader.register(ModuleFile::new(&one).export("which", 1));
    loader.register(ModuleFile::new(&other).export("which", 2));
    let [one_handle, other_handle] = [&one, &other].map(|name| loader.load(name).unwrap());
    assert_ne!(one_handle, other_handle);
    assert_eq!(loader.procedure(other_handle, "which"), Ok(2));
    let capitals = U16String::from_vec([&[0xD800], u16str!("X").as_slice()].concat());
    assert_eq!(loader.find(&capitals), Ok(one_handle));
    let path = loader.file_name(one_handle).unwrap();
    assert!(path.as_slice().ends_with(one.as_slice()));
    assert!(loader.find("\u{FFFD}x.dll").is_err());
}

/// L4, L7
#[test]
fn no_module_is_the_program() {
    let loader = loader();
    assert_eq!(loader.procedure(None, "main"), Ok("program"));
    assert_eq!(loader.procedure(loader.program(), "main"), Ok("program"));
    assert_eq!(
        loader.procedure(None, 1),
        Err(LoaderError::OrdinalNotFound { module: r"C:\app\program.exe".into(), ordinal: 1 })
    );
    assert_eq!(loader.find(Sought::Program), Ok(loader.program()));
    assert_eq!(loader.free(None), Err(LoaderError::NullHandle));
}

/// L5
#[test]
fn pinning_outlives_every_reference() {
    let loader = loader();
    let handle = loader.load(r"C:\a\ssp").unwrap();
    assert_eq!(loader.find_ex("ssp", Lifetime::Pin), Ok(handle));
    for _ in 0..3 {
        loader.free(handle).unwrap();
        drop(loader.acquire("ssp").unwrap());
    }
    assert_eq!(loader.procedure(handle, "where"), Ok("a"));
}

/// L3: what is replaced on the disk stays what it is in memory.
#[test]
fn a_file_registered_again_is_what_the_next_load_takes() {
    let loader = loader();
    let old = loader.load(r"C:\a\ssp").unwrap();
    loader.register(ModuleFile::new(r"c:\A\SSP.DLL").export("where", "new"));
    assert_eq!(loader.procedure(old, "where"), Ok("a"));
    assert_eq!(loader.load("ssp"), Ok(old));
    loader.free(old).unwrap();
    loader.free(old).unwrap();
    let new = loader.load(r"C:\a\ssp").unwrap();
    assert_eq!(loader.procedure(new, "where"), Ok("new"));
}

/// L3: program's folder, system directory, Windows directory, current directory.
#[test]
fn a_bare_name_is_sought_in_the_documented_order() {
    let loader: EmulatedLoader<u32> = EmulatedLoader::new(ModuleFile::new(r"C:\app\program.exe"));
    loader.set_current_directory(r"D:\work");
    let folders = [r"D:\work", r"C:\Windows", r"C:\Windows\System32", r"C:\app"];
    for (number, folder) in (0..).zip(folders) {
        loader.register(ModuleFile::new(&format!(r"{folder}\ssp.dll")).export("where", number));
        let module = loader.load_ref("ssp").unwrap();
        assert_eq!(module.procedure("where"), Ok(number), "{folder}");
    }
    loader.register(ModuleFile::new("bare.dll"));
    let bare = loader.load_ref("bare").unwrap();
    assert_eq!(bare.file_name().unwrap(), u16str!(r"C:\Windows\System32\bare.dll"));
}

/// L3
#[test]
fn the_root_of_a_drive_is_a_folder_like_any_other() {
    let loader: EmulatedLoader<u32> = EmulatedLoader::new(ModuleFile::new("program.exe"));
    assert_eq!(loader.file_name(None).unwrap(), u16str!(r"C:\program.exe"));
    loader.register(ModuleFile::new(r"C:\beside.dll"));
    loader.register(ModuleFile::new(r"D:\current.dll"));
    let beside = loader.load("beside").unwrap();
    assert_eq!(loader.find(r"\beside.dll"), Ok(beside));
    loader.set_current_directory(r"D:\");
    let current = loader.load("current").unwrap();
    for name in [r"D:\current", "D:current", r"\current", r".\current", r"..\current"] {
        assert_eq!(loader.find(name), Ok(current), "{name}");
    }
}

/// L6: each error says what failed and on what.
#[test]
fn errors_name_what_and_where() {
    let loader = loader();
    let module = loader.load(r"C:\a\ssp").unwrap();
    loader.register(ModuleFile::foreign("text.dll"));
    let cases = [
        (loader.procedure(module, "Where").map(drop), r"C:\a\ssp.dll has no export `Where`"),
        (loader.procedure(module, 9).map(drop), r"C:\a\ssp.dll has no export with the ordinal 9"),
        (loader.load("absent").map(drop), r"`absent` was found (searched: C:\app; C:\Wi"),
        (loader.load("text").map(drop), r"C:\Windows\System32\text.dll is not a module"),
        (loader.find("absent").map(drop), "no module `absent` is loaded"),
        (loader.find("").map(drop), "`` is not a module's name"),
        (loader.find(Sought::Address(0x10)).map(drop), "0x10"),
    ];
    for (result, text) in cases {
        let error = result.unwrap_err().to_string();
        assert!(error.contains(text), "{error:?} lacks {text:?}");
    }
}

#[test]
fn a_loader_goes_wherever_its_exports_may() {
    fn is_shared<T: Clone + Send + Sync + 'static>() {}
    is_shared::<EmulatedLoader<fn() -> bool>>();
    let name: &U16Str = u16str!("ssp");
    assert!(loader().find(name).is_err());
}

/// L7: what stays as it is while the module is loaded is asked for once; what isn't found, or may change, is each time.
#[test]
fn a_fixed_export_is_sought_once_while_its_module_is_loaded() {
    let asked = Arc::new(Mutex::new(vec![]));
    let resolve = |file: &'static str| {
        let asked = asked.clone();
        move |name: &[u8]| {
            asked.lock().unwrap().push(format!("{file} {}", String::from_utf8_lossy(name)));
            (name == b"there").then_some(file)
        }
    };
    let loader = EmulatedLoader::new(ModuleFile::new("program.exe"));
    loader.register(ModuleFile::new("fixed.dll").fixed_exports_from(resolve("fixed")));
    loader.register(ModuleFile::new("other.dll").exports_from(resolve("other")));
    for _ in 0..2 {
        for file in ["fixed", "other"] {
            let module = loader.load(file).unwrap();
            for _ in 0..2 {
                assert_eq!(loader.procedure(module, "there"), Ok(file));
                assert_eq!(loader.procedure(module, "absent").unwrap_err().code(), 127);
            }
            loader.free(module).unwrap();
            assert_eq!(loader.procedure(module, "there").unwrap_err().code(), 126);
        }
    }
    let fixed = ["fixed there", "fixed absent", "fixed absent"];
    let other = ["other there", "other absent", "other there", "other absent"];
    assert_eq!(*asked.lock().unwrap(), [&fixed[..], &other, &fixed, &other].concat());
}

/// L1, L3
#[test]
fn a_name_that_was_read_before_finds_what_it_names() {
    let loader = loader();
    let name = PlainName::new("Ssp.DLL".into()).unwrap();
    assert_eq!(loader.find(name).unwrap_err().to_string(), "no module `SSP.DLL` is loaded");
    let module = loader.load(r"C:\b\ssp").unwrap();
    loader.load(r"C:\a\ssp").unwrap();
    assert_eq!(loader.find(name), Ok(module));
    for spelled in ["ssp", "ssp.dll.", r"a\ssp.dll", "C:ssp.dll", "ssp.dll ", "\u{17f}sp.dll", ""] {
        assert_eq!(PlainName::new(spelled.into()), None, "{spelled}");
    }
}
