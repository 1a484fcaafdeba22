//! A shadow of a Wine prefix: a temporary folder that Wine takes for the user's prefix, with our `secur32.dll` in it.
//!
//! Wine looks for `secur32.dll` in the prefix's `system32` before it looks anywhere that a variable could name (seen
//! under Wine 8 and 10). So the registry is copied, other files and folders are links, and `system32` is a folder of
//! links in which one file is ours. The shadow has a wineserver of its own: the Windows programs of one run are known,
//! and can be waited for and ended.

use std::{
    ffi::{OsStr, OsString},
    fs::{self, File, Permissions},
    io::{self, Read as _, Write as _},
    os::unix::{
        ffi::{OsStrExt as _, OsStringExt as _},
        fs::{PermissionsExt as _, symlink},
    },
    path::{Path, PathBuf},
    thread,
    time::Duration,
};

use tempfile::TempDir;

use super::{prefix::Replacement, server::Server};

/// The shadow. It is removed by [`Self::end`], or when it is dropped.
#[derive(Debug)]
pub(crate) struct Shadow {
    folder: TempDir,
    /// Locked for as long as the shadow is in use, so that another run can tell it from one whose `exec` was killed.
    lock: File,
    /// The folder of its wineserver, where Debian's Wine has it. [`Self::end`] and a later run know it by name.
    _server: TempDir,
    /// The folders of links, each with the prefix's folder that it stands for.
    mirrored: Vec<(PathBuf, PathBuf)>,
}

/// How a shadow's folder is called, before a random part.
const PREFIX: &str = "sspcache-prefix-";

/// The lock file of a shadow. It names the prefix.
const LOCK: &str = "sspcache.lock";

/// How often a shadow is tried to be removed, and the time between.
const TRIES: usize = 10;
const PAUSE: Duration = Duration::from_millis(20);

/// Says to Wine that this prefix needs no update for its version, which would write through the links.
const NO_UPDATE: &str = "disable\n";

impl Shadow {
    /// Makes a shadow of a prefix, in the folder for temporary files.
    pub(crate) fn of(prefix: &Path, replacements: &[Replacement], server: &Server) -> io::Result<Self> {
        Self::within(&std::env::temp_dir(), prefix, replacements, server)
    }

    fn within(
        temporary: &Path,
        prefix: &Path,
        replacements: &[Replacement],
        server: &Server,
    ) -> io::Result<Self> {
        remove_abandoned(temporary, server);
        let prefix = prefix.canonicalize()?;
        let folder = tempfile::Builder::new().prefix(PREFIX).tempdir_in(temporary)?;
        let lock = lock(folder.path(), &prefix)?;
        let server = make_servers_folder(temporary, folder.path())?;
        let mut shadow = Self { folder, lock, _server: server, mirrored: Vec::new() };
        let root = shadow.path().to_owned();

        for entry in fs::read_dir(&prefix)? {
            let entry = entry?;
            let name = entry.file_name();
            // The registry: a copy, since Wine writes to it.
            if Path::new(&name).extension().is_some_and(|it| it == "reg") {
                copy(&entry.path(), &root.join(name))?;
            }
        }
        fs::write(root.join(".update-timestamp"), NO_UPDATE)?;
        shadow_drives(&prefix.join("dosdevices"), &root.join("dosdevices"))?;

        let c = prefix.join("drive_c");
        let windows = named(&c, "windows")?;
        shadow.mirror(&c, &root.join("drive_c"), |name| name == windows)?;
        let (theirs, ours) = (c.join(&windows), root.join("drive_c").join(&windows));
        let mut folders = Vec::new();
        for replacement in replacements {
            folders.push(named(&theirs, replacement.folder)?);
        }
        shadow.mirror(&theirs, &ours, |name| folders.iter().any(|folder| folder == name))?;
        for (replacement, folder) in replacements.iter().zip(folders) {
            let name = replacement.file.file_name().unwrap_or_default();
            let (theirs, ours) = (theirs.join(&folder), ours.join(folder));
            shadow.mirror(&theirs, &ours, |it| it.eq_ignore_ascii_case(name))?;
            symlink(replacement.file.canonicalize()?, ours.join(name))?;
            for file in &replacement.beside {
                let name = file.file_name().unwrap_or_default();
                match symlink(file.canonicalize()?, ours.join(name)) {
                    // Where Wine has such a DLL, its own is the better one.
                    Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
                    made => made?,
                }
            }
        }
        Ok(shadow)
    }

    /// The folder that `WINEPREFIX` names.
    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }

    /// Puts variables where the mocks look for them in a program that has no environment of this run.
    pub(crate) fn announce(&self, variables: &[u8]) -> io::Result<()> {
        const NAME: &str = "sspcache-run";
        let file = self.path().join(NAME);
        fs::write(&file, variables)?;
        let c = self.path().join("drive_c");
        // As a link: a file would be a program's, and go to the prefix.
        symlink(file, c.join(named(&c, "windows")?).join(NAME))
    }

    /// Removes the shadow, once no program runs in it. Files that programs made beside the links go to the prefix first.
    /// A link that is gone removes nothing there: whatever cleans up temporary files must not be able to.
    pub(crate) fn end(self) -> io::Result<()> {
        for (ours, theirs) in &self.mirrored {
            give_back(ours, theirs)?;
        }
        // A program that was ended may still be writing as it goes. What can't be removed now, the next run removes.
        let folder = self.folder.keep();
        for _ in 0..TRIES {
            match remove(&folder) {
                Err(error) if error.kind() == io::ErrorKind::DirectoryNotEmpty => thread::sleep(PAUSE),
                _ => break,
            }
        }
        drop(self.lock);
        Ok(())
    }

    /// Makes a folder of links to everything in another, but for what is left out by its name.
    fn mirror(&mut self, theirs: &Path, ours: &Path, is_left_out: impl Fn(&OsStr) -> bool) -> io::Result<()> {
        fs::create_dir(ours)?;
        for entry in fs::read_dir(theirs)? {
            let entry = entry?;
            let name = entry.file_name();
            if !is_left_out(&name) {
                symlink(entry.path(), ours.join(name))?;
            }
        }
        self.mirrored.push((ours.to_owned(), theirs.to_owned()));
        Ok(())
    }
}

/// Moves what a program made in a folder of links to the folder of the prefix that it stands for. Whatever is a link was
/// there from the beginning, or is ours.
fn give_back(ours: &Path, theirs: &Path) -> io::Result<()> {
    for entry in fs::read_dir(ours)? {
        let entry = entry?;
        let (kind, path, to) = (entry.file_type()?, entry.path(), theirs.join(entry.file_name()));
        if kind.is_file() {
            // Into place at once, as a program that replaces a file does it. The two may be on different file systems.
            let mut new = tempfile::NamedTempFile::new_in(theirs)?;
            io::copy(&mut File::open(&path)?, &mut new)?;
            fs::set_permissions(new.path(), fs::metadata(&path)?.permissions())?;
            new.persist(&to).map_err(|error| error.error)?;
        } else if kind.is_dir() && !is_mirrored(&path) {
            fs::create_dir_all(&to)?;
            give_back(&path, &to)?;
        }
    }
    Ok(())
}

/// Whether a folder of a shadow is one that mirrors the prefix's: those hold links from the beginning.
fn is_mirrored(folder: &Path) -> bool {
    let is_link = |entry: fs::DirEntry| entry.file_type().is_ok_and(|kind| kind.is_symlink());
    fs::read_dir(folder).is_ok_and(|mut entries| entries.any(|entry| entry.is_ok_and(is_link)))
}

/// The name of an entry that Windows would find under this one.
fn named(folder: &Path, name: &str) -> io::Result<OsString> {
    if folder.join(name).exists() {
        return Ok(name.into());
    }
    for entry in fs::read_dir(folder)? {
        let found = entry?.file_name();
        if found.eq_ignore_ascii_case(name) {
            return Ok(found);
        }
    }
    Err(io::Error::new(io::ErrorKind::NotFound, format!("{} has no folder {name}", folder.display())))
}

/// The drives of a prefix, `C:` being the shadow's own.
fn shadow_drives(theirs: &Path, ours: &Path) -> io::Result<()> {
    fs::create_dir(ours)?;
    for entry in fs::read_dir(theirs)? {
        let entry = entry?;
        let (name, path) = (entry.file_name(), entry.path());
        if name.eq_ignore_ascii_case("c:") {
            continue;
        }
        if let Ok(target) = fs::read_link(&path) {
            // A relative one means the same from the shadow only if it is made absolute.
            symlink(theirs.join(target), ours.join(name))?;
        }
    }
    symlink("../drive_c", ours.join("c:"))
}

/// A copy that its owner may write to, whatever the file it was made from allows.
fn copy(from: &Path, to: &Path) -> io::Result<()> {
    io::copy(&mut File::open(from)?, &mut File::create_new(to)?).map(drop)
}

/// Makes the lock file of a shadow. It appears under its name when it is locked, so that no other run takes a new
/// shadow for an abandoned one.
fn lock(shadow: &Path, prefix: &Path) -> io::Result<File> {
    let new = shadow.join("sspcache.new");
    let mut lock = File::create_new(&new)?;
    lock.lock()?;
    lock.write_all(prefix.as_os_str().as_bytes())?;
    fs::rename(new, shadow.join(LOCK))?;
    Ok(lock)
}

/// Ends what runs in the shadows of runs that were killed, and removes them. Those in use are locked; another user's can't
/// be opened.
fn remove_abandoned(temporary: &Path, server: &Server) {
    let Ok(entries) = fs::read_dir(temporary) else { return };
    for entry in entries.flatten() {
        if entry.file_name().as_bytes().starts_with(PREFIX.as_bytes()) {
            // When it fails, the next run tries again.
            let _ = remove_if_abandoned(&entry.path(), server);
        }
    }
}

fn remove_if_abandoned(shadow: &Path, server: &Server) -> io::Result<()> {
    let mut lock = File::options().read(true).write(true).open(shadow.join(LOCK))?;
    if lock.try_lock().is_err() {
        return Ok(());
    }
    server.end(shadow);
    let mut prefix = Vec::new();
    lock.read_to_end(&mut prefix)?;
    let prefix = PathBuf::from(OsString::from_vec(prefix));
    for folder in ["drive_c", "drive_c/windows", "drive_c/windows/system32", "drive_c/windows/syswow64"] {
        let (ours, theirs) = (shadow.join(folder), prefix.join(folder));
        if is_mirrored(&ours) && theirs.is_dir() {
            give_back(&ours, &theirs)?;
        }
    }
    remove(shadow)
}

/// Removes a shadow: links, and never what they lead to. Its lock goes last, since without one the next run couldn't see that it
/// was abandoned.
fn remove(shadow: &Path) -> io::Result<()> {
    remove_servers_folder(shadow);
    for entry in fs::read_dir(shadow)? {
        let entry = entry?;
        if entry.file_type()?.is_dir() {
            fs::remove_dir_all(entry.path())?;
        } else if entry.file_name() != LOCK {
            fs::remove_file(entry.path())?;
        }
    }
    fs::remove_file(shadow.join(LOCK))?;
    fs::remove_dir(shadow)
}

/// A file of a prefix in which Debian's Wine has the name of its server's folder. Wine of other makers doesn't know it.
const SERVERS_FOLDER: &str = "wineserver";

/// Makes the folder of the prefix's server, as Debian's Wine does when it starts for the first time. Of two programs that start for the first
/// time at once, one may find the file empty: it says "fixed a temporary directory error" and ends (seen with Wine 8).
fn make_servers_folder(temporary: &Path, shadow: &Path) -> io::Result<TempDir> {
    // Only the user may enter it.
    let mut builder = tempfile::Builder::new();
    let folder = builder
        .prefix("wine-")
        .rand_bytes(6)
        .permissions(Permissions::from_mode(0o700))
        .tempdir_in(temporary)?;
    let (file, name) = (shadow.join(SERVERS_FOLDER), folder.path().file_name().unwrap_or_default());
    fs::write(&file, name.as_bytes())?;
    // As Wine has it.
    fs::set_permissions(file, Permissions::from_mode(0o400))?;
    Ok(folder)
}

/// Removes the folder of the prefix's server, which Debian's Wine leaves there.
fn remove_servers_folder(shadow: &Path) {
    let Ok(name) = fs::read_to_string(shadow.join(SERVERS_FOLDER)) else { return };
    let is_name = name.starts_with("wine-") && Path::new(&name).components().count() == 1;
    if let Some(temporary) = shadow.parent().filter(|_| is_name) {
        // Nothing depends on it.
        let _ = fs::remove_dir_all(temporary.join(name));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixture {
        folder: TempDir,
    }

    impl Fixture {
        fn new() -> io::Result<Self> {
            let folder = tempfile::tempdir()?;
            let prefix = folder.path().join("prefix");
            for path in [
                "dosdevices",
                "drive_c/users/me",
                "drive_c/Program Files",
                "drive_c/windows/system32",
                "drive_c/windows/syswow64",
            ] {
                fs::create_dir_all(prefix.join(path))?;
            }
            for (path, text) in [
                ("system.reg", "WINE REGISTRY"),
                (".update-timestamp", "1"),
                ("drive_c/autoexec.bat", "rem"),
                ("drive_c/users/me/note.txt", "mine"),
                ("drive_c/windows/win.ini", "[x]"),
                ("drive_c/windows/system32/Secur32.dll", "Wine's"),
                ("drive_c/windows/system32/kernel32.dll", "Wine's"),
                ("drive_c/windows/syswow64/secur32.dll", "Wine's"),
            ] {
                fs::write(prefix.join(path), text)?;
            }
            symlink("../drive_c", prefix.join("dosdevices/c:"))?;
            symlink("/", prefix.join("dosdevices/z:"))?;
            symlink("../drive_c/users", prefix.join("dosdevices/u:"))?;
            fs::create_dir(folder.path().join("temporary"))?;
            for file in ["secur32.dll", "kernel32.dll", "lacking.dll"] {
                fs::write(folder.path().join(file), "ours")?;
            }
            Ok(Self { folder })
        }

        fn shadow(&self) -> io::Result<Shadow> {
            let [file, known, lacking] =
                ["secur32.dll", "kernel32.dll", "lacking.dll"].map(|it| self.path(it));
            let replacements = [Replacement { folder: "system32", file, beside: vec![known, lacking] }];
            // There is no server to end here.
            let server = Server::of(OsStr::new("/no/such/wine"));
            Shadow::within(&self.path("temporary"), &self.path("prefix"), &replacements, &server)
        }

        fn path(&self, name: &str) -> PathBuf {
            self.folder.path().join(name)
        }

        fn read(&self, path: &str) -> Option<String> {
            fs::read_to_string(self.path("prefix").join(path)).ok()
        }

        fn shadows(&self) -> usize {
            let entries = fs::read_dir(self.path("temporary")).into_iter().flatten().flatten();
            entries.filter(|entry| entry.file_name().as_bytes().starts_with(PREFIX.as_bytes())).count()
        }
    }

    #[test]
    fn a_shadow_has_everything_of_the_prefix_and_one_file_of_ours() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let shadow = fixture.shadow()?;
        let read = |path: &str| fs::read_to_string(shadow.path().join(path));
        assert_eq!(read("system.reg")?, "WINE REGISTRY");
        assert_eq!(read(".update-timestamp")?, NO_UPDATE);
        assert_eq!(read("dosdevices/c:/users/me/note.txt")?, "mine");
        assert_eq!(read("dosdevices/u:/me/note.txt")?, "mine");
        assert_eq!(read("drive_c/windows/win.ini")?, "[x]");
        assert_eq!(read("drive_c/windows/system32/kernel32.dll")?, "Wine's");
        assert_eq!(read("drive_c/windows/system32/lacking.dll")?, "ours");
        assert_eq!(read("drive_c/windows/system32/secur32.dll")?, "ours");
        assert!(read("drive_c/windows/system32/Secur32.dll").is_err(), "Wine's is found in any case");
        assert_eq!(read("drive_c/windows/syswow64/secur32.dll")?, "Wine's", "there is none of ours for it");
        Ok(())
    }

    #[test]
    fn the_registry_of_the_shadow_is_a_copy() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let original = fixture.path("prefix/system.reg");
        let mut permissions = fs::metadata(&original)?.permissions();
        permissions.set_readonly(true);
        fs::set_permissions(&original, permissions)?;
        let shadow = fixture.shadow()?;
        fs::write(shadow.path().join("system.reg"), "changed")?;
        assert_eq!(fs::read_to_string(original)?, "WINE REGISTRY");
        Ok(())
    }

    #[test]
    fn what_programs_write_to_files_is_in_the_prefix_afterwards() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let shadow = fixture.shadow()?;
        let c = shadow.path().join("drive_c");
        fs::write(c.join("users/me/note.txt"), "changed")?;
        fs::write(c.join("new.txt"), "new")?;
        fs::create_dir_all(c.join("new/folder"))?;
        fs::write(c.join("new/folder/file"), "new")?;
        fs::write(c.join("windows/system32/installed.dll"), "theirs")?;
        fs::write(c.join("windows/new.ini"), "replaced")?;
        fs::rename(c.join("windows/new.ini"), c.join("windows/win.ini"))?;
        fs::remove_file(c.join("autoexec.bat"))?;
        shadow.end()?;

        for (path, text) in [
            ("users/me/note.txt", Some("changed")),
            ("new.txt", Some("new")),
            ("new/folder/file", Some("new")),
            ("windows/system32/installed.dll", Some("theirs")),
            ("windows/win.ini", Some("replaced")),
            ("autoexec.bat", Some("rem")),
            ("windows/system32/Secur32.dll", Some("Wine's")),
            ("windows/system32/secur32.dll", None),
            ("windows/system32/lacking.dll", None),
        ] {
            assert_eq!(fixture.read(&format!("drive_c/{path}")).as_deref(), text, "{path}");
        }
        assert_eq!(fixture.shadows(), 0);
        Ok(())
    }

    #[test]
    fn the_folder_of_the_shadows_server_goes_with_it_and_no_other() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let shadow = fixture.shadow()?;
        let made = fs::read_to_string(shadow.path().join(SERVERS_FOLDER))?;
        let folder = fixture.path("temporary").join(&made);
        assert_eq!((made.len(), folder.is_dir()), ("wine-a1B2c3".len(), true), "{made}");
        shadow.end()?;
        assert!(!folder.exists(), "{made}");

        for (name, is_left) in [("wine-a1B2c3", false), ("other", true), ("wine-a/../../kept", true)] {
            let shadow = fixture.shadow()?;
            remove_servers_folder(shadow.path());
            fs::remove_file(shadow.path().join(SERVERS_FOLDER))?;
            fs::write(shadow.path().join(SERVERS_FOLDER), name)?;
            let folder = fixture.path("temporary").join(name);
            fs::create_dir_all(folder.join("server-1-2"))?;
            fs::write(folder.join("server-1-2/lock"), "")?;
            shadow.end()?;
            assert_eq!(folder.exists(), is_left, "{name}");
        }
        Ok(())
    }

    #[test]
    fn the_end_of_a_shadow_that_nothing_was_written_to_leaves_the_prefix_alone() -> io::Result<()> {
        let fixture = Fixture::new()?;
        drop(fixture.shadow()?);
        fixture.shadow()?.end()?;
        assert_eq!(fixture.shadows(), 0);
        for (path, text) in [
            ("drive_c/users/me/note.txt", "mine"),
            ("drive_c/windows/system32/Secur32.dll", "Wine's"),
            ("drive_c/windows/system32/kernel32.dll", "Wine's"),
            (".update-timestamp", "1"),
        ] {
            assert_eq!(fixture.read(path).as_deref(), Some(text), "{path}");
        }
        Ok(())
    }

    #[test]
    fn the_shadow_of_a_killed_run_is_removed_by_the_next_and_one_in_use_is_not() -> io::Result<()> {
        let fixture = Fixture::new()?;
        let in_use = fixture.shadow()?;
        let Shadow { folder, lock, .. } = fixture.shadow()?;
        let abandoned = folder.keep();
        fs::write(abandoned.join("drive_c/written.txt"), "by the program")?;
        drop(lock);
        assert_eq!(fixture.shadows(), 2);
        let next = fixture.shadow()?;
        assert!(!abandoned.exists() && in_use.path().exists() && next.path().exists());
        assert_eq!(fixture.read("drive_c/written.txt").as_deref(), Some("by the program"));
        Ok(())
    }
}
