//! What is in a file that ships: its bill of materials, in the JSON of [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/).
//!
//! Cargo says it twice: `cargo tree` what a package depends on, with features and licenses, and the build what was
//! compiled. When the two differ, there is no distribution. Left out is what only runs while building: build scripts,
//! procedural macros, what tests depend on. There is no time and no serial number: the same contents are the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::path::Path;

use anyhow::{Context as _, Result, ensure};
use serde_json::{Value, json};

use crate::workspace::Workspace;

/// Under which license this project's own parts are.
const LICENSE: &str = env!("CARGO_PKG_LICENSE");

/// What a file consists of.
pub(super) struct Bill {
    target: String,
    /// The package itself first, then each that it depends on, once.
    crates: Vec<Crate>,
    /// What is linked in and no crate.
    runtimes: Vec<Runtime>,
}

/// A package of cargo's.
#[derive(Debug)]
struct Crate {
    name: String,
    version: String,
    license: String,
    features: String,
    /// SHA-256 of what the registry serves; none for this project's own.
    checksum: Option<String>,
    /// Positions in the bill.
    uses: BTreeSet<usize>,
}

/// What a compiler or linker brings along.
struct Runtime {
    name: &'static str,
    version: String,
    license: &'static str,
    about: &'static str,
}

impl Bill {
    /// The bill of a package, as cargo resolves it for a target: `selection` names it, and its features.
    pub(super) fn new(workspace: &Workspace, triple: &str, selection: &[&str]) -> Result<Self> {
        let tree = workspace
            .cargo()
            .args(["tree", "--locked", "--edges", "normal,no-proc-macro", "--target", triple])
            .args(selection)
            .args(["--prefix", "depth", "--format", "|{p}|{l}|{f}"])
            .quiet()
            .read()?;
        let lock = fs::read_to_string(workspace.root.join("Cargo.lock"))?;
        let crates = crates(&tree, &checksums(&lock)).context("`cargo tree` answered in another format")?;
        let mut runtimes = vec![Runtime {
            name: "rust-std",
            version: compiler(workspace)?,
            license: "MIT OR Apache-2.0",
            about: "the standard library of Rust, and what it consists of",
        }];
        if triple.ends_with("-windows-gnullvm") {
            runtimes.push(Runtime {
                name: "zig-runtime",
                version: crate::python::pinned("ziglang").context("Zig has no version")?.to_owned(),
                license: "MIT AND ZPL-2.1",
                about: "the start-up code and import libraries of mingw-w64 and the compiler's runtime, as Zig brings them",
            });
        }
        Ok(Self { target: triple.to_owned(), crates, runtimes })
    }

    /// Fails unless these are the crates that cargo compiled for the target, by the messages of the build that left its
    /// files in `folder`. The standard library doesn't count where it was built too: what lies below `sysroot`, and what it
    /// takes from the registry, which `std_lock` is the lock file of.
    pub(super) fn check(&self, messages: &str, folder: &Path, sysroot: &Path, std_lock: &str) -> Result<()> {
        let compiled = compiled(messages, folder, sysroot)?;
        let listed: BTreeSet<_> =
            self.crates.iter().map(|c| (c.name.clone(), c.version.clone(), c.features.clone())).collect();
        let of_std = checksums(std_lock);
        let [mut unlisted, unused] = [&compiled - &listed, &listed - &compiled];
        unlisted.retain(|(name, version, _)| !of_std.contains_key(&(name.clone(), version.clone())));
        ensure!(
            unlisted.is_empty() && unused.is_empty(),
            "the bill of materials is wrong: compiled and not listed: {unlisted:?}; listed and not compiled: {unused:?}"
        );
        Ok(())
    }

    /// The bill of one file, which has this SHA-256.
    pub(super) fn to_json(&self, file: &str, sha256: &str) -> String {
        let root = json!({
            "type": "file",
            "bom-ref": file,
            "name": file,
            "version": env!("CARGO_PKG_VERSION"),
            "hashes": [{ "alg": "SHA-256", "content": sha256 }],
            "licenses": [{ "expression": LICENSE }],
            "properties": [{ "name": "sspcache:target", "value": self.target }],
        });
        let crates = self.crates.iter().map(Crate::to_json);
        let runtimes = self.runtimes.iter().map(Runtime::to_json);
        let edges = self.crates.iter().map(|one| {
            let uses: Vec<_> = one.uses.iter().map(|&at| self.crates[at].reference()).collect();
            json!({ "ref": one.reference(), "dependsOn": uses })
        });
        let direct: Vec<_> = self.crates.first().map(Crate::reference).into_iter().collect();
        let linked = self.runtimes.iter().map(Runtime::reference);
        let top = json!({ "ref": file, "dependsOn": direct.into_iter().chain(linked).collect::<Vec<_>>() });
        let dependencies: Vec<_> = [top].into_iter().chain(edges).collect();
        let bill = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": root },
            "components": crates.chain(runtimes).collect::<Vec<_>>(),
            "dependencies": dependencies,
        });
        format!("{bill:#}\n")
    }
}

impl Crate {
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn to_json(&self) -> Value {
        let mut value = json!({
            "type": "library",
            "bom-ref": self.reference(),
            "name": self.name,
            "version": self.version,
            "licenses": [{ "expression": self.license }],
            "properties": [{ "name": "sspcache:features", "value": self.features }],
        });
        if let Some(checksum) = &self.checksum {
            value["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
            value["purl"] = json!(format!("pkg:cargo/{}@{}", self.name, self.version.replace('+', "%2B")));
        }
        value
    }
}

impl Runtime {
    fn reference(&self) -> String {
        format!("{}@{}", self.name, self.version)
    }

    fn to_json(&self) -> Value {
        json!({
            "type": "library",
            "bom-ref": self.reference(),
            "name": self.name,
            "version": self.version,
            "description": self.about,
            "licenses": [{ "expression": self.license }],
        })
    }
}

/// The compiler's version and commit, which are the standard library's.
fn compiler(workspace: &Workspace) -> Result<String> {
    let verbose = workspace.shell.cmd("rustc").arg("-vV").quiet().read()?;
    let field = |name: &str| {
        verbose.lines().find_map(|line| line.strip_prefix(name)).map(str::trim).unwrap_or_default()
    };
    Ok(format!("{}+{}", field("release:"), field("commit-hash:")))
}

/// Reads the answer of `cargo tree`: a depth, then fields between bars, and a mark where what is below was shown before.
fn crates(tree: &str, checksums: &BTreeMap<(String, String), String>) -> Option<Vec<Crate>> {
    let mut crates: Vec<Crate> = Vec::new();
    // From the root to the line before, where each lies in the list.
    let mut above: Vec<usize> = Vec::new();
    for line in tree.lines() {
        let mut fields = line.strip_suffix(" (*)").unwrap_or(line).split('|');
        let depth: usize = fields.next()?.parse().ok()?;
        let mut package = fields.next()?.split(' ');
        let (name, version) = (package.next()?, package.next()?.strip_prefix('v')?);
        // Some still write the bar that cargo once took.
        let (license, features) = (fields.next()?.replace('/', " OR "), fields.next()?);
        let known = crates.iter().position(|c| c.name == name && c.version == version);
        let at = known.unwrap_or_else(|| {
            crates.push(Crate {
                checksum: checksums.get(&(name.to_owned(), version.to_owned())).cloned(),
                name: name.to_owned(),
                version: version.to_owned(),
                license,
                features: features.to_owned(),
                uses: BTreeSet::new(),
            });
            crates.len() - 1
        });
        above.truncate(depth);
        if let Some(&user) = above.last() {
            crates.get_mut(user)?.uses.insert(at);
        }
        above.push(at);
    }
    Some(crates)
}

/// The checksums of a lock file, by name and version.
fn checksums(lock: &str) -> BTreeMap<(String, String), String> {
    let mut checksums = BTreeMap::new();
    for package in lock.split("[[package]]").skip(1) {
        let field = |name: &str| {
            let prefix = format!("{name} = \"");
            package.lines().find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"')).map(str::to_owned)
        };
        if let (Some(name), Some(version), Some(checksum)) =
            (field("name"), field("version"), field("checksum"))
        {
            checksums.insert((name, version), checksum);
        }
    }
    checksums
}

/// Name, version and features of each crate whose files a build left in `folder`, by its messages.
fn compiled(messages: &str, folder: &Path, sysroot: &Path) -> Result<BTreeSet<(String, String, String)>> {
    let mut compiled = BTreeSet::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo said what is no JSON")?;
        let text = |name: &str| message[name].as_str().unwrap_or_default();
        let list = |name: &str| {
            let values = message[name].as_array().map(Vec::as_slice).unwrap_or_default();
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>()
        };
        if text("reason") != "compiler-artifact"
            || Path::new(text("manifest_path")).starts_with(sysroot)
            || !list("filenames").iter().any(|file| Path::new(file).starts_with(folder))
        {
            continue;
        }
        // `…#name@version`, or `…/name#version`.
        let (source, package) = text("package_id").split_once('#').context("a package without version")?;
        let (name, version) =
            package.split_once('@').unwrap_or((source.rsplit('/').next().unwrap_or_default(), package));
        compiled.insert((name.to_owned(), version.to_owned(), list("features").join(",")));
    }
    Ok(compiled)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bill(triple: &str, package: &str) -> Bill {
        let workspace = Workspace::open().expect("opened");
        Bill::new(&workspace, triple, &["--package", package]).expect("listed")
    }

    fn names(bill: &Bill) -> Vec<&str> {
        bill.crates.iter().map(|one| &*one.name).collect()
    }

    #[test]
    #[cfg_attr(windows, ignore = "runs cargo, which no program under Wine can start")]
    fn a_bill_has_what_ends_up_in_the_file_and_nothing_of_tests_or_builds() {
        let linux = bill("x86_64-unknown-linux-gnu", "sspcache-msnsspc");
        let windows = bill("x86_64-pc-windows-gnullvm", "sspcache-msnsspc");
        for (name, on_linux, on_windows) in [
            ("sspcache-msnsspc", true, true),
            ("sspcache-engine", true, true),
            ("chacha20poly1305", true, true),
            ("libc", true, false),
            // Its types are used everywhere.
            ("windows-sys", true, true),
            // Those run on the machine that builds.
            ("embed-resource", false, false),
            ("serde_derive", false, false),
            ("proptest", false, false),
        ] {
            assert_eq!(names(&linux).contains(&name), on_linux, "{name} on Linux");
            assert_eq!(names(&windows).contains(&name), on_windows, "{name} on Windows");
        }
        assert!(linux.runtimes.iter().any(|one| one.name == "rust-std"));
        assert!(windows.runtimes.iter().any(|one| one.name == "zig-runtime" && !one.version.is_empty()));
    }

    #[test]
    #[cfg_attr(windows, ignore = "runs cargo, which no program under Wine can start")]
    fn each_crate_has_a_license_and_what_is_not_ours_the_checksum_of_the_lock_file() {
        let lock = include_str!("../../../../Cargo.lock");
        let bill = bill("x86_64-unknown-linux-gnu", "sspcache-cli");
        assert!(bill.crates.len() > 40);
        for one in &bill.crates {
            assert!(!one.license.is_empty() && !one.license.contains('/'), "{one:?}");
            let entry = format!("name = \"{}\"\nversion = \"{}\"\n", one.name, one.version);
            assert!(lock.contains(&entry), "{one:?}");
            match &one.checksum {
                Some(checksum) => assert!(lock.contains(checksum) && checksum.len() == 64, "{one:?}"),
                None => assert!(one.name.starts_with("sspcache"), "{one:?}"),
            }
        }
    }

    #[test]
    fn what_is_used_twice_is_listed_once() {
        let tree = "0|app v1.0.0 (/app)|MIT|\n1|a v1.0.0|MIT|x,y\n2|b v2.0.0+c|Apache-2.0/MIT|\n1|b v2.0.0+c|Apache-2.0/MIT| (*)\n";
        let checksums = BTreeMap::from([(("b".into(), "2.0.0+c".into()), "5".repeat(64))]);
        let crates = crates(tree, &checksums).expect("read");
        assert_eq!(crates.len(), 3);
        assert_eq!(crates[0].uses, BTreeSet::from([1, 2]));
        assert_eq!(crates[1].uses, BTreeSet::from([2]));
        let json = crates[2].to_json();
        assert_eq!(json["purl"], "pkg:cargo/b@2.0.0%2Bc");
        assert_eq!(json["licenses"][0]["expression"], "Apache-2.0 OR MIT");
        assert!(crates[1].to_json().get("purl").is_none(), "from no registry");
    }

    #[test]
    fn a_bill_that_is_not_what_was_compiled_is_refused() {
        let crates = crates("0|app v1.0.0 (/app)|MIT|\n1|a v1.0.0|MIT|x,y\n", &BTreeMap::new());
        let bill = Bill { target: String::new(), crates: crates.expect("read"), runtimes: vec![] };
        let artifact = |id: &str, manifest: &str, features: &str, file: &str| {
            let features: Vec<_> = features.split_terminator(',').collect();
            json!({
                "reason": "compiler-artifact", "package_id": id, "manifest_path": manifest,
                "features": features, "filenames": [file],
            })
            .to_string()
        };
        let lock = "[[package]]\nname = \"cfg-if\"\nversion = \"1.0.0\"\nchecksum = \"5\"\n";
        let check = |messages: &[String]| {
            bill.check(&messages.join("\n"), "/t/here".as_ref(), "/rust".as_ref(), lock)
        };
        let app = artifact("path+file:///app#1.0.0", "/app/Cargo.toml", "", "/t/here/dist/app.so");
        let a = artifact("registry+x#a@1.0.0", "/cargo/a/Cargo.toml", "x,y", "/t/here/dist/deps/liba.rlib");
        check(&[app.clone(), a.clone(), json!({ "reason": "build-finished" }).to_string()]).expect("alike");

        for left_out in [
            artifact(
                "path+file:///rust/core#core@0.0.0",
                "/rust/core/Cargo.toml",
                "",
                "/t/here/dist/deps/libcore.rlib",
            ),
            artifact(
                "registry+x#cfg-if@1.0.0",
                "/cargo/c/Cargo.toml",
                "",
                "/t/here/dist/deps/libcfg_if.rlib",
            ),
            artifact("registry+x#serde_derive@1.0.0", "/cargo/d/Cargo.toml", "", "/t/dist/deps/libd.so"),
        ] {
            check(&[app.clone(), a.clone(), left_out]).expect("of the standard library, or of the build");
        }
        let unlisted =
            artifact("registry+x#b@1.0.0", "/cargo/b/Cargo.toml", "", "/t/here/dist/deps/libb.rlib");
        let otherwise =
            artifact("registry+x#a@1.0.0", "/cargo/a/Cargo.toml", "x", "/t/here/dist/deps/liba.rlib");
        for (messages, named) in [
            (vec![app.clone(), a.clone(), unlisted], "\"b\""),
            (vec![app.clone()], "\"a\""),
            (vec![app.clone(), otherwise], "\"x\""),
        ] {
            let error = check(&messages).expect_err("different").to_string();
            assert!(error.contains(named), "{error}");
        }
    }

    #[test]
    #[cfg_attr(windows, ignore = "runs cargo, which no program under Wine can start")]
    fn a_bill_is_the_same_every_time_and_names_its_file() {
        let of =
            || bill("x86_64-unknown-linux-gnu", "sspcache-msnsspc").to_json("MSNSSPC.dll", &"a".repeat(64));
        let text = of();
        assert_eq!(text, of());
        let json: Value = serde_json::from_str(&text).expect("JSON");
        assert_eq!(json["metadata"]["component"]["hashes"][0]["content"], "a".repeat(64));
        let references: BTreeSet<_> = json["components"]
            .as_array()
            .expect("listed")
            .iter()
            .map(|one| &one["bom-ref"])
            .map(Value::to_string)
            .collect();
        for edge in json["dependencies"].as_array().expect("listed") {
            for used in edge["dependsOn"].as_array().expect("listed") {
                assert!(references.contains(&used.to_string()), "{used}");
            }
        }
        assert!(!text.contains(env!("CARGO_MANIFEST_DIR")), "no path of this machine");
    }
}
