//! What LSA replies when it is asked for the tickets: a structure whose strings are pointers into the reply itself.
//!
//! References: [KERB_QUERY_TKT_CACHE_EX_RESPONSE](https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/ns-ntsecapi-kerb_query_tkt_cache_ex_response),
//! [KERB_QUERY_TKT_CACHE_RESPONSE](https://learn.microsoft.com/en-us/windows/win32/api/ntsecapi/ns-ntsecapi-kerb_query_tkt_cache_response).

use std::{io, mem::offset_of};

use windows_sys::Win32::Security::Authentication::Identity::{
    KERB_QUERY_TKT_CACHE_EX_RESPONSE, KERB_QUERY_TKT_CACHE_RESPONSE, KERB_TICKET_CACHE_INFO,
    KERB_TICKET_CACHE_INFO_EX, LSA_UNICODE_STRING,
};

/// Where a reply has what is read of it: offsets and sizes in bytes.
#[derive(Clone, Copy, Debug)]
pub(super) struct Layout {
    tickets: usize,
    ticket: usize,
    server: usize,
    realm: usize,
}

impl Layout {
    /// The reply to `KerbQueryTicketCacheExMessage`.
    pub(super) const EX: Self = Self {
        tickets: offset_of!(KERB_QUERY_TKT_CACHE_EX_RESPONSE, Tickets),
        ticket: size_of::<KERB_TICKET_CACHE_INFO_EX>(),
        server: offset_of!(KERB_TICKET_CACHE_INFO_EX, ServerName),
        realm: offset_of!(KERB_TICKET_CACHE_INFO_EX, ServerRealm),
    };
    /// The reply to `KerbQueryTicketCacheMessage`.
    pub(super) const PLAIN: Self = Self {
        tickets: offset_of!(KERB_QUERY_TKT_CACHE_RESPONSE, Tickets),
        ticket: size_of::<KERB_TICKET_CACHE_INFO>(),
        server: offset_of!(KERB_TICKET_CACHE_INFO, ServerName),
        realm: offset_of!(KERB_TICKET_CACHE_INFO, RealmName),
    };
}

/// The name of each ticket's server, `HTTP/www.contoso.example@CONTOSO.EXAMPLE`.
///
/// `address` is where the reply lies, or lay: the pointers in it are from there. Whatever the reply says, nothing outside of
/// it is read.
///
/// # Errors
/// When the reply is shorter than it says, or a string lies outside of it.
pub(super) fn servers(reply: &[u8], address: usize, layout: Layout) -> io::Result<Vec<String>> {
    let count =
        read(reply, offset_of!(KERB_QUERY_TKT_CACHE_RESPONSE, CountOfTickets)).map(u32::from_ne_bytes);
    let count = count.and_then(|count| usize::try_from(count).ok()).ok_or_else(|| too_short(reply))?;
    if count == 0 {
        return Ok(Vec::new());
    }
    let end = count.checked_mul(layout.ticket).and_then(|size| size.checked_add(layout.tickets));
    let tickets = end.and_then(|end| reply.get(layout.tickets..end)).ok_or_else(|| too_short(reply))?;
    let name = |(index, ticket): (usize, &[u8])| {
        let part = |offset| string(reply, address, ticket, offset).ok_or_else(|| outside(reply, index));
        Ok(format!("{}@{}", part(layout.server)?, part(layout.realm)?))
    };
    tickets.chunks_exact(layout.ticket).enumerate().map(name).collect()
}

/// The text of the `UNICODE_STRING` at that offset of a ticket; `None` when it isn't within the reply.
fn string(reply: &[u8], address: usize, ticket: &[u8], offset: usize) -> Option<String> {
    let length = read(ticket, offset + offset_of!(LSA_UNICODE_STRING, Length)).map(u16::from_ne_bytes)?;
    if length == 0 {
        return Some(String::new());
    }
    let buffer = read(ticket, offset + offset_of!(LSA_UNICODE_STRING, Buffer)).map(usize::from_ne_bytes)?;
    let start = buffer.checked_sub(address)?;
    let text = reply.get(start..start.checked_add(length.into())?)?;
    let (units, []) = text.as_chunks() else { return None };
    let units: Vec<u16> = units.iter().map(|&unit| u16::from_ne_bytes(unit)).collect();
    // A name that is not Unicode is shown as well as it can be.
    Some(String::from_utf16_lossy(&units))
}

fn read<const N: usize>(bytes: &[u8], offset: usize) -> Option<[u8; N]> {
    bytes.get(offset..)?.first_chunk().copied()
}

fn too_short(reply: &[u8]) -> io::Error {
    let length = reply.len();
    let error = format!("LSA's list of tickets has {length} bytes, too few for the tickets that it counts");
    io::Error::new(io::ErrorKind::InvalidData, error)
}

fn outside(reply: &[u8], index: usize) -> io::Error {
    let (number, length) = (index + 1, reply.len());
    let error = format!("a name of ticket {number} lies outside of the {length} bytes that LSA returned");
    io::Error::new(io::ErrorKind::InvalidData, error)
}

#[cfg(test)]
mod tests {
    use super::*;

    const ADDRESS: usize = 0x1_0000;

    /// A reply that lies at [`ADDRESS`], with these servers and realms.
    fn reply(layout: Layout, names: &[(&str, &str)]) -> Vec<u8> {
        let mut reply = vec![0; layout.tickets + names.len() * layout.ticket];
        reply[4..8].copy_from_slice(&u32::try_from(names.len()).unwrap().to_ne_bytes());
        for (index, (server, realm)) in names.iter().enumerate() {
            let ticket = layout.tickets + index * layout.ticket;
            for (offset, name) in [(layout.server, server), (layout.realm, realm)] {
                let text: Vec<u8> = name.encode_utf16().flat_map(u16::to_ne_bytes).collect();
                let address = ADDRESS + reply.len();
                put(&mut reply, ticket + offset, text.len(), address);
                reply.extend(text);
            }
        }
        reply
    }

    /// Writes a `UNICODE_STRING`.
    fn put(reply: &mut [u8], at: usize, length: usize, buffer: usize) {
        reply[at..at + 2].copy_from_slice(&u16::try_from(length).unwrap().to_ne_bytes());
        let at = at + offset_of!(LSA_UNICODE_STRING, Buffer);
        reply[at..at + size_of::<usize>()].copy_from_slice(&buffer.to_ne_bytes());
    }

    /// K4
    #[test]
    fn a_reply_names_each_tickets_server() {
        let names = [("krbtgt/A.TEST", "A.TEST"), ("HTTP/zoë", "A.TEST"), ("", "")];
        for layout in [Layout::EX, Layout::PLAIN] {
            let reply = reply(layout, &names);
            let listed = servers(&reply, ADDRESS, layout).unwrap();
            assert_eq!(listed, ["krbtgt/A.TEST@A.TEST", "HTTP/zoë@A.TEST", "@"]);
            assert!(servers(&reply[..8], ADDRESS, layout).is_err());
        }
        assert_eq!(
            servers(&[0; 8], ADDRESS, Layout::EX).unwrap(),
            [""; 0],
            "as Wine says that there are none"
        );
    }

    /// K4: nothing outside of the reply is read, whatever is in it.
    #[test]
    fn a_reply_that_lies_about_its_length_is_refused() {
        let layout = Layout::EX;
        let whole = reply(layout, &[("krbtgt/A.TEST", "A.TEST")]);
        for length in 0..whole.len() {
            assert!(servers(&whole[..length], ADDRESS, layout).is_err(), "{length}");
        }
        for count in [2, u32::MAX] {
            let mut more = whole.clone();
            more[4..8].copy_from_slice(&count.to_ne_bytes());
            let error = servers(&more, ADDRESS, layout).unwrap_err();
            assert!(error.to_string().contains("too few"), "{error}");
        }
        let end = ADDRESS + whole.len();
        for (length, buffer) in [
            (4, ADDRESS - 2),
            (4, end - 2),
            (2, end),
            (2, usize::MAX),
            (2, 0),
            (3, ADDRESS),
            (0xFFFE, ADDRESS),
        ] {
            let mut astray = whole.clone();
            put(&mut astray, layout.tickets + layout.server, length, buffer);
            let error = servers(&astray, ADDRESS, layout).unwrap_err();
            assert!(error.to_string().contains("ticket 1"), "{length} bytes at {buffer:#x}: {error}");
        }
    }
}
