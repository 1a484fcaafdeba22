//! JSON by a JSON Schema, as far as the project's own schemas go: a keyword that isn't known here is a failure.
//!
//! Reference: [JSON Schema, draft 2020-12](https://json-schema.org/draft/2020-12).

use std::fs;

use serde_json::{Map, Value};

use crate::program::root;

/// The schema of verdicts.
pub fn of_verdicts() -> Value {
    let text = fs::read_to_string(root().join("docs/verdict.schema.json")).expect("it is in the repository");
    serde_json::from_str(&text).expect("it is JSON")
}

/// A verdict in its JSON form. Panics unless it is as the schema of verdicts says.
#[track_caller]
pub fn verdict(text: &str) -> Value {
    let document = serde_json::from_str(text).unwrap_or_else(|error| panic!("{error}: {text}"));
    if let Err(error) = check(&of_verdicts(), &document) {
        panic!("{error}: {document:#}");
    }
    document
}

/// Checks a document. The error says what is wrong, and where.
pub fn check(schema: &Value, document: &Value) -> Result<(), String> {
    check_value(schema, schema, document, "")
}

fn check_value(root: &Value, schema: &Value, value: &Value, at: &str) -> Result<(), String> {
    let keywords = schema.as_object().expect("a schema is an object");
    for (keyword, rule) in keywords {
        let holds = match keyword.as_str() {
            "$schema" | "$defs" | "title" | "description" | "properties" => true,
            "$ref" => {
                let name = rule.as_str().and_then(|it| it.strip_prefix("#/$defs/")).expect("one of $defs");
                check_value(root, &root["$defs"][name], value, at)?;
                true
            }
            "type" => is_of_type(value, rule.as_str().expect("one type")),
            "const" => value == rule,
            "enum" => rule.as_array().expect("a list").contains(value),
            "minimum" => value.as_f64() >= rule.as_f64(),
            "required" => names(rule).all(|name| value.get(name).is_some()),
            "items" => {
                for (index, item) in value.as_array().into_iter().flatten().enumerate() {
                    check_value(root, rule, item, &format!("{at}/{index}"))?;
                }
                true
            }
            "propertyNames" => {
                let mut names = value.as_object().into_iter().flat_map(Map::keys);
                names.all(|name| check_value(root, rule, &Value::from(name.as_str()), at).is_ok())
            }
            "additionalProperties" => {
                check_properties(root, keywords, rule, value, at)?;
                true
            }
            "oneOf" => {
                let alternatives = rule.as_array().expect("a list").iter();
                alternatives.filter(|schema| check_value(root, schema, value, at).is_ok()).count() == 1
            }
            unknown => panic!("{unknown} is a keyword that is not known here"),
        };
        if !holds {
            return Err(format!("{at} is not as {keyword} says: {rule}"));
        }
    }
    // Otherwise what isn't listed would be allowed, and what is would not be checked.
    assert!(!keywords.contains_key("properties") || keywords.contains_key("additionalProperties"), "{at}");
    Ok(())
}

fn check_properties(
    root: &Value,
    keywords: &Map<String, Value>,
    others: &Value,
    value: &Value,
    at: &str,
) -> Result<(), String> {
    for (name, value) in value.as_object().into_iter().flatten() {
        let at = format!("{at}/{name}");
        match keywords.get("properties").and_then(|known| known.get(name)) {
            Some(schema) => check_value(root, schema, value, &at)?,
            None if others == &Value::Bool(false) => return Err(format!("{at} is not in the schema")),
            None => check_value(root, others, value, &at)?,
        }
    }
    Ok(())
}

fn is_of_type(value: &Value, name: &str) -> bool {
    match name {
        "array" => value.is_array(),
        "boolean" => value.is_boolean(),
        "integer" => value.is_u64() || value.is_i64(),
        "number" => value.is_number(),
        "object" => value.is_object(),
        "string" => value.is_string(),
        other => panic!("{other} is a type that is not known here"),
    }
}

fn names(list: &Value) -> impl Iterator<Item = &str> {
    list.as_array().expect("a list").iter().map(|name| name.as_str().expect("a name"))
}
