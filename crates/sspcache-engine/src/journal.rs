//! The journal: one event a line, as JSON, in one file per process and SSP.
//!
//! The mock DLL writes it where `SSPCACHE_JOURNAL` says: into that folder, or, when there is no folder of that name,
//! into files that begin with it. A line is written whole, with one call to the operating system and no buffer, so
//! that a killed process leaves every event up to its last. Each process, and each of two mocks in one process, has a
//! file of its own, since several writers of one file lose lines (seen under Wine, with file locks too); a forked
//! child opens its own. [`find`] and [`Journal::read`] put them together again.
//!
//! Where a disk is full, a line may end in its middle: what is written next begins a line of its own, so that a disk
//! which has room again costs the events of the time between, and no others.
//!
//! There is no secret in it: [`Event`] has no place for one.
//!
//! ```
//! use sspcache_engine::{AcquireRequest, AuthIdentity, Engine, EventKind, journal::{self, Journal, JournalFile}};
//! let folder = tempfile::tempdir().unwrap();
//! let sink = JournalFile::create(folder.path(), "MSNSSPC.dll").unwrap();
//! let ssp = Engine::builder("MSNSSPC.dll").sink(sink).build();
//! ssp.acquire(&AcquireRequest::outbound("MSN").with_identity(AuthIdentity::password("alice", "", "x"))).unwrap();
//! drop(ssp);
//!
//! let files = journal::find(folder.path()).unwrap();
//! let journal = Journal::read(&files[0]).unwrap();
//! assert!(matches!(journal.events.last().unwrap().kind, EventKind::Ended { left: 1, .. }));
//! ```

use std::{
    ffi::{OsStr, OsString},
    fmt,
    fs::{self, File, OpenOptions},
    io::{self, Write},
    path::{Path, PathBuf},
};

use crate::{Event, EventKind, EventSink, SinkOfChild};

/// The journal file of one instance: an [`EventSink`].
#[derive(Debug)]
pub struct JournalFile {
    target: PathBuf,
    module: String,
    file: Option<File>,
    line: Vec<u8>,
    /// Whether the file ends in the middle of a line.
    torn: bool,
}

impl JournalFile {
    /// Creates a file for this process and module: in the folder `target`, or beginning with `target`.
    ///
    /// # Errors
    /// The operating system's error when the file can't be created; the path is in the message.
    pub fn create(target: &Path, module: &str) -> io::Result<Self> {
        Ok(Self::over(Some(open(target, module)?), target, module))
    }

    fn over(file: Option<File>, target: &Path, module: &str) -> Self {
        // Room for any usual line, so that the last one, written while the process ends, needs no memory.
        let line = Vec::with_capacity(1024);
        Self { target: target.to_owned(), module: module.to_owned(), file, line, torn: false }
    }
}

impl EventSink for JournalFile {
    fn record(&mut self, event: &Event) -> io::Result<()> {
        let file = self.file.as_mut().ok_or(io::ErrorKind::NotFound)?;
        self.line.clear();
        if self.torn {
            self.line.push(b'\n');
        }
        serde_json::to_writer(&mut self.line, event)?;
        self.line.push(b'\n');
        write_whole(file, &self.line, &mut self.torn)
    }

    fn for_forked_child(&self) -> Option<SinkOfChild> {
        let (target, module) = (self.target.clone(), self.module.clone());
        // Without a file, each event counts as lost.
        Some(Box::new(move || Box::new(Self::over(open(&target, &module).ok(), &target, &module))))
    }
}

/// The content of one journal file.
#[derive(Clone, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub struct Journal {
    /// Where it was read from.
    pub path: PathBuf,
    /// Its events, in order.
    pub events: Vec<Event>,
    /// Whether the file ends within a line, as it may when a process is killed or a disk is full.
    pub cut: bool,
    /// Whether events are missing: their numbers have a gap.
    pub incomplete: bool,
}

impl Journal {
    /// Reads a journal file. A last line that was cut short is no error: see [`Journal::cut`]. Nor is another line that
    /// was, as a full disk cuts it, with the events that had no room: see [`Journal::incomplete`].
    ///
    /// # Errors
    /// [`JournalError`] when the file can't be read or a line of it is no event, nor the beginning of one; the line's
    /// text is not quoted.
    pub fn read(path: &Path) -> Result<Self, JournalError> {
        let text =
            fs::read(path).map_err(|source| JournalError::Unreadable { path: path.to_owned(), source })?;
        Self::parse(path, &text)
    }

    /// Reads the text of a journal file that was found at `path`.
    ///
    /// # Errors
    /// As [`Self::read`].
    pub fn parse(path: &Path, text: &[u8]) -> Result<Self, JournalError> {
        let mut journal = Self { path: path.to_owned(), events: Vec::new(), cut: false, incomplete: false };
        for (index, line) in text.split_inclusive(|&byte| byte == b'\n').enumerate() {
            let Some(line) = line.strip_suffix(b"\n") else {
                journal.cut = true;
                break;
            };
            let event: Event = match serde_json::from_slice(line) {
                Ok(event) => event,
                Err(error) if error.is_eof() => {
                    journal.incomplete = true;
                    continue;
                }
                Err(error) => {
                    let (path, line, column) = (path.to_owned(), index + 1, error.column());
                    return Err(JournalError::NotAnEvent { path, line, column });
                }
            };
            journal.incomplete |= event.seq != journal.events.len() as u64 && !journal.incomplete;
            journal.events.push(event);
        }
        Ok(journal)
    }

    /// The event that began it: which module in which process.
    pub fn started(&self) -> Option<&EventKind> {
        self.events.first().map(|event| &event.kind).filter(|kind| matches!(kind, EventKind::Started { .. }))
    }
}

/// The journal files that `target` names, in order of their names: the file itself, those in the folder, or those that
/// begin with it.
///
/// # Errors
/// When a folder can't be read.
pub fn find(target: &Path) -> Result<Vec<PathBuf>, JournalError> {
    if target.is_file() {
        return Ok(vec![target.to_owned()]);
    }
    let (folder, prefix) = split(target);
    let unreadable = |source| JournalError::Unreadable { path: folder.clone(), source };
    let mut files = Vec::new();
    for entry in fs::read_dir(&folder).map_err(unreadable)? {
        let path = entry.map_err(unreadable)?.path();
        let name = path.file_name().unwrap_or_default();
        if name.as_encoded_bytes().starts_with(prefix.as_encoded_bytes())
            && path.extension() == Some(OsStr::new(EXTENSION))
        {
            files.push(path);
        }
    }
    files.sort();
    Ok(files)
}

/// Why a journal can't be read.
#[derive(Debug)]
#[non_exhaustive]
pub enum JournalError {
    /// A line is no event of this version's journal.
    NotAnEvent {
        /// The file.
        path: PathBuf,
        /// The line, from 1.
        line: usize,
        /// Where in the line reading stopped, from 1.
        column: usize,
    },
    /// The operating system refused.
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What it said.
        source: io::Error,
    },
}

impl fmt::Display for JournalError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::NotAnEvent { path, line, column } => {
                let version = env!("CARGO_PKG_VERSION");
                write!(
                    f,
                    "{}:{line}:{column}: not an event of a journal of version {version}",
                    path.display()
                )
            }
            Self::Unreadable { path, source } => {
                write!(f, "{}: can't read the journal: {source}", path.display())
            }
        }
    }
}

impl std::error::Error for JournalError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        match self {
            Self::NotAnEvent { .. } => None,
            Self::Unreadable { source, .. } => Some(source),
        }
    }
}

/// Writes lines, and keeps account of whether what was written last ends one.
fn write_whole(file: &mut impl Write, lines: &[u8], torn: &mut bool) -> io::Result<()> {
    let mut rest = lines;
    while !rest.is_empty() {
        match file.write(rest) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => {
                *torn = rest[written - 1] != b'\n';
                rest = &rest[written..];
            }
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// The ending of a journal file's name.
const EXTENSION: &str = "jsonl";

fn open(target: &Path, module: &str) -> io::Result<File> {
    let (folder, prefix) = split(target);
    let pid = std::process::id();
    let stem = module.rsplit_once('.').map_or(module, |(stem, _)| stem);
    // A module that is unloaded and loaded again starts over, with a file of its own; so does a process whose number
    // another one had before.
    for run in 0u32.. {
        let mut name = prefix.clone();
        name.push(format!("{pid}-{stem}-{run}.{EXTENSION}"));
        let path = folder.join(name);
        match OpenOptions::new().append(true).create_new(true).open(&path) {
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(io::Error::new(error.kind(), format!("{}: {error}", path.display()))),
            Ok(file) => return Ok(file),
        }
    }
    Err(io::ErrorKind::AlreadyExists.into())
}

/// Folder and beginning of the file names.
fn split(target: &Path) -> (PathBuf, OsString) {
    if target.is_dir() || target.as_os_str().as_encoded_bytes().ends_with(b"/") {
        return (target.to_owned(), OsString::new());
    }
    let mut prefix = target.file_name().unwrap_or_default().to_owned();
    prefix.push(".");
    let folder = match target.parent() {
        Some(parent) if !parent.as_os_str().is_empty() => parent.to_owned(),
        _ => PathBuf::from("."),
    };
    (folder, prefix)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{AcquireRequest, AuthIdentity, Engine};

    fn signed_in(target: &Path) -> Engine {
        let ssp =
            Engine::builder("MSNSSPC.dll").sink(JournalFile::create(target, "MSNSSPC.dll").unwrap()).build();
        let alice = AuthIdentity::password("alice", "CONTOSO", "hunter2-in-journal");
        ssp.acquire(&AcquireRequest::outbound("MSN").with_identity(alice)).unwrap();
        ssp
    }

    /// M8, M12
    #[test]
    fn the_journal_says_what_the_instance_says_and_no_secret() {
        let folder = tempfile::tempdir().unwrap();
        let ssp = signed_in(folder.path());
        ssp.flush();
        let files = find(folder.path()).unwrap();
        let journal = Journal::read(&files[0]).unwrap();
        assert_eq!(journal.events, ssp.events());
        assert!(!journal.cut && !journal.incomplete);
        assert!(journal.started().is_some());
        let text = fs::read_to_string(&files[0]).unwrap();
        assert!(text.contains("alice") && !text.contains("hunter2"), "{text}");
    }

    #[test]
    fn a_prefix_gathers_the_files_that_begin_with_it() {
        let folder = tempfile::tempdir().unwrap();
        let prefix = folder.path().join("run");
        let (_first, _second) = (signed_in(&prefix), signed_in(&prefix));
        drop(signed_in(&folder.path().join("other")));
        assert_eq!(find(&prefix).unwrap().len(), 2);
        assert_eq!(find(folder.path()).unwrap().len(), 3);
    }

    /// M12
    #[test]
    fn a_killed_process_leaves_a_readable_journal_and_a_gap_is_seen() {
        let folder = tempfile::tempdir().unwrap();
        let _ssp = signed_in(folder.path());
        let path = find(folder.path()).unwrap().remove(0);
        let text = fs::read(&path).unwrap();
        let cut = Journal::parse(&path, &text[..text.len() - 3]).unwrap();
        assert!(cut.cut);
        assert_eq!(cut.events.len(), 2);
        let second_line = text.iter().position(|&byte| byte == b'\n').unwrap() + 1;
        assert!(Journal::parse(&path, &text[second_line..]).unwrap().incomplete);
        let error = Journal::parse(&path, b"{\"seq\":0,\"password\":\"hunter2\"}\n").unwrap_err().to_string();
        assert!(error.contains(":1:") && !error.contains("hunter2"), "{error}");
    }

    /// A file on a disk with so much room.
    struct Disk {
        file: Vec<u8>,
        room: usize,
    }

    impl Write for Disk {
        fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
            let written = bytes.len().min(self.room - self.file.len());
            self.file.extend_from_slice(&bytes[..written]);
            if written == 0 { Err(io::ErrorKind::StorageFull.into()) } else { Ok(written) }
        }

        fn flush(&mut self) -> io::Result<()> {
            Ok(())
        }
    }

    /// M12: wherever in a line the disk is full.
    #[test]
    fn a_disk_that_was_full_costs_the_events_that_had_no_room_and_no_others() {
        let folder = tempfile::tempdir().unwrap();
        let ssp = signed_in(folder.path());
        ssp.flush();
        let path = find(folder.path()).unwrap().remove(0);
        let text = fs::read(&path).unwrap();
        let lines: Vec<&[u8]> = text.split_inclusive(|&byte| byte == b'\n').collect();
        let start = lines[0].len();
        for room in start..start + lines[1].len() {
            let (mut disk, mut torn) = (Disk { file: Vec::new(), room }, false);
            let mut write = |disk: &mut Disk, line: &[u8]| {
                let line = [if torn { b"\n".as_slice() } else { b"" }, line].concat();
                write_whole(disk, &line, &mut torn).is_ok()
            };
            assert!(write(&mut disk, lines[0]));
            assert!(!write(&mut disk, lines[1]) && !write(&mut disk, lines[2]), "room for {room}");
            disk.room = usize::MAX;
            assert!(write(&mut disk, lines[3]));
            let journal = Journal::parse(&path, &disk.file).unwrap();
            assert!(journal.incomplete && !journal.cut, "room for {room}: {journal:?}");
            assert_eq!(journal.events.last(), ssp.events().get(3), "room for {room}");
        }
    }

    #[test]
    fn a_journal_that_cannot_be_created_names_its_path() {
        let folder = tempfile::tempdir().unwrap();
        let target = folder.path().join("missing").join("run");
        let error = JournalFile::create(&target, "MSNSSPC.dll").unwrap_err().to_string();
        assert!(error.contains("missing"), "{error}");
    }
}
