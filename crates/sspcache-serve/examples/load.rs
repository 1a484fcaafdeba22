//! Requests per second with a sign-in each, beside requests without one, and the memory of the process: `load [SIGN-INS]`. It fails where
//! the second half of a scheme's sign-ins takes memory that the first half didn't.
//!
//! Client and server are in one process, on one connection at a time. A second of a machine that does something else counts as well, so the
//! requests without a sign-in are counted anew before each round, and the ratio is that of the two.

use std::{
    fs,
    io::{self, BufRead, BufReader, Read, Write},
    net::TcpStream,
    time::Instant,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use sspcache::{
    Credential, SignIn,
    context::{ContextRequest, HandshakeError, Step},
};
use sspcache_engine::Engine;
use sspcache_mock::{MockProcess, MockSsp};
use sspcache_serve::{Authentication, HttpServer, Settings};

fn main() -> Result<(), Box<dyn std::error::Error>> {
    let wanted: u32 = std::env::args().nth(1).map_or(Ok(10_000), |number| number.parse())?;
    // Mocks that keep no events: what they say would be most of the memory.
    let accounts = Engine::builder("MSNSSPC.dll").account("alice", "CONTOSO", "correct horse");
    let server = HttpServer::start_with(
        &MockSsp::from(accounts.record_events(false).build()),
        Settings::new().authentication(Authentication::OfRequest),
    )?;
    let client = MockSsp::from(Engine::builder("MSNSSPC.dll").record_events(false).build());
    let ssps = MockProcess::with_loaded([&client]).provider();
    let mut connection = BufReader::new(TcpStream::connect(server.address())?);
    connection.get_ref().set_nodelay(true)?;

    for scheme in ["Negotiate", "NTLM"] {
        let package = ssps.security_package("MSNSSPC.dll", scheme)?;
        let alice = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
        let mut before = None;
        for _ in 0..2 {
            let plain = rate(wanted / 10, || get(&mut connection, "/open", "").map(drop))?;
            let signed_in = rate(wanted / 2, || sign_in(&mut connection, &alice, scheme))?;
            let memory = memory();
            println!(
                "{:>8} sign-ins by {scheme:<10}{signed_in:>7.0} a second; without one {plain:>7.0}; ratio {:.2}; memory {}",
                wanted / 2,
                signed_in / plain,
                memory.map_or("unknown".to_owned(), |kilobytes| format!("{kilobytes} kB"))
            );
            if before.is_some_and(|before| memory > Some(before + GROWTH)) {
                return Err(format!("memory grows with the number of sign-ins by {scheme}").into());
            }
            before = memory;
        }
    }
    println!("{:?}", server.totals());
    Ok(())
}

/// By how many kilobytes memory may differ from round to round.
const GROWTH: u64 = 512;

/// How often a second something is done.
fn rate(times: u32, mut act: impl FnMut() -> io::Result<()>) -> io::Result<f64> {
    let start = Instant::now();
    for _ in 0..times {
        act()?;
    }
    Ok(f64::from(times) / start.elapsed().as_secs_f64())
}

/// The kilobytes of memory that the process has; Linux alone says so.
fn memory() -> Option<u64> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"))?;
    line.split_whitespace().next()?.parse().ok()
}

fn sign_in(connection: &mut BufReader<TcpStream>, alice: &Credential, scheme: &str) -> io::Result<()> {
    let mut handshake = Some(alice.initiate(ContextRequest::to("HTTP/localhost")));
    let mut received = Vec::new();
    while let Some(open) = handshake.take() {
        let token =
            match open.step(&received).map_err(HandshakeError::into_error).map_err(io::Error::other)? {
                Step::Continue { handshake: rest, token } => {
                    handshake = Some(rest);
                    token
                }
                Step::Established { token, .. } => token,
            };
        if token.is_empty() {
            break;
        }
        let field = format!("Authorization: {scheme} {}\r\n", STANDARD.encode(token));
        received = get(connection, "/", &field)?;
    }
    Ok(())
}

/// A request, and the token in its answer.
fn get(connection: &mut BufReader<TcpStream>, path: &str, field: &str) -> io::Result<Vec<u8>> {
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\n{field}\r\n");
    connection.get_mut().write_all(request.as_bytes())?;
    let (mut token, mut length) = (Vec::new(), 0);
    loop {
        let mut line = String::new();
        connection.read_line(&mut line)?;
        if line.trim_end().is_empty() {
            break;
        }
        if let Some(value) = line.strip_prefix("content-length: ") {
            length = value.trim_end().parse().map_err(io::Error::other)?;
        } else if let Some(value) = line.strip_prefix("www-authenticate: ")
            && let Some((_, base64)) = value.trim_end().split_once(' ')
        {
            token = STANDARD.decode(base64).map_err(io::Error::other)?;
        }
    }
    io::copy(&mut connection.by_ref().take(length), &mut io::sink())?;
    Ok(token)
}
