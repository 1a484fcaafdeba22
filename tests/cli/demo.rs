//! `sspcache demo`: the main job, with nothing installed.

use sspcache_tests::program::{Ran, sspcache};

/// C4, M2, M3
#[test]
fn the_demo_signs_in_signs_in_silently_flushes_and_is_refused() {
    let mut facts = Ran::of(sspcache().args(["demo", "--format", "json"])).exits_with(0).json();
    // Where a process can be searched, what was found is a test of its own.
    for scan in ["memory_before_flush", "memory_after_flush"] {
        facts[scan] = "[scan]".into();
    }
    insta::assert_snapshot!(serde_json::to_string_pretty(&facts).unwrap(), @r#"
    {
      "cached_after_flush": 0,
      "cached_before_flush": 1,
      "flush": {
        "rows": [
          {
            "cache": "MSNSSPC.dll",
            "entries": null,
            "instance": null,
            "module": "C:\\Windows\\System32\\MSNSSPC.dll",
            "outcome": "flushed",
            "scope": "process"
          },
          {
            "cache": "MSAPSSPC.dll",
            "entries": null,
            "instance": null,
            "module": null,
            "outcome": "absent",
            "scope": "process"
          }
        ],
        "success": true
      },
      "memory_after_flush": "[scan]",
      "memory_before_flush": "[scan]",
      "module": "MSNSSPC.dll",
      "package": "MSN",
      "passed": true,
      "principal": "CONTOSO\\alice",
      "sign_in": {
        "status": "SEC_E_OK",
        "succeeded": true
      },
      "silent_sign_in": {
        "status": "SEC_E_OK",
        "succeeded": true
      },
      "silent_sign_in_after_flush": {
        "status": "SEC_E_NO_CREDENTIALS (0x8009030E)",
        "succeeded": false
      }
    }
    "#);
}

/// M7
#[test]
#[cfg(target_os = "linux")]
fn the_demo_finds_the_password_in_memory_before_the_flush_and_not_after() {
    let facts = Ran::of(sspcache().args(["demo", "--format", "json"])).exits_with(0).json();
    assert_eq!(facts["memory_before_flush"]["copies"], 1, "{facts}");
    assert_eq!(facts["memory_after_flush"]["copies"], 0, "{facts}");
    let megabyte = 1 << 20;
    assert!(facts["memory_before_flush"]["bytes"].as_u64().unwrap() > megabyte, "{facts}");
}

#[test]
#[cfg(not(target_os = "linux"))]
fn the_demo_says_that_it_can_search_memory_on_linux_alone() {
    let ran = Ran::of(sspcache().arg("demo")).exits_with(0);
    assert!(ran.stdout.contains("works on Linux only"), "{}", ran.stdout);
}

#[test]
#[cfg(target_os = "linux")]
fn the_demo_tells_a_story() {
    let story = Ran::of(sspcache().arg("demo")).exits_with(0).stdout;
    for line in story.lines() {
        assert!(line.chars().count() <= 80, "too wide for a terminal: {line}");
    }
    // How much memory a process has differs from run to run, and with it the blanks behind.
    let shown = story.lines().map(|line| match line.split_once("search all ").zip(line.split_once(" MB")) {
        Some(((before, _), (_, after))) => {
            let after: Vec<_> = after.split_whitespace().collect();
            format!("{before}search all [size] MB {}", after.join(" "))
        }
        None => line.to_owned(),
    });
    insta::assert_snapshot!(shown.collect::<Vec<_>>().join("\n"), @"
    How a program signs its user out of an SSP's credential cache

       Programs on Windows sign their users in through a Security Support Provider
       (SSP): a DLL that may cache their credentials, so that the next sign-in
       needs no password. This demo runs inside one process, with a mock of
       MSNSSPC.dll. It installs nothing and sends nothing, and its password is
       random.

    1. alice signs in, with the password
       ✓ AcquireCredentialsHandle, with a password SEC_E_OK

    2. alice signs in again, without one
       ✓ AcquireCredentialsHandle, with nothing    SEC_E_OK
       The SSP asked for no password: it has 1 credential in its cache. The next
       person who uses this program signs in as alice, too.

    3. The password is still in memory
       ✓ search all [size] MB of this process found once
       A debugger finds it the same way, and so does anyone who reads a crash
       dump.

    4. alice signs out, and the program flushes
       flush_all() follows the documented sequence for each known SSP: check that
       it is safe to flush here, find the module with GetModuleHandle and the
       export with GetProcAddress, call CleanupCredentialCache. It never loads an
       SSP: one that isn't loaded has no cache.
       ✓ MSNSSPC.dll                               flushed
       ✓ MSAPSSPC.dll                              absent

    5. alice can no longer sign in without the password
       ✓ AcquireCredentialsHandle, with nothing    SEC_E_NO_CREDENTIALS (0x8009030E)

    6. No copy of the password is left
       ✓ search all [size] MB of this process no copy left

       The sign-out is complete. To check your own program, run it against the
       mock:
       sspcache exec --expect-clean -- your-program
    ");
}
