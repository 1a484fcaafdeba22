//! The C API of the Kerberos libraries: MIT krb5's, Heimdal's, and Kerberos.framework's on macOS.
//!
//! All three have the same functions for ccaches ([MIT's reference], [Heimdal's]). Only [`Layout`] differs: everything else goes
//! by opaque pointers. Structures that a function fills in are never read but for that one field.
//!
//! [MIT's reference]: https://web.mit.edu/kerberos/krb5-latest/doc/appdev/refs/api/index.html
//! [Heimdal's]: https://github.com/heimdal/heimdal/blob/master/lib/krb5/krb5_ccache.3
#![allow(unsafe_code, reason = "calls the Kerberos libraries")]

use std::{
    ffi::{CStr, CString, OsStr, c_char, c_void},
    os::unix::ffi::OsStrExt as _,
    path::{Path, PathBuf},
    ptr::null_mut,
    rc::Rc,
};

use libloading::os::unix::{Library as Module, RTLD_LOCAL, RTLD_NOW};

use crate::loader::{Loader as _, Module as _, NativeLoader};

/// The errors that decide what to do next. They are the same numbers in each library.
const KRB5_CC_UNKNOWN_TYPE: i32 = -1_765_328_244;
const KRB5_CC_NOTFOUND: i32 = -1_765_328_243;
const KRB5_CC_END: i32 = -1_765_328_242;
const KRB5_FCC_NOFILE: i32 = -1_765_328_189;

/// Where the fields of `krb5_creds` are.
#[derive(Clone, Copy, Debug)]
enum Layout {
    /// `magic` (an `int` and its padding), `client`, `server`, …: 120 bytes on 64-bit Linux.
    Mit,
    /// `client`, `server`, …: 144 bytes there.
    Heimdal,
}

impl Layout {
    /// The field `server`, counted in pointers.
    fn server(self) -> usize {
        match self {
            Self::Mit => 2,
            Self::Heimdal => 1,
        }
    }
}

/// The libraries' file names. The number in them is that of the ABI, and so of the layout. MIT's comes first: it is what most
/// systems have, and it knows more types of ccaches.
#[cfg(not(target_vendor = "apple"))]
const LIBRARIES: &[(&str, &str, Layout)] =
    &[("libkrb5.so.3", "libkrb5.so.3", Layout::Mit), ("libkrb5.so.26", "libkrb5.so.26", Layout::Heimdal)];

/// Kerberos.framework is Heimdal behind the structures of MIT krb5, as its own krb5.h declares them. The others are Homebrew's.
#[cfg(target_vendor = "apple")]
const LIBRARIES: &[(&str, &str, Layout)] = &[
    ("Kerberos", "/System/Library/Frameworks/Kerberos.framework/Kerberos", Layout::Mit),
    ("libkrb5.3.3.dylib", "libkrb5.3.3.dylib", Layout::Mit),
    ("libkrb5.26.dylib", "libkrb5.26.dylib", Layout::Heimdal),
];

/// The names that are looked for, for messages.
pub(super) fn names() -> String {
    LIBRARIES.iter().map(|(_, name, _)| *name).collect::<Vec<_>>().join(", ")
}

type Raw = *mut c_void;

/// Declares the table of the functions that are used.
macro_rules! functions {
    (
        $($name:ident($($parameter:ty),*) $(-> $result:ty)?;)*
        @optional $($optional:ident($($optional_parameter:ty),*) -> $optional_result:ty;)*
    ) => {
        /// The functions, by the names that they are documented under. The module that has them outlives the table.
        #[derive(Debug)]
        struct Functions {
            $($name: unsafe extern "C" fn($($parameter),*) $(-> $result)?,)*
            $($optional: Option<unsafe extern "C" fn($($optional_parameter),*) -> $optional_result>,)*
        }

        impl Functions {
            /// Looks them up.
            ///
            /// # Errors
            /// The name of a function that the module lacks.
            ///
            /// # Safety
            /// The module is a Kerberos library, and outlives the table.
            unsafe fn of(module: &Module) -> Result<Self, &'static str> {
                Ok(Self {
                    $($name: {
                        // SAFETY: the function of this name has this signature in each of the libraries.
                        let symbol = unsafe { module.get(concat!(stringify!($name), "\0").as_bytes()) };
                        *symbol.map_err(|_| stringify!($name))?
                    },)*
                    $($optional: {
                        // SAFETY: as above.
                        let symbol = unsafe { module.get(concat!(stringify!($optional), "\0").as_bytes()) };
                        symbol.ok().map(|symbol| *symbol)
                    },)*
                })
            }
        }
    };
}

functions! {
    krb5_init_context(*mut Raw) -> i32;
    krb5_free_context(Raw);
    krb5_get_error_message(Raw, i32) -> *const c_char;
    krb5_free_error_message(Raw, *const c_char);
    krb5_cc_default_name(Raw) -> *const c_char;
    krb5_cc_set_default_name(Raw, *const c_char) -> i32;
    krb5_cc_resolve(Raw, *const c_char, *mut Raw) -> i32;
    krb5_cc_get_type(Raw, Raw) -> *const c_char;
    krb5_cc_get_name(Raw, Raw) -> *const c_char;
    krb5_cc_get_principal(Raw, Raw, *mut Raw) -> i32;
    krb5_free_principal(Raw, Raw);
    krb5_unparse_name(Raw, *const c_void, *mut *mut c_char) -> i32;
    krb5_free_unparsed_name(Raw, *mut c_char);
    krb5_cc_start_seq_get(Raw, Raw, *mut Raw) -> i32;
    krb5_cc_next_cred(Raw, Raw, *mut Raw, *mut Creds) -> i32;
    krb5_cc_end_seq_get(Raw, Raw, *mut Raw) -> i32;
    krb5_free_cred_contents(Raw, *mut Creds);
    krb5_cc_close(Raw, Raw) -> i32;
    krb5_cc_destroy(Raw, Raw) -> i32;
    krb5_cccol_cursor_new(Raw, *mut Raw) -> i32;
    krb5_cccol_cursor_next(Raw, Raw, *mut Raw) -> i32;
    krb5_cccol_cursor_free(Raw, *mut Raw) -> i32;
    // Heimdal's.
    @optional
    krb5_cc_cache_get_first(Raw, *const c_char, *mut Raw) -> i32;
    krb5_cc_cache_next(Raw, Raw, *mut Raw) -> i32;
    krb5_cc_cache_end_seq_get(Raw, Raw) -> i32;
}

/// Room for a `krb5_creds` of either library, as aligned as `malloc` would. The largest is 144 bytes.
#[repr(C, align(16))]
struct Creds([Raw; 128]);

/// What a library said when it failed.
#[derive(Debug)]
pub(super) struct Fault {
    code: i32,
    /// What was done to what, what the library said, and which it was.
    pub(super) text: String,
}

impl Fault {
    /// The ccache isn't there.
    pub(super) fn is_absence(&self) -> bool {
        [KRB5_FCC_NOFILE, KRB5_CC_NOTFOUND, libc::ENOENT].contains(&self.code)
    }

    /// The library has no ccaches of the type.
    pub(super) fn is_unknown_type(&self) -> bool {
        self.code == KRB5_CC_UNKNOWN_TYPE
    }
}

/// A Kerberos library that this process has loaded.
#[derive(Debug)]
pub(super) struct Library {
    path: PathBuf,
    layout: Layout,
    functions: Functions,
    /// Last, so that it is closed last.
    _module: Module,
}

impl Library {
    /// Those that this process has loaded. It loads none.
    pub(super) fn loaded() -> Vec<Rc<Self>> {
        let loader = NativeLoader::default();
        let mut libraries = Vec::new();
        for &(name, _, layout) in LIBRARIES {
            // The iterator holds a reference to each, so that it stays loaded until this one has its own.
            let Ok(modules) = loader.modules(name) else { continue };
            for module in modules {
                let path = module.path();
                libraries.extend(Self::open(&path, layout, libc::RTLD_NOLOAD));
            }
        }
        libraries
    }

    /// Those that are installed, in turn, loaded when they are asked for.
    pub(super) fn installed() -> impl Iterator<Item = Rc<Self>> {
        LIBRARIES.iter().filter_map(|&(_, file, layout)| Self::open(Path::new(file), layout, 0))
    }

    /// Once one was called, it stays loaded: Heimdal 7.8 has thread-specific data, whose destructor runs when a thread ends, also
    /// where the library has been unloaded.
    fn open(path: &Path, layout: Layout, flags: i32) -> Option<Rc<Self>> {
        let name = CString::new(path.as_os_str().as_bytes()).ok()?;
        let name = OsStr::from_bytes(name.as_bytes_with_nul());
        // SAFETY: with RTLD_NOLOAD no constructor runs. Else it is the system's Kerberos library, whose constructors may run in
        // any thread.
        let module =
            unsafe { Module::open(Some(name), RTLD_NOW | RTLD_LOCAL | libc::RTLD_NODELETE | flags) }.ok()?;
        // SAFETY: it is a Kerberos library, by its name; the table is dropped with it.
        let functions = unsafe { Functions::of(&module) }.ok()?;
        Some(Rc::new(Self { path: path.to_owned(), layout, functions, _module: module }))
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    /// Whether it is Kerberos.framework, which is Heimdal behind MIT krb5's functions.
    fn is_apples(&self) -> bool {
        cfg!(target_vendor = "apple") && self.name() == "Kerberos"
    }

    fn name(&self) -> String {
        self.path.file_name().unwrap_or_default().to_string_lossy().into_owned()
    }
}

/// A library's context: its configuration, and its own default ccache. It belongs to one thread.
#[derive(Debug)]
pub(super) struct Context {
    raw: Raw,
    pub(super) library: Rc<Library>,
}

impl Context {
    /// Reads the library's configuration.
    pub(super) fn new(library: &Rc<Library>) -> Result<Rc<Self>, Fault> {
        let mut context = Self { raw: null_mut(), library: library.clone() };
        // SAFETY: the place is valid for the result.
        let code = unsafe { (library.functions.krb5_init_context)(&raw mut context.raw) };
        if code != 0 {
            // Whatever it left there is not a context.
            context.raw = null_mut();
            let from = std::env::var_os("KRB5_CONFIG").map_or_else(
                || "its configuration".into(),
                |path| format!("{} (KRB5_CONFIG)", path.display()),
            );
            return Err(context.fault(code, &format!("can't read {from}")));
        }
        Ok(Rc::new(context))
    }

    fn functions(&self) -> &Functions {
        &self.library.functions
    }

    /// What the library says of an error. The context may be null: both libraries have a text without one.
    fn fault(&self, code: i32, what: &str) -> Fault {
        // SAFETY: the context is valid or null.
        let message = unsafe { (self.functions().krb5_get_error_message)(self.raw, code) };
        let text = if message.is_null() {
            format!("error {code}")
        } else {
            // SAFETY: it is a string, until it is freed below, once, by the library that made it.
            let text = unsafe { CStr::from_ptr(message) }.to_string_lossy().into_owned();
            // SAFETY: as above.
            unsafe { (self.functions().krb5_free_error_message)(self.raw, message) };
            text
        };
        Fault { code, text: format!("{} {what}: {text}", self.library.name()) }
    }

    fn check(&self, code: i32, what: impl FnOnce() -> String) -> Result<(), Fault> {
        if code == 0 { Ok(()) } else { Err(self.fault(code, &what())) }
    }

    /// The name of the default ccache: of `KRB5CCNAME`, of the configuration, or the library's.
    pub(super) fn default_name(&self) -> Result<String, Fault> {
        // SAFETY: the context is valid; the string belongs to it, and is copied at once.
        let name = unsafe { (self.functions().krb5_cc_default_name)(self.raw) };
        if name.is_null() {
            return Err(Fault {
                code: 0,
                text: format!(
                    "{} can't name its default ccache: KRB5CCNAME or its configuration is broken",
                    self.library.name()
                ),
            });
        }
        // SAFETY: as above.
        Ok(unsafe { CStr::from_ptr(name) }.to_string_lossy().into_owned())
    }

    /// The ccache of this name, whether or not it is there. The type `MEMORY` creates it, so never for that.
    pub(super) fn resolve(self: &Rc<Self>, name: &CStr) -> Result<Handle, Fault> {
        let mut raw = null_mut();
        // SAFETY: context and string are valid, and there is a place for the result.
        let code = unsafe { (self.functions().krb5_cc_resolve)(self.raw, name.as_ptr(), &raw mut raw) };
        self.check(code, || format!("can't find {}", name.to_string_lossy()))?;
        Ok(Handle { raw, context: self.clone() })
    }

    /// Makes this name the context's own default.
    pub(super) fn set_default(&self, name: &CStr) -> Result<(), Fault> {
        // SAFETY: context and string are valid; the library copies the string.
        let code = unsafe { (self.functions().krb5_cc_set_default_name)(self.raw, name.as_ptr()) };
        self.check(code, || format!("can't take {} as its default", name.to_string_lossy()))
    }

    /// Every ccache of the collection that the default is in. Those of Heimdal are of any type.
    ///
    /// # Errors
    /// Those that were found until then are given to `found`.
    pub(super) fn collection(self: &Rc<Self>, found: impl FnMut(Handle)) -> Result<(), Fault> {
        let functions = self.functions();
        let mut cursor = null_mut();
        // SAFETY: the context is valid, and there is a place for the result.
        let code = unsafe { (functions.krb5_cccol_cursor_new)(self.raw, &raw mut cursor) };
        self.check(code, || "can't list its collection".into())?;
        // SAFETY: the cursor is this context's, and there is a place for the result.
        let next = |raw: &mut Raw| unsafe { (functions.krb5_cccol_cursor_next)(self.raw, cursor, raw) };
        let ended = self.each(next, found);
        // SAFETY: the cursor is this context's, and is not used any more.
        unsafe { (functions.krb5_cccol_cursor_free)(self.raw, &raw mut cursor) };
        ended
    }

    /// Every ccache in memory, where the library lists them; returns whether it does. Heimdal's does. MIT krb5's [lists] none but
    /// the default since 1.17.
    ///
    /// [lists]: https://github.com/krb5/krb5/pull/822
    pub(super) fn in_memory(self: &Rc<Self>, found: impl FnMut(Handle)) -> Result<bool, Fault> {
        let functions = self.functions();
        let (Some(first), Some(next), Some(end)) = (
            functions.krb5_cc_cache_get_first,
            functions.krb5_cc_cache_next,
            functions.krb5_cc_cache_end_seq_get,
        ) else {
            if !self.library.is_apples() {
                return Ok(false);
            }
            let mut found = found;
            self.collection(|handle| {
                if handle.name().as_bytes().starts_with(b"MEMORY:") {
                    found(handle);
                }
            })?;
            return Ok(true);
        };
        let mut cursor = null_mut();
        // SAFETY: context and string are valid, and there is a place for the result.
        let code = unsafe { first(self.raw, c"MEMORY".as_ptr(), &raw mut cursor) };
        if code == KRB5_CC_END {
            return Ok(true);
        }
        self.check(code, || "can't list its ccaches in memory".into())?;
        // SAFETY: the cursor is this context's, and there is a place for the result.
        let ended = self.each(|raw: &mut Raw| unsafe { next(self.raw, cursor, raw) }, found);
        // SAFETY: the cursor is this context's, and is not used any more.
        unsafe { end(self.raw, cursor) };
        ended.map(|()| true)
    }

    /// Takes handles until there are no more: MIT krb5 ends with null, Heimdal with an error.
    fn each(
        self: &Rc<Self>,
        next: impl Fn(&mut Raw) -> i32,
        mut found: impl FnMut(Handle),
    ) -> Result<(), Fault> {
        loop {
            let mut raw = null_mut();
            match next(&mut raw) {
                0 if raw.is_null() => return Ok(()),
                0 => found(Handle { raw, context: self.clone() }),
                KRB5_CC_END => return Ok(()),
                code => return self.check(code, || "can't list its ccaches".into()),
            }
        }
    }

    /// The text of a principal.
    ///
    /// # Safety
    /// It is a principal of this library.
    unsafe fn unparse(&self, principal: *const c_void) -> Result<String, Fault> {
        let mut text = null_mut();
        // SAFETY: the principal is valid, says the caller, and there is a place for the result.
        let code = unsafe { (self.functions().krb5_unparse_name)(self.raw, principal, &raw mut text) };
        self.check(code, || "can't print a principal".into())?;
        // SAFETY: on success it is a string of the library's, copied before it is freed, once.
        let copy = unsafe { CStr::from_ptr(text) }.to_string_lossy().into_owned();
        // SAFETY: as above.
        unsafe { (self.functions().krb5_free_unparsed_name)(self.raw, text) };
        Ok(copy)
    }
}

impl Drop for Context {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: it is freed once. Each handle holds the context, so none is left.
            unsafe { (self.functions().krb5_free_context)(self.raw) };
        }
    }
}

/// An open ccache.
#[derive(Debug)]
pub(super) struct Handle {
    raw: Raw,
    pub(super) context: Rc<Context>,
}

impl Handle {
    fn functions(&self) -> &Functions {
        &self.context.library.functions
    }

    /// The type and the name, as `krb5_cc_resolve` takes them.
    pub(super) fn name(&self) -> CString {
        let text = |string: *const c_char| {
            // SAFETY: both are strings that belong to the ccache or its type, or null where an allocation failed.
            if string.is_null() { &[][..] } else { unsafe { CStr::from_ptr(string) }.to_bytes() }
        };
        // SAFETY: context and ccache are valid.
        let of_type = text(unsafe { (self.functions().krb5_cc_get_type)(self.context.raw, self.raw) });
        // SAFETY: as above.
        let name = text(unsafe { (self.functions().krb5_cc_get_name)(self.context.raw, self.raw) });
        CString::new([of_type, b":", name].concat()).expect("C strings have no NUL inside")
    }

    fn check(&self, code: i32, what: &str) -> Result<(), Fault> {
        self.context.check(code, || format!("can't {what} {}", self.name().to_string_lossy()))
    }

    pub(super) fn principal(&self) -> Result<String, Fault> {
        let mut principal = null_mut();
        let (functions, context) = (self.functions(), self.context.raw);
        // SAFETY: context and ccache are valid, and there is a place for the result.
        let code = unsafe { (functions.krb5_cc_get_principal)(context, self.raw, &raw mut principal) };
        self.check(code, "read the principal of")?;
        // SAFETY: the library gave it.
        let text = unsafe { self.context.unparse(principal) };
        // SAFETY: it is freed once.
        unsafe { (functions.krb5_free_principal)(context, principal) };
        text
    }

    /// The server of each ticket. Entries of configuration are left out: their server has a realm that no KDC can have.
    pub(super) fn servers(&self) -> Result<Vec<String>, Fault> {
        let (functions, context) = (self.functions(), self.context.raw);
        let mut cursor = null_mut();
        // SAFETY: context and ccache are valid, and there is a place for the cursor.
        let code = unsafe { (functions.krb5_cc_start_seq_get)(context, self.raw, &raw mut cursor) };
        self.check(code, "list the tickets of")?;
        let mut servers = Vec::new();
        let ended = loop {
            let mut creds = Creds([null_mut(); 128]);
            // SAFETY: the cursor is of this ccache. `creds` is larger and at least as aligned as the structure, all zeroes, as
            // the libraries' own programs pass it.
            let code =
                unsafe { (functions.krb5_cc_next_cred)(context, self.raw, &raw mut cursor, &raw mut creds) };
            if code != 0 {
                break if code == KRB5_CC_END { Ok(()) } else { self.check(code, "list the tickets of") };
            }
            let server = creds.0[self.context.library.layout.server()];
            let server = if server.is_null() {
                Ok("a server without a name".into())
            } else {
                // SAFETY: the library filled the structure in, and its server is there, by the layout of this library.
                unsafe { self.context.unparse(server) }
            };
            // SAFETY: frees what the structure points to, by the library that allocated it, once; the room is this function's.
            unsafe { (functions.krb5_free_cred_contents)(context, &raw mut creds) };
            match server {
                Ok(name) if is_configuration(&name) => {}
                Ok(name) => servers.push(name),
                Err(fault) => break Err(fault),
            }
        };
        // SAFETY: the cursor was started, and is not used any more.
        unsafe { (functions.krb5_cc_end_seq_get)(context, self.raw, &raw mut cursor) };
        ended.map(|()| servers)
    }

    /// Destroys the ccache, and with it this handle, also where that fails.
    pub(super) fn destroy(mut self) -> Result<(), Fault> {
        let name = self.name();
        let raw = std::mem::replace(&mut self.raw, null_mut());
        // SAFETY: the ccache is valid, and this call closes it. `drop` doesn't any more.
        let code = unsafe { (self.functions().krb5_cc_destroy)(self.context.raw, raw) };
        self.context.check(code, || format!("can't destroy {}", name.to_string_lossy()))
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        if !self.raw.is_null() {
            // SAFETY: it is closed once. No caller needs to know whether that succeeds.
            unsafe { (self.functions().krb5_cc_close)(self.context.raw, self.raw) };
        }
    }
}

/// Whether an entry with this server is no ticket: it holds a setting of the ccache (`X-CACHECONF:`), or did, until Heimdal
/// removed it from a file (`X-RMED-CONF:`).
fn is_configuration(server: &str) -> bool {
    server.ends_with("@X-CACHECONF:") || server.ends_with("@X-RMED-CONF:")
}

#[cfg(test)]
mod tests {
    use super::*;

    /// K4
    #[test]
    fn settings_of_a_ccache_are_no_tickets() {
        assert!(is_configuration(
            r"krb5_ccache_conf_data/fast_avail/krbtgt\/A.EXAMPLE\@A.EXAMPLE@X-CACHECONF:"
        ));
        assert!(is_configuration("krb5_ccache_conf_data/start_realm@X-RMED-CONF:"));
        assert!(!is_configuration("krbtgt/A.EXAMPLE@A.EXAMPLE"));
    }
}
