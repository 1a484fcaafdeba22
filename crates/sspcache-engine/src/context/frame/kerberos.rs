//! Kerberos's tokens: AP-REQ, AP-REP and KRB-ERROR in the frame of GSS-API, or without it in DCE style.
//!
//! Names are real. What Kerberos encrypts has a private encryption type, and the mock's message in the place of the
//! cipher, so that no real service can take it for its own.
//!
//! References: [RFC 4120](https://www.rfc-editor.org/rfc/rfc4120) for the messages,
//! [RFC 4121](https://www.rfc-editor.org/rfc/rfc4121) for their frame,
//! [MS-KILE](https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-kile/) for DCE style.

use super::{
    der::{
        self, BIT_STRING, Der, GENERAL_STRING, GENERALIZED_TIME, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE,
        application, context,
    },
    names::{PRINCIPAL, SOMEWHERE, Target, UNKNOWN, realm_of},
};
use crate::{FileTime, Name, Principal, SecurityStatus, context::token};

/// What a token of Kerberos is, and the mock's message in it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::context) enum Kind {
    Request,
    Reply,
    Error,
}

/// What an AP-REQ says in the clear.
pub(in crate::context) struct Asked<'a> {
    pub(in crate::context) target: Option<&'a Name>,
    pub(in crate::context) client: Option<&'a Principal>,
    /// Whether the other side is to answer.
    pub(in crate::context) mutual: bool,
    /// Whether the token goes without GSS-API's frame.
    pub(in crate::context) dce: bool,
    /// How many zeros are in the ticket.
    pub(in crate::context) padding: usize,
}

/// An AP-REQ whose last bytes are this message.
pub(in crate::context) fn request(asked: &Asked<'_>, message: &[u8]) -> Vec<u8> {
    let target = Target::of(asked.target, asked.client);
    framed(Kind::Request, asked.dce, |to| {
        head(to, Kind::Request);
        let options: u8 = if asked.mutual { 0x20 } else { 0 };
        der::element(to, context(2), |to| der::bytes(to, BIT_STRING, &[0, options, 0, 0, 0]));
        der::element(to, context(3), |to| {
            der::element(to, application(TICKET), |to| {
                der::element(to, SEQUENCE, |to| {
                    der::integer(to, context(0), VERSION);
                    named(to, context(1), &target.realm, context(2), &target.components, target.kind);
                    der::element(to, context(3), |to| {
                        encrypted(to, Some(KEY_VERSION), &token::ticket(asked.padding));
                    });
                });
            });
        });
        der::element(to, context(4), |to| encrypted(to, None, message));
    })
}

/// An AP-REP whose last bytes are this message.
pub(in crate::context) fn reply(dce: bool, message: &[u8]) -> Vec<u8> {
    framed(Kind::Reply, dce, |to| {
        head(to, Kind::Reply);
        der::element(to, context(2), |to| encrypted(to, None, message));
    })
}

/// A KRB-ERROR of this acceptor.
pub(in crate::context) fn error(
    status: SecurityStatus,
    now: FileTime,
    server: &Principal,
    dce: bool,
) -> Vec<u8> {
    let realm = realm_of(&server.domain);
    let user = server.user.to_string();
    let (kind, user) = if user.is_empty() { (UNKNOWN, SOMEWHERE.to_owned()) } else { (PRINCIPAL, user) };
    framed(Kind::Error, dce, |to| {
        head(to, Kind::Error);
        der::element(to, context(4), |to| der::bytes(to, GENERALIZED_TIME, time(now).as_bytes()));
        der::integer(to, context(5), i32::try_from(now.0 / 10 % 1_000_000).unwrap_or_default());
        der::integer(to, context(6), code(status));
        named(to, context(9), &realm, context(10), &[user], kind);
        der::element(to, context(12), |to| der::bytes(to, OCTET_STRING, &token::error(status)));
    })
}

/// What a token is, and the mock's message in it.
pub(in crate::context) fn read(token: &[u8]) -> Option<(Kind, &[u8])> {
    let mut token = Der(token);
    let mut body = if token.is_next(application(0)) {
        let mut frame = token.element(application(0))?;
        token.end()?;
        if frame.element(OBJECT_IDENTIFIER)?.0 != KERBEROS {
            return None;
        }
        let (id, rest) = frame.0.split_first_chunk()?;
        let body = Der(rest);
        KINDS.iter().find(|kind| kind.id() == *id && body.is_next(application(kind.number())))?;
        body
    } else {
        token
    };
    let tag = *body.0.first()?;
    let kind = KINDS.into_iter().find(|kind| application(kind.number()) == tag)?;
    let mut choice = body.element(tag)?;
    body.end()?;
    let mut fields = choice.element(SEQUENCE)?;
    choice.end()?;
    if fields.integer(context(0))? != VERSION || fields.integer(context(1))? != i32::from(kind.number()) {
        return None;
    }
    let message = match kind {
        Kind::Request => read_request(&mut fields)?,
        Kind::Reply => read_encrypted(&mut fields.element(context(2))?, None)?,
        Kind::Error => read_error(&mut fields)?,
    };
    fields.end()?;
    Some((kind, message))
}

fn read_request<'t>(fields: &mut Der<'t>) -> Option<&'t [u8]> {
    let [0, _, 0, 0, 0] = fields.bytes_in(context(2), BIT_STRING)? else { return None };
    let mut ticket = fields.element(context(3))?;
    let mut choice = ticket.element(application(TICKET))?;
    ticket.end()?;
    let mut inside = choice.element(SEQUENCE)?;
    choice.end()?;
    if inside.integer(context(0))? != VERSION {
        return None;
    }
    read_named(&mut inside, context(1), context(2))?;
    let sealed = read_encrypted(&mut inside.element(context(3))?, Some(KEY_VERSION))?;
    inside.end()?;
    if !token::is_ticket(sealed) {
        return None;
    }
    read_encrypted(&mut fields.element(context(4))?, None)
}

fn read_error<'t>(fields: &mut Der<'t>) -> Option<&'t [u8]> {
    fields.bytes_in(context(4), GENERALIZED_TIME)?;
    fields.integer(context(5))?;
    fields.integer(context(6))?;
    read_named(fields, context(9), context(10))?;
    fields.bytes_in(context(12), OCTET_STRING)
}

const KINDS: [Kind; 3] = [Kind::Request, Kind::Reply, Kind::Error];

impl Kind {
    /// The number of the message, which is its tag as well.
    fn number(self) -> u8 {
        match self {
            Self::Request => 14,
            Self::Reply => 15,
            Self::Error => 30,
        }
    }

    /// What stands before it in GSS-API's frame.
    fn id(self) -> [u8; 2] {
        match self {
            Self::Request => [1, 0],
            Self::Reply => [2, 0],
            Self::Error => [3, 0],
        }
    }
}

fn framed(kind: Kind, dce: bool, fields: impl FnOnce(&mut Vec<u8>)) -> Vec<u8> {
    let mut written = Vec::new();
    let message = |to: &mut Vec<u8>| {
        der::element(to, application(kind.number()), |to| der::element(to, SEQUENCE, fields));
    };
    if dce {
        message(&mut written);
    } else {
        der::element(&mut written, application(0), |to| {
            der::bytes(to, OBJECT_IDENTIFIER, KERBEROS);
            to.extend_from_slice(&kind.id());
            message(to);
        });
    }
    written
}

fn head(to: &mut Vec<u8>, kind: Kind) {
    der::integer(to, context(0), VERSION);
    der::integer(to, context(1), kind.number().into());
}

/// A realm, and a `PrincipalName`.
fn named(to: &mut Vec<u8>, realm_tag: u8, realm: &str, name_tag: u8, components: &[String], kind: i32) {
    der::element(to, realm_tag, |to| der::bytes(to, GENERAL_STRING, realm.as_bytes()));
    der::element(to, name_tag, |to| {
        der::element(to, SEQUENCE, |to| {
            der::integer(to, context(0), kind);
            der::element(to, context(1), |to| {
                der::element(to, SEQUENCE, |to| {
                    for component in components {
                        der::bytes(to, GENERAL_STRING, component.as_bytes());
                    }
                });
            });
        });
    });
}

fn read_named(from: &mut Der<'_>, realm_tag: u8, name_tag: u8) -> Option<()> {
    from.bytes_in(realm_tag, GENERAL_STRING)?;
    let mut name = from.element(name_tag)?;
    let mut fields = name.element(SEQUENCE)?;
    name.end()?;
    fields.integer(context(0))?;
    let mut strings = fields.element(context(1))?;
    fields.end()?;
    let mut components = strings.element(SEQUENCE)?;
    strings.end()?;
    while !components.0.is_empty() {
        components.element(GENERAL_STRING)?;
    }
    Some(())
}

/// An `EncryptedData`.
fn encrypted(to: &mut Vec<u8>, key_version: Option<i32>, cipher: &[u8]) {
    der::element(to, SEQUENCE, |to| {
        der::integer(to, context(0), ENCRYPTION);
        if let Some(version) = key_version {
            der::integer(to, context(1), version);
        }
        der::element(to, context(2), |to| der::bytes(to, OCTET_STRING, cipher));
    });
}

/// The cipher of an `EncryptedData`, which is all that is left.
fn read_encrypted<'t>(from: &mut Der<'t>, key_version: Option<i32>) -> Option<&'t [u8]> {
    let mut fields = from.element(SEQUENCE)?;
    from.end()?;
    if fields.integer(context(0))? != ENCRYPTION {
        return None;
    }
    if let Some(version) = key_version
        && fields.integer(context(1))? != version
    {
        return None;
    }
    let cipher = fields.bytes_in(context(2), OCTET_STRING)?;
    fields.end()?;
    Some(cipher)
}

/// The error of RFC 4120 that says it best.
fn code(status: SecurityStatus) -> i32 {
    match status {
        SecurityStatus::LOGON_DENIED => 31,    // KRB_AP_ERR_BAD_INTEGRITY
        SecurityStatus::WRONG_PRINCIPAL => 35, // KRB_AP_ERR_NOT_US
        SecurityStatus::TIME_SKEW => 37,       // KRB_AP_ERR_SKEW
        _ => 60,                               // KRB_ERR_GENERIC
    }
}

/// A `KerberosTime`: UTC, in whole seconds.
fn time(time: FileTime) -> String {
    let seconds = time.since_unix_epoch().as_secs();
    let (days, second) = (seconds / 86_400, seconds % 86_400);
    let (mut year, mut day) = (1970_u64, days);
    let is_leap =
        |year: u64| year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400));
    // A clock that a test sets may be far ahead: the calendar repeats after 400 years.
    year += day / DAYS_OF_400_YEARS * 400;
    day %= DAYS_OF_400_YEARS;
    while day >= 365 + u64::from(is_leap(year)) {
        day -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let february = 28 + u64::from(is_leap(year));
    let mut month = 1;
    for length in [31, february, 31, 30, 31, 30, 31, 31, 30, 31, 30] {
        if day < length {
            break;
        }
        day -= length;
        month += 1;
    }
    let (hour, minute) = (second / 3600, second / 60 % 60);
    format!("{:04}{month:02}{:02}{hour:02}{minute:02}{:02}Z", year.min(9999), day + 1, second % 60)
}

const DAYS_OF_400_YEARS: u64 = 146_097;

/// 1.2.840.113554.1.2.2
pub(super) const KERBEROS: &[u8] = &[0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2];
/// The version of the protocol.
const VERSION: i32 = 5;
/// The number of a ticket's tag.
const TICKET: u8 = 1;
/// The type of encryption: below zero, where RFC 3961 leaves the numbers to private use, and none of Windows' own
/// there.
const ENCRYPTION: i32 = -21_331;
const KEY_VERSION: i32 = 1;

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    /// P8: as `date -u -d @SECONDS +%Y%m%d%H%M%SZ` prints them.
    #[test]
    fn times_are_those_of_the_calendar() {
        for (seconds, text) in [
            (0, "19700101000000Z"),
            (951_782_399, "20000228235959Z"),
            (951_782_400, "20000229000000Z"),
            (1_767_225_600, "20260101000000Z"),
            (1_798_761_599, "20261231235959Z"),
            (4_107_542_400, "21000301000000Z"),
            (13_574_563_199, "24000228235959Z"),
        ] {
            assert_eq!(time(FileTime::from(UNIX_EPOCH + Duration::from_secs(seconds))), text);
        }
        assert_eq!(
            time(FileTime::NEVER),
            "9999".to_owned() + &time(FileTime::NEVER)[4..],
            "no longer than it may be"
        );
    }
}
