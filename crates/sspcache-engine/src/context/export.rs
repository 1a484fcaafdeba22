//! Exported contexts: an established context packed, sealed, and taken up again, by another process if need be.
//!
//! `docs/messages.md` says what is in one.

use chacha20poly1305::{AeadInOut, Nonce, Tag};
use zeroize::Zeroizing;

use super::{
    ContextFlags, ContextHandle, ContextInfo, ExportOptions, Role, SessionKey,
    export_key::ExportKey,
    protection::{Branch, Position, Protection},
    sequence::Received,
    stage::{Context, Established},
    wire::{Reader, Writer},
};
use crate::{
    EventKind, FileTime, MessageSizes, Name, Operation, PackageInfo, SecurityStatus,
    package::Capabilities,
    state::{Instance, Named},
};

impl ExportKey {
    /// Encrypts what follows the header in place.
    fn seal(&self, packed: &mut Vec<u8>) -> Result<(), SecurityStatus> {
        let (header, body) = packed.split_at_mut(HEADER);
        let sealed = self.cipher(header).encrypt_inout_detached(&Nonce::default(), &[], body.into());
        packed.extend_from_slice(&sealed.map_err(|_| SecurityStatus::INTERNAL_ERROR)?);
        Ok(())
    }

    /// What was sealed, without header and tag.
    fn open(&self, packed: &[u8]) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        let (header, rest) = packed.split_at_checked(HEADER).ok_or(SecurityStatus::INVALID_TOKEN)?;
        let (sealed, tag) = rest.split_last_chunk().ok_or(SecurityStatus::INVALID_TOKEN)?;
        let mut body = Zeroizing::new(sealed.to_vec());
        self.cipher(header)
            .decrypt_inout_detached(&Nonce::default(), &[], (&mut body[..]).into(), &Tag::from(*tag))
            .map_err(|_| SecurityStatus::INVALID_TOKEN)?;
        Ok(body)
    }
}

impl Instance {
    /// See [`Engine::export`](crate::Engine::export).
    pub(crate) fn export(
        &self,
        context: ContextHandle,
        options: ExportOptions,
    ) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        let operation = Operation::ExportSecurityContext;
        self.enter(operation)?;
        let (found, key, now) = {
            let (state, now) = self.lock_at_now();
            (state.context(context), state.export_key().clone(), now)
        };
        let was_there = found.is_some();
        let packed = found.ok_or(SecurityStatus::INVALID_HANDLE).and_then(|shared| {
            let mut held = shared.lock();
            let Context::Established(established) = &*held else {
                return Err(SecurityStatus::INVALID_HANDLE);
            };
            let packed = established.pack(options.reset_new, &key)?;
            let mut state = self.lock();
            state.ledger.record(now, EventKind::ContextExported { context: context.word() });
            if options.delete_old {
                state.remove_context(context, now);
                state.ledger.record(now, EventKind::ContextDeleted { context: context.word() });
                // Another thread's call may still hold it.
                *held = Context::Failed;
            }
            Ok(packed)
        });
        packed.inspect_err(|&status| self.refused_for_context(operation, status, context, was_there, now))
    }

    /// See [`Engine::import`](crate::Engine::import).
    pub(crate) fn import(&self, package: &Name, packed: &[u8]) -> Result<ContextHandle, SecurityStatus> {
        let operation = Operation::ImportSecurityContext;
        self.enter(operation)?;
        let (mut state, now) = self.lock_at_now();
        let imported = state.package_id(package).and_then(|_| {
            let established = Established::unpack(packed, state.export_key())?;
            if !established.info.is_of(package) {
                return Err(SecurityStatus::INVALID_TOKEN);
            }
            let ContextInfo { role, package, client, .. } = &established.info;
            let (role, package, principal) = (*role, package.name.clone(), client.clone());
            let context = state.add_context(Context::Established(Box::new(established)))?;
            state.ledger.record_with(now, || EventKind::ContextImported {
                context: context.word(),
                role,
                package: package.to_string(),
                principal: principal.to_string(),
            });
            Ok(context)
        });
        if let Err(status) = imported {
            state.refused(operation, status, Named::default(), now);
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
    fn pack(&self, reset: bool, key: &ExportKey) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
        let Self { info, expires, protection } = self;
        let ContextInfo {
            role,
            flags,
            package,
            negotiated,
            client,
            server,
            target,
            bound: _,
            target_information,
            session_key,
            started_local,
            expires_local,
        } = info;
        // An established context has no use for a cache, nor for a first token.
        let PackageInfo {
            name,
            comment,
            capabilities,
            rpc_id,
            max_token,
            version,
            messages,
            caching: _,
            token_size: _,
        } = &**package;
        let names = [name, comment, &client.user, &client.domain, &server.user, &server.domain]
            .into_iter()
            .chain(target);
        let long = names.map(|name| name.units().len() * 2).sum::<usize>() + target_information.len();
        let mut packed = begin(long)?;
        let room = packed.capacity();
        let mut to = Writer(&mut packed);
        to.bytes(session_key.bytes());
        to.flag(*role == Role::Acceptor);
        to.flag(*negotiated);
        to.flags(*flags);
        let Position { next, received } = if reset { Position::default() } else { protection.position() };
        for number in [next, received.next, received.seen, expires.0, started_local.0, expires_local.0] {
            to.number(number);
        }
        to.name(name);
        to.name(comment);
        to.bytes(&capabilities.0.to_le_bytes());
        to.bytes(&max_token.to_le_bytes());
        to.bytes(&rpc_id.to_le_bytes());
        to.bytes(&version.to_le_bytes());
        let MessageSizes { signature, trailer, trailer_used, block } = *messages;
        for size in [signature, trailer, trailer_used, block] {
            to.bytes(&size.to_le_bytes());
        }
        to.principal(client);
        to.principal(server);
        to.optional_name(target.as_ref());
        to.field(target_information);
        key.seal(&mut packed)?;
        debug_assert_eq!(packed.capacity(), room, "everything has room");
        Ok(packed)
    }

    fn unpack(packed: &[u8], key: &ExportKey) -> Result<Self, SecurityStatus> {
        if !packed.starts_with(MAGIC) {
            return Err(SecurityStatus::INVALID_TOKEN);
        }
        let body = key.open(packed)?;
        let read = Self::read(&mut Reader(&body)).ok_or(SecurityStatus::INVALID_TOKEN)?;
        let (info, expires, position) = read;
        let mut branch = Branch::default();
        getrandom::fill(&mut branch.0).map_err(|_| SecurityStatus::INTERNAL_ERROR)?;
        let protection =
            Protection::new(&info.session_key, info.role, info.flags, &info.package).branch(branch, position);
        Ok(Self { info, expires, protection })
    }

    /// What [`Self::pack`] wrote, in that order.
    fn read(from: &mut Reader<'_>) -> Option<(ContextInfo, FileTime, Position)> {
        let session_key = SessionKey(Zeroizing::new(from.array()?));
        let role = if from.flag()? { Role::Acceptor } else { Role::Initiator };
        let negotiated = from.flag()?;
        let flags = ContextFlags::from_bits_retain(u32::from_le_bytes(from.array()?));
        let next = from.number()?;
        let received = Received { next: from.number()?, seen: from.number()? };
        let expires = FileTime(from.number()?);
        let (started_local, expires_local) = (FileTime(from.number()?), FileTime(from.number()?));
        let name = from.name()?;
        let package = PackageInfo {
            caching: PackageInfo::named(name.clone()).caching,
            name,
            comment: from.name()?,
            capabilities: Capabilities(u32::from_le_bytes(from.array()?)),
            max_token: u32::from_le_bytes(from.array()?),
            rpc_id: u16::from_le_bytes(from.array()?),
            version: u16::from_le_bytes(from.array()?),
            messages: MessageSizes {
                signature: u32::from_le_bytes(from.array()?),
                trailer: u32::from_le_bytes(from.array()?),
                trailer_used: u32::from_le_bytes(from.array()?),
                block: u32::from_le_bytes(from.array()?),
            },
            // Its handshake is over.
            token_size: None,
        };
        let info = ContextInfo {
            role,
            flags,
            package: package.into(),
            negotiated,
            client: from.principal()?,
            server: from.principal()?,
            target: if from.flag()? { Some(from.name()?) } else { None },
            bound: false,
            target_information: from.field()?.to_vec(),
            session_key,
            started_local,
            expires_local,
        };
        from.0.is_empty().then_some((info, expires, Position { next, received }))
    }
}

/// The beginning of an export, with a number that it draws, and room for everything, so that no growth leaves a copy of
/// the key behind.
fn begin(long: usize) -> Result<Zeroizing<Vec<u8>>, SecurityStatus> {
    let mut packed = Zeroizing::new(Vec::with_capacity(long + SHORT));
    packed.extend_from_slice(MAGIC);
    packed.resize(HEADER, 0);
    getrandom::fill(&mut packed[MAGIC.len()..]).map_err(|_| SecurityStatus::INTERNAL_ERROR)?;
    Ok(packed)
}

/// Begins an export; its last byte is the version.
const MAGIC: &[u8; 8] = b"sspcctx\x02";
/// With a random number, which no other export has.
const HEADER: usize = MAGIC.len() + 24;
/// Room for everything whose length is known, and more.
const SHORT: usize = 256;

#[cfg(test)]
mod tests {
    use proptest::{prelude::*, sample::Index};

    use super::*;
    use crate::context::{MESSAGE_TOKEN, Part};
    use crate::{Engine, Principal};

    fn engine() -> Engine {
        Engine::builder("MSNSSPC.dll").build()
    }

    /// An engine of another process that is configured with the same key.
    fn engine_with(key: &ExportKey) -> Engine {
        let engine = engine();
        engine.instance.lock().set_export_key(key.clone());
        engine
    }

    fn flags() -> ContextFlags {
        ContextFlags::INTEGRITY | ContextFlags::CONFIDENTIALITY | ContextFlags::SEQUENCE_DETECT
    }

    /// One whose tokens say which branch made them.
    fn package() -> PackageInfo {
        PackageInfo { messages: PackageInfo::named("MSN").messages, ..PackageInfo::named("NTLM") }
    }

    fn established(role: Role) -> Established {
        let info = ContextInfo {
            role,
            flags: flags(),
            package: package().into(),
            negotiated: true,
            client: Principal::new(Name::from_units(&[0xD800, 0x41]), "CONTOSO"),
            server: Principal::default(),
            target: Some(Name::from_units(&[0xDFFF; 300])),
            bound: false,
            target_information: vec![1, 2, 3],
            session_key: SessionKey(Zeroizing::new([7; 32])),
            started_local: FileTime(5),
            expires_local: FileTime::NEVER,
        };
        let protection = Protection::new(&info.session_key, role, info.flags, &info.package);
        Established { info, expires: FileTime::NEVER, protection }
    }

    fn insert(engine: &Engine, context: Context) -> ContextHandle {
        engine.instance.lock().add_context(context).unwrap()
    }

    /// An initiator and an acceptor.
    fn both(engine: &Engine) -> (ContextHandle, ContextHandle) {
        let context = |role| insert(engine, Context::Established(Box::new(established(role))));
        (context(Role::Initiator), context(Role::Acceptor))
    }

    fn send(engine: &Engine, context: ContextHandle) -> ([u8; 4], [u8; MESSAGE_TOKEN]) {
        let (mut data, mut token) = (*b"text", [0; MESSAGE_TOKEN]);
        engine.encrypt(context, 0, &mut [Part::Data(&mut data)], &mut token).unwrap();
        (data, token)
    }

    fn receive(
        engine: &Engine,
        context: ContextHandle,
        (mut data, token): ([u8; 4], [u8; MESSAGE_TOKEN]),
    ) -> Result<[u8; 4], SecurityStatus> {
        engine.decrypt(context, &mut [Part::Data(&mut data)], &token).map(|_| data)
    }

    /// S4
    #[test]
    fn an_imported_context_goes_on_where_the_exported_one_stopped() {
        let here = engine();
        let there = engine_with(here.instance.lock().export_key());
        let (initiator, acceptor) = both(&here);
        for _ in 0..3 {
            assert_eq!(receive(&here, acceptor, send(&here, initiator)), Ok(*b"text"));
        }
        assert_eq!(receive(&here, initiator, send(&here, acceptor)), Ok(*b"text"));

        let options = ExportOptions { delete_old: true, reset_new: false };
        let packed = here.export(acceptor, options).unwrap();
        assert_eq!(
            here.export(acceptor, options).unwrap_err(),
            SecurityStatus::INVALID_HANDLE,
            "it was deleted"
        );
        let acceptor = there.import(&Name::from("ntlm"), &packed).unwrap();
        assert_eq!(receive(&there, acceptor, send(&here, initiator)), Ok(*b"text"));
        assert_eq!(receive(&here, initiator, send(&there, acceptor)), Ok(*b"text"));
    }

    /// S4
    #[test]
    fn everything_about_a_context_survives_the_export_ill_formed_names_too() {
        let engine = engine();
        for role in [Role::Initiator, Role::Acceptor] {
            let before = established(role);
            let context = insert(&engine, Context::Established(Box::new(established(role))));
            let packed = engine.export(context, ExportOptions::default()).unwrap();
            let after = Established::unpack(&packed, engine.instance.lock().export_key()).unwrap();
            assert_eq!(format!("{:?}", after.info), format!("{:?}", before.info));
            assert_eq!(after.info.session_key.bytes(), before.info.session_key.bytes());
            assert_eq!(after.info.target.unwrap().units(), [0xDFFF; 300]);
            assert_eq!(after.info.client.user.units(), [0xD800, 0x41]);
            assert_eq!(after.expires, before.expires);
        }
    }

    /// S4
    #[test]
    fn an_export_may_begin_anew_and_leaves_the_original_alone_unless_told_otherwise() {
        let engine = engine();
        let (initiator, acceptor) = both(&engine);
        let first = send(&engine, initiator);
        assert_eq!(receive(&engine, acceptor, first), Ok(*b"text"));
        let reset = ExportOptions { reset_new: true, delete_old: false };
        let packed = engine.export(acceptor, reset).unwrap();
        let anew = engine.import(&Name::from("NTLM"), &packed).unwrap();
        let second = send(&engine, initiator);
        assert_eq!(receive(&engine, anew, second), Err(SecurityStatus::OUT_OF_SEQUENCE));
        assert_eq!(receive(&engine, anew, first), Ok(*b"text"));
        assert_eq!(receive(&engine, anew, second), Ok(*b"text"));
        assert_eq!(receive(&engine, acceptor, second), Ok(*b"text"));
    }

    /// S4
    #[test]
    fn no_two_copies_of_a_context_encrypt_alike() {
        let engine = engine();
        let (initiator, _) = both(&engine);
        let packed = engine.export(initiator, ExportOptions::default()).unwrap();
        let again = engine.export(initiator, ExportOptions::default()).unwrap();
        assert_ne!(again[MAGIC.len()..HEADER], packed[MAGIC.len()..HEADER], "the numbers of two exports");
        let copies = [(); 3].map(|()| engine.import(&Name::from("NTLM"), &packed).unwrap());
        let mut sent: Vec<_> =
            copies.iter().chain([&initiator]).map(|&context| send(&engine, context)).collect();
        sent.sort_unstable();
        // The nonces, which are all but the tag of a token.
        assert!(sent.windows(2).all(|pair| pair[0].1[..12] != pair[1].1[..12]));
    }

    /// S5
    #[test]
    fn only_whoever_has_the_key_imports_and_only_for_the_package() {
        let (engine, stranger) = (engine(), engine());
        let (initiator, _) = both(&engine);
        let packed = engine.export(initiator, ExportOptions::default()).unwrap();
        for (importer, package, expected) in [
            (&engine, "NTLM", None),
            (&engine, "negotiate", None), // which chose NTLM
            (&engine, "Kerberos", Some(SecurityStatus::INVALID_TOKEN)),
            (&engine, "Digest", Some(SecurityStatus::SECPKG_NOT_FOUND)),
            (&stranger, "NTLM", Some(SecurityStatus::INVALID_TOKEN)),
            (
                &engine_with(&ExportKey::from_secret(b"configured")),
                "NTLM",
                Some(SecurityStatus::INVALID_TOKEN),
            ),
        ] {
            assert_eq!(importer.import(&Name::from(package), &packed).err(), expected, "{package}");
        }
        let configured = |secret: &str| engine_with(&ExportKey::from_secret(secret.as_bytes()));
        let exporter = configured("one");
        let packed = exporter.export(both(&exporter).0, ExportOptions::default()).unwrap();
        let import = |engine: Engine| engine.import(&Name::from("NTLM"), &packed).err();
        assert_eq!(import(configured("one")), None);
        assert_eq!(import(configured("other")), Some(SecurityStatus::INVALID_TOKEN));
    }

    /// S4
    ///
    /// The sealed bytes come from the implementation in Python that `protection.rs` names.
    #[test]
    fn exports_are_sealed_as_an_independent_implementation_does() {
        const SEALED: [u8; 25] = [
            0x37, 0xCB, 0x31, 0x8A, 0x97, 0xAE, 0xD1, 0xCE, 0x2F, 0x89, 0x16, 0x06, 0x3A, 0x22, 0x42, 0xB1,
            0xFC, 0xDB, 0xE0, 0xB7, 0xCB, 0x0E, 0xCB, 0xAA, 0x39,
        ];
        let mut header = [0; HEADER];
        header[..MAGIC.len()].copy_from_slice(MAGIC);
        (0..).zip(&mut header[MAGIC.len()..]).for_each(|(number, byte)| *byte = number);
        let key = ExportKey::from_secret(b"shared");
        let mut packed = [&header[..], b"a context"].concat();
        key.seal(&mut packed).unwrap();
        assert_eq!(packed, [&header[..], &SEALED].concat());
        assert_eq!(**key.open(&packed).unwrap(), *b"a context");
    }

    /// S5
    #[test]
    fn an_export_of_another_version_is_refused() {
        let key = ExportKey::from_secret(b"");
        let packed = established(Role::Initiator).pack(false, &key).unwrap();
        let mut newer = [&packed[..HEADER], &key.open(&packed).unwrap()].concat();
        newer[MAGIC.len() - 1] += 1;
        key.seal(&mut newer).unwrap();
        assert!(key.open(&newer).is_ok());
        assert_eq!(Established::unpack(&newer, &key).err(), Some(SecurityStatus::INVALID_TOKEN));
        assert!(Established::unpack(&packed, &key).is_ok());
    }

    /// S5
    #[test]
    fn what_is_not_established_is_not_exported() {
        let engine = engine();
        let failed = insert(&engine, Context::Failed);
        for context in [failed, ContextHandle::from_word(0), ContextHandle::from_word(usize::MAX)] {
            let result = engine.export(context, ExportOptions::default());
            assert_eq!(result.unwrap_err(), SecurityStatus::INVALID_HANDLE);
        }
    }

    /// M8
    #[test]
    fn no_key_is_in_an_export_nor_shown() {
        let engine = engine();
        let packed = engine.export(both(&engine).0, ExportOptions::default()).unwrap();
        assert!(packed.windows(4).all(|window| window != [7; 4]));
        assert_eq!(format!("{:?}", engine.instance.lock().export_key()), "ExportKey");
    }

    proptest! {
        #![proptest_config(ProptestConfig::with_cases(if cfg!(miri) { 5 } else { 500 }))]

        /// S5
        #[test]
        fn an_export_that_was_changed_cut_or_made_up_is_refused(
            at in any::<Index>(), change in 1..=u8::MAX, cut in any::<Index>(), foreign in any::<Vec<u8>>(),
        ) {
            let engine = engine();
            let packed = engine.export(both(&engine).0, ExportOptions::default()).unwrap();
            let mut changed = packed.to_vec();
            changed[at.index(packed.len())] ^= change;
            let mut longer = packed.to_vec();
            longer.push(change);
            let made_up = [MAGIC, &foreign[..]].concat();
            for bad in [&changed[..], &longer, &packed[..cut.index(packed.len())], &foreign, &made_up] {
                prop_assert_eq!(engine.import(&Name::from("NTLM"), bad), Err(SecurityStatus::INVALID_TOKEN));
            }
        }

        /// S5
        #[test]
        fn reading_what_was_sealed_by_somebody_else_never_panics(
            body in any::<Vec<u8>>(), cut in any::<Index>(), at in any::<Index>(), byte in any::<u8>(),
        ) {
            let key = ExportKey::from_secret(b"");
            let packed = established(Role::Initiator).pack(false, &key).unwrap();
            let mut plain = key.open(&packed).unwrap();
            prop_assert!(Established::read(&mut Reader(&plain[..cut.index(plain.len())])).is_none());
            let longer = [&plain[..], &[byte]].concat();
            prop_assert!(Established::read(&mut Reader(&longer)).is_none());
            let index = at.index(plain.len());
            plain[index] = byte;
            let _ = Established::read(&mut Reader(&plain));
            let _ = Established::read(&mut Reader(&body));
        }
    }
}
