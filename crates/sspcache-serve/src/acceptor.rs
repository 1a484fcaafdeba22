//! The acceptor's side of handshakes, by the mock; and Basic, against the same accounts.

use serde::Serialize;
use sspcache_engine::{
    AcquireRequest, AuthIdentity, CredentialHandle, Name, Principal, Secret, SecurityStatus,
    context::{AcceptRequest, ContextFlags, ContextHandle, Progress, Refusal, Role},
};
use sspcache_mock::MockSsp;

use crate::{ServeError, settings::DEFAULT_SCHEMES};

/// A sign-in that a server accepted.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct SignIn {
    /// The client's principal: `CONTOSO\alice`; empty for a null session.
    pub principal: String,
    /// The scheme of the header.
    pub scheme: String,
    /// The package that was used; for Negotiate, the one that it chose. `Basic` where there was none.
    pub package: String,
    /// How many tokens the client sent.
    pub legs: u32,
    /// The flags of the server's context, by their documented names (`ASC_RET_…`).
    pub flags: Vec<&'static str>,
    /// The target that the client named, such as `HTTP/localhost`, where it named one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub target: Option<String>,
    /// Whether the client passed channel bindings.
    pub bound: bool,
}

/// The packages that sign-ins are verified by.
pub(crate) struct Acceptor {
    mock: MockSsp,
    offered: Vec<Offered>,
}

struct Offered {
    scheme: String,
    by: Verifier,
}

enum Verifier {
    /// A package of the mock, with the credential of the server's own.
    Package(CredentialHandle),
    Basic,
}

/// The scheme that sends the password itself ([RFC 7617](https://www.rfc-editor.org/rfc/rfc7617)).
pub(crate) const BASIC: &str = "Basic";

impl Acceptor {
    pub(crate) fn new(mock: &MockSsp, schemes: Option<&[String]>) -> Result<Self, ServeError> {
        let mut acceptor = Self { mock: mock.clone(), offered: Vec::new() };
        let defaults = || DEFAULT_SCHEMES.map(str::to_owned).to_vec();
        for scheme in schemes.map_or_else(defaults, <[String]>::to_vec) {
            if !is_token(&scheme) {
                return Err(ServeError::NoScheme { scheme });
            }
            if scheme.eq_ignore_ascii_case(BASIC) {
                acceptor.offered.push(Offered { scheme: BASIC.to_owned(), by: Verifier::Basic });
                continue;
            }
            match mock.engine().acquire(&AcquireRequest::inbound(&*scheme)) {
                Ok(acquired) => {
                    acceptor.offered.push(Offered { scheme, by: Verifier::Package(acquired.handle) });
                }
                Err(SecurityStatus::SECPKG_NOT_FOUND) if schemes.is_none() => {}
                Err(status) => return Err(ServeError::NoPackage { scheme, status }),
            }
        }
        Ok(acceptor)
    }

    /// The names of the schemes, in the order in which they are offered.
    pub(crate) fn schemes(&self) -> impl Iterator<Item = &str> + Clone {
        self.offered.iter().map(|offered| &*offered.scheme)
    }

    /// What the fields say that offer them, in the same order.
    pub(crate) fn offers(&self) -> impl Iterator<Item = &str> {
        self.offered.iter().map(|offered| match offered.by {
            Verifier::Package(_) => &*offered.scheme,
            Verifier::Basic => r#"Basic realm="sspcache", charset="UTF-8""#,
        })
    }

    /// The scheme of this name, which has no case.
    pub(crate) fn find(&self, scheme: &str) -> Option<usize> {
        self.offered.iter().position(|offered| offered.scheme.eq_ignore_ascii_case(scheme))
    }

    /// The next step of a handshake, or the first one of another.
    pub(crate) fn step(
        &self,
        scheme: usize,
        begun: Option<HalfOpen>,
        token: &[u8],
        binding: &Binding,
    ) -> Outcome {
        let legs = begun.as_ref().map_or(0, |begun| begun.legs) + 1;
        let begun = begun.map(|begun| begun.context);
        match self.try_step(scheme, begun, legs, token, binding) {
            Ok(outcome) => outcome,
            Err(refusal) => Outcome::Refused(refusal),
        }
    }

    fn try_step(
        &self,
        scheme: usize,
        begun: Option<Context>,
        legs: u32,
        token: &[u8],
        binding: &Binding,
    ) -> Result<Outcome, Refusal> {
        let engine = self.mock.engine();
        let Offered { scheme: name, by } = &self.offered[scheme];
        let credential = match by {
            Verifier::Package(credential) => *credential,
            Verifier::Basic => return self.basic(token, binding),
        };
        let request = AcceptRequest {
            context: begun.as_ref().map(|context| context.handle),
            flags: ContextFlags::EXTENDED_ERROR | binding.flags,
            bindings: binding.data.as_deref(),
            ..AcceptRequest::first(credential, token)
        };
        let step = engine.accept(&request)?;
        let context = begun.unwrap_or_else(|| Context { mock: self.mock.clone(), handle: step.context });
        let mut token = step.token;
        if matches!(step.progress, Progress::CompleteAndContinue | Progress::CompleteNeeded) {
            engine.complete(context.handle, &mut token)?;
        }
        if matches!(step.progress, Progress::CompleteAndContinue | Progress::Continue) {
            return Ok(Outcome::Continue(HalfOpen { context, scheme, legs }, token));
        }
        let info = engine.context(context.handle)?;
        let sign_in = SignIn {
            principal: info.client.to_string(),
            scheme: name.clone(),
            package: info.package.name.to_string(),
            legs,
            flags: ContextFlags::names_of_returned(Role::Acceptor, info.flags.to_returned(Role::Acceptor))
                .collect(),
            target: info.target.as_ref().map(Name::to_string),
            bound: info.bound,
        };
        Ok(Outcome::SignedIn(sign_in, token))
    }

    /// Verifies a user and a password.
    fn basic(&self, user_and_password: &[u8], binding: &Binding) -> Result<Outcome, Refusal> {
        let refuse = |status| Refusal { status, token: None };
        let text = str::from_utf8(user_and_password).ok();
        let (user, password) =
            text.and_then(|text| text.split_once(':')).ok_or(refuse(SecurityStatus::INVALID_TOKEN))?;
        let principal = Principal::parse(user);
        let name = principal.to_string();
        self.mock
            .engine()
            .verify(&AuthIdentity::new(principal, Secret::password(password)))
            .map_err(refuse)?;
        // It has no place for them.
        if binding.is_required() {
            return Err(refuse(SecurityStatus::BAD_BINDINGS));
        }
        let sign_in = SignIn {
            principal: name,
            scheme: BASIC.to_owned(),
            package: BASIC.to_owned(),
            legs: 1,
            flags: Vec::new(),
            target: None,
            bound: false,
        };
        Ok(Outcome::SignedIn(sign_in, Vec::new()))
    }
}

impl Drop for Acceptor {
    fn drop(&mut self) {
        for offered in &self.offered {
            if let Verifier::Package(credential) = offered.by {
                // A mock that was set up to refuse this has it among its events.
                let _ = self.mock.engine().free(credential);
            }
        }
    }
}

/// What a handshake has to be bound to.
#[derive(Default)]
pub(crate) struct Binding {
    /// The application data of channel bindings, which the client has to pass alike.
    pub(crate) data: Option<Vec<u8>>,
    /// What is asked for beside them.
    pub(crate) flags: ContextFlags,
}

impl Binding {
    fn is_required(&self) -> bool {
        self.data.is_some() && !self.flags.contains(ContextFlags::ALLOW_MISSING_BINDINGS)
    }
}

/// What came of a step.
pub(crate) enum Outcome {
    /// The client's next token is awaited, after this one.
    Continue(HalfOpen, Vec<u8>),
    /// With the last token for the client, which may be empty.
    SignedIn(SignIn, Vec<u8>),
    Refused(Refusal),
}

/// A handshake that goes on.
pub(crate) struct HalfOpen {
    context: Context,
    pub(crate) scheme: usize,
    pub(crate) legs: u32,
}

/// Deletes the context when dropped.
struct Context {
    mock: MockSsp,
    handle: ContextHandle,
}

impl Drop for Context {
    fn drop(&mut self) {
        // A mock that was set up to refuse this has it among its events.
        let _ = self.mock.engine().delete_context(self.handle);
    }
}

/// Whether a token begins a handshake, so that it is never one's later leg: NTLM's NEGOTIATE_MESSAGE ([MS-NLMP] 2.2.1.1), and a
/// token with SPNEGO's mechanism in GSS-API's frame (RFC 4178, 4.2).
pub(crate) fn begins(token: &[u8]) -> bool {
    const SPNEGO: [u8; 8] = [0x06, 0x06, 0x2B, 0x06, 0x01, 0x05, 0x05, 0x02];
    let is_framed = || {
        // The frame's length has one byte, or says how many follow it.
        let length = token.get(1).map_or(0, |&first| usize::from(first & 0x7F) * usize::from(first >> 7));
        token.first() == Some(&0x60) && token.get(2 + length..).is_some_and(|rest| rest.starts_with(&SPNEGO))
    };
    token.starts_with(b"NTLMSSP\0\x01\0\0\0") || is_framed()
}

/// Whether this is a token of HTTP (RFC 9110, 5.6.2), as a scheme's name is.
fn is_token(text: &str) -> bool {
    let is_part = |byte: u8| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte);
    !text.is_empty() && text.bytes().all(is_part)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn first_tokens_are_told_from_later_ones() {
        let spnego = |length: &[u8]| [&[0x60], length, &[6, 6, 0x2B, 6, 1, 5, 5, 2, 0xA0]].concat();
        for token in
            [&b"NTLMSSP\0\x01\0\0\0\x07"[..], &spnego(&[9]), &spnego(&[0x81, 9]), &spnego(&[0x82, 0, 9])]
        {
            assert!(begins(token), "{token:02X?}");
        }
        let kerberos = [0x60, 9, 6, 9, 0x2A, 0x86, 0x48, 0x86, 0xF7, 0x12, 1, 2, 2];
        for token in
            [&b""[..], b"\x60", b"\x60\xFF", b"NTLMSSP\0\x03\0\0\0", b"NTLMSSP\0\x01", &[0xA1, 3], &kerberos]
        {
            assert!(!begins(token), "{token:02X?}");
        }
    }
}
