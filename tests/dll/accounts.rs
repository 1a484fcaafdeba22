//! Changing the password of an account at the mock DLLs, in both forms.

use std::ptr;

use sspcache_tests::{
    context::{CONFIG, Contexts, Terms, configured},
    dll::{Ansi, Form, Mock, Wide},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_INVALID_PARAMETER, SEC_E_LOGON_DENIED, SEC_E_OK, SEC_E_SECPKG_NOT_FOUND,
        SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{
        DOMAIN_PASSWORD_INFORMATION, SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_TOKEN, SecBufferDesc,
    },
};

type Change<U> =
    extern "system" fn(*const U, *const U, *const U, *const U, *const U, u8, u32, *mut SecBufferDesc) -> i32;

/// `ChangeAccountPassword` for an account of CONTOSO, with a response buffer of this kind.
fn change<F: Form>(mock: &Mock, [package, account, old, new]: [&str; 4], kind: u32, reserved: u32) -> i32 {
    let (status, response) =
        mock.contexts::<F>().change([package, "CONTOSO", account, old, new], kind, reserved);
    if status == SEC_E_OK {
        assert_eq!(response.cbBuffer as usize, size_of::<DOMAIN_PASSWORD_INFORMATION>());
        assert_eq!(mock.sspi::<F>().free_buffer(response.pvBuffer), SEC_E_OK);
    } else {
        assert!(response.cbBuffer == 0 && response.pvBuffer.is_null(), "nothing is written");
    }
    status
}

fn signs_in<F: Form>(contexts: Contexts<'_, F>, password: &str) -> bool {
    let [alice, service] = [contexts.client("NTLM", password), contexts.server("NTLM")];
    contexts.shake_as(&alice, &service, &Terms::default(), &Terms::default()).is_ok()
}

fn changes_what_counts<F: Form>(mock: &Mock) {
    const RESPONSE: u32 = SECBUFFER_CHANGE_PASS_RESPONSE;
    let contexts = mock.contexts::<F>();
    let names = ["NTLM", "alice", "correct horse", "battery staple"];
    for ([package, account, old, new], kind, reserved, status) in [
        (["Kerberos", "alice", "wrong", "x"], RESPONSE, 0, SEC_E_LOGON_DENIED),
        (["Kerberos", "bob", "correct horse", "x"], RESPONSE, 0, SEC_E_LOGON_DENIED),
        (["Digest", "alice", "correct horse", "x"], RESPONSE, 0, SEC_E_SECPKG_NOT_FOUND),
        (["MSN", "alice", "correct horse", "x"], RESPONSE, 0, SEC_E_UNSUPPORTED_FUNCTION),
        (names, SECBUFFER_TOKEN, 0, SEC_E_INVALID_PARAMETER),
        (names, RESPONSE, 1, SEC_E_INVALID_PARAMETER),
    ] {
        let answer = change::<F>(mock, [package, account, old, new], kind, reserved);
        assert_eq!(answer, status, "{package} {account} {old} {kind} {reserved}: {answer:#010X}");
    }
    assert!(signs_in(contexts, "correct horse"), "nothing was changed");
    assert_eq!(change::<F>(mock, names, RESPONSE, 0), SEC_E_OK);
    assert!(signs_in(contexts, "battery staple"));
    assert!(!signs_in(contexts, "correct horse"));
    let null = mock.expect::<Change<F::Unit>>(&format!("ChangeAccountPassword{}", F::SUFFIX));
    let package = F::terminated("NTLM");
    let nothing = ptr::null();
    // A BOOLEAN is a byte, and may be any.
    let answer = null(package.as_ptr(), nothing, nothing, nothing, nothing, 2, 0, ptr::null_mut());
    assert_eq!(answer, SEC_E_INVALID_PARAMETER);
}

/// S3, S5
#[test]
fn a_changed_password_is_the_one_that_counts() {
    let config = format!("{CONFIG}\n[[package]]\nname = 'MSN'\n");
    configured("a_changed_password_is_the_one_that_counts", &config, || {
        changes_what_counts::<Ansi>(&Mock::own("MSNSSPC"));
        changes_what_counts::<Wide>(&Mock::own("MSNSSPC"));
    });
}
