//! The table against what was observed, and in a Windows program against the system itself.
#![cfg_attr(windows, allow(unsafe_code, reason = "the functions under observation are the system's own"))]

use sspcache_types::name::{eq, fold, same};

/// M1, L1
#[test]
fn every_unit_folds_as_observed_under_wine() {
    let mut expected: Vec<u16> = (0..=u16::MAX).collect();
    let observed = include_str!("../../../fixtures/unicode/upcase.txt");
    for line in observed.lines().filter(|line| !line.starts_with('#')) {
        let (unit, upper) = line.split_once(' ').expect("two columns");
        let [unit, upper] = [unit, upper].map(|hex| u16::from_str_radix(hex, 16).expect("hexadecimal"));
        expected[usize::from(unit)] = upper;
    }
    assert_agrees("upcase.txt", 0..=u16::MAX, |unit| expected[usize::from(unit)]);
}

/// M1
#[test]
fn names_compare_by_simple_upper_casing() {
    for (left, right, equal) in [
        ("MSNSSPC.dll", "msnsspc.DLL", true),
        ("MSNSSPC.dll", "MSNSSPC.dl", false),
        ("élan.dll", "ÉLAN.dll", true),
        ("straße.dll", "STRASSE.dll", false),
        ("msnſſpc.dll", "MSNSSPC.dll", false),
        ("\u{212A}.dll", "k.dll", false),
    ] {
        assert_eq!(eq(left, right), equal, "{left} and {right}");
    }
}

/// M1: what is equal once is equal always.
#[test]
fn folding_twice_changes_nothing_more() {
    for unit in 0..=u16::MAX {
        assert_eq!(fold(fold(unit)), fold(unit), "{unit:04X}");
    }
}

/// Pairs of names, and whether they are the same: the examples of M1, and what else a comparison might get wrong.
const PAIRS: &[(&str, &str, bool)] = &[
    ("MSNSSPC.dll", "msnsspc.DLL", true),
    ("MSNSSPC.dll", "MSNSSPC.dl", false),
    ("", "", true),
    ("", "a", false),
    ("é", "É", true),
    ("é", "e\u{301}", false),
    ("ß", "SS", false),
    ("ß", "ẞ", false),
    ("ſ", "S", false),
    ("ı", "I", false),
    ("µ", "Μ", false),
    ("ς", "Σ", false),
    ("\u{212A}", "k", false),
    ("алиса", "АЛИСА", true),
    ("𐐨", "𐐀", false),
    ("[", "{", false),
    ("@", "`", false),
];

/// M1, L1
#[test]
fn names_compare_by_simple_upper_casing_alone() {
    for &(left, right, equal) in PAIRS {
        assert_eq!(same(left.encode_utf16(), right.encode_utf16()), equal, "{left:?} and {right:?}");
    }
}

fn assert_agrees(witness: &str, mut units: impl Iterator<Item = u16>, upper: impl Fn(u16) -> u16) {
    if let Some(unit) = units.find(|&unit| fold(unit) != upper(unit)) {
        panic!("{witness} makes {:04X} of {unit:04X}, fold makes {:04X} of it", upper(unit), fold(unit));
    }
}

#[cfg(windows)]
mod system {
    use std::ops::RangeInclusive;

    use windows_sys::Wdk::System::SystemServices::RtlUpcaseUnicodeChar;
    use windows_sys::Win32::Globalization::{CSTR_EQUAL, CompareStringOrdinal};
    use windows_sys::Win32::System::LibraryLoader::{GetModuleHandleA, GetProcAddress};
    use windows_sys::Win32::UI::WindowsAndMessaging::CharUpperBuffW;
    use windows_sys::core::s;

    use super::{PAIRS, assert_agrees, fold};

    /// All units under Wine, where the table was observed. Windows itself knows the letters of its release: those of
    /// Latin-1 for certain.
    fn units() -> RangeInclusive<u16> {
        // SAFETY: terminated strings; ntdll is never unloaded.
        let is_wine = unsafe { GetProcAddress(GetModuleHandleA(s!("ntdll.dll")), s!("wine_get_version")) };
        0..=if is_wine.is_some() { u16::MAX } else { 0xFF }
    }

    /// M1, L1
    #[test]
    fn the_native_system_upper_cases_units_alike() {
        // SAFETY: takes a number, gives a number.
        assert_agrees("RtlUpcaseUnicodeChar", units(), |unit| unsafe { RtlUpcaseUnicodeChar(unit) });
    }

    /// M1, L1
    #[test]
    fn the_user_interface_upper_cases_units_alike() {
        let mut upper: Vec<u16> = units().collect();
        // SAFETY: a buffer of the length that is passed.
        unsafe { CharUpperBuffW(upper.as_mut_ptr(), u32::try_from(upper.len()).expect("65,536 at most")) };
        assert_agrees("CharUpperBuffW", units(), |unit| upper[usize::from(unit)]);
    }

    /// M1, L1
    #[test]
    fn the_system_compares_names_alike() {
        for &(left, right, equal) in PAIRS {
            let [left_units, right_units] = [left, right].map(|name| name.encode_utf16().collect::<Vec<_>>());
            assert_eq!(is_equal(&left_units, &right_units), equal, "{left:?} and {right:?}");
        }
        for unit in units() {
            assert!(is_equal(&[unit], &[fold(unit)]), "{unit:04X}");
        }
    }

    fn is_equal(left: &[u16], right: &[u16]) -> bool {
        let length = |name: &[u16]| i32::try_from(name.len()).expect("a short name");
        // SAFETY: two buffers of the lengths that are passed.
        let order =
            unsafe { CompareStringOrdinal(left.as_ptr(), length(left), right.as_ptr(), length(right), 1) };
        assert_ne!(order, 0, "the comparison failed");
        order == CSTR_EQUAL
    }
}
