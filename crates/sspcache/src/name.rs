//! How Windows compares names.

/// Whether Windows takes two file names for the same: per UTF-16 unit, after simple one-to-one upper-casing.
pub(crate) fn same(left: &str, right: &str) -> bool {
    left.eq_ignore_ascii_case(right)
        || !left.is_ascii() && sspcache_types::name::same(left.encode_utf16(), right.encode_utf16())
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
