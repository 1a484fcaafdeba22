//! SPNEGO's tokens: the list of mechanisms with the first one's token, and the responses.
//!
//! References: [RFC 4178](https://www.rfc-editor.org/rfc/rfc4178), and
//! [MS-SPNG](https://learn.microsoft.com/en-us/openspecs/windows_protocols/ms-spng/) for what Windows puts there.

use super::{
    Protocol,
    der::{self, Der, ENUMERATED, OBJECT_IDENTIFIER, OCTET_STRING, SEQUENCE, application, context},
    kerberos::KERBEROS,
};

/// A mechanism that Windows lists.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::context) enum Mechanism {
    /// Kerberos under the number that Windows 2000 gave it by mistake, and every one since then.
    MsKerberos,
    Kerberos,
    /// Never chosen here.
    NegoEx,
    Ntlm,
}

impl Mechanism {
    /// In the order in which Windows lists them.
    pub(in crate::context) const ALL: [Self; 4] =
        [Self::MsKerberos, Self::Kerberos, Self::NegoEx, Self::Ntlm];

    pub(in crate::context) fn protocol(self) -> Option<Protocol> {
        match self {
            Self::MsKerberos | Self::Kerberos => Some(Protocol::Kerberos),
            Self::NegoEx => None,
            Self::Ntlm => Some(Protocol::Ntlm),
        }
    }

    fn identifier(self) -> &'static [u8] {
        match self {
            Self::MsKerberos => &[0x2A, 0x86, 0x48, 0x82, 0xF7, 0x12, 1, 2, 2],
            Self::Kerberos => KERBEROS,
            Self::NegoEx => &[0x2B, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x1E],
            Self::Ntlm => &[0x2B, 6, 1, 4, 1, 0x82, 0x37, 2, 2, 0x0A],
        }
    }

    fn from_identifier(identifier: &[u8]) -> Option<Self> {
        Self::ALL.into_iter().find(|known| known.identifier() == identifier)
    }
}

/// How far a negotiation is, as its responses say it.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub(in crate::context) enum State {
    Completed,
    Incomplete,
    Rejected,
    /// Incomplete, and the list of mechanisms has to be authenticated.
    RequestMic,
}

impl State {
    const ALL: [Self; 4] = [Self::Completed, Self::Incomplete, Self::Rejected, Self::RequestMic];

    fn number(self) -> u8 {
        match self {
            Self::Completed => 0,
            Self::Incomplete => 1,
            Self::Rejected => 2,
            Self::RequestMic => 3,
        }
    }
}

/// An initiator's first token.
#[derive(Debug)]
pub(in crate::context) struct Init<'t> {
    /// The list of mechanisms as it travels, which both sides authenticate.
    pub(in crate::context) list: &'t [u8],
    /// Those of the list that are known here, in the initiator's order. The first of the list may not be.
    pub(in crate::context) mechanisms: Vec<Option<Mechanism>>,
    /// The first mechanism's token.
    pub(in crate::context) token: Option<&'t [u8]>,
}

/// Any other token.
#[derive(Clone, Copy, Debug)]
pub(in crate::context) struct Response<'t> {
    pub(in crate::context) state: State,
    /// The acceptor's choice, in its first response.
    pub(in crate::context) mechanism: Option<Mechanism>,
    pub(in crate::context) token: Option<&'t [u8]>,
    /// What authenticates the list of mechanisms.
    pub(in crate::context) mic: Option<&'t [u8]>,
}

/// The list of these mechanisms.
pub(in crate::context) fn list(mechanisms: &[Mechanism]) -> Vec<u8> {
    let mut list = Vec::new();
    der::element(&mut list, SEQUENCE, |to| {
        for mechanism in mechanisms {
            der::bytes(to, OBJECT_IDENTIFIER, mechanism.identifier());
        }
    });
    list
}

/// An initiator's first token, with a list and the token of its first mechanism.
pub(in crate::context) fn init(list: &[u8], token: &[u8]) -> Vec<u8> {
    let mut written = Vec::new();
    der::element(&mut written, application(0), |to| {
        der::bytes(to, OBJECT_IDENTIFIER, SPNEGO);
        der::element(to, context(0), |to| {
            der::element(to, SEQUENCE, |to| {
                der::bytes(to, context(0), list);
                der::element(to, context(2), |to| der::bytes(to, OCTET_STRING, token));
            });
        });
    });
    written
}

impl<'t> Init<'t> {
    pub(in crate::context) fn read(token: &'t [u8]) -> Option<Self> {
        let mut token = Der(token);
        let mut frame = token.element(application(0))?;
        token.end()?;
        if frame.element(OBJECT_IDENTIFIER)?.0 != SPNEGO {
            return None;
        }
        let mut choice = frame.element(context(0))?;
        frame.end()?;
        let mut fields = choice.element(SEQUENCE)?;
        choice.end()?;
        let listed = fields.element(context(0))?;
        let token = fields.bytes_if(context(2), OCTET_STRING);
        fields.end()?;
        let mut outer = listed;
        let mut mechanisms = Vec::new();
        let mut sequence = outer.element(SEQUENCE)?;
        outer.end()?;
        while !sequence.0.is_empty() {
            mechanisms.push(Mechanism::from_identifier(sequence.element(OBJECT_IDENTIFIER)?.0));
        }
        Some(Self { list: listed.0, mechanisms, token })
    }
}

impl<'t> Response<'t> {
    pub(in crate::context) fn write(&self) -> Vec<u8> {
        let mut written = Vec::new();
        der::element(&mut written, context(1), |to| {
            der::element(to, SEQUENCE, |to| {
                der::element(to, context(0), |to| der::bytes(to, ENUMERATED, &[self.state.number()]));
                if let Some(mechanism) = self.mechanism {
                    der::element(to, context(1), |to| {
                        der::bytes(to, OBJECT_IDENTIFIER, mechanism.identifier());
                    });
                }
                for (tag, bytes) in [(context(2), self.token), (context(3), self.mic)] {
                    if let Some(bytes) = bytes {
                        der::element(to, tag, |to| der::bytes(to, OCTET_STRING, bytes));
                    }
                }
            });
        });
        written
    }

    /// A rejection, with the mechanism's token that says why.
    pub(in crate::context) fn rejected(token: &'t [u8]) -> Self {
        Self { state: State::Rejected, mechanism: None, token: Some(token), mic: None }
    }

    pub(in crate::context) fn read(token: &'t [u8]) -> Option<Self> {
        let mut token = Der(token);
        let mut choice = token.element(context(1))?;
        token.end()?;
        let mut fields = choice.element(SEQUENCE)?;
        choice.end()?;
        let [state] = *fields.bytes_in(context(0), ENUMERATED)? else { return None };
        let state = State::ALL.into_iter().find(|known| known.number() == state)?;
        let mechanism = match fields.bytes_if(context(1), OBJECT_IDENTIFIER) {
            Some(identifier) => Some(Mechanism::from_identifier(identifier)?),
            None => None,
        };
        let token = fields.bytes_if(context(2), OCTET_STRING);
        let mic = fields.bytes_if(context(3), OCTET_STRING);
        fields.end()?;
        Some(Self { state, mechanism, token, mic })
    }
}

/// Whether a token says that it is one of SPNEGO's, readable or not.
pub(in crate::context) fn is_named(token: &[u8]) -> bool {
    let named = |token| Some(Der(token).element(application(0))?.element(OBJECT_IDENTIFIER)?.0 == SPNEGO);
    named(token) == Some(true) || Response::read(token).is_some()
}

/// 1.3.6.1.5.5.2
const SPNEGO: &[u8] = &[0x2B, 6, 1, 5, 5, 2];
