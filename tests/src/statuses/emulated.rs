//! The engine in this process, in safe Rust.

use std::panic::{AssertUnwindSafe, catch_unwind};

use sspcache_engine::{
    AcquireRequest, AuthIdentity, CredentialHandle, Direction, Engine, KdcProxy, Name, Operation,
    PackageList, Principal, Secret, SecretKind, SecurityStatus,
    context::{
        AcceptRequest, ContextFlags, ContextHandle, ExportOptions, InitializeRequest, Part, Refusal, Role,
        Step,
    },
};
use windows_sys::Win32::Security::Authentication::Identity as sspi;

use super::{
    row::Out,
    run::{Answer, Ask, Driver, FALSE, Leg, Message, Sent},
};
use crate::identity::{KEYTAB, Parts};

pub struct Emulated(Engine);

impl Emulated {
    pub fn new(config: &str) -> Self {
        let config = config.parse().unwrap_or_else(|error| panic!("{error}"));
        Self(Engine::builder("MSNSSPC.dll").config(&config).build())
    }

    /// Flushes, and tells whether that succeeded, and how many credentials are cached then.
    pub fn flushed(&self) -> (bool, usize) {
        let flushed = catch_unwind(AssertUnwindSafe(|| self.0.flush())).unwrap_or(false);
        (flushed, self.0.cached())
    }
}

/// A call as a client of the C ABI sees it: a panic has become a status, and a refusal leaves nothing written.
fn answer<T>(call: impl FnOnce() -> Result<T, SecurityStatus>) -> Answer<T> {
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SecurityStatus::INTERNAL_ERROR));
    result.map(|given| (0, given)).map_err(|status| (status.code(), Out::Untouched))
}

fn stepped(call: impl FnOnce() -> Result<Step, Refusal>) -> Answer<Sent> {
    let result = catch_unwind(AssertUnwindSafe(call)).unwrap_or(Err(SecurityStatus::INTERNAL_ERROR.into()));
    match result {
        Ok(step) => Ok((step.progress.code(), (step.context.word(), step.token))),
        Err(Refusal { status, token }) => {
            Err((status.code(), if token.is_some() { Out::Written } else { Out::Untouched }))
        }
    }
}

fn request(ask: &Ask) -> AcquireRequest {
    let direction = match ask.credential_use & sspi::SECPKG_CRED_BOTH {
        sspi::SECPKG_CRED_INBOUND => Direction::Inbound,
        sspi::SECPKG_CRED_OUTBOUND => Direction::Outbound,
        _ => Direction::Both,
    };
    let mut request = AcquireRequest::new(ask.package.as_str(), direction);
    request.autologon_restricted = ask.credential_use & sspi::SECPKG_CRED_AUTOLOGON_RESTRICTED != 0;
    request.process_policy_only = ask.credential_use & sspi::SECPKG_CRED_PROCESS_POLICY_ONLY != 0;
    if let Some(parts) = &ask.identity {
        request = identified(request, parts);
    }
    if let Some(principal) = &ask.principal {
        request = request.with_principal(principal.as_str());
    }
    request
}

/// What the C ABI makes of an identity's parts.
fn identified(request: AcquireRequest, parts: &Parts) -> AcquireRequest {
    let list = PackageList::parse(parts.packages.as_deref().unwrap_or_default());
    if let Parts { user: None, domain: None, password: None, opaque: None, .. } = parts {
        return request.with_packages(list);
    }
    let text = |part: &Option<String>| part.as_deref().unwrap_or_default().to_owned();
    let secret = match &parts.opaque {
        None => Secret::password(&text(&parts.password)),
        Some((KEYTAB, bytes)) => Secret::opaque(SecretKind::Keytab, bytes),
        Some((_, bytes)) => Secret::opaque(SecretKind::Certificate, bytes),
    };
    let identity = AuthIdentity::new(Principal::new(text(&parts.user), text(&parts.domain)), secret);
    let lacks_user = parts.user.is_none() && !identity.is_anonymous();
    let identity = identity.with_packages(list);
    request.with_identity(if lacks_user { identity.without_user() } else { identity })
}

impl Driver for Emulated {
    fn acquire(&mut self, ask: &Ask) -> Answer<usize> {
        answer(|| self.0.acquire(&request(ask)).map(|acquired| acquired.handle.word()))
    }

    fn add(&mut self, credential: usize, ask: &Ask) -> Answer<()> {
        let credential = CredentialHandle::from_word(credential);
        answer(|| self.0.add_credentials(credential, &request(ask)).map(drop))
    }

    fn change_password(&mut self, [package, domain, account, old, new]: [&str; 5]) -> Answer<()> {
        let [old, new] = [old, new].map(Secret::password);
        let principal = Principal::new(account, domain);
        answer(|| self.0.change_password(&Name::from(package), &principal, old, new))
    }

    fn set(&mut self, credential: usize, attribute: u32, _: &[u8]) -> Answer<()> {
        let proxy =
            KdcProxy { server: "proxy".into(), force: false, client_tls_credential: Vec::new().into() };
        let known = attribute == sspi::SECPKG_CRED_ATTR_KDC_PROXY_SETTINGS;
        let settings = || if known { Ok(proxy) } else { Err(SecurityStatus::UNSUPPORTED_FUNCTION) };
        answer(|| self.0.set_kdc_proxy(CredentialHandle::from_word(credential), settings))
    }

    fn free(&mut self, credential: usize) -> Answer<()> {
        answer(|| self.0.free(CredentialHandle::from_word(credential)))
    }

    fn names(&mut self, credential: usize) -> Answer<()> {
        answer(|| self.0.principal(CredentialHandle::from_word(credential)).map(drop))
    }

    fn package(&mut self, name: &str) -> Answer<()> {
        answer(|| {
            self.0.enter(Operation::QuerySecurityPackageInfo)?;
            self.0.package(&Name::from(name)).map(drop)
        })
    }

    fn packages(&mut self) -> Answer<()> {
        answer(|| {
            self.0.enter(Operation::EnumerateSecurityPackages)?;
            drop(self.0.packages());
            Ok(())
        })
    }

    fn initialize(&mut self, leg: &Leg) -> Answer<Sent> {
        stepped(|| {
            self.0.initialize(&InitializeRequest {
                credential: leg.credential.map(CredentialHandle::from_word),
                context: leg.context.map(ContextHandle::from_word),
                target: leg.target.as_deref().map(Name::from),
                flags: ContextFlags::from_wire(Role::Initiator, leg.flags),
                token: leg.token.as_deref(),
                bindings: leg.bindings.as_deref(),
                room: leg.room,
            })
        })
    }

    fn accept(&mut self, leg: &Leg) -> Answer<Sent> {
        stepped(|| {
            self.0.accept(&AcceptRequest {
                credential: leg.credential.map(CredentialHandle::from_word),
                context: leg.context.map(ContextHandle::from_word),
                flags: ContextFlags::from_wire(Role::Acceptor, leg.flags),
                token: leg.token.as_deref(),
                bindings: leg.bindings.as_deref(),
                room: leg.room,
            })
        })
    }

    fn complete(&mut self, context: usize, token: &mut Vec<u8>) -> Answer<()> {
        answer(|| self.0.complete(ContextHandle::from_word(context), token))
    }

    fn manage(&mut self, function: &str, context: usize) -> Answer<()> {
        let context = ContextHandle::from_word(context);
        answer(|| match function {
            "delete" => self.0.delete_context(context),
            "impersonate" => self.0.impersonate(context),
            "revert" => self.0.revert(context),
            "token" => self.0.context_token(context).map(drop),
            "control" => self.0.apply_control_token(context),
            _ => self.0.set_context_attributes(context),
        })
    }

    fn query(&mut self, context: usize, _: u32, _: Option<u32>) -> Answer<()> {
        answer(|| self.0.context(ContextHandle::from_word(context)).map(drop))
    }

    fn protect(&mut self, function: &str, context: usize, qop: u32, message: &mut Message) -> Answer<()> {
        let context = ContextHandle::from_word(context);
        let Message { token, data } = message;
        answer(|| match function {
            "sign" => self.0.sign(context, qop, &[data], token).map(|length| token.truncate(length)),
            "verify" => self.0.verify_signature(context, &[data], token).map(drop),
            "encrypt" => {
                let length = self.0.encrypt(context, qop, &mut [Part::Data(data)], token)?;
                token.truncate(length);
                Ok(())
            }
            _ => self.0.decrypt(context, &mut [Part::Data(data)], token).map(drop),
        })
    }

    fn export(&mut self, context: usize, delete_old: bool) -> Answer<Vec<u8>> {
        let options = ExportOptions { delete_old, ..ExportOptions::default() };
        answer(|| self.0.export(ContextHandle::from_word(context), options).map(|packed| packed.to_vec()))
    }

    fn import(&mut self, package: &str, packed: &[u8]) -> Answer<usize> {
        answer(|| self.0.import(&Name::from(package), packed).map(ContextHandle::word))
    }

    fn flush(&mut self) -> Answer<()> {
        let flushed = catch_unwind(AssertUnwindSafe(|| self.0.flush())).unwrap_or(false);
        if flushed { Ok((0, ())) } else { Err((FALSE, Out::Untouched)) }
    }
}
