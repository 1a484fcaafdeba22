//! Windows runs Windows programs itself: no command needs Wine.

use std::{ffi::OsString, io, path::Path};

use super::{ExecError, find::Mocks, signals::Signals};
use crate::cli::ExecArgs;

/// A command that Wine runs: there is none.
#[derive(Debug)]
pub(crate) enum Wine {}

/// The prefix of one run: there is none.
#[derive(Debug)]
pub(crate) struct Session<'wine>(&'wine Wine);

impl Wine {
    pub(crate) fn of(_: &ExecArgs) -> Option<Self> {
        None
    }

    pub(crate) fn check(&self, _: &Mocks) -> Result<(), ExecError> {
        match *self {}
    }

    pub(crate) fn begin(
        &self,
        _: &Mocks,
        _: bool,
        _: &mut Signals,
    ) -> Result<Option<Session<'_>>, ExecError> {
        match *self {}
    }

    pub(crate) fn is_command(&self) -> bool {
        match *self {}
    }

    pub(crate) fn is_32_bit(&self) -> bool {
        match *self {}
    }

    pub(crate) fn dos_path(&self, _: &Path) -> OsString {
        match *self {}
    }
}

impl Session<'_> {
    pub(crate) fn variables(&self) -> [(&'static str, OsString); 2] {
        match *self.0 {}
    }

    pub(crate) fn announce(&self, _: &[u8]) -> io::Result<()> {
        match *self.0 {}
    }

    pub(crate) fn end(self, _: &mut Signals) -> Result<(), ExecError> {
        match *self.0 {}
    }
}
