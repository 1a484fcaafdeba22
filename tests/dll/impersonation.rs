//! `impersonation = "process-token"`: clause R3.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::c_void, fs, path::Path, ptr};

use sspcache_engine::{
    EventKind,
    journal::{self, Journal},
};
use sspcache_tests::{
    context::{CONFIG, Contexts, Pair, Terms},
    dll::{Handle, Mock, Wide, in_own_process, succeed},
};
use windows_sys::Win32::{
    Foundation::{SEC_E_INVALID_HANDLE, SEC_E_NO_IMPERSONATION},
    Security::Authentication::Identity::{SECPKG_ATTR_ACCESS_TOKEN, SecPkgContext_AccessToken},
};

struct Server<'m> {
    contexts: Contexts<'m, Wide>,
    pair: Pair,
    act: extern "system" fn(*const Handle) -> i32,
    revert: extern "system" fn(*const Handle) -> i32,
    token: extern "system" fn(*const Handle, *mut *mut c_void) -> i32,
}

impl<'m> Server<'m> {
    fn new(mock: &'m Mock) -> Self {
        let contexts = mock.contexts::<Wide>();
        Self {
            contexts,
            pair: contexts.shake("NTLM", &Terms::default(), &Terms::default()),
            act: mock.expect("ImpersonateSecurityContext"),
            revert: mock.expect("RevertSecurityContext"),
            token: mock.expect("QuerySecurityContextToken"),
        }
    }

    fn query(&self, context: &Handle) -> Result<*mut c_void, i32> {
        let mut token = ptr::null_mut();
        match (self.token)(context, &raw mut token) {
            0 => Ok(token),
            status => Err(status),
        }
    }

    fn attribute(&self, context: &Handle) -> Result<*mut c_void, i32> {
        let token = self.contexts.query::<SecPkgContext_AccessToken>(context, SECPKG_ATTR_ACCESS_TOKEN);
        token.map(|token| token.AccessToken)
    }

    /// What each of the four functions answers.
    fn answers(&self, context: &Handle) -> [i32; 4] {
        let status = |answer: Result<*mut c_void, i32>| answer.map_or_else(|status| status, |_| 0);
        [
            (self.act)(context),
            (self.revert)(context),
            status(self.query(context)),
            status(self.attribute(context)),
        ]
    }
}

/// Runs a test with the token of the process, and with a journal, which is returned.
#[track_caller]
fn with_process_token(test: &str, body: impl Fn(&Mock)) -> Option<Journal> {
    let folder = tempfile::tempdir().unwrap();
    let config = folder.path().join("mock.toml");
    fs::write(&config, format!("{CONFIG}\n[context]\nimpersonation = 'process-token'\n")).unwrap();
    let journals = folder.path().join("journals");
    fs::create_dir(&journals).unwrap();
    let environment =
        [("SSPCACHE_CONFIG", config.as_os_str()), ("SSPCACHE_JOURNAL", Path::new(&journals).as_os_str())];
    let command = in_own_process(test, &environment, || {
        let mock = Mock::own("MSNSSPC");
        body(&mock);
        mock.unload();
    })?;
    succeed(command);
    Some(Journal::read(&journal::find(&journals).unwrap()[0]).unwrap())
}

/// R3
#[test]
fn only_a_server_acts_for_its_client() {
    with_process_token("only_a_server_acts_for_its_client", |mock| {
        let server = Server::new(mock);
        assert_eq!(server.answers(&server.pair.client), [SEC_E_NO_IMPERSONATION; 4]);
        assert_eq!(server.answers(&Handle { lower: 7, upper: 0 }), [SEC_E_INVALID_HANDLE; 4]);
    });
}

/// R3: there is no token but Windows'.
#[cfg(unix)]
#[test]
fn elsewhere_there_is_no_token_of_the_process() {
    use windows_sys::Win32::Foundation::SEC_E_UNSUPPORTED_FUNCTION;

    let journal = with_process_token("elsewhere_there_is_no_token_of_the_process", |mock| {
        let server = Server::new(mock);
        assert_eq!(server.answers(&server.pair.server), [SEC_E_UNSUPPORTED_FUNCTION; 4]);
        assert_eq!(
            (server.token)(&raw const server.pair.server, ptr::null_mut()),
            SEC_E_UNSUPPORTED_FUNCTION
        );
    });
    let Some(journal) = journal else { return };
    let acted =
        |kind: &EventKind| matches!(kind, EventKind::Impersonated { .. } | EventKind::Reverted { .. });
    assert!(!journal.events.iter().any(|event| acted(&event.kind)));
}

#[cfg(windows)]
mod on_windows {
    use windows_sys::Win32::{
        Foundation::{CloseHandle, HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_OK},
        Security::{
            GetTokenInformation, ImpersonateLoggedOnUser, RevertToSelf, SecurityImpersonation, TOKEN_QUERY,
            TokenImpersonationLevel,
        },
        System::Threading::{GetCurrentThread, OpenThreadToken},
    };

    use super::*;

    /// The token that this thread acts with, if it acts for a client.
    fn thread_token() -> Option<HANDLE> {
        let mut token = ptr::null_mut();
        // SAFETY: the thread is this one, and there is a place for the handle.
        let opened = unsafe { OpenThreadToken(GetCurrentThread(), TOKEN_QUERY, 1, &raw mut token) };
        (opened != 0).then_some(token)
    }

    /// The level of an impersonation token, which is closed.
    fn level_and_close(token: HANDLE) -> i32 {
        let (mut level, mut length) = (-1i32, 0);
        // SAFETY: there is room for a level, as is said.
        let found = unsafe {
            GetTokenInformation(token, TokenImpersonationLevel, (&raw mut level).cast(), 4, &raw mut length)
        };
        assert_ne!(found, 0);
        // SAFETY: the handle is the test's.
        assert_ne!(unsafe { CloseHandle(token) }, 0, "the caller closes it");
        level
    }

    /// R3
    #[test]
    fn a_server_acts_with_the_token_of_its_process() {
        let journal = with_process_token("a_server_acts_with_the_token_of_its_process", |mock| {
            let server = Server::new(mock);
            let context = &raw const server.pair.server;
            assert!(thread_token().is_none());
            for _ in 0..2 {
                assert_eq!((server.act)(context), SEC_E_OK);
                assert_eq!(level_and_close(thread_token().unwrap()), SecurityImpersonation);
                assert_eq!((server.revert)(context), SEC_E_OK);
                assert!(thread_token().is_none());
            }
            assert_eq!((server.revert)(context), SEC_E_OK, "without impersonation it succeeds");
            assert_eq!((server.token)(context, ptr::null_mut()), SEC_E_INVALID_PARAMETER);
            for token in [server.query(&server.pair.server), server.attribute(&server.pair.server)] {
                let token = token.unwrap();
                // SAFETY: the token is open.
                assert_ne!(unsafe { ImpersonateLoggedOnUser(token) }, 0);
                assert_eq!(level_and_close(thread_token().unwrap()), SecurityImpersonation);
                // SAFETY: it takes nothing.
                assert_ne!(unsafe { RevertToSelf() }, 0);
                assert_eq!(level_and_close(token), SecurityImpersonation);
            }
        });
        let Some(journal) = journal else { return };
        let named: Vec<_> = journal
            .events
            .iter()
            .filter_map(|event| match &event.kind {
                EventKind::ProcessTokenUsed { user } => Some(user.clone()),
                _ => None,
            })
            .collect();
        assert_eq!(named, [std::env::var("USERNAME").unwrap()], "once");
        let acted = |kind: &EventKind| matches!(kind, EventKind::Impersonated { .. });
        assert_eq!(journal.events.iter().filter(|event| acted(&event.kind)).count(), 2);
    }
}
