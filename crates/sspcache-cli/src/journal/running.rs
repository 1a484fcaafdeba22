//! Whether a process whose journal has no end still runs.

use sspcache_engine::FileTime;

/// Whether a process with this number and program runs that began before its journal did: another may have the number now.
#[cfg(target_os = "linux")]
pub(super) fn is_running(pid: u32, program: &str, first_event: FileTime) -> bool {
    use std::{fs, time::Duration};

    /// Times in `/proc` count from the boot, whose own time has whole seconds.
    const TOLERANCE: Duration = Duration::from_secs(2);
    /// The unit of times in `/proc`, for every program, whatever the kernel's own is.
    const TICKS_PER_SECOND: u64 = 100;

    let started = || {
        let path = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
        let name = path.file_name()?.to_str()?;
        // The file may have been replaced since.
        if name.strip_suffix(" (deleted)").unwrap_or(name) != program {
            return None;
        }
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
        // Behind the name, which may have blanks and brackets of its own, the 20th field is the time of the start.
        let ticks: u64 = stat.rsplit_once(')')?.1.split_whitespace().nth(19)?.parse().ok()?;
        let system = fs::read_to_string("/proc/stat").ok()?;
        let boot: u64 = system.lines().find_map(|line| line.strip_prefix("btime "))?.trim().parse().ok()?;
        Some(Duration::from_secs(boot + ticks / TICKS_PER_SECOND))
    };
    started().is_some_and(|started| started <= first_event.since_unix_epoch() + TOLERANCE)
}

/// Whether a process with this number runs: the system doesn't tell more.
#[cfg(all(unix, not(target_os = "linux")))]
pub(super) fn is_running(pid: u32, _program: &str, _first_event: FileTime) -> bool {
    let pid = i32::try_from(pid).ok().and_then(rustix::process::Pid::from_raw);
    pid.is_some_and(|pid| rustix::process::test_kill_process(pid).is_ok())
}

/// Never: a journal without an end is not taken for a clean one here, whatever its process does.
#[cfg(windows)]
pub(super) fn is_running(_pid: u32, _program: &str, _first_event: FileTime) -> bool {
    false
}
