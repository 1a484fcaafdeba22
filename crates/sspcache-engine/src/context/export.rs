//! Exported contexts: an established context packed, sealed, and taken up again, by another process if need be.
//!
//! `docs/messages.md` says what is in one.

use std::sync::{Arc, PoisonError};

use chacha20poly1305::{AeadInOut, KeyInit, Tag, XChaCha20Poly1305, XNonce};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::{
    Context, ContextFlags, ContextHandle, ContextInfo, ExportOptions, Role, SessionKey,
    established::Established,
    protection::{Branch, Position, Protection},
    sequence::Received,
};
use crate::{
    Engine, FileTime, Name, Operation, PackageInfo, Principal, Status, package::Capabilities, sync::Mutex,
};

/// What exported contexts are sealed under.
#[derive(Clone)]
pub(crate) struct ExportKey(Zeroizing<[u8; 32]>);

impl ExportKey {
    /// A key that nobody else has.
    ///
    /// # Panics
    /// When the operating system gives no random numbers.
    pub(crate) fn random() -> Self {
        let mut key = Zeroizing::new([0; 32]);
        getrandom::fill(&mut *key).expect("the operating system has random numbers");
        Self(key)
    }

    /// The key that instances configured with the same secret share.
    #[allow(dead_code, reason = "the configuration's key is read elsewhere")]
    pub(crate) fn from_secret(secret: &[u8]) -> Self {
        let hash = Sha256::new().chain_update(b"sspcache export 1 ").chain_update(secret);
        Self(Zeroizing::new(hash.finalize().into()))
    }

    /// Encrypts what follows the header in place.
    fn seal(&self, packed: &mut Vec<u8>) -> Result<(), Status> {
        let (header, body) = packed.split_at_mut(HEADER);
        let nonce = nonce(header);
        let sealed = self.cipher().encrypt_inout_detached(&nonce, header, body.into());
        packed.extend_from_slice(&sealed.map_err(|_| Status::InternalError)?);
        Ok(())
    }

    /// What was sealed, without header and tag.
    fn open(&self, packed: &[u8]) -> Result<Zeroizing<Vec<u8>>, Status> {
        let (header, rest) = packed.split_at_checked(HEADER).ok_or(Status::InvalidToken)?;
        let (sealed, tag) = rest.split_last_chunk().ok_or(Status::InvalidToken)?;
        let mut body = Zeroizing::new(sealed.to_vec());
        self.cipher()
            .decrypt_inout_detached(&nonce(header), header, (&mut body[..]).into(), &Tag::from(*tag))
            .map_err(|_| Status::InvalidToken)?;
        Ok(body)
    }

    fn cipher(&self) -> XChaCha20Poly1305 {
        XChaCha20Poly1305::new((&*self.0).into())
    }
}

impl std::fmt::Debug for ExportKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("ExportKey")
    }
}

impl Engine {
    /// `ExportSecurityContext`: packs an established context, sealed under the configuration's key, or else under one of this instance.
    ///
    /// Unless it is deleted, the context stays usable here. It and its copies then have one sequence of messages each, of
    /// which a peer that detects sequences accepts one; they never encrypt under the same nonce.
    ///
    /// # Errors
    /// [`Status::InvalidHandle`], of an unfinished context too.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [ExportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-exportsecuritycontext).
    pub fn export(
        &self,
        context: ContextHandle,
        options: ExportOptions,
    ) -> Result<Zeroizing<Vec<u8>>, Status> {
        let operation = Operation::ExportSecurityContext;
        self.enter(operation)?;
        let (found, key, now) = {
            let (state, now) = self.lock_at_now();
            (state.contexts.get(context.word()).cloned(), state.export_key.clone(), now)
        };
        let packed = found.ok_or(Status::InvalidHandle).and_then(|shared| {
            let mut held = shared.lock().unwrap_or_else(PoisonError::into_inner);
            let Context::Established(established) = &*held else { return Err(Status::InvalidHandle) };
            let packed = established.pack(options.reset_new, &key)?;
            if options.delete_old {
                // Before anybody who has it already sends another message in it.
                *held = Context::Failed;
                self.lock().contexts.remove(context.word());
            }
            Ok(packed)
        });
        packed.inspect_err(|&status| self.lock().refused(operation, status, None, now))
    }

    /// `ImportSecurityContext`: makes a context of a packed one. It may be imported more than once.
    ///
    /// # Errors
    /// [`Status::SecpkgNotFound`]; [`Status::InvalidToken`] for what was not packed under the same key for this package;
    /// [`Status::InsufficientMemory`] when there is no handle left.
    ///
    /// # Panics
    /// When a fault says so.
    ///
    /// Reference: [ImportSecurityContext](https://learn.microsoft.com/en-us/windows/win32/api/sspi/nf-sspi-importsecuritycontextw).
    pub fn import(&self, package: &Name, packed: &[u8]) -> Result<ContextHandle, Status> {
        let operation = Operation::ImportSecurityContext;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let imported = state.package_id(package).and_then(|_| {
            let established = Established::unpack(packed, &state.export_key)?;
            if !established.info.is_of(package) {
                return Err(Status::InvalidToken);
            }
            let context = Arc::new(Mutex::new(Context::Established(Box::new(established))));
            let word = state.contexts.insert(context).ok_or(Status::InsufficientMemory)?;
            Ok(ContextHandle(word))
        });
        if let Err(status) = imported {
            state.refused(operation, status, None, now);
        }
        imported
    }
}

impl ContextInfo {
    /// Whether a client knows the context as this package's: the one that was used, or Negotiate when it chose that.
    fn is_of(&self, package: &Name) -> bool {
        self.package.name == *package || self.negotiated && *package == Name::from("Negotiate")
    }
}

impl Established {
    fn pack(&self, reset: bool, key: &ExportKey) -> Result<Zeroizing<Vec<u8>>, Status> {
        let Self { info, expires, protection } = self;
        let ContextInfo {
            role,
            flags,
            package,
            negotiated,
            client,
            server,
            target,
            target_information,
            session_key,
            started_local,
            expires_local,
        } = info;
        let PackageInfo { name, comment, capabilities, rpc_id, max_token, version } = package;
        let names = [name, comment, &client.user, &client.domain, &server.user, &server.domain]
            .into_iter()
            .chain(target);
        let long = names.map(|name| name.units().len() * 2).sum::<usize>() + target_information.len();
        let mut to = Packer::new(long)?;
        to.bytes(session_key.bytes());
        to.bytes(&[u8::from(*role == Role::Acceptor), u8::from(*negotiated)]);
        to.bytes(&flags.bits().to_le_bytes());
        let Position { next, received } = if reset { Position::default() } else { protection.position() };
        for number in [next, received.next, received.seen, expires.0, started_local.0, expires_local.0] {
            to.bytes(&number.to_le_bytes());
        }
        to.name(name);
        to.name(comment);
        to.bytes(&capabilities.0.to_le_bytes());
        to.bytes(&max_token.to_le_bytes());
        to.bytes(&rpc_id.to_le_bytes());
        to.bytes(&version.to_le_bytes());
        to.principal(client);
        to.principal(server);
        to.bytes(&[u8::from(target.is_some())]);
        if let Some(target) = target {
            to.name(target);
        }
        to.field(target_information);
        let mut packed = to.0;
        key.seal(&mut packed)?;
        Ok(packed)
    }

    fn unpack(packed: &[u8], key: &ExportKey) -> Result<Self, Status> {
        if !packed.starts_with(MAGIC) {
            return Err(Status::InvalidToken);
        }
        let body = key.open(packed)?;
        let read = Self::read(&mut Unpacker(&body)).ok_or(Status::InvalidToken)?;
        let (info, expires, position) = read;
        let mut branch = Branch::default();
        getrandom::fill(&mut branch.0).map_err(|_| Status::InternalError)?;
        let protection = Protection::new(&info.session_key, info.role, info.flags).branch(branch, position);
        Ok(Self { info, expires, protection })
    }

    /// What [`Self::pack`] wrote, in that order.
    fn read(from: &mut Unpacker<'_>) -> Option<(ContextInfo, FileTime, Position)> {
        let session_key = SessionKey(Zeroizing::new(from.array()?));
        let role = if from.flag()? { Role::Acceptor } else { Role::Initiator };
        let negotiated = from.flag()?;
        let flags = ContextFlags::from_bits_retain(u32::from_le_bytes(from.array()?));
        let next = from.number()?;
        let received = Received { next: from.number()?, seen: from.number()? };
        let expires = FileTime(from.number()?);
        let (started_local, expires_local) = (FileTime(from.number()?), FileTime(from.number()?));
        let package = PackageInfo {
            name: from.name()?,
            comment: from.name()?,
            capabilities: Capabilities(u32::from_le_bytes(from.array()?)),
            max_token: u32::from_le_bytes(from.array()?),
            rpc_id: u16::from_le_bytes(from.array()?),
            version: u16::from_le_bytes(from.array()?),
        };
        let info = ContextInfo {
            role,
            flags,
            package,
            negotiated,
            client: from.principal()?,
            server: from.principal()?,
            target: if from.flag()? { Some(from.name()?) } else { None },
            target_information: from.field()?.to_vec(),
            session_key,
            started_local,
            expires_local,
        };
        from.0.is_empty().then_some((info, expires, Position { next, received }))
    }
}

/// Writes a context, behind a header for which it draws a nonce.
struct Packer(Zeroizing<Vec<u8>>);

impl Packer {
    /// With room for everything, so that no growth leaves a copy of the key behind.
    fn new(long: usize) -> Result<Self, Status> {
        let mut packed = Zeroizing::new(Vec::with_capacity(long + SHORT));
        packed.extend_from_slice(MAGIC);
        packed.resize(HEADER, 0);
        getrandom::fill(&mut packed[MAGIC.len()..]).map_err(|_| Status::InternalError)?;
        Ok(Self(packed))
    }

    fn bytes(&mut self, bytes: &[u8]) {
        debug_assert!(self.0.len() + bytes.len() + TAG <= self.0.capacity(), "the room is reserved");
        self.0.extend_from_slice(bytes);
    }

    /// Bytes after their length.
    fn field(&mut self, bytes: &[u8]) {
        self.bytes(&(bytes.len() as u64).to_le_bytes());
        self.bytes(bytes);
    }

    fn name(&mut self, name: &Name) {
        self.bytes(&(name.units().len() as u64 * 2).to_le_bytes());
        name.units().iter().for_each(|unit| self.bytes(&unit.to_le_bytes()));
    }

    fn principal(&mut self, principal: &Principal) {
        self.name(&principal.user);
        self.name(&principal.domain);
    }
}

/// Reads a context; `None` where it ends too early.
struct Unpacker<'a>(&'a [u8]);

impl<'a> Unpacker<'a> {
    fn array<const N: usize>(&mut self) -> Option<[u8; N]> {
        let (array, rest) = self.0.split_first_chunk()?;
        self.0 = rest;
        Some(*array)
    }

    fn flag(&mut self) -> Option<bool> {
        match self.array()? {
            [0] => Some(false),
            [1] => Some(true),
            _ => None,
        }
    }

    fn number(&mut self) -> Option<u64> {
        self.array().map(u64::from_le_bytes)
    }

    fn field(&mut self) -> Option<&'a [u8]> {
        let length = usize::try_from(self.number()?).ok()?;
        let (field, rest) = self.0.split_at_checked(length)?;
        self.0 = rest;
        Some(field)
    }

    fn name(&mut self) -> Option<Name> {
        let (units, []) = self.field()?.as_chunks() else { return None };
        Some(Name::from_units(&units.iter().map(|&unit| u16::from_le_bytes(unit)).collect::<Vec<_>>()))
    }

    fn principal(&mut self) -> Option<Principal> {
        Some(Principal { user: self.name()?, domain: self.name()? })
    }
}

/// The nonce in the header of an export.
fn nonce(header: &[u8]) -> XNonce {
    let mut nonce = XNonce::default();
    nonce.copy_from_slice(&header[MAGIC.len()..]);
    nonce
}

/// Begins an export; its last byte is the version.
const MAGIC: &[u8; 8] = b"sspcctx\x01";
const HEADER: usize = MAGIC.len() + 24;
const TAG: usize = 16;
/// Room for everything whose length is known, and more.
const SHORT: usize = 256;
