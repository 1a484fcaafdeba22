//! DER, as far as the tokens of Kerberos and SPNEGO need it: tags of one byte, and lengths of the shortest form, which
//! are the only ones that are read. A crate for DER has far more than that, and the mock DLL's size is limited.
//!
//! Reference: ITU-T X.690.

/// Writes an element behind what is there: its tag, its length, and what the closure writes.
pub(super) fn element(to: &mut Vec<u8>, tag: u8, content: impl FnOnce(&mut Vec<u8>)) {
    to.push(tag);
    let start = to.len();
    content(to);
    let length = (to.len() - start).to_be_bytes();
    let digits = &length[length.iter().take_while(|&&digit| digit == 0).count()..];
    match digits {
        [] => to.insert(start, 0),
        [short] if *short < LONG => to.insert(start, *short),
        _ => {
            // There are eight digits at most.
            let count = u8::try_from(digits.len()).unwrap_or_default();
            to.splice(start..start, [LONG | count].into_iter().chain(digits.iter().copied()));
        }
    }
}

/// Writes an element of these bytes.
pub(super) fn bytes(to: &mut Vec<u8>, tag: u8, content: &[u8]) {
    element(to, tag, |to| to.extend_from_slice(content));
}

/// Writes an `INTEGER` in an element with a tag of its own.
pub(super) fn integer(to: &mut Vec<u8>, tag: u8, number: i32) {
    let digits = number.to_be_bytes();
    // A digit that only repeats the sign of the next one is left out.
    let is_spare = |pair: &&[u8]| matches!(pair, [0, 0..=0x7F] | [0xFF, 0x80..=0xFF]);
    let spare = digits.windows(2).take_while(is_spare).count();
    element(to, tag, |to| bytes(to, INTEGER, &digits[spare..]));
}

/// What is left to read of an element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Der<'t>(pub(super) &'t [u8]);

impl<'t> Der<'t> {
    /// The content of the next element, which has this tag.
    pub(super) fn element(&mut self, tag: u8) -> Option<Self> {
        let (&found, rest) = self.0.split_first()?;
        if found != tag {
            return None;
        }
        let (&first, mut rest) = rest.split_first()?;
        let length = if first < LONG {
            usize::from(first)
        } else {
            let (digits, after) = rest.split_at_checked(usize::from(first - LONG))?;
            rest = after;
            let is_shortest = match *digits {
                [] | [0, ..] => false,
                [short] => short >= LONG,
                [_, _] | [_, _, _] | [_, _, _, _] => true,
                _ => false,
            };
            if !is_shortest {
                return None;
            }
            digits.iter().try_fold(0_usize, |length, &digit| {
                length.checked_mul(256).map(|length| length | usize::from(digit))
            })?
        };
        let (content, rest) = rest.split_at_checked(length)?;
        self.0 = rest;
        Some(Self(content))
    }

    /// Whether the next element has this tag.
    pub(super) fn is_next(self, tag: u8) -> bool {
        self.0.first() == Some(&tag)
    }

    /// The bytes of the next element, which has this tag and is the only one in an element of the other.
    pub(super) fn bytes_in(&mut self, outer: u8, tag: u8) -> Option<&'t [u8]> {
        let mut outer = self.element(outer)?;
        let bytes = outer.element(tag)?.0;
        outer.end()?;
        Some(bytes)
    }

    /// The same for an element that may be missing: one that is something else is left to be read.
    pub(super) fn bytes_if(&mut self, outer: u8, tag: u8) -> Option<&'t [u8]> {
        let mut ahead = *self;
        let bytes = ahead.bytes_in(outer, tag)?;
        *self = ahead;
        Some(bytes)
    }

    /// An `INTEGER` of the shortest form, in an element with a tag of its own.
    pub(super) fn integer(&mut self, outer: u8) -> Option<i32> {
        let digits = self.bytes_in(outer, INTEGER)?;
        if digits.is_empty()
            || digits.len() > 4
            || matches!(digits, [0, 0..=0x7F, ..] | [0xFF, 0x80..=0xFF, ..])
        {
            return None;
        }
        let sign = if digits[0] < LONG { 0 } else { -1 };
        Some(digits.iter().fold(sign, |number, &digit| number << 8 | i32::from(digit)))
    }

    /// That nothing is left.
    pub(super) fn end(self) -> Option<()> {
        self.0.is_empty().then_some(())
    }
}

/// A tag of the application's, constructed.
pub(super) const fn application(number: u8) -> u8 {
    0x60 | number
}

/// A tag that depends on where it stands, constructed.
pub(super) const fn context(number: u8) -> u8 {
    0xA0 | number
}

pub(super) const BIT_STRING: u8 = 0x03;
pub(super) const ENUMERATED: u8 = 0x0A;
pub(super) const GENERALIZED_TIME: u8 = 0x18;
pub(super) const GENERAL_STRING: u8 = 0x1B;
pub(super) const INTEGER: u8 = 0x02;
pub(super) const OBJECT_IDENTIFIER: u8 = 0x06;
pub(super) const OCTET_STRING: u8 = 0x04;
pub(super) const SEQUENCE: u8 = 0x30;

/// The length that no longer fits into one byte; beyond it, the byte says how many digits follow.
const LONG: u8 = 0x80;

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// P8: the examples of X.690, and where a length gets a digit more.
    #[test]
    fn lengths_are_of_the_shortest_form() {
        for (length, head) in [
            (0, &[4, 0][..]),
            (127, &[4, 0x7F]),
            (128, &[4, 0x81, 0x80]),
            (255, &[4, 0x81, 0xFF]),
            (256, &[4, 0x82, 1, 0]),
            (65_535, &[4, 0x82, 0xFF, 0xFF]),
            (65_536, &[4, 0x83, 1, 0, 0]),
        ] {
            let mut written = Vec::new();
            bytes(&mut written, OCTET_STRING, &vec![7; length]);
            assert_eq!(&written[..head.len()], head);
            assert_eq!(written.len(), head.len() + length);
            let mut der = Der(&written);
            assert_eq!(der.element(OCTET_STRING).unwrap().0.len(), length);
            assert_eq!(der.end(), Some(()));
        }
        for longer in
            [&[4, 0x80][..], &[4, 0x81, 0], &[4, 0x81, 0x7F], &[4, 0x82, 0, 0x80], &[4, 0x85, 0, 0, 0, 0, 1]]
        {
            let bytes = [longer, &[0; 300]].concat();
            assert!(Der(&bytes).element(OCTET_STRING).is_none(), "{longer:?}");
        }
        assert!(Der(&[4, 0x84, 0xFF, 0xFF, 0xFF, 0xFF, 0]).element(OCTET_STRING).is_none(), "past the end");
    }

    /// P8
    #[test]
    fn integers_are_of_the_shortest_form() {
        for (number, digits) in [
            (0, &[0][..]),
            (127, &[0x7F]),
            (128, &[0, 0x80]),
            (-1, &[0xFF]),
            (-128, &[0x80]),
            (-129, &[0xFF, 0x7F]),
            (i32::MAX, &[0x7F, 0xFF, 0xFF, 0xFF]),
            (i32::MIN, &[0x80, 0, 0, 0]),
        ] {
            let mut written = Vec::new();
            integer(&mut written, context(0), number);
            assert_eq!(written[4..], *digits, "{number}");
            assert_eq!(Der(&written).integer(context(0)), Some(number));
        }
        for longer in [&[][..], &[0, 0x7F], &[0xFF, 0x80], &[0, 0, 0, 0, 1]] {
            let mut written = Vec::new();
            element(&mut written, context(0), |to| bytes(to, INTEGER, longer));
            assert_eq!(Der(&written).integer(context(0)), None, "{longer:?}");
        }
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 20 } else { 500 }))]

        /// P8
        #[test]
        fn what_is_read_is_what_is_written_and_no_bytes_crash_the_reader(
            content in any::<Vec<u8>>(), number in any::<i32>(), foreign in any::<Vec<u8>>(),
        ) {
            let mut written = Vec::new();
            element(&mut written, SEQUENCE, |to| {
                integer(to, context(1), number);
                element(to, context(2), |to| bytes(to, OCTET_STRING, &content));
            });
            let mut sequence = Der(&written).element(SEQUENCE).unwrap();
            prop_assert_eq!(sequence.integer(context(1)), Some(number));
            prop_assert_eq!(sequence.bytes_in(context(2), OCTET_STRING), Some(&content[..]));
            prop_assert_eq!(sequence.end(), Some(()));
            let mut der = Der(&foreign);
            let _ = der.element(SEQUENCE);
            let _ = der.integer(context(1));
            let _ = der.bytes_in(context(0), OCTET_STRING);
        }
    }
}
