//! The vault beside concurrent maps and a plain memset: `cargo bench --manifest-path benches/Cargo.toml --bench vault`, and
//! with
//! `-- --quick` for a smoke run.
//!
//! One run measures everything. Each measurement is taken in a process of its own, so that no candidate finds the heap of
//! another, and the candidates take turns, so that a drift of the machine meets all of them; the tables show medians.
//! `docs/performance.md` says what is measured, and holds results.

mod caches;

use std::hash::RandomState;
use std::hint::black_box;
use std::ops::Range;
use std::process::Command;
use std::sync::Mutex;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{array, env, fs, thread};

use caches::{COUNTING, Cache, DashMap, LockedHashMap, Moka, Papaya, QuickCache, SECRET, Scc, WIPED, digest};
use foldhash::fast::RandomState as QuickHash;
use sspcache_benches::{
    is_quick,
    targets::{Target, least, median, print_targets},
};
use sspcache_engine::vault::Vault;
use sspcache_engine::{AcquireRequest, AuthIdentity, Engine, Principal, Secret, SecretKind};

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [flag, name, count] = arguments.as_slice()
        && let Some(task) =
            [("--time", Task::Time), ("--memory", Task::Memory)].into_iter().find(|it| it.0 == flag)
    {
        let candidate = CANDIDATES.iter().find(|candidate| candidate.name == name).expect("a candidate");
        return (candidate.run)(task.1, count.parse().expect("a number of credentials"));
    }
    let quick = is_quick();
    let (count, rounds) = if quick { (20_000, 3) } else { (1_000_000, 5) };
    println!(
        "{count} credentials of two short strings and {SECRET} secret bytes; medians (and the least) of {rounds} rounds"
    );
    println!("Times are {CLOCK}.");
    let mut targets = print_times(count, rounds);
    print_memory(count);
    targets.push(print_waits(count, rounds));
    print_targets(&targets);
    if quick {
        println!(
            "\nA smoke run: so few credentials fit into the processor's caches, and tell nothing of targets."
        );
    }
}

/// What a child process does with its candidate.
enum Task {
    Memory,
    Time,
}

struct Candidate {
    name: &'static str,
    run: fn(Task, usize),
}

impl Candidate {
    const fn new<C: Cache>(name: &'static str) -> Self {
        let run = |task, count| match task {
            Task::Memory => report_memory::<C>(count),
            Task::Time => report_times::<C>(&Inputs::new(count, C::key)),
        };
        Self { name, run }
    }

    fn in_child(&self, flag: &str, count: usize) -> String {
        let mut child = Command::new(env::current_exe().expect("this program"));
        let output = child.args([flag, self.name, &count.to_string()]).output().expect("a child");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

/// The vault, its peers, and those of them again that gain from another hash.
const CANDIDATES: [Candidate; 11] = [
    Candidate::new::<Mutex<Vault>>("the vault, locked"),
    Candidate::new::<LockedHashMap<RandomState>>("HashMap, locked"),
    Candidate::new::<DashMap<RandomState>>("dashmap"),
    Candidate::new::<Moka>("moka"),
    Candidate::new::<Papaya<RandomState>>("papaya"),
    Candidate::new::<QuickCache>("quick_cache"),
    Candidate::new::<Scc<RandomState>>("scc"),
    Candidate::new::<LockedHashMap<QuickHash>>("HashMap, locked, the vault's hash"),
    Candidate::new::<DashMap<QuickHash>>("dashmap, the vault's hash"),
    Candidate::new::<Papaya<QuickHash>>("papaya, the vault's hash"),
    Candidate::new::<Scc<QuickHash>>("scc, the vault's hash"),
];
const PEERS: Range<usize> = 1..7;

/// What goes in, and what is asked for.
struct Inputs<K> {
    credentials: Vec<(K, [u8; SECRET])>,
    /// Every key, in random order, in memory in that order.
    hits: Vec<K>,
    misses: Vec<K>,
    sum: u64,
}

struct Credential {
    user: String,
    domain: String,
    secret: [u8; SECRET],
}

impl Credential {
    fn new(number: usize) -> Self {
        let mut random = Random(number as u64);
        let words: [_; SECRET / 8] = array::from_fn(|_| random.next().to_ne_bytes());
        let mut secret = [0; SECRET];
        secret.copy_from_slice(words.as_flattened());
        let domain = ["CONTOSO", "FABRIKAM", "NORTHWIND", "TAILSPIN"][number % 4];
        Self { user: format!("user{number:07}"), domain: domain.to_owned(), secret }
    }
}

impl<K> Inputs<K> {
    fn new(count: usize, key: fn(&str, &str) -> K) -> Self {
        let key_of = |credential: &Credential| key(&credential.user, &credential.domain);
        let shuffled = |first: usize| {
            let mut numbers: Vec<_> = (first..first + count).collect();
            let mut random = Random(7);
            for last in (1..count).rev() {
                numbers.swap(last, usize::try_from(random.next() % (last as u64 + 1)).expect("an index"));
            }
            let credentials = numbers.into_iter().map(Credential::new);
            credentials.map(|credential| key_of(&credential)).collect()
        };
        let credentials: Vec<_> =
            (0..count).map(Credential::new).map(|it| (key_of(&it), it.secret)).collect();
        let sum = credentials.iter().fold(0, |sum, (_, secret)| sum ^ digest(secret));
        Self { credentials, hits: shuffled(0), misses: shuffled(count), sum }
    }
}

/// `SplitMix64`.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ (word >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ (word >> 27)).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ (word >> 31)
    }
}

const OPERATIONS: [&str; 4] = ["insert", "lookup hit", "lookup miss", "flush"];
const FLUSH: usize = 3;

/// Uses as much memory as any candidate needs, in huge pages and in small ones, and gives it back. What a virtual machine
/// hasn't used for some seconds, its host may have taken away, and finding it again takes longer than anything that is
/// measured here.
fn warm_up_memory(count: usize) {
    const BYTES: usize = 768 << 20;
    let huge = <Mutex<Vault> as Cache>::new();
    for index in 0..count {
        let Credential { user, domain, secret } = Credential::new(index);
        huge.insert(&<Mutex<Vault> as Cache>::key(&user, &domain), &secret);
    }
    drop(black_box((huge, vec![1u8; BYTES])));
}

/// Prints how many nanoseconds each operation took for all credentials, and a memset of as many secret bytes.
fn report_times<C: Cache>(inputs: &Inputs<C::Key>) {
    warm_up_memory(inputs.credentials.len());
    let cache = C::new();
    let insert = timed(|| {
        for (key, secret) in &inputs.credentials {
            cache.insert(key, secret);
        }
    });
    let hit = timed(|| {
        let sum = inputs.hits.iter().fold(0, |sum, key| sum ^ cache.read(key).expect("a hit"));
        assert_eq!(sum, inputs.sum);
    });
    let miss = timed(|| assert!(inputs.misses.iter().all(|key| cache.read(key).is_none())));
    // Written before the misses, as the secrets were, and so as far from the processor as they are.
    let mut bytes = vec![1_u8; inputs.credentials.len() * SECRET];
    assert!(inputs.misses.iter().all(|key| cache.read(key).is_none()));
    let memset = timed(|| {
        bytes.fill(0);
        black_box(&mut bytes);
    });
    assert!(inputs.misses.iter().all(|key| cache.read(key).is_none()));
    let flush = timed(|| cache.flush());
    assert!(cache.read(&inputs.hits[0]).is_none());
    println!("{}", [insert, hit, miss, flush, memset].map(|time| time.as_nanos().to_string()).join(" "));
}

#[cfg(target_os = "linux")]
const CLOCK: &str = "processor time of the one thread that works, so that other programs disturb them less";
#[cfg(not(target_os = "linux"))]
const CLOCK: &str = "elapsed time";

fn timed(work: impl FnOnce()) -> Duration {
    let start = now();
    work();
    now().saturating_sub(start)
}

/// No candidate has threads of its own, or waits for anything.
#[cfg(target_os = "linux")]
#[allow(unsafe_code, reason = "a system call")]
fn now() -> Duration {
    let mut time = libc::timespec { tv_sec: 0, tv_nsec: 0 };
    // SAFETY: the time may be written to.
    let result = unsafe { libc::clock_gettime(libc::CLOCK_THREAD_CPUTIME_ID, &raw mut time) };
    assert_eq!(result, 0, "Linux has that clock");
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).expect("less than a second"))
}

#[cfg(not(target_os = "linux"))]
fn now() -> Duration {
    static START: std::sync::LazyLock<Instant> = std::sync::LazyLock::new(Instant::now);
    START.elapsed()
}

/// Prints medians.
fn print_times(count: usize, rounds: usize) -> Vec<Target> {
    let mut times = vec![vec![Vec::new(); OPERATIONS.len() + 1]; CANDIDATES.len()];
    for turn in 0..rounds {
        for place in 0..CANDIDATES.len() {
            let place = (place + turn) % CANDIDATES.len();
            let report = CANDIDATES[place].in_child("--time", count);
            for (times, nanoseconds) in times[place].iter_mut().zip(report.split(' ')) {
                times.push(nanoseconds.parse::<f64>().expect("nanoseconds") / float(count));
            }
        }
    }
    let reduced = |reduce: fn(&[f64]) -> f64| -> Vec<Vec<_>> {
        times.iter().map(|times| times.iter().map(|times| reduce(times)).collect()).collect()
    };
    // What disturbs a measurement makes it longer, never shorter: beside the medians, the least disturbed ones.
    let (medians, least) = (reduced(median), reduced(least));
    let memset = median(&medians.iter().map(|times| times[OPERATIONS.len()]).collect::<Vec<_>>());

    println!("\n| ns per credential | {} |", OPERATIONS.join(" | "));
    println!("| --- | ---: | ---: | ---: | ---: |");
    for ((candidate, median), least) in CANDIDATES.iter().zip(&medians).zip(&least) {
        let cells = (0..OPERATIONS.len()).map(|operation| {
            let digits = if operation == FLUSH { 2 } else { 0 };
            format!("{:.digits$} ({:.digits$})", median[operation], least[operation])
        });
        println!("| {} | {} |", candidate.name, cells.collect::<Vec<_>>().join(" | "));
    }
    println!("| memset | | | | {memset:.2} |");

    let fastest = |times: &[Vec<f64>], among: Range<usize>, operation: usize| {
        let times =
            among.map(|place| (times[place][operation] / times[0][operation], CANDIDATES[place].name));
        times.min_by(|left, right| left.0.total_cmp(&right.0)).expect("peers")
    };
    println!(
        "\n| times the vault's | fastest peer | least disturbed | fastest with the vault's hash | least disturbed |"
    );
    println!("| --- | --- | --- | --- | --- |");
    for (operation, name) in OPERATIONS.iter().enumerate() {
        let cells = [PEERS, PEERS.end..CANDIDATES.len()].map(|among| {
            [&medians, &least].map(|times| {
                let (times, name) = fastest(times, among.clone(), operation);
                format!("{times:.1} ({})", name.split(", the").next().expect("a name"))
            })
        });
        println!("| {name} | {} |", cells.as_flattened().join(" | "));
    }
    let target =
        |what, wanted, operation: usize| Target::at_least(what, wanted, fastest(&medians, PEERS, operation));
    vec![
        target("insert, over the fastest peer's", 1.0, 0),
        target("lookup hit, over the fastest peer's", 1.0, 1),
        target("lookup miss, over the fastest peer's", 1.0, 2),
        target("flush, over the fastest peer's", 50.0, FLUSH),
        Target::at_most("flush, over the memset", 2.0, medians[0][FLUSH] / memset),
    ]
}

/// Prints peak memory, and how many secrets were wiped when the flush returned.
fn print_memory(count: usize) {
    println!("\n| peak memory | bytes per credential | wiped when flush returns |\n| --- | ---: | ---: |");
    for candidate in &CANDIDATES {
        println!("| {} | {} |", candidate.name, candidate.in_child("--memory", count));
    }
}

fn report_memory<C: Cache>(count: usize) {
    let before = peak_memory();
    let cache = C::new();
    for number in 0..count {
        let Credential { user, domain, secret } = Credential::new(number);
        cache.insert(&C::key(&user, &domain), &secret);
    }
    let peak = match (before, peak_memory()) {
        (Some(before), Some(after)) => format!("{}", (after - before) / count),
        _ => "unknown".to_owned(),
    };
    COUNTING.store(true, Ordering::Relaxed);
    cache.flush();
    let wiped = match WIPED.load(Ordering::Relaxed) {
        // It has no values to drop.
        0 => "all".to_owned(),
        wiped => format!("{} %", wiped * 100 / count),
    };
    println!("{peak} | {wiped}");
}

/// The greatest resident size of this process so far, in bytes; Linux only.
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// Prints how long a sign-in waits while another thread flushes.
fn print_waits(count: usize, rounds: usize) -> Target {
    println!(
        "\n| two threads signing in, one flush | flush took | longest sign-in meanwhile |\n| --- | ---: | ---: |"
    );
    let ratios: Vec<_> = (1..=rounds)
        .map(|round| {
            let (flush, longest) = flush_among_readers(count);
            println!("| {round} | {flush:.1?} | {longest:.1?} |");
            longest.as_secs_f64() / flush.as_secs_f64()
        })
        .collect();
    Target::at_most("a reader's longest wait, over the flush", 1.0, median(&ratios))
}

/// How long a flush of the whole engine took, and the longest silent sign-in that began or ended while it did, by the clock
/// on the wall. Those who sign in rest a little in between: where three threads share two processors, one that never
/// does is put aside for longer than any flush takes.
fn flush_among_readers(count: usize) -> (Duration, Duration) {
    let engine = Engine::builder("MSNSSPC.dll").record_events(false).build();
    for number in 0..count {
        let Credential { user, domain, secret } = Credential::new(number);
        let identity =
            AuthIdentity::new(Principal::new(user, domain), Secret::opaque(SecretKind::Keytab, &secret));
        let acquired = engine.acquire(&AcquireRequest::outbound("MSN").with_identity(identity));
        engine.free(acquired.expect("memory").handle).expect("a handle");
    }
    let (ready, begun, done) = (AtomicUsize::new(0), AtomicBool::new(false), AtomicBool::new(false));
    thread::scope(|scope| {
        let readers: [_; 2] = array::from_fn(|reader| {
            let (engine, ready, begun, done) = (&engine, &ready, &begun, &done);
            scope.spawn(move || {
                let mut longest = Duration::ZERO;
                let mut random = Random(reader as u64);
                for read in 0.. {
                    let number = usize::try_from(random.next() % count as u64).expect("an index");
                    let Credential { user, domain, .. } = Credential::new(number);
                    let request = AcquireRequest::outbound("MSN").with_principal(format!("{domain}\\{user}"));
                    if done.load(Ordering::Acquire) {
                        break;
                    }
                    let start = Instant::now();
                    let acquired = engine.acquire(&request);
                    let took = start.elapsed();
                    if begun.load(Ordering::Acquire) {
                        longest = longest.max(took);
                    }
                    if let Ok(acquired) = acquired {
                        engine.free(acquired.handle).expect("a handle");
                    }
                    if read == 100 {
                        ready.fetch_add(1, Ordering::Release);
                    }
                    thread::sleep(Duration::from_micros(10));
                }
                longest
            })
        });
        while ready.load(Ordering::Acquire) < 2 {
            thread::sleep(Duration::from_millis(1));
        }
        begun.store(true, Ordering::Release);
        let start = Instant::now();
        assert!(engine.flush());
        let flush = start.elapsed();
        done.store(true, Ordering::Release);
        (flush, readers.map(|reader| reader.join().expect("a reader")).into_iter().max().expect("two"))
    })
}

/// Of numbers of credentials, which are small.
#[allow(clippy::cast_precision_loss)]
fn float(number: usize) -> f64 {
    number as f64
}
