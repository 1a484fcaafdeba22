//! What a mock DLL that ships must be like, beside what `sspcache inspect` says of any SSP.

use std::collections::BTreeSet;

use anyhow::{Context as _, Result, bail, ensure};
use object::{File, Object as _};

/// The size that a mock DLL stays below, stripped: it is loaded by every process of a test.
const SIZE_LIMIT: usize = 600_000;

/// What a thread-local with a destructor imports: with one, the C library keeps the DLL mapped after it was unloaded, or
/// calls into it when it is gone.
const KEEP_IT_MAPPED: [&str; 2] = ["__cxa_thread_atexit_impl", "pthread_key_create"];

/// Checks a mock DLL's file.
pub(crate) fn check(file: &[u8]) -> Result<()> {
    ensure!(file.len() < SIZE_LIMIT, "{} bytes, and it should stay below {SIZE_LIMIT}", file.len());
    let imports = imports(file)?;
    ensure!(!imports.is_empty(), "it imports nothing, so it isn't the mock");
    match KEEP_IT_MAPPED.into_iter().find(|name| imports.contains(*name)) {
        None => Ok(()),
        Some(name) => bail!("it imports {name}, so it may not be unloaded"),
    }
}

/// The names of the functions that a file imports.
fn imports(file: &[u8]) -> Result<BTreeSet<String>> {
    let unreadable = "no DLL that can be read";
    let file = File::parse(file).context(unreadable)?;
    let mut names = BTreeSet::new();
    for import in file.imports().context(unreadable)? {
        let import = import.context(unreadable)?;
        names.extend(import.name().name().map(|name| String::from_utf8_lossy(name).into_owned()));
    }
    Ok(names)
}

#[cfg(test)]
mod tests {
    use std::{env, fs};

    use super::*;

    /// Rust's own programs have thread-locals with destructors, and are larger than a mock may be.
    #[test]
    fn a_dll_that_is_too_large_or_could_not_go_is_refused() {
        let this = fs::read(env::current_exe().expect("named")).expect("readable");
        let error = check(&this).expect_err("too large").to_string();
        assert!(error.contains("600000"), "{error}");
        assert!(check(b"MZ").is_err(), "no DLL");
        let found = imports(&this).expect("a program that runs can be read");
        assert!(!found.is_empty());
        let kept = KEEP_IT_MAPPED.into_iter().any(|name| found.contains(name));
        assert_eq!(kept, cfg!(target_os = "linux"), "the names are those that a file has: {found:?}");
    }
}
