//! Writes down how a program calls the SSP: which functions, with pointers, buffers and sizes of which shape; never a content. In a build
//! with `--cfg sspcache_record` alone, which never ships: [docs/fuzzing.md](../../../docs/fuzzing.md) has the command and the format.
#![allow(missing_docs, reason = "no part of what ships")]

use std::{
    any::type_name,
    env,
    fmt::Write as _,
    fs::OpenOptions,
    io::Write as _,
    ptr,
    sync::{
        Mutex, PoisonError,
        atomic::{AtomicBool, Ordering},
    },
};

use windows_sys::Win32::Security::{
    Authentication::Identity::{SecBuffer, SecBufferDesc},
    Credentials::SecHandle,
};

/// A parameter of a call.
#[derive(Clone, Copy, Debug)]
pub struct Parameter {
    name: &'static str,
    kind: &'static str,
    word: usize,
}

impl Parameter {
    pub fn new<T: Copy>(name: &'static str, value: T) -> Self {
        let mut word = 0usize;
        assert!(size_of::<T>() <= size_of::<usize>(), "parameters are words at most");
        // SAFETY: both are valid for so many bytes, and `T` is a number or a pointer.
        unsafe { ptr::from_ref(&value).cast::<u8>().copy_to((&raw mut word).cast(), size_of::<T>()) };
        Self { name: name.trim_start_matches('_'), kind: type_name::<T>(), word }
    }

    fn is(&self, kind: &str) -> bool {
        self.kind.ends_with(kind)
    }

    fn is_pointer(&self) -> bool {
        self.kind.starts_with('*')
    }

    /// The caller's value of this type; `None` for a pointer that can't be followed.
    fn read<T: Copy>(&self) -> Option<T> {
        // SAFETY: the caller of the recorded function promises that its pointers are to what its page says.
        (self.word >= LOWEST)
            .then(|| unsafe { ptr::with_exposed_provenance::<T>(self.word).read_unaligned() })
    }
}

/// The lowest address that is followed.
const LOWEST: usize = 0x1_0000;

/// The handles that the SSP gave to its caller.
static HANDLES: Mutex<Vec<usize>> = Mutex::new(Vec::new());

/// Makes a call, and writes it down.
pub fn call<R: Outcome>(name: &str, parameters: &[Parameter], make: impl FnOnce() -> R) -> R {
    let Some(folder) = env::var_os("SSPCACHE_RECORD") else { return make() };
    // Wine gives the same number to one process after the other.
    static HAS_BEGUN: AtomicBool = AtomicBool::new(false);
    let mut line =
        if HAS_BEGUN.swap(true, Ordering::Relaxed) { "" } else { "# a process begins\n" }.to_owned();
    line.push_str(name);
    for (index, parameter) in parameters.iter().enumerate() {
        let same = parameters[..index].iter().find(|other| {
            parameter.is_pointer()
                && other.is_pointer()
                && other.word == parameter.word
                && parameter.word >= LOWEST
        });
        let _ = write!(line, " {}=", parameter.name);
        match same {
            Some(same) => _ = write!(line, "={}", same.name),
            None => show(&mut line, parameter),
        }
    }
    let result = make();
    let _ = write!(line, " -> {}", result.shown());
    if result.has_succeeded() {
        for parameter in parameters.iter().filter(|it| it.is("SecHandle")) {
            if let Some(handle) = parameter.read::<SecHandle>() {
                let mut handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
                if handle.dwLower != 0 && ["handle", "new_context", "context"].contains(&parameter.name) {
                    if !handles.contains(&handle.dwLower) {
                        handles.push(handle.dwLower);
                        let _ = write!(line, " {}=h{}", parameter.name, handles.len());
                    }
                }
            }
        }
    }
    for parameter in parameters.iter().filter(|it| it.name == "output" || it.name == "message") {
        let _ = write!(line, " {}=", parameter.name);
        buffers(&mut line, parameter);
    }
    line.push('\n');
    let program = env::current_exe().unwrap_or_default();
    let program = program.file_stem().map(|name| name.to_string_lossy().into_owned()).unwrap_or_default();
    let file = std::path::Path::new(&folder).join(format!("{program}-{}.calls", std::process::id()));
    // What can't be recorded isn't: the record is looked at before it is used.
    let _ = OpenOptions::new()
        .create(true)
        .append(true)
        .open(file)
        .and_then(|mut file| file.write_all(line.as_bytes()));
    result
}

fn show(line: &mut String, parameter: &Parameter) {
    let word = parameter.word;
    let _ = if !parameter.is_pointer() && !parameter.kind.contains("Option<") {
        write!(line, "{word:#x}")
    } else if word == 0 {
        write!(line, "null")
    } else if word < LOWEST {
        write!(line, "small:{word:#x}")
    } else if parameter.is("SecHandle") {
        handle(line, parameter);
        Ok(())
    } else if parameter.is("SecBufferDesc") {
        buffers(line, parameter);
        Ok(())
    } else if parameter.is("::SecBuffer") {
        let buffer: SecBuffer = parameter.read().expect("it was compared");
        line.push('[');
        one(line, &buffer, &[]);
        line.push(']');
        Ok(())
    } else if ["*mut i8", "*const i8"].contains(&parameter.kind) {
        text::<u8>(line, parameter);
        Ok(())
    } else if ["*mut u16", "*const u16"].contains(&parameter.kind) {
        text::<u16>(line, parameter);
        Ok(())
    } else if parameter.name == "auth" {
        identity(line, parameter);
        Ok(())
    } else {
        write!(line, "at")
    };
}

fn handle(line: &mut String, parameter: &Parameter) {
    let handle: SecHandle = parameter.read().expect("it was compared");
    let handles = HANDLES.lock().unwrap_or_else(PoisonError::into_inner);
    let known = handles.iter().rposition(|&lower| lower == handle.dwLower);
    let _ = match (known, handle.dwLower) {
        (Some(index), _) => write!(line, "h{}", index + 1),
        (None, 0) => write!(line, "h-zero"),
        (None, usize::MAX) => write!(line, "h-ones"),
        (None, _) => write!(line, "h-other"),
    };
}

fn buffers(line: &mut String, parameter: &Parameter) {
    let Some(descriptor) = parameter.read::<SecBufferDesc>() else {
        let _ = write!(line, "null");
        return;
    };
    if descriptor.ulVersion != 0 {
        let _ = write!(line, "version:{}", descriptor.ulVersion);
    }
    if descriptor.pBuffers.addr() < LOWEST {
        let _ = write!(line, "without:{}", descriptor.cBuffers);
        return;
    }
    line.push('[');
    let mut before: Vec<SecBuffer> = Vec::new();
    for index in 0..descriptor.cBuffers.min(16) as usize {
        if index > 0 {
            line.push(' ');
        }
        // SAFETY: the caller promises so many buffers.
        let buffer = unsafe { descriptor.pBuffers.wrapping_add(index).read_unaligned() };
        one(line, &buffer, &before);
        before.push(buffer);
    }
    line.push(']');
}

fn one(line: &mut String, buffer: &SecBuffer, before: &[SecBuffer]) {
    let _ = write!(line, "{:#x}:{}", buffer.BufferType, buffer.cbBuffer);
    let address = buffer.pvBuffer.addr();
    let within = before.iter().position(|other| {
        let start = other.pvBuffer.addr();
        start >= LOWEST && (start..start + (other.cbBuffer as usize).max(1)).contains(&address)
    });
    let _ = match (address, within) {
        (0, _) => write!(line, ":null"),
        (..LOWEST, _) => write!(line, ":small"),
        (_, Some(other)) => write!(line, ":in:{other}:{}", address - before[other].pvBuffer.addr()),
        (_, None) => Ok(()),
    };
}

/// Names of packages are no content; of other strings the length is recorded.
fn text<U: Copy + Into<u32>>(line: &mut String, parameter: &Parameter) {
    const KNOWN: [&str; 6] = ["MSN", "DPA", "NTLM", "Kerberos", "Negotiate", "CredSSP"];
    let start = ptr::with_exposed_provenance::<U>(parameter.word);
    let mut text = String::new();
    let mut length = 0;
    loop {
        // SAFETY: the caller promises a string that ends in a null.
        let unit: u32 = unsafe { start.wrapping_add(length).read_unaligned() }.into();
        if unit == 0 {
            break;
        }
        text.push(char::from_u32(unit).unwrap_or('?'));
        length += 1;
    }
    let known = KNOWN.iter().find(|known| parameter.name != "principal" && known.eq_ignore_ascii_case(&text));
    let _ = match known {
        Some(known) => write!(line, "\"{known}\""),
        // Negotiate chooses by it.
        None if is_address(&text) => write!(line, "address{length}"),
        None => write!(line, "s{length}"),
    };
}

/// Whether a target's host is an address.
fn is_address(target: &str) -> bool {
    target.split_once('/').is_some_and(|(_, host)| host.parse::<std::net::IpAddr>().is_ok())
}

/// The form of an identity, and the lengths of its parts.
fn identity(line: &mut String, parameter: &Parameter) {
    use windows_sys::Win32::{
        Security::Authentication::Identity::SEC_WINNT_AUTH_IDENTITY_EXW,
        System::Rpc::SEC_WINNT_AUTH_IDENTITY_W,
    };
    let version: u32 = parameter.read().expect("it was compared");
    let part = |line: &mut String, address: usize, length: u32| {
        let _ = if address == 0 { write!(line, " null:{length}") } else { write!(line, " {length}") };
    };
    match version {
        0x201 => _ = write!(line, "identity(ex2)"),
        0x200 => {
            let it: SEC_WINNT_AUTH_IDENTITY_EXW = parameter.read().expect("it was compared");
            let _ = write!(line, "identity(ex {} {:#x}", it.Length, it.Flags);
            part(line, it.User.addr(), it.UserLength);
            part(line, it.Domain.addr(), it.DomainLength);
            part(line, it.Password.addr(), it.PasswordLength);
            part(line, it.PackageList.addr(), it.PackageListLength);
            line.push(')');
        }
        _ => {
            let it: SEC_WINNT_AUTH_IDENTITY_W = parameter.read().expect("it was compared");
            let _ = write!(line, "identity(plain {:#x}", it.Flags);
            part(line, it.User.addr(), it.UserLength);
            part(line, it.Domain.addr(), it.DomainLength);
            part(line, it.Password.addr(), it.PasswordLength);
            line.push(')');
        }
    }
}

/// What a call returns.
pub trait Outcome {
    fn shown(&self) -> String;
    fn has_succeeded(&self) -> bool;
}

impl Outcome for i32 {
    fn shown(&self) -> String {
        format!("{self:#010x}")
    }

    fn has_succeeded(&self) -> bool {
        *self >= 0
    }
}

impl Outcome for u32 {
    fn shown(&self) -> String {
        format!("{self:#010x}")
    }

    fn has_succeeded(&self) -> bool {
        true
    }
}

impl Outcome for bool {
    fn shown(&self) -> String {
        self.to_string()
    }

    fn has_succeeded(&self) -> bool {
        *self
    }
}

impl Outcome for () {
    fn shown(&self) -> String {
        "nothing".to_owned()
    }

    fn has_succeeded(&self) -> bool {
        true
    }
}

impl<T> Outcome for *const T {
    fn shown(&self) -> String {
        if self.is_null() { "null" } else { "at" }.to_owned()
    }

    fn has_succeeded(&self) -> bool {
        !self.is_null()
    }
}
