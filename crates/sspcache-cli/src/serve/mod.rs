//! `sspcache serve`: a server that clients sign in to; and those that `exec --serve` starts for its command.

mod for_command;

use std::{
    fs,
    io::{self, Write},
    net::SocketAddr,
    ops::Deref,
    path::{Path, PathBuf},
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::Duration,
};

use signal_hook::consts::{SIGINT, SIGTERM};
use sspcache_engine::{Config, ConfigError, Engine};
use sspcache_mock::MockSsp;
use sspcache_serve::{Channel, Fault, HttpServer, ProxyServer, ServeError, Settings};

pub(crate) use self::for_command::{Served, Servers};
use crate::{
    cli::{Bindings, Counts, ServeArgs, ServeCommand},
    exec::{Accounts, Configuration, ExecError},
};

/// Serves until a signal ends the process.
pub(crate) fn serve(command: &ServeCommand) -> Result<(), ServeFailure> {
    let (ServeCommand::Http(args) | ServeCommand::Proxy(args)) = command;
    // Before the URL is printed.
    let ends = Arc::new(AtomicBool::new(false));
    for signal in [SIGINT, SIGTERM] {
        signal_hook::flag::register(signal, ends.clone()).map_err(ServeFailure::Signals)?;
    }
    let config = Accounts::new(&args.account, &[])?.configure(args.config.as_deref(), &[])?;
    let mock = mock(config.as_ref().map(Configuration::path))?;
    drop(config);
    let server = match command {
        ServeCommand::Http(_) => Started::Http(HttpServer::start_with(&mock, settings(args))?),
        ServeCommand::Proxy(_) => Started::Proxy(ProxyServer::start_with(&mock, settings(args))?),
    };
    if let (Some(path), Some(ca)) = (&args.tls, server.ca()) {
        fs::write(path, ca).map_err(|source| ServeFailure::Write { path: path.clone(), source })?;
    }
    let mut output = io::stdout().lock();
    writeln!(output, "{}", server.url())?;
    output.flush()?;
    drop(output);
    let printing = args.events.then(|| {
        let events = server.follow();
        thread::spawn(move || -> io::Result<()> {
            for event in events {
                let mut output = io::stdout().lock();
                writeln!(output, "{}", serde_json::to_string(&event)?)?;
                output.flush()?;
            }
            Ok(())
        })
    });
    // A thread that prints ends early when its output is closed.
    while !ends.load(Ordering::Relaxed) && !printing.as_ref().is_some_and(thread::JoinHandle::is_finished) {
        thread::sleep(Duration::from_millis(50));
    }
    drop(server);
    printing.map_or(Ok(()), |printing| Ok(printing.join().expect("it doesn't panic")?))
}

fn settings(args: &ServeArgs) -> Settings {
    let settings = Settings::new().tls(args.tls.is_some()).bindings(bindings(args.bindings));
    let settings = settings.address(args.address).authentication(match args.counts_for {
        Counts::ByPackage => sspcache_serve::Authentication::ByPackage,
        Counts::Connection => sspcache_serve::Authentication::OfConnection,
        Counts::Request => sspcache_serve::Authentication::OfRequest,
    });
    let settings = args.fault.iter().fold(settings, |settings, &(fault, times)| settings.fault(fault, times));
    if args.scheme.is_empty() { settings } else { settings.schemes(args.scheme.iter().map(String::as_str)) }
}

/// Reads the option of a fault.
pub(crate) fn fault(option: &str) -> Result<(Fault, Option<u32>), String> {
    let (name, times) = option.split_once(':').map_or((option, None), |(name, times)| (name, Some(times)));
    let fault = name.parse::<Fault>().map_err(|unknown| unknown.to_string())?;
    let times = times.map(|times| times.parse().map_err(|_| "how often is a whole number".to_owned()));
    Ok((fault, times.transpose()?))
}

fn bindings(bindings: Bindings) -> sspcache_serve::Bindings {
    match bindings {
        Bindings::Off => sspcache_serve::Bindings::Off,
        Bindings::IfSent => sspcache_serve::Bindings::IfSent(Channel::ServerEndPoint),
        Bindings::Required => sspcache_serve::Bindings::Required(Channel::ServerEndPoint),
    }
}

/// A server of either kind.
enum Started {
    Http(HttpServer),
    Proxy(ProxyServer),
}

impl Deref for Started {
    type Target = HttpServer;

    fn deref(&self) -> &HttpServer {
        match self {
            Self::Http(server) => server,
            Self::Proxy(proxy) => proxy,
        }
    }
}

/// A mock with the configuration of a file. It keeps no events: a server can run for long.
fn mock(config: Option<&Path>) -> Result<MockSsp, ConfigError> {
    let mut engine = Engine::builder("MSNSSPC.dll");
    if let Some(config) = config {
        engine = engine.config(&Config::read(config)?);
    }
    Ok(MockSsp::from(engine.record_events(false).build()))
}

/// The address of a server: loopback, and a port that is free.
pub(crate) const ADDRESS: SocketAddr =
    SocketAddr::new(std::net::IpAddr::V4(std::net::Ipv4Addr::LOCALHOST), 0);

/// Why there is no server.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ServeFailure {
    #[error(transparent)]
    Accounts(#[from] ExecError),
    #[error(transparent)]
    Config(#[from] ConfigError),
    #[error("can't write the result: {0}")]
    Output(#[from] io::Error),
    #[error(transparent)]
    Serve(#[from] ServeError),
    #[error("can't watch for signals: {0}")]
    Signals(#[source] io::Error),
    #[error("can't write {}: {source}", path.display())]
    Write { path: PathBuf, source: io::Error },
}
