//! An application's sign-in and sign-out, whichever way its session ends.
//!
//! ```console
//! $ cargo run -p sspcache --example sign_out                        # finds no SSP in this process
//! $ cargo run -p sspcache --example sign_out -- path/to/MSNSSPC.dll # signs in through one, such as the mock
//! ```
#![allow(unsafe_code, reason = "loads the SSP that the command line names")]

use std::{env, error::Error};

use libloading::Library;
use sspcache::{CredentialProvider, FlushOnDrop, SignIn, SspCaches, loader::NativeLoader};

fn main() -> Result<(), Box<dyn Error>> {
    // An application with windows passes `sspcache::native()`. Terminals are opened over SSH, too.
    let ssps = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();

    // Loading an SSP is the application's business: flushing never does.
    let _loaded = match env::args_os().nth(1) {
        // SAFETY: whoever runs this vouches for the file.
        Some(path) => Some(unsafe { Library::new(path)? }),
        None => None,
    };
    session(&ssps)?;
    println!("and again, which does no harm:\n{}", ssps.flush_all());
    Ok(())
}

/// However this returns, the user is signed out.
fn session(ssps: &SspCaches<NativeLoader>) -> Result<(), sspcache::Error> {
    let _sign_out = FlushOnDrop::new(ssps, |report| println!("signing out:\n{report}\n"));
    if !ssps.is_present("MSNSSPC.dll")? {
        println!("MSNSSPC.dll is not loaded here, so nobody signs in\n");
        return Ok(());
    }
    let msn = ssps.security_package("MSNSSPC.dll", "MSN")?;
    let credential = msn.acquire(&SignIn::password("alice", "CONTOSO", "correct horse"))?;
    println!("signed in as {}", credential.principal()?);
    println!("and again, without a password, as {}\n", msn.acquire(&SignIn::silent())?.principal()?);
    Ok(())
}
