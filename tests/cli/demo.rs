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
            "module": "C:\\Windows\\System32\\MSNSSPC.dll",
            "outcome": "flushed",
            "ssp": "MSNSSPC.dll"
          },
          {
            "module": "",
            "outcome": "not-loaded",
            "ssp": "MSAPSSPC.dll"
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
    How a program makes Windows forget a password

       Programs on Windows sign their users in through a Security Support Provider
       (SSP): a DLL that may keep what they signed in with, so that the next time
       needs no password. What follows happens inside this process, with a mock of
       MSNSSPC.dll: nothing is installed, nothing is sent, and the password was
       made up a moment ago.

    1. alice signs in, with the password
       ✓ AcquireCredentialsHandle, with a password SEC_E_OK

    2. alice signs in again, without one
       ✓ AcquireCredentialsHandle, with nothing    SEC_E_OK
       Nobody was asked for anything: the SSP has 1 credential in its cache.
       Whoever sits down at this program next signs in as alice too.

    3. So the password must still be somewhere
       ✓ search all [size] MB of this process found once
       So would a debugger find it, or whoever gets hold of a crash dump.

    4. alice signs out, and the program flushes
       flush_all() follows the documented sequence for every SSP it knows: is it
       safe to flush here, GetModuleHandle, GetProcAddress, then a call of
       CleanupCredentialCache. An SSP that isn't loaded has no cache, and is never
       loaded for this.
       ✓ MSNSSPC.dll                               flushed
       ✓ MSAPSSPC.dll                              not loaded

    5. alice can't sign in without the password any more
       ✓ AcquireCredentialsHandle, with nothing    SEC_E_NO_CREDENTIALS (0x8009030E)

    6. And nothing is left of it
       ✓ search all [size] MB of this process no copy left

       That is a sign-out. To see whether your program has one, run it against the
       mock:
       sspcache exec --expect-clean -- your-program
    ");
}
