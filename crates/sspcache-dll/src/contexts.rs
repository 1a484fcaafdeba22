//! Contexts: the steps of a handshake, and what is done with a context as a whole.
#![forbid(unsafe_code)]

use sspcache_engine::{
    CredentialHandle, Holds, SecurityStatus,
    context::{
        AcceptRequest, ContextFlags, ContextHandle, ExportOptions, InitializeRequest, Refusal, Role, Step,
    },
};
use windows_sys::Win32::Security::Authentication::Identity::{
    SEC_CHANNEL_BINDINGS, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_EMPTY, SECBUFFER_TOKEN,
    SECPKG_CONTEXT_EXPORT_DELETE_OLD, SECPKG_CONTEXT_EXPORT_RESET_NEW, SecBuffer,
};

use crate::{
    raw::{Descriptor, InBuffer, InHandle, Out, OutHandle, StepBuffers, StepCall, Str, all_given},
    state::Ssp,
    text::Encoding,
};

/// `InitializeSecurityContext` (clause S3).
///
/// Reference: [InitializeSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw).
pub fn initialize_security_context<E: Encoding>(
    ssp: &Ssp,
    target: Str<'_, E>,
    call: StepCall<'_>,
) -> Result<i32, SecurityStatus> {
    let engine = ssp.engine()?;
    let target = target.name()?.filter(|name| !name.is_empty());
    let step = Ends::read(call, Role::Initiator)?;
    let result = engine.initialize(&InitializeRequest {
        credential: step.credential,
        context: step.context,
        target,
        flags: step.flags,
        token: step.token()?,
        bindings: step.bindings.as_deref(),
        room: step.room(),
    });
    step.finish(ssp, result)
}

/// `AcceptSecurityContext` (clause S3).
///
/// Reference: [AcceptSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acceptsecuritycontext).
pub fn accept_security_context(ssp: &Ssp, call: StepCall<'_>) -> Result<i32, SecurityStatus> {
    let engine = ssp.engine()?;
    let step = Ends::read(call, Role::Acceptor)?;
    let result = engine.accept(&AcceptRequest {
        credential: step.credential,
        context: step.context,
        flags: step.flags,
        token: step.token()?,
        bindings: step.bindings.as_deref(),
        room: step.room(),
    });
    step.finish(ssp, result)
}

/// The inputs of a step, and the places for its outputs.
struct Ends<'c> {
    role: Role,
    call: StepCall<'c>,
    credential: Option<CredentialHandle>,
    context: Option<ContextHandle>,
    flags: ContextFlags,
    bindings: Option<Vec<u8>>,
    buffers: StepBuffers<'c>,
}

impl<'c> Ends<'c> {
    fn read(call: StepCall<'c>, role: Role) -> Result<Self, SecurityStatus> {
        call.check()?;
        let buffers = call.buffers()?;
        let bindings = buffers.input(SECBUFFER_CHANNEL_BINDINGS)?;
        Ok(Self {
            credential: call.credential()?,
            context: call.context()?,
            flags: ContextFlags::from_wire(role, call.requirements),
            role,
            bindings: bindings.filter(|bytes| !bytes.is_empty()).map(read_bindings).transpose()?,
            call,
            buffers,
        })
    }

    /// The other side's token.
    fn token(&self) -> Result<Option<&[u8]>, SecurityStatus> {
        self.buffers.input(SECBUFFER_TOKEN)
    }

    fn allocates(&self) -> bool {
        self.flags.contains(ContextFlags::ALLOCATE_MEMORY)
    }

    fn room(&self) -> usize {
        match self.buffers.room() {
            None => 0,
            Some(_) if self.allocates() => usize::MAX,
            Some(room) => room,
        }
    }

    /// Writes what came of the step.
    fn finish(mut self, ssp: &Ssp, result: Result<Step, Refusal>) -> Result<i32, SecurityStatus> {
        let step = match result {
            Ok(step) => step,
            Err(Refusal { status, token }) => {
                if let Some(token) = token {
                    self.send(ssp, &token, None);
                }
                let nowhere = status == SecurityStatus::BUFFER_TOO_SMALL && self.buffers.room().is_none();
                return Err(if nowhere { SecurityStatus::INVALID_TOKEN } else { status });
            }
        };
        self.send(ssp, &step.token, Some(step.context));
        self.call.put_context(step.context);
        self.call.attributes.write(step.flags.to_returned(self.role));
        self.call.expiry.write(step.expires_local.0.cast_signed());
        Ok(step.progress.code())
    }

    /// Puts a token where the caller wants it. The engine has checked that it fits. A step that failed has no context any more.
    fn send(&mut self, ssp: &Ssp, token: &[u8], context: Option<ContextHandle>) {
        if self.buffers.room().is_none() {
            return;
        }
        if !self.allocates() {
            self.buffers.fill(token);
        } else if token.is_empty() {
            self.buffers.point_at(std::ptr::null_mut(), 0);
        } else {
            let package = || ssp.observed()?.package_of(context?);
            let place = ssp.hand_out(Holds::Token, package().as_ref(), token);
            self.buffers.point_at(place, token.len());
        }
    }
}

/// The application data of channel bindings; with addresses, if there are any, everything in one piece.
///
/// Reference: [SEC_CHANNEL_BINDINGS](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_channel_bindings).
fn read_bindings(bytes: &[u8]) -> Result<Vec<u8>, SecurityStatus> {
    const HEADER: usize = size_of::<SEC_CHANNEL_BINDINGS>();
    let (words, _) = bytes.get(..HEADER).ok_or(SecurityStatus::BAD_BINDINGS)?.as_chunks::<4>();
    let word = |index: usize| u32::from_ne_bytes(words[index]);
    let part = |length: u32, offset: u32| {
        if length == 0 {
            return Ok(&[][..]);
        }
        let start = offset as usize;
        let end = start.checked_add(length as usize).ok_or(SecurityStatus::BAD_BINDINGS)?;
        if start < HEADER { None } else { bytes.get(start..end) }.ok_or(SecurityStatus::BAD_BINDINGS)
    };
    let initiator = part(word(1), word(2))?;
    let acceptor = part(word(4), word(5))?;
    let data = part(word(6), word(7))?;
    if word(0) == 0 && word(3) == 0 && initiator.is_empty() && acceptor.is_empty() {
        return Ok(data.to_vec());
    }
    let mut all = Vec::with_capacity(bytes.len());
    for (kind, address) in [(word(0), initiator), (word(3), acceptor)] {
        all.extend_from_slice(&kind.to_le_bytes());
        all.extend_from_slice(&(address.len() as u64).to_le_bytes());
        all.extend_from_slice(address);
    }
    all.extend_from_slice(data);
    Ok(all)
}

/// `CompleteAuthToken`.
///
/// Reference: [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
pub fn complete_auth_token(
    ssp: &Ssp,
    context: InHandle<'_>,
    token: Descriptor<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let mut buffers = token.read()?;
    let token = buffers.first_mut(SECBUFFER_TOKEN)?;
    engine.complete(context.context()?, token.unwrap_or_default())
}

/// `DeleteSecurityContext`.
///
/// Reference: [DeleteSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext).
pub fn delete_security_context(ssp: &Ssp, context: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.delete_context(context.context()?)
}

/// `ApplyControlToken`: nothing that the mock's packages know.
///
/// Reference: [ApplyControlToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-applycontroltoken).
pub fn apply_control_token(ssp: &Ssp, context: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.apply_control_token(context.context()?)
}

/// `ImpersonateSecurityContext` (clause S9).
///
/// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
pub fn impersonate_security_context(ssp: &Ssp, context: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.impersonate(context.context()?)
}

/// `RevertSecurityContext`.
///
/// Reference: [RevertSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-revertsecuritycontext).
pub fn revert_security_context(ssp: &Ssp, context: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.revert(context.context()?)
}

/// `QuerySecurityContextToken`: there is one with the token of the process alone (clause R3). The caller closes it.
///
/// Reference: [QuerySecurityContextToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritycontexttoken).
pub fn query_security_context_token(
    ssp: &Ssp,
    context: InHandle<'_>,
    token: Out<'_, *mut std::ffi::c_void>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    if !token.is_given() {
        // What the handle alone gives comes first; nothing is opened in vain.
        engine.may_have_token(context)?;
        return Err(SecurityStatus::INVALID_PARAMETER);
    }
    token.write(std::ptr::with_exposed_provenance_mut(engine.context_token(context)?));
    Ok(())
}

/// `ExportSecurityContext`: the packed context is freed with `FreeContextBuffer`. There is no token with it.
///
/// Reference: [ExportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-exportsecuritycontext).
pub fn export_security_context(
    ssp: &Ssp,
    context: InHandle<'_>,
    flags: u32,
    packed: Out<'_, SecBuffer>,
    token: Out<'_, *mut std::ffi::c_void>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    all_given([packed.is_given()])?;
    // A kernel has no use for it.
    if flags & !(SECPKG_CONTEXT_EXPORT_DELETE_OLD | SECPKG_CONTEXT_EXPORT_RESET_NEW) != 0 {
        return Err(SecurityStatus::UNSUPPORTED_FUNCTION);
    }
    let options = ExportOptions {
        delete_old: flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD != 0,
        reset_new: flags & SECPKG_CONTEXT_EXPORT_RESET_NEW != 0,
    };
    let context = context.context()?;
    // Before it may be deleted.
    let package = if engine.is_observed() { engine.package_of(context) } else { None };
    let bytes = engine.export(context, options)?;
    packed.write(SecBuffer {
        cbBuffer: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
        BufferType: SECBUFFER_EMPTY,
        pvBuffer: ssp.hand_out(Holds::ExportedContext, package.as_ref(), &bytes).cast(),
    });
    token.write(std::ptr::null_mut());
    Ok(())
}

/// `ImportSecurityContext`. The token is not looked at: none is exported.
///
/// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
pub fn import_security_context<E: Encoding>(
    ssp: &Ssp,
    package: Str<'_, E>,
    packed: InBuffer<'_>,
    context: OutHandle<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    all_given([packed.is_given(), context.is_given()])?;
    let package = package.name()?.ok_or(SecurityStatus::SECPKG_NOT_FOUND)?;
    let imported = engine.import(&package, packed.bytes()?)?;
    context.write(imported.word());
    Ok(())
}

/// `SetContextAttributes`: nothing that the mock's packages know.
///
/// Reference: [SetContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcontextattributesw).
pub fn set_context_attributes(ssp: &Ssp, context: InHandle<'_>) -> Result<(), SecurityStatus> {
    ssp.engine()?.set_context_attributes(context.context()?)
}
