//! Another protocol: a server to which PostgreSQL's clients sign in by SSPI, up to the message that says that it is ready for queries. libpq for
//! Windows signs in to it.
//!
//! ```console
//! $ cargo run -p sspcache-serve --example postgresql           # prints the port; the account is CONTOSO\alice, 'correct horse'
//! $ sspcache exec --wine --logon 'CONTOSO\alice' -- wine python.exe -c "import psycopg2; psycopg2.connect('host=localhost port=…')"
//! ```
//!
//! Reference: [message flow](https://www.postgresql.org/docs/current/protocol-flow.html) and
//! [formats](https://www.postgresql.org/docs/current/protocol-message-formats.html).

use std::{
    io::{self, Read, Write},
    net::{TcpListener, TcpStream},
    thread,
    time::Duration,
};

use sspcache::{
    InboundCredential, SecurityPackage,
    context::{ContextRequest, SecurityContext, Step},
};
use sspcache_mock::{MockProcess, MockSsp};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let ssp = MockSsp::msn().account("alice", "CONTOSO", "correct horse");
    let package = MockProcess::with_loaded([&ssp]).provider().security_package("MSNSSPC.dll", "Negotiate")?;
    let listener = TcpListener::bind("127.0.0.1:0")?;
    println!("{}", listener.local_addr()?.port());
    for client in listener.incoming() {
        serve_one(&package, client?);
    }
    Ok(())
}

/// Serves a client in a thread of its own.
fn serve_one(package: &SecurityPackage, client: TcpStream) {
    let service = package.acquire_inbound();
    thread::spawn(move || {
        match service.map_err(io::Error::other).and_then(|service| session(&service, client)) {
            Ok(()) => {}
            Err(error) => eprintln!("a client is gone: {error}"),
        }
    });
}

/// A message that is longer is no client's.
const LONGEST: usize = 128 * 1024;

/// Startup messages, by the number that is in the place of a version.
const VERSION_3: u32 = 196_608;
const SSL_REQUEST: u32 = 80_877_103;
const GSS_ENCRYPTION_REQUEST: u32 = 80_877_104;

/// Kinds of `Authentication…`.
const OK: u32 = 0;
const GSS_CONTINUE: u32 = 8;
const SSPI: u32 = 9;

fn session(service: &InboundCredential, mut client: TcpStream) -> io::Result<()> {
    client.set_read_timeout(Some(Duration::from_secs(30)))?;
    loop {
        let startup = read(&mut client)?;
        match startup.first_chunk().map(|number| u32::from_be_bytes(*number)) {
            Some(SSL_REQUEST | GSS_ENCRYPTION_REQUEST) => client.write_all(b"N")?,
            // Later ones of version 3 have options that a server needn't know.
            Some(version) if version >> 16 == VERSION_3 >> 16 => break,
            _ => return Err(io::Error::other("this is no startup message")),
        }
    }
    match sign_in(service, &mut client)? {
        Ok(context) => {
            println!(
                "{} by {}",
                context.client().map_err(io::Error::other)?,
                context.package().map_err(io::Error::other)?
            );
            send(&mut client, b'R', &OK.to_be_bytes())?;
            for parameter in [
                "server_version\x0018.0\0",
                "client_encoding\0UTF8\0",
                "DateStyle\0ISO, MDY\0",
                "standard_conforming_strings\0on\0",
            ] {
                send(&mut client, b'S', parameter.as_bytes())?;
            }
            send(&mut client, b'K', &[0; 8])?;
            send(&mut client, b'Z', b"I")?;
            // What follows would be queries; a client that closes its connection ends the session.
            io::copy(&mut client, &mut io::sink()).map(drop)
        }
        Err(why) => {
            println!("refused: {why}");
            send(
                &mut client,
                b'E',
                format!("SFATAL\0C28000\0MSSPI authentication failed: {why}\0\0").as_bytes(),
            )
        }
    }
}

/// Carries tokens until the client is signed in or refused.
fn sign_in(
    service: &InboundCredential,
    client: &mut TcpStream,
) -> io::Result<Result<SecurityContext, String>> {
    send(client, b'R', &SSPI.to_be_bytes())?;
    let mut handshake = service.accept(ContextRequest::new());
    loop {
        let mut kind = [0];
        client.read_exact(&mut kind)?;
        if kind != *b"p" {
            return Err(io::Error::other("a GSSResponse was awaited"));
        }
        match handshake.step(&read(client)?) {
            Ok(Step::Continue { handshake: rest, token }) => {
                send(client, b'R', &[&GSS_CONTINUE.to_be_bytes(), &token[..]].concat())?;
                handshake = rest;
            }
            Ok(Step::Established { context, token }) => {
                if !token.is_empty() {
                    send(client, b'R', &[&GSS_CONTINUE.to_be_bytes(), &token[..]].concat())?;
                }
                return Ok(Ok(context));
            }
            // PostgreSQL has no place for a token that says why.
            Err(failed) => return Ok(Err(failed.into_error().to_string())),
        }
    }
}

/// Reads a length and what it counts, but for itself.
fn read(client: &mut TcpStream) -> io::Result<Vec<u8>> {
    let mut length = [0; 4];
    client.read_exact(&mut length)?;
    let length = u32::from_be_bytes(length) as usize;
    let Some(rest) = length.checked_sub(4).filter(|rest| *rest <= LONGEST) else {
        return Err(io::Error::other("a message has no such length"));
    };
    let mut message = vec![0; rest];
    client.read_exact(&mut message)?;
    Ok(message)
}

fn send(client: &mut TcpStream, kind: u8, message: &[u8]) -> io::Result<()> {
    let length = u32::try_from(message.len() + 4).map_err(io::Error::other)?;
    client.write_all(&[&[kind][..], &length.to_be_bytes(), message].concat())
}
