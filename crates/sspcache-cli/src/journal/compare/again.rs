//! Makes the calls of a recording again in the mock, and compares the answers.
//!
//! The mock has the accounts that the recording names, with a password of its own: the recording has none.

use std::collections::{BTreeSet, HashMap};

use sspcache_engine::{
    AcquireRequest, AuthIdentity, CredentialHandle, Engine, Event, EventKind, Logon, Name, Operation,
    Principal, SecurityStatus, Source,
    context::{AcceptRequest, ContextFlags, ContextHandle, InitializeRequest, NegotiateFirst, Role},
    event::beginning,
    journal::Journal,
};

use super::{Comparison, Difference, NotCompared, token};
use crate::output::{count, status_name};

/// The password of every account. It protects nothing: both ends are in this process.
const PASSWORD: &str = "of a comparison";

/// The user who is logged on, where a recording doesn't say who that was.
const LOGGED_ON: [&str; 2] = ["user", "DOMAIN"];

/// What differs for reasons that no program sees: `ISC_RET_ALLOCATED_MEMORY` and `ASC_RET_ALLOCATED_MEMORY`.
const ALLOCATED_MEMORY: u32 = 0x100;

/// A recording of one process, and the mock that makes its calls again.
pub(super) struct Again<'j> {
    journal: &'j Journal,
    program: &'j str,
    mock: Engine,
    /// By their numbers in the recording: what is there in the mock, and the package's name.
    credentials: HashMap<usize, (CredentialHandle, &'j str)>,
    contexts: HashMap<usize, (ContextHandle, &'j str)>,
    tokens: HashMap<u64, Vec<u8>>,
}

impl<'j> Again<'j> {
    /// With this package first in Negotiate, or what fits the target.
    pub(super) fn of(journal: &'j Journal, first: Option<NegotiateFirst>) -> Self {
        let program = match journal.started() {
            Some(EventKind::Started { program, .. }) => program,
            _ => "",
        };
        let principals: BTreeSet<&str> = journal.events.iter().filter_map(principal).collect();
        let [user, domain] = LOGGED_ON;
        let builder = Engine::builder("secur32.dll").record_events(false);
        let builder = first.into_iter().fold(builder, sspcache_engine::EngineBuilder::negotiate_first);
        let builder = builder.logon(Logon::password(user, domain, PASSWORD)).account(user, domain, PASSWORD);
        let builder = principals
            .into_iter()
            .map(Principal::parse)
            .fold(builder, |builder, principal| builder.account(principal.user, principal.domain, PASSWORD));
        Self {
            journal,
            program,
            mock: builder.build(),
            credentials: HashMap::new(),
            contexts: HashMap::new(),
            tokens: HashMap::new(),
        }
    }

    /// What is found.
    pub(super) fn run(mut self) -> Comparison {
        let mut comparison = Comparison::default();
        for event in &self.journal.events {
            match self.call(event) {
                None => {}
                Some(Err((call, why))) => {
                    let (program, event) = (self.program.to_owned(), event.seq);
                    comparison.not_compared.push(NotCompared { program, event, call, why });
                }
                Some(Ok(answers)) => {
                    comparison.compared += 1;
                    let different = |answer: &Answer| answer.recorded != answer.mock;
                    comparison.same += answers.pairs.iter().filter(|answer| !different(answer)).count();
                    let Answers { call, package, pairs } = answers;
                    comparison.differences.extend(pairs.into_iter().filter(different).map(|answer| {
                        Difference {
                            program: self.program.to_owned(),
                            event: event.seq,
                            call,
                            package: package.to_owned(),
                            what: answer.what,
                            recorded: answer.recorded,
                            mock: answer.mock,
                            clause: answer.clause,
                            is_unverified: answer.is_unverified,
                        }
                    }));
                }
            }
        }
        comparison
    }

    /// Makes the call of an event again, if it is one that can be compared.
    fn call(&mut self, event: &'j Event) -> Option<Result<Answers<'j>, (&'static str, String)>> {
        const ACQUIRE: &str = Operation::AcquireCredentialsHandle.name();
        match &event.kind {
            EventKind::Acquired { handle, package, principal, source, .. } => {
                let acquired = self.acquire(package, principal, *source);
                if let Ok(credential) = acquired {
                    self.credentials.insert(*handle, (credential, package));
                }
                Some(self.acquired(package, SecurityStatus(0), acquired).map_err(|why| (ACQUIRE, why)))
            }
            EventKind::Refused {
                operation: Operation::AcquireCredentialsHandle,
                status,
                package,
                principal,
                ..
            } => {
                // For which use it was the recording doesn't say; with a name it is a sign-in.
                if principal.is_empty() {
                    return Some(Err((ACQUIRE, "the recording doesn't say who was to sign in".to_owned())));
                }
                let acquired = self.acquire(package, principal, Source::Explicit);
                Some(self.acquired(package, *status, acquired).map_err(|why| (ACQUIRE, why)))
            }
            EventKind::Stepped { role, .. } => {
                let operation = match role {
                    Role::Acceptor => Operation::AcceptSecurityContext,
                    Role::Initiator => Operation::InitializeSecurityContext,
                };
                Some(self.step(event, operation.name()).map_err(|why| (operation.name(), why)))
            }
            EventKind::Sized { context, token, signature, block, trailer } => {
                let sizes = self.sizes(*context, [*token, *signature, *block, *trailer]);
                Some(sizes.map_err(|why| (Operation::QueryContextAttributes.name(), why)))
            }
            _ => None,
        }
    }

    fn acquire(
        &self,
        package: &str,
        principal: &str,
        source: Source,
    ) -> Result<CredentialHandle, SecurityStatus> {
        let request = match source {
            Source::Inbound => AcquireRequest::inbound(package),
            Source::Anonymous => {
                AcquireRequest::outbound(package).with_identity(AuthIdentity::password("", "", ""))
            }
            Source::Explicit => {
                let Principal { user, domain } = Principal::parse(principal);
                AcquireRequest::outbound(package)
                    .with_identity(AuthIdentity::password(user, domain, PASSWORD))
            }
            _ => AcquireRequest::outbound(package),
        };
        self.mock.acquire(&request).map(|acquired| acquired.handle)
    }

    fn acquired(
        &self,
        package: &'j str,
        recorded: SecurityStatus,
        mock: Result<CredentialHandle, SecurityStatus>,
    ) -> Result<Answers<'j>, String> {
        if self.mock.package(&Name::from(package)).is_err() {
            return Err(format!("the mock has no package {package}"));
        }
        let mock = mock.err().unwrap_or(SecurityStatus(0));
        let status = Answer::new("status", status_name(recorded), status_name(mock), "P2", false);
        Ok(Answers { call: Operation::AcquireCredentialsHandle.name(), package, pairs: vec![status] })
    }

    fn step(&mut self, event: &'j Event, call: &'static str) -> Result<Answers<'j>, String> {
        let EventKind::Stepped {
            handle,
            context,
            role,
            target,
            asked,
            granted,
            status,
            received,
            answers,
            sent,
            size,
            first,
        } = &event.kind
        else {
            return Err("it is no step".to_owned());
        };
        let credential = handle.and_then(|handle| self.credentials.get(&handle)).copied();
        let known = context.and_then(|context| self.contexts.get(&context)).copied();
        let Some(package) = credential.map(|it| it.1).or(known.map(|it| it.1)) else {
            return Err("what came before it was not compared, or had another end".to_owned());
        };
        let token = match received {
            Some(number) => Some(self.tokens.get(number).ok_or("the mock sent no token there")?.as_slice()),
            None if *answers => return Err("the other end is not in this process".to_owned()),
            None => None,
        };
        let (credential, begun) = (credential.map(|it| it.0), known.map(|it| it.0));
        let flags = ContextFlags::from_wire(*role, *asked);
        let stepped = match role {
            Role::Acceptor => self.mock.accept(&AcceptRequest {
                credential,
                context: begun,
                flags,
                token,
                bindings: None,
                room: usize::MAX,
            }),
            Role::Initiator => self.mock.initialize(&InitializeRequest {
                credential,
                context: begun,
                target: Some(target.as_str()).filter(|target| !target.is_empty()).map(Name::from),
                flags,
                token,
                bindings: None,
                room: usize::MAX,
            }),
        };
        let (mock, mock_flags, mock_context, mock_token) = match stepped {
            Ok(step) => {
                let granted = step.flags.to_returned(*role);
                (SecurityStatus(step.progress.code()), granted, Some(step.context), step.token)
            }
            Err(refusal) => (refusal.status, 0, None, refusal.token.unwrap_or_default()),
        };
        // Which legs Negotiate's last token makes is a choice of the mock's.
        let is_unverified =
            package.eq_ignore_ascii_case("Negotiate") && (begun.is_some() || *role == Role::Acceptor);
        let mut pairs =
            vec![Answer::new("status", status_name(*status), status_name(mock), "P7", is_unverified)];
        if status.code() >= 0 && mock.code() >= 0 {
            let shown = |flags: u32| format!("{:#x}", flags & !ALLOCATED_MEMORY);
            pairs.push(Answer::new("flags", shown(*granted), shown(mock_flags), "S3", false));
        }
        let mock_first = beginning(&mock_token);
        let [recorded_form, mock_form] = [first.as_str(), &mock_first].map(token::form);
        let form = |form: &str, first: &str| {
            if recorded_form == mock_form || first.is_empty() {
                form.to_owned()
            } else {
                format!("{form} ({first})")
            }
        };
        let forms = [form(recorded_form, first), form(mock_form, &mock_first)];
        let clause = if sent.is_some() == mock_token.is_empty() { "P7" } else { "P8" };
        let [recorded, of_mock] = forms;
        pairs.push(Answer::new("token", recorded, of_mock, clause, is_unverified && clause == "P7"));
        if sent.is_some() && !mock_token.is_empty() {
            let bytes = |size: u64| count(size, "byte");
            let sizes = [bytes((*size).into()), bytes(mock_token.len() as u64)];
            let [recorded, of_mock] = sizes;
            pairs.push(Answer::new("token's size", recorded, of_mock, "P8", false));
        }
        // After another end they are not at the same point any more.
        if let Some(number) = context {
            self.contexts.remove(number);
            if let Some(context) = mock_context.filter(|_| mock == *status) {
                self.contexts.insert(*number, (context, package));
            }
        }
        if let Some(number) = sent.filter(|_| !mock_token.is_empty()) {
            self.tokens.insert(number, mock_token);
        }
        Ok(Answers { call, package, pairs })
    }

    fn sizes(&self, context: usize, recorded: [u32; 4]) -> Result<Answers<'j>, String> {
        let known =
            self.contexts.get(&context).ok_or("its handshake was not compared, or had another end")?;
        let (handle, package) = *known;
        let info = self.mock.context(handle).map_err(status_name)?;
        let announced = info.announced();
        let mock = [announced.token, announced.signature, announced.block, announced.trailer];
        let names = ["longest token", "signature", "block", "trailer"];
        let pairs = names.into_iter().zip(recorded.into_iter().zip(mock));
        let pairs = pairs.map(|(what, (recorded, mock))| {
            Answer::new(what, recorded.to_string(), mock.to_string(), "P9", false)
        });
        let call = Operation::QueryContextAttributes.name();
        Ok(Answers { call, package, pairs: pairs.collect() })
    }
}

/// Whom an event says to have signed in with a password.
fn principal(event: &Event) -> Option<&str> {
    match &event.kind {
        EventKind::Acquired { principal, source: Source::Explicit, .. } => Some(principal),
        _ => None,
    }
}

/// What a call answered, there and here.
struct Answers<'j> {
    call: &'static str,
    package: &'j str,
    pairs: Vec<Answer>,
}

struct Answer {
    what: &'static str,
    recorded: String,
    mock: String,
    clause: &'static str,
    is_unverified: bool,
}

impl Answer {
    fn new(
        what: &'static str,
        recorded: String,
        mock: String,
        clause: &'static str,
        is_unverified: bool,
    ) -> Self {
        Self { what, recorded, mock, clause, is_unverified }
    }
}
