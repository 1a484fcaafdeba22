//! Files given to `sspcache inspect`: whatever is in them is reported, and nothing of it reaches the terminal as a command.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sspcache_cli::fuzzing::inspected;

fuzz_target!(|content: &[u8]| {
    let told = inspected(content, true);
    let json: serde_json::Value = serde_json::from_str(&told.json).expect("JSON");
    let images = json["images"].as_array().expect("a list");
    match &told.text {
        Err(error) => {
            assert_eq!(json["error"].as_str(), Some(error.as_str()));
            assert!(images.is_empty() && json["passed"] == false, "{json}");
            assert!(error.starts_with("given.dll: "), "{error}");
            assert!(!error.contains(char::is_control), "{error:?}");
        }
        Ok(text) => {
            assert_eq!(json["passed"], images.iter().all(passes), "{json}");
            for image in images {
                check(image);
            }
            let stray = |character: char| character.is_control() && !matches!(character, '\n' | '\u{1b}');
            assert!(!text.contains(stray), "{text:?}");
        }
    }
});

/// A Windows program passes if a mock may be reached from it, anything else if the function is among its exports.
fn passes(image: &serde_json::Value) -> bool {
    match image["secur32"]["reach"].as_str() {
        Some(reach) if image["kind"] == "program" => ["reached", "may be reached"].contains(&reach),
        _ => image["cleanup"]["honoured"] == true,
    }
}

/// The list of exports is sorted, and the function is honoured exactly if it is among them.
fn check(image: &serde_json::Value) {
    let names = |key: &str| {
        let names = image[key].as_array().expect("a list").iter();
        names.map(|name| name.as_str().expect("a string")).collect::<Vec<_>>()
    };
    let exports = names("exports");
    assert!(exports.is_sorted(), "{exports:?}");
    assert_eq!(exports.contains(&"CleanupCredentialCache"), image["cleanup"]["honoured"] == true);
    assert!(names("sspi_exports").iter().all(|name| exports.contains(name)));
}
