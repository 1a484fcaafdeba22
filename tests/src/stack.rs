//! Stacks in journals: which functions and lines of a program their frames are in.

use std::{
    ffi::OsStr,
    fs,
    path::{Path, PathBuf},
    process::Command,
};

use sspcache_engine::{
    Event, EventKind, Frame,
    journal::{self, Journal},
};

use crate::program::Ran;

/// A program that was compiled with debug information, and what finds lines in it.
#[derive(Debug)]
pub struct Debugged<'a> {
    pub program: &'a Path,
    pub addr2line: &'a str,
    /// The address that the file prefers, less what offsets in journals begin at.
    pub base: u64,
}

impl<'a> Debugged<'a> {
    /// One for this system.
    pub fn elf(program: &'a OsStr) -> Self {
        Self { program: Path::new(program), addr2line: "addr2line", base: 0 }
    }

    /// One for 64-bit Windows, made by MinGW.
    pub fn pe(program: &'a OsStr) -> Self {
        let program = Path::new(program);
        let file = fs::read(program).expect("readable");
        let word = |at: usize| u64::from_le_bytes(file[at..at + 8].try_into().expect("eight bytes"));
        // The header's place, and the base in it: "PE Format", optional header of PE32+.
        let header = usize::try_from(word(0x3c) & 0xffff_ffff).expect("in the file");
        Self { program, addr2line: "x86_64-w64-mingw32-addr2line", base: word(header + 24 + 24) }
    }

    /// The first frames of the only stack of this kind in the journal, those of the program: `sign_in 45`.
    #[track_caller]
    pub fn frames(&self, journal: &Journal, is_it: fn(&EventKind) -> bool) -> Vec<String> {
        let mut events = journal.events.iter().filter(|event| is_it(&event.kind));
        let (Some(event), None) = (events.next(), events.next()) else {
            panic!("one such event: {journal:?}")
        };
        let is_own = |frame: &&Frame| file_name(image(journal, frame)) == self.program.file_name().unwrap();
        event.stack.iter().take_while(is_own).map(|frame| self.line(frame.offset)).collect()
    }

    /// The function and the line of a call that returns to this offset.
    fn line(&self, offset: u64) -> String {
        let address = format!("{:#x}", self.base + offset - 1);
        let mut tool = Command::new(self.addr2line);
        let found = Ran::of(tool.arg("-fe").arg(self.program).arg(address)).exits_with(0).stdout;
        let (function, place) = found.split_once('\n').expect("two lines");
        let line = place.trim().rsplit(':').next().and_then(|line| line.split(' ').next()).expect("a line");
        format!("{function} {line}")
    }
}

/// What `fixtures/clients/where.c` printed after this word.
#[track_caller]
pub fn printed<'a>(stdout: &'a str, what: &str) -> Vec<&'a str> {
    let line = stdout.lines().find_map(|line| line.strip_prefix(what)?.strip_prefix(": "));
    line.unwrap_or_else(|| panic!("{what}: is not in {stdout}")).split(", ").collect()
}

/// Checks that the stacks of a run of `fixtures/clients/where.c` are those that it printed.
#[track_caller]
pub fn are_right(stdout: &str, journal: &Journal, program: &Debugged<'_>) {
    let mut acquired = program.frames(journal, |kind| matches!(kind, EventKind::Acquired { .. }));
    acquired.truncate(3);
    assert_eq!(acquired, printed(stdout, "acquired"), "{journal:?}");
    let freed = program.frames(journal, |kind| matches!(kind, EventKind::Freed { .. }));
    assert_eq!(freed, printed(stdout, "freed"), "{journal:?}");
}

/// The path of a frame's image.
#[track_caller]
pub fn image<'a>(journal: &'a Journal, frame: &Frame) -> &'a str {
    let path = |event: &'a Event| match &event.kind {
        EventKind::Image { image, path } if *image == frame.image => Some(&**path),
        _ => None,
    };
    journal.events.iter().find_map(path).unwrap_or_else(|| panic!("{frame} has no image: {journal:?}"))
}

/// The last part of a path, which may be one of Windows.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The journals in a folder.
pub fn journals(folder: &Path) -> Vec<Journal> {
    let files: Vec<PathBuf> = journal::find(folder).expect("readable");
    files.iter().map(|file| Journal::read(file).expect("a journal")).collect()
}
