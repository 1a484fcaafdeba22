//! Time: sleeping, and the clocks.

use std::{
    thread,
    time::{Duration, SystemTime},
};

use windows_sys::Win32::{
    Foundation::{FILETIME, SYSTEMTIME},
    System::Threading::INFINITE,
};

/// Steps of `QueryPerformanceCounter` in a second: 100 nanoseconds each, as on today's Windows.
const FREQUENCY: i64 = 10_000_000;

/// `Sleep`: waits for so many milliseconds; with 0 lets another thread go first, with `INFINITE` never returns.
///
/// Reference: [Sleep](https://learn.microsoft.com/en-us/windows/win32/api/synchapi/nf-synchapi-sleep).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_Sleep(milliseconds: u32) {
    match milliseconds {
        0 => thread::yield_now(),
        INFINITE => loop {
            thread::park();
        },
        milliseconds => thread::sleep(Duration::from_millis(milliseconds.into())),
    }
}

/// `GetTickCount64`: milliseconds since the system was started, its sleep included.
///
/// Reference: [GetTickCount64](https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-gettickcount64).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetTickCount64() -> u64 {
    // CLOCK_MONOTONIC of Linux stands still while the machine sleeps.
    #[cfg(any(target_os = "linux", target_os = "android"))]
    const CLOCK: libc::clockid_t = libc::CLOCK_BOOTTIME;
    #[cfg(not(any(target_os = "linux", target_os = "android")))]
    const CLOCK: libc::clockid_t = libc::CLOCK_MONOTONIC;
    u64::try_from(now(CLOCK).as_millis()).unwrap_or(u64::MAX)
}

/// `GetTickCount`: the low half of `GetTickCount64`, which begins anew after 49.7 days.
///
/// Reference: [GetTickCount](https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-gettickcount).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub extern "C" fn sspcache_GetTickCount() -> u32 {
    #[allow(clippy::cast_possible_truncation, reason = "the low half is asked for")]
    let low = sspcache_GetTickCount64() as u32;
    low
}

/// `GetSystemTimeAsFileTime`: the time of day, in units of 100 nanoseconds since 1601.
///
/// # Safety
/// The time can be written to.
///
/// Reference: [GetSystemTimeAsFileTime](https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemtimeasfiletime).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetSystemTimeAsFileTime(time: *mut FILETIME) {
    /// From 1601 to 1970.
    const BEFORE_UNIX: Duration = Duration::from_hours(3_234_576);
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default() + BEFORE_UNIX;
    let units = u64::try_from(now.as_nanos() / 100).unwrap_or(u64::MAX);
    #[allow(clippy::cast_possible_truncation, reason = "two halves")]
    let value = FILETIME { dwLowDateTime: units as u32, dwHighDateTime: (units >> 32) as u32 };
    // SAFETY: the caller promises a place for it.
    unsafe { time.write(value) };
}

/// `GetSystemTime`: the time of day in UTC.
///
/// # Safety
/// The time can be written to.
///
/// Reference: [GetSystemTime](https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getsystemtime).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetSystemTime(time: *mut SYSTEMTIME) {
    let now = by_calendar(|time, parts| {
        // SAFETY: the seconds are there, and the parts to be filled in.
        unsafe { libc::gmtime_r(&raw const time.tv_sec, parts) };
    });
    // SAFETY: the caller promises a place for it.
    unsafe { time.write(now) };
}

/// `GetLocalTime`: the time of day in the zone of this system, or of the variable `TZ`.
///
/// # Safety
/// The time can be written to. No other thread changes the environment.
///
/// Reference: [GetLocalTime](https://learn.microsoft.com/en-us/windows/win32/api/sysinfoapi/nf-sysinfoapi-getlocaltime).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_GetLocalTime(time: *mut SYSTEMTIME) {
    let now = by_calendar(|time, parts| {
        // SAFETY: the seconds are there, and the parts to be filled in. The caller promises that no thread changes the environment.
        unsafe { libc::localtime_r(&raw const time.tv_sec, parts) };
    });
    // SAFETY: the caller promises a place for it.
    unsafe { time.write(now) };
}

/// `QueryPerformanceCounter`: the time in steps of `QueryPerformanceFrequency`.
///
/// # Safety
/// The count can be written to.
///
/// Reference: [QueryPerformanceCounter](https://learn.microsoft.com/en-us/windows/win32/api/profileapi/nf-profileapi-queryperformancecounter).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_QueryPerformanceCounter(count: *mut i64) -> i32 {
    let steps = now(libc::CLOCK_MONOTONIC).as_nanos() / 100;
    // SAFETY: the caller promises a place for it.
    unsafe { count.write(i64::try_from(steps).unwrap_or(i64::MAX)) };
    1
}

/// `QueryPerformanceFrequency`: steps of `QueryPerformanceCounter` in a second.
///
/// # Safety
/// The frequency can be written to.
///
/// Reference: [QueryPerformanceFrequency](https://learn.microsoft.com/en-us/windows/win32/api/profileapi/nf-profileapi-queryperformancefrequency).
#[unsafe(no_mangle)]
#[allow(non_snake_case, reason = "the documented name")]
pub unsafe extern "C" fn sspcache_QueryPerformanceFrequency(frequency: *mut i64) -> i32 {
    // SAFETY: the caller promises a place for it.
    unsafe { frequency.write(FREQUENCY) };
    1
}

/// What a clock of the system says.
fn ask(clock: libc::clockid_t) -> libc::timespec {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the structure is there to be filled in. A clock that is missing leaves it at zero.
    unsafe { libc::clock_gettime(clock, &raw mut time) };
    time
}

/// The same, since the clock's beginning.
fn now(clock: libc::clockid_t) -> Duration {
    let time = ask(clock);
    Duration::new(
        u64::try_from(time.tv_sec).unwrap_or_default(),
        u32::try_from(time.tv_nsec).unwrap_or_default(),
    )
}

/// The time of day, in the parts that a function of the C library gives.
///
/// That function takes the seconds as the clock has them: `libc` advises against naming their type, whose size differs between versions
/// of musl.
fn by_calendar(parts_of: impl FnOnce(&libc::timespec, *mut libc::tm)) -> SYSTEMTIME {
    let now = ask(libc::CLOCK_REALTIME);
    // SAFETY: numbers and a pointer, all of which may be zero.
    let mut parts = unsafe { std::mem::zeroed::<libc::tm>() };
    parts_of(&now, &raw mut parts);
    let word = |number: i32| u16::try_from(number).unwrap_or_default();
    SYSTEMTIME {
        wYear: word(parts.tm_year + 1900),
        wMonth: word(parts.tm_mon + 1),
        wDayOfWeek: word(parts.tm_wday),
        wDay: word(parts.tm_mday),
        wHour: word(parts.tm_hour),
        wMinute: word(parts.tm_min),
        wSecond: word(parts.tm_sec),
        wMilliseconds: u16::try_from(now.tv_nsec / 1_000_000).unwrap_or_default(),
    }
}
