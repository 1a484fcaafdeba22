//! `sspcache inspect`: what a DLL exports, and whether it honours clause C1, on files of every system.

use std::{fs, path::Path};

use serde_json::{Value, json};
use sspcache_tests::program::{Ran, fixture, sspcache};

fn inspect(file: &Path) -> Ran {
    Ran::of(sspcache().args(["inspect", "--format", "json"]).arg(file))
}

fn image(file: &Path) -> Value {
    inspect(file).json()[0]["images"][0].take()
}

/// C1, C5
#[test]
fn a_dll_honours_c1_if_the_function_is_exported_by_its_exact_undecorated_name() {
    for (file, format, machine, exported_as, status) in [
        ("pe-64.dll", "PE", "x86-64", Some("CleanupCredentialCache"), 0),
        ("pe-64-forwarded.dll", "PE", "x86-64", Some("CleanupCredentialCache"), 0),
        ("pe-64-none.dll", "PE", "x86-64", None, 1),
        ("pe-64-other-case.dll", "PE", "x86-64", Some("cleanupcredentialcache"), 1),
        ("pe-32.dll", "PE", "x86 (32-bit)", Some("CleanupCredentialCache"), 0),
        ("pe-32-stdcall.dll", "PE", "x86 (32-bit)", Some("CleanupCredentialCache@0"), 1),
        ("pe-32-stdcall-underscore.dll", "PE", "x86 (32-bit)", Some("_CleanupCredentialCache@0"), 1),
        ("elf-64.so", "ELF", "x86-64", Some("CleanupCredentialCache"), 0),
        ("elf-64-mangled.so", "ELF", "x86-64", Some("_Z22CleanupCredentialCachev"), 1),
        ("mach-o-64.dylib", "Mach-O", "x86-64", Some("CleanupCredentialCache"), 0),
    ] {
        let path = fixture("inspect").join(file);
        inspect(&path).exits_with(status);
        let image = image(&path);
        let expected = json!([format, machine, status == 0, exported_as]);
        let actual = json!([
            image["format"],
            image["machine"],
            image["cleanup"]["honoured"],
            image["cleanup"]["exported_as"]
        ]);
        assert_eq!(actual, expected, "{file}");
    }
}

/// C1
#[test]
fn a_decorated_export_is_named_as_the_fault() {
    let ran =
        Ran::of(sspcache().arg("inspect").arg(fixture("inspect/pe-32-stdcall-underscore.dll"))).exits_with(1);
    let message = "not found: exported as _CleanupCredentialCache@0, decorated";
    assert!(ran.stdout.contains(message), "{}", ran.stdout);
}

#[test]
fn a_windows_program_is_judged_by_whether_it_takes_a_mock_that_lies_beside_it() {
    for (file, reach, said, status) in [
        ("pe-64-linked.exe", "reached", "it imports Secur32.dll", 0),
        ("pe-64-by-name.exe", "may be reached", "it has the name secur32.dll and may load it", 0),
        ("pe-64-system32.exe", "not reached", "(DependentLoadFlags 0x800)", 1),
        ("pe-64-plain.exe", "unknown", "names neither secur32.dll nor sspicli.dll", 1),
    ] {
        let path = fixture("inspect").join(file);
        let secur32 = image(&path)["secur32"].take();
        assert_eq!(secur32["reach"], reach, "{file}: {secur32}");
        let ran = Ran::of(sspcache().arg("inspect").arg(&path)).exits_with(status);
        let line = ran.stdout.lines().find(|line| line.starts_with(" secur32")).unwrap_or_default();
        assert!(line.contains(&format!(" {reach}: ")), "{file}: {}", ran.stdout);
        assert!(secur32["message"].as_str().unwrap().contains(said), "{file}: {secur32}");
        // A program has no cache of its own.
        assert!(!ran.stdout.contains("flush"), "{file}: {}", ran.stdout);
    }
    assert_eq!(image(&fixture("inspect/pe-64.dll"))["secur32"], Value::Null);
}

#[test]
fn the_report_names_what_an_ssp_is_known_by() {
    let path = fixture("inspect/mach-o-64.dylib");
    let ran = Ran::of(sspcache().arg("inspect").arg(&path)).exits_with(0);
    insta::assert_snapshot!(ran.stdout.replace(path.to_str().unwrap(), "mach-o-64.dylib"), @"
    mach-o-64.dylib: Mach-O dynamic library for x86-64
     flush         found: CleanupCredentialCache is exported, undecorated
     SSPI exports  2 of 4: CleanupCredentialCache, InitSecurityInterfaceW
    ");
}

#[test]
fn all_exports_are_listed_when_they_are_wanted() {
    let path = fixture("inspect/mach-o-64.dylib");
    let ran = Ran::of(sspcache().args(["inspect", "--all"]).arg(path)).exits_with(0);
    assert!(ran.stdout.contains("_mh_dylib_header"), "{}", ran.stdout);
}

#[test]
fn what_is_no_dll_is_named_for_what_it_is() {
    let folder = tempfile::tempdir().unwrap();
    let pe = fs::read(fixture("inspect/pe-64.dll")).unwrap();
    let mut dos = pe.clone();
    dos[0x3C..0x40].fill(0xFF);
    for (name, content, message) in [
        ("empty", &b""[..], "the file is empty"),
        ("text", b"CleanupCredentialCache = 1\n", "no object file"),
        ("archive", b"!<arch>\n//                                              0         `\n", "an archive"),
        ("stub", &pe[..40], "cut short within its DOS header"),
        ("dos", &dos, "a DOS program"),
        ("pe", &pe[..0x200], "damaged or cut short"),
        ("elf", &fs::read(fixture("inspect/elf-64.so")).unwrap()[..0x100], "damaged or cut short"),
        ("mach-o", &fs::read(fixture("inspect/mach-o-64.dylib")).unwrap()[..0x40], "damaged or cut short"),
    ] {
        let path = folder.path().join(name);
        fs::write(&path, content).unwrap();
        let ran = Ran::of(sspcache().arg("inspect").arg(&path)).exits_with(1);
        assert!(ran.stderr.contains(message) && ran.stderr.contains(name), "{name}: {}", ran.stderr);
        assert!(inspect(&path).exits_with(1).json()[0]["error"].as_str().unwrap().contains(message));
    }
}

#[test]
fn a_missing_file_does_not_keep_the_others_from_being_inspected() {
    let mut command = sspcache();
    command.arg("inspect").arg(fixture("inspect/no-such.dll")).arg(fixture("inspect/pe-64.dll"));
    let ran = Ran::of(&mut command).exits_with(1);
    assert!(ran.stderr.contains("no-such.dll: can't read the file"), "{}", ran.stderr);
    assert!(ran.stdout.contains("flush         found"), "{}", ran.stdout);
}

#[test]
fn a_file_cut_short_anywhere_is_refused_and_never_crashes_the_program() {
    let folder = tempfile::tempdir().unwrap();
    let mut files = Vec::new();
    for name in ["pe-64.dll", "pe-32.dll", "elf-64.so", "mach-o-64.dylib"] {
        let whole = fs::read(fixture("inspect").join(name)).unwrap();
        // Past half of them, sections that no reader needs are all that is missing.
        for length in (1..whole.len() / 4).step_by(101) {
            let path = folder.path().join(format!("{length}-{name}"));
            fs::write(&path, &whole[..length]).unwrap();
            files.push(path);
        }
    }
    assert!(files.len() > 40);
    let ran = Ran::of(sspcache().args(["inspect", "--format", "json"]).args(&files)).exits_with(1);
    for file in ran.json().as_array().unwrap() {
        assert_eq!(file["passed"], false, "{file}");
    }
}

#[test]
fn a_universal_mach_o_file_passes_if_each_of_its_images_does() {
    let thin = fs::read(fixture("inspect/mach-o-64.dylib")).unwrap();
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("universal.dylib");
    fs::write(&path, universal(&[&thin, &thin])).unwrap();
    let ran = inspect(&path).exits_with(0);
    assert_eq!(ran.json()[0]["images"].as_array().unwrap().len(), 2);

    // The same image, with the function under another name.
    let mut renamed = thin.clone();
    let names: Vec<usize> =
        (0..thin.len()).filter(|&at| thin[at..].starts_with(b"CleanupCredentialCache")).collect();
    assert!(!names.is_empty());
    for &at in &names {
        renamed[at] = b'X';
    }
    fs::write(&path, universal(&[&thin, &renamed])).unwrap();
    inspect(&path).exits_with(1);
}

/// A universal Mach-O file: a big-endian table of the images, each on a page of its own.
fn universal(images: &[&[u8]]) -> Vec<u8> {
    const PAGE: usize = 0x4000;
    let word = |number: usize| u32::try_from(number).unwrap().to_be_bytes();
    let mut file = [&0xCAFE_BABE_u32.to_be_bytes(), &word(images.len())[..]].concat();
    for (index, image) in images.iter().enumerate() {
        // CPU_TYPE_X86_64, CPU_SUBTYPE_ALL, offset, size, alignment as a power of two.
        for number in [0x0100_0007, 3, PAGE * (index + 1), image.len(), 14] {
            file.extend(word(number));
        }
    }
    for image in images {
        file.resize(file.len().next_multiple_of(PAGE), 0);
        file.extend(*image);
    }
    file
}
