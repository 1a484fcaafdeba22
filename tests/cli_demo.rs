//! `sspcache demo`: the main job, with nothing installed.

mod support;

use serde_json::json;
use support::{Ran, sspcache};

/// C4, M2, M3
#[test]
fn the_demo_signs_in_signs_in_silently_flushes_and_is_refused() {
    let facts = Ran::of(sspcache().args(["demo", "--format", "json"])).exits_with(0).json();
    assert_eq!(facts["sign_in"], json!({ "status": "SEC_E_OK", "succeeded": true }));
    assert_eq!(facts["silent_sign_in"], json!({ "status": "SEC_E_OK", "succeeded": true }));
    assert_eq!(
        facts["silent_sign_in_after_flush"],
        json!({ "status": "SEC_E_NO_CREDENTIALS", "succeeded": false })
    );
    assert_eq!(json!([facts["cached_before_flush"], facts["cached_after_flush"]]), json!([1, 0]));
    assert_eq!(facts["passed"], true);
}

/// M7
#[test]
#[cfg(target_os = "linux")]
fn the_demo_finds_the_password_in_memory_before_the_flush_and_not_after() {
    let facts = Ran::of(sspcache().args(["demo", "--format", "json"])).exits_with(0).json();
    assert_eq!(facts["memory_before_flush"]["copies"], 1, "{facts}");
    assert_eq!(facts["memory_after_flush"]["copies"], 0, "{facts}");
    let megabyte = 1 << 20;
    assert!(facts["memory_before_flush"]["bytes"].as_u64().unwrap() > megabyte, "{facts}");
}

#[test]
#[cfg(not(target_os = "linux"))]
fn the_demo_says_that_it_can_search_memory_on_linux_alone() {
    let ran = Ran::of(sspcache().arg("demo")).exits_with(0);
    assert!(ran.stdout.contains("works on Linux only"), "{}", ran.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn the_demo_tells_a_story() {
    let story = Ran::of(sspcache().arg("demo")).exits_with(0).stdout;
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\d+\.\d MB", "[size] MB");
    settings.bind(|| insta::assert_snapshot!(story, @""));
}
