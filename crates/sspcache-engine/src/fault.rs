//! Faults: how a test makes one call of the SSP fail.

use std::{fmt, time::Duration};

use crate::SecurityStatus;

/// Declares [`Operation`] from the exports of an SSP.
macro_rules! operations {
    ($($name:ident,)+) => {
        /// An exported function of an SSP, by its name.
        #[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd)]
        #[non_exhaustive]
        pub enum Operation {
            $(#[doc = concat!("`", stringify!($name), "`")] $name,)+
        }

        impl Operation {
            /// Every operation.
            pub const ALL: &[Self] = &[$(Self::$name,)+];

            /// The function's name; the A and the W form are one operation.
            pub const fn name(self) -> &'static str {
                match self { $(Self::$name => stringify!($name),)+ }
            }
        }
    };
}

operations! {
    AcceptSecurityContext,
    AcquireCredentialsHandle,
    AddCredentials,
    AddSecurityPackage,
    ApplyControlToken,
    ChangeAccountPassword,
    CleanupCredentialCache,
    CompleteAuthToken,
    DecryptMessage,
    DeleteSecurityContext,
    DeleteSecurityPackage,
    EncryptMessage,
    EnumerateSecurityPackages,
    ExportSecurityContext,
    FreeContextBuffer,
    FreeCredentialsHandle,
    ImpersonateSecurityContext,
    ImportSecurityContext,
    InitSecurityInterface,
    InitializeSecurityContext,
    MakeSignature,
    QueryContextAttributes,
    QueryCredentialsAttributes,
    QuerySecurityContextToken,
    QuerySecurityPackageInfo,
    RevertSecurityContext,
    SetContextAttributes,
    SetCredentialsAttributes,
    SspiCompareAuthIdentities,
    SspiCopyAuthIdentity,
    SspiDecryptAuthIdentity,
    SspiEncodeAuthIdentityAsStrings,
    SspiEncodeStringsAsAuthIdentity,
    SspiEncryptAuthIdentity,
    SspiExcludePackage,
    SspiFreeAuthIdentity,
    SspiGetTargetHostName,
    SspiIsAuthIdentityEncrypted,
    SspiIsPromptingNeeded,
    SspiLocalFree,
    SspiMarshalAuthIdentity,
    SspiPrepareForCredRead,
    SspiPrepareForCredWrite,
    SspiPromptForCredentials,
    SspiSetChannelBindingFlags,
    SspiUnmarshalAuthIdentity,
    SspiValidateAuthIdentity,
    SspiZeroAuthIdentity,
    VerifySignature,
}

impl Operation {
    /// The operation of this name, exact case.
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.iter().copied().find(|operation| operation.name() == name)
    }
}

impl fmt::Display for Operation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name())
    }
}

/// The effect of an injected fault.
///
/// In a configuration and in the journal it is one word: `false`, `delay`, `missing`, `panic`, or a status's name.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[non_exhaustive]
pub enum Effect {
    /// Nothing but the fault's delay.
    Delay,
    /// The function returns FALSE (a null pointer, where it returns one) and does nothing.
    False,
    /// The export or table entry is not there at all. In the emulation only: a DLL's exports can't be taken away.
    Missing,
    /// The SSP panics in the middle of the call. At the C ABI that becomes FALSE or `SEC_E_INTERNAL_ERROR`.
    Panic,
    /// The function returns this status and does nothing.
    Status(SecurityStatus),
}

impl Effect {
    /// The effect of this word.
    pub fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "delay" => Self::Delay,
            "false" => Self::False,
            "missing" => Self::Missing,
            "panic" => Self::Panic,
            status => Self::Status(SecurityStatus::from_name(status)?),
        })
    }

    /// The word for it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Delay => "delay",
            Self::False => "false",
            Self::Missing => "missing",
            Self::Panic => "panic",
            Self::Status(status) => status.name(),
        }
    }
}

/// A fault to inject into one operation.
///
/// ```
/// use sspcache_engine::{Effect, Engine, Fault, Operation};
/// // The first flush returns FALSE, the second one works.
/// let ssp = Engine::builder("MSNSSPC.dll")
///     .fault(Fault::new(Operation::CleanupCredentialCache, Effect::False).times(1))
///     .build();
/// assert!(!ssp.flush());
/// assert!(ssp.flush());
/// ```
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Fault {
    pub(crate) operation: Operation,
    pub(crate) effect: Effect,
    pub(crate) delay: Duration,
    pub(crate) after: u32,
    pub(crate) times: Option<u32>,
}

impl Fault {
    /// A fault of every call of this operation.
    pub fn new(operation: Operation, effect: Effect) -> Self {
        Self { operation, effect, delay: Duration::ZERO, after: 0, times: None }
    }

    /// Lets this many calls pass first.
    #[must_use]
    pub fn after(mut self, calls: u32) -> Self {
        self.after = calls;
        self
    }

    /// Makes the call wait this long before anything else happens.
    #[must_use]
    pub fn delay(mut self, delay: Duration) -> Self {
        self.delay = delay;
        self
    }

    /// Makes this many calls fail, and no more.
    #[must_use]
    pub fn times(mut self, calls: u32) -> Self {
        self.times = Some(calls);
        self
    }

    /// Counts a call: the effect and delay, if it is this fault's turn.
    pub(crate) fn strike(&mut self) -> Option<(Effect, Duration)> {
        if self.after > 0 {
            self.after -= 1;
            return None;
        }
        if let Some(left) = &mut self.times {
            *left = left.checked_sub(1)?;
        }
        Some((self.effect, self.delay))
    }
}

/// Operations and effects in journals: by name.
#[cfg(feature = "journal")]
mod serialize {
    use std::borrow::Cow;

    use serde::{Deserialize, Deserializer, Serialize, Serializer, de};

    use super::{Effect, Operation};

    impl Serialize for Operation {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.name())
        }
    }

    impl<'de> Deserialize<'de> for Operation {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let name = <Cow<'de, str>>::deserialize(deserializer)?;
            Self::from_name(&name).ok_or_else(|| de::Error::custom("not a function of an SSP"))
        }
    }

    impl Serialize for Effect {
        fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
            serializer.serialize_str(self.name())
        }
    }

    impl<'de> Deserialize<'de> for Effect {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            let name = <Cow<'de, str>>::deserialize(deserializer)?;
            Self::from_name(&name).ok_or_else(|| de::Error::custom("not an effect"))
        }
    }
}
