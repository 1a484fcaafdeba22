//! What a check found (clause Q4): what it is, whose, since when, where, and how to mend it.

use serde::Serialize;
use sspcache_engine::{Holds, Operation};

use super::{LeftWhen, Moment, policy_rule::PolicyRule, rule::Rule};
use crate::{
    output::{count, thousands},
    places::Place,
};

/// Something that a check found, or several alike.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Finding {
    pub(crate) kind: FindingKind,
    /// Of a misuse, and of what is against a policy: the rule that the call broke.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) rule: Option<Broken>,
    /// Of these: the function that was called.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) function: Option<&'static str>,
    pub(crate) what: What,
    /// Of a context: how far it had come.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) stage: Option<Stage>,
    /// Whether it is a credential handle that was acquired with a password or another secret.
    pub(crate) holds_secret: bool,
    /// Whether it is a credential handle for accepting.
    #[serde(skip)]
    pub(crate) is_inbound: bool,
    /// How many alike there are; of a misuse, how many calls.
    pub(crate) count: usize,
    /// Their size together, where they are memory.
    #[serde(skip_serializing_if = "is_zero")]
    pub(crate) bytes: u64,
    pub(crate) pid: u32,
    pub(crate) program: String,
    /// Whether the call was passed on to the system's own SSP.
    #[serde(skip)]
    pub(crate) passed_on: bool,
    /// The process's name for people.
    #[serde(skip)]
    pub(crate) process: String,
    /// The mock that gave it out.
    pub(crate) module: String,
    /// Empty where no package is concerned, or none is known.
    pub(crate) package: String,
    /// Empty where there is none.
    pub(crate) principal: String,
    /// Since when it is there: the first of those alike. Of a misuse, when the call was made.
    pub(crate) since: Moment,
    /// When the mock found what is still there.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) when: Option<LeftWhen>,
    /// Of a misuse: when what it was for was given out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) given_out: Option<Moment>,
    /// Of a misuse: when and where that was given back, if it was.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) given_back: Option<Back>,
    /// Of what is against a policy: what the call said.
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) detail: String,
    #[serde(flatten)]
    pub(crate) standing: Standing,
    /// Where it was given out, or the call was made, innermost place first; empty where no stack was recorded.
    pub(crate) stack: Vec<Place>,
    /// What mends it.
    pub(crate) advice: &'static str,
    /// The page that says so.
    pub(crate) reference: &'static str,
}

/// When and where something was given back.
#[derive(Clone, Debug, Serialize)]
pub(crate) struct Back {
    #[serde(flatten)]
    pub(crate) moment: Moment,
    /// Empty where no stack was recorded.
    pub(crate) stack: Vec<Place>,
}

/// The check that a finding belongs to.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum FindingKind {
    /// A call broke the rules of its page.
    Misuse,
    /// A call is against the policy that was asked for.
    Policy,
    /// Something was given out and not given back.
    Leak,
}

/// The rule that a call broke.
#[derive(Clone, Copy, Debug, Eq, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(untagged)]
pub(crate) enum Broken {
    Misuse(Rule),
    Policy(PolicyRule),
}

impl Broken {
    /// The rule's name, as suppressions have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Misuse(rule) => rule.name(),
            Self::Policy(rule) => rule.name(),
        }
    }
}

/// What a finding comes to.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "standing")]
pub(crate) enum Standing {
    /// The check for leaks fails.
    Leaked,
    /// The check for misuse fails.
    Misused,
    /// The check of the policy fails.
    AgainstPolicy,
    /// A suppression says why it is no fault of the program.
    Suppressed { why: String },
    /// Whether it was given back can't be seen, in this way of calling the SSP. The check doesn't fail for it.
    NotJudged { why: String },
    /// This run doesn't show whether it would have been given back. It is not clean, and nothing is accused.
    Unknown { why: String },
}

/// What a program has to give back, most important first.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum What {
    CredentialHandle,
    Context,
    Identity,
    PackedIdentity,
    ExportedContext,
    Attribute,
    Token,
    Packages,
    /// Of a kind that this program doesn't know.
    Memory,
}

impl What {
    /// What memory holds.
    pub(super) fn of(holds: Holds) -> Self {
        match holds {
            Holds::Attribute => Self::Attribute,
            Holds::ExportedContext => Self::ExportedContext,
            Holds::Identity => Self::Identity,
            Holds::PackedIdentity => Self::PackedIdentity,
            Holds::Packages => Self::Packages,
            Holds::Token => Self::Token,
            _ => Self::Memory,
        }
    }

    /// `2 credential handles`.
    pub(crate) fn counted(self, number: usize) -> String {
        match self {
            Self::Identity if number == 1 => "1 identity".to_owned(),
            Self::PackedIdentity if number == 1 => "1 packed identity".to_owned(),
            _ if number == 1 => format!("1 {}", self.plural().trim_end_matches('s')),
            _ => format!("{} {}", thousands(number as u64), self.plural()),
        }
    }

    /// `a credential handle`.
    pub(super) fn one(self) -> String {
        let name = self.counted(1);
        let name = name.trim_start_matches("1 ");
        let article = if name.starts_with(['a', 'e', 'i']) { "an" } else { "a" };
        format!("{article} {name}")
    }

    /// `credential handles`.
    pub(crate) fn plural(self) -> &'static str {
        match self {
            Self::CredentialHandle => "credential handles",
            Self::Context => "contexts",
            Self::Identity => "identities",
            Self::PackedIdentity => "packed identities",
            Self::ExportedContext => "exported contexts",
            Self::Attribute => "attributes",
            Self::Token => "tokens",
            Self::Packages => "package descriptions",
            Self::Memory => "memory blocks",
        }
    }

    /// The name of the kind, as suppressions have it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::CredentialHandle => "credential-handle",
            Self::Context => "context",
            Self::Identity => "identity",
            Self::PackedIdentity => "packed-identity",
            Self::ExportedContext => "exported-context",
            Self::Attribute => "attribute",
            Self::Token => "token",
            Self::Packages => "packages",
            Self::Memory => "memory",
        }
    }

    /// What it means to give it back: `never freed`.
    pub(crate) fn never(self) -> &'static str {
        if self == Self::Context { "never deleted" } else { "never freed" }
    }

    /// Whether `FreeContextBuffer` takes it back.
    pub(super) fn is_context_buffer(self) -> bool {
        matches!(self, Self::Attribute | Self::ExportedContext | Self::Memory | Self::Packages | Self::Token)
    }

    /// Whether this function takes it back.
    pub(super) fn is_given_back_by(self, operation: Operation) -> bool {
        match operation {
            Operation::DeleteSecurityContext => self == Self::Context,
            Operation::FreeContextBuffer => self.is_context_buffer(),
            Operation::FreeCredentialsHandle => self == Self::CredentialHandle,
            Operation::SspiFreeAuthIdentity | Operation::SspiLocalFree => {
                matches!(self, Self::Identity | Self::PackedIdentity)
            }
            _ => false,
        }
    }

    pub(super) fn advice(self) -> &'static str {
        match self {
            Self::CredentialHandle => {
                "Call FreeCredentialsHandle for each handle that AcquireCredentialsHandle gave."
            }
            Self::Context => {
                "Call DeleteSecurityContext for each context, also for one whose handshake failed or was given up."
            }
            Self::Identity => "Call SspiFreeAuthIdentity for each identity, and for each string of one.",
            Self::PackedIdentity => {
                "Call SspiLocalFree (or SspiFreeAuthIdentity) for the bytes that SspiMarshalAuthIdentity gave."
            }
            Self::ExportedContext => "Call FreeContextBuffer for the buffer that ExportSecurityContext gave.",
            Self::Attribute => {
                "Call FreeContextBuffer for each pointer in what QueryContextAttributes or QueryCredentialsAttributes \
                 gave."
            }
            Self::Token => {
                "Call FreeContextBuffer for each token that the SSP allocated (ISC_REQ_ALLOCATE_MEMORY, \
                 ASC_REQ_ALLOCATE_MEMORY), also for one that a failed step gave."
            }
            Self::Packages => {
                "Call FreeContextBuffer for what EnumerateSecurityPackages, QuerySecurityPackageInfo or \
                 QueryContextAttributes said of packages."
            }
            Self::Memory => "Give it back by the function that its page names.",
        }
    }

    pub(super) fn reference(self) -> &'static str {
        match self {
            Self::CredentialHandle => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecredentialshandle"
            }
            Self::Context => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext"
            }
            Self::Identity => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspifreeauthidentity"
            }
            Self::PackedIdentity => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-sspilocalfree"
            }
            Self::Attribute | Self::ExportedContext | Self::Memory | Self::Packages | Self::Token => {
                "https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-freecontextbuffer"
            }
        }
    }
}

impl Finding {
    pub(crate) fn is_leaked(&self) -> bool {
        self.standing == Standing::Leaked
    }

    pub(crate) fn is_misused(&self) -> bool {
        self.standing == Standing::Misused
    }

    pub(crate) fn is_against_policy(&self) -> bool {
        self.standing == Standing::AgainstPolicy
    }

    /// For sorting: what matters most has the least.
    pub(super) fn rank(&self) -> impl Ord + use<> {
        let standing = match self.standing {
            Standing::AgainstPolicy | Standing::Leaked | Standing::Misused => 0,
            Standing::Unknown { .. } => 1,
            Standing::NotJudged { .. } => 2,
            Standing::Suppressed { .. } => 3,
        };
        (
            standing,
            self.kind,
            self.rule,
            self.what,
            !self.holds_secret,
            std::cmp::Reverse(self.count),
            self.since.time,
            self.since.event,
        )
    }

    /// `2 credential handles, never freed`, `a credential handle was freed twice`.
    pub(crate) fn title(&self) -> String {
        match self.rule {
            Some(Broken::Misuse(rule)) => return rule.title(self.what, self.count),
            Some(Broken::Policy(rule)) => return rule.title(self.count),
            None => {}
        }
        let kind = match (self.what, self.stage) {
            (What::Context, Some(Stage::Established)) => count(self.count, "established context"),
            (What::Context, Some(Stage::Failed)) => count(self.count, "failed context"),
            (What::Context, Some(Stage::HalfOpen)) => count(self.count, "half-open context"),
            (What::CredentialHandle, _) if self.is_inbound => count(self.count, "inbound credential handle"),
            (what, _) => what.counted(self.count),
        };
        let size = if self.bytes > 0 { format!(" ({})", count(self.bytes, "byte")) } else { String::new() };
        format!("{kind}{size}, {}", self.what.never())
    }

    /// `CONTOSO\alice for Negotiate (secur32.dll), in client (412)`.
    pub(crate) fn whose(&self) -> String {
        let Self { module, process, .. } = self;
        let of = self.of();
        if of.is_empty() {
            format!("{module}, in {process}")
        } else {
            format!("{of} ({module}), in {process}")
        }
    }

    /// `CONTOSO\alice for Negotiate`.
    pub(super) fn of(&self) -> String {
        match (self.principal.as_str(), self.package.as_str()) {
            (principal, "") => principal.to_owned(),
            ("", package) => package.to_owned(),
            (principal, package) => format!("{principal} for {package}"),
        }
    }
}

#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u64) -> bool {
    *number == 0
}

/// How far a context had come.
#[derive(Clone, Copy, Debug, Eq, Hash, Ord, PartialEq, PartialOrd, Serialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Stage {
    Established,
    Failed,
    HalfOpen,
}
