//! Critical sections: a recursive lock of the C library, which `Initialize…` makes and `Delete…` frees.

use std::{ffi::c_void, mem::MaybeUninit, ptr};

/// `CRITICAL_SECTION`, in the layout of 64-bit Windows. Its other members stay zero.
#[repr(C)]
#[derive(Debug)]
pub struct CriticalSection {
    debug_info: *mut c_void,
    lock_count: i32,
    recursion_count: i32,
    owning_thread: *mut c_void,
    lock_semaphore: *mut libc::pthread_mutex_t,
    spin_count: usize,
}

const _: () = assert!(size_of::<CriticalSection>() == 40);

/// `InitializeCriticalSection`
///
/// # Safety
/// The section can be written to, and isn't in use.
///
/// Reference: [InitializeCriticalSection](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-initializecriticalsection).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_InitializeCriticalSection(section: *mut CriticalSection) {
    let made = CriticalSection {
        debug_info: ptr::null_mut(),
        lock_count: -1,
        recursion_count: 0,
        owning_thread: ptr::null_mut(),
        lock_semaphore: new_lock(),
        spin_count: 0,
    };
    // SAFETY: the caller promises that it can be written to.
    unsafe { section.write(made) };
}

/// `InitializeCriticalSectionAndSpinCount`: as [`sspcache_InitializeCriticalSection`]; the count is ignored.
///
/// # Safety
/// As [`sspcache_InitializeCriticalSection`].
///
/// Reference: [InitializeCriticalSectionAndSpinCount](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-initializecriticalsectionandspincount).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_InitializeCriticalSectionAndSpinCount(
    section: *mut CriticalSection,
    _spins: u32,
) -> i32 {
    // SAFETY: as the caller promises.
    unsafe { sspcache_InitializeCriticalSection(section) };
    1
}

/// `EnterCriticalSection`: waits until no other thread is in the section. A thread may enter again, and leaves as often.
///
/// # Safety
/// The section is initialized.
///
/// Reference: [EnterCriticalSection](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-entercriticalsection).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_EnterCriticalSection(section: *mut CriticalSection) {
    // SAFETY: the caller promises that it is initialized.
    let lock = unsafe { lock_of(section) };
    // SAFETY: the caller promises that it is initialized, and so has a lock.
    unsafe { libc::pthread_mutex_lock(lock) };
}

/// `TryEnterCriticalSection`: enters, unless another thread is in the section.
///
/// # Safety
/// The section is initialized.
///
/// Reference: [TryEnterCriticalSection](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-tryentercriticalsection).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_TryEnterCriticalSection(section: *mut CriticalSection) -> i32 {
    // SAFETY: the caller promises that it is initialized.
    let lock = unsafe { lock_of(section) };
    // SAFETY: the caller promises that it is initialized, and so has a lock.
    (unsafe { libc::pthread_mutex_trylock(lock) } == 0).into()
}

/// `LeaveCriticalSection`
///
/// # Safety
/// This thread is in the section.
///
/// Reference: [LeaveCriticalSection](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-leavecriticalsection).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_LeaveCriticalSection(section: *mut CriticalSection) {
    // SAFETY: the caller promises that it is initialized.
    let lock = unsafe { lock_of(section) };
    // SAFETY: the caller promises that this thread entered it.
    unsafe { libc::pthread_mutex_unlock(lock) };
}

/// `DeleteCriticalSection`: frees what the section has. Only `InitializeCriticalSection` may follow.
///
/// # Safety
/// The section is initialized, and no thread is in it.
///
/// Reference: [DeleteCriticalSection](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-deletecriticalsection).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_DeleteCriticalSection(section: *mut CriticalSection) {
    // SAFETY: the caller promises that it is initialized.
    let lock = unsafe { lock_of(section) };
    // SAFETY: the caller promises that no thread has it.
    unsafe { libc::pthread_mutex_destroy(lock) };
    // SAFETY: `new_lock` made it in a box, and it is used no more.
    drop(unsafe { Box::from_raw(lock) });
    // SAFETY: the caller promises that the section is there.
    unsafe { (*section).lock_semaphore = ptr::null_mut() };
}

/// The lock of a section.
///
/// # Safety
/// The section is initialized.
unsafe fn lock_of(section: *mut CriticalSection) -> *mut libc::pthread_mutex_t {
    // SAFETY: the caller promises that it is there and initialized.
    unsafe { (*section).lock_semaphore }
}

/// A recursive lock, in a box: it must not move.
fn new_lock() -> *mut libc::pthread_mutex_t {
    let mut attributes = MaybeUninit::<libc::pthread_mutexattr_t>::uninit();
    let lock = Box::into_raw(Box::new(libc::PTHREAD_MUTEX_INITIALIZER));
    // SAFETY: the attributes are there to be initialized.
    unsafe { libc::pthread_mutexattr_init(attributes.as_mut_ptr()) };
    // SAFETY: they are initialized.
    unsafe { libc::pthread_mutexattr_settype(attributes.as_mut_ptr(), libc::PTHREAD_MUTEX_RECURSIVE) };
    // SAFETY: the lock isn't in use yet, and the attributes are initialized.
    unsafe { libc::pthread_mutex_init(lock, attributes.as_ptr()) };
    // SAFETY: they are initialized, and used no more.
    unsafe { libc::pthread_mutexattr_destroy(attributes.as_mut_ptr()) };
    lock
}
