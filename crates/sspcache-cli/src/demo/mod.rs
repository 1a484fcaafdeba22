//! `sspcache demo`: a sign-out, with nothing installed.
//!
//! Signs in, signs in silently from the SSP's cache, flushes the documented way, then checks that the SSP refuses the
//! silent sign-in and that this process's memory holds no copy of the secret. `gather` collects the facts, `story`
//! prints them.

mod memory;
#[cfg_attr(not(target_os = "linux"), allow(dead_code, reason = "memory is searched on Linux only"))]
mod password;
mod story;

use std::io::{self, Write};

use serde::Serialize;
use sspcache::{CredentialProvider, FlushReport, SecurityPackage, SignIn};
use sspcache_mock::{MockProcess, MockSsp};

use self::{memory::Scan, password::MaskedPassword};
use crate::{cli::Format, output::print_json};

const MODULE: &str = "MSNSSPC.dll";
const PACKAGE: &str = "MSN";
const USER: &str = "alice";
const DOMAIN: &str = "CONTOSO";

/// What the demo did and found.
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
    /// Copies of the password in this process's memory; `None` where a process can't read its own memory.
    memory_before_flush: Option<Scan>,
    memory_after_flush: Option<Scan>,
    /// The result of the flush, for each known SSP.
    flush: FlushReport,
    /// Whether the sign-out was complete.
    passed: bool,
}

/// An attempt to sign in, with the status of `AcquireCredentialsHandle`.
#[derive(Debug, Serialize)]
struct Attempt {
    status: String,
    succeeded: bool,
}

impl Attempt {
    /// Signs in, and gives the handle back: what stays behind is what the SSP has cached.
    fn at(package: &SecurityPackage, sign_in: &SignIn<'_>) -> Result<Self, sspcache::Error> {
        match package.acquire(sign_in) {
            Ok(_) => Ok(Self { status: "SEC_E_OK".to_owned(), succeeded: true }),
            Err(sspcache::Error::Sspi { status, .. }) => {
                Ok(Self { status: status.to_string(), succeeded: false })
            }
            Err(error) => Err(error),
        }
    }
}

/// Runs the demo and returns whether the sign-out was complete.
pub(crate) fn demo(format: Format) -> io::Result<bool> {
    let facts = gather()?;
    match format {
        Format::Json => print_json(&facts)?,
        Format::Text => {
            let story = story::write(&facts);
            anstream::stdout().write_all(story.as_bytes())?;
        }
    }
    Ok(facts.passed)
}

fn gather() -> io::Result<Facts> {
    let password = MaskedPassword::random().map_err(io::Error::other)?;
    let ssp = MockSsp::msn();
    let provider = MockProcess::with_loaded([&ssp]).provider();
    let package = provider.security_package(MODULE, PACKAGE).map_err(io::Error::other)?;
    let attempt = |sign_in: &SignIn<'_>| Attempt::at(&package, sign_in).map_err(io::Error::other);

    let sign_in = attempt(&SignIn::password(USER, DOMAIN, &password.reveal()))?;
    let silent_sign_in = attempt(&SignIn::silent())?;
    let cached_before_flush = ssp.cached();
    let memory_before_flush = memory::scan(&password)?;

    let flush = provider.flush_all();

    let cached_after_flush = ssp.cached();
    let silent_sign_in_after_flush = attempt(&SignIn::silent())?;
    let memory_after_flush = memory::scan(&password)?;

    // A scan that finds nothing proves something only if it could have found it.
    let residue_gone = match (memory_before_flush, memory_after_flush) {
        (Some(before), Some(after)) => before.copies > 0 && after.copies == 0,
        _ => true,
    };
    let passed = sign_in.succeeded
        && silent_sign_in.succeeded
        && flush.is_success()
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
