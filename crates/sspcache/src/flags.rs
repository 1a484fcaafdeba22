//! The flags of a context, under one name for both sides.

use bitflags::bitflags;
use windows_sys::Win32::Security::Authentication::Identity as sspi;

/// Which side of a context.
#[derive(Clone, Copy, Debug, Eq, Hash, PartialEq)]
pub enum Side {
    /// The server's.
    Acceptor,
    /// The client's.
    Initiator,
}

bitflags! {
    /// Requirements and properties of a context, under one name for both sides.
    ///
    /// Reference: [Context requirements](https://learn.microsoft.com/en-us/windows/win32/secauthn/context-requirements).
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct ContextFlags: u32 {
        /// Acceptor: an initiator that sent no channel bindings is accepted though the acceptor has some.
        const ALLOW_MISSING_BINDINGS = 1 << 0;
        /// Messages can be encrypted.
        const CONFIDENTIALITY = 1 << 1;
        /// A connection: messages come in order.
        const CONNECTION = 1 << 2;
        /// Single messages, without a connection.
        const DATAGRAM = 1 << 3;
        /// The acceptor may act for the initiator elsewhere.
        const DELEGATE = 1 << 4;
        /// The other side is told why the handshake failed: see [`HandshakeError::token`](crate::context::HandshakeError::token).
        const EXTENDED_ERROR = 1 << 5;
        /// The acceptor may identify the initiator, and not impersonate it.
        const IDENTIFY = 1 << 6;
        /// Messages can be signed.
        const INTEGRITY = 1 << 7;
        /// Both sides prove who they are.
        const MUTUAL_AUTH = 1 << 8;
        /// The initiator is nobody, or may be.
        const NULL_SESSION = 1 << 9;
        /// A message that comes again is refused.
        const REPLAY_DETECT = 1 << 10;
        /// A message out of order is refused.
        const SEQUENCE_DETECT = 1 << 11;
        /// Messages are a stream.
        const STREAM = 1 << 12;
        /// The DCE's way: three legs.
        const USE_DCE_STYLE = 1 << 13;
    }
}

impl ContextFlags {
    /// The `ISC_REQ_…` or `ASC_REQ_…` bits.
    pub fn to_wire(self, side: Side) -> u32 {
        BITS.iter().filter(|row| self.contains(row.0)).fold(0, |bits, row| bits | bit(row, side))
    }

    /// What `ISC_RET_…` or `ASC_RET_…` bits mean: the numbers are the same. Others are left out.
    pub fn from_wire(side: Side, bits: u32) -> Self {
        BITS.iter().filter(|row| bits & bit(row, side) != 0).map(|row| row.0).collect()
    }
}

type Row = (ContextFlags, u32, u32);

fn bit(&(_, initiator, acceptor): &Row, side: Side) -> u32 {
    match side {
        Side::Acceptor => acceptor,
        Side::Initiator => initiator,
    }
}

/// Flag, the initiator's bit, the acceptor's; 0 where there is none.
const BITS: &[Row] = &[
    (ContextFlags::ALLOW_MISSING_BINDINGS, 0, sspi::ASC_REQ_ALLOW_MISSING_BINDINGS),
    (ContextFlags::CONFIDENTIALITY, sspi::ISC_REQ_CONFIDENTIALITY, sspi::ASC_REQ_CONFIDENTIALITY),
    (ContextFlags::CONNECTION, sspi::ISC_REQ_CONNECTION, sspi::ASC_REQ_CONNECTION),
    (ContextFlags::DATAGRAM, sspi::ISC_REQ_DATAGRAM, sspi::ASC_REQ_DATAGRAM),
    (ContextFlags::DELEGATE, sspi::ISC_REQ_DELEGATE, sspi::ASC_REQ_DELEGATE),
    (ContextFlags::EXTENDED_ERROR, sspi::ISC_REQ_EXTENDED_ERROR, sspi::ASC_REQ_EXTENDED_ERROR),
    (ContextFlags::IDENTIFY, sspi::ISC_REQ_IDENTIFY, sspi::ASC_REQ_IDENTIFY),
    (ContextFlags::INTEGRITY, sspi::ISC_REQ_INTEGRITY, sspi::ASC_REQ_INTEGRITY),
    (ContextFlags::MUTUAL_AUTH, sspi::ISC_REQ_MUTUAL_AUTH, sspi::ASC_REQ_MUTUAL_AUTH),
    (ContextFlags::NULL_SESSION, sspi::ISC_REQ_NULL_SESSION, sspi::ASC_REQ_ALLOW_NULL_SESSION),
    (ContextFlags::REPLAY_DETECT, sspi::ISC_REQ_REPLAY_DETECT, sspi::ASC_REQ_REPLAY_DETECT),
    (ContextFlags::SEQUENCE_DETECT, sspi::ISC_REQ_SEQUENCE_DETECT, sspi::ASC_REQ_SEQUENCE_DETECT),
    (ContextFlags::STREAM, sspi::ISC_REQ_STREAM, sspi::ASC_REQ_STREAM),
    (ContextFlags::USE_DCE_STYLE, sspi::ISC_REQ_USE_DCE_STYLE, sspi::ASC_REQ_USE_DCE_STYLE),
];

#[cfg(test)]
mod tests {
    use super::*;

    /// S3
    #[test]
    fn each_flag_has_a_bit_of_its_own_on_each_side() {
        for side in [Side::Initiator, Side::Acceptor] {
            assert_eq!(
                ContextFlags::all().to_wire(side).count_ones() as usize,
                match side {
                    Side::Acceptor => BITS.len(),
                    Side::Initiator => BITS.len() - 1,
                }
            );
            for flag in ContextFlags::all().iter() {
                let bits = flag.to_wire(side);
                let back = ContextFlags::from_wire(side, bits);
                assert_eq!(back, if bits == 0 { ContextFlags::empty() } else { flag });
            }
        }
    }

    /// S3: the sides differ in these, and in these alone.
    #[test]
    fn both_sides_have_the_numbers_of_sspi_h() {
        let of = |flag: ContextFlags| (flag.to_wire(Side::Initiator), flag.to_wire(Side::Acceptor));
        for (flag, bits) in [
            (ContextFlags::ALLOW_MISSING_BINDINGS, (0, 0x1000_0000)),
            (ContextFlags::EXTENDED_ERROR, (0x4000, 0x8000)),
            (ContextFlags::IDENTIFY, (0x2_0000, 0x8_0000)),
            (ContextFlags::INTEGRITY, (0x1_0000, 0x2_0000)),
            (ContextFlags::NULL_SESSION, (0x4_0000, 0x10_0000)),
            (ContextFlags::STREAM, (0x8000, 0x1_0000)),
        ] {
            assert_eq!(of(flag), bits, "{flag:?}");
        }
        let alike = ContextFlags::all().iter().filter(|&flag| of(flag).0 == of(flag).1).count();
        assert_eq!(alike, BITS.len() - 6);
    }
}
