//! Signing in through a module that is loaded, and what keeps it loaded.

use sspcache::{
    CredentialProvider, Error, Flush, SecurityStatus, SignIn,
    loader::{Loader, Module, NativeLoader, SecurityInterface},
};

use crate::{
    fixtures::{Loaded, MSNSSPC},
    provider,
};

/// The whole path through the C ABI of an SSP: the mock, as the file that it ships as.
#[test]
fn signing_in_through_a_loaded_ssp_lasts_until_it_is_flushed() {
    let provider = provider("SIGNIN.dll");
    let module = Loaded::new(MSNSSPC, "SIGNIN.dll");
    let package = provider.security_package("SIGNIN.dll", "MSN").unwrap();
    let refused = |sign_in: &SignIn<'_>| match package.acquire(sign_in).unwrap_err() {
        Error::Sspi { module: path, function: "AcquireCredentialsHandle", status } => {
            assert!(module.is_at(&path), "{}", path.display());
            status
        }
        error => panic!("{error:?}"),
    };
    assert_eq!(refused(&SignIn::silent()), SecurityStatus::NO_CREDENTIALS);

    let explicit = package.acquire(&SignIn::password("älice\u{1F511}", "CONTOSO", "correct horse")).unwrap();
    assert_eq!(explicit.principal().unwrap(), "CONTOSO\\älice\u{1F511}");
    explicit.close().unwrap();
    for silent in [SignIn::silent(), SignIn::silent().as_principal("CONTOSO\\älice\u{1F511}")] {
        assert_eq!(package.acquire(&silent).unwrap().principal().unwrap(), "CONTOSO\\älice\u{1F511}");
    }
    assert_eq!(refused(&SignIn::silent().as_principal(r"CONTOSO\bob")), SecurityStatus::NO_CREDENTIALS);

    assert_eq!(provider.flush("SIGNIN.dll").unwrap(), Flush::Flushed);
    assert_eq!(refused(&SignIn::silent()), SecurityStatus::NO_CREDENTIALS);
}

/// C4
#[test]
fn an_interface_keeps_its_ssp_loaded() {
    let loader = NativeLoader::default();
    let ssp = Loaded::new(MSNSSPC, "INTERFACE.dll");
    let interface =
        loader.modules("INTERFACE.dll").unwrap().next().unwrap().security_interface().unwrap().unwrap();
    drop(ssp);
    let refused = interface.acquire("MSN", &SignIn::silent()).map(drop);
    assert_eq!(refused, Err(SecurityStatus::NO_CREDENTIALS));
    drop(interface);
    if !cfg!(target_vendor = "apple") {
        assert!(loader.modules("INTERFACE.dll").unwrap().next().is_none());
    }
}

/// C4
#[test]
fn a_credential_keeps_its_ssp_loaded() {
    let provider = provider("KEPT.dll");
    let module = Loaded::new(MSNSSPC, "KEPT.dll");
    let package = provider.security_package("KEPT.dll", "MSN").unwrap();
    let credential = package.acquire(&SignIn::password("alice", "CONTOSO", "correct horse")).unwrap();
    drop((module, package));
    assert!(provider.is_present("KEPT.dll").unwrap());
    assert_eq!(credential.principal().unwrap(), r"CONTOSO\alice");
    credential.close().unwrap();
    if !cfg!(target_vendor = "apple") {
        assert!(!provider.is_present("KEPT.dll").unwrap());
    }
}
