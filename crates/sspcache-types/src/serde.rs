//! Statuses and roles in journals: by name, and a status without one by its number.

use core::{fmt, marker::PhantomData};

use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

use crate::{Role, SecurityStatus};

impl Serialize for SecurityStatus {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.name() {
            "" => serializer.collect_str(&format_args!("0x{:08X}", self.0)),
            name => serializer.serialize_str(name),
        }
    }
}

impl<'de> Deserialize<'de> for SecurityStatus {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Named("a status", status, PhantomData))
    }
}

impl Serialize for Role {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str(self.name())
    }
}

impl<'de> Deserialize<'de> for Role {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_str(Named("`acceptor` or `initiator`", Self::from_name, PhantomData))
    }
}

/// The status of a name, or of a number that has none.
fn status(text: &str) -> Option<SecurityStatus> {
    let Some(number) = text.strip_prefix("0x") else { return SecurityStatus::from_name(text) };
    u32::from_str_radix(number, 16).ok().map(|number| SecurityStatus(number.cast_signed()))
}

/// What is expected, and what has this name.
struct Named<T, F: Fn(&str) -> Option<T>>(&'static str, F, PhantomData<T>);

impl<T, F: Fn(&str) -> Option<T>> de::Visitor<'_> for Named<T, F> {
    type Value = T;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0)
    }

    fn visit_str<E: de::Error>(self, name: &str) -> Result<T, E> {
        (self.1)(name).ok_or_else(|| E::invalid_value(de::Unexpected::Other("another name"), &self))
    }
}
