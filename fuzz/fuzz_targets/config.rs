//! Configuration files: what is refused is never quoted, and what is accepted sets up an engine.
//!
//! Wherever the input has [`PLACE`], a secret is planted; the same file with another secret must get the same answer.
#![no_main]

use libfuzzer_sys::fuzz_target;
use sspcache_engine::{Config, Engine};

/// Where secrets go: a character that TOML has no use for.
const PLACE: char = '~';

/// Of one length and made of letters, so that they differ in nothing but what they say.
const SECRETS: [&str; 2] = ["quietSecretWord", "quotaSecondText"];

fuzz_target!(|text: &str| {
    let [one, other] = SECRETS.map(|secret| answer(&text.replace(PLACE, secret), secret));
    assert_eq!(one, other, "the answer depends on a secret");
});

/// What is said about a configuration, or what it sets up.
fn answer(text: &str, secret: &str) -> String {
    let config = match text.parse::<Config>() {
        Err(error) => {
            let said = format!("{error}\n{error:?}\n{}\n{}", error.key(), error.allowed());
            assert!(!said.contains(secret), "{said}");
            let (line, column) = (error.line().expect("a place"), error.column().expect("a place"));
            let lines: Vec<&str> = text.split('\n').collect();
            let within = lines.get(line - 1).is_some_and(|line| column <= line.chars().count() + 1);
            assert!(within, "{error} lies outside of the text");
            return said;
        }
        Ok(config) => config,
    };
    let for_dll = config.check_for_dll();
    let engine = Engine::builder("MSNSSPC.dll").config(&config).build();
    let cached = engine.cached();
    assert_eq!(cached, engine.cached_credentials().len());
    assert!(!engine.packages().is_empty());
    // Names may be shown, passwords never: the secret stands in both.
    let accepted = format!("{for_dll:?} {cached}");
    assert!(!accepted.contains(secret), "{accepted}");
    accepted
}
