//! Which calls one case makes, as some bytes say: mostly what succeeds, sometimes what can't. Random bytes make a random case;
//! fuzz targets have bytes of their own.

use arbitrary::{Arbitrary, Result, Unstructured};
use windows_sys::Win32::Security::Authentication::Identity::{
    ISC_REQ_ALLOCATE_MEMORY, ISC_REQ_CONFIDENTIALITY, ISC_REQ_DELEGATE, ISC_REQ_INTEGRITY,
    ISC_REQ_MUTUAL_AUTH, ISC_REQ_SEQUENCE_DETECT, SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_DATA,
    SECBUFFER_PADDING, SECBUFFER_READONLY, SECBUFFER_READONLY_WITH_CHECKSUM, SECBUFFER_STREAM,
    SECBUFFER_TOKEN, SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS as PROXY, SECPKG_CRED_BOTH, SECQOP_WRAP_NO_ENCRYPT,
};

use super::{
    Bytes, Call, Descriptor, Given, Index, Memory, OfContext, Pick, Place, Protect, Shape, Token, What, Who,
};

/// Everything that a configuration can switch on, where that lets more calls succeed.
pub const CONFIG: &str = "
[[package]]
name = 'MSN'

[[package]]
name = 'NTLM'

[[package]]
name = 'Kerberos'

[[package]]
name = 'Negotiate'

[[account]]
user = 'alice'
domain = 'CONTOSO'
password = 'correct horse'

[context]
impersonation = 'simulate'
";

/// No sequence is longer.
const MOST_CALLS: usize = 42;

/// Calls that make sense often enough to get somewhere: as many as there are bytes for.
pub fn calls(bytes: &[u8]) -> Vec<Call> {
    let mut source = Source(Unstructured::new(bytes));
    let mut calls = source.first();
    while !source.0.is_empty() && calls.len() < MOST_CALLS {
        calls.extend(source.call());
    }
    calls
}

/// Where the bytes are taken from. Behind their end everything is the first of what is possible.
struct Source<'b>(Unstructured<'b>);

impl Source<'_> {
    fn first(&mut self) -> Vec<Call> {
        let alice = What::Acquire {
            package: "NTLM",
            credential_use: SECPKG_CRED_BOTH,
            who: Who::Named("alice", "correct horse"),
        };
        let shake = |package| What::Shake { package, flags: 0 };
        let first = match self.below(4) {
            0 => vec![],
            1 => vec![alice],
            2 => vec![alice, shake("NTLM")],
            _ => vec![shake("Kerberos")],
        };
        first.into_iter().map(|what| Call { wide: true, what }).collect()
    }

    fn call(&mut self) -> Result<Call> {
        let wide = self.0.arbitrary()?;
        let what = match self.below(3) {
            0 => self.of_credentials(),
            1 => self.of_contexts(),
            _ => self.of_messages(),
        };
        Ok(Call { wide, what: what? })
    }

    /// Signing in and out, and what is asked about that.
    fn of_credentials(&mut self) -> Result<What> {
        Ok(match self.weighted(&[6, 2, 3, 2, 2, 1, 1, 1, 1, 2]) {
            0 => What::Acquire {
                package: self.package()?,
                credential_use: self.number_or_any(6, 1, 3)?,
                who: self.who()?,
            },
            1 => What::Add {
                credential: self.pick()?,
                package: self.package()?,
                credential_use: self.number_or_any(6, 1, 3)?,
                who: self.who()?,
            },
            2 => What::KdcProxy {
                credential: self.pick()?,
                attribute: self.number_or_any(6, PROXY, PROXY)?,
                version: self.number_or_any(6, 1, 1)?,
                lengths: [self.0.int_in_range(0..=6)?, self.0.int_in_range(0..=19)?],
                size: if self.once_in(7) { self.below(24) } else { 24 + self.below(16) },
            },
            3 => What::Free(self.pick()?),
            4 => What::CredentialAttribute {
                credential: self.pick()?,
                attribute: self.number_or_any(4, 1, 1)?,
                place: self.place()?,
            },
            5 => What::Change {
                package: self.package()?,
                old: self.one_of(&["correct horse", "wrong"])?,
                kind: self.one_of(&[SECBUFFER_CHANGE_PASS_RESPONSE, SECBUFFER_TOKEN])?,
                reserved: self.number_or_any(4, 0, 0)?,
            },
            6 => What::Flush,
            7 => What::Enumerate,
            8 => What::Package(self.one_of(&["NTLM", "Kerberos", "kerberos", "None", ""])?),
            _ => What::Release(match self.weighted(&[6, 2, 1, 1]) {
                0 => Memory::Held(self.any()?),
                1 => Memory::Released(self.any()?),
                2 => Memory::Forged(self.any()?),
                _ => Memory::Null,
            }),
        })
    }

    /// Handshakes, and contexts as a whole.
    fn of_contexts(&mut self) -> Result<What> {
        const FUNCTIONS: [OfContext; 5] = [
            OfContext::ApplyControlToken,
            OfContext::Impersonate,
            OfContext::QueryToken,
            OfContext::Revert,
            OfContext::SetAttributes,
        ];
        Ok(match self.weighted(&[4, 4, 4, 3, 2, 1, 1, 1, 1, 1]) {
            0 => What::Initialize {
                credential: self.pick()?,
                context: self.maybe_pick()?,
                token: self.token()?,
                terms: self.given()?,
            },
            1 => What::Accept {
                credential: self.pick()?,
                context: self.maybe_pick()?,
                token: self.token()?,
                terms: self.given()?,
            },
            2 => What::Shake {
                package: self.one_of(&["NTLM", "Kerberos", "Negotiate"])?,
                flags: self.flags()?,
            },
            3 => What::Attribute {
                context: self.pick()?,
                attribute: self.number_or_any(6, 0, 33)?,
                place: self.place()?,
            },
            4 => What::OfContext { context: self.pick()?, function: self.one_of(&FUNCTIONS)? },
            5 => What::Delete(self.pick()?),
            6 => What::Export { context: self.pick()?, flags: self.number_or_any(4, 0, 3)? },
            7 => What::Import { package: self.package()?, packed: self.token()? },
            8 => What::Move { context: self.pick()?, package: self.package()?, spoilt: self.once_in(4) },
            _ => What::Complete { context: self.pick()?, token: self.token()? },
        })
    }

    fn of_messages(&mut self) -> Result<What> {
        const FUNCTIONS: [Protect; 4] = [Protect::Decrypt, Protect::Encrypt, Protect::Sign, Protect::Verify];
        if self.once_in(3) {
            return Ok(What::Talk { pair: self.any()?, sealed: self.any()?, spoilt: self.once_in(4) });
        }
        Ok(What::Protect {
            function: self.one_of(&FUNCTIONS)?,
            context: self.pick()?,
            qop: match self.weighted(&[4, 1, 1]) {
                0 => 0,
                1 => SECQOP_WRAP_NO_ENCRYPT,
                _ => self.any()?,
            },
            descriptor: match self.weighted(&[12, 1, 1, 1]) {
                0 => Descriptor::Sound,
                1 => Descriptor::Null,
                2 => Descriptor::Version(self.any::<u32>()?.max(1)),
                _ => Descriptor::WithoutBuffers(self.any()?),
            },
            shapes: (0..self.below(5)).map(|_| self.shape()).collect::<Result<_>>()?,
        })
    }

    fn package(&mut self) -> Result<&'static str> {
        if self.once_in(9) {
            self.one_of(&["MSN", "Kerberos", "Negotiate", "kerberos", "None", ""])
        } else {
            Ok("NTLM")
        }
    }

    fn pick(&mut self) -> Result<Pick> {
        Ok(match self.weighted(&[12, 2, 1, 1, 1]) {
            0 => Pick::Live(self.any()?),
            1 => Pick::Freed(self.any()?),
            2 => Pick::Other(self.any()?),
            3 if self.any()? => Pick::Forged(self.below(64)),
            3 => Pick::Forged(self.any()?),
            _ => Pick::Null,
        })
    }

    fn maybe_pick(&mut self) -> Result<Option<Pick>> {
        if self.weighted(&[3, 2]) == 0 { Ok(None) } else { self.pick().map(Some) }
    }

    fn token(&mut self) -> Result<Token> {
        Ok(match self.weighted(&[8, 4, 1, 1, 1, 1]) {
            0 => Token::Last,
            1 => Token::Sent(self.any()?),
            2 => Token::Cut(self.any()?, self.any()?),
            3 => Token::Spoilt(self.any()?, self.any()?),
            4 => Token::Made(self.bytes(200)?),
            _ => Token::None,
        })
    }

    fn flags(&mut self) -> Result<u32> {
        const GOOD: u32 = ISC_REQ_CONFIDENTIALITY | ISC_REQ_INTEGRITY | ISC_REQ_SEQUENCE_DETECT;
        const KNOWN: [u32; 4] =
            [0, GOOD, GOOD | ISC_REQ_DELEGATE | ISC_REQ_MUTUAL_AUTH, GOOD | ISC_REQ_ALLOCATE_MEMORY];
        if self.once_in(5) { self.any() } else { self.one_of(&KNOWN) }
    }

    fn given(&mut self) -> Result<Given> {
        Ok(Given {
            target: self.one_of(&[None, Some(""), Some("host/server"), Some("\u{fffd}/\u{1d11e}")])?,
            flags: self.flags()?,
            bindings: match self.weighted(&[12, 1, 1]) {
                0 => None,
                1 => Some(crate::context::bindings(&self.bytes(20)?)),
                _ => Some(self.bytes(60)?),
            },
            room: if self.once_in(7) { self.below(300) } else { 4096 },
        })
    }

    fn shape(&mut self) -> Result<Shape> {
        const KINDS: [u32; 10] = [
            SECBUFFER_TOKEN,
            SECBUFFER_TOKEN,
            SECBUFFER_DATA,
            SECBUFFER_DATA,
            SECBUFFER_PADDING,
            SECBUFFER_STREAM,
            SECBUFFER_DATA | SECBUFFER_READONLY,
            SECBUFFER_DATA | SECBUFFER_READONLY_WITH_CHECKSUM,
            SECBUFFER_STREAM | SECBUFFER_READONLY,
            SECBUFFER_TOKEN | SECBUFFER_READONLY,
        ];
        Ok(Shape {
            kind: if self.once_in(9) { self.any()? } else { self.one_of(&KINDS)? },
            bytes: match self.weighted(&[8, 1, 1]) {
                0 => Bytes::Own(self.below(80)),
                1 => Bytes::Null(self.one_of(&[0, 1, 28, u32::MAX])?),
                _ => Bytes::Over(self.any()?, self.any()?),
            },
        })
    }

    fn place(&mut self) -> Result<Place> {
        Ok(match self.weighted(&[8, 1, 2]) {
            0 => Place::Plain,
            1 => Place::Null,
            _ => Place::Sized(self.0.int_in_range(0..=47)?),
        })
    }

    fn who(&mut self) -> Result<Who> {
        Ok(match self.weighted(&[4, 1, 1, 2, 1]) {
            0 => Who::Named("alice", "correct horse"),
            1 => Who::Named("alice", "wrong"),
            2 => Who::Named("", ""),
            3 => Who::Cached,
            _ => Who::Odd(self.number_or_any(1, 0, 3)?, self.any()?),
        })
    }

    /// In so many of these plus one cases a number of this range, else any.
    fn number_or_any(&mut self, cases: usize, least: u32, most: u32) -> Result<u32> {
        if self.once_in(cases + 1) { self.any() } else { self.0.int_in_range(least..=most) }
    }

    fn bytes(&mut self, below: usize) -> Result<Vec<u8>> {
        let length = self.below(below).min(self.0.len());
        Ok(self.0.bytes(length)?.to_vec())
    }

    fn any<T: for<'b> Arbitrary<'b>>(&mut self) -> Result<T> {
        self.0.arbitrary()
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> Result<T> {
        self.0.choose(all).copied()
    }

    fn below(&mut self, most: usize) -> usize {
        self.0.int_in_range(0..=most - 1).unwrap_or(0)
    }

    fn once_in(&mut self, cases: usize) -> bool {
        self.below(cases) == cases - 1
    }

    /// A place in the list, as often as its weight says.
    fn weighted(&mut self, weights: &[usize]) -> usize {
        let mut rest = self.below(weights.iter().sum());
        for (place, weight) in weights.iter().enumerate() {
            match rest.checked_sub(*weight) {
                Some(less) => rest = less,
                None => return place,
            }
        }
        0
    }
}

impl<'b> Arbitrary<'b> for Index {
    fn arbitrary(bytes: &mut Unstructured<'b>) -> Result<Self> {
        // Lists and tokens are short.
        bytes.arbitrary::<u16>().map(|number| Self(number.into()))
    }
}
