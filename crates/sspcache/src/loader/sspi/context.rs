//! Handshakes, and what can be asked of a context.

use std::{ffi::c_void, ptr};

use sspcache_types::{ContextFlags, Progress, Refusal, Role, SecurityStatus};
use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::{
        Authentication::Identity::{
            ISC_REQ_ALLOCATE_MEMORY, SECBUFFER_EMPTY, SECBUFFER_TOKEN, SECPKG_ATTR_FLAGS, SECPKG_ATTR_NAMES,
            SECPKG_ATTR_PACKAGE_INFO, SECPKG_ATTR_SESSION_KEY, SECPKG_ATTR_SIZES, SECURITY_NATIVE_DREP,
            SecBuffer, SecBufferDesc, SecPkgContext_Flags, SecPkgContext_NamesW, SecPkgContext_PackageInfoW,
            SecPkgContext_SessionKey, SecPkgContext_Sizes,
        },
        Credentials::SecHandle,
    },
};
use zeroize::Zeroizing;

use super::{
    CredentialHandle, FunctionTable, UNSUPPORTED,
    memory::{self, ChannelBindings, HandedOut, buffer, describe},
    ok, string, wide,
};
use crate::request::ContextRequest;

/// A context handle of an SSP.
pub struct ContextHandle {
    pub(super) handle: SecHandle,
    role: Role,
}

/// The input buffers of a step, and what they point to.
struct Input {
    token: Vec<u8>,
    bindings: Option<ChannelBindings>,
    has_token: bool,
}

impl Input {
    /// The SSP may write to the token, so it gets a copy. The initiator's first step has none, unless the other side
    /// went first.
    fn new(is_first: bool, request: &ContextRequest, token: &[u8]) -> Result<Self, SecurityStatus> {
        let bindings = request.channel_bindings().map(ChannelBindings::new).transpose()?;
        Ok(Self { token: token.to_vec(), bindings, has_token: !(is_first && token.is_empty()) })
    }

    fn buffers(&mut self) -> Result<Vec<SecBuffer>, SecurityStatus> {
        let mut buffers = Vec::new();
        if self.has_token {
            buffers.push(buffer(SECBUFFER_TOKEN, &mut self.token)?);
        }
        buffers.extend(self.bindings.as_mut().map(ChannelBindings::buffer));
        Ok(buffers)
    }
}

impl FunctionTable {
    pub(super) fn next_step(
        &self,
        role: Role,
        credential: &CredentialHandle,
        context: &mut Option<ContextHandle>,
        request: &ContextRequest,
        token: &[u8],
    ) -> Result<(Progress, Vec<u8>), Refusal> {
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let is_first = role == Role::Initiator && context.is_none();
        let mut input = Input::new(is_first, request, token)?;
        let mut buffers = input.buffers()?;
        let mut input = describe(&mut buffers);
        let mut output = [memory::empty(SECBUFFER_TOKEN)];
        let mut described = describe(&mut output);
        let mut handle = context.as_ref().map_or(NO_HANDLE, |context| context.handle);
        let call = Call {
            credential: credential.0,
            context: context.as_ref().map(|context| context.handle),
            flags: request.flags().to_wire(role) | ISC_REQ_ALLOCATE_MEMORY,
            target: request.target().map(wide),
        };
        let status = match role {
            Role::Acceptor => self.accept(call, &mut input, &mut handle, &mut described)?,
            Role::Initiator => self.initialize(call, &mut input, &mut handle, &mut described)?,
        };
        // SAFETY: the SSP was asked to allocate the token: it is null, or as long as it says and ours to free.
        let mut token = unsafe { HandedOut::take(output[0].pvBuffer, output[0].cbBuffer, free) };
        let token = std::mem::take(&mut *token);
        if status >= SEC_E_OK {
            *context = Some(ContextHandle { handle, role });
        }
        match Progress::from_code(status) {
            Some(progress) => Ok((progress, token)),
            None => Err(Refusal {
                status: SecurityStatus(status),
                token: Some(token).filter(|token| !token.is_empty()),
            }),
        }
    }

    fn initialize(
        &self,
        mut call: Call,
        input: &mut SecBufferDesc,
        handle: &mut SecHandle,
        output: &mut SecBufferDesc,
    ) -> Result<i32, SecurityStatus> {
        let initialize = self.table().InitializeSecurityContextW.ok_or(UNSUPPORTED)?;
        let (mut flags, mut expiry) = (0, 0);
        let input = if input.cBuffers == 0 { ptr::null_mut() } else { ptr::from_mut(input) };
        // SAFETY: every pointer is null, where the page allows that, or to something that lives until the call returns:
        // the target ends in a null, and buffers are as long as they say.
        let status = unsafe {
            initialize(
                &raw mut call.credential,
                call.context.as_mut().map_or(ptr::null_mut(), ptr::from_mut),
                call.target.as_mut().map_or(ptr::null_mut(), |target| target.as_mut_ptr()),
                call.flags,
                0,
                SECURITY_NATIVE_DREP,
                input,
                0,
                handle,
                output,
                &raw mut flags,
                &raw mut expiry,
            )
        };
        Ok(status)
    }

    fn accept(
        &self,
        mut call: Call,
        input: &mut SecBufferDesc,
        handle: &mut SecHandle,
        output: &mut SecBufferDesc,
    ) -> Result<i32, SecurityStatus> {
        let accept = self.table().AcceptSecurityContext.ok_or(UNSUPPORTED)?;
        let (mut flags, mut expiry) = (0, 0);
        // SAFETY: as in `initialize`.
        let status = unsafe {
            accept(
                &raw mut call.credential,
                call.context.as_mut().map_or(ptr::null_mut(), ptr::from_mut),
                input,
                call.flags,
                SECURITY_NATIVE_DREP,
                handle,
                output,
                &raw mut flags,
                &raw mut expiry,
            )
        };
        Ok(status)
    }

    pub(super) fn complete_token(
        &self,
        context: &ContextHandle,
        token: &mut Vec<u8>,
    ) -> Result<(), SecurityStatus> {
        let complete = self.table().CompleteAuthToken.ok_or(UNSUPPORTED)?;
        let mut buffers = [buffer(SECBUFFER_TOKEN, token)?];
        let mut described = describe(&mut buffers);
        let mut handle = context.handle;
        // SAFETY: both pointers live until the call returns, and the buffer is as long as it says.
        ok(unsafe { complete(&raw mut handle, &raw mut described) })?;
        token.truncate(buffers[0].cbBuffer as usize);
        Ok(())
    }

    pub(super) fn delete_context(&self, context: &ContextHandle) -> Result<(), SecurityStatus> {
        self.call_with(self.table().DeleteSecurityContext, context)
    }

    /// Calls a function that takes a context and nothing else.
    #[allow(clippy::unused_self, reason = "the function lies in its module, which it keeps loaded")]
    pub(super) fn call_with(
        &self,
        function: Option<unsafe extern "system" fn(*mut SecHandle) -> i32>,
        context: &ContextHandle,
    ) -> Result<(), SecurityStatus> {
        let function = function.ok_or(UNSUPPORTED)?;
        let mut handle = context.handle;
        // SAFETY: the pointer lives until the call returns.
        ok(unsafe { function(&raw mut handle) })
    }

    pub(super) fn client_of(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let mut names = SecPkgContext_NamesW { sUserName: ptr::null_mut() };
        // SAFETY: this is the attribute's structure.
        unsafe { self.query(context, SECPKG_ATTR_NAMES, &mut names) }?;
        // SAFETY: the page says that the name is freed by FreeContextBuffer.
        let _name = unsafe { HandedOut::new(names.sUserName, free) };
        // SAFETY: if it isn't null, it is a string that ends in a null.
        unsafe { string(names.sUserName) }
    }

    pub(super) fn package_of(&self, context: &ContextHandle) -> Result<String, SecurityStatus> {
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let mut attribute = SecPkgContext_PackageInfoW { PackageInfo: ptr::null_mut() };
        // SAFETY: this is the attribute's structure.
        unsafe { self.query(context, SECPKG_ATTR_PACKAGE_INFO, &mut attribute) }?;
        // SAFETY: the page says that the package's description is freed by FreeContextBuffer, with its strings.
        let _info = unsafe { HandedOut::new(attribute.PackageInfo, free) };
        // SAFETY: if it isn't null, it is the description of a package.
        let info = unsafe { attribute.PackageInfo.as_ref() }.ok_or(SecurityStatus::INTERNAL_ERROR)?;
        // SAFETY: if it isn't null, the name is a string that ends in a null.
        unsafe { string(info.Name) }
    }

    pub(super) fn flags_of(&self, context: &ContextHandle) -> Result<ContextFlags, SecurityStatus> {
        let mut attribute = SecPkgContext_Flags { Flags: 0 };
        // SAFETY: this is the attribute's structure.
        unsafe { self.query(context, SECPKG_ATTR_FLAGS, &mut attribute) }?;
        Ok(ContextFlags::from_returned(context.role, attribute.Flags))
    }

    pub(super) fn session_key_of(
        &self,
        context: &ContextHandle,
    ) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let mut key = SecPkgContext_SessionKey { SessionKeyLength: 0, SessionKey: ptr::null_mut() };
        // SAFETY: this is the attribute's structure.
        unsafe { self.query(context, SECPKG_ATTR_SESSION_KEY, &mut key) }?;
        // SAFETY: the page says that the key is freed by FreeContextBuffer; it is as long as it says.
        Ok(unsafe { HandedOut::take(key.SessionKey, key.SessionKeyLength, free) })
    }

    pub(super) fn sizes_of(&self, context: &ContextHandle) -> Result<SecPkgContext_Sizes, SecurityStatus> {
        let mut sizes =
            SecPkgContext_Sizes { cbMaxToken: 0, cbMaxSignature: 0, cbBlockSize: 0, cbSecurityTrailer: 0 };
        // SAFETY: this is the attribute's structure.
        unsafe { self.query(context, SECPKG_ATTR_SIZES, &mut sizes) }?;
        Ok(sizes)
    }

    pub(super) fn export_context(
        &self,
        context: &ContextHandle,
    ) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        let export = self.table().ExportSecurityContext.ok_or(UNSUPPORTED)?;
        let free = self.table().FreeContextBuffer.ok_or(UNSUPPORTED)?;
        let mut packed = memory::empty(SECBUFFER_EMPTY);
        let mut handle = context.handle;
        // SAFETY: the pointers live until the call returns; the token's may be null.
        ok(unsafe { export(&raw mut handle, 0, &raw mut packed, ptr::null_mut()) })?;
        // SAFETY: the page says that the packed context is freed by FreeContextBuffer; it is as long as it says.
        Ok(unsafe { HandedOut::take(packed.pvBuffer, packed.cbBuffer, free) })
    }

    pub(super) fn import_context(
        &self,
        package: &str,
        role: Role,
        packed: &[u8],
    ) -> Result<ContextHandle, SecurityStatus> {
        let import = self.table().ImportSecurityContextW.ok_or(UNSUPPORTED)?;
        let mut package = wide(package);
        let mut packed = Zeroizing::new(packed.to_vec());
        let mut packed = buffer(SECBUFFER_EMPTY, &mut packed)?;
        let mut handle = NO_HANDLE;
        // SAFETY: the pointers live until the call returns: the package's name ends in a null, and the buffer is as
        // long as it says. Without a token the context gets none.
        ok(unsafe { import(package.as_mut_ptr(), &raw mut packed, ptr::null_mut(), &raw mut handle) })?;
        Ok(ContextHandle { handle, role })
    }

    /// `QueryContextAttributes`
    ///
    /// # Safety
    /// The structure is the attribute's.
    unsafe fn query<T>(
        &self,
        context: &ContextHandle,
        attribute: u32,
        structure: &mut T,
    ) -> Result<(), SecurityStatus> {
        let query = self.table().QueryContextAttributesW.ok_or(UNSUPPORTED)?;
        let mut handle = context.handle;
        // SAFETY: the caller promises the attribute's own structure; both pointers live until the call returns.
        ok(unsafe { query(&raw mut handle, attribute, ptr::from_mut(structure).cast::<c_void>()) })
    }
}

/// What both functions of a step take.
struct Call {
    credential: SecHandle,
    context: Option<SecHandle>,
    flags: u32,
    target: Option<Zeroizing<Vec<u16>>>,
}

const NO_HANDLE: SecHandle = SecHandle { dwLower: 0, dwUpper: 0 };
