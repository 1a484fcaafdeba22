//! A TLS client of Schannel and its sign-out: the sessions that Schannel would resume, and with them the client certificate that
//! was presented, and whatever else this process has.
//!
//! ```console
//! $ cargo run -p sspcache --example tls --target x86_64-pc-windows-gnu -- server.example
//! $ cargo run -p sspcache --example tls --target x86_64-pc-windows-gnu -- localhost:8443 root.pem # one more root to trust
//! ```
//!
//! Reference: [SslEmptyCache](https://learn.microsoft.com/en-us/windows/win32/api/schannel/nf-schannel-sslemptycachew).

#[cfg(windows)]
fn main() -> Result<(), Box<dyn std::error::Error>> {
    use std::{env, fs, io::Write, net::TcpStream};

    use schannel::{
        cert_context::CertContext,
        cert_store::{CertAdd, Memory},
        schannel_cred::{Direction, SchannelCred},
        tls_stream::Builder,
    };
    use sspcache::{CredentialProvider, caches::Caches};

    let mut arguments = env::args().skip(1);
    let Some(server) = arguments.next() else { return Err("name a server: server.example:443".into()) };
    let (host, port) = server.split_once(':').unwrap_or((&server, "443"));
    let mut roots = Memory::new()?.into_store();
    if let Some(root) = arguments.next() {
        roots.add_cert(&CertContext::from_pem(&fs::read_to_string(root)?)?, CertAdd::Always)?;
    }

    // An application with a client certificate passes it to this builder.
    let credential = SchannelCred::builder().acquire(Direction::Outbound)?;
    let connect = || -> Result<_, Box<dyn std::error::Error>> {
        let connection = TcpStream::connect((host, port.parse::<u16>()?))?;
        let mut stream =
            Builder::new().domain(host).cert_store(roots.clone()).connect(credential.clone(), connection)?;
        stream.write_all(format!("HEAD / HTTP/1.0\r\nHost: {host}\r\n\r\n").as_bytes())?;
        println!("connected to {host}");
        Ok(stream)
    };
    // The second one resumes the session of the first.
    let streams = [connect()?, connect()?];

    // Connections that are open stay open, so they are closed first. Terminals are opened over SSH, too; an application with windows leaves
    // `allow_non_interactive` out.
    drop(streams);
    let report = Caches::process().allow_non_interactive(true).flush_all();
    println!("signing out:\n{report}");
    report.into_result()?;

    // A session from the start, which asks for a client certificate again.
    connect()?;
    Ok(())
}

#[cfg(not(windows))]
fn main() {
    println!("There is no Schannel on this system: build it for Windows.");
}
