//! What a child process does with its library.

use std::{
    array,
    hint::black_box,
    process::{Command, Stdio},
    time::Duration,
};

use crate::{
    client::{Client, Identity},
    library::Library,
};

/// Tells this program to be a child.
pub(crate) const FLAG: &str = "--measure";

/// What is measured.
pub(crate) const OPERATIONS: [&str; 4] =
    ["acquire and free", "full handshake", "sign 1 KiB", "encrypt 1 KiB"];
pub(crate) const ACQUIRE: usize = 0;
pub(crate) const HANDSHAKE: usize = 1;

/// Nanoseconds for each operation; none for what the library does not do.
pub(crate) type Times = [Option<f64>; OPERATIONS.len()];

/// How often each operation is done.
const COUNTS: [u32; OPERATIONS.len()] = [20_000, 2_000, 5_000, 5_000];
const QUICK: u32 = 100;
const MESSAGE: usize = 1024;

/// Measures in a process of its own, with so many more credentials cached.
pub(crate) fn measure(
    library: &Library,
    cached: usize,
    quick: bool,
    environment: &[(&str, &std::path::Path)],
) -> Times {
    let mut child = Command::new(std::env::current_exe().expect("a program knows its own path"));
    child.args([FLAG, library.name, &cached.to_string(), &quick.to_string()]);
    child.envs(environment.iter().copied()).stderr(Stdio::piped());
    let output = child.output().expect("it starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{}: {error}", library.name);
    let text = String::from_utf8(output.stdout).expect("text");
    let mut words = text.split_whitespace().map(|word| word.parse().ok());
    array::from_fn(|_| words.next().expect("a word for each operation"))
}

/// Prints the times, in a child.
pub(crate) fn report(library: &Library, rest: &[String]) {
    let [cached, quick] = rest else { panic!("how many are cached, and whether to be quick") };
    let quick = quick == "true";
    let client = Client::new(library.load());
    for number in 0..cached.parse().expect("a number") {
        client.free(client.sign_in(&Identity::new(&format!("user{number}"), "CONTOSO", "correct horse")));
    }
    let times = times(&client, COUNTS.map(|count| if quick { QUICK } else { count }));
    println!("{}", times.map(|time| time.map_or("none".to_owned(), |time| time.to_string())).join(" "));
}

fn times(client: &Client, counts: [u32; OPERATIONS.len()]) -> Times {
    let alice = Identity::new("alice", "CONTOSO", "correct horse");
    let acquire = || client.free(client.sign_in(&alice));
    let handshake = || {
        let (outbound, inbound) = (client.sign_in(&alice), client.serve(&alice));
        black_box(client.handshake(&outbound, &inbound));
        client.free(outbound);
        client.free(inbound);
    };
    let (outbound, inbound) = (client.sign_in(&alice), client.serve(&alice));
    let mut contexts = client.handshake(&outbound, &inbound);
    let sizes = contexts.sizes();
    let mut data = [7; MESSAGE];
    let mut signature = vec![0; sizes.cbMaxSignature as usize];
    let mut trailer = vec![0; sizes.cbSecurityTrailer as usize];
    // The first messages show that the work that is measured is done.
    let signs = contexts.sign(&mut data, &mut signature, 0);
    if signs {
        contexts.verify(&mut data, &mut signature, 0);
    }
    let first = u32::from(signs);
    contexts.encrypt(&mut data, &mut trailer, first);
    assert_ne!(data, [7; MESSAGE], "it is encrypted");
    contexts.decrypt(&mut data, &mut trailer, first);
    assert_eq!(data, [7; MESSAGE]);

    let [acquires, handshakes, signatures, messages] = counts;
    let mut number = first;
    let mut next = || {
        number += 1;
        number
    };
    let times = [
        Some(each(acquires, acquire)),
        Some(each(handshakes, handshake)),
        signs.then(|| each(signatures, || assert!(contexts.sign(&mut data, &mut signature, next())))),
        Some(each(messages, || contexts.encrypt(&mut data, &mut trailer, next()))),
    ];
    drop(contexts);
    client.free(outbound);
    client.free(inbound);
    times
}

/// Nanoseconds that it takes once, on average.
fn each(count: u32, mut work: impl FnMut()) -> f64 {
    // What is done once, such as looking for the processor's abilities, is done by now.
    for _ in 0..count / 20 {
        work();
    }
    let start = now();
    for _ in 0..count {
        work();
    }
    (now().saturating_sub(start)).as_secs_f64() * 1e9 / f64::from(count)
}

/// The processor time of this process, with all threads that a library may have.
#[allow(unsafe_code, reason = "a system call")]
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time may be written to.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_PROCESS_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "every Unix has that clock");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}
