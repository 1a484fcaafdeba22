//! How the program is asked, and how it answers: arguments, exit status, streams, colour, completions, manual pages.

use sspcache_tests::program::{Ran, fixture, sspcache};

#[test]
fn a_command_line_that_makes_no_sense_exits_with_2_and_for_exec_with_125() {
    for (arguments, status) in [
        (&["no-such-command"][..], 2),
        (&["journal", "check"], 2),
        (&["inspect"], 2),
        (&["exec"], 125),
        (&["exec", "--no-such-option", "--", "true"], 125),
        (&["exec", "--allow-unused", "--", "true"], 125),
        (&["exec", "--error-exitcode", "256", "--expect-clean", "--", "true"], 125),
    ] {
        let ran = Ran::of(sspcache().args(arguments)).exits_with(status);
        assert!(ran.stdout.is_empty() && ran.stderr.contains("error:"), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn help_and_version_are_results() {
    for arguments in [&["--help"][..], &["--version"], &["exec", "--help"], &["journal", "check", "-h"]] {
        let ran = Ran::of(sspcache().args(arguments)).exits_with(0);
        assert!(!ran.stdout.is_empty() && ran.stderr.is_empty(), "{arguments:?}: {ran:?}");
    }
}

#[test]
fn the_help_of_exec_says_what_the_exit_status_means() {
    let help = Ran::of(sspcache().args(["exec", "--help"])).stdout;
    for promise in ["99", "125", "126", "127", "128", "SSPCACHE_HOME", "--expect-clean"] {
        assert!(help.contains(promise), "{promise} is not in: {help}");
    }
}

#[test]
fn colour_is_for_terminals_and_for_whoever_forces_it() {
    let coloured = |name: &str, value: &str| {
        let mut command = sspcache();
        command.args(["journal", "check"]).arg(fixture("journal/clean")).env(name, value);
        Ran::of(&mut command).stdout.contains('\u{1B}')
    };
    assert!(!coloured("TERM", "xterm"), "into a pipe");
    assert!(coloured("CLICOLOR_FORCE", "1"), "forced");
    assert!(!coloured("NO_COLOR", "1"), "refused");
}

#[test]
fn every_shell_gets_completions_of_every_command() {
    for shell in ["bash", "elvish", "fish", "powershell", "zsh"] {
        let ran = Ran::of(sspcache().args(["completions", shell])).exits_with(0);
        for word in ["caches", "demo", "exec", "flush", "inspect", "journal", "config", "expect-clean"] {
            assert!(ran.stdout.contains(word), "{shell}: {word}");
        }
    }
}

#[test]
fn every_command_has_a_manual_page() {
    for (command, title) in [
        (&[][..], ".TH sspcache 1"),
        (&["exec"], ".TH sspcache-exec 1"),
        (&["flush"], ".TH sspcache-flush 1"),
        (&["journal", "check"], ".TH sspcache-journal-check 1"),
    ] {
        let ran = Ran::of(sspcache().arg("man").args(command)).exits_with(0);
        assert!(ran.stdout.contains(title), "{}", ran.stdout.lines().take(5).collect::<String>());
    }
    let ran = Ran::of(sspcache().args(["man", "no-such-command"])).exits_with(1);
    assert!(ran.stderr.contains("no-such-command"), "{}", ran.stderr);
}
