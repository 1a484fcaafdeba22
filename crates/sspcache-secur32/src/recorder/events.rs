//! What a call that is passed on says in the journal: the same events that the mock has.

use sspcache_dll::{
    abi::Raw,
    recording::{self, EventKind, Holds, Operation, Role, SecurityStatus, Source},
};

use super::{
    Call,
    lives::{Life, Lives, lives, of_memory},
    memory, steps,
};
use crate::{owner::Key, ssp};

/// `SECPKG_CONTEXT_EXPORT_DELETE_OLD`, of `sspi.h`.
const EXPORT_DELETE_OLD: u32 = 2;
/// `SECPKG_CRED_INBOUND` and `SECPKG_CRED_OUTBOUND`
const INBOUND: u32 = 1;
const OUTBOUND: u32 = 2;

/// What is known of a call before it is passed on.
#[derive(Debug, Default)]
pub(super) struct Before {
    pub(super) credential: Option<(Key, Life)>,
    pub(super) context: Option<(Key, Life)>,
    /// The address and the number of memory that is to be freed.
    memory: Option<(usize, u64)>,
    /// The addresses and types of the buffers that a step writes to, or allocates.
    pub(super) output: Vec<(usize, u32)>,
    /// A handle of the other kind in a credential's place, and in a context's.
    mistaken: (Option<usize>, Option<usize>),
    pub(super) answers: bool,
    pub(super) received: Option<u64>,
}

/// Takes note of a call that begins.
///
/// # Safety
/// The parameters are those of the function, by its page.
pub(super) unsafe fn before(call: &Call<'_>) -> Before {
    let mut lives = lives();
    let mut before = Before::default();
    let (credential, context) = match call.operation {
        Operation::AcquireCredentialsHandle | Operation::ImportSecurityContext => ("", ""),
        Operation::AcceptSecurityContext | Operation::InitializeSecurityContext => ("credential", "context"),
        Operation::AddCredentials
        | Operation::FreeCredentialsHandle
        | Operation::QueryCredentialsAttributes
        | Operation::SetCredentialsAttributes => ("handle", ""),
        _ => ("", "context"),
    };
    // SAFETY: by this function's contract.
    let [credential, context] = [credential, context].map(|name| unsafe { memory::handle(call.get(name)) });
    if let Some(key) = context {
        before.context = lives.contexts.get(key).cloned().map(|life| (key, life));
    }
    // On a later step the context says which credential it is.
    if let (Some(key), None) = (credential, context) {
        before.credential = lives.credentials.get(key).cloned().map(|life| (key, life));
    }
    let live = |life: Option<&Life>| life.filter(|life| !life.is_given_back).map(|life| life.number);
    if before.credential.is_none() && before.context.is_none() {
        before.mistaken = match (credential, context) {
            (_, Some(key)) => (None, live(lives.credentials.get(key))),
            (Some(key), None) => (live(lives.contexts.get(key)), None),
            (None, None) => (None, None),
        };
    }
    let given_back = |named: &Option<(Key, Life)>| {
        named.as_ref().filter(|(_, life)| life.is_given_back).map(|(_, life)| life.number)
    };
    let (handle, context) = (given_back(&before.credential), given_back(&before.context));
    if handle.is_some() || context.is_some() {
        let named = Named { handle, context, ..Named::default() };
        lives.note(named.refused(call, SecurityStatus::INVALID_HANDLE));
    }
    match call.operation {
        // From here on the system may give the same value out again.
        Operation::FreeCredentialsHandle => {
            give_back(credential.and_then(|key| lives.credentials.get_mut(key)));
        }
        Operation::DeleteSecurityContext => {
            give_back(before.context.as_ref().and_then(|(key, _)| lives.contexts.get_mut(*key)));
        }
        Operation::FreeContextBuffer => before.memory = memory_given_back(&mut lives, call),
        Operation::AcceptSecurityContext | Operation::InitializeSecurityContext => {
            // SAFETY: by this function's contract.
            let output = unsafe { memory::buffers(call.get("output")) };
            before.output = output.iter().map(|buffer| (buffer.pvBuffer.addr(), buffer.BufferType)).collect();
            // SAFETY: by this function's contract.
            let input = unsafe { memory::buffers(call.get("input")) };
            if let Some(token) = memory::token(&input) {
                before.answers = true;
                // SAFETY: by the function's page, the buffer is as long as it says.
                before.received = lives.received(unsafe { memory::bytes(token) });
            }
        }
        _ => {}
    }
    before
}

fn give_back(life: Option<&mut Life>) {
    if let Some(life) = life {
        life.is_given_back = true;
    }
}

fn memory_given_back(lives: &mut Lives, call: &Call<'_>) -> Option<(usize, u64)> {
    let address = call.get("buffer");
    let block = lives.memory.get_mut(of_memory(address))?;
    let number = block.number as u64;
    if !std::mem::replace(&mut block.is_given_back, true) {
        return Some((address, number));
    }
    let named = Named { memory: Some(number), ..Named::default() };
    lives.note(named.refused(call, SecurityStatus::INVALID_HANDLE));
    None
}

/// Takes note of what has come of a call.
///
/// # Safety
/// As [`before`].
pub(super) unsafe fn after(call: &Call<'_>, before: Before, status: i32) {
    let mut lives = lives();
    let is_ok = status >= 0;
    // SAFETY: by this function's contract, here and below.
    unsafe {
        match call.operation {
            Operation::AcceptSecurityContext | Operation::InitializeSecurityContext => {
                steps::stepped(&mut lives, call, &before, status);
            }
            _ if !is_ok => failed(&mut lives, call, &before, status),
            Operation::AcquireCredentialsHandle => acquired(&mut lives, call),
            Operation::AddCredentials => added(&mut lives, call, &before),
            Operation::FreeCredentialsHandle => freed(&mut lives, before.credential),
            Operation::DeleteSecurityContext => deleted(&mut lives, before.context),
            Operation::ImportSecurityContext => imported(&mut lives, call),
            Operation::ExportSecurityContext => exported(&mut lives, call, before.context),
            Operation::FreeContextBuffer => {
                if let Some((_, memory)) = before.memory {
                    lives.note(EventKind::MemoryFreed { memory });
                }
            }
            Operation::EnumerateSecurityPackages => {
                allocated(&mut lives, call.get("packages"), &[0], Holds::Packages, "");
            }
            Operation::QuerySecurityPackageInfo => {
                let package = memory::text(call, call.get("name"));
                allocated(&mut lives, call.get("package"), &[0], Holds::Packages, &package);
            }
            Operation::QueryContextAttributes => asked(&mut lives, call, &before),
            Operation::QueryCredentialsAttributes => {
                /// `SECPKG_CRED_ATTR_NAMES`
                const NAMES: u32 = 1;
                if call.number("attribute") == NAMES {
                    let package = package_of(before.credential.as_ref());
                    allocated(&mut lives, call.get("buffer"), &[0], Holds::Attribute, package);
                } else {
                    lives.memory.forget();
                }
            }
            // Its output may be allocated.
            Operation::ChangeAccountPassword => lives.memory.forget(),
            _ => {}
        }
    }
}

/// A call that the system refused: what it was to give back is still there.
///
/// # Safety
/// As [`before`].
unsafe fn failed(lives: &mut Lives, call: &Call<'_>, before: &Before, status: i32) {
    if call.operation == Operation::FreeCredentialsHandle
        && let Some((key, life)) = before.credential.as_ref().filter(|(_, life)| !life.is_given_back)
        && let Some(now) = lives.credentials.get_mut(*key).filter(|now| now.number == life.number)
    {
        now.is_given_back = false;
    }
    if call.operation == Operation::DeleteSecurityContext
        && let Some((key, life)) = before.context.as_ref().filter(|(_, life)| !life.is_given_back)
        && let Some(now) = lives.contexts.get_mut(*key).filter(|now| now.number == life.number)
    {
        now.is_given_back = false;
    }
    if let Some((address, number)) = before.memory
        && let Some(block) =
            lives.memory.get_mut(of_memory(address)).filter(|block| block.number as u64 == number)
    {
        block.is_given_back = false;
    }
    let mut named = Named::of(before);
    if matches!(call.operation, Operation::AcquireCredentialsHandle | Operation::AddCredentials) {
        // SAFETY: by this function's contract.
        named.package = unsafe { memory::text(call, call.get("package")) };
        // SAFETY: by this function's contract.
        named.principal = unsafe { secret_of(call, &named.package) }.1;
    }
    if !before.was_given_back() {
        lives.note(named.refused(call, SecurityStatus(status)));
    }
}

/// Where an identity is from, and whom it names.
///
/// # Safety
/// As [`before`].
unsafe fn secret_of(call: &Call<'_>, package: &str) -> (Source, String) {
    /// Whose authentication data is an identity. That of others, such as Schannel, is something else.
    const WITH_IDENTITIES: [&str; 4] = ["Negotiate", "Kerberos", "NTLM", "WDigest"];
    if call.number("credential_use") & (INBOUND | OUTBOUND) == INBOUND {
        return (Source::Inbound, String::new());
    }
    if !WITH_IDENTITIES.iter().any(|name| name.eq_ignore_ascii_case(package)) {
        return (Source::Anonymous, String::new());
    }
    let auth = std::ptr::with_exposed_provenance::<std::ffi::c_void>(call.get("auth"));
    // SAFETY: by this function's contract.
    match recording::principal(&ssp::SSP, unsafe { Raw::from_raw(auth) }) {
        Ok(None) => (Source::Default, String::new()),
        Ok(Some(principal)) if principal.is_empty() => (Source::Anonymous, principal),
        Ok(Some(principal)) => (Source::Explicit, principal),
        Err(_) => (Source::Explicit, String::new()),
    }
}

/// # Safety
/// As [`before`].
unsafe fn acquired(lives: &mut Lives, call: &Call<'_>) {
    // SAFETY: by this function's contract.
    let Some(key) = (unsafe { memory::handle(call.get("handle")) }) else { return };
    // SAFETY: by this function's contract.
    let package = unsafe { memory::text(call, call.get("package")) };
    // SAFETY: by this function's contract.
    let (source, principal) = unsafe { secret_of(call, &package) };
    let handle = lives.number();
    let holds = source == Source::Explicit;
    let life = Life { holds, ..Life::new(handle, &package, &principal) };
    lives.credentials.insert(key, life);
    let credential = holds.then_some(handle as u64);
    if let Some(credential) = credential {
        lives.held += 1;
        let (package, principal) = (package.clone(), principal.clone());
        lives.note(EventKind::Held { credential, package, principal, source, handle });
    }
    lives.note(EventKind::Acquired { handle, package, principal, credential, source, list: String::new() });
}

/// # Safety
/// As [`before`].
unsafe fn added(lives: &mut Lives, call: &Call<'_>, before: &Before) {
    let Some((_, Life { number: handle, .. })) = before.credential else { return };
    // SAFETY: by this function's contract.
    let package = unsafe { memory::text(call, call.get("package")) };
    // SAFETY: by this function's contract.
    let (source, principal) = unsafe { secret_of(call, &package) };
    lives.note(EventKind::CredentialsAdded {
        handle,
        package,
        principal,
        credential: None,
        source,
        list: String::new(),
    });
}

fn freed(lives: &mut Lives, credential: Option<(Key, Life)>) {
    let Some((_, life)) = credential.filter(|(_, life)| !life.is_given_back) else { return };
    lives.note(EventKind::Freed { handle: life.number });
    if life.holds {
        lives.held = lives.held.saturating_sub(1);
        lives.note(EventKind::Released { credential: life.number as u64 });
    }
}

fn deleted(lives: &mut Lives, context: Option<(Key, Life)>) {
    if let Some((_, life)) = context.filter(|(_, life)| !life.is_given_back) {
        lives.note(EventKind::ContextDeleted { context: life.number });
    }
}

/// # Safety
/// As [`before`].
unsafe fn imported(lives: &mut Lives, call: &Call<'_>) {
    // SAFETY: by this function's contract.
    let Some(key) = (unsafe { memory::handle(call.get("context")) }) else { return };
    // SAFETY: by this function's contract.
    let package = unsafe { memory::text(call, call.get("package")) };
    let context = lives.number();
    lives.contexts.insert(key, Life::new(context, &package, ""));
    // Which side it is the call doesn't say: servers hand their contexts on.
    let (role, principal) = (Role::Acceptor, String::new());
    lives.note(EventKind::ContextImported { context, role, package, principal });
}

/// # Safety
/// As [`before`].
unsafe fn exported(lives: &mut Lives, call: &Call<'_>, context: Option<(Key, Life)>) {
    /// `pvBuffer` is the second word of a `SecBuffer`, behind two numbers of 32 bits, which are two words of 32 bits.
    const BUFFER: usize = 8 / size_of::<usize>();
    let package = package_of(context.as_ref()).to_owned();
    // SAFETY: by this function's contract.
    unsafe { allocated(lives, call.get("packed"), &[BUFFER], Holds::ExportedContext, &package) };
    let Some((key, life)) = context.filter(|(_, life)| !life.is_given_back) else { return };
    lives.note(EventKind::ContextExported { context: life.number });
    if call.number("flags") & EXPORT_DELETE_OLD != 0 {
        give_back(lives.contexts.get_mut(key));
        lives.note(EventKind::ContextDeleted { context: life.number });
    }
}

/// # Safety
/// As [`before`].
unsafe fn asked(lives: &mut Lives, call: &Call<'_>, before: &Before) {
    /// `SECPKG_ATTR_SIZES`
    const SIZES: u32 = 0;
    let (attribute, buffer) = (call.number("attribute"), call.get("buffer"));
    let package = package_of(before.context.as_ref());
    // The attributes of `sspi.h` whose structures have pointers that FreeContextBuffer takes, and the words where these are.
    let words: &[usize] = match attribute {
        SIZES => {
            // SAFETY: by this function's contract: a `SecPkgContext_Sizes`.
            let sizes = unsafe { memory::read::<[u32; 4]>(buffer) };
            if let (Some((_, life)), Some([token, signature, block, trailer])) = (&before.context, sizes) {
                lives.note(EventKind::Sized { context: life.number, token, signature, block, trailer });
            }
            &[]
        }
        // NAMES, AUTHORITY, PACKAGE_INFO, NEGOTIATION_INFO, CLIENT_SPECIFIED_TARGET
        1 | 6 | 10 | 12 | 27 => &[0],
        // KEY_INFO, NATIVE_NAMES
        5 | 13 => &[0, 1],
        // SESSION_KEY, TARGET_INFORMATION: behind a length
        9 | 17 => &[1],
        // LIFESPAN, DCE_INFO's name aside, STREAM_SIZES, PASSWORD_EXPIRY, FLAGS: numbers
        2 | 4 | 8 | 14 => &[],
        _ => {
            lives.memory.forget();
            &[]
        }
    };
    // SAFETY: by this function's contract.
    unsafe { allocated(lives, buffer, words, Holds::Attribute, package) };
}

/// Takes note of memory that a structure's pointers lead to.
///
/// # Safety
/// As [`before`].
unsafe fn allocated(lives: &mut Lives, structure: usize, words: &[usize], holds: Holds, package: &str) {
    // SAFETY: by this function's contract.
    for address in unsafe { memory::pointers(structure, words) } {
        let memory = lives.add_memory(address);
        // The system says no size.
        lives.note(EventKind::Allocated { memory, holds, size: 0, package: package.to_owned() });
    }
}

/// What a call named that was refused.
#[derive(Debug, Default)]
pub(super) struct Named {
    handle: Option<usize>,
    context: Option<usize>,
    memory: Option<u64>,
    package: String,
    principal: String,
}

impl Named {
    pub(super) fn of(before: &Before) -> Self {
        let number = |named: &Option<(Key, Life)>| named.as_ref().map(|(_, life)| life.number);
        let memory = before.memory.map(|(_, number)| number);
        let handle = number(&before.credential).or(before.mistaken.0);
        let context = number(&before.context).or(before.mistaken.1);
        Self { handle, context, memory, ..Self::default() }
    }

    pub(super) fn refused(self, call: &Call<'_>, status: SecurityStatus) -> EventKind {
        let Self { handle, context, memory, package, principal } = self;
        EventKind::Refused {
            operation: call.operation,
            status,
            package,
            principal,
            handle,
            context,
            memory,
            // The system doesn't say.
            short: false,
            forbidden: String::new(),
            target: String::new(),
        }
    }
}

impl Before {
    /// Whether the call was recorded before it was passed on, for something that had been given back.
    pub(super) fn was_given_back(&self) -> bool {
        [&self.credential, &self.context].into_iter().flatten().any(|(_, life)| life.is_given_back)
    }
}

fn package_of(named: Option<&(Key, Life)>) -> &str {
    named.map_or("", |(_, life)| &life.package)
}
