//! The other names of the mocks on Unix: a temporary folder of links, so that a program finds one module under each of them.
//!
//! A distribution has these links, too. It can lose them, or get a copy of the mock for each, on its way through an archive or
//! a package without links; and each copy would be a module with a cache of its own. A dynamic linker takes two paths to one
//! file for one module.

#[cfg(unix)]
use std::io;
use std::path::Path;

use tempfile::TempDir;

use super::{ExecError, find::Mocks};

#[cfg(unix)]
mod links;

/// The folder of links. It is removed when this is dropped.
#[derive(Debug)]
pub(crate) struct Names(Option<TempDir>);

impl Names {
    /// Links to the mocks for this system. On Windows there is nothing to link: its loader ignores case.
    #[cfg_attr(
        not(unix),
        allow(unused_variables, clippy::unnecessary_wraps, reason = "nothing can fail there")
    )]
    pub(crate) fn link(mocks: &Mocks) -> Result<Self, ExecError> {
        #[cfg(unix)]
        return Ok(Self(Some(linked(&mocks.native)?)));
        #[cfg(not(unix))]
        return Ok(Self(None));
    }

    /// The folder, which has to be searched before the mocks' own.
    pub(crate) fn folder(&self) -> Option<&Path> {
        self.0.as_ref().map(TempDir::path)
    }
}

#[cfg(unix)]
fn linked(mocks: &Path) -> io::Result<TempDir> {
    let folder = tempfile::Builder::new().prefix("sspcache-names-").tempdir()?;
    links::make(folder.path(), cfg!(target_vendor = "apple"), |file| mocks.join(file))?;
    Ok(folder)
}
