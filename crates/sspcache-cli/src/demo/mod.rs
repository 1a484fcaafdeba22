//! `sspcache demo`: the main job, with nothing installed.
//!
//! Sign in, sign in silently from the SSP's cache, flush the documented way, and see that the silent sign-in is refused
//! and that no copy of the secret is left in this process's memory. First the facts are gathered, then told.

mod memory;
mod password;
mod story;

use std::io::{self, Write};

use serde::Serialize;
use sspcache_engine::{AcquireRequest, Engine, Identity, Status};

use self::{memory::Scan, password::MaskedPassword};
use crate::{cli::Format, output::print_json};

const MODULE: &str = "MSNSSPC.dll";
const PACKAGE: &str = "MSN";
const USER: &str = "alice";
const DOMAIN: &str = "CONTOSO";

/// What happened.
#[derive(Debug, Serialize)]
struct Facts {
    module: &'static str,
    package: &'static str,
    principal: String,
    /// Signing in with a password, then without one, then without one after the flush.
    sign_in: Attempt,
    silent_sign_in: Attempt,
    silent_sign_in_after_flush: Attempt,
    /// Credentials in the SSP's cache.
    cached_before_flush: usize,
    cached_after_flush: usize,
    /// Copies of the password in this process's memory; none where the system shows a process no memory.
    memory_before_flush: Option<Scan>,
    memory_after_flush: Option<Scan>,
    flush: Vec<Flushed>,
    /// Whether the sign-out did what it is for.
    passed: bool,
}

/// What flushing one SSP came to.
#[derive(Debug, Serialize)]
struct Flushed {
    ssp: String,
    outcome: String,
    succeeded: bool,
}

/// A try to sign in, and the status that `AcquireCredentialsHandle` returned.
#[derive(Debug, Serialize)]
struct Attempt {
    status: &'static str,
    succeeded: bool,
}

impl<T> From<Result<T, Status>> for Attempt {
    fn from(result: Result<T, Status>) -> Self {
        match result {
            Ok(_) => Self { status: "SEC_E_OK", succeeded: true },
            Err(status) => Self { status: status.name(), succeeded: false },
        }
    }
}

/// Shows the main job; whether it did what it is for.
pub(crate) fn demo(format: Format) -> io::Result<bool> {
    let facts = gather()?;
    match format {
        Format::Json => print_json(&facts)?,
        Format::Text => {
            let story = story::tell(&facts);
            anstream::stdout().write_all(story.as_bytes())?;
        }
    }
    Ok(facts.passed)
}

fn gather() -> io::Result<Facts> {
    let password = MaskedPassword::random().map_err(io::Error::other)?;
    let ssp = Engine::builder(MODULE).build();
    let silently = || Attempt::from(ssp.acquire(&AcquireRequest::outbound(PACKAGE)));

    let sign_in = {
        let identity = Identity::password(USER, DOMAIN, &password.reveal());
        Attempt::from(ssp.acquire(&AcquireRequest::outbound(PACKAGE).with_identity(identity)))
    };
    let silent_sign_in = silently();
    let cached_before_flush = ssp.cached();
    let memory_before_flush = memory::scan(&password)?;

    let flushed = ssp.cleanup();
    let flush = vec![Flushed { ssp: MODULE.to_owned(), outcome: "flushed".to_owned(), succeeded: flushed }];
    let cached_after_flush = ssp.cached();
    let silent_sign_in_after_flush = silently();
    let memory_after_flush = memory::scan(&password)?;

    // A scan that finds nothing proves something only if it could have found it.
    let residue_gone = match (memory_before_flush, memory_after_flush) {
        (Some(before), Some(after)) => before.copies > 0 && after.copies == 0,
        _ => true,
    };
    let passed = sign_in.succeeded
        && silent_sign_in.succeeded
        && flushed
        && !silent_sign_in_after_flush.succeeded
        && cached_after_flush == 0
        && residue_gone;
    Ok(Facts {
        module: MODULE,
        package: PACKAGE,
        principal: format!("{DOMAIN}\\{USER}"),
        sign_in,
        silent_sign_in,
        silent_sign_in_after_flush,
        cached_before_flush,
        cached_after_flush,
        memory_before_flush,
        memory_after_flush,
        flush,
        passed,
    })
}
