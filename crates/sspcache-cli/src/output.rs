//! What all results share: streams, styles, tables, and the forms of numbers and times.

use std::{
    borrow::Cow,
    fmt::Display,
    io::{self, Write},
    time::Duration,
};

use anstyle::{AnsiColor, Style};
use comfy_table::{ContentArrangement, LineStyle, Table, TableStyle};
use serde::Serialize;
use sspcache_engine::SecurityStatus;

/// Good results.
pub(crate) const GOOD: Style = AnsiColor::Green.on_default().bold();
/// Bad results.
pub(crate) const BAD: Style = AnsiColor::Red.on_default().bold();
/// Unknown results.
pub(crate) const UNSURE: Style = AnsiColor::Yellow.on_default().bold();
/// Headings.
pub(crate) const STRONG: Style = Style::new().bold();
/// Text that a reader may skip.
pub(crate) const FAINT: Style = Style::new().dimmed();

/// Text in a style. The stream that the text is written to shows the style only on a terminal, and without `NO_COLOR`.
pub(crate) fn styled(style: Style, text: impl Display) -> String {
    format!("{style}{text}{style:#}")
}

/// Text from a file of unknown origin, made safe to print on one line: control characters are escaped.
pub(crate) fn quoted(text: &str) -> Cow<'_, str> {
    if !text.contains(char::is_control) {
        return text.into();
    }
    let spelled = |character: char| {
        let escaped = character.is_control().then(|| character.escape_default());
        (escaped.is_none().then_some(character).into_iter()).chain(escaped.into_iter().flatten())
    };
    text.chars().flat_map(spelled).collect::<String>().into()
}

/// A message for people, on standard error.
pub(crate) fn message(text: impl Display) {
    // When standard error can't be written, there is no other place for the message.
    let _ = writeln!(anstream::stderr(), "sspcache: {text}");
}

/// Writes a JSON document to standard output.
pub(crate) fn print_json(document: &impl Serialize) -> io::Result<()> {
    let mut out = io::stdout().lock();
    serde_json::to_writer_pretty(&mut out, document)?;
    writeln!(out)
}

/// An empty table in the program's style. `width` is the terminal's, if there is one: cells wrap to fit it.
pub(crate) fn table(header: &[&str], width: Option<u16>) -> Table {
    let rule = LineStyle::none().fill('─');
    let mut table = Table::new();
    table.load_style(TableStyle::new().header_separator(rule));
    if !header.is_empty() {
        table.set_header(header.to_vec());
    }
    if let Some(width) = width {
        table.set_content_arrangement(ContentArrangement::Dynamic).set_width(width);
    }
    table
}

/// A word for a cell of a table, marked so that [`painted`] gives it a style.
///
/// A cell can't hold the style itself: the table would count its codes as text. The mark takes the place of the word's
/// first letter, so that the width stays. It is a control character, which [`quoted`] text never contains.
pub(crate) fn marked(word: &str) -> String {
    format!("\u{1}{}", &word[1..])
}

/// The text of a table, with a [`marked`] word in a style.
pub(crate) fn painted(text: &str, style: Style, word: &str) -> String {
    text.replace(&marked(word), &styled(style, word))
}

/// The lines of a table, each with a line end and without trailing blanks.
pub(crate) fn lines(table: &Table) -> String {
    table.lines().map(|line| line.trim_end().to_owned() + "\n").collect()
}

/// A table whose rows are a line each. For a width that it doesn't fit into, its last columns are moved under their row, each with its
/// heading: a cell that is wrapped in its column breaks words, and is read with difficulty.
pub(crate) fn fitted(header: &[&str], rows: &[Vec<String>], width: Option<u16>) -> String {
    const UNDER_A_ROW: &str = "     ";
    let drawn = |columns: usize| {
        let mut table = table(&header[..columns], None);
        for row in rows {
            table.add_row(row[..columns].to_vec());
        }
        lines(&table)
    };
    let fits = |text: &String| {
        let widest = text.lines().map(visible).max().unwrap_or_default();
        width.is_none_or(|width| widest <= usize::from(width))
    };
    // One that is too wide alone stays as it is.
    let columns = (2..=header.len()).rev().find(|&columns| fits(&drawn(columns))).unwrap_or(1);
    let text = drawn(columns);
    let headings = text.lines().count().saturating_sub(rows.len());
    let mut fitted = String::new();
    for (index, line) in text.lines().enumerate() {
        fitted.extend([line, "\n"]);
        let row = index.checked_sub(headings).map_or(&[][..], |index| &rows[index]);
        for (heading, cell) in header.iter().zip(row).skip(columns).filter(|(_, cell)| !cell.is_empty()) {
            fitted += &wrapped(&format!("{heading}: {cell}"), UNDER_A_ROW, width);
        }
    }
    fitted
}

/// The width of a text on a terminal, which shows no style as text.
fn visible(text: &str) -> usize {
    anstream::adapter::strip_str(text).map(|part| part.chars().count()).sum()
}

/// A text in lines of at most this width, each with this indent and a line end. No word is broken: one that is longer has a line
/// to itself. Without a width it is one line.
pub(crate) fn wrapped(text: &str, indent: &str, width: Option<u16>) -> String {
    let room = width.map_or(usize::MAX, |width| usize::from(width).saturating_sub(indent.len()));
    let (mut wrapped, mut line) = (String::new(), String::new());
    for word in text.split(' ') {
        let length = visible(&line) + 1 + visible(word);
        if !line.is_empty() && length > room {
            wrapped.extend([indent, &line, "\n"]);
            line.clear();
        }
        if !line.is_empty() {
            line.push(' ');
        }
        line += word;
    }
    wrapped + &format!("{indent}{line}\n")
}

/// Lines of text, each wrapped.
pub(crate) fn wrapped_lines(text: &str, width: Option<u16>) -> String {
    text.lines().map(|line| wrapped(line, "", width)).collect()
}

/// The width of the terminal behind a stream; `None` for a file or a pipe.
pub(crate) fn terminal_width(stream: Stream) -> Option<u16> {
    let size = match stream {
        Stream::Stderr => terminal_size::terminal_size_of(io::stderr()),
        Stream::Stdout => terminal_size::terminal_size_of(io::stdout()),
    };
    size.map(|(terminal_size::Width(columns), _)| columns).filter(|&columns| columns > 0)
}

/// A standard stream.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(crate) enum Stream {
    Stderr,
    Stdout,
}

/// `1 credential`, `2 credentials`, `1,000 credentials`.
pub(crate) fn count(number: impl TryInto<u64>, noun: &str) -> String {
    let number = number.try_into().unwrap_or(u64::MAX);
    let suffix = match (number, noun) {
        (1, _) => "",
        (_, noun) if noun.ends_with("ss") => "es",
        _ => "s",
    };
    format!("{} {noun}{suffix}", thousands(number))
}

/// `1,234,567`.
pub(crate) fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut grouped = String::new();
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

/// A time since the beginning of a run: `+0.012 s`.
pub(crate) fn since_start(time: Duration) -> String {
    format!("+{:.3} s", time.as_secs_f64())
}

/// The same to the microsecond: `+0.012345 s`.
pub(crate) fn since_start_exactly(time: Duration) -> String {
    format!("+{:.6} s", time.as_secs_f64())
}

/// A status by its name, or by its number if it has none here.
pub(crate) fn status_name(status: SecurityStatus) -> String {
    match status {
        SecurityStatus(0) => "SEC_E_OK".to_owned(),
        status if status.name().is_empty() => format!("0x{:08X}", status.code()),
        status => status.name().to_owned(),
    }
}

/// Joins words for a sentence: `a`, `a and b`, `a, b and c`.
pub(crate) fn join(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => only.clone(),
        [first @ .., last] => format!("{} and {last}", first.join(", ")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_word_is_broken_where_lines_are_wrapped() {
        let text = "one two https://example.com/a/long/one three";
        assert_eq!(wrapped(text, "  ", None), format!("  {text}\n"));
        assert_eq!(wrapped(text, "  ", Some(9)), "  one two\n  https://example.com/a/long/one\n  three\n");
    }

    #[test]
    fn counts_read_as_people_write_them() {
        for (number, noun, text) in [
            (0, "credential", "0 credentials"),
            (1, "process", "1 process"),
            (2, "process", "2 processes"),
            (1_234_567, "event", "1,234,567 events"),
        ] {
            assert_eq!(count(number, noun), text);
        }
    }

    #[test]
    fn text_of_others_is_one_line_without_commands() {
        for (text, shown) in [
            (r"CONTOSO\\alice é 🔑", r"CONTOSO\\alice é 🔑"),
            ("\u{1b}[2Jgone\r\n", r"\u{1b}[2Jgone\r\n"),
            ("\u{9b}31m\t\0", r"\u{9b}31m\t\u{0}"),
        ] {
            assert_eq!(quoted(text), shown);
        }
    }

    #[test]
    fn words_join_into_a_sentence() {
        let words = ["a", "b", "c"].map(String::from);
        assert_eq!(
            [join(&words[..0]), join(&words[..1]), join(&words[..2]), join(&words)],
            ["", "a", "a and b", "a, b and c"]
        );
    }
}
