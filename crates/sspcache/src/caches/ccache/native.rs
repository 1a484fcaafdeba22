//! The ccaches of this system: which there are, and through which library.

use std::{
    env,
    ffi::CString,
    path::{Path, PathBuf},
    rc::Rc,
};

use super::{
    Ccache, CcacheLibrary, Refusal, Selection,
    krb5::{self, Context, Fault, Handle, Library},
    place::{self, Place},
};

/// The Kerberos libraries that this process has loaded, or that are installed.
///
/// [`Selection::Memory`], and a name of the type `MEMORY`, ask the loaded ones alone. The others ask those, too; where none is
/// loaded, or none knows the type of the ccache, an installed one is loaded, MIT krb5's before Heimdal's: a library isn't the cache.
/// It stays loaded.
#[derive(Debug, Default)]
pub struct NativeCcaches(());

impl CcacheLibrary for NativeCcaches {
    fn find(&self, selection: &Selection) -> Result<Vec<Box<dyn Ccache>>, Refusal> {
        let mut found = Found::default();
        match selection {
            Selection::Memory => find_in_memory(None, &mut found),
            Selection::Named(name) => find_named(name, &mut found)?,
            Selection::Default | Selection::Collection => find_default(selection, &mut found)?,
        }
        if found.0.is_empty() { Err(Refusal::Absent) } else { Ok(found.0) }
    }
}

/// The default of each library, or all in its collection. They may differ.
fn find_default(selection: &Selection, found: &mut Found) -> Result<(), Refusal> {
    let is_collection = *selection == Selection::Collection;
    let search = |library: &Rc<Library>, found: &mut Found| -> Result<(), Stopped> {
        let context = Context::new(library)?;
        let default = context.default_name()?;
        match Place::of(&default) {
            Place::Memory => find_in_memory(Some(&default), found),
            Place::Directory(path) if is_collection => found.in_directory(&context, &path)?,
            Place::Directory(path) => found.resolve(&context, &place::default_in(&path))?,
            _ if is_collection => found.collection(&context, &default)?,
            _ => found.resolve(&context, &default)?,
        }
        Ok(())
    };
    // A library has nothing in a ccache whose type it doesn't know, but another may have.
    let mut unknown = Vec::new();
    let mut knows = |library: &Rc<Library>| match search(library, found) {
        Err(Stopped::Fault(fault)) if fault.is_unknown_type() => {
            unknown.push(fault.text);
            false
        }
        ended => {
            found.add_why(selection, library, ended);
            true
        }
    };
    let loaded = Library::loaded();
    let answered = loaded.iter().filter(|library| knows(library)).count();
    if answered > 0 || Library::installed().any(|library| knows(&library)) {
        return Ok(());
    }
    unknown.dedup();
    if unknown.is_empty() {
        let default = place::default_without_library(env::var_os("KRB5CCNAME").as_deref());
        return Err(without_library(&default));
    }
    Err(Refusal::Unsupported(unknown.join("; ")))
}

/// What keeps a search from going on.
enum Stopped {
    Refused(Refusal),
    Fault(Fault),
}

impl From<Fault> for Stopped {
    fn from(fault: Fault) -> Self {
        Self::Fault(fault)
    }
}

impl From<Refusal> for Stopped {
    fn from(refusal: Refusal) -> Self {
        Self::Refused(refusal)
    }
}

impl Stopped {
    fn into_refusal(self) -> Refusal {
        match self {
            Self::Refused(refusal) => refusal,
            Self::Fault(fault) => fault.into(),
        }
    }
}

impl From<Fault> for Refusal {
    fn from(fault: Fault) -> Self {
        match fault {
            fault if fault.is_absence() => Self::Absent,
            fault if fault.is_unknown_type() => Self::Unsupported(fault.text),
            fault => Self::failed(fault.text),
        }
    }
}

/// The ccaches that were found, each once.
#[derive(Default)]
struct Found(Vec<Box<dyn Ccache>>);

impl Found {
    fn add(&mut self, ccache: impl Ccache + 'static) {
        if !self.0.iter().any(|other| other.name() == ccache.name()) {
            self.0.push(Box::new(ccache));
        }
    }

    /// Adds what stopped a search in a library: the rest of the ccaches are not to suffer.
    fn add_why(&mut self, selection: &Selection, library: &Library, ended: Result<(), Stopped>) {
        match ended.map_err(Stopped::into_refusal) {
            Ok(()) | Err(Refusal::Absent) => {}
            Err(why) => self.0.push(Box::new(Unreadable {
                name: selection.to_string(),
                library: library.path().to_owned(),
                why,
            })),
        }
    }

    /// The ccache of this name, if it is there.
    fn resolve(&mut self, context: &Rc<Context>, name: &str) -> Result<(), Stopped> {
        match NativeCcache::named(context, name) {
            Ok(ccache) if matches!(ccache.principal(), Err(Refusal::Absent)) => {}
            Ok(ccache) => self.add(ccache),
            Err(Stopped::Refused(Refusal::Absent)) => {}
            // Another library may know the type.
            Err(Stopped::Fault(fault)) => return Err(fault.into()),
            Err(Stopped::Refused(why)) => {
                let library = context.library.path().to_owned();
                self.add(Unreadable { name: name.to_owned(), library, why });
            }
        }
        Ok(())
    }

    /// Those of a directory.
    fn in_directory(&mut self, context: &Rc<Context>, path: &Path) -> Result<(), Stopped> {
        for name in place::in_directory(path)? {
            self.resolve(context, &name)?;
        }
        Ok(())
    }

    /// Those of the collection that a ccache of this name is in, but for those in memory: another selection has these.
    fn collection(&mut self, context: &Rc<Context>, name: &str) -> Result<(), Stopped> {
        Place::of(name).check()?;
        let default = c_string(name)?;
        // A type that the library doesn't know is an error here; its list would be empty.
        context.resolve(&default)?;
        context.set_default(&default)?;
        context.collection(|handle| {
            let ccache = NativeCcache::of(handle);
            if ccache.place() != Place::Memory && !matches!(ccache.principal(), Err(Refusal::Absent)) {
                self.add(ccache);
            }
        })?;
        Ok(())
    }
}

/// The ccaches in memory of the loaded libraries: all that they list, or the one of this name.
fn find_in_memory(name: Option<&str>, found: &mut Found) {
    for library in Library::loaded() {
        let search = |found: &mut Found| -> Result<(), Stopped> {
            let context = Context::new(&library)?;
            let mut listed = Vec::new();
            if !context.in_memory(|handle| listed.push(NativeCcache::of(handle)))? {
                let default = context.default_name()?;
                match name.or_else(|| (Place::of(&default) == Place::Memory).then_some(&default)) {
                    // Where there is none, the library makes a record of the name, without content. It is left there: another
                    // thread may have signed in with it by now.
                    Some(name) => listed.push(NativeCcache::named(&context, name)?),
                    None => found.0.push(Box::new(Unlisted(library.path().to_owned()))),
                }
            }
            listed.retain(|ccache| name.is_none_or(|name| name == ccache.name()));
            listed.retain(|ccache| !matches!(ccache.principal(), Err(Refusal::Absent)));
            // Two libraries may each have one of the same name.
            found.0.extend(listed.into_iter().map(|ccache| Box::new(ccache) as Box<dyn Ccache>));
            Ok(())
        };
        let ended = search(found);
        found.add_why(&Selection::Memory, &library, ended);
    }
}

/// The ccache of this name; where it is that of a collection, all in it.
fn find_named(name: &str, found: &mut Found) -> Result<(), Refusal> {
    let place = Place::of(name);
    if place == Place::Memory {
        find_in_memory(Some(name), found);
        return Ok(());
    }
    let mut unknown = Vec::new();
    for library in Library::loaded().into_iter().chain(Library::installed()) {
        let find = |found: &mut Found| -> Result<(), Stopped> {
            let context = Context::new(&library)?;
            if let Place::Directory(path) = &place {
                // A library that doesn't know the type says so.
                return found.in_directory(&context, path);
            }
            let ccache = NativeCcache::named(&context, name)?;
            if ccache.name() != name && matches!(place, Place::Keyring(_) | Place::Other) {
                return found.collection_of_type(&context, name);
            }
            found.resolve(&context, name)
        };
        match find(found) {
            Err(Stopped::Fault(fault)) if fault.is_unknown_type() => {
                unknown.push(fault.text);
            }
            ended => return ended.map_err(Stopped::into_refusal),
        }
    }
    unknown.dedup();
    if unknown.is_empty() {
        Err(without_library(name))
    } else {
        Err(Refusal::Unsupported(unknown.join("; ")))
    }
}

impl Found {
    /// As [`collection`](Self::collection), those alone that are of the name's own type.
    fn collection_of_type(&mut self, context: &Rc<Context>, name: &str) -> Result<(), Stopped> {
        let of_type = |name: &str| name.split_once(':').map(|(of_type, _)| of_type.to_owned());
        let mut all = Self::default();
        all.collection(context, name)?;
        for ccache in all.0 {
            if of_type(&ccache.name()) == of_type(name) {
                self.0.push(ccache);
            }
        }
        Ok(())
    }
}

/// What is known of a ccache where no library is installed.
fn without_library(name: &str) -> Refusal {
    match Place::of(name) {
        // It would be in the memory of a library that isn't there.
        Place::Memory => return Refusal::Absent,
        place @ (Place::File(_) | Place::Directory(_)) => {
            if let Err(Refusal::Absent) = place.check() {
                return Refusal::Absent;
            }
        }
        Place::Keyring(_) | Place::Other => {}
    }
    Refusal::Unsupported(format!(
        "no Kerberos library is installed that could read {name}: neither of {} was found",
        krb5::names()
    ))
}

fn c_string(name: &str) -> Result<CString, Refusal> {
    CString::new(name).map_err(|_| Refusal::failed(format!("the name of a ccache has a NUL in it: {name:?}")))
}

/// One ccache, found through a library.
struct NativeCcache {
    name: CString,
    context: Rc<Context>,
    /// `None` once it was destroyed.
    handle: Option<Handle>,
}

impl NativeCcache {
    fn of(handle: Handle) -> Self {
        Self { name: handle.name(), context: handle.context.clone(), handle: Some(handle) }
    }

    /// The ccache of this name.
    fn named(context: &Rc<Context>, name: &str) -> Result<Self, Stopped> {
        Place::of(name).check()?;
        Ok(Self::of(context.resolve(&c_string(name)?)?))
    }

    fn place(&self) -> Place {
        Place::of(&self.name.to_string_lossy())
    }

    /// Asks the open ccache, or one of the same name that there is after it was destroyed.
    fn ask<T>(&self, question: impl Fn(&Handle) -> Result<T, Fault>) -> Result<T, Refusal> {
        let place = self.place();
        place.check()?;
        if let Some(handle) = &self.handle {
            return Ok(question(handle)?);
        }
        Ok(question(&self.context.resolve(&self.name)?)?)
    }
}

impl Ccache for NativeCcache {
    fn name(&self) -> String {
        self.name.to_string_lossy().into_owned()
    }

    fn library(&self) -> Option<PathBuf> {
        Some(self.context.library.path().to_owned())
    }

    fn principal(&self) -> Result<String, Refusal> {
        self.ask(Handle::principal)
    }

    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        self.ask(Handle::servers)
    }

    /// A file that isn't a ccache is left alone: a library would overwrite and delete whatever the name says.
    fn destroy(&mut self) -> Result<(), Refusal> {
        let place = self.place();
        place.check()?;
        let Some(handle) = self.handle.take() else { return Err(Refusal::Absent) };
        if let Place::File(path) = &place
            && !place::may_be_ccache(path)
        {
            self.handle = Some(handle);
            let why = format!("{} isn't a ccache, so it is left as it is", path.display());
            return Err(Refusal::failed(why));
        }
        Ok(handle.destroy()?)
    }
}

/// What can't be read, and why.
struct Unreadable {
    name: String,
    library: PathBuf,
    why: Refusal,
}

impl Unreadable {
    fn why(&self) -> Refusal {
        match &self.why {
            Refusal::Absent => Refusal::Absent,
            Refusal::Unsupported(what) => Refusal::Unsupported(what.clone()),
            Refusal::Failed(error) => Refusal::failed(error.to_string()),
        }
    }
}

impl Ccache for Unreadable {
    fn name(&self) -> String {
        self.name.clone()
    }

    fn library(&self) -> Option<PathBuf> {
        Some(self.library.clone())
    }

    fn principal(&self) -> Result<String, Refusal> {
        Err(self.why())
    }

    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        Err(self.why())
    }

    fn destroy(&mut self) -> Result<(), Refusal> {
        Err(self.why())
    }
}

/// The ccaches in memory of a library that lists none: the default would be found, but isn't in memory.
struct Unlisted(PathBuf);

impl Ccache for Unlisted {
    fn name(&self) -> String {
        "MEMORY: as the default".to_owned()
    }

    fn library(&self) -> Option<PathBuf> {
        Some(self.0.clone())
    }

    fn principal(&self) -> Result<String, Refusal> {
        Err(Refusal::Absent)
    }

    fn tickets(&self) -> Result<Vec<String>, Refusal> {
        Err(Refusal::Absent)
    }

    fn destroy(&mut self) -> Result<(), Refusal> {
        Err(Refusal::Absent)
    }
}
