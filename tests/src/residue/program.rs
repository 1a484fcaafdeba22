//! A program that takes steps, one a line, and answers each: `fixtures/clients/residue.c` and those like it.

use std::{
    io::{BufRead, Write},
    process::{ChildStdin, Command, Stdio},
};

use crate::program::Running;

/// Such a program, running. It ends when it is dropped, at the latest.
#[derive(Debug)]
pub struct Program {
    running: Running,
    input: ChildStdin,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let mut running = Running::start(command.stdin(Stdio::piped()));
        let input = running.process.stdin.take().expect("piped");
        Self { running, input }
    }

    /// The process. Under Wine, too: what is started as `wine` becomes the Windows program's process.
    pub fn id(&self) -> u32 {
        self.running.process.id()
    }

    /// Has it take a step, and waits for the answer.
    #[track_caller]
    pub fn step(&mut self, step: &str) -> u32 {
        self.tell(step);
        let mut lines = String::new();
        loop {
            let start = lines.len();
            let length =
                self.running.output.read_line(&mut lines).unwrap_or_else(|error| panic!("{step}: {error}"));
            assert!(length > 0, "{step}: it ended, having said {lines:?}");
            // A debugger says things of its own.
            if let Some(number) = lines[start..].trim().strip_prefix("ready ") {
                return number.parse().unwrap_or_else(|error| panic!("{step}: {error}: {lines:?}"));
            }
        }
    }

    /// Has it take a step that it doesn't answer.
    #[track_caller]
    pub fn tell(&mut self, step: &str) {
        writeln!(self.input, "{step}").unwrap_or_else(|error| panic!("{step}: {error}"));
    }

    /// Waits for its end, which need not be a good one.
    pub fn wait(mut self) {
        self.running.process.wait().expect("it ends");
    }

    /// Ends it, and sees that it ends well.
    #[track_caller]
    pub fn quit(mut self) {
        self.tell("quit");
        assert!(self.running.process.wait().expect("it ends").success());
    }
}
