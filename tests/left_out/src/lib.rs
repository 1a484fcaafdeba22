//! What `cargo test` leaves to `cargo xtask test`. Each is an ignored documentation test, so that `cargo test` ends with the list.
//!
//! A test that isn't run on each change says why: `#[ignore = "needs Wine: cargo xtask test"]`. The test below finds each of these
//! reasons in the sources, and fails where one is missing here or no test has it any more.
#![forbid(unsafe_code)]

macro_rules! left_out {
    ($($reason:literal = $name:ident;)*) => {
        /// Why tests are left out, each with the command that runs them.
        pub mod left_to_cargo_xtask_test {
            $(
                #[doc = $reason]
                #[doc = "```ignore"]
                #[doc = "std::process::Command::new(\"cargo\").args([\"xtask\", \"test\"]);"]
                #[doc = "```"]
                #[allow(non_camel_case_types, reason = "it is printed")]
                #[derive(Debug)]
                pub enum $name {}
            )*
        }
        /// The reasons, as tests have them.
        #[cfg(test)]
        const LEFT_OUT: &[&str] = &[$($reason),*];
    };
}

left_out! {
    "needs Clang: cargo xtask test" = needs_Clang;
    "needs FreeRDP: cargo xtask test" = needs_FreeRDP;
    "needs JNA: cargo xtask test" = needs_JNA;
    "needs Mono: cargo xtask test" = needs_Mono;
    "needs OpenSSL: cargo xtask test" = needs_OpenSSL;
    "needs Python: cargo xtask test" = needs_Python;
    "needs WinPR: cargo xtask test" = needs_WinPR;
    "needs Wine: cargo xtask test" = needs_Wine;
    "needs Windows clients: cargo xtask test clients" = needs_Windows_clients;
    "needs a KDC: cargo xtask test" = needs_a_KDC;
    "needs a distribution: cargo xtask test dist" = needs_a_distribution;
    "needs cffi: cargo xtask test" = needs_cffi;
    "needs curl: cargo xtask test" = needs_curl;
    "needs gdb: cargo xtask test" = needs_gdb;
    "needs koffi: cargo xtask test" = needs_koffi;
    "needs sspilib: cargo xtask test" = needs_sspilib;
    "needs valgrind: cargo xtask test" = needs_valgrind;
    "needs winbind: cargo xtask test clients-winbind" = needs_winbind;
    "takes long: cargo xtask test" = takes_long;
}

#[cfg(test)]
mod tests {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs,
        path::Path,
    };

    use super::LEFT_OUT;

    /// The reasons of ignored tests in the sources below a folder, and where one of them is.
    fn reasons(folder: &Path, found: &mut BTreeMap<String, String>) {
        for entry in fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path()) {
            let name = entry.file_name().unwrap().to_string_lossy().into_owned();
            if entry.is_dir() {
                if !name.starts_with('.')
                    && !name.starts_with("target")
                    && !["left_out", "xtask"].contains(&&*name)
                {
                    reasons(&entry, found);
                }
            } else if entry.extension().is_some_and(|it| it == "rs") {
                let text = fs::read_to_string(&entry).unwrap();
                for line in text.lines().map(str::trim).filter(|line| line.starts_with("#[")) {
                    if let Some(rest) = line.split("ignore = \"").nth(1) {
                        let reason = rest.split('"').next().unwrap();
                        // What a test runs in a process of its own isn't left out.
                        if !reason.starts_with("run by ") {
                            found.insert(reason.to_owned(), entry.display().to_string());
                        }
                    } else {
                        assert!(
                            !line.starts_with("#[ignore"),
                            "{}: ignored without a reason",
                            entry.display()
                        );
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_left_out_is_what_tests_say() {
        let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
        let mut found = BTreeMap::new();
        for folder in ["crates", "fixtures", "tests"] {
            reasons(&root.join(folder), &mut found);
        }
        let listed: BTreeSet<_> = LEFT_OUT.iter().copied().collect();
        for (reason, place) in &found {
            assert!(
                listed.contains(reason.as_str()),
                "{place}: {reason:?} is not in the list of tests/left_out"
            );
        }
        let gone: Vec<_> = listed.iter().filter(|reason| !found.contains_key(**reason)).collect();
        assert!(gone.is_empty(), "no test is left out for any more: {gone:?}");
    }
}
