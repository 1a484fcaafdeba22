//! The emulated loader as a driver of the vectors.

use std::sync::{Arc, Mutex};

use loader_vectors::{Driver, Export, Form, Loader, Row, Sought, Text};
use sspcache_loader::{
    DirectoryCookie, EmulatedLoader, Handle, LoadFlags, LoaderError, LookupFlags, ModuleFile, Name,
    Notification, Procedure, Reason,
};
use widestring::U16String;
use windows_sys::Win32::Foundation::ERROR_MOD_NOT_FOUND;

const FOLDER: &str = r"C:\rows\row";
const PROGRAM: &str = r"C:\app\program.exe";

pub(crate) struct Emulated {
    loader: EmulatedLoader<u32>,
    form: Form,
    told: Arc<Mutex<Vec<String>>>,
}

/// A name in one of the forms that this loader takes.
enum Spelled {
    Utf8(String),
    Utf16(U16String),
}

impl Spelled {
    fn name(&self) -> Name<'_> {
        match self {
            Self::Utf8(name) => name.into(),
            Self::Utf16(name) => name.into(),
        }
    }
}

impl Emulated {
    fn spell(&self, text: &Text) -> Spelled {
        match self.form {
            Form::A => {
                let mut bytes = text.bytes();
                bytes.pop();
                Spelled::Utf8(String::from_utf8(bytes).expect("what is no UTF-8 needs a C ABI"))
            }
            Form::W => {
                let mut units = text.units();
                units.pop();
                Spelled::Utf16(U16String::from_vec(units))
            }
        }
    }
}

/// A file that does what `fixtures/tiny-dll` does under the same name.
fn tiny_dll(file: &str, told: &Arc<Mutex<Vec<String>>>) -> ModuleFile<u32> {
    let path = format!(r"{FOLDER}\{file}");
    if ["not-a-module.dll", "cut-short.dll", "other-machine.dll"].contains(&file) {
        return ModuleFile::foreign(&path);
    }
    let name = file.rsplit('\\').next().unwrap_or(file).to_owned();
    let told = Arc::clone(told);
    ModuleFile::new(&path)
        .export("tiny_one", 1)
        .export("tiny_two", 2)
        .export("TINY_ONE", 3)
        .export_ordinal(7, 7)
        .on_notification(move |notification| entry(&name, notification, &told))
}

fn entry(name: &str, notification: &Notification<'_, u32>, told: &Mutex<Vec<String>>) -> bool {
    let is_load = notification.reason() == Reason::Load;
    let tell = |line: String| told.lock().unwrap().push(line);
    tell(format!("{}{name}", if is_load { '+' } else { '-' }));
    let (loader, module) = (notification.loader(), notification.module());
    // Like the DLL, this doesn't look at what the calls return.
    if let Some(other) = name.strip_prefix("loads-") {
        let _ = if is_load {
            loader.load(other).map(drop)
        } else {
            loader.find(other).and_then(|other| loader.free(other))
        };
    }
    if name.starts_with("finds-itself") && loader.find(name) == Ok(module) {
        tell("=".into());
    }
    if name.starts_with("frees-itself") && is_load != name.starts_with("frees-itself-late") {
        let _ = loader.free(module);
    }
    if name.starts_with("reloads-itself") && !is_load {
        let _ = loader.load(name);
    }
    !name.starts_with("refuse")
}

impl Loader for Emulated {
    const DRIVER: Driver = Driver::Emulated;

    fn new(row: &Row, form: Form) -> Self {
        let loader = EmulatedLoader::new(ModuleFile::new(PROGRAM));
        loader.set_current_directory(FOLDER);
        let told = Arc::default();
        for file in row.files() {
            loader.register(tiny_dll(&file, &told));
        }
        Self { loader, form, told }
    }

    fn folder(&self) -> String {
        FOLDER.into()
    }

    fn program(&self) -> String {
        PROGRAM.into()
    }

    fn last_error(&self) -> Option<u32> {
        None
    }

    fn load_library(&mut self, name: Option<&Text>) -> Result<u64, u32> {
        self.load_library_ex(name, 0, 0)
    }

    fn free_library(&mut self, module: u64) -> Result<(), u32> {
        self.loader.free(Handle::from_u64(module)).map_err(|error| error.code())
    }

    fn get_module_handle(&mut self, name: Option<&Text>) -> Result<u64, u32> {
        let name = name.map(|name| self.spell(name));
        let sought = name.as_ref().map_or(sspcache_loader::Sought::Program, |name| name.name().into());
        self.loader.find(sought).map(Handle::to_u64).map_err(|error| error.code())
    }

    fn get_module_handle_ex(&mut self, flags: u32, sought: Sought<'_>, _has_place: bool) -> Result<u64, u32> {
        let find = || {
            let flags = LookupFlags::from_bits(flags)?;
            match sought {
                Sought::Name(None) => self.loader.find_ex(sspcache_loader::Sought::Program, flags.lifetime),
                Sought::Name(Some(name)) => self.loader.find_ex(self.spell(name).name(), flags.lifetime),
                Sought::Address(address) => {
                    self.loader.find_ex(sspcache_loader::Sought::Address(address), flags.lifetime)
                }
            }
        };
        find().map(Handle::to_u64).map_err(|error: LoaderError| error.code())
    }

    fn get_proc_address(&mut self, module: u64, export: &Export) -> Result<u32, u32> {
        let procedure = match export {
            Export::Name(name) => Procedure::from(name.as_str()),
            Export::Ordinal(ordinal) => Procedure::Ordinal(*ordinal),
        };
        self.loader.procedure(Handle::from_u64(module), procedure).map_err(|error| error.code())
    }

    fn module_path(&mut self, module: u64) -> Result<String, u32> {
        let name = self.loader.file_name(Handle::from_u64(module));
        name.map(|name| name.to_string_lossy()).map_err(|error| error.code())
    }

    fn load_library_ex(&mut self, name: Option<&Text>, _file: u64, flags: u32) -> Result<u64, u32> {
        let name = self.spell(name.expect("a null name needs a C ABI"));
        let load = || self.loader.load_ex(name.name(), LoadFlags::from_bits(flags)?);
        load().map(Handle::to_u64).map_err(|error| error.code())
    }

    /// No module is notified of threads here: what is left is that the module must be one.
    fn disable_thread_library_calls(&mut self, module: u64) -> Result<(), u32> {
        let module = Handle::from_u64(module).ok_or(ERROR_MOD_NOT_FOUND)?;
        self.loader.file_name(module).map(drop).map_err(|error| error.code())
    }

    fn set_dll_directory(&mut self, path: Option<&Text>) -> Result<(), u32> {
        let path = path.map(|path| self.spell(path));
        self.loader.set_dll_directory(path.as_ref().map(Spelled::name));
        Ok(())
    }

    fn add_dll_directory(&mut self, path: Option<&Text>) -> Result<u64, u32> {
        let path = self.spell(path.expect("a null path needs a C ABI"));
        self.loader.add_dll_directory(path.name()).map(DirectoryCookie::to_u64).map_err(|error| error.code())
    }

    fn remove_dll_directory(&mut self, cookie: u64) -> Result<(), u32> {
        let cookie = DirectoryCookie::from_u64(cookie).expect("a null cookie needs a C ABI");
        self.loader.remove_dll_directory(cookie).map_err(|error| error.code())
    }

    fn set_default_dll_directories(&mut self, flags: u32) -> Result<(), u32> {
        self.loader.set_default_dll_directories(flags).map_err(|error| error.code())
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }
}
