//! `QueryContextAttributes`.
#![forbid(unsafe_code)]

use std::{ptr, slice};

use sspcache_engine::{
    FileTime, Holds, Name, SecurityStatus,
    context::{ContextInfo, NegotiationInfo, NegotiationState, Role},
};
use windows_sys::Win32::{
    Security::Authentication::Identity::{
        SECPKG_ATTR_ACCESS_TOKEN, SECPKG_ATTR_AUTHORITY, SECPKG_ATTR_CLIENT_SPECIFIED_TARGET,
        SECPKG_ATTR_DCE_INFO, SECPKG_ATTR_FLAGS, SECPKG_ATTR_KEY_INFO, SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS,
        SECPKG_ATTR_LIFESPAN, SECPKG_ATTR_NAMES, SECPKG_ATTR_NATIVE_NAMES, SECPKG_ATTR_NEGOTIATION_INFO,
        SECPKG_ATTR_PACKAGE_INFO, SECPKG_ATTR_PASSWORD_EXPIRY, SECPKG_ATTR_SESSION_KEY, SECPKG_ATTR_SIZES,
        SECPKG_ATTR_TARGET_INFORMATION, SECPKG_ATTR_USER_FLAGS, SECPKG_NEGOTIATION_COMPLETE,
        SECPKG_NEGOTIATION_IN_PROGRESS, SECPKG_NEGOTIATION_OPTIMISTIC, SecPkgAttrLastClientTokenNo,
        SecPkgAttrLastClientTokenYes, SecPkgContext_AccessToken, SecPkgContext_AuthorityW,
        SecPkgContext_ClientSpecifiedTarget, SecPkgContext_DceInfo, SecPkgContext_Flags,
        SecPkgContext_KeyInfoW, SecPkgContext_LastClientTokenStatus, SecPkgContext_Lifespan,
        SecPkgContext_NamesW, SecPkgContext_NativeNamesW, SecPkgContext_NegotiationInfoW,
        SecPkgContext_PackageInfoW, SecPkgContext_PasswordExpiry, SecPkgContext_SessionKey,
        SecPkgContext_Sizes, SecPkgContext_TargetInformation, SecPkgContext_UserFlags,
    },
    System::Rpc::RPC_C_AUTHZ_NAME,
};

use crate::{
    packages,
    raw::{AttributeBuffer, InHandle, Structure},
    state::Ssp,
    text::Encoding,
};

/// `QueryContextAttributes` (clause S4). What it hands out is freed with `FreeContextBuffer`, a pointer at a time.
///
/// Schannel's own attributes and unknown ones give `SEC_E_UNSUPPORTED_FUNCTION`.
///
/// Reference: [QueryContextAttributes](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-querycontextattributesw).
pub fn query_context_attributes<E: Encoding>(
    ssp: &Ssp,
    context: InHandle<'_>,
    buffer: AttributeBuffer<'_>,
) -> Result<(), SecurityStatus> {
    let engine = ssp.engine()?;
    let context = context.context()?;
    // Two can be asked before a handshake is done.
    match buffer.attribute {
        SECPKG_ATTR_NEGOTIATION_INFO => {
            let info = engine.negotiation(context)?;
            buffer.put(|| Ok(negotiation::<E>(ssp, &info)))
        }
        SECPKG_ATTR_LAST_CLIENT_TOKEN_STATUS => {
            let info = engine.negotiation(context)?;
            buffer.put(|| last_client_token(&info))
        }
        SECPKG_ATTR_ACCESS_TOKEN => buffer.put(|| {
            let token = engine.access_token(context)?;
            Ok(SecPkgContext_AccessToken { AccessToken: ptr::with_exposed_provenance_mut(token) })
        }),
        _ => {
            let info = engine.context(context)?;
            Query { ssp, info: &info, buffer }.answer::<E>()
        }
    }
}

/// Reference: [SecPkgContext_NegotiationInfo](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcontext_negotiationinfow).
fn negotiation<E: Encoding>(ssp: &Ssp, info: &NegotiationInfo) -> SecPkgContext_NegotiationInfoW {
    let package = packages::hand_out::<E>(ssp, slice::from_ref(&*info.package));
    SecPkgContext_NegotiationInfoW {
        PackageInfo: package.cast(),
        NegotiationState: match info.state {
            NegotiationState::Complete => SECPKG_NEGOTIATION_COMPLETE,
            NegotiationState::InProgress => SECPKG_NEGOTIATION_IN_PROGRESS,
            NegotiationState::Optimistic => SECPKG_NEGOTIATION_OPTIMISTIC,
        },
    }
}

/// Asked of an acceptor: whether the client's token was its last. One that goes on waits for another.
///
/// Reference: [SecPkgContext_LastClientTokenStatus](https://learn.microsoft.com/en-us/windows/win32/api/sspi/ns-sspi-secpkgcontext_lastclienttokenstatus).
fn last_client_token(info: &NegotiationInfo) -> Result<SecPkgContext_LastClientTokenStatus, SecurityStatus> {
    let status = match (info.role, info.is_established) {
        (Role::Acceptor, true) => SecPkgAttrLastClientTokenYes,
        (Role::Acceptor, false) => SecPkgAttrLastClientTokenNo,
        (Role::Initiator, _) => return Err(SecurityStatus::UNSUPPORTED_FUNCTION),
    };
    Ok(SecPkgContext_LastClientTokenStatus { LastClientTokenStatus: status })
}

struct Query<'q> {
    ssp: &'q Ssp,
    info: &'q ContextInfo,
    buffer: AttributeBuffer<'q>,
}

impl Query<'_> {
    /// Writes the attribute's structure. The A and the W structures differ in the strings' types alone.
    fn answer<E: Encoding>(&self) -> Result<(), SecurityStatus> {
        match self.buffer.attribute {
            SECPKG_ATTR_SIZES => self.put(|info| Ok(sizes(info))),
            SECPKG_ATTR_NAMES => self
                .put(|info| Ok(SecPkgContext_NamesW { sUserName: self.text::<E>(&info.client.to_string()) })),
            SECPKG_ATTR_NATIVE_NAMES => self.put(|info| {
                Ok(SecPkgContext_NativeNamesW {
                    sClientName: self.text::<E>(&info.client.to_string()),
                    sServerName: self.text::<E>(&server(info)),
                })
            }),
            SECPKG_ATTR_LIFESPAN => self.put(|info| {
                Ok(SecPkgContext_Lifespan {
                    tsStart: time(info.started_local),
                    tsExpiry: time(info.expires_local),
                })
            }),
            SECPKG_ATTR_PACKAGE_INFO => self.put(|_| {
                let package = self.package::<E>();
                Ok(SecPkgContext_PackageInfoW { PackageInfo: package.cast() })
            }),
            SECPKG_ATTR_SESSION_KEY => self.put(|info| {
                let (key, length) = self.bytes(info.session_key.bytes());
                Ok(SecPkgContext_SessionKey { SessionKeyLength: length, SessionKey: key })
            }),
            SECPKG_ATTR_KEY_INFO => self.put(|_| {
                Ok(SecPkgContext_KeyInfoW {
                    sSignatureAlgorithmName: self.text::<E>("HMAC-SHA256"),
                    sEncryptAlgorithmName: self.text::<E>("ChaCha20-Poly1305"),
                    KeySize: 256,
                    SignatureAlgorithm: CALG_HMAC,
                    // wincrypt.h has no number for it.
                    EncryptAlgorithm: 0,
                })
            }),
            SECPKG_ATTR_FLAGS => self.put(|info| Ok(SecPkgContext_Flags { Flags: flags(info) })),
            SECPKG_ATTR_AUTHORITY => self.put(|info| {
                Ok(SecPkgContext_AuthorityW {
                    sAuthorityName: self.text::<E>(&info.client.domain.to_string()),
                })
            }),
            SECPKG_ATTR_TARGET_INFORMATION => self.put(|info| {
                let (information, length) = self.bytes(&info.target_information);
                Ok(SecPkgContext_TargetInformation {
                    MarshalledTargetInfoLength: length,
                    MarshalledTargetInfo: information,
                })
            }),
            SECPKG_ATTR_CLIENT_SPECIFIED_TARGET => self.put(|info| {
                let target = info.target.as_ref().ok_or(SecurityStatus::TARGET_UNKNOWN)?;
                Ok(SecPkgContext_ClientSpecifiedTarget { sTargetName: self.text::<E>(&target.to_string()) })
            }),
            SECPKG_ATTR_PASSWORD_EXPIRY => {
                self.put(|_| Ok(SecPkgContext_PasswordExpiry { tsPasswordExpires: time(FileTime::NEVER) }))
            }
            SECPKG_ATTR_DCE_INFO => self.put(|info| {
                Ok(SecPkgContext_DceInfo {
                    AuthzSvc: RPC_C_AUTHZ_NAME,
                    pPac: self.text::<E>(&info.client.to_string()).cast(),
                })
            }),
            SECPKG_ATTR_USER_FLAGS => self.put(|_| Ok(SecPkgContext_UserFlags { UserFlags: 0 })),
            _ => Err(SecurityStatus::UNSUPPORTED_FUNCTION),
        }
    }

    fn put<T: Structure>(
        &self,
        make: impl FnOnce(&ContextInfo) -> Result<T, SecurityStatus>,
    ) -> Result<(), SecurityStatus> {
        self.buffer.put(|| make(self.info))
    }

    fn package<E: Encoding>(&self) -> *mut E::PackageInfo {
        packages::hand_out::<E>(self.ssp, slice::from_ref(&*self.info.package))
    }

    fn hand_out<T: Copy>(&self, items: &[T]) -> *mut T {
        self.ssp.hand_out(Holds::Attribute, Some(&self.info.package.name), items)
    }

    /// A string of the caller's form.
    fn text<E: Encoding>(&self, text: &str) -> *mut u16 {
        self.hand_out(&E::encode(Name::from(text).units())).cast()
    }

    /// Bytes and their number; none are at no place.
    fn bytes(&self, bytes: &[u8]) -> (*mut u8, u32) {
        if bytes.is_empty() {
            return (ptr::null_mut(), 0);
        }
        (self.hand_out(bytes), u32::try_from(bytes.len()).unwrap_or(u32::MAX))
    }
}

/// The sizes of tokens.
fn sizes(info: &ContextInfo) -> SecPkgContext_Sizes {
    let sizes = info.announced();
    SecPkgContext_Sizes {
        cbMaxToken: sizes.token,
        cbMaxSignature: sizes.signature,
        cbBlockSize: sizes.block,
        cbSecurityTrailer: sizes.trailer,
    }
}

fn flags(info: &ContextInfo) -> u32 {
    info.flags.to_returned(info.role)
}

/// The target that the initiator named, or else the acceptor's own name.
fn server(info: &ContextInfo) -> String {
    info.target.as_ref().map_or_else(|| info.server.to_string(), Name::to_string)
}

fn time(time: FileTime) -> i64 {
    time.0.cast_signed()
}

/// `CALG_HMAC` of wincrypt.h.
const CALG_HMAC: u32 = 0x8009;
