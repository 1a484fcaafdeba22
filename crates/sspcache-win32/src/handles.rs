//! Handles that `CloseHandle` closes, threads and events, and waiting for them.
//!
//! All of them are in one table with one lock, which waiting gives up. A forked child has none of its parent's threads, so its table is
//! empty. Numbers aren't used again: a handle that was closed stays closed.

use std::{
    collections::BTreeMap,
    ffi::{c_char, c_void},
    ptr, slice,
    sync::{Condvar, MutexGuard, PoisonError},
    time::{Duration, Instant},
};

use windows_sys::Win32::{
    Foundation::{
        ERROR_INVALID_HANDLE, ERROR_INVALID_PARAMETER, ERROR_NOT_SUPPORTED, WAIT_FAILED, WAIT_OBJECT_0,
        WAIT_TIMEOUT,
    },
    System::Threading::INFINITE,
};

use crate::{
    ffi::{Failure, call},
    locks::handles,
};

/// A handle as C passes it.
pub(crate) type Handle = *mut c_void;

/// The table, by the number that is the handle.
#[derive(Debug)]
pub(crate) struct Handles {
    made: usize,
    objects: BTreeMap<usize, Object>,
}

/// What a handle stands for.
#[derive(Debug)]
pub(crate) enum Object {
    Event { is_manual: bool, is_set: bool },
    Thread(Thread),
}

/// A thread that this library created.
#[derive(Debug)]
pub(crate) struct Thread {
    /// The exit code, once it has ended.
    pub(crate) code: Option<u32>,
    pub(crate) is_suspended: bool,
    /// To be joined or detached, once.
    pub(crate) native: Option<Native>,
}

/// A thread of the system.
#[derive(Debug)]
pub(crate) struct Native(pub(crate) libc::pthread_t);

// SAFETY: it names a thread, on whatever thread that is done.
unsafe impl Send for Native {}

/// Wakes those that wait, when a state in the table has changed.
static CHANGED: Condvar = Condvar::new();

impl Handles {
    pub(crate) const fn new() -> Self {
        Self { made: 0, objects: BTreeMap::new() }
    }

    /// A new handle for an object. It is a multiple of 4 of 32 bits, as on Windows.
    pub(crate) fn insert(&mut self, object: Object) -> usize {
        /// Above the numbers of modules, which count from one.
        const FIRST: usize = 0x4000_0000;
        let number = FIRST + 4 * self.made;
        self.made += 1;
        self.objects.insert(number, object);
        number
    }

    pub(crate) fn remove(&mut self, number: usize) -> Result<Object, Failure> {
        self.objects.remove(&number).ok_or(Failure(ERROR_INVALID_HANDLE))
    }

    pub(crate) fn thread(&mut self, number: usize) -> Result<&mut Thread, Failure> {
        match self.objects.get_mut(&number) {
            Some(Object::Thread(thread)) => Ok(thread),
            _ => Err(Failure(ERROR_INVALID_HANDLE)),
        }
    }

    fn event(&mut self, number: usize) -> Result<&mut bool, Failure> {
        match self.objects.get_mut(&number) {
            Some(Object::Event { is_set, .. }) => Ok(is_set),
            _ => Err(Failure(ERROR_INVALID_HANDLE)),
        }
    }

    /// In a forked child: forgets the threads, which it doesn't have, and all other handles.
    pub(crate) fn clear(&mut self) {
        self.objects.clear();
    }

    fn is_signalled(&self, number: usize) -> Result<bool, Failure> {
        match self.objects.get(&number) {
            Some(Object::Event { is_set, .. }) => Ok(*is_set),
            Some(Object::Thread(thread)) => Ok(thread.code.is_some()),
            None => Err(Failure(ERROR_INVALID_HANDLE)),
        }
    }

    /// What a wait does to an object that it ends with: resets an event that isn't manual, and takes a thread to join.
    fn take(&mut self, number: usize) -> Option<Native> {
        match self.objects.get_mut(&number)? {
            Object::Event { is_manual, is_set } => {
                *is_set &= *is_manual;
                None
            }
            Object::Thread(thread) => thread.native.take(),
        }
    }
}

/// Wakes those that wait for what a call changed.
pub(crate) fn changed() {
    CHANGED.notify_all();
}

/// Waits until a state in the table has changed, or a deadline is over. It may return before either.
pub(crate) fn wait_for_change(
    table: MutexGuard<'static, Handles>,
    deadline: Option<Instant>,
) -> MutexGuard<'static, Handles> {
    match deadline {
        None => CHANGED.wait(table).unwrap_or_else(PoisonError::into_inner),
        Some(deadline) => {
            let left = deadline.saturating_duration_since(Instant::now());
            CHANGED.wait_timeout(table, left).unwrap_or_else(PoisonError::into_inner).0
        }
    }
}

/// `CloseHandle`: closes a thread or an event. A thread goes on. Others are refused (6): `FreeLibrary` frees modules.
///
/// Reference: [CloseHandle](https://learn.microsoft.com/en-us/windows/win32/api/handleapi/nf-handleapi-closehandle).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_CloseHandle(handle: Handle) -> i32 {
    let closed = call(|| {
        let closed = handles().remove(handle.addr())?;
        changed();
        if let Object::Thread(Thread { native: Some(Native(native)), .. }) = closed {
            // SAFETY: the thread was neither joined nor detached: the code that does so takes it out of the table first.
            unsafe { libc::pthread_detach(native) };
        }
        Ok(())
    });
    closed.is_some().into()
}

/// `WaitForSingleObject`: waits until a thread has ended or an event is set. Returns `WAIT_OBJECT_0`, `WAIT_TIMEOUT` after so
/// many milliseconds, or `WAIT_FAILED` for what is neither (6).
///
/// Reference: [WaitForSingleObject](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-waitforsingleobject).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_WaitForSingleObject(handle: Handle, milliseconds: u32) -> u32 {
    call(|| wait(&[handle.addr()], false, milliseconds)).unwrap_or(WAIT_FAILED)
}

/// `WaitForMultipleObjects`: as [`sspcache_WaitForSingleObject`], for one or all of up to 64. With one, returns `WAIT_OBJECT_0`
/// plus the index of the first. None, more than 64, and with all the same one twice are refused (87).
///
/// # Safety
/// There are as many handles.
///
/// Reference: [WaitForMultipleObjects](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-waitformultipleobjects).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_WaitForMultipleObjects(
    count: u32,
    handles: *const Handle,
    all: i32,
    milliseconds: u32,
) -> u32 {
    /// `MAXIMUM_WAIT_OBJECTS`
    const LIMIT: u32 = 64;
    let waited = call(|| {
        if !(1..=LIMIT).contains(&count) || handles.is_null() {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        // SAFETY: the pointer isn't null, and the caller promises as many handles.
        let handles = unsafe { slice::from_raw_parts(handles, count as usize) };
        let numbers: Vec<_> = handles.iter().map(|handle| handle.addr()).collect();
        let is_twice = |at: usize| numbers.get(..at).is_some_and(|before| before.contains(&numbers[at]));
        if all != 0 && (0..numbers.len()).any(is_twice) {
            return Err(Failure(ERROR_INVALID_PARAMETER));
        }
        wait(&numbers, all != 0, milliseconds)
    });
    waited.unwrap_or(WAIT_FAILED)
}

/// Waits for one of these, or for all.
fn wait(numbers: &[usize], all: bool, milliseconds: u32) -> Result<u32, Failure> {
    let timeout = (milliseconds != INFINITE).then(|| Duration::from_millis(milliseconds.into()));
    let deadline = timeout.map(|timeout| Instant::now() + timeout);
    let mut table = handles();
    let taken = loop {
        let signalled: Vec<bool> =
            numbers.iter().map(|&number| table.is_signalled(number)).collect::<Result<_, _>>()?;
        let first = signalled.iter().position(|&is| is);
        let found = if all { signalled.iter().all(|&is| is).then_some(0) } else { first };
        if let Some(first) = found {
            let ended = if all { numbers } else { &numbers[first..=first] };
            let joined: Vec<_> = ended.iter().filter_map(|&number| table.take(number)).collect();
            break (first, joined);
        }
        if deadline.is_some_and(|deadline| deadline <= Instant::now()) {
            return Ok(WAIT_TIMEOUT);
        }
        table = wait_for_change(table, deadline);
    };
    drop(table);
    let (first, joined) = taken;
    for Native(native) in joined {
        // It has its exit code, and ends by itself: after this, none of its code runs any more.
        // SAFETY: the thread was neither joined nor detached: it was taken out of the table for this.
        unsafe { libc::pthread_join(native, ptr::null_mut()) };
    }
    Ok(WAIT_OBJECT_0 + u32::try_from(first).unwrap_or_default())
}

/// `CreateEvent`: an event without a name, set or not. An event that isn't manual lets one wait end, and is reset by that.
///
/// # Platform-specific behaviour
/// A name is refused (`ERROR_NOT_SUPPORTED`): no other process could find it. The security attributes are ignored.
///
/// Reference: [CreateEvent](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-createeventa).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_CreateEventA(
    _security: *mut c_void,
    manual: i32,
    is_set: i32,
    name: *const c_char,
) -> Handle {
    create_event(manual, is_set, name.is_null())
}

/// `CreateEvent` for UTF-16: as [`sspcache_CreateEventA`].
///
/// Reference: [CreateEvent](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-createeventw).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_CreateEventW(
    _security: *mut c_void,
    manual: i32,
    is_set: i32,
    name: *const u16,
) -> Handle {
    create_event(manual, is_set, name.is_null())
}

fn create_event(manual: i32, is_set: i32, has_no_name: bool) -> Handle {
    let made = call(|| {
        if !has_no_name {
            return Err(Failure(ERROR_NOT_SUPPORTED));
        }
        Ok(handles().insert(Object::Event { is_manual: manual != 0, is_set: is_set != 0 }))
    });
    ptr::without_provenance_mut(made.unwrap_or_default())
}

/// `SetEvent`
///
/// Reference: [SetEvent](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-setevent).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_SetEvent(event: Handle) -> i32 {
    set_event(event, true)
}

/// `ResetEvent`
///
/// Reference: [ResetEvent](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-resetevent).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_ResetEvent(event: Handle) -> i32 {
    set_event(event, false)
}

fn set_event(event: Handle, is_set: bool) -> i32 {
    let set = call(|| {
        *handles().event(event.addr())? = is_set;
        changed();
        Ok(())
    });
    set.is_some().into()
}
