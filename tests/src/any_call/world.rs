//! A mock DLL that is called in any order, and what it has answered.

use std::{cell::RefCell, collections::BTreeMap, ffi::c_void};

use sspcache_engine::SecurityStatus;
use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::Authentication::Identity::{SecBuffer, SecBufferDesc},
};

use super::{Call, case::Case, contexts::is_told, documented};
use crate::{
    context::Contexts,
    dll::{Ansi, Form, Handle, Mock, Sspi, Wide},
};

pub(super) type Message = unsafe extern "system" fn(*const Handle, u32, *mut SecBufferDesc, u32) -> i32;
pub(super) type Read = unsafe extern "system" fn(*const Handle, *mut SecBufferDesc, u32, *mut u32) -> i32;

/// The functions of one form.
pub(super) struct Functions<'m, F: Form> {
    pub(super) sspi: Sspi<'m, F>,
    pub(super) contexts: Contexts<'m, F>,
    pub(super) attribute: unsafe extern "system" fn(*const Handle, u32, *mut c_void, u32) -> i32,
    pub(super) set: unsafe extern "system" fn(*const Handle, u32, *mut c_void, u32) -> i32,
    pub(super) export: unsafe extern "system" fn(*const Handle, u32, *mut SecBuffer, *mut *mut c_void) -> i32,
    pub(super) complete: unsafe extern "system" fn(*const Handle, *mut SecBufferDesc) -> i32,
}

impl<'m, F: Form> Functions<'m, F> {
    fn of(mock: &'m Mock) -> Self {
        Self {
            sspi: mock.sspi(),
            contexts: mock.contexts(),
            attribute: mock.expect(&format!("QueryContextAttributesEx{}", F::SUFFIX)),
            set: mock.expect(&format!("SetContextAttributes{}", F::SUFFIX)),
            export: mock.expect("ExportSecurityContext"),
            complete: mock.expect("CompleteAuthToken"),
        }
    }
}

/// A mock, and how often each function has answered what.
pub struct World<'m> {
    pub(super) mock: &'m Mock,
    ansi: Functions<'m, Ansi>,
    pub(super) wide: Functions<'m, Wide>,
    answers: RefCell<BTreeMap<(&'static str, i32), u32>>,
}

impl<'m> World<'m> {
    pub fn new(mock: &'m Mock) -> Self {
        Self { mock, ansi: Functions::of(mock), wide: Functions::of(mock), answers: RefCell::default() }
    }

    /// Makes these calls, and gives everything back that is left then.
    pub fn run(&self, calls: &[Call]) {
        let mut case = Case::new(self);
        for call in calls {
            if call.wide {
                case.make(&self.wide, &call.what);
            } else {
                case.make(&self.ansi, &call.what);
            }
        }
        case.end();
    }

    /// `CleanupCredentialCache`.
    pub fn flush(&self) -> bool {
        self.mock.flush()
    }

    /// How often a function has answered this.
    pub fn count(&self, function: &str, status: i32) -> u32 {
        self.answers
            .borrow()
            .iter()
            .filter(|((name, answer), _)| *name == function && *answer == status)
            .map(|(_, n)| n)
            .sum()
    }

    /// How often a function has refused.
    pub fn refusals(&self, function: &str) -> u32 {
        self.answers
            .borrow()
            .iter()
            .filter(|((name, answer), _)| *name == function && *answer < 0)
            .map(|(_, n)| n)
            .sum()
    }

    /// Everything that was answered.
    pub fn table(&self) -> String {
        let line = |(&(function, status), count): (&(&str, i32), &u32)| {
            format!("{count:>7} {function}: {}\n", name(status))
        };
        self.answers.borrow().iter().map(line).collect()
    }

    /// Takes note of a step's answer, unless it repeats what the token says that the step was given.
    #[track_caller]
    pub fn note_step(&self, function: &'static str, status: i32, token: Option<&[u8]>) {
        if !is_told(status, token) {
            self.note(function, status);
        }
    }

    /// Takes note of an answer to what may be no valid call.
    #[track_caller]
    pub(super) fn note_of_any(&self, function: &'static str, status: i32) {
        if !documented::OF_BAD_INPUT.contains(&status) {
            self.note(function, status);
        }
    }

    /// Takes note of an answer, which must be one that is documented of this function.
    #[track_caller]
    pub fn note(&self, function: &'static str, status: i32) -> bool {
        let known = documented::of(function).contains(&status);
        assert!(known, "{function} answers {}", name(status));
        *self.answers.borrow_mut().entry((function, status)).or_default() += 1;
        status == SEC_E_OK
    }
}

fn name(status: i32) -> String {
    match SecurityStatus::from_code(status) {
        None if status == SEC_E_OK => "SEC_E_OK".to_owned(),
        None => format!("{:#010X}", status.cast_unsigned()),
        Some(status) => status.name().to_owned(),
    }
}
