//! No secret is in anything that can be read of the project's types and programs: `Debug`, errors, panics, journals, verdicts.

use std::{
    collections::BTreeSet,
    fmt::{Debug, Write},
    fs,
    panic::{AssertUnwindSafe, catch_unwind},
    path::Path,
};

use sspcache::{CredentialProvider, FlushOnDrop, SignIn, context::ContextRequest};
use sspcache_engine::{
    AuthIdentity, KdcProxy, Logon, Secret, SecretKind,
    context::{AcceptRequest, ExportOptions, InitializeRequest},
    journal::{self, Journal, JournalFile},
    vault::{KeyRef, Limits, NEVER, NewCredential, Slab, Vault},
};
use sspcache_mock::{AcquireRequest, Config, Effect, Engine, Fault, MockProcess, MockSsp, Operation};
use sspcache_tests::program::{Ran, root, sspcache};

const SECRET: &str = "hunter2-in-any-text";

/// What a secret looks like in a text: as itself, as bytes or units in decimal, in hexadecimal.
fn forms() -> Vec<String> {
    let units = || SECRET.bytes().take(4);
    let list = |text: Vec<String>, between: &str| text.join(between);
    vec![
        SECRET.get(..7).expect("ASCII").to_owned(),
        list(units().map(|unit| unit.to_string()).collect(), ", "),
        list(units().map(|unit| format!("{unit}, 0")).collect(), ", "),
        list(units().map(|unit| format!("{unit:02x}")).collect(), ""),
        list(units().map(|unit| format!("{unit:02x}00")).collect(), ""),
    ]
}

#[track_caller]
fn has_no_secret(what: &str, text: &str) {
    for form in forms() {
        assert!(!text.to_lowercase().contains(&form), "{what}: {form:?} is in {text}");
    }
}

/// What was printed, by the name of its type.
#[derive(Default)]
struct Shown(Vec<(&'static str, String)>);

impl Shown {
    fn show(&mut self, name: &'static str, value: &dyn Debug) {
        self.0.push((name, format!("{value:?} {value:#?}")));
    }
}

/// Public types that have no place for a secret: numbers, names, what was done and what became of it. What is to be printed
/// of a new type belongs below; a name belongs here only if no caller could put a secret in.
const HOLD_NONE: &[&str] = &[
    // sspcache
    "CacheName",
    "Flush",
    "FlushReport",
    "FlushRow",
    "Impersonation",
    "NativeLoader",
    "Protection",
    "Providers",
    "SspCaches",
    "SspCachesBuilder",
    "WindowStation",
    // sspcache, the caches of today: names of servers, targets and principals, never what is kept for them
    "CacheStatus",
    "Caches",
    "Ccaches",
    "Contents",
    "Credentials",
    "Export",
    "Filter",
    "Kerberos",
    "NativeCcaches",
    "NativeCredentials",
    "NativeTickets",
    "Schannel",
    "Scope",
    "Selection",
    "StoredCredential",
    "WinInet",
    // sspcache-types
    "ContextFlags",
    "Progress",
    "Refusal",
    "Role",
    "SecurityStatus",
    // sspcache-engine
    "Acquired",
    "AnnouncedSizes",
    "Capabilities",
    "ContextHandle",
    "CredentialHandle",
    "Direction",
    "Effect",
    "Ended",
    "Ending",
    "FileTime",
    "Frame",
    "HandleCall",
    "HandleCalls",
    "HandlePolicy",
    "HandleRule",
    "Holds",
    "How",
    "Inserted",
    "Limits",
    "ManualClock",
    "Memory",
    "MessageSizes",
    "Name",
    "NegotiateFirst",
    "NegotiationInfo",
    "NegotiationState",
    "NotAFrame",
    "Operation",
    "OutOfMemory",
    "PackageInfo",
    "PackageList",
    // Shows nothing of what it keeps.
    "PerProcess",
    "Principal",
    "Reason",
    "SealedFor",
    "SecretKind",
    "Slot",
    "Source",
    "SystemClock",
    // Can't be shown.
    "Taken",
    // sspcache-mock: emulated caches of such names
    "CacheCall",
    "CacheEffect",
    "CacheFault",
    "MockCcaches",
    "MockCredentials",
    "MockSchannel",
    "MockTickets",
    "MockWinInet",
    // Modules and their interface stand for an engine.
    "MockInterface",
    "MockModule",
];

/// Public types whose bytes are what a caller gave or gets, and theirs to show: messages, tokens, keys of a table.
const ARE_THE_CALLERS: &[&str] = &["KeyRef", "Part", "Sealed", "Step"];

/// M8
#[test]
fn no_secret_is_in_what_any_public_type_shows() {
    let mut shown = Shown::default();
    show_engine(&mut shown);
    show_vault(&mut shown);
    show_library(&mut shown);
    for (name, text) in &shown.0 {
        has_no_secret(name, text);
    }
    let named: BTreeSet<&str> = shown
        .0
        .iter()
        .map(|(name, _)| *name)
        .chain(HOLD_NONE.iter().chain(ARE_THE_CALLERS).copied())
        .collect();
    let mut public = BTreeSet::new();
    for source in ["sspcache/src", "sspcache-types/src", "sspcache-engine/src", "sspcache-mock/src"] {
        public_types(&root().join("crates").join(source), &mut public);
    }
    let missing: Vec<_> = public.iter().filter(|name| !named.contains(name.as_str())).collect();
    assert!(missing.is_empty(), "new, and shown by nothing here: {missing:?}");
    let gone: Vec<_> = named.iter().filter(|name| !public.contains(**name)).collect();
    assert!(gone.is_empty(), "named here, and no public types any more: {gone:?}");
}

/// What a loader gives is a process's, not a secret's.
const LOADERS: [&str; 2] = ["FunctionTable", "NativeModule"];

/// The names of the public types in a folder's sources.
fn public_types(folder: &Path, found: &mut BTreeSet<String>) {
    for entry in fs::read_dir(folder).expect("the workspace's own").flatten() {
        let path = entry.path();
        if path.is_dir() {
            public_types(&path, found);
            continue;
        }
        let text = fs::read_to_string(&path).expect("sources are UTF-8");
        for line in text.lines() {
            let rest = ["pub struct ", "pub enum "]
                .into_iter()
                .find_map(|start| line.trim_start().strip_prefix(start));
            let name = rest.and_then(|rest| rest.split(|c: char| !c.is_alphanumeric()).next());
            found.extend(name.filter(|name| !LOADERS.contains(name)).map(str::to_owned));
        }
    }
}

fn alice() -> AuthIdentity {
    AuthIdentity::password("alice", "CONTOSO", SECRET)
}

fn show_engine(shown: &mut Shown) {
    let config = format!(
        "[context]\nexport-key = '{SECRET}'\n\
         [[account]]\nuser = 'alice'\ndomain = 'CONTOSO'\npassword = '{SECRET}'\n\
         [[logon]]\nuser = 'carol'\ndomain = 'CONTOSO'\npassword = '{SECRET}'\n\
         [[preload]]\npackage = 'MSN'\nuser = 'bob'\npassword = '{SECRET}'\n"
    );
    let config: Config = config.parse().unwrap();
    shown.show("Config", &config);
    let folder = tempfile::tempdir().unwrap();
    let sink = JournalFile::create(folder.path(), "MSNSSPC.dll").unwrap();
    shown.show("JournalFile", &sink);
    let builder = Engine::builder("MSNSSPC.dll").config(&config).export_key(SECRET).sink(sink);
    shown.show("EngineBuilder", &builder);
    let ssp = builder.build();
    let request = AcquireRequest::outbound("MSN").with_identity(alice());
    shown.show("AcquireRequest", &request);
    shown.show("AuthIdentity", &alice());
    for secret in [Secret::password(SECRET), Secret::opaque(SecretKind::Keytab, SECRET.as_bytes())] {
        shown.show("Secret", &secret);
    }
    let proxy = KdcProxy {
        server: "proxy".into(),
        force: true,
        client_tls_credential: SECRET.as_bytes().to_vec().into(),
    };
    shown.show("KdcProxy", &proxy);
    let acquired = ssp.acquire(&request).unwrap();
    let service = ssp.acquire(&AcquireRequest::inbound("MSN")).unwrap();
    let first = InitializeRequest::first(acquired.handle);
    shown.show("InitializeRequest", &first);
    let greeting = ssp.initialize(&first).unwrap();
    let accept = AcceptRequest::first(service.handle, &greeting.token);
    shown.show("AcceptRequest", &accept);
    let challenge = ssp.accept(&accept).unwrap();
    let next = InitializeRequest { context: Some(greeting.context), token: Some(&challenge.token), ..first };
    let proof = ssp.initialize(&next).unwrap();
    let last = AcceptRequest { context: Some(challenge.context), token: Some(&proof.token), ..accept };
    ssp.accept(&last).unwrap();
    let info = ssp.context(greeting.context).unwrap();
    shown.show("ContextInfo", &info);
    shown.show("SessionKey", &info.session_key);
    shown.show("ExportOptions", &ExportOptions::default());
    shown.show("CachedCredential", &ssp.cached_credentials());
    let held = ssp.acquire(&AcquireRequest::outbound("NTLM").with_identity(alice())).unwrap();
    shown.show("HeldCredential", &ssp.held_credentials());
    shown.show("Logon", &Logon::password("carol", "CONTOSO", SECRET));
    shown.show("Unclean", &ssp.check_clean().unwrap_err());
    shown.show("Engine", &ssp);
    shown.show("Fault", &Fault::new(Operation::CleanupCredentialCache, Effect::False));
    assert!(ssp.flush());
    ssp.free(held.handle).unwrap();
    shown.show("Event", &ssp.events());
    shown.show("EventKind", &ssp.events().into_iter().map(|event| event.kind).collect::<Vec<_>>());
    drop(ssp);
    let files = journal::find(folder.path()).unwrap();
    shown.show("Journal", &Journal::read(&files[0]).unwrap());
    let broken = format!("{{\"password\":{SECRET:?}}}\n");
    shown.show("JournalError", &Journal::parse(&files[0], broken.as_bytes()).unwrap_err());
    shown.show("ConfigError", &format!("password = '{SECRET}'").parse::<Config>().unwrap_err());
    has_no_secret("the journal", &fs::read_to_string(&files[0]).unwrap());
}

fn show_vault(shown: &mut Shown) {
    let mut slab = Slab::new();
    shown.show("Chunk", &slab.store(SECRET.as_bytes()).unwrap());
    shown.show("Slab", &slab);
    let mut vault = Vault::new(Limits::default());
    let user: Vec<u16> = "alice".encode_utf16().collect();
    let key = KeyRef { package: 0, user: &user, domain: &[] };
    let new = NewCredential { key, kind: 0, secret: SECRET.as_bytes(), cached_at: 0, expires: NEVER };
    shown.show("NewCredential", &new);
    let slot = vault.insert(new, &mut |_| {}).unwrap().slot;
    shown.show("Entry", &vault.get(slot).unwrap());
    shown.show("Vault", &vault);
    let mut gone = Vec::new();
    let another = NewCredential { secret: b"another", ..new };
    vault.insert(another, &mut |left| gone.push(format!("{left:?}"))).unwrap();
    assert_eq!(gone.len(), 1);
    shown.show("Gone", &gone);
    shown.show("Emptied", &vault.empty());
}

fn show_library(shown: &mut Shown) {
    let msn = MockSsp::msn().account("alice", "CONTOSO", SECRET);
    let loader = MockProcess::with_loaded([&msn]);
    let ssps = loader.provider();
    let package = ssps.security_package("MSNSSPC.dll", "MSN").unwrap();
    let sign_in = SignIn::password("alice", "CONTOSO", SECRET);
    shown.show("SignIn", &sign_in);
    shown.show("Identity", &sign_in.identity());
    let credential = package.acquire(&sign_in).unwrap();
    shown.show("SecurityPackage", &package);
    shown.show("Credential", &credential);
    let service = package.acquire_inbound().unwrap();
    shown.show("InboundCredential", &service);
    let request = ContextRequest::to("HTTP/web").with_channel_bindings(SECRET);
    shown.show("ContextRequest", &request);
    let handshake = credential.initiate(request);
    shown.show("Handshake", &handshake);
    let refused = service.accept(ContextRequest::new()).step(SECRET.as_bytes());
    shown.show("HandshakeError", &refused.unwrap_err());
    let (client, server) = sspcache::context::handshake(
        credential.initiate(ContextRequest::to("HTTP/web")),
        service.accept(ContextRequest::new()),
    )
    .unwrap();
    shown.show("SecurityContext", &client);
    shown.show("SecretBytes", &client.session_key().unwrap());
    shown.show("SecretBytes", &server.export().unwrap());
    shown.show("Error", &package.acquire(&SignIn::silent().as_principal(r"CONTOSO\nobody")).unwrap_err());
    shown.show("MockSsp", &msn);
    shown.show("MockProcess", &loader);
    let guard = FlushOnDrop::new(&ssps, drop);
    shown.show("FlushOnDrop", &guard);
    drop(guard);
    assert!(ssps.flush_all().is_success());
}

/// Configurations that can't be used, each with a secret wherever one could be.
const REFUSED: &[&str] = &[
    "S",
    "= 'S'",
    "password = 'S'",
    "[[account]]\nuser = 'alice'\npassword = 'S",
    "[[account]]\nuser = 'alice'\npassword = S",
    "[[account]]\nuser = 'alice'\npassword = 'S'\npassword = 'S'",
    "[[account]]\nuser = 'alice'\npassword = ['S']",
    "[[account]]\nuser = 'alice'\nS = 'S'",
    "[[account]]\nuser = ['S']\npassword = 'S'",
    "[[preload]]\nuser = 'alice'\npassword = 'S'",
    "[[preload]]\npackage = 'MSN'\nuser = 'alice'\npassword = \"\\xS\"",
    "[context]\nexport-key = ['S']",
    "[context]\nexport-key = 'S'\ncomplete-tokens = 'S'",
    "[cache]\ncapacity = 'S'",
    "[S]",
    "[[fault]]\noperation = 'S'\neffect = 'S'",
    "[[fault]]\noperation = 'CleanupCredentialCache'\neffect = 'S'",
];

/// M8: whichever prints them: the library, `config check`, `exec`.
#[test]
fn no_secret_is_in_any_error_about_a_configuration_or_a_journal() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("mock.toml");
    for text in REFUSED {
        let text = text.replace('S', SECRET);
        let error = text.parse::<Config>().expect_err(&text);
        has_no_secret(&text, &format!("{error} {error:?} {error:#?}"));
        fs::write(&file, &text).unwrap();
        for arguments in [&["config", "check"][..], &["exec", "--config"]] {
            let ran = Ran::of(sspcache().args(arguments).arg(&file).args(["--", "true"]));
            assert_ne!(ran.status, 0, "{text}: {ran:?}");
            has_no_secret(&text, &format!("{}{}", ran.stdout, ran.stderr));
        }
    }
    for line in
        ["{\"seq\":0,\"password\":\"S\"}\n", "S\n", "{\"seq\":\"S\"}\n", "[\"S\"]\n{\"S\n", "\u{1}S\n"]
    {
        let path = folder.path().join("1-MSNSSPC-0.jsonl");
        fs::write(&path, line.replace('S', SECRET)).unwrap();
        let error = Journal::read(&path).expect_err(line);
        has_no_secret(line, &format!("{error} {error:?}"));
        let ran = Ran::of(sspcache().args(["journal", "show"]).arg(&path));
        assert_ne!(ran.status, 0, "{ran:?}");
        has_no_secret(line, &format!("{}{}", ran.stdout, ran.stderr));
    }
}

/// M8, M11: what a panic carries, and what every error of every operation says, with the secret cached meanwhile.
#[test]
fn no_secret_is_in_any_error_or_panic_of_any_operation() {
    for &operation in Operation::ALL {
        for effect in [Effect::Panic, Effect::False] {
            let msn = MockSsp::msn().preload("MSN", "alice", "CONTOSO", SECRET);
            let msn = msn.fault(Fault::new(operation, effect));
            let ssps = MockProcess::with_loaded([&msn]).provider();
            let mut said = format!("{:?}", ssps.flush("MSNSSPC.dll"));
            if let Err(error) = ssps.security_package("MSNSSPC.dll", "MSN").and_then(|package| {
                let credential = package.acquire(&SignIn::password("alice", "CONTOSO", SECRET))?;
                package.change_password(
                    SignIn::password("alice", "CONTOSO", SECRET).identity().unwrap(),
                    SECRET,
                )?;
                let (client, server) = sspcache::context::handshake(
                    credential.initiate(ContextRequest::new()),
                    package.acquire_inbound()?.accept(ContextRequest::new()),
                )?;
                server.decrypt(&client.encrypt(SECRET.as_bytes())?)?;
                Ok(())
            }) {
                write!(said, "{error} {error:?}").expect("a string takes it");
            }
            let panicked = catch_unwind(AssertUnwindSafe(|| {
                msn.engine().acquire(&AcquireRequest::outbound("MSN").with_identity(alice()))
            }));
            if let Err(panic) = panicked {
                said += panic.downcast_ref::<&str>().copied().unwrap_or_default();
                said += panic.downcast_ref::<String>().map_or("", String::as_str);
            }
            write!(said, "{:?}", msn.events()).expect("a string takes it");
            has_no_secret(operation.name(), &said);
        }
    }
}
