//! Nothing is left of a secret in a foreign program's memory after the flush: another process looks.
//!
//! Linux alone shows one process the memory of another through files.
#![cfg(target_os = "linux")]

#[path = "support/stage.rs"]
mod stage;
mod support;

use std::{
    collections::{HashMap, HashSet},
    fs::{self, File},
    io::{BufRead, BufReader, Write},
    os::unix::fs::FileExt,
    process::{Command, Stdio},
};

use stage::{Stage, python};
use support::fixture;

const ACCOUNTS: usize = 1000;
const LENGTH: usize = 24;
const MASK: u8 = 0x5A;
/// What every secret begins with, under the mask.
const MARKER: &[u8; 8] = b"residue:";

/// The secret of an account under the mask: as `fixtures/clients/residue.py` makes it.
fn masked(number: usize) -> Vec<u8> {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+-";
    let mut state = number as u64 + 1;
    let rest = (MARKER.len()..LENGTH).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        ALPHABET[usize::try_from(state >> 58).expect("six bits")] ^ MASK
    });
    MARKER.iter().copied().chain(rest).collect()
}

/// What a look through a process's memory found.
#[derive(Debug, Default)]
struct Found {
    /// Copies of secrets, or of what they begin with, in UTF-8 or UTF-16.
    copies: usize,
    /// Secrets that there is a whole copy of.
    secrets: HashSet<usize>,
    /// How much was looked at.
    bytes: usize,
}

fn look(pid: u32) -> Found {
    let secrets: HashMap<Vec<u8>, usize> = (0..ACCOUNTS).map(|number| (masked(number), number)).collect();
    assert_eq!(secrets.len(), ACCOUNTS, "no two secrets are alike");
    let mut found = Found::default();
    for mut region in regions(pid) {
        found.bytes += region.len();
        // Under the mask the secrets are in this process neither.
        for byte in &mut region {
            *byte ^= MASK;
        }
        for at in 0..region.len() {
            if region[at] != MARKER[0] {
                continue;
            }
            let narrow = &region[at..region.len().min(at + LENGTH)];
            // In UTF-16 every second byte is zero, which under the mask is the mask.
            let wide = &region[at..region.len().min(at + LENGTH * 2)];
            let wide: Vec<u8> =
                wide.chunks(2).map_while(|unit| unit.strip_suffix(&[MASK])).flatten().copied().collect();
            for text in [narrow, &wide] {
                if text.starts_with(MARKER) {
                    found.copies += 1;
                    found.secrets.extend(secrets.get(text));
                }
            }
        }
    }
    found
}

/// All memory of a process that can be read, region by region.
fn regions(pid: u32) -> impl Iterator<Item = Vec<u8>> {
    let maps =
        fs::read_to_string(format!("/proc/{pid}/maps")).expect("a process's own child can be looked at");
    let memory = File::open(format!("/proc/{pid}/mem")).expect("a process's own child can be looked at");
    let ranges: Vec<(u64, usize)> = maps
        .lines()
        .filter(|line| line.split_whitespace().nth(1).is_some_and(|rights| rights.starts_with('r')))
        .filter_map(|line| {
            let (start, end) = line.split_whitespace().next()?.split_once('-')?;
            let [start, end] = [start, end].map(|address| u64::from_str_radix(address, 16));
            let (start, end) = (start.ok()?, end.ok()?);
            Some((start, usize::try_from(end - start).ok()?))
        })
        .collect();
    ranges.into_iter().filter_map(move |(start, length)| {
        let mut region = vec![0; length];
        // What refuses to be read, as the kernel's own pages do, nobody else can read either.
        memory.read_exact_at(&mut region, start).is_ok().then_some(region)
    })
}

/// M3, M7
#[test]
fn a_python_program_has_a_thousand_secrets_in_its_memory_before_the_flush_and_none_after() {
    let stage = Stage::new();
    let mut command = Command::new(python());
    command.arg(fixture("clients/residue.py")).env("LD_LIBRARY_PATH", stage.path(""));
    let mut program = command.stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().expect("Python starts");
    let mut input = program.stdin.take().expect("piped");
    let mut output = BufReader::new(program.stdout.take().expect("piped"));
    let mut found_when = |expected: &str| {
        let mut line = String::new();
        output.read_line(&mut line).expect("readable");
        assert_eq!(line.trim(), expected);
        let found = look(program.id());
        assert!(found.bytes > 1 << 20, "all of its memory: {found:?}");
        input.write_all(b"\n").expect("it waits");
        found
    };

    let loaded = found_when("loaded");
    assert_eq!(loaded.copies, 0, "a look finds nothing where nothing is");
    let cached = found_when("cached");
    assert_eq!(cached.secrets.len(), ACCOUNTS, "of {} copies", cached.copies);
    let flushed = found_when("flushed");
    assert_eq!(flushed.copies, 0, "left: {:?}", flushed.secrets);
    assert!(program.wait().expect("it ends").success());
}
