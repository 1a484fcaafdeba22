//! Numbers for the handles of one process, from 1 in their order, and the packages that they are for.

use std::collections::HashMap;

use sspcache_engine::EventKind;

use super::call::{Argument, Call, Value};
use crate::output::quoted;

/// The handles that calls of one process were given.
#[derive(Debug, Default)]
pub(super) struct Handles {
    credentials: Vec<Handle>,
    contexts: Vec<Handle>,
    /// The packages of contexts by the handle's word, where the journal says more than the call: Negotiate chooses one.
    chosen: HashMap<String, String>,
}

#[derive(Debug)]
struct Handle {
    word: String,
    package: String,
}

/// A kind of handles.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    Context,
    Credential,
}

impl Kind {
    /// By the parameter's name.
    fn of(parameter: &str) -> Self {
        if parameter.ends_with("context") { Self::Context } else { Self::Credential }
    }
}

impl Handles {
    /// Reads what an event says of a context's package.
    pub(super) fn note(&mut self, event: &EventKind) {
        if let EventKind::ContextStarted { context, package, .. }
        | EventKind::ContextEstablished { context, package, .. }
        | EventKind::ContextImported { context, package, .. } = event
        {
            let word = context.to_string();
            if let Some(known) = self.contexts.iter_mut().rev().find(|it| it.word == word) {
                known.package.clone_from(package);
            }
            self.chosen.insert(word, package.clone());
        }
    }

    /// Numbers the handles that a call gave.
    pub(super) fn called(&mut self, call: &Call<'_>) {
        for (name, value) in &call.gave {
            let Value::Handle(word) = *value else { continue };
            // A later step gives the context's handle again.
            let is_step = call.given.iter().any(|(name, it)| *name == "context" && it == value);
            if is_step && self.position(Kind::of(name), word).is_some() {
                continue;
            }
            let package = match Kind::of(name) {
                Kind::Context => self.chosen.get(word).cloned().or_else(|| self.package_of(&call.given)),
                Kind::Credential => self.package_of(&call.given),
            };
            let handle = Handle { word: word.to_owned(), package: package.unwrap_or_default() };
            self.list_mut(Kind::of(name)).push(handle);
        }
    }

    /// The package that a call names, or that of the credential that it names.
    fn package_of(&self, given: &[Argument<'_>]) -> Option<String> {
        given.iter().find_map(|(name, value)| match value {
            Value::Text(package) if *name == "package" => Some((*package).to_owned()),
            Value::Handle(word) if *name == "credential" => {
                let position = self.position(Kind::Credential, word)?;
                Some(self.credentials[position].package.clone())
            }
            _ => None,
        })
    }

    /// A handle as a line has it: `cred1/NTLM`, `ctx2/Kerberos`; one that no call gave as `ctx?`, and one of zeros as `none`.
    pub(super) fn shown(&self, parameter: &str, word: &str) -> String {
        let kind = Kind::of(parameter);
        let prefix = if kind == Kind::Context { "ctx" } else { "cred" };
        match self.position(kind, word) {
            Some(position) => {
                let package = &self.list(kind)[position].package;
                let slash = if package.is_empty() { "" } else { "/" };
                format!("{prefix}{}{slash}{}", position + 1, quoted(package))
            }
            None if word == "0" => "none".to_owned(),
            None => format!("{prefix}?"),
        }
    }

    /// The newest one, where a number was given out again.
    fn position(&self, kind: Kind, word: &str) -> Option<usize> {
        self.list(kind).iter().rposition(|handle| handle.word == word)
    }

    fn list(&self, kind: Kind) -> &Vec<Handle> {
        match kind {
            Kind::Context => &self.contexts,
            Kind::Credential => &self.credentials,
        }
    }

    fn list_mut(&mut self, kind: Kind) -> &mut Vec<Handle> {
        match kind {
            Kind::Context => &mut self.contexts,
            Kind::Credential => &mut self.credentials,
        }
    }
}
