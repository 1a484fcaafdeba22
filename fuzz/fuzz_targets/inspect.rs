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
            let honoured = images.iter().all(|image| image["cleanup"]["honoured"] == true);
            assert_eq!(json["passed"], honoured, "{json}");
            for image in images {
                check(image);
            }
            let stray = |character: char| character.is_control() && !matches!(character, '\n' | '\u{1b}');
            assert!(!text.contains(stray), "{text:?}");
        }
    }
});

/// An image passes exactly if the function is among its exports.
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
