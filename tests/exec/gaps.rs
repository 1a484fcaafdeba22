//! Journals that are cut short, as a full disk cuts them: the run is neither clean, nor is a program accused of what it did later.
#![cfg(unix)]

use sspcache_tests::stage::{Stage, words};

/// M12, Q6: a file that may not grow refuses each write as a full disk does.
#[test]
fn a_run_whose_journal_had_no_room_is_neither_clean_nor_accused() {
    let stage = Stage::new();
    let client = stage.c_client();
    let whole = stage.expect_clean(&words(&[&client]), "sign-in alice flush sign-in bob flush").exits_with(0);
    assert!(whole.stderr.contains("clean: 2 credentials"), "{}", whole.stderr);
    // In blocks of 512 bytes, or of 1024 where the shell has those: nothing, the beginning, and all but the end.
    let mut cut = 0;
    for blocks in 0..12 {
        let script =
            format!(r#"trap '' XFSZ; ulimit -f {blocks}; exec "$1" sign-in alice flush sign-in bob flush"#);
        let ran = stage.expect_clean(&words(&[&"sh", &"-c", &script, &"sh", &client]), "");
        if ran.status == 0 {
            assert_eq!(ran.stderr.lines().last(), whole.stderr.lines().last(), "{blocks}: all had room");
            continue;
        }
        cut += 1;
        let ran = ran.exits_with(99);
        assert!(ran.stderr.contains("incomplete: events are missing"), "{blocks}: {}", ran.stderr);
        assert!(!ran.stderr.contains("LEFT"), "{blocks}: {}", ran.stderr);
    }
    assert!((2..12).contains(&cut), "{cut}");
}
