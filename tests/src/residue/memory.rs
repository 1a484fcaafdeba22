//! Looks for secrets in another process's memory, and in files.
//!
//! Linux alone shows one process the memory of another: `/proc/<pid>/maps` says what there is, `/proc/<pid>/mem` what is in it.

use std::{
    collections::{BTreeMap, HashSet},
    fmt,
    fs::{self, File},
    ops::Range,
    os::unix::fs::FileExt,
    path::Path,
};

use aho_corasick::{AhoCorasick, AhoCorasickKind};

use super::recipe::{self, HEAD, LONGEST, Which};

/// What a look found.
#[derive(Default)]
pub struct Found {
    /// Where copies of whole secrets are.
    pub copies: Vec<(u64, Which)>,
    /// Which secrets there is a whole copy of, by generation.
    pub secrets: BTreeMap<usize, HashSet<usize>>,
    /// Where something begins as a secret does, or is a piece of one, and is no whole copy.
    pub pieces: Vec<u64>,
    /// How much was looked at.
    pub bytes: usize,
    /// Where the last whole copy ends: pieces before that are its own.
    end: u64,
}

impl Found {
    /// How many different secrets of a generation.
    pub fn of(&self, generation: usize) -> usize {
        self.secrets.get(&generation).map_or(0, HashSet::len)
    }
}

impl fmt::Debug for Found {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let secrets: BTreeMap<_, _> =
            self.secrets.iter().map(|(generation, all)| (generation, all.len())).collect();
        let places = |places: Vec<u64>| places.iter().take(8).map(|at| format!("{at:x}")).collect::<Vec<_>>();
        f.debug_struct("Found")
            .field("copies", &self.copies.len())
            .field("at", &places(self.copies.iter().map(|(at, _)| *at).collect()))
            .field("secrets_by_generation", &secrets)
            .field("pieces", &self.pieces.len())
            .field("pieces_at", &places(self.pieces.clone()))
            .field("bytes", &self.bytes)
            .finish_non_exhaustive()
    }
}

/// What to look for: the beginning of every secret, and any twelve bytes in a row of some of them, in UTF-8 and in UTF-16.
pub struct Search {
    needles: AhoCorasick,
}

/// The shortest piece of a secret that is looked for, in bytes.
const PIECE: usize = 12;
/// How many secrets of each generation pieces are looked for of.
const SAMPLE: usize = 20;

impl Search {
    /// For so many secrets of each of so many generations.
    pub fn new(accounts: usize, generations: usize) -> Self {
        let marker = recipe::marker();
        // First, since what begins a secret is read on.
        let mut needles = vec![marker.to_vec(), widened(&marker)];
        let mut pieces = HashSet::new();
        for generation in 0..generations {
            for sample in 0..SAMPLE {
                let mut secret = [0; LONGEST];
                let number = sample * accounts / SAMPLE;
                let length = Which { generation, number }.write(&mut secret);
                let wide = widened(&secret[..length]);
                for (text, marker) in [(&secret[..length], marker.len()), (&wide, marker.len() * 2)] {
                    // A piece of what all secrets begin with says nothing, and would hide the beginning.
                    let telling = (marker + 1).saturating_sub(PIECE);
                    pieces.extend(text.windows(PIECE).skip(telling).map(<[u8]>::to_vec));
                }
            }
        }
        needles.extend(pieces);
        // One look at each byte, whatever it is: secrets are many, and what could be skipped is little.
        let needles = AhoCorasick::builder().kind(Some(AhoCorasickKind::DFA)).prefilter(false).build(needles);
        Self { needles: needles.expect("few enough") }
    }

    /// Looks through all memory of a process that can be read.
    pub fn in_process(&self, pid: u32) -> Found {
        let memory = File::open(format!("/proc/{pid}/mem")).expect("a process's own child can be looked at");
        let (mut found, mut buffer) = (Found::default(), vec![0; CHUNK]);
        for Range { start: mut at, end } in readable(pid) {
            while at < end {
                let length = usize::try_from(end - at).unwrap_or(usize::MAX).min(CHUNK);
                let bytes = &mut buffer[..length];
                // What refuses to be read, as the kernel's own pages do and those behind a file's end, no other process can read.
                if memory.read_exact_at(bytes, at).is_err() {
                    at += PAGE;
                    continue;
                }
                let last = at + length as u64 == end;
                // What begins in the overlap is found where it is read next, in one piece.
                let starts = if last { length } else { length - OVERLAP };
                self.look(at, bytes, starts, &mut found);
                at += starts as u64;
            }
        }
        found
    }

    /// Looks through a file.
    pub fn in_file(&self, path: &Path) -> Found {
        let bytes = fs::read(path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
        let mut found = Found::default();
        self.look(0, &bytes, bytes.len(), &mut found);
        found
    }

    /// Looks for what begins in the first `starts` bytes.
    fn look(&self, base: u64, bytes: &[u8], starts: usize, found: &mut Found) {
        found.bytes += starts;
        for hit in self.needles.find_iter(bytes).take_while(|hit| hit.start() < starts) {
            let at = base + hit.start() as u64;
            let rest = &bytes[hit.start()..];
            let whole = match hit.pattern().as_usize() {
                0 => whole(rest, 1),
                1 => whole(rest, 2),
                _ => None,
            };
            if let Some((which, length)) = whole {
                found.end = at + length as u64;
                found.copies.push((at, which));
                found.secrets.entry(which.generation).or_default().insert(which.number);
            } else if at >= found.end {
                found.pieces.push(at);
            }
        }
    }
}

const CHUNK: usize = 1 << 20;
const OVERLAP: usize = 4 << 10;
const PAGE: u64 = 4 << 10;

/// The secret that bytes begin with, a character every so many of them and zeros between, and how many bytes it takes.
fn whole(bytes: &[u8], step: usize) -> Option<(Which, usize)> {
    let mut text = [0; LONGEST];
    let read = |text: &mut [u8; LONGEST], places: Range<usize>| {
        for at in places {
            let character = bytes.get(at * step..(at + 1) * step)?;
            text[at] = character[0];
            if step > 1 && character[1] != 0 {
                return None;
            }
        }
        Some(())
    };
    read(&mut text, 0..HEAD)?;
    let which = Which::of(text.first_chunk().expect("longer than its head"))?;
    let mut secret = [0; LONGEST];
    let length = which.write(&mut secret);
    read(&mut text, HEAD..length)?;
    (text == secret).then_some((which, length * step))
}

/// As UTF-16, little-endian.
fn widened(text: &[u8]) -> Vec<u8> {
    text.iter().flat_map(|&character| [character, 0]).collect()
}

/// A range of a process's memory.
#[derive(Debug)]
pub struct Region {
    pub range: Range<u64>,
    pub readable: bool,
    /// The two letters of each of its flags in `/proc/<pid>/smaps`.
    pub flags: Vec<String>,
    /// How many bytes of it are locked in physical memory.
    pub locked: u64,
}

/// The memory of a process, in order.
///
/// Reference: [smaps](https://man7.org/linux/man-pages/man5/proc_pid_smaps.5.html).
pub fn regions(pid: u32) -> Vec<Region> {
    listed(pid, "smaps")
}

/// What of it can be read; what lies side by side is one, since a secret may lie across.
fn readable(pid: u32) -> Vec<Range<u64>> {
    let mut all: Vec<Range<u64>> = Vec::new();
    for Region { range, .. } in listed(pid, "maps").into_iter().filter(|region| region.readable) {
        match all.last_mut() {
            Some(last) if last.end == range.start => last.end = range.end,
            _ => all.push(range),
        }
    }
    all
}

fn listed(pid: u32, list: &str) -> Vec<Region> {
    let text =
        fs::read_to_string(format!("/proc/{pid}/{list}")).expect("a process's own child can be looked at");
    let mut regions: Vec<Region> = Vec::new();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        let name = words.next().expect("no line is empty");
        match (name, regions.last_mut()) {
            ("VmFlags:", Some(region)) => region.flags = words.map(str::to_owned).collect(),
            ("Locked:", Some(region)) => {
                let kilobytes: u64 = words.next().and_then(|number| number.parse().ok()).expect("a number");
                region.locked = kilobytes << 10;
            }
            (name, _) if name.ends_with(':') => {}
            (range, _) => {
                let (start, end) = range.split_once('-').expect("two addresses");
                let [start, end] = [start, end].map(|at| u64::from_str_radix(at, 16).expect("an address"));
                let readable = words.next().is_some_and(|rights| rights.starts_with('r'));
                regions.push(Region { range: start..end, readable, flags: Vec::new(), locked: 0 });
            }
        }
    }
    regions
}
