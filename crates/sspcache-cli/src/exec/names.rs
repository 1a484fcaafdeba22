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

#[cfg(all(test, unix, not(target_vendor = "apple")))]
mod tests {
    use std::{collections::BTreeSet, fs};

    use super::*;

    #[test]
    fn links_for_macos_that_are_made_elsewhere_differ_by_more_than_case() {
        let folder = tempfile::tempdir().expect("made");
        let made = |on_macos| -> Vec<String> {
            let folder = folder.path().join(if on_macos { "macos" } else { "linux" });
            fs::create_dir(&folder).expect("made");
            links::make(&folder, on_macos, |file| file.into()).expect("linked");
            let names = fs::read_dir(folder).expect("read").map(|it| it.expect("read").file_name());
            names.map(|name| name.into_string().expect("UTF-8")).collect()
        };
        let mut names = made(true);
        assert!(names.iter().any(|name| name == "libsecur32.dylib"), "{names:?}");
        names.extend(["secur32.dll", "MSNSSPC.dll", "MSAPSSPC.dll"].map(str::to_owned));
        let lower_case: BTreeSet<_> = names.iter().map(|name| name.to_ascii_lowercase()).collect();
        assert_eq!(lower_case.len(), names.len(), "{names:?}");
        let names = made(false);
        assert!(["Secur32.dll", "libSecur32.so"].iter().all(|it| names.iter().any(|name| name == it)));
    }
}
