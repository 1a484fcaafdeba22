//! `sspcache inspect`: whether callers can find `CleanupCredentialCache` in a DLL (clause C1), from its file alone.

mod image;
mod reach;

use std::{fmt::Write as _, io::Write, path::Path};

use serde::Serialize;

#[cfg(unix)]
pub(crate) use self::image::is_32_bit_program;
pub(crate) use self::image::{Format, format_of, machine};
use self::image::{Image, ImageError, read};
use crate::{
    cli::{self, InspectArgs},
    output::{
        BAD, FAINT, GOOD, STRONG, Stream, lines, marked, message, painted, print_json, quoted, styled, table,
        terminal_width,
    },
};

/// The result for one file.
#[derive(Debug, Serialize)]
struct Inspected<'args> {
    file: &'args Path,
    /// Whether it could be read and every image in it honours clause C1.
    passed: bool,
    images: Vec<Image>,
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<String>,
}

/// Inspects the files and returns whether all of them pass.
pub(crate) fn inspect(args: &InspectArgs) -> std::io::Result<bool> {
    let inspected: Vec<Inspected<'_>> = args.files.iter().map(|file| inspect_file(file)).collect();
    match args.format {
        cli::Format::Json => print_json(&inspected)?,
        cli::Format::Text => {
            let mut out = anstream::stdout();
            for file in &inspected {
                match &file.error {
                    Some(error) => message(error),
                    None => write!(out, "{}", text(file, args.all, terminal_width(Stream::Stdout)))?,
                }
            }
        }
    }
    Ok(inspected.iter().all(|file| file.passed))
}

fn inspect_file(file: &Path) -> Inspected<'_> {
    Inspected::of(file, read(file))
}

/// The result of [`inspect`] for a file of this content: text or an error, and JSON.
#[cfg(any(feature = "fuzzing", test))]
pub(crate) fn inspect_content(file: &Path, content: &[u8], all: bool) -> (Result<String, String>, String) {
    let inspected = Inspected::of(file, image::parse(file, content));
    let json = serde_json::to_string(&inspected).expect("a string takes all text");
    (inspected.error.clone().map_or_else(|| Ok(text(&inspected, all, None)), Err), json)
}

impl<'args> Inspected<'args> {
    fn of(file: &'args Path, images: Result<Vec<Image>, ImageError>) -> Self {
        match images {
            Ok(images) => {
                let passed = images.iter().all(Image::passes);
                Self { file, passed, images, error: None }
            }
            Err(error) => Self { file, passed: false, images: Vec::new(), error: Some(error.to_string()) },
        }
    }
}

fn text(file: &Inspected<'_>, all: bool, width: Option<u16>) -> String {
    let mut text = String::new();
    for image in &file.images {
        let Image { format, machine, kind, exports, .. } = image;
        writeln!(text, "{}: {format} {kind} for {machine}", styled(STRONG, file.file.display()))
            .expect("a string takes all text");
        let mut facts = table(&[], width);
        let mut words = Vec::new();
        if image.reach_of_program().is_none() {
            let (style, word) =
                if image.cleanup.is_honoured() { (GOOD, "found") } else { (BAD, "not found") };
            facts.add_row(["flush", &*(marked(word) + &quoted(&format!(": {}", image.cleanup)))]);
            words.push((style, word));
        }
        if let Some(reach) = &image.secur32 {
            let word = reach.word();
            facts.add_row(["secur32", &*(marked(word) + &quoted(&format!(": {reach}")))]);
            words.push((reach.style(), word));
        }
        let shown = if all { exports } else { &image.sspi_exports };
        let heading = if all { "exports" } else { "SSPI exports" };
        let of = match (shown.len(), exports.len()) {
            (0, 0) => "none".to_owned(),
            (0, total) => format!("none, of {total}"),
            (shown, total) if shown == total => format!("{total}: "),
            (shown, total) => format!("{shown} of {total}: "),
        };
        facts.add_row([heading, &*quoted(&(of + &shown.join(", ")))]);
        if let Some(mock) = image.is_mock.then_some("yes: a mock of sspcache, not for authentication") {
            facts.add_row(["mock", mock]);
        }
        let plain = lines(&facts);
        text += &words.into_iter().fold(plain, |text, (style, word)| painted(&text, style, word));
    }
    if file.images.len() > 1 {
        text += &styled(FAINT, format!("{} images in one file\n", file.images.len()));
    }
    text
}
