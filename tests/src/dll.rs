//! The mock DLLs as a foreign program meets them: loaded from a file, called through function pointers.
#![allow(unsafe_code, reason = "calls a C ABI")]

use std::{
    env::{
        self,
        consts::{DLL_PREFIX, DLL_SUFFIX},
    },
    ffi::{OsStr, c_void},
    fs,
    marker::PhantomData,
    mem,
    path::{Path, PathBuf},
    ptr, slice, thread,
};

#[cfg(not(miri))]
use libloading::Library;
use tempfile::TempDir;
use windows_sys::Win32::{
    Foundation::SEC_E_OK,
    Security::Authentication::Identity::{SECPKG_CRED_ATTR_NAMES, SECPKG_CRED_OUTBOUND},
    System::Rpc::{SEC_WINNT_AUTH_IDENTITY_ANSI, SEC_WINNT_AUTH_IDENTITY_UNICODE},
};

#[cfg(miri)]
use crate::linked::Library;
use crate::start;

/// The plain `SEC_WINNT_AUTH_IDENTITY`, whose A and W form differ in the strings' types alone.
pub use windows_sys::Win32::System::Rpc::SEC_WINNT_AUTH_IDENTITY_W as Plain;

/// The modules, as cargo names their libraries. On Windows secur32.dll is another kind of module: in front of the system's own.
pub const MODULES: &[&str] =
    if cfg!(any(windows, miri)) { &["MSNSSPC", "MSAPSSPC"] } else { &["MSNSSPC", "MSAPSSPC", "secur32"] };

/// The file that cargo built.
pub fn built(module: &str) -> PathBuf {
    let tests = env::current_exe().expect("a test knows its own path");
    tests.with_file_name(format!("{DLL_PREFIX}{module}{DLL_SUFFIX}"))
}

/// A folder with a copy of a module under the name that ships.
pub fn shipped(module: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("there is a temporary folder");
    let file = folder.path().join(format!("{module}.dll"));
    fs::copy(built(module), &file).unwrap_or_else(|error| panic!("{}: {error}", built(module).display()));
    (folder, file)
}

/// A mock DLL.
#[derive(Debug)]
pub struct Mock {
    module: Module,
    // After the library: a loaded file can't be deleted on Windows.
    _folder: Option<TempDir>,
}

/// Where a mock's functions are.
#[derive(Debug)]
enum Module {
    /// In this program: its exports, by name.
    Linked(Vec<(&'static str, *const c_void)>),
    Loaded(Library),
}

// SAFETY: the addresses are those of functions, which any thread may call.
unsafe impl Send for Module {}
// SAFETY: as above.
unsafe impl Sync for Module {}

impl Mock {
    /// Loads a copy of the module of this test's own, which shares its state with no other test.
    pub fn own(module: &str) -> Self {
        if cfg!(miri) {
            return Self::at(Path::new(module));
        }
        let (folder, file) = shipped(module);
        Self { _folder: Some(folder), ..Self::at(&file) }
    }

    /// Loads this file.
    pub fn at(file: &Path) -> Self {
        // SAFETY: nothing happens while a mock is loaded or unloaded that depends on its surroundings.
        let library = unsafe { Library::new(file) };
        Self::of(library.unwrap_or_else(|error| panic!("{}: {error}", file.display())))
    }

    /// Wraps what `sspcache_dll::link_ssp!` made.
    pub fn linked(exports: Vec<(&'static str, *const c_void)>) -> Self {
        Self { module: Module::Linked(exports), _folder: None }
    }

    /// Wraps a module that is already loaded.
    pub fn of(library: Library) -> Self {
        Self { module: Module::Loaded(library), _folder: None }
    }

    /// An export; `None` when there is none of this name.
    pub fn export<T: Copy>(&self, name: &str) -> Option<T> {
        match &self.module {
            Module::Linked(exports) => {
                const { assert!(size_of::<T>() == size_of::<*const c_void>(), "a function's address") };
                let (_, address) = exports.iter().find(|(known, _)| *known == name)?;
                // SAFETY: every caller names the type that the function's page gives.
                Some(unsafe { mem::transmute_copy(address) })
            }
            // SAFETY: as above.
            Module::Loaded(library) => unsafe { library.get::<T>(name).ok().map(|symbol| *symbol) },
        }
    }

    /// The A or the W functions.
    pub fn sspi<F: Form>(&self) -> Sspi<'_, F> {
        Sspi {
            acquire: self.expect(&format!("AcquireCredentialsHandle{}", F::SUFFIX)),
            add: self.expect(&format!("AddCredentials{}", F::SUFFIX)),
            enumerate: self.expect(&format!("EnumerateSecurityPackages{}", F::SUFFIX)),
            free: self.expect("FreeCredentialsHandle"),
            free_buffer: self.expect("FreeContextBuffer"),
            query: self.expect(&format!("QueryCredentialsAttributes{}", F::SUFFIX)),
            query_ex: self.expect(&format!("QueryCredentialsAttributesEx{}", F::SUFFIX)),
            query_package: self.expect(&format!("QuerySecurityPackageInfo{}", F::SUFFIX)),
            set: self.expect(&format!("SetCredentialsAttributes{}", F::SUFFIX)),
            loaded: PhantomData,
        }
    }

    /// `CleanupCredentialCache`.
    pub fn flush(&self) -> bool {
        let cleanup: extern "system" fn() -> i32 = self.expect("CleanupCredentialCache");
        cleanup() != 0
    }

    /// Unloads the module.
    pub fn unload(self) {
        match self.module {
            Module::Linked(_) => panic!("what is linked in is never unloaded"),
            Module::Loaded(library) => library.close().expect("unloading succeeds"),
        }
    }

    pub fn expect<T: Copy>(&self, name: &str) -> T {
        self.export(name).unwrap_or_else(|| panic!("{name} is not exported"))
    }
}

/// The functions that end in A, or those that end in W.
pub trait Form: Copy {
    type Unit: Copy + Default + PartialEq + 'static;
    const SUFFIX: &str;
    /// `SEC_WINNT_AUTH_IDENTITY_ANSI` or `…_UNICODE`.
    const IDENTITY: u32;

    /// Without a terminating null.
    fn units(text: &str) -> Vec<Self::Unit>;
    fn text(units: &[Self::Unit]) -> String;

    /// The text that a string from the mock holds.
    fn text_at(text: *const Self::Unit) -> String
    where
        Self: Sized,
    {
        text_at::<Self>(text)
    }

    /// With a terminating null.
    fn terminated(text: &str) -> Vec<Self::Unit> {
        Self::units(text).into_iter().chain([Self::Unit::default()]).collect()
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Ansi {}

impl Form for Ansi {
    type Unit = u8;
    const SUFFIX: &str = "A";
    const IDENTITY: u32 = SEC_WINNT_AUTH_IDENTITY_ANSI;

    fn units(text: &str) -> Vec<u8> {
        text.as_bytes().to_vec()
    }

    fn text(units: &[u8]) -> String {
        String::from_utf8(units.to_vec()).expect("UTF-8")
    }
}

#[derive(Clone, Copy, Debug)]
pub enum Wide {}

impl Form for Wide {
    type Unit = u16;
    const SUFFIX: &str = "W";
    const IDENTITY: u32 = SEC_WINNT_AUTH_IDENTITY_UNICODE;

    fn units(text: &str) -> Vec<u16> {
        text.encode_utf16().collect()
    }

    fn text(units: &[u16]) -> String {
        String::from_utf16(units).expect("UTF-16")
    }
}

/// Any function of the mock, called with as many parameters as any of them has.
#[derive(Clone, Copy, Debug)]
#[repr(transparent)]
pub struct Widest(*const c_void);

/// The parameters of the mock's functions, at most.
pub const WIDEST: usize = 12;

impl Widest {
    /// Calls it, and returns the lower half of its answer.
    #[cfg(not(target_arch = "x86"))]
    pub fn call(self, words: [usize; WIDEST]) -> i32 {
        type Function = extern "system" fn(
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
            usize,
        ) -> i32;
        // SAFETY: what is passed beyond a function's own parameters is the caller's to remove, on every 64-bit system.
        let function: Function = unsafe { mem::transmute(self.0) };
        let [p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12] = words;
        function(p1, p2, p3, p4, p5, p6, p7, p8, p9, p10, p11, p12)
    }

    /// Calls it, and returns its answer.
    #[cfg(target_arch = "x86")]
    pub fn call(self, words: [usize; WIDEST]) -> i32 {
        self.call_and_count(words).0
    }

    /// The same, with how many parameters it took off the stack: stdcall has a function remove its own.
    #[cfg(target_arch = "x86")]
    pub fn call_and_count(self, words: [usize; WIDEST]) -> (i32, usize) {
        let (answer, moved): (i32, i32);
        // SAFETY: the stack is as it was afterwards, whatever the function removes.
        unsafe {
            std::arch::asm!(
                "mov edi, esp",
                "push dword ptr [ecx + 44]",
                "push dword ptr [ecx + 40]",
                "push dword ptr [ecx + 36]",
                "push dword ptr [ecx + 32]",
                "push dword ptr [ecx + 28]",
                "push dword ptr [ecx + 24]",
                "push dword ptr [ecx + 20]",
                "push dword ptr [ecx + 16]",
                "push dword ptr [ecx + 12]",
                "push dword ptr [ecx + 8]",
                "push dword ptr [ecx + 4]",
                "push dword ptr [ecx]",
                "call eax",
                "mov ecx, esp",
                "mov esp, edi",
                "sub ecx, edi",
                inout("eax") self.0 => answer,
                inout("ecx") words.as_ptr() => moved,
                out("edi") _,
                clobber_abi("C"),
            );
        }
        (answer, WIDEST - moved.unsigned_abs() as usize / 4)
    }
}

/// `SecHandle`, which has no `Debug`.
#[derive(Clone, Copy, Debug, Eq, PartialEq)]
#[repr(C)]
pub struct Handle {
    pub lower: usize,
    pub upper: usize,
}

/// `SecPkgInfoA` or `SecPkgInfoW`.
#[derive(Debug)]
#[repr(C)]
pub struct SecPkgInfo<U> {
    pub capabilities: u32,
    pub version: u16,
    pub rpc_id: u16,
    pub max_token: u32,
    pub name: *mut U,
    pub comment: *mut U,
}

/// A package, as text.
#[derive(Clone, Debug, Eq, PartialEq)]
pub struct Package {
    pub name: String,
    pub comment: String,
    pub numbers: (u32, u16, u16, u32),
}

type Acquire<U> = unsafe extern "system" fn(
    *const U,
    *const U,
    u32,
    *const c_void,
    *const c_void,
    *const c_void,
    *const c_void,
    *mut Handle,
    *mut i64,
) -> i32;

type Add<U> = unsafe extern "system" fn(
    *const Handle,
    *const U,
    *const U,
    u32,
    *const c_void,
    *const c_void,
    *const c_void,
    *mut i64,
) -> i32;

/// The functions of one form, with their own types.
///
/// The methods pass on whatever they are given: what the page forbids is answered by a status (clause S5).
#[derive(Clone, Copy)]
pub struct Sspi<'m, F: Form> {
    acquire: Acquire<F::Unit>,
    add: Add<F::Unit>,
    enumerate: unsafe extern "system" fn(*mut u32, *mut *mut SecPkgInfo<F::Unit>) -> i32,
    free: unsafe extern "system" fn(*const Handle) -> i32,
    free_buffer: unsafe extern "system" fn(*mut c_void) -> i32,
    query: unsafe extern "system" fn(*const Handle, u32, *mut c_void) -> i32,
    query_ex: unsafe extern "system" fn(*const Handle, u32, *mut c_void, u32) -> i32,
    query_package: unsafe extern "system" fn(*const F::Unit, *mut *mut SecPkgInfo<F::Unit>) -> i32,
    set: unsafe extern "system" fn(*const Handle, u32, *const c_void, u32) -> i32,
    loaded: PhantomData<&'m Library>,
}

/// The parameters of `AcquireCredentialsHandle` that tests vary.
#[derive(Clone, Copy, Debug)]
pub struct Ask<'a> {
    pub principal: Option<&'a str>,
    pub package: Option<&'a str>,
    pub credential_use: u32,
    pub auth_data: *const c_void,
}

/// A silent sign-in with the package `MSN`.
impl Default for Ask<'_> {
    fn default() -> Self {
        Self {
            principal: None,
            package: Some("MSN"),
            credential_use: SECPKG_CRED_OUTBOUND,
            auth_data: ptr::null(),
        }
    }
}

impl<F: Form> Sspi<'_, F> {
    /// `AcquireCredentialsHandle`: the status, and what the out parameters are then. They begin as [`UNTOUCHED`].
    pub fn acquire(&self, ask: Ask<'_>) -> (i32, Handle, i64) {
        let principal = ask.principal.map(F::terminated);
        let package = ask.package.map(F::terminated);
        let text = |text: &Option<Vec<F::Unit>>| text.as_ref().map_or(ptr::null(), Vec::as_ptr);
        let mut handle = Handle { lower: UNTOUCHED, upper: UNTOUCHED };
        let mut expiry = UNTOUCHED_TIME;
        // SAFETY: strings end in a null, and the out parameters may be written to.
        let status = unsafe {
            (self.acquire)(
                text(&principal),
                text(&package),
                ask.credential_use,
                ptr::null(),
                ask.auth_data,
                ptr::null(),
                ptr::null(),
                &raw mut handle,
                &raw mut expiry,
            )
        };
        (status, handle, expiry)
    }

    /// `AcquireCredentialsHandle` without a place for the handle.
    pub fn acquire_into_nothing(&self) -> i32 {
        let package = F::terminated("MSN");
        let null = ptr::null();
        // SAFETY: the package's name ends in a null; null pointers are answered by a status.
        unsafe {
            (self.acquire)(
                ptr::null(),
                package.as_ptr(),
                SECPKG_CRED_OUTBOUND,
                null,
                null,
                null,
                null,
                ptr::null_mut(),
                ptr::null_mut(),
            )
        }
    }

    /// `AddCredentials`: the status, and the expiry, which begins as [`UNTOUCHED_TIME`].
    pub fn add(&self, handle: *const Handle, ask: Ask<'_>) -> (i32, i64) {
        let [principal, package] = [ask.principal, ask.package].map(|text| text.map(F::terminated));
        let text = |text: &Option<Vec<F::Unit>>| text.as_ref().map_or(ptr::null(), Vec::as_ptr);
        let mut expiry = UNTOUCHED_TIME;
        // SAFETY: strings end in a null; a handle that isn't null may be read, and the expiry written to.
        let status = unsafe {
            (self.add)(
                handle,
                text(&principal),
                text(&package),
                ask.credential_use,
                ask.auth_data,
                ptr::null(),
                ptr::null(),
                &raw mut expiry,
            )
        };
        (status, expiry)
    }

    /// `SetCredentialsAttributes`; no buffer is a null pointer to 64 bytes.
    pub fn set(&self, handle: *const Handle, attribute: u32, buffer: Option<&[u8]>) -> i32 {
        let length = buffer.map_or(64, |buffer| u32::try_from(buffer.len()).expect("a short buffer"));
        let buffer = buffer.map_or(ptr::null(), <[u8]>::as_ptr);
        // SAFETY: a handle that isn't null may be read, and as many bytes as the length says.
        unsafe { (self.set)(handle, attribute, buffer.cast(), length) }
    }

    /// Signs in with a password and keeps the handle.
    pub fn sign_in(&self, user: &str, domain: &str, password: &str) -> Result<Handle, i32> {
        let identity = Identity::<F>::new(user, domain, password);
        self.handle(Ask { auth_data: identity.as_ptr(), ..Ask::default() })
    }

    /// Signs in with what is cached.
    pub fn silent(&self) -> Result<Handle, i32> {
        self.handle(Ask::default())
    }

    pub fn handle(&self, ask: Ask<'_>) -> Result<Handle, i32> {
        let (status, handle, _) = self.acquire(ask);
        if status == SEC_E_OK { Ok(handle) } else { Err(status) }
    }

    /// `FreeCredentialsHandle`.
    pub fn free(&self, handle: *const Handle) -> i32 {
        // SAFETY: a handle that isn't null may be read.
        unsafe { (self.free)(handle) }
    }

    /// `QueryCredentialsAttributes` for the names.
    pub fn names(&self, handle: &Handle) -> Result<String, i32> {
        let mut name: *mut F::Unit = ptr::null_mut();
        let status = self.query(handle, SECPKG_CRED_ATTR_NAMES, (&raw mut name).cast());
        if status != SEC_E_OK {
            return Err(status);
        }
        let text = text_at::<F>(name);
        assert_eq!(self.free_buffer(name.cast()), SEC_E_OK);
        Ok(text)
    }

    /// `QueryCredentialsAttributes`.
    pub fn query(&self, handle: *const Handle, attribute: u32, buffer: *mut c_void) -> i32 {
        // SAFETY: a buffer that isn't null is what the attribute's page names.
        unsafe { (self.query)(handle, attribute, buffer) }
    }

    /// `QueryCredentialsAttributesEx`.
    pub fn query_ex(&self, handle: *const Handle, attribute: u32, buffer: *mut c_void, size: u32) -> i32 {
        // SAFETY: a buffer that isn't null is what the attribute's page names.
        unsafe { (self.query_ex)(handle, attribute, buffer, size) }
    }

    /// `EnumerateSecurityPackages`, with pointers as they come.
    pub fn enumerate_into(&self, count: *mut u32, packages: *mut *mut SecPkgInfo<F::Unit>) -> i32 {
        // SAFETY: pointers that aren't null may be written to.
        unsafe { (self.enumerate)(count, packages) }
    }

    /// `EnumerateSecurityPackages`.
    pub fn packages(&self) -> Result<Vec<Package>, i32> {
        let (mut count, mut array) = (0, ptr::null_mut());
        let status = self.enumerate_into(&raw mut count, &raw mut array);
        if status != SEC_E_OK {
            return Err(status);
        }
        // SAFETY: that many structures are there, until they are freed below.
        let infos = unsafe { slice::from_raw_parts(array, count as usize) };
        let packages = infos.iter().map(read_package::<F>).collect();
        assert_eq!(self.free_buffer(array.cast()), SEC_E_OK);
        Ok(packages)
    }

    /// `QuerySecurityPackageInfo`, with pointers as they come.
    pub fn package_into(&self, name: *const F::Unit, info: *mut *mut SecPkgInfo<F::Unit>) -> i32 {
        // SAFETY: a name that isn't null ends in a null; a pointer that isn't null may be written to.
        unsafe { (self.query_package)(name, info) }
    }

    /// `QuerySecurityPackageInfo`.
    pub fn package(&self, name: &str) -> Result<Package, i32> {
        let mut info = ptr::null_mut();
        let status = self.package_into(F::terminated(name).as_ptr(), &raw mut info);
        if status != SEC_E_OK {
            return Err(status);
        }
        // SAFETY: it is there until it is freed below.
        let package = read_package::<F>(unsafe { &*info });
        assert_eq!(self.free_buffer(info.cast()), SEC_E_OK);
        Ok(package)
    }

    /// `FreeContextBuffer`.
    pub fn free_buffer(&self, buffer: *mut c_void) -> i32 {
        // SAFETY: what the mock didn't hand out, it refuses.
        unsafe { (self.free_buffer)(buffer) }
    }
}

/// What out parameters hold before a call.
pub const UNTOUCHED: usize = 0x5A5A_5A5A;
pub const UNTOUCHED_TIME: i64 = 0x5A5A_5A5A;

fn read_package<F: Form>(info: &SecPkgInfo<F::Unit>) -> Package {
    Package {
        name: text_at::<F>(info.name),
        comment: text_at::<F>(info.comment),
        numbers: (info.capabilities, info.version, info.rpc_id, info.max_token),
    }
}

/// The text that a string from the mock holds.
fn text_at<F: Form>(text: *const F::Unit) -> String {
    // SAFETY: the mock's strings end in a null, and nothing is read behind it.
    let unit = |index| unsafe { *text.add(index) };
    let length = (0..4096).find(|&index| unit(index) == F::Unit::default()).expect("a string ends");
    // SAFETY: that much was read just now.
    F::text(unsafe { slice::from_raw_parts(text, length) })
}

/// A `SEC_WINNT_AUTH_IDENTITY` of one form, with its strings. They end where their lengths say, in memory that ends there
/// too.
pub struct Identity<F: Form> {
    // Not boxed slices: moving one voids the pointers into it, by Rust's rules for memory.
    _strings: [Vec<F::Unit>; 3],
    pub data: Plain,
}

impl<F: Form> Identity<F> {
    pub fn new(user: &str, domain: &str, password: &str) -> Self {
        Self::of_units([user, domain, password].map(|text| F::units(text)))
    }

    /// User, domain, password.
    pub fn of_units(mut strings: [Vec<F::Unit>; 3]) -> Self {
        strings.iter_mut().for_each(Vec::shrink_to_fit);
        let length = |units: &[F::Unit]| u32::try_from(units.len()).expect("a short string");
        let [user, domain, password] = &mut strings;
        let data = Plain {
            User: user.as_mut_ptr().cast(),
            UserLength: length(user),
            Domain: domain.as_mut_ptr().cast(),
            DomainLength: length(domain),
            Password: password.as_mut_ptr().cast(),
            PasswordLength: length(password),
            Flags: F::IDENTITY,
        };
        Self { _strings: strings, data }
    }

    pub fn as_ptr(&self) -> *const c_void {
        (&raw const self.data).cast()
    }
}

/// Runs `body` in a process of its own: the test named `test` (without its module) of this same program, started again with this
/// environment. There the call runs `body` and returns `None`; here it returns the command that does so.
pub fn in_own_process(
    test: &str,
    environment: &[(&str, &OsStr)],
    body: impl FnOnce(),
) -> Option<std::process::Command> {
    if env::var_os(CHILD).is_some_and(|child| child == test) {
        body();
        return None;
    }
    if cfg!(miri) {
        in_this_process(environment, body);
        return None;
    }
    let mut command = std::process::Command::new(env::current_exe().expect("a test knows its own path"));
    command.args([&*full_name(test), "--exact", "--include-ignored", "--nocapture", "--test-threads=1"]);
    for variable in
        ["SSPCACHE_CONFIG", "SSPCACHE_JOURNAL", "SSPCACHE_STACK", "SSPCACHE_TRACE", "RUST_BACKTRACE"]
    {
        command.env_remove(variable);
    }
    command.env(CHILD, test).envs(environment.iter().copied());
    Some(command)
}

/// A test's name with its module: as its thread is called, or the only one there is where tests have no threads.
fn full_name(test: &str) -> String {
    let is_it = |name: &str| name.rsplit("::").next() == Some(test);
    if let Some(name) = thread::current().name().filter(|name| is_it(name)) {
        return name.to_owned();
    }
    let mut list = std::process::Command::new(env::current_exe().expect("a test knows its own path"));
    let list = start::output(list.args(["--list", "--format=terse"])).expect("it lists its tests");
    let list = String::from_utf8(list.stdout).expect("names are UTF-8");
    let names: Vec<_> =
        list.lines().filter_map(|line| line.strip_suffix(": test")).filter(|name| is_it(name)).collect();
    let [name] = names[..] else { panic!("{test}: in this program there are {names:?}") };
    name.to_owned()
}

/// Runs `body` with this environment, where no process can be started: under Miri, which runs one test at a time.
fn in_this_process(environment: &[(&str, &OsStr)], body: impl FnOnce()) {
    for &(name, value) in environment {
        // SAFETY: no other thread runs.
        unsafe { env::set_var(name, value) }
    }
    body();
    for &(name, _) in environment {
        // SAFETY: as above.
        unsafe { env::remove_var(name) }
    }
}

/// Runs such a command to its end, which must be a good one, and gives what it wrote to standard error.
#[track_caller]
pub fn succeed(mut command: std::process::Command) -> String {
    let output = start::output(&mut command).unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    let (stdout, stderr) = (text(&output.stdout), text(&output.stderr));
    // A misspelt name would run no test at all.
    let ran = stdout.contains("running 1 test");
    assert!(output.status.success() && ran, "{:?}\n{stdout}\n{stderr}", output.status);
    stderr
}

/// Tells a test program which test's body it is to run.
const CHILD: &str = "SSPCACHE_TEST_CHILD";

/// So many different users.
pub fn users(count: usize) -> impl Iterator<Item = String> {
    (0..count).map(|number| format!("user{number}"))
}
