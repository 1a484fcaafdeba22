//! What happened at a server: kept for questions, and streamed.

use std::{
    collections::VecDeque,
    sync::{Mutex, MutexGuard, PoisonError},
};

use serde::Serialize;
use tokio::sync::mpsc;

use crate::acceptor::SignIn;

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
    /// A connection ended.
    Disconnected,
}

/// The latest events, and who reads them.
pub(crate) struct Events {
    kept: usize,
    inner: Mutex<Inner>,
}

#[derive(Default)]
struct Inner {
    next: u64,
    latest: VecDeque<ServerEvent>,
    readers: Vec<mpsc::Sender<ServerEvent>>,
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
        // A reader that has gone, or reads too slowly, is no reader any more.
        inner.readers.retain(|reader| reader.try_send(event.clone()).is_ok());
        if inner.latest.len() == self.kept {
            inner.latest.pop_front();
        }
        if self.kept > 0 {
            inner.latest.push_back(event);
        }
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

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
