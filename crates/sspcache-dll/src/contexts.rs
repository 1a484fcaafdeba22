//! Contexts: the steps of a handshake, and what is done with a context as a whole.

use std::ffi::c_void;

use sspcache_engine::{
    CredentialHandle, Status,
    context::{AcceptRequest, ContextFlags, ContextHandle, ExportOptions, InitializeRequest, Refusal, Step},
};
use windows_sys::Win32::Security::{
    Authentication::Identity::{
        SEC_CHANNEL_BINDINGS, SECBUFFER_CHANNEL_BINDINGS, SECBUFFER_EMPTY, SECBUFFER_TOKEN,
        SECPKG_CONTEXT_EXPORT_DELETE_OLD, SECPKG_CONTEXT_EXPORT_RESET_NEW, SecBuffer, SecBufferDesc,
    },
    Credentials::SecHandle,
};

use crate::{
    buffers::{Buffer, Buffers},
    guard,
    state::Ssp,
    text,
    text::Encoding,
};

/// The parameters that both sides' steps have.
#[derive(Debug)]
pub struct StepParameters {
    /// Needed in the first step.
    pub credential: *const SecHandle,
    /// Null in the first step.
    pub context: *const SecHandle,
    /// `ISC_REQ_…` or `ASC_REQ_…`.
    pub requirements: u32,
    /// The other side's token, and channel bindings.
    pub input: *const SecBufferDesc,
    /// Where the context's handle goes; needed in the first step.
    pub new_context: *mut SecHandle,
    /// Where the token to send goes.
    pub output: *mut SecBufferDesc,
    /// Where `ISC_RET_…` or `ASC_RET_…` goes.
    pub attributes: *mut u32,
    /// Where the local time goes at which the context expires.
    pub expiry: *mut i64,
}

/// `InitializeSecurityContext` (clause S3).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says; the target ends in a null.
///
/// Reference: [InitializeSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw).
pub unsafe fn initialize_security_context<E: Encoding>(
    ssp: &Ssp,
    target: *const E::Unit,
    parameters: &StepParameters,
) -> i32 {
    guard::code(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        unsafe {
            let target = text::name::<E>(target)?.filter(|name| !name.is_empty());
            let step = Ends::read(parameters, ContextFlags::from_isc(parameters.requirements))?;
            let result = engine.initialize(&InitializeRequest {
                credential: step.credential,
                context: step.context,
                target,
                flags: step.flags,
                // In the first step nobody has answered yet: what some clients pass then means nothing.
                token: step.context.and(step.token),
                bindings: step.bindings.as_deref(),
                room: step.room(),
            });
            step.finish(ssp, parameters, result, ContextFlags::to_isc)
        }
    })
}

/// `AcceptSecurityContext` (clause S3).
///
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [AcceptSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acceptsecuritycontext).
pub unsafe fn accept_security_context(ssp: &Ssp, parameters: &StepParameters) -> i32 {
    guard::code(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        unsafe {
            let step = Ends::read(parameters, ContextFlags::from_asc(parameters.requirements))?;
            let result = engine.accept(&AcceptRequest {
                credential: step.credential,
                context: step.context,
                flags: step.flags,
                token: step.token,
                bindings: step.bindings.as_deref(),
                room: step.room(),
            });
            step.finish(ssp, parameters, result, ContextFlags::to_asc)
        }
    })
}

/// What a step is given and gives, read from the caller's memory.
struct Ends<'b> {
    credential: Option<CredentialHandle>,
    context: Option<ContextHandle>,
    flags: ContextFlags,
    token: Option<&'b [u8]>,
    bindings: Option<Vec<u8>>,
    /// Where the token to send goes.
    output: Option<Buffer>,
}

impl Ends<'_> {
    /// # Safety
    /// As the steps themselves.
    unsafe fn read(parameters: &StepParameters, flags: ContextFlags) -> Result<Self, Status> {
        if parameters.context.is_null() && parameters.new_context.is_null() {
            return Err(Status::InvalidParameter);
        }
        // SAFETY: by this function's contract.
        unsafe {
            let input = Buffers::read(parameters.input)?;
            let output = Buffers::read(parameters.output)?;
            let bindings =
                input.first(SECBUFFER_CHANNEL_BINDINGS).map(|buffer| buffer.bytes()).transpose()?;
            Ok(Self {
                credential: word(parameters.credential).map(CredentialHandle::from_word),
                context: word(parameters.context).map(ContextHandle::from_word),
                flags,
                token: input.first(SECBUFFER_TOKEN).map(|buffer| buffer.bytes()).transpose()?,
                bindings: bindings.filter(|bytes| !bytes.is_empty()).map(read_bindings).transpose()?,
                output: output.first(SECBUFFER_TOKEN).copied(),
            })
        }
    }

    fn allocates(&self) -> bool {
        self.flags.contains(ContextFlags::ALLOCATE_MEMORY)
    }

    fn room(&self) -> usize {
        match &self.output {
            None => 0,
            Some(_) if self.allocates() => usize::MAX,
            Some(buffer) if buffer.data.is_null() => 0,
            Some(buffer) => buffer.length,
        }
    }

    /// Writes what came of the step.
    ///
    /// # Safety
    /// As the steps themselves.
    unsafe fn finish(
        &self,
        ssp: &Ssp,
        parameters: &StepParameters,
        result: Result<Step, Refusal>,
        flags: fn(ContextFlags) -> u32,
    ) -> Result<i32, Status> {
        // SAFETY: by this function's contract.
        unsafe {
            let step = match result {
                Ok(step) => step,
                Err(Refusal { status, token }) => {
                    if let Some(token) = token {
                        self.send(ssp, &token);
                    }
                    let nowhere = status == Status::BufferTooSmall && self.output.is_none();
                    return Err(if nowhere { Status::InvalidToken } else { status });
                }
            };
            self.send(ssp, &step.token);
            // What secur32 keeps in the other half of a handle that it passes both ways is its own.
            if !parameters.new_context.is_null() && !std::ptr::eq(parameters.new_context, parameters.context)
            {
                parameters.new_context.write(SecHandle { dwLower: step.context.word(), dwUpper: 0 });
            }
            if !parameters.attributes.is_null() {
                parameters.attributes.write(flags(step.flags));
            }
            if !parameters.expiry.is_null() {
                parameters.expiry.write(step.expires_local.0.cast_signed());
            }
            Ok(step.progress.code())
        }
    }

    /// Puts a token where the caller wants it. The engine was told how much room there is.
    ///
    /// # Safety
    /// As the steps themselves.
    unsafe fn send(&self, ssp: &Ssp, token: &[u8]) {
        let Some(buffer) = &self.output else { return };
        // SAFETY: by this function's contract; what is handed out has room for the token.
        unsafe {
            if !self.allocates() {
                buffer.fill(token);
            } else if token.is_empty() {
                buffer.set(std::ptr::null_mut(), 0);
            } else {
                let copy: *mut u8 = ssp.hand_out(token.len()).cast();
                copy.copy_from_nonoverlapping(token.as_ptr(), token.len());
                buffer.set(copy, token.len());
            }
        }
    }
}

/// The application data of channel bindings; with addresses, if there are any, everything in one piece.
///
/// Reference: [SEC_CHANNEL_BINDINGS](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-sec_channel_bindings).
fn read_bindings(bytes: &[u8]) -> Result<Vec<u8>, Status> {
    const HEADER: usize = size_of::<SEC_CHANNEL_BINDINGS>();
    let (words, _) = bytes.get(..HEADER).ok_or(Status::BadBindings)?.as_chunks::<4>();
    let word = |index: usize| u32::from_ne_bytes(words[index]);
    let part = |length: u32, offset: u32| {
        if length == 0 {
            return Ok(&[][..]);
        }
        let start = offset as usize;
        let end = start.checked_add(length as usize).ok_or(Status::BadBindings)?;
        if start < HEADER { None } else { bytes.get(start..end) }.ok_or(Status::BadBindings)
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
/// # Safety
/// Pointers that aren't null are to what the function's page says.
///
/// Reference: [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
pub unsafe fn complete_auth_token(ssp: &Ssp, context: *const SecHandle, token: *const SecBufferDesc) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        // SAFETY: by this function's contract.
        unsafe {
            let buffers = Buffers::read(token)?;
            let token = buffers.first(SECBUFFER_TOKEN).map(|buffer| buffer.bytes_mut()).transpose()?;
            engine.complete(handle(context)?, token.unwrap_or_default())
        }
    })
}

/// `DeleteSecurityContext`.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [DeleteSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext).
pub unsafe fn delete_security_context(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.delete_context(unsafe { handle(context) }?))
}

/// `ApplyControlToken`: nothing that the mock's packages know.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [ApplyControlToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-applycontroltoken).
pub unsafe fn apply_control_token(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.apply_control_token(unsafe { handle(context) }?))
}

/// `ImpersonateSecurityContext` (clause S9).
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
pub unsafe fn impersonate_security_context(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.impersonate(unsafe { handle(context) }?))
}

/// `RevertSecurityContext`.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [RevertSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-revertsecuritycontext).
pub unsafe fn revert_security_context(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.revert(unsafe { handle(context) }?))
}

/// `QuerySecurityContextToken`: there never is one.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [QuerySecurityContextToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritycontexttoken).
pub unsafe fn query_security_context_token(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.context_token(unsafe { handle(context) }?))
}

/// `ExportSecurityContext`: the packed context is freed with `FreeContextBuffer`. There is no token with it.
///
/// # Safety
/// A handle that isn't null may be read; the others, unless they are null, may be written to.
///
/// Reference: [ExportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-exportsecuritycontext).
pub unsafe fn export_security_context(
    ssp: &Ssp,
    context: *const SecHandle,
    flags: u32,
    packed: *mut SecBuffer,
    token: *mut *mut c_void,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        if packed.is_null() {
            return Err(Status::InvalidParameter);
        }
        // A kernel has no use for it.
        if flags & !(SECPKG_CONTEXT_EXPORT_DELETE_OLD | SECPKG_CONTEXT_EXPORT_RESET_NEW) != 0 {
            return Err(Status::UnsupportedFunction);
        }
        let options = ExportOptions {
            delete_old: flags & SECPKG_CONTEXT_EXPORT_DELETE_OLD != 0,
            reset_new: flags & SECPKG_CONTEXT_EXPORT_RESET_NEW != 0,
        };
        // SAFETY: by this function's contract; what is handed out has room for the bytes.
        unsafe {
            let bytes = engine.export(handle(context)?, options)?;
            let copy: *mut u8 = ssp.hand_out(bytes.len()).cast();
            copy.copy_from_nonoverlapping(bytes.as_ptr(), bytes.len());
            packed.write(SecBuffer {
                cbBuffer: u32::try_from(bytes.len()).unwrap_or(u32::MAX),
                BufferType: SECBUFFER_EMPTY,
                pvBuffer: copy.cast(),
            });
            if !token.is_null() {
                token.write(std::ptr::null_mut());
            }
        }
        Ok(())
    })
}

/// `ImportSecurityContext`. The token is not looked at: none is exported.
///
/// # Safety
/// The package's name ends in a null; the buffer may be read, and the handle may be written to, unless they are null.
///
/// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
pub unsafe fn import_security_context<E: Encoding>(
    ssp: &Ssp,
    package: *const E::Unit,
    packed: *mut SecBuffer,
    context: *mut SecHandle,
) -> i32 {
    guard::status(|| {
        let engine = ssp.engine()?;
        if packed.is_null() || context.is_null() {
            return Err(Status::InvalidParameter);
        }
        // SAFETY: by this function's contract.
        unsafe {
            let package = text::name::<E>(package)?.ok_or(Status::SecpkgNotFound)?;
            let packed = Buffer::read(packed).bytes()?;
            let imported = engine.import(&package, packed)?;
            context.write(SecHandle { dwLower: imported.word(), dwUpper: 0 });
        }
        Ok(())
    })
}

/// `SetContextAttributes`: nothing that the mock's packages know.
///
/// # Safety
/// A handle that isn't null may be read.
///
/// Reference: [SetContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcontextattributesw).
pub unsafe fn set_context_attributes(ssp: &Ssp, context: *const SecHandle) -> i32 {
    // SAFETY: by this function's contract.
    guard::status(|| ssp.engine()?.set_context_attributes(unsafe { handle(context) }?))
}

/// The handle of an existing context, which is in `dwLower` (clause S8).
///
/// # Safety
/// A handle that isn't null may be read.
pub(crate) unsafe fn handle(context: *const SecHandle) -> Result<ContextHandle, Status> {
    // SAFETY: by this function's contract.
    unsafe { word(context) }.map(ContextHandle::from_word).ok_or(Status::InvalidHandle)
}

/// # Safety
/// A handle that isn't null may be read.
unsafe fn word(handle: *const SecHandle) -> Option<usize> {
    // SAFETY: by this function's contract.
    unsafe { handle.as_ref() }.map(|handle| handle.dwLower)
}
