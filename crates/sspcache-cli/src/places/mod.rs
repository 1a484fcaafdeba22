//! Where in a program calls were made (clause Q4): turns the frames of a journal into functions, files and lines, after the run.
//!
//! | file | what it does |
//! | --- | --- |
//! | `image` | reads the debug information and the symbols of one file |
//! | `wine` | finds the files that Windows programs name under Wine |

mod image;
#[cfg(unix)]
mod wine;

use std::{
    collections::{BTreeMap, HashMap},
    fs,
    path::{Path, PathBuf},
    time::{Duration, UNIX_EPOCH},
};

use serde::Serialize;
use sspcache_engine::{Event, EventKind, FileTime};

use self::image::Image;
#[cfg(unix)]
pub(crate) use self::wine::prefix as wine_prefix;
use crate::output::quoted;

/// A place in a program: a frame of a stack, as far as it is known.
#[derive(Clone, Debug, Default, Eq, Hash, PartialEq, Serialize)]
pub(crate) struct Place {
    /// The program or library, by the path that the process loaded it from; empty when the journal doesn't say.
    pub(crate) image: String,
    /// The return address of the call, counted from where the image's file begins in memory.
    pub(crate) offset: u64,
    /// The function.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<String>,
    /// How far the return address is behind the function's beginning, where no line is known.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) behind: Option<u64>,
    /// The source file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) file: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) line: Option<u32>,
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) column: Option<u32>,
    /// Whether the compiler put the function into the next one, so that both have the one return address.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub(crate) inlined: bool,
    #[serde(skip)]
    pub(crate) time: Time,
}

/// When the program was at a place. It is the same place at any time.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Time(FileTime);

impl PartialEq for Time {
    fn eq(&self, _: &Self) -> bool {
        true
    }
}

impl Eq for Time {}

impl std::hash::Hash for Time {
    fn hash<H: std::hash::Hasher>(&self, _: &mut H) {}
}

impl Place {
    /// Whether it is in the function that a C or a Rust program begins with.
    fn is_main(&self) -> bool {
        const NAMES: [&str; 4] = ["main", "wmain", "WinMain", "wWinMain"];
        self.function.as_deref().is_some_and(|name| NAMES.contains(&name) || name.ends_with("::main"))
    }

    /// The file name of the program or library.
    pub(crate) fn module(&self) -> &str {
        file_name(&self.image)
    }

    /// Without a stack beside it: `acquire (client.c:42)`, `acquire+0x12 (in client)`; without a function the file and the offset in it,
    /// `client+0x12fb`.
    pub(crate) fn alone(&self) -> String {
        match &self.function {
            Some(_) => self.words().join(" "),
            None if self.image.is_empty() => format!("{:#x}", self.offset),
            None => format!("{}+{:#x}", quoted(self.module()), self.offset),
        }
    }

    /// `acquire (client.c:42)`, `acquire+0x12 (in client)`, `??? (in client)`: in two words, as valgrind has it.
    fn words(&self) -> [String; 2] {
        let function = match (&self.function, self.behind) {
            (Some(function), Some(behind)) => format!("{function}+{behind:#x}"),
            (Some(function), None) => function.clone(),
            (None, _) => "???".to_owned(),
        };
        let place = match (&self.file, self.line) {
            (Some(file), Some(line)) => format!("({}:{line})", file_name(file)),
            (Some(file), None) => format!("({})", file_name(file)),
            (None, _) if self.image.is_empty() => "(in an unknown image)".to_owned(),
            (None, _) => format!("(in {})", file_name(&self.image)),
        };
        [function, place].map(|word| quoted(&word).into_owned())
    }
}

/// A stack as lines, innermost frame first: `at 0x1f40: acquire (client.c:42)`, `by 0x1fa2: main (client.c:90)`.
///
/// A line that is longer than the terminal is broken before the place, and a name never. What is below the program's main function is
/// left out: the C library, and Rust's.
pub(crate) fn lines(stack: &[Place], indent: usize, width: Option<u16>) -> String {
    let mut text = String::new();
    let mut preposition = "at";
    let last = stack.iter().position(Place::is_main).unwrap_or(stack.len());
    for place in stack.iter().take(last + 1) {
        let [function, source] = place.words();
        let first = format!("{:indent$}{preposition} {:#x}: {function}", "", place.offset);
        let fits =
            width.is_none_or(|width| first.chars().count() + 1 + source.chars().count() <= width.into());
        let between = if fits { " ".to_owned() } else { format!("\n{:indent$}     ", "") };
        text.extend([&*first, &*between, &*source, "\n"]);
        preposition = "by";
    }
    text
}

/// The last part of a path of any system.
fn file_name(path: &str) -> &str {
    path.rsplit(['/', '\\']).next().unwrap_or(path)
}

/// The images that a journal has named so far: frames are in them.
#[derive(Debug, Default)]
pub(crate) struct Images(BTreeMap<u32, String>);

impl Images {
    /// Reads an event, if it names an image.
    pub(crate) fn note(&mut self, event: &Event) {
        if let EventKind::Image { image, path } = &event.kind {
            self.0.insert(*image, path.clone());
        }
    }

    /// The stack of an event, with images and offsets alone.
    pub(crate) fn stack(&self, event: &Event) -> Vec<Place> {
        let place = |frame: &sspcache_engine::Frame| Place {
            image: self.0.get(&frame.image).cloned().unwrap_or_default(),
            offset: frame.offset,
            time: Time(event.time),
            ..Place::default()
        };
        event.stack.iter().map(place).collect()
    }
}

/// Finds places in the files of this system. Each file is read once, when it is needed.
#[derive(Debug)]
pub(crate) struct Places {
    files: HashMap<String, Option<Image>>,
    reads: bool,
}

impl Places {
    /// Reads the files that journals name.
    pub(crate) fn new() -> Self {
        Self { files: HashMap::new(), reads: true }
    }

    /// Reads no file: places stay image and offset.
    #[cfg(any(feature = "fuzzing", test))]
    pub(crate) fn unread() -> Self {
        Self { files: HashMap::new(), reads: false }
    }

    /// The functions, files and lines of a stack. A call in a function that the compiler inlined has several places.
    ///
    /// What can't be found stays image and offset: where a file is gone, was changed since, is too big or broken, or has no
    /// debug information.
    pub(crate) fn resolve(&mut self, stack: &[Place]) -> Vec<Place> {
        if !self.reads {
            return stack.to_vec();
        }
        let mut places = Vec::new();
        for frame in stack {
            if !self.files.contains_key(&frame.image) {
                let image = file_of(&frame.image).and_then(|file| Image::read(&file));
                self.files.insert(frame.image.clone(), image);
            }
            let image = self.files.get_mut(&frame.image).and_then(Option::as_mut);
            let image = image.filter(|image| !is_newer(image.changed, frame.time.0));
            let found = image.map(|image| image.places(frame)).unwrap_or_default();
            if found.is_empty() {
                places.push(frame.clone());
            }
            places.extend(found);
        }
        places
    }
}

/// The file of an image.
fn file_of(image: &str) -> Option<PathBuf> {
    #[cfg(unix)]
    if wine::is_dos_path(image) {
        return wine::file_of(image, &wine::prefix());
    }
    (!image.is_empty()).then(|| image.into())
}

/// Whether a file was written after the program had run code of it.
fn is_newer(changed: Duration, ran: FileTime) -> bool {
    /// Some file systems have times of two whole seconds, and some have another machine's clock.
    const TOLERANCE: Duration = Duration::from_secs(2);
    changed > ran.since_unix_epoch() + TOLERANCE
}

/// When a regular file was last written, since the Unix epoch; and its size.
fn regular(path: &Path) -> Option<(Duration, u64)> {
    let metadata = fs::metadata(path).ok().filter(fs::Metadata::is_file)?;
    let changed = metadata.modified().ok()?.duration_since(UNIX_EPOCH).unwrap_or_default();
    Some((changed, metadata.len()))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q4
    #[test]
    fn a_frame_is_one_line_or_two_where_the_terminal_is_narrow() {
        let place = |function: Option<&str>, file: Option<&str>| Place {
            image: r"Z:\build\client.exe".to_owned(),
            offset: 0x1f40,
            function: function.map(str::to_owned),
            file: file.map(str::to_owned),
            line: file.map(|_| 42),
            ..Place::default()
        };
        let long = "client::Session<client::Policy::Default, 4096>::acquire(client::Identity const&)";
        let mut near = place(Some("acquire"), None);
        near.behind = Some(0x12);
        let stack = [
            place(Some(long), Some("/src/client.cpp")),
            place(Some("domain"), Some("C:/src/main.c")),
            near,
            place(None, None),
            place(Some("\u{1b}[2J"), Some("a\nb")),
            Place::default(),
        ];
        insta::assert_snapshot!(lines(&stack, 0, Some(80)), @r"
        at 0x1f40: client::Session<client::Policy::Default, 4096>::acquire(client::Identity const&)
             (client.cpp:42)
        by 0x1f40: domain (main.c:42)
        by 0x1f40: acquire+0x12 (in client.exe)
        by 0x1f40: ??? (in client.exe)
        by 0x1f40: \u{1b}[2J (a\nb:42)
        by 0x0: ??? (in an unknown image)
        ");
        assert_eq!(lines(&stack, 3, Some(200)).lines().count(), stack.len());
        assert_eq!(lines(&stack, 3, None).lines().count(), stack.len());
    }

    #[test]
    fn what_is_below_main_is_left_out() {
        let frame = |name: &str| Place { function: Some(name.to_owned()), ..Place::default() };
        for main in ["main", "wWinMain", "client::main"] {
            let stack = ["main_loop", main, "__libc_start_main_impl", "_start"].map(frame);
            assert_eq!(lines(&stack, 0, None).lines().count(), 2, "{main}");
        }
    }
}
