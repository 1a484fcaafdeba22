//! The tickets of the logon session: those that Wine finds in the Unix user's ccache, and those of a stand-in for LSA.

use std::fs;

use super::over_wines_own;
use crate::wine::{child_passes, unix_path};

/// K3, K4: Wine lists what `klist` lists, and purges nothing. On Windows LSA answers, whatever it has.
#[test]
fn wine_lists_the_unix_users_tickets_and_says_that_it_purges_none() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("ccache");
    fs::write(&file, ccache("alice", &[&["krbtgt", "A.TEST"], &["HTTP", "www.a.test"]])).unwrap();
    let name = unix_path(&file).map(|file| ("KRB5CCNAME", format!("FILE:{file}")));
    child_passes("caches::kerberos::child::list_and_purge", name);
}

/// K2, K3, K4: and every connection is closed, every reply freed.
#[test]
fn lsa_is_asked_before_and_after_it_purges() {
    over_wines_own("caches::kerberos::child::ask_a_stand_in");
}

/// A ccache of a user of the realm `A.TEST` with tickets for these services, whose keys and secret parts are no real ones.
///
/// Reference: [format of the file](https://web.mit.edu/kerberos/krb5-latest/doc/formats/ccache_file_format.html).
fn ccache(user: &str, services: &[&[&str]]) -> Vec<u8> {
    const FLAGS_INITIAL_RENEWABLE: u32 = 0x00C0_0000;
    const AES256: u8 = 18;

    fn data(bytes: &[u8]) -> Vec<u8> {
        [&u32::try_from(bytes.len()).unwrap().to_be_bytes(), bytes].concat()
    }
    fn principal(kind: u32, parts: &[&str]) -> Vec<u8> {
        let count = u32::try_from(parts.len()).unwrap();
        let mut bytes = [kind.to_be_bytes(), count.to_be_bytes()].concat();
        bytes.extend(data(b"A.TEST"));
        bytes.extend(parts.iter().flat_map(|part| data(part.as_bytes())));
        bytes
    }
    /// A value of ASN.1, in DER.
    fn der(tag: u8, values: &[Vec<u8>]) -> Vec<u8> {
        let value = values.concat();
        assert!(value.len() < 0x80, "longer ones have another length");
        [vec![tag, u8::try_from(value.len()).unwrap()], value].concat()
    }
    fn field(number: u8, value: Vec<u8>) -> Vec<u8> {
        der(0xA0 + number, &[value])
    }
    fn integer(number: u8) -> Vec<u8> {
        der(0x02, &[vec![number]])
    }
    fn text(text: &str) -> Vec<u8> {
        der(0x1B, &[text.into()])
    }
    fn ticket(service: &[&str]) -> Vec<u8> {
        let names: Vec<_> = service.iter().map(|part| text(part)).collect();
        let name = der(0x30, &[field(0, integer(2)), field(1, der(0x30, &names))]);
        let secret = der(0x30, &[field(0, integer(AES256)), field(2, der(0x04, &[b"secret".into()]))]);
        let fields = [field(0, integer(5)), field(1, text("A.TEST")), field(2, name), field(3, secret)];
        der(0x61, &[der(0x30, &fields)])
    }

    let user = principal(1, &[user]);
    // Version 4, an empty header, the user.
    let mut file = [&[5, 4, 0, 0][..], &user].concat();
    for service in services {
        file.extend([&user[..], &principal(2, service), &[0, AES256], &data(&[0; 32])].concat());
        // From 2001 until 2038.
        for time in [1_000_000_000u32, 1_000_000_000, 0x7FFF_FFFF, 0x7FFF_FFFF] {
            file.extend(time.to_be_bytes());
        }
        file.push(0);
        file.extend(FLAGS_INITIAL_RENEWABLE.to_be_bytes());
        file.extend([0; 8]);
        file.extend([data(&ticket(service)), data(&[])].concat());
    }
    file
}

/// Tests that others run, in processes of their own.
mod child {
    use sspcache::{
        CredentialProvider, Flush, FlushReport,
        caches::{Caches, Contents, Scope},
    };
    use windows_sys::Win32::Foundation::{
        NTSTATUS, SEC_E_NO_CREDENTIALS, STATUS_ACCESS_DENIED, STATUS_NO_SUCH_PACKAGE, STATUS_NOT_IMPLEMENTED,
        STATUS_NOT_SUPPORTED,
    };

    use crate::fixtures::{CACHE_COUNTER, Loaded};

    fn flush() -> FlushReport {
        let mut report = FlushReport::default();
        Caches::process().and_kerberos().flush_into("kerberos", &mut report);
        report
    }

    /// What a status says of the tickets.
    fn contents() -> Result<Contents, String> {
        let status = Caches::process().and_kerberos().status();
        let tickets = status.into_iter().find(|status| status.cache.is_named("kerberos")).unwrap();
        tickets.contents.map_err(|error| format!("{}: {error}", error.code()))
    }

    #[test]
    #[ignore = "run by wine_lists_the_unix_users_tickets_and_says_that_it_purges_none, in a process of its own"]
    fn list_and_purge() {
        let report = flush();
        if std::env::var_os("KRB5CCNAME").is_none() {
            assert!(report.is_success(), "{report}");
            return;
        }
        let tickets = ["krbtgt/A.TEST@A.TEST", "HTTP/www.a.test@A.TEST"].map(str::to_owned);
        assert_eq!(contents().unwrap(), Contents::Entries(tickets.into()));
        let row = &report.rows()[0];
        assert_eq!((row.scope, row.entries), (Scope::LogonSession, Some(0)), "{report}");
        let error = row.outcome.as_ref().unwrap_err();
        assert_eq!(error.code(), "unsupported", "{error}");
        assert!(error.to_string().contains("KERB_PURGE_TKT_CACHE_REQUEST with 0xC0000002"), "{error}");
    }

    /// The stand-in.
    struct Lsa(Loaded);

    impl Lsa {
        fn set_tickets(&self, count: i32) {
            // SAFETY: the fixture's export has this type.
            let set: extern "system" fn(i32) = unsafe { self.0.export("lsa_set_tickets") };
            set(count);
        }

        fn answer(&self, to: u32, status: NTSTATUS) {
            // SAFETY: as above.
            let set: extern "system" fn(u32, NTSTATUS) = unsafe { self.0.export("lsa_answer") };
            set(to, status);
        }

        fn withhold(&self, bytes: i32) {
            // SAFETY: as above.
            let set: extern "system" fn(i32) = unsafe { self.0.export("lsa_withhold") };
            set(bytes);
        }

        fn number(&self, name: &str) -> i32 {
            // SAFETY: as above.
            let get: extern "system" fn() -> i32 = unsafe { self.0.export(name) };
            get()
        }
    }

    const CONNECT: u32 = 0;
    const LOOK_UP: u32 = 1;
    const LIST_EX: u32 = 2;
    const LIST: u32 = 3;
    const PURGE: u32 = 4;

    #[test]
    #[ignore = "run by lsa_is_asked_before_and_after_it_purges, in a process of its own"]
    fn ask_a_stand_in() {
        // Under its base name it is found before the system's own, which nothing here has loaded yet.
        let lsa = Lsa(Loaded::new(CACHE_COUNTER, "secur32.dll"));
        let tickets =
            |count| Contents::Entries(vec!["HTTP/www.contoso.example@CONTOSO.EXAMPLE".into(); count]);

        assert_eq!(contents().unwrap(), Contents::Absent);
        assert_eq!(flush().into_result().unwrap(), Flush::Absent);
        for plain in [false, true] {
            lsa.answer(LIST_EX, if plain { STATUS_ACCESS_DENIED } else { 0 });
            lsa.set_tickets(3);
            assert_eq!(contents().unwrap(), tickets(3));
            let report = flush();
            assert_eq!((report.flushed(), report.rows()[0].entries), (1, Some(3)), "{report}");
            assert_eq!(lsa.number("lsa_tickets"), 0);
        }
        lsa.answer(LIST_EX, 0);

        // What LSA answers, to what, and what comes of it; with the number of tickets that are known to be gone.
        for (to, status, code, says, gone) in [
            (CONNECT, STATUS_ACCESS_DENIED, "other", "LsaConnectUntrusted with 0xC0000022", None),
            (LOOK_UP, STATUS_NO_SUCH_PACKAGE, "unsupported", "no package Kerberos", None),
            (LOOK_UP, STATUS_ACCESS_DENIED, "other", "LsaLookupAuthenticationPackage with 0xC0000022", None),
            (
                PURGE,
                STATUS_NOT_SUPPORTED,
                "unsupported",
                "KERB_PURGE_TKT_CACHE_REQUEST with 0xC00000BB",
                Some(0),
            ),
            (PURGE, STATUS_NOT_IMPLEMENTED, "unsupported", "0xC0000002", Some(0)),
            (PURGE, STATUS_ACCESS_DENIED, "other", "KERB_PURGE_TKT_CACHE_REQUEST with 0xC0000022", Some(0)),
        ] {
            lsa.set_tickets(2);
            lsa.answer(to, status);
            let report = flush();
            let row = &report.rows()[0];
            let error = row.outcome.as_ref().unwrap_err();
            assert_eq!((error.code(), row.entries), (code, gone), "{report}");
            assert!(report.to_string().contains(says), "{report}");
            assert_eq!(lsa.number("lsa_tickets"), 2, "{report}");
            if to != PURGE {
                assert!(contents().unwrap_err().starts_with(code));
            }
            lsa.answer(to, 0);
        }
        lsa.answer(PURGE, SEC_E_NO_CREDENTIALS);
        assert_eq!(flush().into_result().unwrap(), Flush::Absent);
        // A purge that succeeds and leaves tickets is none.
        lsa.answer(PURGE, 1);
        assert_eq!(flush().into_result().unwrap_err().code(), "entries-left");
        lsa.answer(PURGE, 0);

        // Where tickets can't be listed, they are purged nevertheless, and not counted.
        for refused in [LIST_EX, LIST] {
            lsa.answer(refused, STATUS_ACCESS_DENIED);
        }
        let report = flush();
        assert_eq!((report.flushed(), report.rows()[0].entries), (1, None), "{report}");
        assert_eq!(lsa.number("lsa_tickets"), 0);
        assert_eq!(flush().into_result().unwrap(), Flush::Absent, "as the purge says");
        for answered in [LIST_EX, LIST] {
            lsa.answer(answered, 0);
        }

        lsa.set_tickets(1);
        lsa.withhold(8);
        let refused = contents().unwrap_err();
        assert!(refused.starts_with("other"), "{refused}");
        assert_eq!(lsa.number("lsa_open"), 0, "connections and buffers");
    }
}
