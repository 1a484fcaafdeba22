//! The C functions as a driver of the vectors: of this library on Unix, of the system in a Windows program. Copies of a tiny
//! module lie in a folder of their own.
#![allow(unsafe_code, reason = "the functions under observation are C's")]
#![allow(
    unused_unsafe,
    reason = "this library's functions are unsafe only where they must be, the system's all are"
)]

use std::ffi::c_void;
use std::path::{Path, PathBuf};
use std::{env, fs, mem, ptr};

use loader_vectors::{Buffer, Driver, Export, Form, Loader, Row, Sought, Text, UNTOUCHED, shown};
use tempfile::TempDir;

use abi::{
    AddDllDirectory, DisableThreadLibraryCalls, FreeLibrary, GetDllDirectoryA, GetDllDirectoryW,
    GetLastError, GetModuleFileNameA, GetModuleFileNameW, GetModuleHandleA, GetModuleHandleExA,
    GetModuleHandleExW, GetModuleHandleW, GetProcAddress, LoadLibraryA, LoadLibraryExA, LoadLibraryExW,
    LoadLibraryW, RemoveDllDirectory, SetDefaultDllDirectories, SetDllDirectoryA, SetDllDirectoryW,
    SetLastError,
};

#[cfg(windows)]
mod abi {
    pub(crate) use windows_sys::Win32::Foundation::{FreeLibrary, GetLastError, SetLastError};
    pub(crate) use windows_sys::Win32::System::LibraryLoader::*;
}

#[cfg(unix)]
mod abi {
    pub(crate) use sspcache_win32::{
        sspcache_AddDllDirectory as AddDllDirectory,
        sspcache_DisableThreadLibraryCalls as DisableThreadLibraryCalls, sspcache_FreeLibrary as FreeLibrary,
        sspcache_GetDllDirectoryA as GetDllDirectoryA, sspcache_GetDllDirectoryW as GetDllDirectoryW,
        sspcache_GetLastError as GetLastError, sspcache_GetModuleFileNameA as GetModuleFileNameA,
        sspcache_GetModuleFileNameW as GetModuleFileNameW, sspcache_GetModuleHandleA as GetModuleHandleA,
        sspcache_GetModuleHandleExA as GetModuleHandleExA, sspcache_GetModuleHandleExW as GetModuleHandleExW,
        sspcache_GetModuleHandleW as GetModuleHandleW, sspcache_GetProcAddress as GetProcAddress,
        sspcache_LoadLibraryA as LoadLibraryA, sspcache_LoadLibraryExA as LoadLibraryExA,
        sspcache_LoadLibraryExW as LoadLibraryExW, sspcache_LoadLibraryW as LoadLibraryW,
        sspcache_RemoveDllDirectory as RemoveDllDirectory,
        sspcache_SetDefaultDllDirectories as SetDefaultDllDirectories,
        sspcache_SetDllDirectoryA as SetDllDirectoryA, sspcache_SetDllDirectoryW as SetDllDirectoryW,
        sspcache_SetLastError as SetLastError,
    };
}

const TOLD: &str = "TINY_DLL_TOLD";

type Module = *mut c_void;

pub(crate) struct C {
    form: Form,
    folder: TempDir,
    before: PathBuf,
    files: Vec<String>,
    /// Of the folders that the row added and didn't remove.
    cookies: Vec<u64>,
    last_error: u32,
}

impl C {
    /// What a function gives; the last error right after it is kept.
    fn call<R>(&mut self, function: impl FnOnce() -> R) -> R {
        // SAFETY: these touch this thread's last error alone.
        unsafe {
            SetLastError(UNTOUCHED);
            let result = function();
            self.last_error = GetLastError();
            result
        }
    }

    fn handle(&self, module: Module) -> Result<u64, u32> {
        if module.is_null() { Err(self.last_error) } else { Ok(module.addr() as u64) }
    }

    fn succeeded(&self, result: i32) -> Result<(), u32> {
        if result == 0 { Err(self.last_error) } else { Ok(()) }
    }
}

impl Drop for C {
    /// Frees what the row left loaded, so that the next row begins with nothing. Pinned modules stay.
    fn drop(&mut self) {
        for cookie in mem::take(&mut self.cookies) {
            self.remove_dll_directory(cookie).expect("it was added");
        }
        self.set_dll_directory(None).expect("the standard search");
        for file in &self.files {
            // A file without extension is asked for with a dot (L2).
            let dot = if Path::new(file).extension().is_none() { "." } else { "" };
            let path = wide(&format!(r"{}\{file}{dot}", self.folder()));
            for _ in 0..16 {
                // SAFETY: a terminated string; a handle that the loader just gave, or null, which it refuses.
                let freed = unsafe { FreeLibrary(GetModuleHandleW(path.as_ptr())) };
                if freed == 0 {
                    break;
                }
            }
        }
        env::set_current_dir(&self.before).expect("the folder was there before");
    }
}

impl Loader for C {
    const DRIVER: Driver = if cfg!(windows) { Driver::System } else { Driver::C };

    fn new(row: &Row, form: Form) -> Self {
        let tiny = format!("{}tiny_dll{}", env::consts::DLL_PREFIX, env::consts::DLL_SUFFIX);
        let tiny = env::current_exe().expect("a path").with_file_name(tiny);
        let folder = tempfile::tempdir().expect("a folder");
        for file in row.files() {
            let path = folder.path().join(file.replace('\\', std::path::MAIN_SEPARATOR_STR));
            fs::create_dir_all(path.parent().expect("a folder")).expect("a folder");
            let tiny = || fs::read(&tiny).expect("the tiny DLL lies beside the test program");
            let contents = match file.as_str() {
                "not-a-module.dll" => b"no module of any machine".to_vec(),
                "cut-short.dll" => tiny()[..600].to_vec(),
                "other-machine.dll" => of_another_machine(tiny()),
                "needs-missing.dll" => with_a_missing_need(tiny()),
                _ => tiny(),
            };
            fs::write(&path, contents).expect("a file");
        }
        let before = env::current_dir().expect("a folder");
        env::set_current_dir(folder.path()).expect("a folder");
        // SAFETY: no other test of this program reads or writes the environment.
        unsafe { env::remove_var(TOLD) };
        #[cfg(unix)]
        unix::tell_tiny_dll();
        Self { form, folder, before, files: row.files(), cookies: Vec::new(), last_error: UNTOUCHED }
    }

    fn folder(&self) -> String {
        in_windows_form(self.folder.path())
    }

    fn program(&self) -> String {
        in_windows_form(&env::current_exe().expect("a path"))
    }

    fn last_error(&self) -> Option<u32> {
        Some(self.last_error)
    }

    fn load_library(&mut self, name: Option<&Text>) -> Result<u64, u32> {
        let name = Name::new(self.form, name);
        // SAFETY: null or a terminated string; the entry points of the modules are ours.
        let module: Module = self.call(|| unsafe {
            match &name {
                Name::A(name) => LoadLibraryA(pointer(name).cast()),
                Name::W(name) => LoadLibraryW(pointer(name)),
            }
        });
        self.handle(module)
    }

    fn load_library_ex(&mut self, name: Option<&Text>, file: u64, flags: u32) -> Result<u64, u32> {
        let name = Name::new(self.form, name);
        let file = word(file);
        // SAFETY: as for LoadLibrary.
        let module: Module = self.call(|| unsafe {
            match &name {
                Name::A(name) => LoadLibraryExA(pointer(name).cast(), file, flags),
                Name::W(name) => LoadLibraryExW(pointer(name), file, flags),
            }
        });
        self.handle(module)
    }

    fn free_library(&mut self, module: u64) -> Result<(), u32> {
        // SAFETY: the rows free references that they took; what they forge, the loader refuses.
        let freed = self.call(|| unsafe { FreeLibrary(word(module)) });
        self.succeeded(freed)
    }

    fn get_module_handle(&mut self, name: Option<&Text>) -> Result<u64, u32> {
        let name = Name::new(self.form, name);
        // SAFETY: null or a terminated string.
        let module: Module = self.call(|| unsafe {
            match &name {
                Name::A(name) => GetModuleHandleA(pointer(name).cast()),
                Name::W(name) => GetModuleHandleW(pointer(name)),
            }
        });
        self.handle(module)
    }

    fn get_module_handle_ex(&mut self, flags: u32, sought: Sought<'_>, has_place: bool) -> Result<u64, u32> {
        let name = match sought {
            Sought::Name(name) => Name::new(self.form, name),
            Sought::Address(_) => Name::new(self.form, None),
        };
        let address = match sought {
            Sought::Address(address) => Some(word(address)),
            Sought::Name(_) => None,
        };
        let mut module: Module = ptr::without_provenance_mut(0x55);
        let place = if has_place { &raw mut module } else { ptr::null_mut() };
        // SAFETY: null, a terminated string, or an address with the flag that says so; null or a place for the result.
        let succeeded = self.call(|| unsafe {
            match &name {
                Name::A(name) => {
                    GetModuleHandleExA(flags, address.map_or(pointer(name).cast(), |at| at.cast()), place)
                }
                Name::W(name) => {
                    GetModuleHandleExW(flags, address.map_or(pointer(name), |at| at.cast()), place)
                }
            }
        });
        if succeeded == 0 && has_place {
            assert!(module.is_null(), "L5: the result is nulled on failure, not {module:?}");
        }
        self.succeeded(succeeded).map(|()| module.addr() as u64)
    }

    fn get_proc_address(&mut self, module: u64, export: &Export) -> Result<u32, u32> {
        let name = match export {
            Export::Name(name) => name.bytes().chain([0]).collect(),
            Export::Ordinal(_) => Vec::new(),
        };
        let pointer = match export {
            Export::Name(_) => name.as_ptr(),
            Export::Ordinal(ordinal) => ptr::without_provenance(usize::from(*ordinal)),
        };
        // SAFETY: a terminated string or an ordinal.
        let function = self.call(|| unsafe { GetProcAddress(word(module), pointer.cast()) });
        // SAFETY: a null pointer is no function; the exports that rows ask for are the tiny DLL's, of this type.
        let function: Option<unsafe extern "system" fn() -> u32> = unsafe { mem::transmute(function) };
        // SAFETY: as above.
        function.map(|function| unsafe { function() }).ok_or(self.last_error)
    }

    fn module_path(&mut self, module: u64) -> Result<String, u32> {
        let mut buffer = Buffer { units: vec![0; 40_000], size: 40_000 };
        match self.get_module_file_name(module, &mut buffer) {
            0 => Err(self.last_error),
            length => Ok(in_windows_form(Path::new(&shown(self.form, &buffer.units[..length as usize])))),
        }
    }

    fn get_module_file_name(&mut self, module: u64, buffer: &mut Buffer) -> u32 {
        let module = word(module);
        // SAFETY: the buffer has more than the size that is passed.
        self.write(buffer, |buffer, size| unsafe {
            match buffer {
                Name::A(bytes) => GetModuleFileNameA(module, bytes.as_mut_ptr().cast(), size),
                Name::W(units) => GetModuleFileNameW(module, units.as_mut_ptr(), size),
            }
        })
    }

    fn get_dll_directory(&mut self, buffer: &mut Buffer) -> u32 {
        // SAFETY: the buffer has more than the size that is passed.
        self.write(buffer, |buffer, size| unsafe {
            match buffer {
                Name::A(bytes) => GetDllDirectoryA(size, bytes.as_mut_ptr().cast()),
                Name::W(units) => GetDllDirectoryW(size, units.as_mut_ptr()),
            }
        })
    }

    fn disable_thread_library_calls(&mut self, module: u64) -> Result<(), u32> {
        // SAFETY: what the rows forge, the loader refuses.
        let succeeded = self.call(|| unsafe { DisableThreadLibraryCalls(word(module)) });
        self.succeeded(succeeded)
    }

    fn set_dll_directory(&mut self, path: Option<&Text>) -> Result<(), u32> {
        let path = Name::new(self.form, path);
        // SAFETY: null or a terminated string.
        let succeeded = self.call(|| unsafe {
            match &path {
                Name::A(path) => SetDllDirectoryA(pointer(path).cast()),
                Name::W(path) => SetDllDirectoryW(pointer(path)),
            }
        });
        self.succeeded(succeeded)
    }

    /// In UTF-16 alone: there is no other form.
    fn add_dll_directory(&mut self, path: Option<&Text>) -> Result<u64, u32> {
        let path = path.map(Text::units).unwrap_or_default();
        // SAFETY: null or a terminated string.
        let cookie = self.call(|| unsafe { AddDllDirectory(pointer(&path)) });
        let cookie = self.handle(cookie.cast())?;
        self.cookies.push(cookie);
        Ok(cookie)
    }

    fn remove_dll_directory(&mut self, cookie: u64) -> Result<(), u32> {
        self.cookies.retain(|added| *added != cookie);
        // SAFETY: the rows remove what they added, once; what they forge is for the loader to refuse.
        let succeeded = self.call(|| unsafe { RemoveDllDirectory(word(cookie)) });
        self.succeeded(succeeded)
    }

    fn set_default_dll_directories(&mut self, flags: u32) -> Result<(), u32> {
        // SAFETY: flags alone.
        let succeeded = self.call(|| unsafe { SetDefaultDllDirectories(flags) });
        self.succeeded(succeeded)
    }

    fn told(&self) -> Vec<String> {
        let told = env::var(TOLD).unwrap_or_default();
        told.split_whitespace().map(str::to_owned).collect()
    }
}

/// The module with another machine in its header.
fn of_another_machine(mut module: Vec<u8>) -> Vec<u8> {
    let machine = if module.starts_with(b"MZ") {
        let header: [u8; 4] = module[0x3C..0x40].try_into().expect("four bytes");
        u32::from_le_bytes(header) as usize + 4
    } else if module.starts_with(b"\x7FELF") {
        18
    } else {
        4
    };
    module[machine] ^= 0x80;
    module
}

/// The module with a need for a module that is nowhere.
fn with_a_missing_need(mut module: Vec<u8>) -> Vec<u8> {
    let need: &[u8] = match env::consts::OS {
        "windows" => b"KERNEL32.dll\0",
        "macos" => b"libSystem.B.dylib\0",
        _ => b"libc.so.6\0",
    };
    let mut found = 0;
    for at in 0..module.len() - need.len() {
        if module[at..].starts_with(need) {
            module[at + 2] = b'_';
            found += 1;
        }
    }
    assert!(found > 0, "the tiny DLL needs what every module does");
    module
}

/// A string in the form of the function that takes it; empty for a null pointer.
enum Name {
    A(Vec<u8>),
    W(Vec<u16>),
}

impl Name {
    fn new(form: Form, text: Option<&Text>) -> Self {
        match form {
            Form::A => Self::A(text.map(Text::bytes).unwrap_or_default()),
            Form::W => Self::W(text.map(Text::units).unwrap_or_default()),
        }
    }
}

impl C {
    /// Has a function write into a buffer in this form.
    fn write(&mut self, buffer: &mut Buffer, write: impl FnOnce(&mut Name, u32) -> u32) -> u32 {
        let mut written = match self.form {
            Form::A => {
                Name::A(buffer.units.iter().map(|unit| u8::try_from(*unit).expect("a byte")).collect())
            }
            Form::W => Name::W(buffer.units.clone()),
        };
        let size = buffer.size;
        let count = self.call(|| write(&mut written, size));
        buffer.units = match written {
            Name::A(bytes) => bytes.into_iter().map(u16::from).collect(),
            Name::W(units) => units,
        };
        count
    }
}

/// A path as rows have it. On Unix the library gives the host's form, as `docs/win32.md` says: drive `Z:` is its root.
fn in_windows_form(path: &Path) -> String {
    let path = path.to_str().expect("a path in UTF-8");
    if cfg!(unix) { format!("Z:{}", path.replace('/', "\\")) } else { path.to_owned() }
}

fn pointer<T>(terminated: &[T]) -> *const T {
    if terminated.is_empty() { ptr::null() } else { terminated.as_ptr() }
}

fn word(word: u64) -> Module {
    ptr::without_provenance_mut(usize::try_from(word).expect("as wide as a pointer"))
}

fn wide(text: &str) -> Vec<u16> {
    text.encode_utf16().chain([0]).collect()
}

#[cfg(unix)]
mod unix {
    //! What `fixtures/tiny-dll` calls on Unix.

    use std::env;
    use std::ffi::{c_char, c_void};
    use std::ptr;

    use super::{FreeLibrary, GetModuleHandleA, GetModuleHandleExA, LoadLibraryA, Module};

    #[repr(C)]
    struct Functions {
        load: unsafe extern "C" fn(*const c_char) -> Module,
        find: unsafe extern "C" fn(*const c_char) -> Module,
        at_address: unsafe extern "C" fn(*const c_void) -> Module,
        free: extern "C" fn(Module) -> i32,
    }

    static FUNCTIONS: Functions =
        Functions { load: LoadLibraryA, find: GetModuleHandleA, at_address, free: FreeLibrary };

    /// The module that an address lies in.
    ///
    /// # Safety
    /// None is needed: the address is only compared.
    unsafe extern "C" fn at_address(address: *const c_void) -> Module {
        /// By address, and without a reference.
        const FLAGS: u32 = 4 | 2;
        let mut module = ptr::null_mut();
        // SAFETY: an address, as the flags say, and a place for the result.
        unsafe { GetModuleHandleExA(FLAGS, address.cast(), &raw mut module) };
        module
    }

    /// Tells the tiny DLL by which functions it loads, finds and frees.
    pub(super) fn tell_tiny_dll() {
        let address = ptr::from_ref(&FUNCTIONS).expose_provenance();
        // SAFETY: no other test of this program reads or writes the environment.
        unsafe { env::set_var("TINY_DLL_LOADER", address.to_string()) };
    }
}
