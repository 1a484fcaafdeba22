//! Module names: UTF-8 and UTF-16 spellings of one name mean one module, whatever the case and the slashes, and what was loaded
//! is found under the name that loaded it.
#![no_main]

use arbitrary::{Result, Unstructured};
use libfuzzer_sys::{Corpus, fuzz_target};
use sspcache_loader::{EmulatedLoader, Handle, LoaderError, ModuleFile, Name};
use sspcache_types::name::fold;
use widestring::{U16Str, U16String};

/// Folders that are searched for bare names, and one that isn't.
const FOLDERS: [&str; 4] = [r"C:\app", r"C:\Windows\System32", r"C:\Windows", r"C:\elsewhere"];

fuzz_target!(|input: &[u8]| -> Corpus {
    if try_all(&mut Unstructured::new(input)).is_ok() { Corpus::Keep } else { Corpus::Reject }
});

fn try_all(input: &mut Unstructured<'_>) -> Result<()> {
    let folder = *input.choose(&FOLDERS)?;
    let as_path = input.arbitrary()?;
    let seed = input.arbitrary()?;
    let wide = input.arbitrary()?;
    let rest = input.bytes(input.len())?;
    let name = if wide { units(rest) } else { String::from_utf8_lossy(rest).encode_utf16().collect() };

    let loader = EmulatedLoader::new(ModuleFile::new(r"C:\app\app.exe").export("Export", 0));
    // A file of this very name, with the extension that a name gets, and one that is always there.
    let path = joined(folder, &name);
    loader.register(ModuleFile::new(&path).export("Export", 1));
    loader.register(
        ModuleFile::new(&joined(folder, &[name.as_slice(), &utf16(".dll")].concat())).export("Export", 1),
    );
    loader.register(ModuleFile::new("always.dll").export("Export", 2));
    let always = loader.load("always").expect("it is there");

    let asked = if as_path { path } else { U16String::from_vec(name) };
    same_in_utf8(&loader, &asked);
    match loader.load(&asked) {
        Ok(handle) => found_again(&loader, &asked, handle, seed),
        Err(error) => assert!(matches!(error.code(), 126 | 193 | 1114), "{error}"),
    }
    assert_eq!(loader.find("ALWAYS.DLL"), Ok(always), "another module is lost");
    Ok(())
}

/// The name's UTF-8 form, where it has one, means the same.
fn same_in_utf8(loader: &EmulatedLoader<u8>, name: &U16Str) {
    assert_eq!(Name::from(name).to_utf16(), *name);
    let Ok(text) = name.to_string() else { return };
    assert_eq!((Name::from(&text).to_string(), Name::from(name).to_string()), (text.clone(), text.clone()));
    assert_eq!(Name::from(&text).to_utf16(), *name);
    let of = |outcome: std::result::Result<Handle, LoaderError>| outcome.map_err(|error| error.code());
    assert_eq!(of(loader.find(name)), of(loader.find(&text)));
    let by_text = loader.load(&text);
    let by_units = loader.load(name);
    assert_eq!(of(by_text.clone()), of(by_units.clone()));
    for handle in [by_text, by_units].into_iter().flatten() {
        assert_eq!(loader.free(handle), Ok(()));
    }
}

/// What was loaded is found, by its name in every spelling and by its path, and is gone once it is freed.
fn found_again(loader: &EmulatedLoader<u8>, name: &U16Str, handle: Handle, seed: u64) {
    let spelling = spelled(name, seed);
    assert_eq!(loader.load(&spelling), Ok(handle), "another module is loaded by {:?}", spelling.display());
    let path = loader.file_name(handle).expect("it is loaded");
    assert_eq!(loader.find(&path), Ok(handle), "it isn't found by its path {:?}", path.display());
    // A lookup takes the spaces behind a name without extension for a part of it (L2).
    let is_blank = |unit: u16| unit == u16::from(b' ');
    if !name.as_slice().last().is_some_and(|unit| is_blank(*unit)) {
        for name in [name, &spelling] {
            assert_eq!(loader.find(name), Ok(handle), "it isn't found by {:?}", name.display());
        }
    }
    assert!(loader.procedure(handle, "Export").is_ok());
    assert!(loader.procedure(handle, "export").is_err(), "L7");
    let program = loader.program();
    if handle == program {
        return;
    }
    for _ in 0..2 {
        assert_eq!(loader.free(handle), Ok(()));
    }
    if loader.file_name(handle).is_ok() {
        // The one that is always there has a reference left.
        assert_eq!(loader.find("always"), Ok(handle));
        return;
    }
    assert_eq!(loader.free(handle).expect_err("it is gone").code(), 126);
    assert!(loader.find(&path).is_err());
}

/// Another spelling: some letters as capitals, some slashes turned round, as the bits say.
fn spelled(name: &U16Str, seed: u64) -> U16String {
    let units = name.as_slice().iter().enumerate().map(|(index, &unit)| {
        assert_eq!(fold(fold(unit)), fold(unit), "capitals of capitals");
        match (seed.rotate_right(u32::try_from(index % 64).expect("small")) & 1, char::from_u32(unit.into()))
        {
            (0, _) => unit,
            (_, Some('\\')) => u16::from(b'/'),
            (_, Some('/')) => u16::from(b'\\'),
            _ => fold(unit),
        }
    });
    U16String::from_vec(units.collect::<Vec<_>>())
}

fn joined(folder: &str, name: &[u16]) -> U16String {
    U16String::from_vec([utf16(folder).as_slice(), &utf16("\\"), name].concat())
}

fn utf16(text: &str) -> Vec<u16> {
    text.encode_utf16().collect()
}

fn units(bytes: &[u8]) -> Vec<u16> {
    bytes.chunks_exact(2).map(|pair| u16::from_le_bytes([pair[0], pair[1]])).collect()
}
