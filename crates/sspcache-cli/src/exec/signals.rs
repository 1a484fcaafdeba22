//! Signals that arrive while a command runs: they are passed on to it.

use std::{
    io,
    process::{Child, ExitStatus},
};

#[cfg(unix)]
pub(crate) use imp::status_of_signal;

/// The signals that would end this process before it has cleaned up after the command.
#[derive(Debug)]
pub(crate) struct Signals(imp::Signals);

impl Signals {
    /// Catches the signals: from now on they end the command and not this process.
    pub(crate) fn watch() -> io::Result<Self> {
        imp::Signals::watch().map(Self)
    }

    /// The exit status for the first signal that has arrived, if one has.
    pub(crate) fn interrupted(&mut self) -> Option<u8> {
        self.0.interrupted()
    }

    /// Waits for a process, to which signals are passed on.
    pub(crate) fn wait(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
        self.0.wait(child)
    }
}

#[cfg(unix)]
mod imp {
    use std::{
        fs::{self, File},
        io,
        process::{Child, ExitStatus},
    };

    use rustix::process::{Pid, Signal, getpgrp, kill_process};
    use signal_hook::consts::{SIGCHLD, SIGHUP, SIGINT, SIGQUIT, SIGTERM};

    use super::super::descendants::reap_others;

    #[derive(Debug)]
    pub(super) struct Signals {
        watched: signal_hook::iterator::Signals,
        /// The first that arrived.
        received: Option<i32>,
    }

    impl Signals {
        pub(super) fn watch() -> io::Result<Self> {
            let ignored = ignored_signals();
            let watched =
                [SIGHUP, SIGINT, SIGQUIT, SIGTERM].into_iter().filter(|signal| !ignored.contains(signal));
            let watched = signal_hook::iterator::Signals::new(watched.chain([SIGCHLD]))?;
            Ok(Self { watched, received: None })
        }

        pub(super) fn interrupted(&mut self) -> Option<u8> {
            let arrived = self.watched.pending().find(|&signal| signal != SIGCHLD);
            self.received = self.received.or(arrived);
            self.received.map(status_of_signal)
        }

        pub(super) fn wait(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
            // One thread does all the waiting: between `try_wait` and the signal, no other thread can reap the child
            // and free its number for another process. Nor does this one, which reaps all other children.
            loop {
                if let Some(status) = child.try_wait()? {
                    return Ok(status);
                }
                reap_others(Some(child.id()));
                for signal in self.watched.wait().filter(|&signal| signal != SIGCHLD) {
                    self.received = self.received.or(Some(signal));
                    if !comes_from_terminal(signal) {
                        forward(signal, child);
                    }
                }
            }
        }
    }

    fn forward(signal: i32, child: &mut Child) {
        let target = i32::try_from(child.id()).ok().and_then(Pid::from_raw);
        if let (Some(target), Some(signal), Ok(None)) =
            (target, Signal::from_named_raw(signal), child.try_wait())
        {
            // When it fails, the child has ended.
            let _ = kill_process(target, signal);
        }
    }

    /// Whether a terminal sends this signal to the whole foreground group, so that the command has it already. The
    /// command would take a second one for an impatient user's.
    fn comes_from_terminal(signal: i32) -> bool {
        let foreground = || rustix::termios::tcgetpgrp(File::open("/dev/tty").ok()?).ok();
        matches!(signal, SIGINT | SIGQUIT) && foreground() == Some(getpgrp())
    }

    /// Signals that the parent process set to be ignored (`nohup`, a shell's `&`): the command inherits that. Only
    /// Linux shows them.
    fn ignored_signals() -> Vec<i32> {
        let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
        let mask = status.lines().find_map(|line| line.strip_prefix("SigIgn:"));
        let mask = mask.and_then(|mask| u64::from_str_radix(mask.trim(), 16).ok()).unwrap_or(0);
        (1..=64).filter(|signal| mask >> (signal - 1) & 1 == 1).collect()
    }

    /// What a shell makes of the status of a command that a signal ended.
    pub(crate) fn status_of_signal(signal: i32) -> u8 {
        u8::try_from(128 + signal).unwrap_or(u8::MAX)
    }
}

#[cfg(windows)]
mod imp {
    use std::{
        io,
        process::{Child, ExitStatus},
        sync::{
            Arc,
            atomic::{AtomicBool, Ordering},
        },
    };

    /// A console sends Ctrl-C to every process attached to it, the command among them.
    #[derive(Debug)]
    pub(super) struct Signals(Arc<AtomicBool>);

    impl Signals {
        pub(super) fn watch() -> io::Result<Self> {
            let interrupted = Arc::new(AtomicBool::new(false));
            signal_hook::flag::register(signal_hook::consts::SIGINT, Arc::clone(&interrupted))?;
            Ok(Self(interrupted))
        }

        pub(super) fn interrupted(&mut self) -> Option<u8> {
            self.0.load(Ordering::SeqCst).then_some(STATUS_INTERRUPTED)
        }

        #[allow(clippy::unused_self, reason = "the signature on Unix")]
        pub(super) fn wait(&mut self, child: &mut Child) -> io::Result<ExitStatus> {
            child.wait()
        }
    }

    const STATUS_INTERRUPTED: u8 = 130;
}
