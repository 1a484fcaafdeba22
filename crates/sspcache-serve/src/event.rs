//! What happened at a server: kept for questions, and streamed.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::{acceptor::SignIn, fault::Fault};

/// Something that happened at a server. Its JSON form is a line of `/events`. No secret and no token is in it.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
pub struct ServerEvent {
    /// Its number, from 0, without gaps.
    pub seq: u64,
    /// The number of its connection, from 0.
    pub connection: u64,
    /// The kind of event.
    #[serde(flatten)]
    pub kind: ServerEventKind,
}

/// The kinds of events.
#[derive(Clone, Debug, Eq, PartialEq, Serialize)]
#[serde(tag = "event", rename_all = "kebab-case")]
#[non_exhaustive]
pub enum ServerEventKind {
    /// A client connected.
    Connected,
    /// A request without a sign-in was refused, and the schemes were offered.
    Offered,
    /// A handshake goes on: a token was sent.
    Challenged {
        /// The scheme.
        scheme: String,
        /// How many tokens of the client's have come.
        leg: u32,
    },
    /// A client signed in.
    SignedIn(SignIn),
    /// A sign-in was refused.
    Refused {
        /// The scheme that the client named.
        scheme: String,
        /// Why: the status of `AcceptSecurityContext`, by its documented name, or a sentence.
        reason: String,
    },
    /// A fault struck.
    Faulted {
        /// The fault.
        fault: Fault,
    },
    /// A connection ended.
    Disconnected,
}

/// The latest events, and who reads them.
pub(crate) struct Events {
    kept: usize,
    inner: Mutex<Inner>,
}

/// How many sign-ins there were, also of those whose events are no longer kept.
#[derive(Clone, Copy, Debug, Default, Eq, PartialEq)]
#[non_exhaustive]
pub struct Totals {
    /// Sign-ins that were accepted.
    pub signed_in: u64,
    /// Sign-ins that were refused.
    pub refused: u64,
}

#[derive(Default)]
struct Inner {
    next: u64,
    totals: Totals,
    latest: VecDeque<ServerEvent>,
    readers: Vec<mpsc::Sender<ServerEvent>>,
}

/// The events of a server, those so far and each when it happens: see [`HttpServer::follow`](crate::HttpServer::follow). `next` waits.
#[derive(Debug)]
pub struct Following {
    latest: std::vec::IntoIter<ServerEvent>,
    events: mpsc::Receiver<ServerEvent>,
}

impl Iterator for Following {
    type Item = ServerEvent;

    fn next(&mut self) -> Option<ServerEvent> {
        self.latest.next().or_else(|| self.events.blocking_recv())
    }
}

/// How far a reader of `/events` can lag behind, in events, before it is cut off.
const LAG: usize = 1024;

impl Events {
    pub(crate) fn new(kept: usize) -> Self {
        Self { kept, inner: Mutex::default() }
    }

    pub(crate) fn add(&self, connection: u64, kind: ServerEventKind) {
        let mut inner = self.lock();
        let event = ServerEvent { seq: inner.next, connection, kind };
        inner.next += 1;
        match event.kind {
            ServerEventKind::Refused { .. } => inner.totals.refused += 1,
            ServerEventKind::SignedIn(_) => inner.totals.signed_in += 1,
            _ => {}
        }
        // A reader that has gone, or reads too slowly, is no reader any more.
        inner.readers.retain(|reader| reader.try_send(event.clone()).is_ok());
        if inner.latest.len() == self.kept {
            inner.latest.pop_front();
        }
        if self.kept > 0 {
            inner.latest.push_back(event);
        }
    }

    pub(crate) fn totals(&self) -> Totals {
        self.lock().totals
    }

    /// No more events come: readers have what there was.
    pub(crate) fn end(&self) {
        self.lock().readers.clear();
    }

    pub(crate) fn latest(&self) -> Vec<ServerEvent> {
        self.lock().latest.iter().cloned().collect()
    }

    /// The latest events, and those that follow.
    pub(crate) fn follow(&self) -> (Vec<ServerEvent>, mpsc::Receiver<ServerEvent>) {
        let (reader, events) = mpsc::channel(LAG);
        let mut inner = self.lock();
        inner.readers.push(reader);
        (inner.latest.iter().cloned().collect(), events)
    }

    pub(crate) fn following(&self) -> Following {
        let (latest, events) = self.follow();
        Following { latest: latest.into_iter(), events }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
