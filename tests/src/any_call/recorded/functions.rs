//! The functions that are called again, with their parameters.

/// A function of SSPI.
#[derive(Debug, Eq, PartialEq)]
pub struct Function {
    /// Without the A or W.
    pub name: &'static str,
    pub has_forms: bool,
    /// The names of the parameters, as they are recorded, and what each is.
    pub parameters: &'static [(&'static str, Kind)],
}

/// What a parameter is.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Kind {
    Auth,
    /// One `SecBuffer`.
    Buffer,
    Buffers,
    Handle,
    Number,
    Place,
    Text,
}

use Kind::{Auth, Buffer, Buffers, Handle, Number, Place, Text};

const fn both(name: &'static str, parameters: &'static [(&'static str, Kind)]) -> Function {
    Function { name, has_forms: true, parameters }
}

const fn one(name: &'static str, parameters: &'static [(&'static str, Kind)]) -> Function {
    Function { name, has_forms: false, parameters }
}

/// A place in this list is how bytes name a function.
pub(super) const FUNCTIONS: &[Function] = &[
    both(
        "AcquireCredentialsHandle",
        &[
            ("principal", Text),
            ("package", Text),
            ("credential_use", Number),
            ("logon", Place),
            ("auth", Auth),
            ("get_key", Place),
            ("argument", Place),
            ("handle", Handle),
            ("expiry", Place),
        ],
    ),
    both(
        "InitializeSecurityContext",
        &[
            ("credential", Handle),
            ("context", Handle),
            ("target", Text),
            ("requirements", Number),
            ("reserved1", Number),
            ("representation", Number),
            ("input", Buffers),
            ("reserved2", Number),
            ("new_context", Handle),
            ("output", Buffers),
            ("attributes", Place),
            ("expiry", Place),
        ],
    ),
    one(
        "AcceptSecurityContext",
        &[
            ("credential", Handle),
            ("context", Handle),
            ("input", Buffers),
            ("requirements", Number),
            ("representation", Number),
            ("new_context", Handle),
            ("output", Buffers),
            ("attributes", Place),
            ("expiry", Place),
        ],
    ),
    one("DeleteSecurityContext", &[("context", Handle)]),
    one("FreeCredentialsHandle", &[("handle", Handle)]),
    one("FreeContextBuffer", &[("buffer", Place)]),
    both("QueryContextAttributes", &[("context", Handle), ("attribute", Number), ("buffer", Place)]),
    both("QuerySecurityPackageInfo", &[("name", Text), ("package", Place)]),
    both("EnumerateSecurityPackages", &[("count", Place), ("packages", Place)]),
    one("EncryptMessage", &[("context", Handle), ("qop", Number), ("message", Buffers), ("number", Number)]),
    one("DecryptMessage", &[("context", Handle), ("message", Buffers), ("number", Number), ("qop", Place)]),
    one("MakeSignature", &[("context", Handle), ("qop", Number), ("message", Buffers), ("number", Number)]),
    one("VerifySignature", &[("context", Handle), ("message", Buffers), ("number", Number), ("qop", Place)]),
    both("QueryCredentialsAttributes", &[("handle", Handle), ("attribute", Number), ("buffer", Place)]),
    one("CompleteAuthToken", &[("context", Handle), ("token", Buffers)]),
    one("ApplyControlToken", &[("context", Handle), ("token", Buffers)]),
    one("ImpersonateSecurityContext", &[("context", Handle)]),
    one("RevertSecurityContext", &[("context", Handle)]),
    one("QuerySecurityContextToken", &[("context", Handle), ("token", Place)]),
    one(
        "ExportSecurityContext",
        &[("context", Handle), ("flags", Number), ("packed", Buffer), ("token", Place)],
    ),
    both(
        "ImportSecurityContext",
        &[("package", Text), ("packed", Buffer), ("token", Place), ("context", Handle)],
    ),
    both(
        "AddCredentials",
        &[
            ("handle", Handle),
            ("principal", Text),
            ("package", Text),
            ("credential_use", Number),
            ("auth", Auth),
            ("get_key", Place),
            ("argument", Place),
            ("expiry", Place),
        ],
    ),
    both(
        "QueryContextAttributesEx",
        &[("context", Handle), ("attribute", Number), ("buffer", Place), ("size", Number)],
    ),
    both(
        "QueryCredentialsAttributesEx",
        &[("handle", Handle), ("attribute", Number), ("buffer", Place), ("size", Number)],
    ),
    both(
        "SetContextAttributes",
        &[("context", Handle), ("attribute", Number), ("buffer", Place), ("size", Number)],
    ),
];

impl Function {
    /// The function with this name, as it is exported, and whether it is the W form.
    pub fn named(export: &str) -> Option<(&'static Self, bool)> {
        FUNCTIONS.iter().find_map(|function| match export.strip_prefix(function.name)? {
            "" if !function.has_forms => Some((function, false)),
            "A" if function.has_forms => Some((function, false)),
            "W" if function.has_forms => Some((function, true)),
            _ => None,
        })
    }

    /// Its name as it is exported.
    pub fn export(&self, wide: bool) -> String {
        let suffix = match (self.has_forms, wide) {
            (false, _) => "",
            (true, false) => "A",
            (true, true) => "W",
        };
        format!("{}{suffix}", self.name)
    }
}
