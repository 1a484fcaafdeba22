//! The events of an SSP: ordered, typed, with counts (clause M12).

use std::fmt;

#[cfg(feature = "journal")]
use serde::{Deserialize, Serialize};

use crate::{Effect, FileTime, Frame, Operation, SecurityStatus, context::Role, stack::Frames};

/// Something that happened in an SSP. Its JSON form is a line of the [journal](crate::journal).
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
pub struct Event {
    /// Number of the event in this instance's order, from 0, without gaps.
    pub seq: u64,
    /// The time of the event, in UTC.
    pub time: FileTime,
    /// Credentials in the cache before the event.
    pub before: u32,
    /// Credentials in the cache after it.
    pub after: u32,
    /// Copies that live handles keep although their credential has left the cache (clause M4), after the event.
    #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "is_zero"))]
    pub retained: u32,
    /// Credentials that the program passed and that handles alone hold (clause P2), after the event. In an `ended` event,
    /// those that were still held.
    #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "is_zero"))]
    pub held: u32,
    /// Where in the program the call was made that this is about, innermost frame first; empty where none is recorded. What gives something
    /// out has several frames, and so has a call for something that was refused; what takes it back has one.
    #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Vec::is_empty"))]
    pub stack: Vec<Frame>,
    /// The kind of event.
    #[cfg_attr(feature = "journal", serde(flatten))]
    pub kind: EventKind,
}

/// The kinds of events, with their details.
///
/// A `credential` is a number for one credential, cached or held by handles, unique in its instance; a replaced secret
/// gets a new one.
/// A `principal` is text for people: `DOMAIN\user`.
#[derive(Clone, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "journal", serde(tag = "event", rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum EventKind {
    /// A credential handle was acquired.
    Acquired {
        /// The handle's value.
        handle: usize,
        /// The package.
        package: String,
        /// The handle's principal; empty when anonymous.
        principal: String,
        /// The credential it uses, if it uses one that is cached or held.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        credential: Option<u64>,
        /// The source of the credential.
        source: Source,
        /// The list of packages that came with the identity, as [`PackageList`](crate::PackageList) writes it; empty without one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        list: String,
    },
    /// Memory was given to the program.
    Allocated {
        /// A number for it, unique in its instance.
        memory: u64,
        /// What is in it.
        holds: Holds,
        /// Its size, in bytes.
        size: u64,
        /// The package that it is about, if there is one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        package: String,
    },
    /// A credential entered the cache.
    Cached {
        /// The credential.
        credential: u64,
        /// Its package.
        package: String,
        /// Its principal.
        principal: String,
        /// Its source.
        source: Source,
        /// When it ends; `0x7FFFFFFFFFFFFFFF` for never.
        expires: FileTime,
    },
    /// `CompleteAuthToken` completed a context's token.
    ContextCompleted {
        /// The handle's value.
        context: usize,
    },
    /// A call returned: recorded where a trace is wanted (clause Q8). What it did in the SSP are the events before it.
    ///
    /// Parameters are `NAME=VALUE` with blanks between. A value is `-` for null and `+` for what isn't shown; a number; `#` and the
    /// handle's value, with the other half behind a dot where it is the SSP's; `"text"` as Rust quotes it; or buffers,
    /// `[TYPE:LENGTH:TOKEN,…]`, the type and the token in hexadecimal, the token where it was asked for.
    Called {
        /// The function's documented name.
        function: String,
        /// The thread, as the operating system numbers it.
        thread: u64,
        /// What it was given, in the order of the parameters. A place for a result is none of this, but a descriptor of buffers is.
        given: String,
        /// What it gave back through its parameters; of a call that failed, only what it changed in its descriptors of buffers.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        gave: String,
        /// What it returned: the number of a status; `+` and that of an error code; `TRUE` or `FALSE`; `given` or `null` for a pointer;
        /// `void`.
        returned: String,
    },
    /// A context was deleted, established or not.
    ContextDeleted {
        /// The handle's value.
        context: usize,
    },
    /// A handshake is done on this side.
    ContextEstablished {
        /// The handle's value.
        context: usize,
        /// Which side this is.
        role: Role,
        /// The package that was used; for Negotiate, the one that it chose.
        package: String,
        /// The initiator's principal; empty for a null session.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        principal: String,
        /// The flags that the context has: this side's `ISC_RET_…` or `ASC_RET_…` bits.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        granted: Option<u32>,
        /// Whether the initiator's proof is bound to a channel: a step passed channel bindings.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "is_false"))]
        bound: bool,
    },
    /// An established context was exported.
    ContextExported {
        /// The handle's value.
        context: usize,
    },
    /// A handshake failed after its first step, or took too long: the context can only be deleted.
    ContextFailed {
        /// The handle's value.
        context: usize,
        /// The status that it failed with.
        status: SecurityStatus,
    },
    /// An exported context was imported.
    ContextImported {
        /// The handle's value.
        context: usize,
        /// Which side this is.
        role: Role,
        /// The package that was used; for Negotiate, the one that it chose.
        package: String,
        /// The initiator's principal; empty for a null session.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        principal: String,
    },
    /// A handshake began.
    ContextStarted {
        /// The handle's value.
        context: usize,
        /// Which side this is.
        role: Role,
        /// The package: the credential's own for an initiator, the one that was chosen for an acceptor.
        package: String,
        /// The principal of an initiator's credential; empty when anonymous, and for an acceptor.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        principal: String,
        /// The value of the credential handle that it began with.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        handle: Option<usize>,
        /// The flags that the first step asked for: this side's `ISC_REQ_…` or `ASC_REQ_…` bits.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        asked: Option<u32>,
        /// The target that an initiator named; empty without one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        target: String,
    },
    /// A step gave a token that `CompleteAuthToken` has to complete before the context is used or goes on.
    ContextToComplete {
        /// The handle's value.
        context: usize,
    },
    /// A handle was given one more credential.
    CredentialsAdded {
        /// The handle's value.
        handle: usize,
        /// The package that it is for.
        package: String,
        /// Its principal; empty when anonymous.
        principal: String,
        /// The credential it uses, if it uses one that is cached or held.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        credential: Option<u64>,
        /// Its source.
        source: Source,
        /// The list of packages that came with the identity, as in `acquired`.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        list: String,
    },
    /// The SSP ended: unloaded, dropped, or its process ended. What it still held is wiped, and counts as left.
    Ended {
        /// How it ended.
        how: Ending,
        /// Credentials that were still cached.
        left: u32,
        /// Events that could not be written.
        #[cfg_attr(feature = "journal", serde(default))]
        lost: u64,
    },
    /// A credential was overwritten to make room.
    Evicted {
        /// The credential.
        credential: u64,
    },
    /// A credential was overwritten because it had expired.
    Expired {
        /// The credential.
        credential: u64,
    },
    /// A fault was injected.
    Faulted {
        /// The function that it was injected into.
        operation: Operation,
        /// What the fault does.
        effect: Effect,
    },
    /// `CleanupCredentialCache` emptied the cache.
    Flushed,
    /// A credential handle was freed.
    Freed {
        /// The handle's value.
        handle: usize,
    },
    /// A credential that the program passed came into a handle, for a package that doesn't cache.
    Held {
        /// The credential.
        credential: u64,
        /// Its package.
        package: String,
        /// Its principal.
        principal: String,
        /// Its source.
        source: Source,
        /// The value of the handle that holds it.
        handle: usize,
    },
    /// A frame that follows is in an image that no frame before it was in.
    Image {
        /// Its number in frames.
        image: u32,
        /// The file that it was loaded from.
        path: String,
    },
    /// An acceptor impersonated its client, which was only simulated, or done with the token of the process
    /// ([`ProcessTokenUsed`](Self::ProcessTokenUsed)).
    Impersonated {
        /// The context handle's value.
        context: usize,
        /// The client; empty for a null session.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        principal: String,
    },
    /// A proxy for Kerberos was set for a handle.
    KdcProxySet {
        /// The handle's value.
        handle: usize,
        /// The proxy's address; empty when none was given.
        server: String,
        /// Whether it has to be used.
        force: bool,
    },
    /// The program gave memory back.
    MemoryFreed {
        /// Its number. Where no page says that memory has to be given back, there is no `allocated` event of it; nor in a forked
        /// child of what its parent was given.
        memory: u64,
    },
    /// Modules that free credentials in a way of their own are loaded, more than an earlier event of this kind names.
    Modules {
        /// Their file names, in lower case.
        loaded: Vec<String>,
    },
    /// From here on calls are passed on to the system's own SSPs, and the events are theirs. The values of handles are numbers that were
    /// given to them here.
    PassedOn,
    /// The password of an account was changed.
    PasswordChanged {
        /// Its principal.
        principal: String,
    },
    /// A server was given a token of its own process's user in the place of its client's, for the first time: impersonation
    /// is configured so.
    ProcessTokenUsed {
        /// The process's user, as the operating system names it.
        user: String,
    },
    /// A cached credential was presented again: same secret, new time.
    Refreshed {
        /// The credential.
        credential: u64,
        /// When it ends now.
        expires: FileTime,
    },
    /// A call was refused.
    Refused {
        /// The function.
        operation: Operation,
        /// The status that it returned.
        status: SecurityStatus,
        /// The package that was asked for, if the call named one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        package: String,
        /// The principal that it was for, if it named one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        principal: String,
        /// The value of the credential handle that it named, known here or not.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        handle: Option<usize>,
        /// The value of the context handle that it named, known here or not; not that of a context which another thread deleted while
        /// the call went on.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        context: Option<usize>,
        /// The number of the memory that it named, if that was given out here and nothing else is at its address since.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        memory: Option<u64>,
        /// Of a first step: whether its buffer had no room for the token, and was shorter than the package's longest token.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "is_false"))]
        short: bool,
        /// Of a first step of Negotiate: the package that it would have begun with, if the configuration didn't forbid it.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        forbidden: String,
        /// The target that such a step named; empty without one.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        target: String,
    },
    /// A held credential was overwritten: the last handle or half-open context that held it let it go.
    Released {
        /// The credential.
        credential: u64,
    },
    /// A credential was overwritten because its principal signed in with another secret.
    Replaced {
        /// The credential that was replaced.
        credential: u64,
        /// The credential that replaces it; a `cached` event follows.
        by: u64,
    },
    /// An acceptor ended the impersonation of its client.
    Reverted {
        /// The context handle's value.
        context: usize,
    },
    /// The sizes that a context announces for its messages, where calls are passed on.
    Sized {
        /// The handle's value.
        context: usize,
        /// Of the longest token.
        token: u32,
        /// Of a signature.
        signature: u32,
        /// Of a block.
        block: u32,
        /// Of a trailer.
        trailer: u32,
    },
    /// A step of a handshake, where calls are passed on.
    Stepped {
        /// The credential handle's value; on later steps it counts for nothing.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        handle: Option<usize>,
        /// The context handle's value; none where a first step failed.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        context: Option<usize>,
        /// Which side this is.
        role: Role,
        /// The target's name; empty where there is none.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        target: String,
        /// The flags that were asked for.
        asked: u32,
        /// Those that were granted.
        granted: u32,
        /// The status that was returned.
        status: SecurityStatus,
        /// The number of the token that it was given, if a step in this process had returned it.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        received: Option<u64>,
        /// Whether it was given a token.
        answers: bool,
        /// The number of the token that it returned.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "Option::is_none"))]
        sent: Option<u64>,
        /// That token's size.
        size: u32,
        /// Its first bytes, 16 at most, in hexadecimal.
        #[cfg_attr(feature = "journal", serde(default, skip_serializing_if = "String::is_empty"))]
        first: String,
    },
    /// The program says that it has signed out: from here on nothing may be left of what was there before.
    SignedOut,
    /// The SSP started, at its first use.
    Started {
        /// The module's file name.
        module: String,
        /// Version of the mock.
        version: String,
        /// The process, as the operating system numbers it. Under Wine, as Wine does.
        pid: u32,
        /// The file name of the process's program.
        program: String,
        /// Whether the process is the fork of one that had used the SSP.
        #[cfg_attr(feature = "journal", serde(default))]
        forked: bool,
        /// The operating system that the mock is built for, by Rust's name; under Wine `windows`.
        #[cfg_attr(feature = "journal", serde(default))]
        os: String,
        /// The packages that the SSP offers.
        #[cfg_attr(feature = "journal", serde(default))]
        packages: Vec<String>,
    },
}

impl EventKind {
    /// How much of the stack belongs to this event.
    pub(crate) fn frames(&self) -> Frames {
        match self {
            Self::Acquired { .. }
            | Self::Allocated { .. }
            | Self::ContextImported { .. }
            | Self::ContextStarted { .. }
            | Self::CredentialsAdded { .. }
            | Self::Refused { handle: Some(_), .. }
            | Self::Refused { context: Some(_), .. }
            | Self::Refused { memory: Some(_), .. }
            | Self::Refused {
                operation: Operation::AcquireCredentialsHandle | Operation::AddCredentials,
                ..
            } => Frames::All,
            Self::Called { .. }
            | Self::ContextDeleted { .. }
            | Self::Freed { .. }
            | Self::MemoryFreed { .. } => Frames::Caller,
            _ => Frames::None,
        }
    }
}

/// What is in memory that an SSP gives to a program, and so what takes it back.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "journal", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Holds {
    /// An attribute of a context or a credential, or a name in it: `FreeContextBuffer`.
    Attribute,
    /// An exported context: `FreeContextBuffer`.
    ExportedContext,
    /// An identity: `SspiFreeAuthIdentity`.
    Identity,
    /// An identity that was packed: `SspiLocalFree`.
    PackedIdentity,
    /// Descriptions of packages: `FreeContextBuffer`.
    Packages,
    /// A token of a handshake: `FreeContextBuffer`.
    Token,
}

/// The source of a credential.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "journal", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Source {
    /// Nowhere: the identity was anonymous.
    Anonymous,
    /// The cache: a silent sign-in.
    Cache,
    /// The logon session: its default credentials.
    Default,
    /// Authentication data that the application passed.
    Explicit,
    /// None was needed: an inbound handle.
    Inbound,
    /// The configuration: what a logged-on user's session would bring.
    Preloaded,
}

/// The beginning of a token, in hexadecimal, as a [`Stepped`](EventKind::Stepped) event has it.
pub fn beginning(token: &[u8]) -> String {
    const BYTES: usize = 16;
    let mut text = String::with_capacity(2 * BYTES);
    for byte in token.iter().take(BYTES) {
        // A string takes all text.
        let _ = fmt::Write::write_fmt(&mut text, format_args!("{byte:02x}"));
    }
    text
}

/// How an SSP ended.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[cfg_attr(feature = "journal", derive(Deserialize, Serialize))]
#[cfg_attr(feature = "journal", serde(rename_all = "kebab-case"))]
#[non_exhaustive]
pub enum Ending {
    /// The instance was dropped.
    Dropped,
    /// The process ended.
    Exit,
    /// The module was unloaded, or the process ended: an ELF destructor can't distinguish the two.
    Unloaded,
}

/// Receives each event as it happens. The SSP is locked meanwhile: return quickly, and don't call the SSP.
pub trait EventSink: Send {
    /// Takes an event.
    ///
    /// # Errors
    /// Any error counts the event as lost; the [`EventKind::Ended`] event says how many were.
    fn record(&mut self, event: &Event) -> std::io::Result<()>;

    /// What makes the sink of a forked child: asked when the engine is made, called at the child's first use of it. The sink itself
    /// is the parent's, and may have been in the middle of an event when the process forked. Without one, a child's events
    /// go nowhere.
    fn for_forked_child(&self) -> Option<SinkOfChild> {
        None
    }
}

/// Makes the sink of a forked child.
pub type SinkOfChild = Box<dyn Fn() -> Box<dyn EventSink> + Send + Sync>;

/// The result of ending an instance.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
pub enum Ended {
    /// It had ended already.
    Already,
    /// Another thread is inside a call: nothing was touched.
    Busy,
    /// It ended, and so many credentials were still cached.
    Left(u32),
}

impl fmt::Display for Ending {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Dropped => "dropped",
            Self::Exit => "process exit",
            Self::Unloaded => "unloaded",
        })
    }
}

#[cfg(feature = "journal")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_zero(number: &u32) -> bool {
    *number == 0
}

#[cfg(feature = "journal")]
#[allow(clippy::trivially_copy_pass_by_ref, reason = "serde's signature")]
fn is_false(truth: &bool) -> bool {
    !*truth
}
