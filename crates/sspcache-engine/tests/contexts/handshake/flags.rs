//! Flags: their numbers on both sides, and what is granted of them.

use sspcache_engine::{
    Engine, PackageInfo,
    context::{ContextFlags as F, Role},
};
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use crate::ends::{self, Ends};

/// S3: the numbers of `sspi.h`; 0 where a set has no such bit.
#[test]
fn each_flag_has_its_numbers_on_both_sides() {
    for (flag, isc_req, isc_ret, asc_req, asc_ret) in [
        (F::DELEGATE, 0x1, 0x1, 0x1, 0x1),
        (F::MUTUAL_AUTH, 0x2, 0x2, 0x2, 0x2),
        (F::REPLAY_DETECT, 0x4, 0x4, 0x4, 0x4),
        (F::SEQUENCE_DETECT, 0x8, 0x8, 0x8, 0x8),
        (F::CONFIDENTIALITY, 0x10, 0x10, 0x10, 0x10),
        (F::USE_SESSION_KEY, 0x20, 0x20, 0x20, 0x20),
        (F::PROMPT_FOR_CREDS, 0x40, 0x40, 0, 0),
        (F::SESSION_TICKET, 0, 0, 0x40, 0x40),
        (F::USE_SUPPLIED_CREDS, 0x80, 0x80, 0, 0),
        (F::ALLOCATE_MEMORY, 0x100, 0x100, 0x100, 0x100),
        (F::USE_DCE_STYLE, 0x200, 0x200, 0x200, 0x200),
        (F::DATAGRAM, 0x400, 0x400, 0x400, 0x400),
        (F::CONNECTION, 0x800, 0x800, 0x800, 0x800),
        (F::CALL_LEVEL, 0x1000, 0x2000, 0x1000, 0x2000),
        (F::EXTENDED_ERROR, 0x4000, 0x4000, 0x8000, 0x8000),
        (F::STREAM, 0x8000, 0x8000, 0x1_0000, 0x1_0000),
        (F::INTEGRITY, 0x1_0000, 0x1_0000, 0x2_0000, 0x2_0000),
        (F::LICENSING, 0, 0, 0x4_0000, 0x4_0000),
        (F::IDENTIFY, 0x2_0000, 0x2_0000, 0x8_0000, 0x8_0000),
        (F::NULL_SESSION, 0x4_0000, 0x4_0000, 0x10_0000, 0x10_0000),
        (F::MANUAL_CRED_VALIDATION, 0x8_0000, 0x8_0000, 0, 0),
        (F::ALLOW_NON_USER_LOGONS, 0, 0, 0x20_0000, 0x20_0000),
        (F::FRAGMENT_TO_FIT, 0x20_0000, 0x20_0000, 0x80_0000, 0x80_0000),
        (F::FORWARD_CREDENTIALS, 0x40_0000, 0x40_0000, 0, 0),
        (F::ALLOW_CONTEXT_REPLAY, 0, 0, 0x40_0000, 0x40_0000),
        (F::NO_INTEGRITY, 0x80_0000, 0, 0, 0),
        (F::NO_TOKEN, 0, 0, 0x100_0000, 0x100_0000),
        (F::USE_HTTP_STYLE, 0x100_0000, 0x100_0000, 0, 0),
        (F::PROXY_BINDINGS, 0, 0, 0x400_0000, 0),
        (F::ALLOW_MISSING_BINDINGS, 0, 0, 0x1000_0000, 0),
        (F::UNVERIFIED_TARGET_NAME, 0x2000_0000, 0, 0, 0),
        (F::CONFIDENTIALITY_ONLY, 0x4000_0000, 0x4000_0000, 0, 0),
    ] {
        for (role, requested, returned) in
            [(Role::Initiator, isc_req, isc_ret), (Role::Acceptor, asc_req, asc_ret)]
        {
            assert_eq!((flag.to_wire(role), flag.to_returned(role)), (requested, returned), "{flag:?}");
            let back = |bits| if bits == 0 { F::empty() } else { flag };
            assert_eq!(F::from_wire(role, requested), back(requested), "{flag:?}");
            assert_eq!(F::from_returned(role, returned), back(returned), "{flag:?}");
        }
    }
}

/// S3: what is asked for, of a package that can do so much, is granted on both sides alike.
#[test]
fn what_is_granted_is_what_was_asked_for_and_the_package_can_do() {
    let sign = sspi::SECPKG_FLAG_INTEGRITY;
    let seal = sign | sspi::SECPKG_FLAG_PRIVACY;
    let all = u32::MAX;
    let detect = F::REPLAY_DETECT | F::SEQUENCE_DETECT;
    for (asked, capabilities, granted) in [
        (F::empty(), all, F::empty()),
        // Each by its own capability, or by none.
        (F::INTEGRITY, sign, F::INTEGRITY),
        (F::INTEGRITY, 0, F::empty()),
        (F::CONFIDENTIALITY, seal, F::CONFIDENTIALITY | F::INTEGRITY),
        (F::CONFIDENTIALITY, sign, F::empty()),
        (F::CONFIDENTIALITY, sspi::SECPKG_FLAG_PRIVACY, F::CONFIDENTIALITY),
        (F::CONFIDENTIALITY_ONLY, seal, F::CONFIDENTIALITY_ONLY | F::CONFIDENTIALITY),
        (F::MUTUAL_AUTH, sspi::SECPKG_FLAG_MUTUAL_AUTH, F::MUTUAL_AUTH),
        (F::MUTUAL_AUTH, 0, F::empty()),
        (F::CONNECTION, sspi::SECPKG_FLAG_CONNECTION, F::CONNECTION),
        (F::CONNECTION, 0, F::empty()),
        (F::DATAGRAM, sspi::SECPKG_FLAG_DATAGRAM, F::DATAGRAM),
        (F::DATAGRAM, 0, F::empty()),
        (F::STREAM, sspi::SECPKG_FLAG_STREAM, F::STREAM),
        (F::STREAM, 0, F::empty()),
        (F::EXTENDED_ERROR, sspi::SECPKG_FLAG_EXTENDED_ERROR, F::EXTENDED_ERROR),
        (F::EXTENDED_ERROR, 0, F::empty()),
        (F::IDENTIFY, 0, F::IDENTIFY),
        (F::USE_SESSION_KEY, 0, F::USE_SESSION_KEY),
        (F::USE_DCE_STYLE, 0, F::USE_DCE_STYLE),
        // What brings integrity with it, and what takes it away.
        (F::REPLAY_DETECT, sign, F::REPLAY_DETECT | F::INTEGRITY),
        (F::SEQUENCE_DETECT, sign, F::SEQUENCE_DETECT | F::INTEGRITY),
        (detect, 0, F::empty()),
        (F::NO_INTEGRITY | F::INTEGRITY | detect, seal, F::empty()),
        (F::NO_INTEGRITY | F::CONFIDENTIALITY | detect, seal, F::CONFIDENTIALITY | detect),
        // Delegating goes with mutual authentication alone.
        (F::DELEGATE, all, F::empty()),
        (F::DELEGATE | F::MUTUAL_AUTH, all, F::DELEGATE | F::MUTUAL_AUTH),
        (F::DELEGATE | F::MUTUAL_AUTH, sspi::SECPKG_FLAG_MUTUAL_AUTH, F::MUTUAL_AUTH),
        // What belongs to other packages.
        (F::CALL_LEVEL | F::FRAGMENT_TO_FIT | F::PROMPT_FOR_CREDS | F::USE_SUPPLIED_CREDS, all, F::empty()),
        (F::FORWARD_CREDENTIALS | F::MANUAL_CRED_VALIDATION | F::USE_HTTP_STYLE, all, F::empty()),
    ] {
        let ssp = engine(capabilities);
        let mut ends = Ends::new(&ssp).asking(asked);
        let (client, server) = ends.run().unwrap();
        assert_eq!((client.flags, server.flags), (granted, granted), "{asked:?} of {capabilities:#x}");
        let (client, server) = ends.infos();
        assert_eq!((client.flags, server.flags), (granted, granted), "{asked:?} of {capabilities:#x}");
    }
}

/// S3: when the two sides' packages differ, a context has what both can do.
#[test]
fn a_context_has_what_the_packages_of_both_sides_can_do() {
    let (weak, strong) = (engine(sspi::SECPKG_FLAG_INTEGRITY), engine(u32::MAX));
    let asked = F::CONFIDENTIALITY | F::MUTUAL_AUTH | F::REPLAY_DETECT;
    for (client, server) in [(&weak, &strong), (&strong, &weak)] {
        let mut ends = Ends::between(client, server, ends::alice()).asking(asked);
        ends.run().unwrap();
        let (client, server) = ends.infos();
        assert_eq!((client.flags, server.flags), (F::REPLAY_DETECT | F::INTEGRITY, client.flags));
    }
}

/// S3: what an acceptor asks for itself; it can't add to what the initiator asked for.
#[test]
fn an_acceptor_has_what_the_initiator_asked_for_and_what_is_its_own() {
    let ssp = engine(u32::MAX);
    let own = F::ALLOW_NON_USER_LOGONS | F::NO_TOKEN | F::EXTENDED_ERROR;
    let mut ends = Ends::new(&ssp)
        .asking(F::IDENTIFY | F::SEQUENCE_DETECT)
        .demanding(own | F::MUTUAL_AUTH | F::CONFIDENTIALITY | F::ALLOW_CONTEXT_REPLAY | F::LICENSING);
    let (client, server) = ends.run().unwrap();
    let asked = F::IDENTIFY | F::SEQUENCE_DETECT | F::INTEGRITY;
    assert_eq!((client.flags, server.flags), (asked, asked | own));
}

/// S3: who allocates a token is a matter of each call.
#[test]
fn allocating_memory_is_of_the_call_and_not_of_the_context() {
    let ssp = engine(0);
    let mut ends = Ends::new(&ssp).asking(F::ALLOCATE_MEMORY);
    let hello = ends.initialize(None).unwrap();
    let challenge = ends.accept(&hello.token).unwrap();
    assert_eq!((hello.flags, challenge.flags), (F::ALLOCATE_MEMORY, F::empty()));
    ends.client_flags = F::empty();
    let proof = ends.initialize(Some(&challenge.token)).unwrap();
    ends.server_flags = F::ALLOCATE_MEMORY;
    let last = ends.accept(&proof.token).unwrap();
    assert_eq!((proof.flags, last.flags), (F::empty(), F::ALLOCATE_MEMORY));
    let (client, server) = ends.infos();
    assert_eq!((client.flags, server.flags), (F::empty(), F::empty()));
}

/// An engine whose package can do so much.
fn engine(capabilities: u32) -> Engine {
    let mut package = PackageInfo::named("MSN");
    package.capabilities.0 = capabilities;
    Engine::builder("MSNSSPC.dll").package(package).account("alice", "CONTOSO", ends::PASSWORD).build()
}
