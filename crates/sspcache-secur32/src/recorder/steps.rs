//! What a step of a handshake says in the journal: the context that it began or ended, its flags, and its token's beginning.

use sspcache_dll::recording::{self, EventKind, Holds, Operation, Role, SecurityStatus};

use super::{
    Call,
    events::{Before, Named},
    lives::{Life, Lives},
    memory,
};

/// `ISC_REQ_ALLOCATE_MEMORY` and `ASC_REQ_ALLOCATE_MEMORY`, of `sspi.h`.
const ALLOCATE_MEMORY: u32 = 0x100;

/// A step of a handshake.
///
/// # Safety
/// As [`super::events::before`].
pub(super) unsafe fn stepped(lives: &mut Lives, call: &Call<'_>, before: &Before, status: i32) {
    let role =
        if call.operation == Operation::AcceptSecurityContext { Role::Acceptor } else { Role::Initiator };
    let is_ok = status >= 0;
    // SAFETY: by this function's contract.
    let new = unsafe { memory::handle(call.get("new_context")) };
    let mut context = before.context.as_ref().map(|(_, life)| life.number);
    let credential = before.credential.as_ref().map(|(_, life)| life);
    let package = credential.or(before.context.as_ref().map(|(_, life)| life));
    let package = package.map(|life| life.package.clone()).unwrap_or_default();
    // SAFETY: by this function's contract.
    let is_first = unsafe { memory::handle(call.get("context")) }.is_none();
    match (new, &before.context) {
        (Some(key), _) if is_ok && is_first => {
            let principal = match (role, credential) {
                (Role::Initiator, Some(life)) => life.principal.clone(),
                _ => String::new(),
            };
            let number = lives.number();
            lives.contexts.insert(key, Life::new(number, &package, &principal));
            context = Some(number);
            let package = package.clone();
            // What it asked for is in `Stepped`. Without it here no policy is judged: which package Negotiate chose isn't known.
            lives.note(EventKind::ContextStarted {
                context: number,
                role,
                package,
                principal,
                handle: None,
                asked: None,
                target: String::new(),
            });
        }
        // Its handle may change with a step.
        (Some(key), Some((old, _))) if is_ok && key != *old => {
            if let Some(life) = lives.contexts.remove(*old) {
                lives.contexts.insert(key, life);
            }
        }
        _ => {}
    }
    // SAFETY: by this function's contract.
    let (sent, size, first) = unsafe { token_of(lives, call, before, is_ok, &package) };
    // SAFETY: by this function's contract.
    let granted = if is_ok { unsafe { memory::read::<u32>(call.get("attributes")) } } else { None };
    let target = match role {
        // SAFETY: by this function's contract.
        Role::Initiator => unsafe { memory::text(call, call.get("target")) },
        Role::Acceptor => String::new(),
    };
    let known = SecurityStatus(status);
    lives.note(EventKind::Stepped {
        handle: credential.map(|life| life.number),
        context,
        role,
        target,
        asked: call.number("requirements"),
        granted: granted.unwrap_or_default(),
        status: known,
        received: before.received,
        answers: before.answers,
        sent,
        size,
        first,
    });
    if !is_ok && !before.was_given_back() {
        lives.note(Named::of(before).refused(call, known));
    }
    let key = if is_ok { new } else { before.context.as_ref().map(|(key, _)| *key) };
    let ended = key.and_then(|key| lives.contexts.get_mut(key)).filter(|life| !life.has_ended);
    let Some(life) = ended.filter(|_| status == 0 || is_final(known)) else { return };
    life.has_ended = true;
    let (number, principal) = (life.number, life.principal.clone());
    lives.note(if is_ok {
        EventKind::ContextEstablished {
            context: number,
            role,
            package,
            principal,
            granted: None,
            bound: false,
        }
    } else {
        EventKind::ContextFailed { context: number, status: known }
    });
}

/// Whether a handshake has failed with this status: after some the same step may be made again.
fn is_final(status: SecurityStatus) -> bool {
    /// `SEC_E_INCOMPLETE_CREDENTIALS`
    const INCOMPLETE_CREDENTIALS: SecurityStatus = SecurityStatus(0x8009_0320_u32.cast_signed());
    let may_be_retried = [
        SecurityStatus::BUFFER_TOO_SMALL,
        SecurityStatus::INCOMPLETE_MESSAGE,
        SecurityStatus::INSUFFICIENT_MEMORY,
        SecurityStatus::INVALID_HANDLE,
        SecurityStatus::INVALID_PARAMETER,
        INCOMPLETE_CREDENTIALS,
    ];
    status.0 < 0 && !may_be_retried.contains(&status)
}

/// The token that a step returned: its number, size and first bytes. Memory that the step allocated is recorded.
///
/// # Safety
/// As [`super::events::before`].
unsafe fn token_of(
    lives: &mut Lives,
    call: &Call<'_>,
    before: &Before,
    is_ok: bool,
    package: &str,
) -> (Option<u64>, u32, String) {
    /// Whose tokens begin with signatures, types and identifiers. What other packages' begin with may be anything.
    const WITH_PUBLIC_BEGINNINGS: [&str; 6] = [
        "Negotiate",
        "Kerberos",
        "NTLM",
        "CredSSP",
        "Schannel",
        "Microsoft Unified Security Protocol Provider",
    ];
    // SAFETY: by this function's contract.
    let mut output = unsafe { memory::buffers(call.get("output")) };
    let allocates = call.number("requirements") & ALLOCATE_MEMORY != 0;
    let mut is_given = is_ok;
    for (buffer, &(place, kind)) in output.iter_mut().zip(&before.output) {
        // Its type may change (Wine 8's NTLM makes it a SECBUFFER_DATA).
        buffer.BufferType = kind;
        let address = buffer.pvBuffer.addr();
        let counts = memory::is_allocated_kind(buffer) && buffer.cbBuffer > 0;
        if allocates && counts && address != place && address != 0 {
            is_given = true;
            let memory = lives.add_memory(address);
            let size = u64::from(buffer.cbBuffer);
            lives.note(EventKind::Allocated {
                memory,
                holds: Holds::Token,
                size,
                package: package.to_owned(),
            });
        }
    }
    let Some(token) = memory::token(&output).filter(|_| is_given) else { return Default::default() };
    // SAFETY: the system has written as many bytes as it says.
    let bytes = unsafe { memory::bytes(token) };
    let is_known = WITH_PUBLIC_BEGINNINGS.iter().any(|name| name.eq_ignore_ascii_case(package));
    let first = if is_known { recording::beginning(bytes) } else { String::new() };
    (Some(lives.send(bytes)), token.cbBuffer, first)
}
