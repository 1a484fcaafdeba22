//! The trace of calls (clause Q8): each call becomes an event of the journal, where `SSPCACHE_TRACE` asks for it.
//!
//! What a call did is no part of it: a trace reads the parameters before the call and after it, and so fits a function that the system's own SSP answers, too.
#![forbid(unsafe_code)]

use std::sync::atomic::{AtomicU8, Ordering};

use sspcache_engine::EventKind;

use crate::{
    environment::{Environment, JOURNAL},
    ffi, platform,
    raw::{Kind, Parameter, Parameters},
    stack::Edge,
    state::Ssp,
};

/// What asks for the trace: `calls`, or `tokens` for the tokens of handshakes in it.
const VARIABLE: &str = "SSPCACHE_TRACE";

/// What is traced of an SSP: not known before its first call.
#[derive(Debug)]
pub(crate) struct Tracing(AtomicU8);

impl Tracing {
    const UNKNOWN: u8 = 0;
    const NOTHING: u8 = 1;
    const CALLS: u8 = 2;
    const TOKENS: u8 = 3;

    pub(crate) const fn new() -> Self {
        Self(AtomicU8::new(Self::UNKNOWN))
    }

    /// Whether a call has to be looked at: all that a call costs where nothing is traced.
    #[inline(always)]
    #[allow(clippy::inline_always, reason = "all that a call costs that isn't traced")]
    pub(crate) fn may_be_on(&self) -> bool {
        self.0.load(Ordering::Relaxed) != Self::NOTHING
    }

    /// What is traced, by the environment of the first call that asks.
    fn wanted(&self) -> u8 {
        let known = self.0.load(Ordering::Relaxed);
        if known != Self::UNKNOWN {
            return known;
        }
        // Where it can't be used, the engine can't be made, and no call is recorded.
        let environment = Environment::new();
        let is_kept = environment.get(JOURNAL).is_some();
        let wanted = if is_kept { check(&environment).unwrap_or(Self::NOTHING) } else { Self::NOTHING };
        self.0.store(wanted, Ordering::Relaxed);
        wanted
    }
}

/// What the environment asks for.
///
/// # Errors
/// A message for people, where that can't be.
pub(crate) fn check(environment: &Environment) -> Result<u8, String> {
    match environment.get(VARIABLE).unwrap_or_default().to_str() {
        Some("" | "off") => Ok(Tracing::NOTHING),
        Some("calls") => Ok(Tracing::CALLS),
        Some("tokens") => Ok(Tracing::TOKENS),
        _ => Err(format!("{VARIABLE} is neither off, calls nor tokens")),
    }
}

/// A call that has begun, and is recorded when it ends.
#[derive(Debug)]
pub(crate) struct Trace {
    ssp: &'static Ssp,
    parameters: Parameters,
    given: String,
    shows_tokens: bool,
}

/// Reads what a call was given, if it is traced.
pub(crate) fn begin(edge: &Edge, ssp: &'static Ssp, parameters: Parameters) {
    let wanted = ssp.tracing().wanted();
    if wanted != Tracing::NOTHING {
        // A call that can't be recorded is answered all the same.
        ffi::caught(|| {
            let mut trace = Trace { ssp, parameters, given: String::new(), shows_tokens: false };
            trace.shows_tokens = wanted == Tracing::TOKENS && is_of_handshake(trace.function());
            trace.given = trace.written(None);
            edge.trace(Box::new(trace));
        });
    }
}

impl Trace {
    /// Records the call. The function has its edge on the stack still.
    #[cold]
    #[inline(never)]
    pub(crate) fn end(self: Box<Self>, returned: Returned) {
        // As above.
        ffi::caught(|| {
            let gave = self.written(Some(returned.is_success()));
            if let Some(engine) = self.ssp.recorder() {
                engine.note_call(EventKind::Called {
                    function: self.function().to_owned(),
                    thread: platform::thread(),
                    given: self.given,
                    gave,
                    returned: returned.text(),
                });
            }
        });
    }

    fn function(&self) -> &'static str {
        self.parameters.names().next().unwrap_or_default()
    }

    /// What the call was given; what it gave, once it is known whether it has succeeded.
    fn written(&self, is_success: Option<bool>) -> String {
        let mut text = String::new();
        for (index, name) in self.parameters.names().skip(1).enumerate() {
            let parameter = self.parameters.get(index);
            // What the mock has no use for begins with a line. Most of it says nothing.
            let known = name.strip_prefix('_').unwrap_or(name);
            let is_used = known.len() == name.len() || parameter.kind() == Kind::Buffers;
            if !is_used && !matches!(known, "attribute" | "package" | "target") {
                continue;
            }
            let before = text.len();
            if before > 0 {
                text.push(' ');
            }
            text.push_str(known);
            text.push('=');
            let value = text.len();
            match is_success {
                None => self.write_given(known, parameter, &mut text),
                Some(is_success) => self.write_gave(known, parameter, is_success, &mut text),
            }
            if text.len() == value {
                text.truncate(before);
            }
        }
        text
    }

    /// Whether a place for a handle or a buffer is for a result.
    fn is_result(&self, name: &str) -> bool {
        let function = self.function();
        match name {
            "new_context" => true,
            "handle" => function.starts_with("AcquireCredentialsHandle"),
            "context" => function.starts_with("ImportSecurityContext"),
            "packed" => function == "ExportSecurityContext",
            _ => false,
        }
    }

    /// On a later step a library may pass anything as the credential, and has the context behind it: clause R1.
    fn is_unread(&self, name: &str) -> bool {
        const CONTEXT: usize = 1;
        name == "credential" && !self.parameters.get(CONTEXT).is_null()
    }

    fn write_given(&self, name: &str, parameter: Parameter, to: &mut String) {
        match parameter.kind() {
            Kind::Result | Kind::OutNumber => {}
            _ if self.is_result(name) => {}
            // Any other string may be a secret.
            Kind::Ansi | Kind::Wide if !matches!(name, "name" | "package" | "principal" | "target") => {
                parameter.write_given(to);
            }
            Kind::Handle if self.is_unread(name) => parameter.write_given(to),
            // There is nothing in an output yet.
            _ => parameter.write(self.shows_tokens && name != "output", to),
        }
    }

    fn write_gave(&self, name: &str, parameter: Parameter, is_success: bool, to: &mut String) {
        let is_shown = match parameter.kind() {
            Kind::Buffers => true,
            // The size of what SspiPrepareForCredWrite gives is the length of the password.
            Kind::OutNumber => is_success && name != "size",
            Kind::Buffer | Kind::Handle => is_success && self.is_result(name),
            _ => false,
        };
        if !is_shown || parameter.is_null() {
            return;
        }
        let value = to.len();
        parameter.write(self.shows_tokens && (is_success || name == "input"), to);
        if parameter.kind() == Kind::Buffers {
            // Without the name before it, which is the same.
            let is_known =
                self.given.split(' ').any(|given| given.split_once('=') == Some((name, &to[value..])));
            if is_known {
                to.truncate(value);
            }
        }
    }
}

/// Whether a function's tokens are those of a handshake; others are of messages.
fn is_of_handshake(function: &str) -> bool {
    function.starts_with("InitializeSecurityContext")
        || matches!(function, "AcceptSecurityContext" | "CompleteAuthToken")
}

/// What a function returned.
#[derive(Clone, Copy, Debug)]
pub enum Returned {
    /// A system error code.
    Code(u32),
    /// A status.
    Status(i32),
    /// Nothing: the function can't say whether it failed.
    Void,
    /// A word, and whether it is one of success.
    Word(&'static str, bool),
}

impl Returned {
    pub(crate) fn truth(truth: bool) -> Self {
        if truth { Self::Word("TRUE", true) } else { Self::Word("FALSE", false) }
    }

    /// As a `Called` event has it.
    fn text(self) -> String {
        match self {
            Self::Code(code) => format!("+{code}"),
            Self::Status(status) => status.to_string(),
            Self::Void => "void".to_owned(),
            Self::Word(word, _) => word.to_owned(),
        }
    }

    /// Whether the places for results are filled in.
    fn is_success(self) -> bool {
        match self {
            Self::Code(code) => code == 0,
            Self::Status(status) => status >= 0,
            Self::Void => true,
            Self::Word(_, is_success) => is_success,
        }
    }
}
