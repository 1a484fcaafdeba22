//! A call, as the text of its event says it: [`EventKind::Called`].

use sspcache_engine::EventKind;

/// A call that has returned.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Call<'e> {
    pub(super) function: &'e str,
    pub(super) thread: u64,
    pub(super) given: Vec<Argument<'e>>,
    pub(super) gave: Vec<Argument<'e>>,
    pub(super) returned: Returned<'e>,
}

/// A parameter, by its name.
pub(super) type Argument<'e> = (&'e str, Value<'e>);

/// The value of a parameter.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) enum Value<'e> {
    Buffers(Vec<Buffer<'e>>),
    Given,
    /// The handle's text.
    Handle(&'e str),
    Null,
    Number(u32),
    /// As Rust quotes it, without the quotes.
    Text(&'e str),
    /// Something else: of a file that no mock has written.
    Unknown(&'e str),
}

/// A `SecBuffer`.
#[derive(Clone, Debug, Eq, PartialEq)]
pub(super) struct Buffer<'e> {
    pub(super) kind: u32,
    pub(super) length: u32,
    /// In hexadecimal.
    pub(super) token: Option<&'e str>,
}

/// What a function returned.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(super) enum Returned<'e> {
    Status(i32),
    Word(&'e str),
}

impl<'e> Call<'e> {
    /// `None` for another event.
    pub(super) fn of(event: &'e EventKind) -> Option<Self> {
        let EventKind::Called { function, thread, given, gave, returned } = event else { return None };
        let returned = match returned.strip_prefix('+') {
            Some(code) => Returned::Word(code),
            None => returned.parse().map_or(Returned::Word(returned), Returned::Status),
        };
        Some(Self { function, thread: *thread, given: arguments(given), gave: arguments(gave), returned })
    }
}

fn arguments(text: &str) -> Vec<Argument<'_>> {
    let mut arguments = Vec::new();
    let mut rest = text;
    while let Some((name, behind)) = rest.split_once('=') {
        let end = end_of(behind);
        arguments.push((name, value(&behind[..end])));
        rest = behind[end..].trim_start_matches(' ');
    }
    arguments
}

/// The length of the value that a text begins with.
fn end_of(text: &str) -> usize {
    let (mut is_quoted, mut is_escaped) = (false, false);
    let end = text.find(|character| {
        match character {
            _ if is_escaped => is_escaped = false,
            '\\' if is_quoted => is_escaped = true,
            '"' => is_quoted = !is_quoted,
            ' ' => return !is_quoted,
            _ => {}
        }
        false
    });
    end.unwrap_or(text.len())
}

fn value(text: &str) -> Value<'_> {
    let inside = |first: char, last: char| text.strip_prefix(first)?.strip_suffix(last);
    if let Some(text) = inside('"', '"') {
        return Value::Text(text);
    }
    if let Some(buffers) = inside('[', ']') {
        let buffers = buffers.split(',').filter(|buffer| !buffer.is_empty()).map(buffer).collect();
        return Option::map_or(buffers, Value::Unknown(text), Value::Buffers);
    }
    match text {
        "+" => Value::Given,
        "-" => Value::Null,
        _ => match (text.strip_prefix('#'), text.parse()) {
            (Some(handle), _) => Value::Handle(handle),
            (None, Ok(number)) => Value::Number(number),
            (None, Err(_)) => Value::Unknown(text),
        },
    }
}

fn buffer(text: &str) -> Option<Buffer<'_>> {
    let mut parts = text.split(':');
    let kind = u32::from_str_radix(parts.next()?, 16).ok()?;
    let length = parts.next()?.parse().ok()?;
    Some(Buffer { kind, length, token: parts.next() })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Q8
    #[test]
    fn a_value_may_have_blanks_and_quotes_of_its_own() {
        let text = format!(
            "name={:?} package=- flags=7 output=[80000002:18,2:3:4e544c] handle=#12 empty=[]",
            r#"a "b" = \ c=1"#
        );
        let buffers = vec![
            Buffer { kind: 0x8000_0002, length: 18, token: None },
            Buffer { kind: 2, length: 3, token: Some("4e544c") },
        ];
        let expected = [
            ("name", Value::Text(r#"a \"b\" = \\ c=1"#)),
            ("package", Value::Null),
            ("flags", Value::Number(7)),
            ("output", Value::Buffers(buffers)),
            ("handle", Value::Handle("12")),
            ("empty", Value::Buffers(Vec::new())),
        ];
        assert_eq!(arguments(&text), expected);
    }

    /// What no mock writes is shown as it is, and breaks nothing.
    #[test]
    fn text_of_another_form_is_unknown() {
        for text in ["=", "a", "a=\"", "a=[", "a=[x]", "a=[2]", "a=\"\\", "a=é b=é", "\"=\"", "a=#"] {
            let _ = arguments(text);
        }
        assert_eq!(arguments("a=[2] b=x"), [("a", Value::Unknown("[2]")), ("b", Value::Unknown("x"))]);
    }
}
