//! Ccaches as files, made without a KDC: a Kerberos library reads, lists and destroys them, and no server takes their tickets.
//!
//! Reference: <https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html>, version 4.

use std::{fs, path::Path};

/// The session key of each ticket, and the ticket itself.
pub const SECRET: &str = "0123456789abcdef";

/// Writes a ccache of `alice@CONTOSO.EXAMPLE` with tickets for these servers, such as `HTTP/web@CONTOSO.EXAMPLE`.
pub fn write<'a>(path: &Path, tickets: impl IntoIterator<Item = &'a str>) {
    let alice = principal("alice@CONTOSO.EXAMPLE");
    let far = 0x7000_0000_u32.to_be_bytes();
    let mut file = [vec![5, 4, 0, 0], alice.clone()].concat();
    for server in tickets {
        let ticket = [
            alice.clone(),
            principal(server),
            17_u16.to_be_bytes().to_vec(),
            data(SECRET),
            [[0; 4], [0; 4], far, far].concat(),
            // No key of a user-to-user ticket, no flags, no addresses, no authorization data.
            vec![0; 1 + 4 + 4 + 4],
            data(SECRET),
            data(""),
        ];
        file.extend(ticket.concat());
    }
    fs::write(path, file).unwrap();
}

fn data(text: &str) -> Vec<u8> {
    [&u32::try_from(text.len()).unwrap().to_be_bytes(), text.as_bytes()].concat()
}

fn principal(name: &str) -> Vec<u8> {
    const KRB5_NT_PRINCIPAL: u32 = 1;
    let (components, realm) = name.split_once('@').expect("a name has a realm");
    let components: Vec<_> = components.split('/').collect();
    let numbers =
        [KRB5_NT_PRINCIPAL, u32::try_from(components.len()).unwrap()].map(u32::to_be_bytes).concat();
    [realm].iter().chain(&components).fold(numbers, |bytes, name| [bytes, data(name)].concat())
}
