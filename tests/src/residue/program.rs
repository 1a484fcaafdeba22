//! A program that takes steps, one a line, and answers each: `fixtures/clients/residue.c` and those like it.

use std::{
    io::{BufRead, BufReader, Write},
    process::{Child, ChildStdin, ChildStdout, Command, Stdio},
};

/// Such a program, running. It ends when it is dropped, at the latest.
#[derive(Debug)]
pub struct Program {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl Program {
    pub fn start(command: &mut Command) -> Self {
        let mut child = command
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("can't run {command:?}: {error}"));
        let input = child.stdin.take().expect("piped");
        let output = BufReader::new(child.stdout.take().expect("piped"));
        Self { child, input, output }
    }

    /// The process. Under Wine, too: what is started as `wine` becomes the Windows program's process.
    pub fn id(&self) -> u32 {
        self.child.id()
    }

    /// Has it take a step, and waits for the answer.
    #[track_caller]
    pub fn step(&mut self, step: &str) -> u32 {
        self.tell(step);
        let mut lines = String::new();
        loop {
            let start = lines.len();
            let length = self.output.read_line(&mut lines).unwrap_or_else(|error| panic!("{step}: {error}"));
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
        self.child.wait().expect("it ends");
    }

    /// Ends it, and sees that it ends well.
    #[track_caller]
    pub fn quit(mut self) {
        self.tell("quit");
        assert!(self.child.wait().expect("it ends").success());
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        // It may have ended long since.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
