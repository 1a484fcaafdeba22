//! The sessions of `/cookie`: who signed in, by the cookie that the client was given.

use std::{
    collections::VecDeque,
    fmt::Write,
    sync::{Arc, Mutex, PoisonError},
};

use hyper::{HeaderMap, header};

use crate::SignIn;

/// The cookie's name.
pub(crate) const COOKIE: &str = "sspcache-session";

pub(crate) struct Sessions {
    most: usize,
    /// Oldest first.
    all: Mutex<VecDeque<(String, Arc<SignIn>)>>,
}

impl Sessions {
    pub(crate) fn new(most: usize) -> Self {
        Self { most: most.max(1), all: Mutex::default() }
    }

    /// Begins one, and returns the cookie's value. None when the system has no random numbers.
    pub(crate) fn begin(&self, who: Arc<SignIn>) -> Option<String> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).ok()?;
        let mut value = String::new();
        for byte in random {
            write!(value, "{byte:02x}").expect("a string takes all text");
        }
        let mut all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        if all.len() == self.most {
            all.pop_front();
        }
        all.push_back((value.clone(), who));
        Some(value)
    }

    /// Who began the session that a request's cookie names.
    pub(crate) fn of(&self, headers: &HeaderMap) -> Option<Arc<SignIn>> {
        let cookies = headers.get_all(header::COOKIE).iter().filter_map(|cookies| cookies.to_str().ok());
        let mut pairs =
            cookies.flat_map(|cookies| cookies.split(';')).filter_map(|pair| pair.trim().split_once('='));
        let (_, value) = pairs.find(|(name, _)| *name == COOKIE)?;
        let all = self.all.lock().unwrap_or_else(PoisonError::into_inner);
        all.iter().find(|(known, _)| known == value).map(|(_, who)| who.clone())
    }
}
