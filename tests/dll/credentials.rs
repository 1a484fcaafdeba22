//! What is added to credential handles at the mock DLLs, and set on them, in both forms.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{ffi::OsStr, fs, ptr, slice};

use sspcache_tests::{
    context::{CONFIG, Terms, configured},
    dll::{Ansi, Ask, Form, Identity, Mock, UNTOUCHED_TIME, Wide, in_own_process, succeed},
};
use windows_sys::Win32::{
    Foundation::{
        SEC_E_INVALID_HANDLE, SEC_E_INVALID_PARAMETER, SEC_E_NO_CREDENTIALS, SEC_E_OK,
        SEC_E_SECPKG_NOT_FOUND, SEC_E_UNKNOWN_CREDENTIALS, SEC_E_UNSUPPORTED_FUNCTION,
    },
    Security::Authentication::Identity::{
        KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY, KDC_PROXY_SETTINGS_V1, SECPKG_ATTR_NAMES,
        SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS as PROXY, SECPKG_CRED_ATTR_NAMES, SecPkgContext_NamesW,
        SecPkgCredentials_KdcProxySettingsW,
    },
};

fn signs_in_with_what_was_added<F: Form>() {
    let mock = Mock::own("MSNSSPC");
    let (sspi, contexts) = (mock.sspi::<F>(), mock.contexts::<F>());
    let bob = Identity::<F>::new("bob", "CONTOSO", "battery staple");
    let ask = |package| Ask { package: Some(package), auth_data: bob.as_ptr(), ..Ask::default() };
    let handle = contexts.client("Negotiate", "correct horse");
    let silent = Ask { package: Some("NTLM"), ..Ask::default() };
    for (what, handle, ask, status) in [
        ("a null handle", ptr::null(), ask("NTLM"), SEC_E_INVALID_HANDLE),
        ("a null package", &raw const handle, Ask { package: None, ..ask("NTLM") }, SEC_E_SECPKG_NOT_FOUND),
        ("an unknown package", &raw const handle, ask("Digest"), SEC_E_SECPKG_NOT_FOUND),
        ("no use", &raw const handle, Ask { credential_use: 0, ..ask("NTLM") }, SEC_E_UNKNOWN_CREDENTIALS),
        ("nothing cached", &raw const handle, silent, SEC_E_NO_CREDENTIALS),
    ] {
        assert_eq!(sspi.add(handle, ask), (status, UNTOUCHED_TIME), "{what}");
    }
    let service = contexts.server("Negotiate");
    let initiator = || {
        let client = Terms { target: Some("HTTP/www.contoso.com"), ..Terms::default() };
        let pair = contexts.shake_as(&handle, &service, &client, &Terms::default()).unwrap();
        let names: SecPkgContext_NamesW = contexts.query(&pair.server, SECPKG_ATTR_NAMES).unwrap();
        contexts.take_text(names.sUserName)
    };
    assert_eq!(initiator(), r"CONTOSO\alice");
    assert_eq!(sspi.add(&raw const handle, ask("Kerberos")), (SEC_E_OK, i64::MAX));
    assert_eq!(initiator(), r"CONTOSO\bob");
    assert!(mock.flush());
    assert_eq!(initiator(), r"CONTOSO\bob", "no cache has it");
    assert_eq!(sspi.add(&raw const handle, ask("NTLM")), (SEC_E_OK, i64::MAX));
    assert_eq!(sspi.add(&raw const handle, silent).0, SEC_E_NO_CREDENTIALS, "nor what was added just now");
    assert_eq!(sspi.free(&raw const handle), SEC_E_OK);
    assert_eq!(sspi.add(&raw const handle, silent).0, SEC_E_INVALID_HANDLE);
}

/// P2, S3, S5, S7
#[test]
fn a_handle_signs_in_over_a_package_with_what_was_added_for_it() {
    let config =
        format!("{CONFIG}\n[[account]]\nuser = 'bob'\ndomain = 'CONTOSO'\npassword = 'battery staple'\n");
    configured("a_handle_signs_in_over_a_package_with_what_was_added_for_it", &config, || {
        signs_in_with_what_was_added::<Ansi>();
        signs_in_with_what_was_added::<Wide>();
    });
}

const SERVER: &str = "proxy.contoso.com";
const HEADER: usize = size_of::<SecPkgCredentials_KdcProxySettingsW>();

/// Good settings, with one thing about the header changed.
fn settings(spoil: fn(&mut SecPkgCredentials_KdcProxySettingsW)) -> Vec<u8> {
    let server: Vec<u8> = SERVER.encode_utf16().flat_map(u16::to_ne_bytes).collect();
    let certificate = b"TLS secret";
    let short = |length: usize| u16::try_from(length).unwrap();
    let mut header = SecPkgCredentials_KdcProxySettingsW {
        Version: KDC_PROXY_SETTINGS_V1,
        Flags: KDC_PROXY_SETTINGS_FLAGS_FORCEPROXY,
        ProxyServerOffset: short(HEADER),
        ProxyServerLength: short(server.len()),
        ClientTlsCredOffset: short(HEADER + server.len()),
        ClientTlsCredLength: short(certificate.len()),
    };
    spoil(&mut header);
    // SAFETY: a structure of integers, without gaps.
    let header = unsafe { slice::from_raw_parts((&raw const header).cast::<u8>(), HEADER) };
    [header, &server, certificate].concat()
}

fn takes_a_proxy<F: Form>() {
    let mock = Mock::own("MSNSSPC");
    let (sspi, contexts) = (mock.sspi::<F>(), mock.contexts::<F>());
    let [kerberos, ntlm] = ["Kerberos", "NTLM"].map(|package| contexts.client(package, "correct horse"));
    let good = settings(|_| {});
    for (what, handle, attribute, buffer, status) in [
        ("a null handle", ptr::null(), PROXY, Some(&*good), SEC_E_INVALID_HANDLE),
        ("NTLM", &raw const ntlm, PROXY, Some(&*good), SEC_E_UNSUPPORTED_FUNCTION),
        ("the names", &raw const kerberos, SECPKG_CRED_ATTR_NAMES, Some(&*good), SEC_E_UNSUPPORTED_FUNCTION),
        ("no buffer", &raw const kerberos, PROXY, None, SEC_E_INVALID_PARAMETER),
        (
            "less than a header",
            &raw const kerberos,
            PROXY,
            Some(&good[..HEADER - 1]),
            SEC_E_INVALID_PARAMETER,
        ),
        ("a cut buffer", &raw const kerberos, PROXY, Some(&good[..good.len() - 1]), SEC_E_INVALID_PARAMETER),
    ] {
        assert_eq!(sspi.set(handle, attribute, buffer), status, "{what}");
    }
    for (what, spoilt) in [
        ("another version", settings(|header| header.Version += 1)),
        ("an unknown flag", settings(|header| header.Flags |= 2)),
        ("a server past the end", settings(|header| header.ProxyServerLength = u16::MAX)),
        ("a server behind the end", settings(|header| header.ProxyServerOffset = u16::MAX)),
        ("half a character", settings(|header| header.ProxyServerLength -= 1)),
        ("a certificate past the end", settings(|header| header.ClientTlsCredLength += 1)),
    ] {
        assert_eq!(sspi.set(&raw const kerberos, PROXY, Some(&spoilt)), SEC_E_INVALID_PARAMETER, "{what}");
    }
    assert_eq!(sspi.set(&raw const kerberos, PROXY, Some(&good)), SEC_E_OK);
    // From an odd address, without anything that is optional.
    let none = settings(|header| {
        *header = SecPkgCredentials_KdcProxySettingsW { Version: KDC_PROXY_SETTINGS_V1, ..Default::default() }
    });
    let odd = [&[0], &none[..HEADER]].concat();
    let negotiate = contexts.client("Negotiate", "correct horse");
    assert_eq!(sspi.set(&raw const negotiate, PROXY, Some(&odd[1..])), SEC_E_OK);
    assert_eq!(sspi.free(&raw const kerberos), SEC_E_OK);
    assert_eq!(sspi.set(&raw const kerberos, PROXY, Some(&good)), SEC_E_INVALID_HANDLE);
}

/// S5, M8, M12: what was refused changed nothing, and the journal tells the rest, but for what is secret.
#[test]
fn a_proxy_for_kerberos_is_taken_and_told_in_the_journal() {
    let folder = tempfile::tempdir().unwrap();
    let (config, journal) = (folder.path().join("mock.toml"), folder.path().join("journal"));
    fs::write(&config, CONFIG).unwrap();
    fs::create_dir(&journal).unwrap();
    let environment: [(&str, &OsStr); 2] =
        [("SSPCACHE_CONFIG", config.as_os_str()), ("SSPCACHE_JOURNAL", journal.as_os_str())];
    let command =
        in_own_process("a_proxy_for_kerberos_is_taken_and_told_in_the_journal", &environment, || {
            takes_a_proxy::<Ansi>();
            takes_a_proxy::<Wide>();
        });
    let Some(command) = command else { return };
    succeed(command);
    let files = fs::read_dir(&journal).unwrap().map(|file| fs::read_to_string(file.unwrap().path()).unwrap());
    let text: String = files.collect();
    let told: Vec<_> = text.lines().filter(|line| line.contains("kdc-proxy-set")).collect();
    assert_eq!(told.len(), 4, "two of each form:\n{text}");
    let with_server = told.iter().filter(|line| line.contains(SERVER) && line.contains("\"force\":true"));
    assert_eq!(with_server.count(), 2, "{told:#?}");
    assert!(!text.contains("TLS secret"));
}
