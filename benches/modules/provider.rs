//! A flush through a provider, beside the same steps written by hand. It is measured in a child process.
#![allow(unsafe_code, reason = "calls C functions")]

use std::{
    env,
    ffi::{CStr, CString, c_int, c_void},
    mem,
    path::Path,
    process::Command,
    ptr,
    time::{Duration, Instant},
};

use sspcache::{
    CredentialProvider, Flush, SspCaches,
    loader::{Loader, NativeLoader},
};
use sspcache_win32::{
    Win32Loader, sspcache_FreeLibrary, sspcache_GetModuleHandleExA, sspcache_GetProcAddress,
    sspcache_LoadLibraryA,
};

/// Tells this program to be a child.
pub(crate) const FLAG: &str = "--provider";

/// Through whom is flushed, as the tables call it.
pub(crate) const LOADERS: [&str; 2] = ["Win32Loader", "NativeLoader"];

const EXPORT: &CStr = c"CleanupCredentialCache";
type Cleaner = extern "C" fn() -> i32;

/// Nanoseconds that a flush takes by hand and through the provider.
pub(crate) fn measure(loader: &str, modules: &[impl AsRef<Path>], ssp: &Path, batches: usize) -> [f64; 2] {
    let mut child = Command::new(env::current_exe().expect("a program knows its own path"));
    child.args([FLAG, loader, &batches.to_string()]).arg(ssp).args(modules.iter().map(AsRef::as_ref));
    let output = child.output().expect("it starts");
    assert!(output.status.success(), "{loader}: {}", String::from_utf8_lossy(&output.stderr));
    let text = String::from_utf8(output.stdout).expect("text");
    let mut words = text.split_whitespace().map(|word| word.parse().expect("a number"));
    [(); 2].map(|()| words.next().expect("two numbers"))
}

/// Prints the times, in a child.
pub(crate) fn report(arguments: &[String]) {
    let [loader, batches, ssp, modules @ ..] = arguments else { panic!("what to measure") };
    let batches = batches.parse().expect("a number");
    for module in modules.iter().chain([ssp]) {
        let path = CString::new(module.as_str()).expect("a path");
        // SAFETY: the path ends in a null; the module does nothing when it is loaded.
        assert!(!unsafe { sspcache_LoadLibraryA(path.as_ptr()) }.is_null(), "{module}");
    }
    let name = Path::new(ssp).file_name().and_then(|name| name.to_str()).expect("a name");
    let (by_name, registered) = (CString::new(name).expect("a name"), CString::new(name).expect("a name"));
    let times = if loader == LOADERS[0] {
        compare(batches, || through_the_functions(&by_name, &registered), Win32Loader, name)
    } else {
        compare(batches, || through_the_linker(&by_name, &registered), NativeLoader::default(), name)
    };
    println!("{} {}", times[0], times[1]);
}

/// Medians of batches, which take turns.
fn compare(batches: usize, by_hand: impl Fn() -> bool, loader: impl Loader, name: &str) -> [f64; 2] {
    let provider = SspCaches::builder(loader).register(name).build();
    let provider: &dyn CredentialProvider = &provider;
    let flush = || matches!(provider.flush(name), Ok(Flush::Flushed));
    let mut length = 1;
    while batch(length, &by_hand) < Duration::from_micros(300) {
        length *= 2;
    }
    let mut times = [vec![], vec![]];
    for _ in 0..batches {
        for (times, time) in times.iter_mut().zip([batch(length, &by_hand), batch(length, &flush)]) {
            times.push(time.as_secs_f64() * 1e9 / f64::from(length));
        }
    }
    times.map(|times| sspcache_benches::targets::median(&times))
}

fn batch(length: u32, flush: &impl Fn() -> bool) -> Duration {
    let start = Instant::now();
    for _ in 0..length {
        assert!(flush(), "it is loaded and can be flushed");
    }
    start.elapsed()
}

/// Whether it is an SSP that may be flushed: the first of the documented steps.
fn is_known(name: &CStr, registered: &CStr) -> bool {
    let known = [c"MSNSSPC.dll", c"MSAPSSPC.dll", registered];
    known.iter().any(|known| known.to_bytes().eq_ignore_ascii_case(name.to_bytes()))
}

/// GetModuleHandleEx, GetProcAddress, the call, FreeLibrary, of a known SSP.
fn through_the_functions(name: &CStr, registered: &CStr) -> bool {
    if !is_known(name, registered) {
        return false;
    }
    let mut module = ptr::null_mut();
    // SAFETY: the name ends in a null, and the place may be written to.
    if unsafe { sspcache_GetModuleHandleExA(0, name.as_ptr(), &raw mut module) } == 0 {
        return false;
    }
    // SAFETY: the name ends in a null.
    let cleanup = unsafe { sspcache_GetProcAddress(module, EXPORT.as_ptr()) };
    // SAFETY: the export is this function, and its module is held.
    let cleanup: Option<Cleaner> = unsafe { mem::transmute(cleanup) };
    let is_flushed = cleanup.is_some_and(|cleanup| cleanup() != 0);
    sspcache_FreeLibrary(module);
    is_flushed
}

/// `dl_iterate_phdr` for the module's path, `dlopen` for a reference, `dlsym`, `dladdr` for whose export it is, the call, `dlclose`,
/// of a known SSP.
fn through_the_linker(name: &CStr, registered: &CStr) -> bool {
    struct Wanted<'a> {
        name: &'a [u8],
        path: Option<CString>,
    }

    /// Keeps the path of the module that is wanted.
    ///
    /// # Safety
    /// To be called by `dl_iterate_phdr` alone, with a pointer to a [`Wanted`].
    unsafe extern "C" fn visit(info: *mut libc::dl_phdr_info, _: usize, data: *mut c_void) -> c_int {
        // SAFETY: that is what was passed below.
        let wanted = unsafe { &mut *data.cast::<Wanted<'_>>() };
        // SAFETY: during the iteration the name is a string.
        let path = unsafe { CStr::from_ptr((*info).dlpi_name) };
        let file = path.to_bytes().rsplit(|&byte| byte == b'/').next().unwrap_or_default();
        if file.eq_ignore_ascii_case(wanted.name) && wanted.path.is_none() {
            wanted.path = Some(path.to_owned());
        }
        // To the end: there may be more of that name, and each has a cache to flush.
        0
    }

    if !is_known(name, registered) {
        return false;
    }
    let mut wanted = Wanted { name: name.to_bytes(), path: None };
    // SAFETY: the callback takes what is passed, which outlives the call.
    unsafe { libc::dl_iterate_phdr(Some(visit), (&raw mut wanted).cast()) };
    let Some(path) = wanted.path else { return false };
    // SAFETY: the path ends in a null; nothing is loaded.
    let module = unsafe { libc::dlopen(path.as_ptr(), libc::RTLD_NOW | libc::RTLD_NOLOAD) };
    if module.is_null() {
        return false;
    }
    // SAFETY: the module is held, and the name ends in a null.
    let cleanup = unsafe { libc::dlsym(module, EXPORT.as_ptr()) };
    // SAFETY: zeroes are such a structure.
    let mut info: libc::Dl_info = unsafe { mem::zeroed() };
    // SAFETY: the structure may be written to; the file's name is a string while the module is held.
    let is_own = unsafe {
        libc::dladdr(cleanup, &raw mut info) != 0 && CStr::from_ptr(info.dli_fname) == path.as_c_str()
    };
    // SAFETY: the export is this function, and its module is held.
    let cleanup: Option<Cleaner> = unsafe { mem::transmute(cleanup) };
    let is_flushed = is_own && cleanup.is_some_and(|cleanup| cleanup() != 0);
    // SAFETY: the reference was taken above.
    unsafe { libc::dlclose(module) };
    is_flushed
}
