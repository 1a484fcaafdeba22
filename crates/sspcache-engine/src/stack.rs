//! Where in the program a call came from (clause Q4).

use std::{fmt, sync::Arc};

/// A place in the code of a process: in which image (a program or a library that is loaded), and where in it.
///
/// In the journal it is text, `2+0x1f40`: an [`Image`](crate::EventKind::Image) event before it says which file image 2 is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct Frame {
    /// The image's number.
    pub image: u32,
    /// The return address of the call, counted from where the image's file begins in memory. The call itself is before it.
    pub offset: u64,
}

impl fmt::Display for Frame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}+{:#x}", self.image, self.offset)
    }
}

impl std::str::FromStr for Frame {
    type Err = NotAFrame;

    fn from_str(text: &str) -> Result<Self, NotAFrame> {
        let (image, offset) = text.split_once("+0x").ok_or(NotAFrame)?;
        // Rust's own parsers take a sign, too.
        let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        if !is_number(image) || !is_number(offset) {
            return Err(NotAFrame);
        }
        Ok(Self {
            image: image.parse().map_err(|_| NotAFrame)?,
            offset: u64::from_str_radix(offset, 16).map_err(|_| NotAFrame)?,
        })
    }
}

/// The text is no [`Frame`].
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub struct NotAFrame;

impl fmt::Display for NotAFrame {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a frame is the number of an image and an offset, such as 2+0x1f40")
    }
}

impl std::error::Error for NotAFrame {}

#[cfg(feature = "journal")]
impl serde::Serialize for Frame {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(feature = "journal")]
impl<'de> serde::Deserialize<'de> for Frame {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = <std::borrow::Cow<'de, str>>::deserialize(deserializer)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

/// Finds out where in the program the current call came from. The engine walks no stack: its host does.
pub trait StackSource: Send + Sync {
    /// Tells `found` of frames of the current thread's stack, innermost first, and of `limit` at most: the path of each one's image,
    /// and its [offset](Frame::offset) there. Those of the SSP itself and of what hands its functions on are left out.
    ///
    /// The SSP is locked meanwhile: don't call it.
    fn walk(&self, limit: usize, found: &mut dyn FnMut(&str, u64));
}

impl fmt::Debug for dyn StackSource {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("StackSource")
    }
}

/// Where frames come from, and how many of them belong to what is given out.
pub(crate) type Source = (Arc<dyn StackSource>, usize);

/// The stacks of one process: how they are found, and which images they were in.
#[derive(Default)]
pub(crate) struct Stacks {
    /// Without it there are no frames.
    source: Option<Source>,
    images: Vec<String>,
}

impl Stacks {
    pub(crate) fn new(source: Option<Source>) -> Self {
        Self { source, images: Vec::new() }
    }

    /// The stack for an event with so many frames, and the images that it is the first in, with their numbers.
    pub(crate) fn walk(&mut self, frames: Frames) -> (Vec<Frame>, Vec<(u32, String)>) {
        let (mut stack, mut new) = (Vec::new(), Vec::new());
        let Some((source, depth)) = &self.source else { return (stack, new) };
        let limit = match frames {
            Frames::None => return (stack, new),
            Frames::Caller => 1,
            Frames::All => *depth,
        };
        let images = &mut self.images;
        source.walk(limit, &mut |path, offset| {
            let known = images.iter().position(|image| image == path);
            let index = known.unwrap_or_else(|| {
                images.push(path.to_owned());
                images.len() - 1
            });
            // More than four billion images have no room in memory.
            let image = u32::try_from(index + 1).unwrap_or(u32::MAX);
            if known.is_none() {
                new.push((image, path.to_owned()));
            }
            stack.push(Frame { image, offset });
        });
        (stack, new)
    }

    /// Begins anew, as a forked child does with its journal.
    pub(crate) fn forget_images(&mut self) {
        self.images = Vec::new();
    }
}

/// How much of a stack belongs to an event.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Frames {
    /// Nothing.
    None,
    /// Where the call was made.
    Caller,
    /// As much as was asked for.
    All,
}
