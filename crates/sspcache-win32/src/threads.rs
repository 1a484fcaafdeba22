//! Threads of the process.

use std::{
    cell::Cell,
    ffi::c_void,
    mem::MaybeUninit,
    process, ptr,
    sync::atomic::{AtomicU32, Ordering},
};

use windows_sys::Win32::{
    Foundation::{ERROR_INVALID_PARAMETER, ERROR_NOT_ENOUGH_MEMORY, STILL_ACTIVE},
    System::Threading::CREATE_SUSPENDED,
};

use crate::{
    ffi::{Failure, call},
    handles::{Handle, Native, Object, Thread, changed, wait_for_change},
    locks::handles,
};

/// The function of a thread. Rust's own frames may have to be unwound by `ExitThread`.
pub type Start = unsafe extern "C-unwind" fn(*mut c_void) -> u32;

unsafe extern "C-unwind" {
    /// Declared here because the thread's function may be unwound, by `pthread_exit`.
    fn pthread_create(
        thread: *mut libc::pthread_t,
        attributes: *const libc::pthread_attr_t,
        start: unsafe extern "C-unwind" fn(*mut c_void) -> *mut c_void,
        parameter: *mut c_void,
    ) -> i32;
    fn pthread_exit(result: *mut c_void) -> !;
}

thread_local! {
    // Without destructors: a thread may end after this library was unloaded.
    static ID: Cell<u32> = const { Cell::new(0) };
    /// The handle that `CreateThread` gave for this thread.
    static CREATED: Cell<Option<usize>> = const { Cell::new(None) };
}

/// What a new thread begins with.
#[derive(Clone, Copy)]
struct Beginning {
    number: usize,
    id: u32,
    start: Start,
    parameter: *mut c_void,
}

/// `CreateThread`: begins a thread, suspended with `CREATE_SUSPENDED`. Returns null without a function (87), or when there can't be
/// another thread (8).
///
/// # Safety
/// The function can be called with the parameter on another thread. The id is null, or can be written to.
///
/// # Platform-specific behaviour
/// The security attributes are ignored. `GetCurrentThreadId` counts threads: its numbers aren't the system's.
///
/// Reference: [CreateThread](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-createthread).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_CreateThread(
    _security: *mut c_void,
    stack: usize,
    start: Option<Start>,
    parameter: *mut c_void,
    flags: u32,
    id: *mut u32,
) -> Handle {
    let created = call(|| {
        let start = start.ok_or(Failure(ERROR_INVALID_PARAMETER))?;
        let own_id = new_id();
        let is_suspended = flags & CREATE_SUSPENDED != 0;
        let mut table = handles();
        let thread = Thread { code: None, is_suspended, native: None };
        let number = table.insert(Object::Thread(thread));
        // Before the thread can end, which takes the table's lock.
        match create(Beginning { number, id: own_id, start, parameter }, stack) {
            Ok(native) => table.thread(number)?.native = Some(native),
            Err(failure) => {
                table.remove(number)?;
                return Err(failure);
            }
        }
        Ok((number, own_id))
    });
    let Some((number, own_id)) = created else { return ptr::null_mut() };
    if !id.is_null() {
        // SAFETY: it isn't null, and the caller promises that it can be written to.
        unsafe { id.write(own_id) };
    }
    ptr::without_provenance_mut(number)
}

fn create(beginning: Beginning, stack: usize) -> Result<Native, Failure> {
    let mut attributes = MaybeUninit::<libc::pthread_attr_t>::uninit();
    // SAFETY: the attributes are there to be initialized.
    if unsafe { libc::pthread_attr_init(attributes.as_mut_ptr()) } != 0 {
        return Err(Failure(ERROR_NOT_ENOUGH_MEMORY));
    }
    if stack != 0 {
        /// The smallest stack that a thread which calls this library needs, and a page of any system.
        const SMALLEST: usize = 256 * 1024;
        const PAGE: usize = 64 * 1024;
        let size = stack.max(SMALLEST).saturating_add(PAGE - 1) & !(PAGE - 1);
        // SAFETY: the attributes are initialized. A size that is refused leaves the usual one.
        unsafe { libc::pthread_attr_setstacksize(attributes.as_mut_ptr(), size) };
    }
    let parameter = Box::into_raw(Box::new(beginning));
    let mut native = MaybeUninit::<libc::pthread_t>::uninit();
    // SAFETY: the attributes are initialized, and the function takes over what it is passed.
    let status = unsafe { pthread_create(native.as_mut_ptr(), attributes.as_ptr(), begin, parameter.cast()) };
    // SAFETY: they are initialized, and used no more.
    unsafe { libc::pthread_attr_destroy(attributes.as_mut_ptr()) };
    if status != 0 {
        // SAFETY: it was made above, and no thread has taken it over.
        drop(unsafe { Box::from_raw(parameter) });
        return Err(Failure(ERROR_NOT_ENOUGH_MEMORY));
    }
    // SAFETY: a thread was created, and this is its name.
    Ok(Native(unsafe { native.assume_init() }))
}

/// A thread's first function. Nothing in its frame waits to be dropped while the program's code runs, which `ExitThread` may unwind.
///
/// # Safety
/// The parameter is a [`Beginning`] in a box, which this takes over.
unsafe extern "C-unwind" fn begin(parameter: *mut c_void) -> *mut c_void {
    // SAFETY: the caller promises that it is this, to take over.
    let Beginning { number, id, start, parameter } = *unsafe { Box::from_raw(parameter.cast::<Beginning>()) };
    ID.set(id);
    CREATED.set(Some(number));
    wait_to_be_resumed(number);
    // SAFETY: who called `CreateThread` promises that the function can be called so.
    let code = unsafe { start(parameter) };
    has_ended(code);
    ptr::null_mut()
}

/// On Windows a suspended thread whose handle was closed waits for ever. Here it begins.
fn wait_to_be_resumed(number: usize) {
    let mut table = handles();
    while table.thread(number).is_ok_and(|thread| thread.is_suspended) {
        table = wait_for_change(table, None);
    }
}

/// Says in the table that this thread has ended, if `CreateThread` created it.
pub(crate) fn has_ended(code: u32) {
    if let Some(number) = CREATED.take() {
        // A thread whose handle was closed is no more in the table.
        if let Ok(thread) = handles().thread(number) {
            thread.code = Some(code);
        }
        changed();
    }
}

/// `ResumeThread`: lets a suspended thread go on. Returns 1 if it was suspended, 0 if not, and -1 for no thread (6).
///
/// Reference: [ResumeThread](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-resumethread).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_ResumeThread(thread: Handle) -> u32 {
    let resumed = call(|| {
        let was_suspended = std::mem::take(&mut handles().thread(thread.addr())?.is_suspended);
        changed();
        Ok(was_suspended.into())
    });
    resumed.unwrap_or(u32::MAX)
}

/// `GetExitCodeThread`: the exit code of a thread that has ended, or `STILL_ACTIVE`. For no thread it fails (6).
///
/// # Safety
/// The code is null, which is refused (87), or can be written to.
///
/// Reference: [GetExitCodeThread](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-getexitcodethread).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetExitCodeThread(thread: Handle, code: *mut u32) -> i32 {
    let found = call(|| {
        if code.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        Ok(handles().thread(thread.addr())?.code.unwrap_or(STILL_ACTIVE.cast_unsigned()))
    });
    let Some(found) = found else { return 0 };
    // SAFETY: it isn't null, and the caller promises that it can be written to.
    unsafe { code.write(found) };
    1
}

/// `ExitThread`: ends this thread with a code.
///
/// # Safety
/// The thread has no frames of Rust or C++ code with destructors to run: it ends as by `pthread_exit`.
///
/// Reference: [ExitThread](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitthread).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C-unwind" fn sspcache_ExitThread(code: u32) -> ! {
    has_ended(code);
    // SAFETY: the caller promises that nothing on this thread's stack has to be cleaned up, and in this frame nothing waits to be dropped.
    unsafe { pthread_exit(ptr::without_provenance_mut(code as usize)) }
}

/// `ExitProcess`: ends the process as C's `exit` does. Its status has 8 bits on Unix.
///
/// Reference: [ExitProcess](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-exitprocess).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_ExitProcess(code: u32) -> ! {
    process::exit(code.cast_signed())
}

/// `GetCurrentThreadId`: a number that no other thread of the process has. It is this library's own.
///
/// Reference: [GetCurrentThreadId](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentthreadid).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetCurrentThreadId() -> u32 {
    if ID.get() == 0 {
        ID.set(new_id());
    }
    ID.get()
}

/// `GetCurrentProcessId`: the system's.
///
/// Reference: [GetCurrentProcessId](https://learn.microsoft.com/en-us/windows/win32/api/processthreadsapi/nf-processthreadsapi-getcurrentprocessid).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetCurrentProcessId() -> u32 {
    process::id()
}

/// A multiple of 4, as on Windows.
fn new_id() -> u32 {
    static NEXT: AtomicU32 = AtomicU32::new(4);
    NEXT.fetch_add(4, Ordering::Relaxed)
}
