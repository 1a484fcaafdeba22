//! Kerberos.framework, with a KDC of MIT krb5's. Both read and write the same files.

use sspcache_tests::kdc::{Kdc, Kind};

use crate::flush::{child, flush};

/// Where the system has it; it is in no file of this name.
const KERBEROS: &str = "/System/Library/Frameworks/Kerberos.framework/Kerberos";

/// K1, K2, K4
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn kerberos_framework_flushes_the_users_ccache() {
    let kdc = Kdc::start(Kind::Mit);
    let ccache = format!("FILE:{}", kdc.path("ccache").display());
    for selection in ["default", &*ccache] {
        kdc.kinit(&ccache);
        assert!(kdc.reaches_service(&ccache));
        let looks = flush(&kdc, selection, &ccache).with(KERBEROS).looks();
        assert!(looks.iter().any(|row| row.text.contains(&kdc.principal("host/localhost"))), "{looks:?}");
        flush(&kdc, selection, &ccache).with(KERBEROS).row().is(&ccache, Some(2), "flushed");
        assert!(!kdc.klist(&ccache).0);
        assert!(!kdc.reaches_service(&ccache));
        flush(&kdc, selection, &ccache).with(KERBEROS).row().is(selection, None, "absent");
    }
}

/// K1, K4
#[test]
#[ignore = "needs a KDC: cargo xtask test"]
fn kerberos_framework_flushes_tickets_in_memory_that_are_named() {
    let kdc = Kdc::start(Kind::Mit);
    let ccache = format!("FILE:{}", kdc.path("ccache").display());
    kdc.kinit(&ccache);
    let mut client = child("child::names_its_own");
    kdc.bind(&mut client, &ccache).env("SSPCACHE_TEST_LIBRARY", KERBEROS);
    let ran = client.env("SSPCACHE_TEST_FROM", &ccache).output().unwrap();
    assert!(ran.status.success() && String::from_utf8_lossy(&ran.stdout).contains("1 passed"), "{ran:?}");
    assert!(kdc.reaches_service(&ccache));
}
