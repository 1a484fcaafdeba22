//! The functions of contexts: the handshake, messages, export, and what can be asked.

use zeroize::Zeroizing;

use super::Engine;
use crate::{
    Name, Operation, Seal, SealedFor, SecurityStatus,
    context::{
        AcceptRequest, ContextHandle, ContextInfo, ExportOptions, InitializeRequest, NegotiationInfo, Part,
        Refusal, Step,
    },
};

impl Engine {
    /// `InitializeSecurityContext`: the next step of the initiator.
    ///
    /// # Errors
    /// Why the step was refused; of a first step no context is left.
    ///
    /// | status | when |
    /// | --- | --- |
    /// | [`SecurityStatus::INVALID_HANDLE`] | no such credential or context; a failed one, or an acceptor's |
    /// | [`SecurityStatus::NO_CREDENTIALS`] | an inbound credential, a flushed one (clause M4), or no package left |
    /// | [`SecurityStatus::TARGET_UNKNOWN`] | not among the targets of the configuration, or Kerberos alone for an address |
    /// | [`SecurityStatus::INVALID_TOKEN`] | no token, or not the one that is awaited; an established context |
    /// | [`SecurityStatus::BUFFER_TOO_SMALL`] | less room than the token needs: the step can be repeated |
    /// | [`SecurityStatus::CONTEXT_EXPIRED`] | the handshake took too long |
    /// | [`SecurityStatus::LOGON_DENIED`] | the acceptor's confirmation, reply or last token is not from who has the account |
    /// | [`SecurityStatus::UNKNOWN_CREDENTIALS`] | a user name that is too long for NTLM |
    /// | [`SecurityStatus::INSUFFICIENT_MEMORY`] | no handle is left |
    ///
    /// What the acceptor says in an error token comes as its status. After a wrong handle, a step on an
    /// established context and too little room the context is as it was; after anything else it can only be
    /// deleted.
    ///
    /// Reference: [InitializeSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-initializesecuritycontextw).
    pub fn initialize(&self, request: &InitializeRequest<'_>) -> Result<Step, Refusal> {
        self.instance.initialize(request)
    }

    /// `AcceptSecurityContext`: the next step of the acceptor.
    ///
    /// # Errors
    /// Why the step was refused; of a first step no context is left.
    ///
    /// | status | when |
    /// | --- | --- |
    /// | [`SecurityStatus::INVALID_HANDLE`] | no such credential or context; a failed one, or an initiator's |
    /// | [`SecurityStatus::NO_CREDENTIALS`] | an outbound credential |
    /// | [`SecurityStatus::INVALID_PARAMETER`] | `ALLOW_MISSING_BINDINGS` with `PROXY_BINDINGS` |
    /// | [`SecurityStatus::INVALID_TOKEN`] | no token, an unexpected one, one of another package; an established context |
    /// | [`SecurityStatus::WRONG_PRINCIPAL`] | the initiator named a target that this is none of |
    /// | [`SecurityStatus::LOGON_DENIED`] | a wrong secret, an unknown account, a null session that is not allowed, or a request of Kerberos that came before |
    /// | [`SecurityStatus::TIME_SKEW`] | a request of Kerberos whose time differs by more than five minutes |
    /// | [`SecurityStatus::BAD_BINDINGS`] | the initiator's channel bindings are others, or missing |
    /// | [`SecurityStatus::BUFFER_TOO_SMALL`] | less room than the token needs: the step can be repeated |
    /// | [`SecurityStatus::CONTEXT_EXPIRED`] | the handshake took too long |
    /// | [`SecurityStatus::INSUFFICIENT_MEMORY`] | no handle is left, or a token of Negotiate at Kerberos |
    ///
    /// What the initiator says in an error token comes as its status. After a wrong handle, a step on an
    /// established context and too little room the context is as it was; after anything else it can only be
    /// deleted.
    ///
    /// Reference: [AcceptSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-acceptsecuritycontext).
    pub fn accept(&self, request: &AcceptRequest<'_>) -> Result<Step, Refusal> {
        self.instance.accept(request)
    }

    /// `CompleteAuthToken`: completes a token that the configuration wants completed.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::CONTEXT_EXPIRED`] when the handshake took too long;
    /// [`SecurityStatus::INVALID_TOKEN`] for another token; [`SecurityStatus::UNSUPPORTED_FUNCTION`] when there is none
    /// to complete.
    ///
    /// Reference: [CompleteAuthToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-completeauthtoken).
    pub fn complete(&self, handle: ContextHandle, token: &mut [u8]) -> Result<(), SecurityStatus> {
        self.instance.complete(handle, token)
    }

    /// `DeleteSecurityContext`: ends a context, established or not, and wipes its keys.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`].
    ///
    /// Reference: [DeleteSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-deletesecuritycontext).
    pub fn delete_context(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.delete_context(handle)
    }

    /// `ApplyControlToken`: nothing that these packages know.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too, else [`SecurityStatus::UNSUPPORTED_FUNCTION`].
    ///
    /// Reference: [ApplyControlToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-applycontroltoken).
    pub fn apply_control_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.apply_control_token(handle)
    }

    /// `SetContextAttributes`: nothing that these packages know.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too, else [`SecurityStatus::UNSUPPORTED_FUNCTION`].
    ///
    /// Reference: [SetContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-setcontextattributesw).
    pub fn set_context_attributes(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.set_context_attributes(handle)
    }

    /// `ImpersonateSecurityContext`: pretends to act for the client, if the configuration says so. No token of the
    /// operating system changes, unless the token of the process is to be used for it; the journal has it.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`]; [`SecurityStatus::UNSUPPORTED_FUNCTION`] where the token of the process is to
    /// be used, and is out of reach; [`SecurityStatus::NO_IMPERSONATION`] unless the configuration asks for either, and for an initiator's context, a package without the capability, or a context without a token
    /// (`ASC_REQ_NO_TOKEN`).
    ///
    /// Reference: [ImpersonateSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-impersonatesecuritycontext).
    pub fn impersonate(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.impersonate(handle)
    }

    /// `RevertSecurityContext`: ends what [`Self::impersonate`] began. Doing so without need succeeds.
    ///
    /// # Errors
    /// As [`Self::impersonate`].
    ///
    /// Reference: [RevertSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-revertsecuritycontext).
    pub fn revert(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.revert(handle)
    }

    /// `QuerySecurityContextToken`: the handle of an access token, which the caller closes. There is one only with the
    /// token of the process.
    ///
    /// # Errors
    /// As [`Self::impersonate`]; [`SecurityStatus::NO_IMPERSONATION`] where it is simulated, too.
    ///
    /// Reference: [QuerySecurityContextToken](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querysecuritycontexttoken).
    pub fn context_token(&self, handle: ContextHandle) -> Result<usize, SecurityStatus> {
        self.instance.context_token(Operation::QuerySecurityContextToken, handle)
    }

    /// Whether [`Self::context_token`] opens one: its errors, without opening any.
    ///
    /// # Errors
    /// As [`Self::context_token`].
    pub fn may_have_token(&self, handle: ContextHandle) -> Result<(), SecurityStatus> {
        self.instance.may_have_token(handle)
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_ACCESS_TOKEN`: as [`Self::context_token`].
    ///
    /// # Errors
    /// As [`Self::context_token`].
    pub fn access_token(&self, handle: ContextHandle) -> Result<usize, SecurityStatus> {
        self.instance.context_token(Operation::QueryContextAttributes, handle)
    }

    /// `QueryContextAttributes`: everything that can be asked of an established context.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too.
    ///
    /// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
    pub fn context(&self, handle: ContextHandle) -> Result<ContextInfo, SecurityStatus> {
        self.instance.context(handle)
    }

    /// `QueryContextAttributes` with `SECPKG_ATTR_NEGOTIATION_INFO`: which package Negotiate has come to, also before the
    /// handshake is done. A bare package's negotiation is complete.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of a failed context too.
    ///
    /// Reference: [SecPkgContext_NegotiationInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcontext_negotiationinfow).
    pub fn negotiation(&self, handle: ContextHandle) -> Result<NegotiationInfo, SecurityStatus> {
        self.instance.negotiation(handle)
    }

    /// The package of a context, as [`negotiation`](Self::negotiation) has it: for an event alone, since it is no operation of SSPI's.
    pub fn package_of(&self, handle: ContextHandle) -> Option<Name> {
        self.instance.package_of(handle)
    }

    /// `MakeSignature`: signs the parts of a message into a token; returns its length. The parts are one message: how
    /// it is divided doesn't matter.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`]
    /// for any quality but 0, and without integrity; [`SecurityStatus::UNSUPPORTED_FUNCTION`] when the context is for
    /// encryption only; [`SecurityStatus::INVALID_TOKEN`] without any part; [`SecurityStatus::BUFFER_TOO_SMALL`] for a
    /// token of less than the package's [`signature`](crate::MessageSizes::signature). After 2⁴⁰ messages a context has
    /// expired; one of NTLM after 2³².
    ///
    /// Reference: [MakeSignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-makesignature).
    pub fn sign(
        &self,
        context: ContextHandle,
        qop: u32,
        parts: &[&[u8]],
        token: &mut [u8],
    ) -> Result<usize, SecurityStatus> {
        self.instance.sign(context, qop, parts, token)
    }

    /// `VerifySignature`: verifies a signed message; returns the quality of protection.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`]
    /// without integrity; [`SecurityStatus::UNSUPPORTED_FUNCTION`] when the context is for encryption only;
    /// [`SecurityStatus::INVALID_TOKEN`] without any part, and for what is no token of a signature;
    /// [`SecurityStatus::MESSAGE_ALTERED`]; then [`SecurityStatus::OUT_OF_SEQUENCE`], where the context detects it. A
    /// message that is refused changes nothing.
    ///
    /// Reference: [VerifySignature](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-verifysignature).
    pub fn verify_signature(
        &self,
        context: ContextHandle,
        parts: &[&[u8]],
        token: &[u8],
    ) -> Result<u32, SecurityStatus> {
        self.instance.verify_signature(context, parts, token)
    }

    /// `EncryptMessage`: encrypts the parts of a message in place and makes its token; returns the token's length. With
    /// [`WRAP_NO_ENCRYPT`](crate::context::WRAP_NO_ENCRYPT) it signs only. Parts of one kind that follow each other are
    /// one: how they are divided doesn't matter.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`]
    /// for any other quality, and in a context with neither integrity nor confidentiality;
    /// [`SecurityStatus::UNSUPPORTED_FUNCTION`] in a context that has the other of the two;
    /// [`SecurityStatus::INVALID_TOKEN`] without any data, or without a place for padding behind it in a package that
    /// pads; [`SecurityStatus::BUFFER_TOO_SMALL`] for a token of less than the package
    /// [uses](crate::MessageSizes::trailer_used), or too little room for padding. After 2⁴⁰ messages a context has
    /// expired; one of NTLM after 2³².
    ///
    /// Reference: [EncryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-encryptmessage).
    pub fn encrypt(
        &self,
        context: ContextHandle,
        qop: u32,
        parts: &mut [Part<'_>],
        token: &mut [u8],
    ) -> Result<usize, SecurityStatus> {
        self.instance.encrypt(context, qop, parts, token)
    }

    /// `DecryptMessage`: decrypts the parts of a message in place; returns the quality of protection, which is
    /// [`WRAP_NO_ENCRYPT`](crate::context::WRAP_NO_ENCRYPT) when it was only signed. Where the token is in a
    /// [`Part::Stream`], the other one isn't looked at. On failure what is in the parts is as it was.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], [`SecurityStatus::CONTEXT_EXPIRED`]; [`SecurityStatus::QOP_NOT_SUPPORTED`]
    /// in a context with neither integrity nor confidentiality; [`SecurityStatus::INVALID_TOKEN`] without any data, and
    /// for what is no token of an encrypted message in such a context; [`SecurityStatus::MESSAGE_ALTERED`]; then
    /// [`SecurityStatus::OUT_OF_SEQUENCE`], where the context detects it. A message that is refused changes nothing.
    ///
    /// Reference: [DecryptMessage](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-decryptmessage).
    pub fn decrypt(
        &self,
        context: ContextHandle,
        parts: &mut [Part<'_>],
        token: &[u8],
    ) -> Result<u32, SecurityStatus> {
        self.instance.decrypt(context, parts, token)
    }

    /// `ExportSecurityContext`: packs an established context, sealed under the configuration's key, or else under one
    /// of this instance.
    ///
    /// Unless it is deleted, the context stays usable here. It and its copies then have one sequence of messages each,
    /// of which a peer that detects sequences accepts one; they never encrypt under the same nonce.
    ///
    /// # Errors
    /// [`SecurityStatus::INVALID_HANDLE`], of an unfinished context too.
    ///
    /// Reference: [ExportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-exportsecuritycontext).
    pub fn export(
        &self,
        context: ContextHandle,
        options: ExportOptions,
    ) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        self.instance.export(context, options)
    }

    /// `ImportSecurityContext`: makes a context of a packed one. It may be imported more than once.
    ///
    /// # Errors
    /// [`SecurityStatus::SECPKG_NOT_FOUND`]; [`SecurityStatus::INVALID_TOKEN`] for what was not packed under the same
    /// key for this package;
    /// [`SecurityStatus::INSUFFICIENT_MEMORY`] when there is no handle left.
    ///
    /// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
    pub fn import(&self, package: &Name, packed: &[u8]) -> Result<ContextHandle, SecurityStatus> {
        self.instance.import(package, packed)
    }

    /// Encrypts in place. The header stays as it is, and may not be changed either.
    ///
    /// # Errors
    /// [`SecurityStatus::ENCRYPT_FAILURE`] when the operating system has no random numbers.
    pub fn seal(&self, reach: SealedFor, header: &[u8], body: &mut [u8]) -> Result<Seal, SecurityStatus> {
        self.instance.seal(reach, header, body)
    }

    /// Decrypts in place what [`seal`](Self::seal) encrypted; otherwise the bytes are what they were.
    ///
    /// # Errors
    /// [`SecurityStatus::DECRYPT_FAILURE`] for anything else, and for what another one's key encrypted.
    pub fn unseal(
        &self,
        reach: SealedFor,
        header: &[u8],
        body: &mut [u8],
        seal: &Seal,
    ) -> Result<(), SecurityStatus> {
        self.instance.unseal(reach, header, body, seal)
    }
}
