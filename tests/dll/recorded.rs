//! Calls as real programs made them, recorded without contents and made again: `fixtures/calls`, a file for each program.

use std::{env, fs, path::PathBuf};

use sspcache_engine::SecurityStatus;
use sspcache_tests::{
    any_call::{CONFIG, World, recorded::Recording},
    context::configured,
    dll::Mock,
    program::{fixture, root},
};

/// The default credentials of the session, which some programs sign in with.
const LOGON: &str = "
[[logon]]
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'
";

/// The recordings, by the names of their files.
fn recordings() -> Vec<(String, Recording)> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(fixture("calls")).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| file.extension().is_some_and(|it| it == "calls"));
    files.sort();
    let read = |file: &PathBuf| {
        let text = fs::read_to_string(file).unwrap();
        let name = file.file_stem().unwrap().to_string_lossy().into_owned();
        let recording = Recording::parse(&text).unwrap_or_else(|error| panic!("{name}: {error}"));
        (name, recording)
    };
    files.iter().map(read).collect()
}

/// R1, S5: no call crashes, and each is answered as it was when the program made it.
#[test]
fn calls_of_real_programs_are_answered_as_they_were() {
    let config = format!("{CONFIG}{LOGON}");
    configured("calls_of_real_programs_are_answered_as_they_were", &config, || {
        let mock = Mock::own("MSNSSPC");
        let world = World::new(&mock);
        let mut others = Vec::new();
        for (name, recording) in recordings() {
            let answers = world.replay(&recording);
            for (number, (call, answer)) in recording.calls.iter().zip(answers).enumerate() {
                let [answered, recorded] = [Some(answer), call.status].map(shown);
                if answered != recorded {
                    others.push(format!(
                        "{name}, call {} ({}): {answered}, recorded {recorded}",
                        number + 1,
                        call.function.name
                    ));
                }
            }
        }
        assert!(others.is_empty(), "answered otherwise: {others:#?}");
    });
}

fn shown(status: Option<i32>) -> String {
    match status {
        Some(0) => "SEC_E_OK".to_owned(),
        Some(code) => SecurityStatus::from_code(code)
            .map_or_else(|| format!("{code:#x}"), |status| status.name().to_owned()),
        None => "not recorded".to_owned(),
    }
}

/// R1: the fuzz target `calls` begins from the recordings. `SSPCACHE_WRITE_SEEDS=1` writes them anew.
#[test]
fn the_corpus_has_every_recording() {
    let corpus = root().join("fuzz/corpus/calls");
    for (name, mut recording) in recordings() {
        let bytes = recording.to_bytes();
        let seed = corpus.join(format!("recorded-{name}"));
        if env::var_os("SSPCACHE_WRITE_SEEDS").is_some() {
            fs::write(&seed, &bytes).unwrap();
        }
        assert!(
            fs::read(&seed).is_ok_and(|kept| kept == bytes),
            "{}: SSPCACHE_WRITE_SEEDS=1",
            seed.display()
        );
        // Bytes have no answers.
        recording.calls.iter_mut().for_each(|call| call.status = None);
        assert_eq!(Recording::from_bytes(&bytes), Some(recording), "{name}");
    }
}
