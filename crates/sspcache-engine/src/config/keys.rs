//! Every key of a configuration, once: its path, what is allowed there, how its value is read, and what it means.

use std::{num::NonZeroU32, time::Duration};

use toml::de::DeValue;

use super::base64::decode;
use crate::{
    Effect, Name, Operation, Secret, SecretKind,
    context::{
        NegotiateFirst,
        export_key::ExportKey,
        message_token::{LONGEST_BLOCK, SHORTEST},
        settings::Impersonation,
    },
    ledger::HandlePolicy,
    package::Capabilities,
};

/// A key whose value is a `T`.
pub(super) struct Key<T: 'static> {
    path: &'static str,
    value: Value<T>,
}

impl<T> Key<T> {
    /// The key in its table, without the table's path.
    pub(super) fn name(&self) -> &'static str {
        self.path.rsplit_once('.').map_or(self.path, |(_, name)| name)
    }

    pub(super) fn read(&self, value: &DeValue<'_>) -> Option<T> {
        (self.value.read)(value)
    }
}

/// A kind of value: what is allowed, in words, and the parser that allows it.
struct Value<T> {
    allowed: Allowed,
    read: fn(&DeValue<'_>) -> Option<T>,
}

/// What is allowed at a key.
#[derive(Clone, Copy)]
enum Allowed {
    /// These words.
    Words(&'static str),
    /// A list of capabilities.
    Capabilities,
    /// One of the operations.
    Operation,
    /// One table of the keys below this one.
    Table,
    /// Any number of such tables.
    Tables,
}

/// A row of [`KEYS`], whatever the type of its values.
struct Row {
    path: &'static str,
    allowed: Allowed,
    meaning: &'static str,
}

/// The tables and their keys: each key becomes a constant for the code that reads it, and a row of [`KEYS`]. Messages
/// list keys in this order.
macro_rules! keys {
    ($($table_path:literal, $many:ident, $table_meaning:literal {
        $($name:ident: $type:ty = $path:literal, $value:ident, $meaning:literal;)+
    })+) => {
        $($(pub(super) const $name: Key<$type> =
            Key { path: concat!($table_path, ".", $path), value: $value };)+)+

        const KEYS: &[Row] = &[$(
            Row { path: $table_path, allowed: Allowed::$many, meaning: $table_meaning },
            $(Row { path: $name.path, allowed: $name.value.allowed, meaning: $meaning },)+
        )+];
    };
}

keys! {
    "cache", Table, "the credential cache" {
        HANDLE_POLICY: HandlePolicy = "handle-policy", POLICY, "what a handle may still do after a flush";
        LIFETIME: Duration = "lifetime-seconds", SECONDS, "how long a credential is cached; without it, for ever";
        CAPACITY: NonZeroU32 = "capacity", CREDENTIALS, "how many are cached; without it, any number";
    }
    "context", Table, "security contexts" {
        CONTEXT_LIFETIME: Duration = "lifetime-seconds", SECONDS,
            "how long a context is valid; without it, as long as its credential";
        HANDSHAKE_TIME: Duration = "handshake-seconds", SECONDS, "how long a handshake may take; without it, 300";
        COMPLETE_TOKENS: bool = "complete-tokens", TRUTH,
            "whether CompleteAuthToken completes the initiator's proof";
        IMPERSONATION: Impersonation = "impersonation", IMPERSONATION_KIND,
            "whether impersonation is simulated, or done with the process's own token, on Windows";
        EXPORT_KEY: ExportKey = "export-key", PASSPHRASE,
            "instances with the same key import each other's contexts";
    }
    "targets", Table, "the targets of handshakes" {
        KNOWN: Vec<Name> = "known", TARGETS, "the targets that an initiator finds; without it, any";
        ACCEPTED: Vec<Name> = "accepted", TARGETS, "the targets that an acceptor is; without it, any";
    }
    "negotiate", Table, "what Negotiate chooses" {
        NEGOTIATE_FIRST: NegotiateFirst = "first", FIRST, "what it offers first; without it, what fits the target";
        EARLY_OK: bool = "early-ok", TRUTH, "whether an initiator is done before it has the acceptor's last token";
    }
    "packages", Table, "the packages that are offered" {
        ONLY: Vec<Name> = "only", PACKAGES, "offers none but these; without it, all";
    }
    "forbid", Tables, "the packages that are forbidden" {
        FORBIDDEN: Name = "package", NTLM, "a package that isn't offered, and that Negotiate neither chooses nor takes the tokens of";
    }
    "package", Tables, "a package beside the others, or in the place of the one of its name" {
        PACKAGE_NAME: Name = "name", NTLM, "the package's name";
        PACKAGE_MODULE: Name = "module", MODULE, "the one module that offers it; without it, each";
        COMMENT: Name = "comment", TEXT, "its description";
        CAPABILITIES: Capabilities = "capabilities", CAPABILITY_LIST, "what it can do";
        MAX_TOKEN: NonZeroU32 = "max-token", BYTES, "the longest token";
        TRAILER_SIZE: u32 = "trailer-size", TRAILER, "the room that EncryptMessage asks for";
        TRAILER_USED: u32 = "trailer-used", TRAILER, "how much of it it uses; without it, as much as usual";
        BLOCK_SIZE: u32 = "block-size", BLOCK, "what EncryptMessage pads to a multiple of; 1 pads nothing";
        RPC_ID: u16 = "rpc-id", SHORT, "its number in RPC";
        CACHING: bool = "caching", TRUTH,
            "whether it caches what a program signs in with; without it, all but Negotiate, Kerberos and NTLM do";
        TOKEN_SIZE: NonZeroU32 = "token-size", TOKEN_BYTES, "the length of an initiator's first token";
    }
    "account", Tables, "the accounts that an acceptor verifies against" {
        ACCOUNT_USER: Name = "user", TEXT, "the user";
        ACCOUNT_DOMAIN: Name = "domain", TEXT, "the domain; without it, none";
        ACCOUNT_PASSWORD: Secret = "password", PASSWORD,
            "the password; not needed beside a keytab or a certificate";
        ACCOUNT_KEYTAB: Secret = "keytab", KEYTAB, "the keytab that signs in to it, byte for byte";
        ACCOUNT_CERTIFICATE: Secret = "certificate", CERTIFICATE,
            "the certificate, or what stands for it, that signs in to it, byte for byte";
    }
    "logon", Tables, "default credentials: those of the logon session, which a sign-in without any takes" {
        LOGON_USER: Name = "user", TEXT, "the user";
        LOGON_DOMAIN: Name = "domain", TEXT, "the domain; without it, none";
        LOGON_PASSWORD: Secret = "password", PASSWORD, "the password";
        LOGON_PACKAGES: Vec<Name> = "packages", PACKAGES, "the packages that sign in with it; without it, all";
        LOGON_TARGET: Name = "target", TARGET, "the one target that it is for; without it, any";
    }
    "preload", Tables, "the credentials that are cached from the start" {
        PRELOAD_PACKAGE: Name = "package", MSN, "the package that the credential is for";
        PRELOAD_USER: Name = "user", TEXT, "the user";
        PRELOAD_DOMAIN: Name = "domain", TEXT, "the domain; without it, none";
        PRELOAD_PASSWORD: Secret = "password", PASSWORD, "the password";
    }
    "fault", Tables, "makes calls fail" {
        OPERATION: Operation = "operation", OPERATION_NAME, "the function that fails";
        EFFECT: Effect = "effect", EFFECT_NAME, "how it fails";
        FAULT_MODULE: Name = "module", MODULE, "the one module that fails; without it, each";
        AFTER: u32 = "after", COUNT, "how many calls pass before";
        TIMES: u32 = "times", COUNT, "how many calls fail; without it, all";
        DELAY: Duration = "delay-ms", MILLISECONDS, "how long a call waits before";
    }
}

const BLOCK: Value<u32> = Value {
    allowed: Allowed::Words("a whole number of bytes from 1 to 255"),
    read: |value| number(value).filter(|bytes| (1..=LONGEST_BLOCK).contains(bytes)),
};
const BYTES: Value<NonZeroU32> =
    Value { allowed: Allowed::Words("a whole number of bytes, at least 1"), read: positive };
const CAPABILITY_LIST: Value<Capabilities> = Value {
    allowed: Allowed::Capabilities,
    read: |value| {
        value.as_array()?.iter().try_fold(Capabilities(0), |all, name| {
            Some(Capabilities(all.0 | Capabilities::from_name(name.get_ref().as_str()?)?.0))
        })
    },
};
const CERTIFICATE: Value<Secret> =
    Value { allowed: Allowed::Words(BASE64), read: |value| opaque(value, SecretKind::Certificate) };
const COUNT: Value<u32> =
    Value { allowed: Allowed::Words("a whole number from 0 to 4294967295"), read: number };
const CREDENTIALS: Value<NonZeroU32> =
    Value { allowed: Allowed::Words("a whole number of credentials, at least 1"), read: positive };
const EFFECT_NAME: Value<Effect> = Value {
    allowed: Allowed::Words(
        "\"false\", \"delay\", \"panic\", \"missing\" or a status such as \"SEC_E_INTERNAL_ERROR\"",
    ),
    read: |value| Effect::from_name(value.as_str()?),
};
const FIRST: Value<NegotiateFirst> = Value {
    allowed: Allowed::Words("\"kerberos\" or \"ntlm\""),
    read: |value| match value.as_str()? {
        "kerberos" => Some(NegotiateFirst::Kerberos),
        "ntlm" => Some(NegotiateFirst::Ntlm),
        _ => None,
    },
};
const KEYTAB: Value<Secret> =
    Value { allowed: Allowed::Words(BASE64), read: |value| opaque(value, SecretKind::Keytab) };
const IMPERSONATION_KIND: Value<Impersonation> = Value {
    allowed: Allowed::Words("\"refuse\", \"simulate\" or \"process-token\""),
    read: |value| match value.as_str()? {
        "process-token" => Some(Impersonation::ProcessToken),
        "refuse" => Some(Impersonation::Refuse),
        "simulate" => Some(Impersonation::Simulate),
        _ => None,
    },
};
const MILLISECONDS: Value<Duration> = Value {
    allowed: Allowed::Words("a whole number of milliseconds from 0 to 4294967295"),
    read: |value| number(value).map(|milliseconds| Duration::from_millis(milliseconds.into())),
};
const MODULE: Value<Name> =
    Value { allowed: Allowed::Words("a module's file name, such as \"MSNSSPC.dll\""), read: name };
const MSN: Value<Name> = Value { allowed: Allowed::Words("a package's name, such as \"MSN\""), read: name };
const NTLM: Value<Name> = Value { allowed: Allowed::Words("a package's name, such as \"NTLM\""), read: name };
const OPERATION_NAME: Value<Operation> =
    Value { allowed: Allowed::Operation, read: |value| Operation::from_name(value.as_str()?) };
const PACKAGES: Value<Vec<Name>> = Value {
    allowed: Allowed::Words("a list of packages' names, such as [\"Negotiate\", \"NTLM\"]"),
    read: |value| value.as_array()?.iter().map(|value| name(value.get_ref())).collect(),
};
const PASSPHRASE: Value<ExportKey> = Value {
    allowed: Allowed::Words("a string that is not empty"),
    read: |value| {
        value.as_str().filter(|key| !key.is_empty()).map(|key| ExportKey::from_secret(key.as_bytes()))
    },
};
const PASSWORD: Value<Secret> =
    Value { allowed: Allowed::Words("a string"), read: |value| value.as_str().map(Secret::password) };
const POLICY: Value<HandlePolicy> = Value {
    allowed: Allowed::Words("\"revoke\" or \"retain\""),
    read: |value| match value.as_str()? {
        "retain" => Some(HandlePolicy::Retain),
        "revoke" => Some(HandlePolicy::Revoke),
        _ => None,
    },
};
const SECONDS: Value<Duration> = Value {
    allowed: Allowed::Words("a whole number of seconds, at least 1"),
    read: |value| positive(value).map(|seconds| Duration::from_secs(seconds.get().into())),
};
const SHORT: Value<u16> = Value {
    allowed: Allowed::Words("a whole number from 0 to 65535"),
    read: |value| number(value).and_then(|number| number.try_into().ok()),
};
const TARGET: Value<Name> = Value {
    allowed: Allowed::Words(
        "a service, a host, or a domain's hosts: \"HTTP/web\", \"web.contoso.example\", \"*.contoso.example\"",
    ),
    read: name,
};
const TARGETS: Value<Vec<Name>> = Value {
    allowed: Allowed::Words("a list of targets' names, such as [\"HTTP/web\"]"),
    read: |value| value.as_array()?.iter().map(|value| name(value.get_ref())).collect(),
};
const TEXT: Value<Name> = Value { allowed: Allowed::Words("a string"), read: name };
const TOKEN_BYTES: Value<NonZeroU32> = Value {
    allowed: Allowed::Words("a whole number of bytes from 1 to 1048576"),
    read: |value| positive(value).filter(|size| size.get() <= 1 << 20),
};
const TRAILER: Value<u32> = Value {
    allowed: Allowed::Words(
        "a whole number of bytes from 16 to 65535, of which no more are used than there is room for",
    ),
    read: |value| number(value).filter(|bytes| (SHORTEST..=u16::MAX.into()).contains(bytes)),
};
const TRUTH: Value<bool> = Value { allowed: Allowed::Words("true or false"), read: |value| value.as_bool() };

const BASE64: &str = "bytes in Base64, at least one";

fn opaque(value: &DeValue<'_>, kind: SecretKind) -> Option<Secret> {
    decode(value.as_str()?).map(|bytes| Secret::opaque(kind, &bytes))
}

fn name(value: &DeValue<'_>) -> Option<Name> {
    value.as_str().map(Name::from)
}

fn number(value: &DeValue<'_>) -> Option<u32> {
    let digits = value.as_integer()?;
    u32::from_str_radix(digits.as_str(), digits.radix()).ok()
}

fn positive(value: &DeValue<'_>) -> Option<NonZeroU32> {
    number(value).and_then(NonZeroU32::new)
}

/// Every key of a configuration: its path, such as `cache.capacity`, what is allowed there, and what it means.
pub fn keys() -> impl Iterator<Item = (&'static str, String, &'static str)> {
    KEYS.iter().map(|row| (row.path, row.allowed(), row.meaning))
}

impl Row {
    fn allowed(&self) -> String {
        match self.allowed {
            Allowed::Words(words) => words.to_owned(),
            Allowed::Capabilities => format!("a list of any of {}", join(Capabilities::all_names())),
            Allowed::Operation => {
                format!("one of {}", join(Operation::ALL.iter().map(|operation| operation.name())))
            }
            Allowed::Table => format!("a table of {}", join(below(self.path))),
            Allowed::Tables => format!("tables of {}", join(below(self.path))),
        }
    }
}

/// The names of a table's keys.
fn below(table: &str) -> impl Iterator<Item = &'static str> {
    KEYS.iter().filter_map(move |row| row.path.strip_prefix(table)?.strip_prefix('.'))
}

fn join<'a>(names: impl Iterator<Item = &'a str>) -> String {
    names.collect::<Vec<_>>().join(", ")
}

/// Whether a table such as `fault[1]` has a key of this name. The file as a whole is the table with the empty path.
pub(super) fn is_known(table: &str, name: &str) -> bool {
    let table = pattern(table);
    KEYS.iter().any(|row| row.path.rsplit_once('.').unwrap_or(("", row.path)) == (table.as_str(), name))
}

/// What is allowed at a path such as `fault[1].effect`. The empty path is the file as a whole.
pub(super) fn allowed_at(path: &str) -> String {
    let pattern = pattern(path);
    if pattern.is_empty() {
        let tables = KEYS.iter().filter_map(|row| match row.allowed {
            Allowed::Table => Some(format!("[{}]", row.path)),
            Allowed::Tables => Some(format!("[[{}]]", row.path)),
            Allowed::Words(_) | Allowed::Capabilities | Allowed::Operation => None,
        });
        return tables.collect::<Vec<_>>().join(", ");
    }
    KEYS.iter().find(|row| row.path == pattern).map_or_else(String::new, Row::allowed)
}

/// The key that a path stands for: `fault.effect` for `fault[1].effect`.
fn pattern(path: &str) -> String {
    let mut inside = false;
    path.chars()
        .filter(|character| {
            inside = inside && *character != ']' || *character == '[';
            !inside && *character != ']'
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn each_key_is_listed_once() {
        let paths: BTreeSet<_> = KEYS.iter().map(|row| row.path).collect();
        assert_eq!(paths.len(), KEYS.len());
    }
}
