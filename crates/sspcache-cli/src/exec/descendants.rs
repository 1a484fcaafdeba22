//! The processes that a command leaves running when it ends (clause Q6).
//!
//! A process whose parent has ended becomes a child of the next ancestor that is a *subreaper*, or else of the first process
//! of the system, and nothing says any more whose it was. So `exec` makes itself one, which only Linux has: whatever the command
//! started is below it as long as it runs.
//!
//! Reference: [PR_SET_CHILD_SUBREAPER(2const)](https://man7.org/linux/man-pages/man2/PR_SET_CHILD_SUBREAPER.2const.html).

pub(crate) use imp::Descendants;
#[cfg(unix)]
pub(crate) use imp::reap_others;

/// A process that still runs.
#[derive(Clone, Debug, Eq, Ord, PartialEq, PartialOrd, serde::Serialize)]
pub(crate) struct Running {
    pub(crate) pid: u32,
    /// The file name of its program.
    pub(crate) program: String,
}

impl Running {
    /// `client (4242)`.
    pub(crate) fn name(&self) -> String {
        format!("{} ({})", self.program, self.pid)
    }
}

#[cfg(target_os = "linux")]
mod imp {
    use std::{
        collections::{BTreeMap, BTreeSet},
        fs, process, thread,
        time::{Duration, Instant},
    };

    use rustix::process::{Pid, WaitOptions, getpid, set_child_subreaper, waitpid};

    use super::{
        super::{signals::Signals, wine},
        Running,
    };
    use crate::output::message;

    /// How long a process is waited for that is about to end, as the last ones of a shell's pipe are.
    const A_MOMENT: Duration = Duration::from_secs(1);

    /// How often it is looked which processes still run: at first, and at last.
    const PAUSES: [Duration; 2] = [Duration::from_millis(5), Duration::from_millis(200)];

    /// What runs below this process, but for what did before the command.
    #[derive(Debug)]
    pub(crate) struct Descendants {
        before: BTreeSet<u32>,
    }

    impl Descendants {
        /// From now on, what runs below this process stays there.
        pub(crate) fn adopt() -> Self {
            // A sandbox may refuse it.
            if let Err(error) = set_child_subreaper(Some(getpid())) {
                message(format_args!("daemons of the command are not seen: {error}"));
            }
            Self { before: children(process::id(), &BTreeSet::new()) }
        }

        /// Waits for what the command left running: for a moment, or until all has ended or a signal arrives. Returns what runs
        /// then.
        pub(crate) fn settle(&self, waits: bool, signals: &mut Signals) -> Vec<Running> {
            let start = Instant::now();
            let mut pause = PAUSES[0];
            loop {
                reap_others(None);
                let running = self.running();
                let is_over = running.is_empty() || (!waits && start.elapsed() > A_MOMENT);
                if is_over || signals.interrupted().is_some() {
                    return running;
                }
                thread::sleep(pause);
                pause = (pause * 2).min(PAUSES[1]);
            }
        }

        fn running(&self) -> Vec<Running> {
            let mut running: Vec<Running> =
                children(process::id(), &self.before).into_iter().filter_map(Running::of).collect();
            running.sort();
            running
        }
    }

    impl Running {
        /// A process, unless it has ended, is Wine's own, or is one of the kernel's.
        fn of(pid: u32) -> Option<Self> {
            let file = fs::read_link(format!("/proc/{pid}/exe")).ok()?;
            let command = fs::read(format!("/proc/{pid}/cmdline")).ok()?;
            if wine::is_wines_own(&file, &command) {
                return None;
            }
            let name = file.file_name()?.to_string_lossy();
            // The file may have been replaced since.
            let program = name.strip_suffix(" (deleted)").unwrap_or(&name).to_owned();
            Some(Self { pid, program })
        }
    }

    /// All processes that run below one, but for these and what is below them.
    fn children(of: u32, without: &BTreeSet<u32>) -> BTreeSet<u32> {
        let mut below: BTreeMap<u32, Vec<u32>> = BTreeMap::new();
        for process in processes().filter(|process| !process.has_ended) {
            below.entry(process.parent).or_default().push(process.pid);
        }
        let (mut found, mut parents) = (BTreeSet::new(), vec![of]);
        while let Some(parent) = parents.pop() {
            let children = below.remove(&parent).into_iter().flatten();
            for child in children.filter(|child| !without.contains(child)) {
                found.insert(child);
                parents.push(child);
            }
        }
        found
    }

    /// A process of this system.
    struct Process {
        pid: u32,
        parent: u32,
        has_ended: bool,
    }

    fn processes() -> impl Iterator<Item = Process> {
        let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
        entries.filter_map(|entry| {
            let pid = entry.file_name().to_str()?.parse().ok()?;
            let stat = fs::read_to_string(entry.path().join("stat")).ok()?;
            // Behind the name, which may have blanks and brackets of its own, are the state and the parent.
            let mut fields = stat.rsplit_once(')')?.1.split_whitespace();
            let has_ended = matches!(fields.next()?, "Z" | "X");
            Some(Process { pid, parent: fields.next()?.parse().ok()?, has_ended })
        })
    }

    /// Takes the status of each child that has ended, so that its number is free again; but not that of the command, which is asked
    /// for its status by its own number.
    pub(crate) fn reap_others(command: Option<u32>) {
        let is_ours = |process: &Process| {
            process.has_ended && process.parent == process::id() && Some(process.pid) != command
        };
        for Process { pid, .. } in processes().filter(is_ours) {
            let pid = i32::try_from(pid).ok().and_then(Pid::from_raw);
            // It has ended: nothing is waited for.
            let _ = pid.map(|pid| waitpid(Some(pid), WaitOptions::NOHANG));
        }
    }
}

/// Other systems don't show what a command leaves running.
#[cfg(not(target_os = "linux"))]
mod imp {
    use super::{super::signals::Signals, Running};

    #[derive(Debug)]
    pub(crate) struct Descendants;

    impl Descendants {
        pub(crate) fn adopt() -> Self {
            Self
        }

        #[allow(clippy::unused_self, reason = "the signature on Linux")]
        pub(crate) fn settle(&self, _waits: bool, _signals: &mut Signals) -> Vec<Running> {
            Vec::new()
        }
    }

    #[cfg(unix)]
    pub(crate) fn reap_others(_command: Option<u32>) {}
}
