//! The values of parameters, spelled: numbers by their documented names.

use std::fmt::Write as _;

use sspcache_engine::context::{ContextFlags, Role};
use sspcache_types::numbers;

use super::{
    call::{Argument, Buffer, Call, Value},
    handles::Handles,
};
use crate::output::quoted;

/// A parameter as a line has it: `target="HTTP/x"`.
pub(super) fn argument(call: &Call<'_>, (name, value): &Argument<'_>, handles: &Handles) -> String {
    let value = match value {
        Value::Buffers(buffers) => {
            let buffers: Vec<_> = buffers.iter().map(buffer).collect();
            format!("[{}]", buffers.join(", "))
        }
        Value::Given => "given".to_owned(),
        Value::Handle(word) => handles.shown(name, word),
        Value::Null => "null".to_owned(),
        Value::Number(number) => self::number(call.function, name, *number),
        Value::Text(text) => format!("\"{}\"", quoted(text)),
        Value::Unknown(text) => quoted(text).into_owned(),
    };
    format!("{}={value}", quoted(name))
}

/// `SEC_E_OK`; the number of a status that has no name here.
pub(super) fn status(status: i32) -> String {
    numbers::status(status).map_or_else(|| format!("0x{status:08X}"), str::to_owned)
}

/// `TOKEN:143`, `DATA+READONLY:12`, and a token's bytes behind.
fn buffer(buffer: &Buffer<'_>) -> String {
    const PREFIX: &str = "SECBUFFER_";
    const ATTRIBUTES: u32 = 0xF000_0000;
    let (attributes, other) = numbers::buffer_attributes(buffer.kind & ATTRIBUTES);
    let mut text = match numbers::buffer_type(buffer.kind & !ATTRIBUTES) {
        Some(name) => name.trim_start_matches(PREFIX).to_owned(),
        None => format!("{:#x}", buffer.kind & !ATTRIBUTES),
    };
    for attribute in attributes {
        text.extend(["+", attribute.trim_start_matches(PREFIX)]);
    }
    if other != 0 {
        let _ = write!(text, "+{other:#x}");
    }
    let _ = write!(text, ":{}", buffer.length);
    if let Some(token) = buffer.token {
        text.extend([":", &*quoted(token)]);
    }
    text
}

fn number(function: &str, parameter: &str, number: u32) -> String {
    let role = if function == "AcceptSecurityContext" { Role::Acceptor } else { Role::Initiator };
    let name = match parameter {
        "requirements" => {
            let known = ContextFlags::from_wire(role, number).to_wire(role);
            return flags(ContextFlags::names_of_requested(role, number).collect(), number & !known);
        }
        "attributes" => {
            let known = ContextFlags::from_returned(role, number).to_returned(role);
            return flags(ContextFlags::names_of_returned(role, number).collect(), number & !known);
        }
        "credential_use" => {
            let (names, left) = numbers::credential_use(number);
            return flags(names, left);
        }
        "flags" if function == "ExportSecurityContext" => {
            let (names, left) = numbers::export_flags(number);
            return flags(names, left);
        }
        "attribute" if function.contains("Credentials") => numbers::credential_attribute(number),
        "attribute" => numbers::context_attribute(number),
        _ => None,
    };
    name.map_or_else(|| number.to_string(), str::to_owned)
}

/// `A|B`, with the bits that have no name; `0` for none.
fn flags(names: Vec<&str>, left: u32) -> String {
    let mut words: Vec<String> = names.into_iter().map(str::to_owned).collect();
    if left != 0 || words.is_empty() {
        words.push(if left == 0 { "0".to_owned() } else { format!("{left:#x}") });
    }
    words.join("|")
}
