//! The servers of `exec --serve`: started before the command, stopped after it, and what they say in its verdict.

use std::{fmt::Write, path::Path};

use serde::Serialize;
use sspcache_serve::{HttpServer, ServerEvent, ServerEventKind, SignIn};

use super::{ServeFailure, mock};
use crate::{
    cli::Server,
    output::{count, quoted},
};

/// The servers of a run. They stop when this is dropped.
pub(crate) struct Servers {
    http: Option<HttpServer>,
}

impl Servers {
    /// Starts these, with the accounts of the configuration in this file.
    pub(crate) fn start(wanted: &[Server], config: Option<&Path>) -> Result<Self, ServeFailure> {
        let http =
            if wanted.contains(&Server::Http) { Some(HttpServer::start(&mock(config)?)?) } else { None };
        Ok(Self { http })
    }

    /// The variables through which the command finds them.
    pub(crate) fn variables(&self) -> Vec<(&'static str, String)> {
        self.http.iter().map(|server| ("SSPCACHE_HTTP_URL", server.url())).collect()
    }

    /// Who signed in to them; none unless there is a server.
    pub(crate) fn served(&self) -> Option<Served> {
        let http = self.http.as_ref()?;
        let mut served = Served { totals: http.totals().into(), sign_ins: Vec::new(), refusals: Vec::new() };
        for ServerEvent { kind, .. } in http.events() {
            match kind {
                ServerEventKind::SignedIn(sign_in) => served.sign_ins.push(sign_in),
                ServerEventKind::Refused { scheme, reason } => {
                    served.refusals.push(Refused { scheme, reason });
                }
                _ => {}
            }
        }
        Some(served)
    }
}

/// What the servers of a run say.
#[derive(Debug, Serialize)]
pub(crate) struct Served {
    #[serde(flatten)]
    totals: Totals,
    /// The latest of them.
    sign_ins: Vec<SignIn>,
    /// The latest of them.
    refusals: Vec<Refused>,
}

#[derive(Debug, Serialize)]
struct Totals {
    signed_in: u64,
    refused: u64,
}

impl From<sspcache_serve::Totals> for Totals {
    fn from(totals: sspcache_serve::Totals) -> Self {
        Self { signed_in: totals.signed_in, refused: totals.refused }
    }
}

#[derive(Debug, Serialize)]
struct Refused {
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
        for sign_in in &self.sign_ins {
            let SignIn { principal, scheme, package, target, legs, .. } = sign_in;
            let chosen = if scheme == package { String::new() } else { format!(" ({scheme})") };
            let target = target.as_ref().map_or("no target".to_owned(), Clone::clone);
            let bound = if sign_in.bound { ", bound to its channel" } else { "" };
            add(format!(
                "{principal} signed in by {package}{chosen} to {target}, with {}{bound}",
                count(*legs, "token")
            ));
        }
        for Refused { scheme, reason } in &self.refusals {
            let scheme = if scheme.is_empty() { "another scheme" } else { scheme };
            add(format!("a sign-in by {scheme} was refused: {reason}"));
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
