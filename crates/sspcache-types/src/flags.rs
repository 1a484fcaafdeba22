//! The flags of a context: the `ISC_…` and `ASC_…` bits, by name.

use bitflags::bitflags;
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use crate::Role;

bitflags! {
    /// Requirements and properties of a context, under one name for both sides.
    ///
    /// The initiator's `ISC_REQ_…` and `ISC_RET_…` bits and the acceptor's `ASC_REQ_…` and `ASC_RET_…` bits have
    /// different numbers for the same thing: integrity, extended errors, streams, identification and null sessions.
    ///
    /// Reference: [Context
    /// requirements](https://learn.microsoft.com/en-us/windows/win32/secauthn/context-requirements).
    ///
    /// ```
    /// use sspcache_types::{ContextFlags, Role};
    /// assert_eq!(ContextFlags::from_wire(Role::Initiator, 0x1_0000), ContextFlags::INTEGRITY);
    /// assert_eq!(ContextFlags::INTEGRITY.to_wire(Role::Acceptor), 0x2_0000);
    /// ```
    #[derive(Clone, Copy, Debug, Default, Eq, Hash, PartialEq)]
    pub struct ContextFlags: u32 {
        /// The SSP allocates the output tokens; the caller frees them. Of the call, not of the context.
        const ALLOCATE_MEMORY = 1 << 0;
        /// Acceptor: accepts a token that it has seen before.
        const ALLOW_CONTEXT_REPLAY = 1 << 1;
        /// Acceptor: accepts an initiator that sent no channel bindings, although the acceptor has some.
        const ALLOW_MISSING_BINDINGS = 1 << 2;
        /// Acceptor: accepts accounts that belong to no user.
        const ALLOW_NON_USER_LOGONS = 1 << 3;
        /// Messages are for a caller of this level.
        const CALL_LEVEL = 1 << 4;
        /// Messages can be encrypted.
        const CONFIDENTIALITY = 1 << 5;
        /// Messages can be encrypted, but not signed without encryption.
        const CONFIDENTIALITY_ONLY = 1 << 6;
        /// The context is for a connection, whose messages arrive in order.
        const CONNECTION = 1 << 7;
        /// The context is for single messages, without a connection.
        const DATAGRAM = 1 << 8;
        /// The acceptor may act for the initiator at other servers.
        const DELEGATE = 1 << 9;
        /// A side whose handshake failed gets a token with the reason, to send to the other side.
        const EXTENDED_ERROR = 1 << 10;
        /// The initiator's credentials are forwarded to the acceptor.
        const FORWARD_CREDENTIALS = 1 << 11;
        /// Tokens that are too long are sent in fragments.
        const FRAGMENT_TO_FIT = 1 << 12;
        /// The acceptor may identify the initiator, but not impersonate it.
        const IDENTIFY = 1 << 13;
        /// Messages can be signed.
        const INTEGRITY = 1 << 14;
        /// The acceptor checks licences.
        const LICENSING = 1 << 15;
        /// The initiator validates the acceptor's credential itself.
        const MANUAL_CRED_VALIDATION = 1 << 16;
        /// The acceptor proves its identity, too.
        const MUTUAL_AUTH = 1 << 17;
        /// No integrity, although another flag would imply it.
        const NO_INTEGRITY = 1 << 18;
        /// The acceptor makes no token for impersonation.
        const NO_TOKEN = 1 << 19;
        /// The initiator is anonymous.
        const NULL_SESSION = 1 << 20;
        /// The user is asked for credentials.
        const PROMPT_FOR_CREDS = 1 << 21;
        /// Acceptor: the initiator has to send channel bindings, whatever they are.
        const PROXY_BINDINGS = 1 << 22;
        /// A message that is received a second time is refused.
        const REPLAY_DETECT = 1 << 23;
        /// A message that is received out of order is refused.
        const SEQUENCE_DETECT = 1 << 24;
        /// The acceptor takes a session ticket.
        const SESSION_TICKET = 1 << 25;
        /// Messages are a stream.
        const STREAM = 1 << 26;
        /// The target's name comes from an untrusted source.
        const UNVERIFIED_TARGET_NAME = 1 << 27;
        /// The handshake has three legs, as in DCE.
        const USE_DCE_STYLE = 1 << 28;
        /// The handshake is as in HTTP.
        const USE_HTTP_STYLE = 1 << 29;
        /// A session key is agreed upon.
        const USE_SESSION_KEY = 1 << 30;
        /// Credentials are in the input buffers.
        const USE_SUPPLIED_CREDS = 1 << 31;
    }
}

impl ContextFlags {
    /// The `ISC_REQ_…` or `ASC_REQ_…` bits: what this side asks for.
    #[must_use]
    pub fn to_wire(self, role: Role) -> u32 {
        self.bits_of(|row| row.requested(role))
    }

    /// The flags that `ISC_REQ_…` or `ASC_REQ_…` bits ask for. Bits that mean nothing are ignored.
    #[must_use]
    pub fn from_wire(role: Role, bits: u32) -> Self {
        Self::of_bits(|row| row.requested(role), bits)
    }

    /// The `ISC_RET_…` or `ASC_RET_…` bits: what a context has. Flags that can only be requested have no bit.
    #[must_use]
    pub fn to_returned(self, role: Role) -> u32 {
        self.bits_of(|row| row.returned(role))
    }

    /// The flags that a context has, by its `ISC_RET_…` or `ASC_RET_…` bits. Bits that mean nothing are ignored.
    #[must_use]
    pub fn from_returned(role: Role, bits: u32) -> Self {
        Self::of_bits(|row| row.returned(role), bits)
    }

    /// The documented names of `ISC_REQ_…` or `ASC_REQ_…` bits.
    pub fn names_of_requested(role: Role, bits: u32) -> impl Iterator<Item = &'static str> {
        let column = if role == Role::Initiator { 0 } else { 2 };
        named(column, move |row| row.requested(role) & bits != 0)
    }

    /// The documented names of `ISC_RET_…` or `ASC_RET_…` bits.
    pub fn names_of_returned(role: Role, bits: u32) -> impl Iterator<Item = &'static str> {
        let column = if role == Role::Initiator { 1 } else { 3 };
        named(column, move |row| row.returned(role) & bits != 0)
    }

    fn of_bits(column: impl Fn(&Row) -> u32, bits: u32) -> Self {
        ROWS.iter().filter(|row| column(row) & bits != 0).map(|row| row.flag).collect()
    }

    fn bits_of(self, column: impl Fn(&Row) -> u32) -> u32 {
        ROWS.iter().filter(|row| self.contains(row.flag)).map(column).fold(0, |all, bit| all | bit)
    }
}

/// The names in this column of the rows that are wanted.
fn named(column: usize, is_wanted: impl Fn(&Row) -> bool) -> impl Iterator<Item = &'static str> {
    ROWS.iter().zip(NAMES).filter(move |(row, _)| is_wanted(row)).map(move |(_, names)| names[column])
}

/// One flag's bits in the four sets; 0 where there is none.
struct Row {
    flag: ContextFlags,
    isc_req: u32,
    isc_ret: u32,
    asc_req: u32,
    asc_ret: u32,
}

impl Row {
    fn requested(&self, role: Role) -> u32 {
        match role {
            Role::Acceptor => self.asc_req,
            Role::Initiator => self.isc_req,
        }
    }

    fn returned(&self, role: Role) -> u32 {
        match role {
            Role::Acceptor => self.asc_ret,
            Role::Initiator => self.isc_ret,
        }
    }
}

macro_rules! rows {
    ($($flag:ident: $isc_req:tt $isc_ret:tt $asc_req:tt $asc_ret:tt,)+) => {
        const ROWS: &[Row] = &[$(Row {
            flag: ContextFlags::$flag,
            isc_req: rows!(@ $isc_req),
            isc_ret: rows!(@ $isc_ret),
            asc_req: rows!(@ $asc_req),
            asc_ret: rows!(@ $asc_ret),
        },)+];

        /// The names of the bits, in the same order.
        const NAMES: &[[&str; 4]] = &[$([
            rows!(@name $isc_req), rows!(@name $isc_ret), rows!(@name $asc_req), rows!(@name $asc_ret),
        ],)+];
    };
    (@name -) => { "" };
    (@name $name:ident) => { stringify!($name) };
    (@ -) => { 0 };
    (@ $name:ident) => { sspi::$name };
}

rows! {
    ALLOCATE_MEMORY: ISC_REQ_ALLOCATE_MEMORY ISC_RET_ALLOCATED_MEMORY ASC_REQ_ALLOCATE_MEMORY ASC_RET_ALLOCATED_MEMORY,
    ALLOW_CONTEXT_REPLAY: - - ASC_REQ_ALLOW_CONTEXT_REPLAY ASC_RET_ALLOW_CONTEXT_REPLAY,
    ALLOW_MISSING_BINDINGS: - - ASC_REQ_ALLOW_MISSING_BINDINGS -,
    ALLOW_NON_USER_LOGONS: - - ASC_REQ_ALLOW_NON_USER_LOGONS ASC_RET_ALLOW_NON_USER_LOGONS,
    CALL_LEVEL: ISC_REQ_CALL_LEVEL ISC_RET_CALL_LEVEL ASC_REQ_CALL_LEVEL ASC_RET_CALL_LEVEL,
    CONFIDENTIALITY: ISC_REQ_CONFIDENTIALITY ISC_RET_CONFIDENTIALITY ASC_REQ_CONFIDENTIALITY ASC_RET_CONFIDENTIALITY,
    CONFIDENTIALITY_ONLY: ISC_REQ_CONFIDENTIALITY_ONLY ISC_RET_CONFIDENTIALITY_ONLY - -,
    CONNECTION: ISC_REQ_CONNECTION ISC_RET_CONNECTION ASC_REQ_CONNECTION ASC_RET_CONNECTION,
    DATAGRAM: ISC_REQ_DATAGRAM ISC_RET_DATAGRAM ASC_REQ_DATAGRAM ASC_RET_DATAGRAM,
    DELEGATE: ISC_REQ_DELEGATE ISC_RET_DELEGATE ASC_REQ_DELEGATE ASC_RET_DELEGATE,
    EXTENDED_ERROR: ISC_REQ_EXTENDED_ERROR ISC_RET_EXTENDED_ERROR ASC_REQ_EXTENDED_ERROR ASC_RET_EXTENDED_ERROR,
    FORWARD_CREDENTIALS: ISC_REQ_FORWARD_CREDENTIALS ISC_RET_FORWARD_CREDENTIALS - -,
    FRAGMENT_TO_FIT: ISC_REQ_FRAGMENT_TO_FIT ISC_RET_FRAGMENT_ONLY ASC_REQ_FRAGMENT_TO_FIT ASC_RET_FRAGMENT_ONLY,
    IDENTIFY: ISC_REQ_IDENTIFY ISC_RET_IDENTIFY ASC_REQ_IDENTIFY ASC_RET_IDENTIFY,
    INTEGRITY: ISC_REQ_INTEGRITY ISC_RET_INTEGRITY ASC_REQ_INTEGRITY ASC_RET_INTEGRITY,
    LICENSING: - - ASC_REQ_LICENSING ASC_RET_LICENSING,
    MANUAL_CRED_VALIDATION: ISC_REQ_MANUAL_CRED_VALIDATION ISC_RET_MANUAL_CRED_VALIDATION - -,
    MUTUAL_AUTH: ISC_REQ_MUTUAL_AUTH ISC_RET_MUTUAL_AUTH ASC_REQ_MUTUAL_AUTH ASC_RET_MUTUAL_AUTH,
    NO_INTEGRITY: ISC_REQ_NO_INTEGRITY - - -,
    NO_TOKEN: - - ASC_REQ_NO_TOKEN ASC_RET_NO_TOKEN,
    NULL_SESSION: ISC_REQ_NULL_SESSION ISC_RET_NULL_SESSION ASC_REQ_ALLOW_NULL_SESSION ASC_RET_NULL_SESSION,
    PROMPT_FOR_CREDS: ISC_REQ_PROMPT_FOR_CREDS ISC_RET_USED_COLLECTED_CREDS - -,
    PROXY_BINDINGS: - - ASC_REQ_PROXY_BINDINGS -,
    REPLAY_DETECT: ISC_REQ_REPLAY_DETECT ISC_RET_REPLAY_DETECT ASC_REQ_REPLAY_DETECT ASC_RET_REPLAY_DETECT,
    SEQUENCE_DETECT: ISC_REQ_SEQUENCE_DETECT ISC_RET_SEQUENCE_DETECT ASC_REQ_SEQUENCE_DETECT ASC_RET_SEQUENCE_DETECT,
    SESSION_TICKET: - - ASC_REQ_SESSION_TICKET ASC_RET_SESSION_TICKET,
    STREAM: ISC_REQ_STREAM ISC_RET_STREAM ASC_REQ_STREAM ASC_RET_STREAM,
    UNVERIFIED_TARGET_NAME: ISC_REQ_UNVERIFIED_TARGET_NAME - - -,
    USE_DCE_STYLE: ISC_REQ_USE_DCE_STYLE ISC_RET_USED_DCE_STYLE ASC_REQ_USE_DCE_STYLE ASC_RET_USED_DCE_STYLE,
    USE_HTTP_STYLE: ISC_REQ_USE_HTTP_STYLE ISC_RET_USED_HTTP_STYLE - -,
    USE_SESSION_KEY: ISC_REQ_USE_SESSION_KEY ISC_RET_USE_SESSION_KEY ASC_REQ_USE_SESSION_KEY ASC_RET_USE_SESSION_KEY,
    USE_SUPPLIED_CREDS: ISC_REQ_USE_SUPPLIED_CREDS ISC_RET_USED_SUPPLIED_CREDS - -,
}

#[cfg(test)]
mod tests {
    use super::*;

    /// S3
    #[test]
    fn each_flag_has_a_bit_of_its_own_in_each_set() {
        assert_eq!(ROWS.len(), ContextFlags::all().iter().count());
        let names =
            |bits| ContextFlags::names_of_requested(Role::Acceptor, bits).collect::<alloc::vec::Vec<_>>();
        assert_eq!(
            names(sspi::ASC_REQ_STREAM | sspi::ASC_REQ_NO_TOKEN),
            ["ASC_REQ_NO_TOKEN", "ASC_REQ_STREAM"]
        );
        for role in [Role::Acceptor, Role::Initiator] {
            for flag in ContextFlags::all().iter() {
                for (bits, back) in [
                    (flag.to_wire(role), ContextFlags::from_wire as fn(Role, u32) -> ContextFlags),
                    (flag.to_returned(role), ContextFlags::from_returned),
                ] {
                    assert!(bits.count_ones() <= 1, "{flag:?} of the {role:?}");
                    let expected = if bits == 0 { ContextFlags::empty() } else { flag };
                    assert_eq!(back(role, bits), expected, "{flag:?} of the {role:?}");
                }
            }
        }
    }
}
