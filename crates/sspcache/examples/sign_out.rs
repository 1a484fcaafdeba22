//! An application's session: signing in and signing out through one object, whichever way the session ends.
//!
//! ```console
//! $ cargo run -p sspcache --example sign_out                        # finds no SSP in this process
//! $ cargo run -p sspcache --example sign_out -- path/to/MSNSSPC.dll # signs in through one, such as the mock
//! ```
#![allow(unsafe_code, reason = "loads the SSP that the command line names")]

use std::{env, error::Error};

use libloading::Library;
use sspcache::{Credential, CredentialProvider, FlushOnDrop, SignIn, SspCaches, Sspi, loader::NativeLoader};

/// A signed-in user.
struct Session<'a> {
    sspi: &'a dyn Sspi,
    credential: Credential,
}

impl<'a> Session<'a> {
    fn sign_in(sspi: &'a dyn Sspi, sign_in: &SignIn<'_>) -> Result<Self, sspcache::Error> {
        let msn = sspi.security_package("MSNSSPC.dll", "MSN")?;
        Ok(Self { sspi, credential: msn.acquire(sign_in)? })
    }

    fn sign_out(self) -> Result<(), sspcache::Error> {
        drop(self.credential); // frees the handle; the SSP still has the password in its cache
        let report = self.sspi.flush_all();
        println!("signing out:\n{report}\n");
        report.into_result().map(drop)
    }
}

fn main() -> Result<(), Box<dyn Error>> {
    // An application with windows passes `sspcache::native()`. Terminals are opened over SSH, too.
    let ssps = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();

    // Loading an SSP is the application's business: nothing in `sspcache` does it.
    let _loaded = match env::args_os().nth(1) {
        // SAFETY: the caller of this program vouches for the file.
        Some(path) => Some(unsafe { Library::new(path)? }),
        None => None,
    };
    if !ssps.is_present("MSNSSPC.dll")? {
        println!("MSNSSPC.dll is not loaded here: name a file to load\n{}", ssps.flush_all());
        return Ok(());
    }

    // Flushes on the ways out that nobody thought of: an early return, a panic.
    let _last_resort =
        FlushOnDrop::new(&ssps, |report| println!("at the end, which does no harm:\n{report}"));
    let alice = Session::sign_in(&ssps, &SignIn::password("alice", "CONTOSO", "correct horse"))?;
    println!("signed in as {}", alice.credential.principal()?);
    let again = Session::sign_in(&ssps, &SignIn::silent())?;
    println!("and again, without a password, as {}\n", again.credential.principal()?);
    alice.sign_out()?;
    Ok(())
}
