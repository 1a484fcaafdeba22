//! The trace of calls (clause Q8): one line for each, while the command runs and afterwards.
//!
//! | file | what it does |
//! | --- | --- |
//! | `call` | reads what an event says of a call |
//! | `handles` | numbers credential handles and contexts |
//! | `values` | spells the values of parameters |

mod call;
mod handles;
mod values;

use std::{collections::BTreeMap, fmt::Write as _};

use sspcache_engine::{Event, EventKind, FileTime};

use self::{
    call::{Call, Returned},
    handles::Handles,
};
use crate::{
    output::{quoted, since_start_exactly},
    places::{Images, Places},
};

/// The lines of a run's calls, in the order of their times. Its journals have keys.
#[derive(Debug)]
pub(crate) struct Trace<K> {
    processes: BTreeMap<K, Process>,
    /// The time of the first event of the run.
    start: Option<FileTime>,
    places: Places,
}

impl<K: Clone + Ord> Trace<K> {
    pub(crate) fn new() -> Self {
        Self { processes: BTreeMap::new(), start: None, places: Places::new() }
    }

    /// Takes what is new in journals, and writes the lines of it, each without its end.
    ///
    /// # Errors
    /// The first error of writing.
    pub(crate) fn print<E>(
        &mut self,
        new: impl IntoIterator<Item = (K, Vec<Event>)>,
        mut write: impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        let mut events = Vec::new();
        for (journal, new) in new {
            let process = self.processes.entry(journal.clone()).or_default();
            for event in new {
                // A clock may be set back; the events of one journal stay in their order.
                process.latest = process.latest.max(event.time);
                events.push((process.latest, journal.clone(), event));
            }
        }
        events.sort_by_key(|(time, ..)| *time);
        for (time, journal, event) in events {
            let start = *self.start.get_or_insert(time);
            let process = self.processes.entry(journal).or_default();
            process.lines(&event, start, &mut self.places, &mut write)?;
        }
        Ok(())
    }
}

/// One journal's part of a trace: what its lines refer to.
#[derive(Debug, Default)]
struct Process {
    latest: FileTime,
    /// The program and the number.
    name: String,
    pid: u32,
    /// The number of the next event.
    next: u64,
    images: Images,
    handles: Handles,
}

impl Process {
    /// Writes the line of an event, if it is a call, and before it one that says where events are missing.
    fn lines<E>(
        &mut self,
        event: &Event,
        start: FileTime,
        places: &mut Places,
        write: &mut impl FnMut(&str) -> Result<(), E>,
    ) -> Result<(), E> {
        self.images.note(event);
        self.handles.note(&event.kind);
        if event.seq > self.next {
            write(&format!("# {}[{}]: events are missing here", self.name, self.pid))?;
        }
        self.next = event.seq + 1;
        if let EventKind::Started { pid, program, .. } = &event.kind {
            self.name = quoted(program).into_owned();
            self.pid = *pid;
        }
        let Some(call) = Call::of(&event.kind) else { return Ok(()) };
        let since = event.time.since_unix_epoch().saturating_sub(start.since_unix_epoch());
        let (name, pid, thread) = (&self.name, self.pid, call.thread);
        let mut line = format!("{} {name}[{pid}/{thread}] ", since_start_exactly(since));
        self.call(&mut line, &call);
        // Of what the compiler inlined, the innermost function.
        if let Some(place) = places.resolve(&self.images.stack(event)).first() {
            let _ = write!(line, " at {}", place.alone());
        }
        write(&line)
    }

    fn call(&mut self, line: &mut String, call: &Call<'_>) {
        let given: Vec<_> = call.given.iter().map(|it| values::argument(call, it, &self.handles)).collect();
        let returned = match call.returned {
            Returned::Status(status) => values::status(status),
            Returned::Word(word) => quoted(word).into_owned(),
        };
        let _ = write!(line, "{}({}) = {returned}", quoted(call.function), given.join(", "));
        self.handles.called(call);
        for argument in &call.gave {
            let _ = write!(line, " {}", values::argument(call, argument, &self.handles));
        }
    }
}

#[cfg(test)]
mod tests {
    use std::convert::Infallible;

    use sspcache_engine::Frame;

    use super::*;

    fn call(function: &str, given: &str, gave: &str, status: u32) -> EventKind {
        let [function, given, gave] = [function, given, gave].map(str::to_owned);
        let returned = status.cast_signed().to_string();
        EventKind::Called { function, thread: 8, given, gave, returned }
    }

    fn drawn(events: Vec<(u64, EventKind)>) -> String {
        let events = events.into_iter().map(|(seq, kind)| {
            let stack = vec![Frame { image: 1, offset: 0x12fb }];
            let time = FileTime(134_000_000_000_000_000 + seq * 10_000);
            Event { seq, time, before: 0, after: 0, retained: 0, held: 0, stack, kind }
        });
        let mut trace = Trace::new();
        trace.places = Places::unread();
        let mut text = String::new();
        let written = trace.print([(0, events.collect())], |line| {
            text.extend([line, "\n"]);
            Ok::<_, Infallible>(())
        });
        written.map(|()| text).unwrap_or_default()
    }

    fn started() -> EventKind {
        EventKind::Started {
            module: "MSNSSPC.dll".to_owned(),
            version: "0.2.0".to_owned(),
            pid: 7,
            program: "client\u{1b}[2J".to_owned(),
            forked: false,
            os: "linux".to_owned(),
            packages: Vec::new(),
        }
    }

    /// Q8
    #[test]
    fn handles_have_numbers_and_the_packages_that_are_known_of_them() {
        let acquired = |word: u32, package: &str| {
            call("AcquireCredentialsHandleW", &format!("package={package:?}"), &format!("handle=#{word}"), 0)
        };
        let step = |context: &str, status| {
            let given = format!("credential=#22 context={context}");
            call("InitializeSecurityContextW", &given, "new_context=#33", status)
        };
        let established = EventKind::ContextEstablished {
            context: 33,
            role: sspcache_engine::context::Role::Initiator,
            package: "NTLM".to_owned(),
            principal: String::new(),
            granted: None,
            bound: false,
        };
        let free = |word: u32| call("FreeCredentialsHandle", &format!("handle=#{word}"), "", 0);
        let events = [
            started(),
            acquired(11, "NTLM"),
            acquired(22, "Negotiate"),
            step("-", 0x0009_0312),
            established,
            step("#33", 0),
            free(22),
            acquired(22, "Kerberos"),
            free(22),
            free(44),
            free(0),
        ];
        insta::assert_snapshot!(drawn((0..).zip(events).collect()), @r#"
        +0.001000 s client\u{1b}[2J[7/8] AcquireCredentialsHandleW(package="NTLM") = SEC_E_OK handle=cred1/NTLM at 0x12fb
        +0.002000 s client\u{1b}[2J[7/8] AcquireCredentialsHandleW(package="Negotiate") = SEC_E_OK handle=cred2/Negotiate at 0x12fb
        +0.003000 s client\u{1b}[2J[7/8] InitializeSecurityContextW(credential=cred2/Negotiate, context=null) = SEC_I_CONTINUE_NEEDED new_context=ctx1/Negotiate at 0x12fb
        +0.005000 s client\u{1b}[2J[7/8] InitializeSecurityContextW(credential=cred2/Negotiate, context=ctx1/NTLM) = SEC_E_OK new_context=ctx1/NTLM at 0x12fb
        +0.006000 s client\u{1b}[2J[7/8] FreeCredentialsHandle(handle=cred2/Negotiate) = SEC_E_OK at 0x12fb
        +0.007000 s client\u{1b}[2J[7/8] AcquireCredentialsHandleW(package="Kerberos") = SEC_E_OK handle=cred3/Kerberos at 0x12fb
        +0.008000 s client\u{1b}[2J[7/8] FreeCredentialsHandle(handle=cred3/Kerberos) = SEC_E_OK at 0x12fb
        +0.009000 s client\u{1b}[2J[7/8] FreeCredentialsHandle(handle=cred?) = SEC_E_OK at 0x12fb
        +0.010000 s client\u{1b}[2J[7/8] FreeCredentialsHandle(handle=none) = SEC_E_OK at 0x12fb
        "#);
    }

    /// Q8
    #[test]
    fn numbers_have_their_documented_names_and_text_of_others_is_one_line() {
        let requirements = 0x4000_0800_u32;
        let step = format!("input=[2:3:4e544c,80000001:9,600000ff:0] requirements={requirements}");
        let events = [
            started(),
            call("AcceptSecurityContext", &step, "attributes=0", 0x8009_0331),
            call("QueryContextAttributesW", "attribute=4", "", 0xFFFF_FFFF),
            call("QueryCredentialsAttributesW", "attribute=77", "", 0),
            call("ExportSecurityContext", "flags=6", "", 0),
            call("QuerySecurityPackageInfoA", &format!("name={:?}", "\u{1b}[2J\n"), "", 0),
        ];
        insta::assert_snapshot!(drawn((0..).zip(events).collect()), @r#"
        +0.001000 s client\u{1b}[2J[7/8] AcceptSecurityContext(input=[TOKEN:3:4e544c, DATA+READONLY:9, 0xff+0x60000000:0], requirements=ASC_REQ_CONNECTION|0x40000000) = SEC_E_ALGORITHM_MISMATCH attributes=0 at 0x12fb
        +0.002000 s client\u{1b}[2J[7/8] QueryContextAttributesW(attribute=SECPKG_ATTR_STREAM_SIZES) = 0xFFFFFFFF at 0x12fb
        +0.003000 s client\u{1b}[2J[7/8] QueryCredentialsAttributesW(attribute=77) = SEC_E_OK at 0x12fb
        +0.004000 s client\u{1b}[2J[7/8] ExportSecurityContext(flags=SECPKG_CONTEXT_EXPORT_DELETE_OLD|SECPKG_CONTEXT_EXPORT_TO_KERNEL) = SEC_E_OK at 0x12fb
        +0.005000 s client\u{1b}[2J[7/8] QuerySecurityPackageInfoA(name="\u{1b}[2J\n") = SEC_E_OK at 0x12fb
        "#);
    }

    /// Q6, Q8
    #[test]
    fn where_events_are_missing_a_line_says_so() {
        let free = || call("FreeCredentialsHandle", "", "", 0);
        let drawn = drawn(vec![(0, started()), (1, free()), (3, free()), (4, free())]);
        let lines: Vec<&str> = drawn.lines().collect();
        assert_eq!(lines.len(), 4, "{drawn}");
        assert_eq!(lines[1], r"# client\u{1b}[2J[7]: events are missing here");
    }
}
