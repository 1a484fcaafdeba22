//! Recordings as the mock writes them: a call a line.

use super::{Auth, Call, Descriptor, Function, Handed, PACKAGES, Place, Recording, Shape, Value};

impl Recording {
    /// Reads a recording: lines that begin with `#` are comments. Calls that give tables, or are about identities alone, are passed
    /// over.
    ///
    /// # Errors
    /// The line that can't be read, and the word.
    pub fn parse(text: &str) -> Result<Self, String> {
        let is_call = |line: &str| {
            !line.is_empty()
                && !line.starts_with('#')
                && !PASSED_OVER.iter().any(|name| line.starts_with(name))
        };
        let lines = text.lines().enumerate().filter(|(_, line)| is_call(line));
        let call = |(number, line): (usize, &str)| {
            call(line).map_err(|word| format!("line {}: {word:?}", number + 1))
        };
        lines.map(call).collect::<Result<_, _>>().map(|calls| Self { calls })
    }
}

/// Beginnings of the names of functions that aren't called again.
const PASSED_OVER: [&str; 4] = ["CleanupCredentialCache", "InitSecurityInterface", "Sspi", "sspcache_"];

fn call(line: &str) -> Result<Call, String> {
    let (given, answer) = line.split_once(" -> ").unwrap_or((line, ""));
    let mut words = words(given).into_iter();
    let name = words.next().unwrap_or_default();
    let (function, wide) = Function::named(name).ok_or(name)?;
    let mut values = Vec::new();
    for &(parameter, _) in function.parameters {
        let word = words.next().ok_or(parameter)?;
        let shape = word.strip_prefix(parameter).and_then(|rest| rest.strip_prefix('=')).ok_or(word)?;
        values.push(value(function, shape).ok_or(word)?);
    }
    let mut answer = answer.split_whitespace();
    let status = answer.next().and_then(number).map(u32::cast_signed);
    let handle = answer.find_map(|word| word.split_once("=h")?.1.parse().ok());
    Ok(Call { function, wide, values, gives: handle, status })
}

/// Words between spaces; brackets keep together what is in them.
fn words(line: &str) -> Vec<&str> {
    let (mut words, mut depth, mut start) = (Vec::new(), 0, 0);
    for (at, letter) in line.char_indices() {
        match letter {
            '[' | '(' => depth += 1,
            ']' | ')' => depth -= 1,
            ' ' if depth == 0 => {
                words.push(&line[start..at]);
                start = at + 1;
            }
            _ => {}
        }
    }
    words.push(&line[start..]);
    words
}

fn number(text: &str) -> Option<u32> {
    match text.strip_prefix("0x") {
        Some(digits) => u32::from_str_radix(digits, 16).ok(),
        None => text.parse().ok(),
    }
}

fn value(function: &Function, shape: &str) -> Option<Value> {
    Some(match shape {
        "at" => Value::At,
        "null" => Value::Null,
        "h-zero" => Value::Handle(Handed::Zero),
        "h-ones" => Value::Handle(Handed::Ones),
        "h-other" => Value::Handle(Handed::Other),
        _ => {
            if let Some(rest) = shape.strip_prefix('=') {
                let at = function.parameters.iter().position(|(name, _)| *name == rest)?;
                Value::Same(u8::try_from(at).ok()?)
            } else if let Some(rest) = shape.strip_prefix("small:") {
                Value::Small(u16::try_from(number(rest)?).ok()?)
            } else if let Some(name) = shape.strip_prefix('"') {
                let at = PACKAGES.iter().position(|known| Some(*known) == name.strip_suffix('"'))?;
                Value::Package(u8::try_from(at).ok()?)
            } else if let Some(length) = shape.strip_prefix("address") {
                Value::Address(length.parse().ok()?)
            } else if let Some(length) = shape.strip_prefix('s') {
                Value::Text(length.parse().ok()?)
            } else if let Some(number) = shape.strip_prefix('h') {
                Value::Handle(Handed::Given(number.parse().ok()?))
            } else if let Some(rest) = shape.strip_prefix("identity(") {
                Value::Auth(auth(rest.strip_suffix(')')?)?)
            } else if shape.ends_with(']') || shape.contains("without:") {
                Value::Buffers(descriptor(shape)?)
            } else {
                Value::Number(number(shape)?)
            }
        }
    })
}

fn auth(text: &str) -> Option<Auth> {
    let mut words = text.split_whitespace();
    let extended = match words.next()? {
        "plain" => None,
        "ex" => Some(number(words.next()?)?),
        _ => return None,
    };
    let flags = number(words.next()?)?;
    let part = |word: &str| match word.strip_prefix("null:") {
        Some(length) => Some((false, length.parse().ok()?)),
        None => Some((true, word.parse().ok()?)),
    };
    Some(Auth { extended, flags, parts: words.map(part).collect::<Option<_>>()? })
}

fn descriptor(text: &str) -> Option<Descriptor> {
    let (version, rest) = match text.strip_prefix("version:") {
        None => (0, text),
        Some(rest) => {
            let end = rest.find(|letter: char| !letter.is_ascii_digit())?;
            (rest[..end].parse().ok()?, &rest[end..])
        }
    };
    if let Some(count) = rest.strip_prefix("without:") {
        return Some(Descriptor { version, without: Some(count.parse().ok()?), buffers: Vec::new() });
    }
    let inside = rest.strip_prefix('[')?.strip_suffix(']')?;
    let buffers = inside.split_whitespace().map(shape).collect::<Option<_>>()?;
    Some(Descriptor { version, without: None, buffers })
}

fn shape(text: &str) -> Option<Shape> {
    let mut parts = text.split(':');
    let (kind, size) = (number(parts.next()?)?, parts.next()?.parse().ok()?);
    let place = match parts.next() {
        None => Place::Own,
        Some("null") => Place::Null,
        Some("small") => Place::Small,
        Some("in") => Place::In(parts.next()?.parse().ok()?, parts.next()?.parse().ok()?),
        Some(_) => return None,
    };
    Some(Shape { kind, size, place })
}
