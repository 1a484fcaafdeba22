//! What is in a file that ships: its bill of materials, in the JSON of [CycloneDX 1.6](https://cyclonedx.org/docs/1.6/json/).
//!
//! The build itself reports what was compiled for the target, and with which features; `cargo metadata` adds licenses and
//! dependencies. What only runs while building is left out: build scripts, procedural macros. There is no time and no serial
//! number, so that the same contents are the same bytes.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use anyhow::{Context as _, Result};
use serde_json::{Value, json};

use crate::{setup, workspace::Workspace};

/// What a file consists of, without the file itself.
pub(super) struct Bill {
    target: String,
    components: Vec<Value>,
    dependencies: Vec<Value>,
    /// What the file depends on: the package and what is linked in beside crates.
    direct: Vec<String>,
}

impl Bill {
    /// The bill of a package that was just built: `messages` are those of the build, which left its files in `folder`.
    pub(super) fn new(
        workspace: &Workspace,
        triple: &str,
        package: &str,
        with_zig: bool,
        messages: &str,
        folder: &Path,
    ) -> Result<Self> {
        let metadata = workspace
            .cargo("metadata --locked --format-version 1 --filter-platform")
            .arg(triple)
            .quiet()
            .read()?;
        let lock = workspace.shell.read_file(workspace.root.join("Cargo.lock"))?;
        let compiled = compiled(messages, folder)?;
        let mut bill =
            Self::of_crates(&serde_json::from_str(&metadata)?, package, &compiled, &checksums(&lock))
                .context("`cargo metadata` answered in another format")?;
        triple.clone_into(&mut bill.target);
        let verbose = workspace.shell.cmd("rustc").arg("-vV").quiet().read()?;
        let field =
            |name| verbose.lines().find_map(|line| line.strip_prefix(name)).unwrap_or_default().trim();
        // The standard library has the compiler's version and commit.
        let version = format!("{}+{}", field("release:"), field("commit-hash:"));
        bill.add_runtime(
            "rust-std",
            &version,
            "MIT OR Apache-2.0",
            "Rust's standard library and its dependencies",
        );
        if with_zig {
            let version = setup::pinned("ziglang").context("Zig has no version")?;
            let (license, about) = if triple.contains("-windows-") {
                (
                    "MIT AND ZPL-2.1",
                    "start-up code and import libraries of mingw-w64, and the compiler's runtime, as Zig brings them",
                )
            } else {
                (
                    "MIT AND Apache-2.0 WITH LLVM-exception",
                    "the C library's start-up code, the unwinder and the compiler's runtime, as Zig brings them",
                )
            };
            bill.add_runtime("zig-runtime", version, license, about);
        }
        Ok(bill)
    }

    /// The target that it is of.
    pub(super) fn target(&self) -> &str {
        &self.target
    }

    fn of_crates(metadata: &Value, package: &str, compiled: &Texts, checksums: &Texts) -> Option<Self> {
        let packages = metadata["packages"].as_array()?;
        let packages: BTreeMap<_, _> =
            packages.iter().map(|package| (package["id"].as_str(), package)).collect();
        let nodes = metadata["resolve"]["nodes"].as_array()?;
        let nodes: BTreeMap<_, _> = nodes.iter().map(|node| (node["id"].as_str(), node)).collect();
        let (root, _) = packages.iter().find(|(_, it)| it["name"] == package)?;
        let mut bill =
            Self { target: String::new(), components: vec![], dependencies: vec![], direct: vec![] };
        let mut found = vec![(*root)?];
        let mut at = 0;
        while let Some(&id) = found.get(at) {
            let package = packages.get(&Some(id))?;
            let [name, version, license] = ["name", "version", "license"].map(|key| package[key].as_str());
            // Some packages still write the slash that cargo once took.
            let (name, version, license) = (name?, version?, license?.replace('/', " OR "));
            let reference = format!("{name}@{version}");
            let mut component = json!({
                "type": "library",
                "bom-ref": reference,
                "name": name,
                "version": version,
                "licenses": [{ "expression": license }],
                "properties": [{ "name": "sspcache:features", "value": compiled.get(id)? }],
            });
            if let Some(checksum) = checksums.get(&reference) {
                component["hashes"] = json!([{ "alg": "SHA-256", "content": checksum }]);
                component["purl"] = json!(format!("pkg:cargo/{}", reference.replace('+', "%2B")));
            }
            bill.components.push(component);

            let mut uses = BTreeSet::new();
            for dependency in nodes.get(&Some(id))?["deps"].as_array()? {
                let other = dependency["pkg"].as_str()?;
                let is_linked = dependency["dep_kinds"].as_array()?.iter().any(|kind| kind["kind"].is_null());
                if is_linked && compiled.contains_key(other) {
                    let package = packages.get(&Some(other))?;
                    uses.insert(format!("{}@{}", package["name"].as_str()?, package["version"].as_str()?));
                    if !found.contains(&other) {
                        found.push(other);
                    }
                }
            }
            bill.dependencies.push(json!({ "ref": reference, "dependsOn": uses }));
            if at == 0 {
                bill.direct.push(reference);
            }
            at += 1;
        }
        Some(bill)
    }

    /// Adds what a compiler or linker brings along.
    fn add_runtime(&mut self, name: &str, version: &str, license: &str, about: &str) {
        let reference = format!("{name}@{version}");
        self.components.push(json!({
            "type": "library",
            "bom-ref": reference,
            "name": name,
            "version": version,
            "description": about,
            "licenses": [{ "expression": license }],
        }));
        self.direct.push(reference);
    }

    /// The bill of one file, which has this SHA-256.
    pub(super) fn to_json(&self, file: &str, sha256: &str) -> String {
        let top = json!({ "ref": file, "dependsOn": self.direct });
        let dependencies = [&[top], &*self.dependencies].concat();
        let bill = json!({
            "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
            "bomFormat": "CycloneDX",
            "specVersion": "1.6",
            "version": 1,
            "metadata": { "component": {
                "type": "file",
                "bom-ref": file,
                "name": file,
                "version": env!("CARGO_PKG_VERSION"),
                "hashes": [{ "alg": "SHA-256", "content": sha256 }],
                "licenses": [{ "expression": env!("CARGO_PKG_LICENSE") }],
                "properties": [{ "name": "sspcache:target", "value": self.target }],
            } },
            "components": self.components,
            "dependencies": dependencies,
        });
        format!("{bill:#}\n")
    }
}

type Texts = BTreeMap<String, String>;

/// The features of each crate, by its package id, whose files a build left in `folder`, by its messages.
fn compiled(messages: &str, folder: &Path) -> Result<Texts> {
    let mut compiled = Texts::new();
    for line in messages.lines() {
        let message: Value = serde_json::from_str(line).context("cargo printed a line that is no JSON")?;
        let list = |name: &str| {
            let values = message[name].as_array().map(Vec::as_slice).unwrap_or_default();
            values.iter().filter_map(Value::as_str).collect::<Vec<_>>()
        };
        let features = list("features");
        // The standard library is built from crates of the registry, too, which carry this feature.
        if list("filenames").iter().any(|file| Path::new(file).starts_with(folder))
            && !features.contains(&"rustc-dep-of-std")
            && let Some(id) = message["package_id"].as_str()
        {
            compiled.insert(id.to_owned(), features.join(","));
        }
    }
    Ok(compiled)
}

/// The checksums of a lock file, of what the registry serves, by `name@version`.
fn checksums(lock: &str) -> Texts {
    let packages = lock.split("[[package]]").skip(1).filter_map(|package| {
        let field = |name: &str| {
            let prefix = format!("{name} = \"");
            package.lines().find_map(|line| line.strip_prefix(&prefix)?.strip_suffix('"'))
        };
        Some((format!("{}@{}", field("name")?, field("version")?), field("checksum")?.to_owned()))
    });
    packages.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_bill_lists_what_was_compiled_into_the_file_once() {
        let messages = r#"
            {"package_id": "app", "features": [], "filenames": ["/t/here/dist/app.so"]}
            {"package_id": "a", "features": ["x", "y"], "filenames": ["/t/here/dist/deps/liba.rlib"]}
            {"package_id": "b", "features": [], "filenames": ["/t/here/dist/deps/libb.rlib"]}
            {"package_id": "b", "features": ["rustc-dep-of-std"], "filenames": ["/t/here/dist/deps/libb-2.rlib"]}
            {"package_id": "macro", "features": [], "filenames": ["/t/dist/deps/libmacro.so"]}
            {"reason": "build-finished"}"#;
        let compiled = compiled(messages.trim(), "/t/here".as_ref()).expect("read");
        let metadata = json!({
            "packages": [
                {"id": "a", "name": "a", "version": "1.0.0", "license": "MIT"},
                {"id": "app", "name": "app", "version": "1.0.0", "license": "MIT"},
                {"id": "b", "name": "b", "version": "2.0.0+c", "license": "Apache-2.0/MIT"},
                {"id": "macro", "name": "macro", "version": "1.0.0", "license": "MIT"},
            ],
            "resolve": {"nodes": [
                {"id": "app", "deps": [{"pkg": "a", "dep_kinds": [{"kind": null}]}, {"pkg": "macro", "dep_kinds": [{"kind": null}]}]},
                {"id": "a", "deps": [{"pkg": "b", "dep_kinds": [{"kind": null}]}]},
                {"id": "b", "deps": [{"pkg": "app", "dep_kinds": [{"kind": "dev"}]}]},
            ]},
        });
        let checksums = checksums("[[package]]\nname = \"b\"\nversion = \"2.0.0+c\"\nchecksum = \"5\"\n");
        let bill = Bill::of_crates(&metadata, "app", &compiled, &checksums).expect("read");
        let json: Value = serde_json::from_str(&bill.to_json("app.dll", "6")).expect("JSON");
        let edges = json["dependencies"].as_array().expect("listed").iter();
        let edges: Vec<_> = edges.map(|edge| format!("{} {}", edge["ref"], edge["dependsOn"])).collect();
        assert_eq!(
            edges.join(", ").replace('"', ""),
            "app.dll [app@1.0.0], app@1.0.0 [a@1.0.0], a@1.0.0 [b@2.0.0+c], b@2.0.0+c []"
        );
        let [app, a, b] = [0, 1, 2].map(|at| &json["components"][at]);
        assert!(app["purl"].is_null() && a["purl"].is_null(), "from no registry");
        assert_eq!(a["properties"][0]["value"], "x,y");
        assert_eq!((&b["purl"], &b["hashes"][0]["content"]), (&json!("pkg:cargo/b@2.0.0%2Bc"), &json!("5")));
        assert_eq!(b["licenses"][0]["expression"], "Apache-2.0 OR MIT");
        assert_eq!(json["metadata"]["component"]["hashes"][0]["content"], "6");
    }
}
