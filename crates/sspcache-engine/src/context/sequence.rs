//! The sequence of messages that one side receives: replays, gaps and reorders.

use super::ContextFlags;
use crate::SecurityStatus;

/// What was received, as far as replays and gaps are looked for.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
pub(crate) struct Received {
    /// One more than the highest number so far.
    pub(crate) next: u64,
    /// Bit n is set when the number n + 1 below `next` was received.
    pub(crate) seen: u64,
}

impl Received {
    /// Takes note of a message that came, or refuses it: one out of order where order is asked for, one that came
    /// before (or is too old to be known) where replays are looked for.
    pub(crate) fn accept(&mut self, number: u64, flags: ContextFlags) -> Result<(), SecurityStatus> {
        if flags.contains(ContextFlags::SEQUENCE_DETECT) {
            if number != self.next {
                return Err(SecurityStatus::OUT_OF_SEQUENCE);
            }
        } else if flags.contains(ContextFlags::REPLAY_DETECT) && !self.is_new(number) {
            return Err(SecurityStatus::OUT_OF_SEQUENCE);
        }
        self.note(number);
        Ok(())
    }

    fn is_new(self, number: u64) -> bool {
        match self.next.checked_sub(number + 1) {
            None => true,
            Some(age) => age < u64::from(u64::BITS) && self.seen >> age & 1 == 0,
        }
    }

    fn note(&mut self, number: u64) {
        if let Some(age) = self.next.checked_sub(number + 1) {
            self.seen |= shl(1, age);
        } else {
            self.seen = shl(self.seen, number + 1 - self.next) | 1;
            self.next = number + 1;
        }
    }
}

/// A shift that loses what goes beyond, however far.
fn shl(bits: u64, by: u64) -> u64 {
    u32::try_from(by).ok().and_then(|by| bits.checked_shl(by)).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use proptest::{collection, prelude::*};

    use super::*;

    /// The number of remembered sequence numbers below the highest one.
    const WINDOW: u64 = 64;

    /// A list of everything that was accepted, which is searched from end to end.
    fn model(accepted: &[u64], number: u64, flags: ContextFlags) -> bool {
        let highest = accepted.iter().max();
        if flags.contains(ContextFlags::SEQUENCE_DETECT) {
            return number == highest.map_or(0, |highest| highest + 1);
        }
        let is_old = highest.is_some_and(|highest| number + WINDOW <= *highest);
        !flags.contains(ContextFlags::REPLAY_DETECT) || !is_old && !accepted.contains(&number)
    }

    fn detections() -> impl Strategy<Value = ContextFlags> {
        any::<u32>().prop_map(|bits| {
            ContextFlags::from_bits_truncate(bits)
                & (ContextFlags::REPLAY_DETECT | ContextFlags::SEQUENCE_DETECT)
        })
    }

    /// Numbers in order, with repetitions, gaps and steps back of every interesting size.
    fn numbers() -> impl Strategy<Value = Vec<u64>> {
        let step = prop_oneof![
            6 => Just(1i64),
            2 => -3..4i64,
            2 => -70..70i64,
            1 => -65..-61i64,
            1 => 62..66i64,
            1 => any::<i32>().prop_map(i64::from),
        ];
        collection::vec(step, 0..200).prop_map(|steps| {
            let next = |number: &mut u64, step| {
                *number = number.saturating_add_signed(step);
                Some(*number)
            };
            std::iter::once(0).chain(steps.into_iter().scan(0, next)).collect()
        })
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 10 } else { 2_000 }))]

        /// S4
        #[test]
        fn replays_gaps_and_reorders_are_those_of_a_plain_model(flags in detections(), numbers in numbers()) {
            let mut received = Received::default();
            let mut accepted = Vec::new();
            for number in numbers {
                let expected = model(&accepted, number, flags);
                let before = received;
                let result = received.accept(number, flags);
                if expected {
                    prop_assert_eq!(result, Ok(()), "{} after {:?}", number, accepted);
                    accepted.push(number);
                } else {
                    prop_assert_eq!(result, Err(SecurityStatus::OUT_OF_SEQUENCE), "{} after {:?}", number, accepted);
                    prop_assert_eq!(received, before);
                }
            }
        }
    }
}
