//! What the program carries: its mock DLLs, as `crates/sspcache-cli/src/exec/carried.rs` reads them.

use std::fs;
use std::path::PathBuf;

use anyhow::{Context as _, Result};
use serde_json::json;
use xshell::cmd;

use super::{File, sha256, to_slashes};
use crate::workspace::Workspace;

/// Compresses a file into another. The DLLs are much alike, so the window has room for all of them.
const COMPRESS: &str = "\
import lzma, sys
options = {'id': lzma.FILTER_LZMA1, 'preset': 9 | lzma.PRESET_EXTREME, 'dict_size': 1 << 24}
contents = open(sys.argv[1], 'rb').read()
open(sys.argv[2], 'wb').write(lzma.compress(contents, format=lzma.FORMAT_ALONE, filters=[options]))
";

/// Packs files into one, and returns its path.
pub(super) fn pack(workspace: &Workspace, triple: &str, files: &[File]) -> Result<PathBuf> {
    let shell = &workspace.shell;
    let folder = workspace.target.join("xtask/carried").join(triple);
    shell.create_dir(&folder)?;
    let (mut index, mut all) = (Vec::new(), Vec::new());
    for File { from, to, .. } in files {
        let contents = fs::read(from).with_context(|| format!("cargo built no {}", from.display()))?;
        index.push(json!({ "path": to_slashes(to), "size": contents.len(), "sha256": sha256(&contents) }));
        all.extend(contents);
    }
    let [plain, compressed, packed] = ["plain", "compressed", "mocks"].map(|name| folder.join(name));
    fs::write(&plain, all)?;
    let python = workspace.tool_programs().join("python");
    cmd!(shell, "{python} -c {COMPRESS} {plain} {compressed}").quiet().run()?;
    let mut contents = json!({ "files": index }).to_string().into_bytes();
    contents.push(b'\n');
    contents.extend(fs::read(compressed)?);
    // A file that is as it was makes cargo build nothing.
    if fs::read(&packed).ok().as_deref() != Some(&contents) {
        fs::write(&packed, contents)?;
    }
    Ok(packed)
}
