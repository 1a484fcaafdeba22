//! Base64, in which a configuration holds bytes: the alphabet of [RFC 4648](https://www.rfc-editor.org/rfc/rfc4648),
//! section 4, padded, with white space anywhere.

use zeroize::Zeroizing;

/// The bytes of a text; `None` when it isn't Base64, or stands for none.
pub(super) fn decode(text: &str) -> Option<Zeroizing<Vec<u8>>> {
    // Reserved in full, so that no growth leaves a copy behind in freed memory.
    let mut bytes = Zeroizing::new(Vec::with_capacity(text.len() / 4 * 3));
    let mut group = Zeroizing::new([0; 4]);
    let (mut filled, mut padding) = (0, 0);
    for &character in text.as_bytes() {
        let value = match character {
            b' ' | b'\t' | b'\r' | b'\n' => continue,
            b'A'..=b'Z' => character - b'A',
            b'a'..=b'z' => character - b'a' + 26,
            b'0'..=b'9' => character - b'0' + 52,
            b'+' => 62,
            b'/' => 63,
            b'=' if filled >= 2 => {
                padding += 1;
                0
            }
            _ => return None,
        };
        // Nothing follows padding but padding.
        if bytes.len() % 3 != 0 || (padding > 0 && character != b'=') {
            return None;
        }
        group[filled] = value;
        filled += 1;
        if filled == group.len() {
            let [a, b, c, d] = *group;
            let whole = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
            // What is cut off is zero, so that bytes have one text.
            if whole[whole.len() - padding..].iter().any(|&byte| byte != 0) {
                return None;
            }
            bytes.extend_from_slice(&whole[..whole.len() - padding]);
            filled = 0;
            if padding > 0 && bytes.len() % 3 == 0 {
                return None;
            }
        }
    }
    (filled == 0 && !bytes.is_empty()).then_some(bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// P6: the texts of RFC 4648, section 10, and what is none.
    #[test]
    fn bytes_are_read_as_the_rfc_writes_them() {
        for (text, bytes) in [
            ("Zg==", "f"),
            ("Zm8=", "fo"),
            ("Zm9v", "foo"),
            ("Zm9vYg==", "foob"),
            ("Zm9vYmE=", "fooba"),
            ("Zm9vYmFy", "foobar"),
            (" Zm9v\n\tYm Fy\r\n", "foobar"),
        ] {
            assert_eq!(decode(text).as_deref().map(Vec::as_slice), Some(bytes.as_bytes()), "{text}");
        }
        assert_eq!(decode("+/+/").as_deref(), Some(&vec![0xFB, 0xFF, 0xBF]));
        for text in [
            "", " ", "Z", "Zg", "Zg=", "Zg===", "=", "====", "Z===", "Zg==Zg==", "Zh==", "Zm9=", "Zg=A",
            "Zm9v-", "Zm9vé",
        ] {
            assert_eq!(decode(text), None, "{text}");
        }
    }
}
