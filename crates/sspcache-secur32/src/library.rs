//! The other DLLs that answer calls: the system's own `secur32.dll`, and the mocks of the packages that cache.

use std::{
    ffi::{CStr, c_void},
    mem, ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicPtr, AtomicUsize, Ordering},
    },
};

use windows_sys::Win32::{
    Foundation::HMODULE,
    System::{
        Environment::GetEnvironmentVariableW,
        LibraryLoader::{
            GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS, GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT,
            GetModuleHandleExW, GetProcAddress, LoadLibraryW,
        },
        SystemInformation::GetSystemDirectoryW,
        Threading::GetCurrentThreadId,
    },
};

/// `SEC_E_UNSUPPORTED_FUNCTION`: the other DLL has no such function.
pub(crate) const UNSUPPORTED: i32 = 0x8009_0302_u32.cast_signed();

/// A DLL that answers calls. It is loaded by the first call that needs it, and stays loaded.
#[derive(Debug)]
pub(crate) struct Library {
    kind: Kind,
    /// [`MOST_FILES`] modules, in the order in which a function is looked for.
    modules: [AtomicPtr<c_void>; MOST_FILES],
}

#[derive(Clone, Copy, Debug, Eq, PartialEq)]
enum Kind {
    System,
    /// An SSP of this file name, found where programs find it.
    Provider(&'static str),
}

const MOST_FILES: usize = 2;

/// The system's own: Wine's, or that of Windows' system folder.
pub(crate) static SYSTEM: Library = Library::new(Kind::System);

/// The SSPs with a cache of their own, which a sign-out flushes by their files' names: so they are loaded as Windows'
/// `secur32.dll` loads them. Each has one package.
static PROVIDERS: [(&str, Library); 2] = [
    ("MSN", Library::new(Kind::Provider("MSNSSPC.dll"))),
    ("DPA", Library::new(Kind::Provider("MSAPSSPC.dll"))),
];

/// The provider of a package, found by its name; loaded if need be. None where its file isn't found.
pub(crate) fn provider(is_named: impl Fn(&str) -> bool) -> Option<&'static Library> {
    let (_, library) = PROVIDERS.iter().find(|(package, _)| is_named(package))?;
    (!library.module(0).is_null()).then_some(library)
}

/// The providers that were needed.
pub(crate) fn loaded_providers() -> impl Iterator<Item = &'static Library> {
    PROVIDERS.iter().map(|(_, library)| library).filter(|library| library.is_loaded())
}

impl Library {
    const fn new(kind: Kind) -> Self {
        Self { kind, modules: [const { AtomicPtr::new(ptr::null_mut()) }; MOST_FILES] }
    }

    /// The function of this name; null if there is none.
    pub(crate) fn function(&self, name: &CStr) -> *const c_void {
        for index in 0..MOST_FILES {
            let module = self.module(index);
            if module.is_null() {
                continue;
            }
            // SAFETY: the module stays loaded; the name ends in a null.
            if let Some(function) = unsafe { GetProcAddress(module, name.as_ptr().cast()) } {
                return function as *const c_void;
            }
        }
        ptr::null()
    }

    /// The function of this name, as one of this type.
    ///
    /// # Safety
    /// `F` is a pointer to a function of the type that the function's page gives.
    pub(crate) unsafe fn typed<F: Copy>(&self, name: &CStr) -> Option<F> {
        const { assert!(size_of::<F>() == size_of::<*const c_void>(), "a function's address") };
        let function = self.function(name);
        // SAFETY: by this function's contract; it has the size of an address.
        (!function.is_null()).then(|| unsafe { mem::transmute_copy(&function) })
    }

    /// Calls one of its functions. What the system's own asks of `secur32.dll` meanwhile, it asks of itself: Wine's own
    /// packages forward to the name, and would come back here without end.
    pub(crate) fn call<R>(&self, call: impl FnOnce() -> R) -> R {
        let _inside = (self.kind == Kind::System).then(Inside::enter);
        call()
    }

    /// What the upper half of a handle becomes when it is handed on, as Windows' own does it: so the handles of two
    /// providers always differ. The system's own stay as they are.
    pub(crate) fn mark(&self) -> Option<usize> {
        (self.kind != Kind::System).then(|| ptr::from_ref(self).addr())
    }

    /// Whether it was ever needed.
    pub(crate) fn is_loaded(&self) -> bool {
        self.modules.iter().any(|module| !module.load(Ordering::Acquire).is_null())
    }

    /// One of the modules; null where there are fewer.
    ///
    /// Two threads may load it at once, and the module's own start may ask for it again: each load gives the same handle.
    fn module(&self, index: usize) -> HMODULE {
        let known = self.modules[index].load(Ordering::Acquire);
        if !known.is_null() {
            return known;
        }
        let Some(path) = self.kind.file(index) else { return ptr::null_mut() };
        let path: Vec<u16> = path.into_iter().chain([0]).collect();
        // Its start may load Wine's packages, which forward to this DLL's name.
        // SAFETY: the path ends in a null. An SSP's DLL may be loaded by any thread that is outside of DllMain.
        let module = self.call(|| unsafe { LoadLibraryW(path.as_ptr()) });
        if module.is_null() || module == this_module() {
            return ptr::null_mut();
        }
        self.modules[index].store(module, Ordering::Release);
        module
    }
}

impl Kind {
    /// The path of one of its files.
    fn file(self, index: usize) -> Option<Vec<u16>> {
        let Self::System = self else {
            let Self::Provider(name) = self else { return None };
            return (index == 0).then(|| name.encode_utf16().collect());
        };
        // On Windows `secur32.dll` forwards most to the name `sspicli.dll`, which may lead back here.
        let (folder, files) = match wine_folder() {
            Some(folder) => (folder, &[r"\secur32.dll"][..]),
            None => (system_folder(), &[r"\sspicli.dll", r"\secur32.dll"][..]),
        };
        let file = files.get(index)?;
        Some(folder.into_iter().chain(file.encode_utf16()).collect())
    }
}

/// The folder of Wine's own DLLs, which is not `system32`: there lies this DLL. None on Windows.
fn wine_folder() -> Option<Vec<u16>> {
    /// Set by Wine in the environment of each process (observed under Wine 8 and 10).
    const VARIABLE: &str = "WINEDLLDIR0";
    /// Below it, those for one machine.
    const MACHINE: &str = if cfg!(target_arch = "x86") {
        r"\i386-windows"
    } else if cfg!(target_arch = "aarch64") {
        r"\aarch64-windows"
    } else {
        r"\x86_64-windows"
    };
    let name: Vec<u16> = VARIABLE.encode_utf16().chain([0]).collect();
    // SAFETY: the name ends in a null; the buffer has the size that it is said to have.
    let folder = filled(|buffer, size| unsafe { GetEnvironmentVariableW(name.as_ptr(), buffer, size) });
    (!folder.is_empty()).then(|| folder.into_iter().chain(MACHINE.encode_utf16()).collect())
}

fn system_folder() -> Vec<u16> {
    // SAFETY: the buffer has the size that it is said to have.
    filled(|buffer, size| unsafe { GetSystemDirectoryW(buffer, size) })
}

/// What a function writes to a buffer that is large enough; empty when it fails.
fn filled(write: impl Fn(*mut u16, u32) -> u32) -> Vec<u16> {
    let mut buffer = vec![0u16; 512];
    loop {
        let size = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
        let written = write(buffer.as_mut_ptr(), size) as usize;
        if written < buffer.len() {
            buffer.truncate(written);
            return buffer;
        }
        buffer.resize(written + 1, 0);
    }
}

/// This DLL.
fn this_module() -> HMODULE {
    let mut module = ptr::null_mut();
    let flags = GET_MODULE_HANDLE_EX_FLAG_FROM_ADDRESS | GET_MODULE_HANDLE_EX_FLAG_UNCHANGED_REFCOUNT;
    // SAFETY: with this flag the name is an address; the result may be written to.
    unsafe { GetModuleHandleExW(flags, (&raw const SYSTEM).cast(), &raw mut module) };
    module
}

/// The threads that are inside a call of the system's.
static INSIDE: Mutex<Vec<u32>> = Mutex::new(Vec::new());
static HOW_MANY: AtomicUsize = AtomicUsize::new(0);

/// A call of the system's that this thread is in.
struct Inside(u32);

impl Inside {
    /// Not inlined, as its end isn't: every function of the DLL would have a copy.
    #[inline(never)]
    fn enter() -> Self {
        let thread = this_thread();
        HOW_MANY.fetch_add(1, Ordering::Acquire);
        INSIDE.lock().unwrap_or_else(PoisonError::into_inner).push(thread);
        Self(thread)
    }
}

impl Drop for Inside {
    #[inline(never)]
    fn drop(&mut self) {
        let mut threads = INSIDE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(at) = threads.iter().rposition(|thread| *thread == self.0) {
            threads.remove(at);
        }
        HOW_MANY.fetch_sub(1, Ordering::Release);
    }
}

/// Whether this thread is inside a call of the system's.
pub(crate) fn is_inside() -> bool {
    HOW_MANY.load(Ordering::Acquire) != 0
        && INSIDE.lock().unwrap_or_else(PoisonError::into_inner).contains(&this_thread())
}

fn this_thread() -> u32 {
    // SAFETY: it takes nothing.
    unsafe { GetCurrentThreadId() }
}
