//! Random sequences of operations agree with a plain model of the cache and of what handles hold: clauses M1 to M4, M9, M10,
//! P2, P3.
//!
//! The model is a list that is searched from end to end; names are numbers in it, written in several ways for the
//! engine, so that it can't share a mistake in how names compare. `SSPCACHE_TEST_CASES` gives the number of sequences.

use std::{env, num::NonZeroU32, time::Duration};

use proptest::{collection, prelude::*};
use sspcache_engine::{
    AcquireRequest, Acquired, AuthIdentity, CredentialHandle, Direction, Ended, Ending, Engine, EventKind,
    HandlePolicy, Logon, Principal, Secret, SecurityStatus, Source, clock::ManualClock,
};

/// Each user's name, in writings that Windows takes for the same.
const USERS: &[&[&str]] =
    &[&["alice", "ALICE", "aLiCe"], &["élodie", "ÉLODIE"], &["straße"], &["strasse", "STRASSE"]];
const DOMAINS: &[&[&str]] = &[&["CONTOSO", "contoso"], &["fabrikam.example", "Fabrikam.Example"]];
const SECRETS: &[&str] = &["one", "two", ""];
const PACKAGES: &[&[&str]] = &[&["MSN", "msn"], &["DPA", "dpa"], &["NTLM", "ntlm"]];
/// The one that doesn't cache.
const NTLM: usize = 2;
const LIFETIME: u64 = 100;
/// Whom the session has logged on, where it has.
const LOGGED_ON: &str = "zoe";

#[derive(Clone, Copy, Debug)]
enum Step {
    Advance(u64),
    Anonymous { package: usize },
    Check { handle: usize },
    Explicit { package: usize, user: usize, domain: usize, secret: usize, writing: usize, both: bool },
    Flush,
    Free { handle: usize },
    Inbound { package: usize },
    Restricted { package: usize, policy_only: bool },
    Silent { package: usize, of: Option<(usize, usize)>, writing: usize },
    UnknownPackage,
}

fn step() -> impl Strategy<Value = Step> {
    let package = 0..PACKAGES.len();
    prop_oneof![
        2 => (0..LIFETIME).prop_map(Step::Advance),
        1 => package.clone().prop_map(|package| Step::Anonymous { package }),
        3 => any::<usize>().prop_map(|handle| Step::Check { handle }),
        6 => (package.clone(), 0..USERS.len(), 0..DOMAINS.len(), 0..SECRETS.len(), any::<usize>(), any::<bool>())
            .prop_map(|(package, user, domain, secret, writing, both)| {
                Step::Explicit { package, user, domain, secret, writing, both }
            }),
        2 => Just(Step::Flush),
        3 => any::<usize>().prop_map(|handle| Step::Free { handle }),
        1 => package.clone().prop_map(|package| Step::Inbound { package }),
        1 => (package.clone(), any::<bool>())
            .prop_map(|(package, policy_only)| Step::Restricted { package, policy_only }),
        4 => (package, proptest::option::of((0..USERS.len(), 0..DOMAINS.len())), any::<usize>())
            .prop_map(|(package, of, writing)| Step::Silent { package, of, writing }),
        1 => Just(Step::UnknownPackage),
    ]
}

#[derive(Clone, Debug)]
struct Setup {
    retain: bool,
    expires: bool,
    capacity: Option<u32>,
    logged_on: bool,
}

fn setup() -> impl Strategy<Value = Setup> {
    (any::<bool>(), any::<bool>(), proptest::option::of(1..4u32), any::<bool>())
        .prop_map(|(retain, expires, capacity, logged_on)| Setup { retain, expires, capacity, logged_on })
}

/// A credential of the model: the most recently used one comes last.
#[derive(Clone, Debug)]
struct Cached {
    id: usize,
    package: usize,
    user: usize,
    domain: usize,
    secret: usize,
    expires: u64,
}

#[derive(Clone, Debug)]
struct Handle {
    real: CredentialHandle,
    inbound: bool,
    credential: Credential,
}

#[derive(Clone, Copy, Debug)]
enum Credential {
    /// With its id and its secret.
    Cached(usize, usize),
    /// The logon session's.
    Default,
    /// With its secret, which no other principal finds.
    Held(usize),
    Nobody,
}

#[derive(Debug, Default)]
struct Model {
    now: u64,
    next_id: usize,
    cached: Vec<Cached>,
    handles: Vec<Handle>,
}

impl Model {
    fn touch(&mut self, at: usize) -> Cached {
        let credential = self.cached.remove(at);
        self.cached.push(credential.clone());
        credential
    }

    fn retained(&self) -> usize {
        let mut gone: Vec<usize> = self
            .handles
            .iter()
            .filter_map(|handle| match handle.credential {
                Credential::Cached(id, _) => Some(id),
                _ => None,
            })
            .filter(|id| self.cached.iter().all(|cached| cached.id != *id))
            .collect();
        gone.sort_unstable();
        gone.dedup();
        gone.len()
    }

    fn held(&self) -> usize {
        self.handles.iter().filter(|handle| matches!(handle.credential, Credential::Held(_))).count()
    }
}

fn written(writings: &[&'static str], writing: usize) -> &'static str {
    writings[writing % writings.len()]
}

struct Pair {
    setup: Setup,
    clock: ManualClock,
    engine: Engine,
    model: Model,
}

impl Pair {
    fn new(setup: Setup) -> Self {
        let clock = ManualClock::default();
        let mut builder = Engine::builder("MSNSSPC.dll").clock(clock.clone());
        if setup.logged_on {
            builder = builder.logon(Logon::password(LOGGED_ON, "", "session"));
        }
        if setup.retain {
            builder = builder.handle_policy(HandlePolicy::Retain);
        }
        if setup.expires {
            builder = builder.lifetime(Duration::from_secs(LIFETIME));
        }
        if let Some(capacity) = setup.capacity {
            builder = builder.capacity(NonZeroU32::new(capacity).unwrap());
        }
        Self { setup, clock, engine: builder.build(), model: Model::default() }
    }

    fn run(&mut self, step: Step) {
        let Self { engine, model, setup, clock } = self;
        match step {
            Step::Advance(seconds) => {
                clock.advance(Duration::from_secs(seconds));
                model.now += seconds;
                model.cached.retain(|cached| cached.expires > model.now);
            }
            Step::Anonymous { package } => {
                let request = AcquireRequest::outbound(PACKAGES[package][0]);
                let acquired =
                    engine.acquire(&request.with_identity(AuthIdentity::password("", "", ""))).unwrap();
                assert_eq!(acquired.source, Source::Anonymous);
                let credential = Credential::Nobody;
                model.handles.push(Handle { real: acquired.handle, inbound: false, credential });
            }
            Step::Check { handle } => {
                if model.handles.is_empty() {
                    return;
                }
                let handle = &model.handles[handle % model.handles.len()];
                let there = |id| setup.retain || model.cached.iter().any(|cached| cached.id == id);
                let expected = match handle.credential {
                    _ if handle.inbound => Err(SecurityStatus::NO_CREDENTIALS),
                    Credential::Cached(id, _) if !there(id) => Err(SecurityStatus::NO_CREDENTIALS),
                    _ => Ok(()),
                };
                assert_eq!(engine.check_usable(handle.real), expected);
                if let (Credential::Cached(_, secret) | Credential::Held(secret), Ok(())) =
                    (handle.credential, expected)
                {
                    for (index, text) in SECRETS.iter().enumerate() {
                        let holds = engine.holds_secret(handle.real, &Secret::password(text));
                        assert_eq!(holds, Ok(index == secret));
                    }
                }
            }
            Step::Explicit { package, user, domain, secret, writing, both } => {
                let direction = if both { Direction::Both } else { Direction::Outbound };
                let (user_name, domain_name) =
                    (written(USERS[user], writing), written(DOMAINS[domain], writing / 3));
                let identity = match writing % 3 {
                    0 => AuthIdentity::password(user_name, domain_name, SECRETS[secret]),
                    1 => AuthIdentity::password(format!("{domain_name}\\{user_name}"), "", SECRETS[secret]),
                    _ => AuthIdentity::password(format!("{user_name}@{domain_name}"), "", SECRETS[secret]),
                };
                let request = AcquireRequest::new(written(PACKAGES[package], writing), direction);
                let acquired = engine.acquire(&request.with_identity(identity)).unwrap();
                assert_eq!(acquired.source, Source::Explicit);
                self.explicit_in_model(package, user, domain, secret, &acquired);
            }
            Step::Flush => {
                assert!(engine.flush());
                model.cached.clear();
            }
            Step::Free { handle } => {
                if model.handles.is_empty() {
                    return;
                }
                let handle = model.handles.swap_remove(handle % model.handles.len());
                assert_eq!(engine.free(handle.real), Ok(()));
                assert_eq!(engine.free(handle.real), Err(SecurityStatus::INVALID_HANDLE));
                assert_eq!(engine.check_usable(handle.real), Err(SecurityStatus::INVALID_HANDLE));
            }
            Step::Inbound { package } => {
                let acquired = engine.acquire(&AcquireRequest::inbound(PACKAGES[package][0])).unwrap();
                let credential = Credential::Nobody;
                model.handles.push(Handle { real: acquired.handle, inbound: true, credential });
            }
            Step::Restricted { package, policy_only } => {
                let mut request = AcquireRequest::outbound(PACKAGES[package][0]);
                request.process_policy_only = policy_only;
                request.autologon_restricted = !policy_only;
                assert_eq!(engine.acquire(&request), Err(SecurityStatus::NO_CREDENTIALS));
            }
            Step::Silent { package, of, writing } => self.silent(package, of, writing),
            Step::UnknownPackage => {
                let result = engine.acquire(&AcquireRequest::outbound("Digest"));
                assert_eq!(result, Err(SecurityStatus::SECPKG_NOT_FOUND));
            }
        }
    }

    fn silent(&mut self, package: usize, of: Option<(usize, usize)>, writing: usize) {
        let Self { engine, model, setup, .. } = self;

        let mut request = AcquireRequest::outbound(written(PACKAGES[package], writing));
        if let Some((user, domain)) = of {
            let domain = written(DOMAINS[domain], writing);
            request = request.with_principal(format!("{domain}\\{}", written(USERS[user], writing)));
        }
        let wanted = |cached: &Cached| {
            cached.package == package
                && of.is_none_or(|(user, domain)| cached.user == user && cached.domain == domain)
        };
        let result = engine.acquire(&request);
        let Some(at) = model.cached.iter().rposition(wanted) else {
            if !setup.logged_on || of.is_some() {
                assert_eq!(result, Err(SecurityStatus::NO_CREDENTIALS));
                return;
            }
            let acquired = result.unwrap();
            assert_eq!(acquired.source, Source::Default);
            assert_eq!(engine.principal(acquired.handle).unwrap(), Principal::new(LOGGED_ON, ""));
            let credential = Credential::Default;
            model.handles.push(Handle { real: acquired.handle, inbound: false, credential });
            return;
        };
        let acquired = result.unwrap();
        assert_eq!(acquired.source, Source::Cache);
        let cached = model.touch(at);
        let principal = engine.principal(acquired.handle).unwrap().to_string().to_lowercase();
        let (user, domain) = (USERS[cached.user][0], DOMAINS[cached.domain][0].to_lowercase());
        assert_eq!(principal, format!("{domain}\\{user}"));
        let credential = Credential::Cached(cached.id, cached.secret);
        model.handles.push(Handle { real: acquired.handle, inbound: false, credential });
    }

    fn explicit_in_model(
        &mut self,
        package: usize,
        user: usize,
        domain: usize,
        secret: usize,
        got: &Acquired,
    ) {
        let Self { model, setup, .. } = self;
        if package == NTLM {
            let credential = Credential::Held(secret);
            model.handles.push(Handle { real: got.handle, inbound: false, credential });
            return;
        }
        let expires = if setup.expires { model.now + LIFETIME } else { u64::MAX };
        let same =
            |cached: &Cached| cached.package == package && cached.user == user && cached.domain == domain;
        let id = match model.cached.iter().position(same) {
            Some(at) if model.cached[at].secret == secret => {
                let id = model.touch(at).id;
                model.cached.last_mut().unwrap().expires = expires;
                id
            }
            found => {
                if let Some(at) = found {
                    model.cached.remove(at);
                }
                if setup.capacity.is_some_and(|capacity| model.cached.len() >= capacity as usize) {
                    model.cached.remove(0);
                }
                model.next_id += 1;
                let id = model.next_id;
                model.cached.push(Cached { id, package, user, domain, secret, expires });
                id
            }
        };
        let credential = Credential::Cached(id, secret);
        model.handles.push(Handle { real: got.handle, inbound: false, credential });
    }

    fn compare(&self) {
        let Self { engine, model, setup, .. } = self;
        assert_eq!(engine.cached(), model.cached.len());
        assert_eq!(engine.held_credentials().len(), model.held());
        assert_eq!(engine.check_clean().is_ok(), model.cached.is_empty() && model.held() == 0);
        assert_eq!(engine.open_handles(), model.handles.len());
        assert_eq!(engine.retained(), if setup.retain { model.retained() } else { 0 });
    }

    /// M10, M12
    fn finish(self) {
        let events = self.engine.events();
        for (index, event) in events.iter().enumerate() {
            assert_eq!(event.seq, index as u64);
            assert_eq!(event.before, index.checked_sub(1).map_or(0, |last| events[last].after), "{event:?}");
        }
        let [left, held] = [self.model.cached.len(), self.model.held()].map(|n| u32::try_from(n).unwrap());
        assert_eq!(self.engine.end(Ending::Unloaded), Ended::Left(left));
        let events = self.engine.events();
        let ended = events.last().unwrap();
        assert!(matches!(ended.kind, EventKind::Ended { left: said, .. } if said == left), "{ended:?}");
        assert_eq!(ended.held, held);
        let count = |is: fn(&EventKind) -> bool| events.iter().filter(|event| is(&event.kind)).count();
        let came = count(|kind| matches!(kind, EventKind::Held { .. }));
        let gone = count(|kind| matches!(kind, EventKind::Released { .. }));
        assert_eq!(came - gone, held as usize);
        assert!(self.engine.held_credentials().is_empty());
        assert_eq!((self.engine.cached(), self.engine.retained(), self.engine.open_handles()), (0, 0, 0));
    }
}

/// How many sequences are run.
fn cases() -> u32 {
    let cases = env::var("SSPCACHE_TEST_CASES").ok();
    cases.map_or(10_000, |cases| cases.parse().expect("SSPCACHE_TEST_CASES is a number of cases"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// M1, M2, M3, M4, M9, M10, P2, P3
    #[test]
    fn any_sequence_of_operations_agrees_with_a_plain_model(
        setup in setup(),
        steps in collection::vec(step(), 1..24),
    ) {
        let mut pair = Pair::new(setup);
        for step in steps {
            pair.run(step);
            pair.compare();
        }
        pair.finish();
    }
}
