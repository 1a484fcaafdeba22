//! The servers of `exec --serve`: started before the command, stopped after it, and what they say in its verdict.

use std::{ffi::OsString, fmt::Write, io, path::Path};

use serde::Serialize;
use sspcache_serve::{HttpServer, ProxyServer, ServerEvent, ServerEventKind, Settings, SignIn};
use tempfile::TempPath;

use super::{ServeFailure, Started, mock};
use crate::{
    cli::{Bindings, Server},
    output::{count, quoted},
};

/// The servers of a run. They stop when this is dropped.
pub(crate) struct Servers {
    started: Vec<(Server, Started)>,
    /// The certificate to trust. The file is deleted when this is dropped.
    ca: Option<TempPath>,
}

impl Servers {
    /// Starts these, with the accounts of the configuration in this file.
    pub(crate) fn start(
        wanted: &[Server],
        bindings: Bindings,
        config: Option<&Path>,
    ) -> Result<Self, ServeFailure> {
        let mut servers = Self { started: Vec::new(), ca: None };
        for &server in wanted {
            if servers.started.iter().any(|(known, _)| *known == server) {
                continue;
            }
            let mock = mock(config)?;
            let started = match server {
                Server::Http => Started::Http(HttpServer::start(&mock)?),
                Server::Https => {
                    let settings = Settings::new().tls(true).bindings(super::bindings(bindings));
                    Started::Http(HttpServer::start_with(&mock, settings)?)
                }
                Server::Proxy => Started::Proxy(ProxyServer::start(&mock)?),
            };
            if let Some(ca) = started.ca() {
                let mut file = tempfile::Builder::new().prefix("sspcache-").suffix(".pem").tempfile()?;
                io::Write::write_all(&mut file, ca.as_bytes())?;
                servers.ca = Some(file.into_temp_path());
            }
            servers.started.push((server, started));
        }
        Ok(servers)
    }

    /// The variables through which the command finds them.
    pub(crate) fn variables(&self) -> Vec<(&'static str, OsString)> {
        let mut variables = Vec::new();
        for (server, started) in &self.started {
            let variable = match server {
                Server::Http => "SSPCACHE_HTTP_URL",
                Server::Https => "SSPCACHE_HTTPS_URL",
                Server::Proxy => "SSPCACHE_PROXY_URL",
            };
            variables.push((variable, started.url().into()));
        }
        variables.extend(self.ca.as_ref().map(|ca| ("SSPCACHE_CA_FILE", ca.as_os_str().to_owned())));
        variables
    }

    /// Who signed in to them; none unless there is a server.
    pub(crate) fn served(&self) -> Option<Served> {
        if self.started.is_empty() {
            return None;
        }
        let mut served = Served { totals: Totals::default(), sign_ins: Vec::new(), refusals: Vec::new() };
        for (server, started) in &self.started {
            let totals = started.totals();
            served.totals.signed_in += totals.signed_in;
            served.totals.refused += totals.refused;
            let at = name(*server);
            for ServerEvent { kind, .. } in started.events() {
                match kind {
                    ServerEventKind::SignedIn(sign_in) => {
                        served.sign_ins.push(Accepted { server: at, sign_in });
                    }
                    ServerEventKind::Refused { scheme, reason } => {
                        served.refusals.push(Refused { server: at, scheme, reason });
                    }
                    _ => {}
                }
            }
        }
        Some(served)
    }
}

fn name(server: Server) -> &'static str {
    match server {
        Server::Http => "http",
        Server::Https => "https",
        Server::Proxy => "proxy",
    }
}

/// What the servers of a run say.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    #[serde(flatten)]
    totals: Totals,
    /// The latest of them.
    sign_ins: Vec<Accepted>,
    /// The latest of them.
    refusals: Vec<Refused>,
}

#[derive(Debug, Default, Serialize)]
struct Totals {
    signed_in: u64,
    refused: u64,
}

#[derive(Debug, Serialize)]
struct Accepted {
    server: &'static str,
    #[serde(flatten)]
    sign_in: SignIn,
}

#[derive(Debug, Serialize)]
struct Refused {
    server: &'static str,
    scheme: String,
    reason: String,
}

impl Served {
    /// For people: a line for each kind of sign-in and refusal, and a closing one.
    pub(crate) fn text(&self) -> String {
        let mut lines: Vec<(String, usize)> = Vec::new();
        let mut add = |line: String| match lines.iter_mut().find(|(known, _)| *known == line) {
            Some((_, times)) => *times += 1,
            None => lines.push((line, 1)),
        };
        // The server that a test has most often needn't be named.
        let at = |server: &str| if server == "http" { String::new() } else { format!("{server}: ") };
        for Accepted { server, sign_in } in &self.sign_ins {
            let at = at(server);
            let SignIn { principal, scheme, package, target, legs, .. } = sign_in;
            let chosen = if scheme == package { String::new() } else { format!(" ({scheme})") };
            let target = target.as_ref().map_or("no target".to_owned(), Clone::clone);
            let bound = if sign_in.bound { ", bound to its channel" } else { "" };
            add(format!(
                "{at}{principal} signed in by {package}{chosen} to {target}, with {}{bound}",
                count(*legs, "token")
            ));
        }
        for Refused { server, scheme, reason } in &self.refusals {
            let at = at(server);
            let scheme = if scheme.is_empty() { "another scheme" } else { scheme };
            add(format!("{at}a sign-in by {scheme} was refused: {reason}"));
        }
        let mut text = String::new();
        for (line, times) in lines {
            let times = if times > 1 { format!(", {times} times") } else { String::new() };
            writeln!(text, "{}{times}", quoted(&line)).expect("a string takes all text");
        }
        let Totals { signed_in, refused } = self.totals;
        format!("served: {}, {refused} refused\n{text}", count(signed_in, "sign-in"))
    }
}
