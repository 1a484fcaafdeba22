//! How Windows compares names.

/// Whether Windows takes two file names for the same: per UTF-16 unit, after simple one-to-one upper-casing.
///
/// The names of SSPs are ASCII in practice; what is not is upper-cased where `char::to_uppercase` yields one unit of
/// the Basic Multilingual Plane, and taken as it is where it doesn't. That differs from Windows' own table for some
/// sixty rare characters, none of which a known SSP's name has.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || (!(left.is_ascii() && right.is_ascii())
            && left.encode_utf16().map(fold).eq(right.encode_utf16().map(fold)))
}

fn fold(unit: u16) -> u16 {
    let Some(character) = char::from_u32(u32::from(unit)) else { return unit };
    let mut upper = character.to_uppercase();
    match (upper.next().map(|one| u16::try_from(u32::from(one))), upper.next()) {
        // Upper case of these is ASCII, which Windows never folds into.
        (Some(Ok(one)), None) if one > 0x7F || unit <= 0x7F => one,
        _ => unit,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            assert_eq!(same(left, right), equal, "{left} and {right}");
        }
    }
}
