//! Both ends of a sign-in in safe Rust, over the mock as a DLL that this process has loaded: as ELF on Linux, as a Windows
//! DLL on Windows and under Wine.

use std::fs;

use sspcache::{SspCaches, loader::NativeLoader};
use sspcache_tests::{
    both_ends::{self, Place},
    dll::{Mock, in_own_process, succeed},
};

/// Tells a story.
#[track_caller]
fn tell(test: &str, story: fn(&Place<'_>)) {
    tell_of(test, both_ends::CONFIG, story);
}

/// Tells a story of a mock with this configuration, in a process of its own: its SSP has a name that others have too.
#[track_caller]
fn tell_of(test: &str, config: &str, story: fn(&Place<'_>)) {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.toml");
    fs::write(&file, config).unwrap();
    let body = || {
        let _msn = Mock::own("MSNSSPC");
        let ssps = SspCaches::builder(NativeLoader::default()).allow_non_interactive(true).build();
        let package = ssps.security_package("MSNSSPC.dll", "MSN").unwrap();
        let ntlm = ssps.security_package("MSNSSPC.dll", "NTLM").unwrap();
        story(&Place { ssps: &ssps, package: &package, ntlm: &ntlm });
    };
    if let Some(command) = in_own_process(test, &[("SSPCACHE_CONFIG", file.as_os_str())], body) {
        succeed(command);
    }
}

/// S3, S4
#[test]
fn both_ends_agree() {
    tell("both_ends_agree", both_ends::both_ends_agree);
}

/// P7
#[test]
fn each_package_has_its_own_legs() {
    tell("each_package_has_its_own_legs", both_ends::each_package_has_its_own_legs);
}

/// S4
#[test]
fn messages_arrive_as_they_were_sent_and_once() {
    tell("messages_arrive_as_they_were_sent_and_once", both_ends::messages_arrive_as_they_were_sent_and_once);
}

/// S4
#[test]
fn two_threads_send_and_receive_at_once() {
    tell("two_threads_send_and_receive_at_once", both_ends::two_threads_send_and_receive_at_once);
}

/// S3
#[test]
fn a_wrong_password_is_denied_by_the_server() {
    tell("a_wrong_password_is_denied_by_the_server", both_ends::a_wrong_password_is_denied_by_the_server);
}

/// M4, M5
#[test]
fn a_flush_ends_sign_ins_and_spares_established_contexts() {
    tell(
        "a_flush_ends_sign_ins_and_spares_established_contexts",
        both_ends::a_flush_ends_sign_ins_and_spares_established_contexts,
    );
}

/// S4
#[test]
fn an_exported_context_goes_on_where_it_is_imported() {
    tell(
        "an_exported_context_goes_on_where_it_is_imported",
        both_ends::an_exported_context_goes_on_where_it_is_imported,
    );
}

/// S5
#[test]
fn channel_bindings_bind() {
    tell("channel_bindings_bind", both_ends::channel_bindings_bind);
}

/// S5
#[test]
fn a_target_is_known_and_meant() {
    tell("a_target_is_known_and_meant", both_ends::a_target_is_known_and_meant);
}

/// S5
#[test]
fn a_token_that_is_none_is_refused() {
    tell("a_token_that_is_none_is_refused", both_ends::a_token_that_is_none_is_refused);
}

/// M2
#[test]
fn a_handshake_keeps_its_credential() {
    tell("a_handshake_keeps_its_credential", both_ends::a_handshake_keeps_its_credential);
}

/// S3
#[test]
fn tokens_are_completed_on_the_way() {
    let config = [both_ends::CONFIG, both_ends::COMPLETING].concat();
    tell_of("tokens_are_completed_on_the_way", &config, |place| {
        both_ends::both_ends_agree(place);
        both_ends::a_wrong_password_is_denied_by_the_server(place);
    });
}

/// S3, S7
#[test]
fn a_credential_can_be_given_another() {
    tell("a_credential_can_be_given_another", both_ends::a_credential_can_be_given_another);
}

/// S3
#[test]
fn a_password_is_changed_by_who_knows_it() {
    tell("a_password_is_changed_by_who_knows_it", both_ends::a_password_is_changed_by_who_knows_it);
}

/// S9
#[test]
fn nobody_acts_for_a_client() {
    tell("nobody_acts_for_a_client", both_ends::nobody_acts_for_a_client);
}

/// S9
#[test]
fn a_server_acts_for_its_client_where_that_is_pretended() {
    let config = format!("{}{}", both_ends::CONFIG, both_ends::IMPERSONATING);
    tell_of(
        "a_server_acts_for_its_client_where_that_is_pretended",
        &config,
        both_ends::a_server_acts_for_its_client,
    );
}
