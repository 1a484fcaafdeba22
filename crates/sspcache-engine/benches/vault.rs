//! The vault beside concurrent maps and a plain memset: `cargo bench -p sspcache-engine`, `-- --quick` for a smoke run.
//!
//! Everything is measured in one process, the candidates taking turns, so that a drift of the machine meets all of them;
//! the table shows medians. `docs/performance.md` says what is measured, and holds results. Only memory is measured in
//! a process for each candidate.

use std::collections::HashMap;
use std::hint::black_box;
use std::process::Command;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use std::{array, env, fs, thread};

use sspcache_engine::vault::{KeyRef, Limits, NEVER, Vault};
use zeroize::zeroize_bytes;

fn main() {
    let arguments: Vec<_> = env::args().skip(1).collect();
    if let [flag, name, count] = arguments.as_slice()
        && let Some(task) =
            [("--time", Task::Time), ("--memory", Task::Memory)].into_iter().find(|it| it.0 == flag)
    {
        let candidate = CANDIDATES.iter().find(|candidate| candidate.name == name).expect("a candidate");
        return (candidate.run)(task.1, count.parse().expect("a number of credentials"));
    }
    // `cargo bench` passes `--bench`; a mere test run must not take minutes.
    let quick = arguments.iter().any(|it| it == "--quick") || !arguments.iter().any(|it| it == "--bench");
    let (count, rounds) = if quick { (20_000, 3) } else { (1_000_000, 9) };
    let only = arguments.iter().find_map(|it| it.strip_prefix("--only="));
    let candidates: Vec<_> = CANDIDATES
        .iter()
        .filter(|it| only.is_none_or(|only| it.name == VAULT || only.contains(it.name)))
        .collect();

    println!(
        "{count} credentials of two short strings and {SECRET} secret bytes; medians of {rounds} rounds"
    );
    print_times(&candidates, count, rounds);
    print_memory(&candidates, count);
    print_waits(count, rounds);
}

/// What a child process does with its candidate.
enum Task {
    Memory,
    Time,
}

const SECRET: usize = 32;

/// A cache that is measured.
trait Cache: Sync {
    /// What credentials are looked up by.
    type Key: Sync;

    fn new() -> Self;
    fn key(user: &str, domain: &str) -> Self::Key;
    fn insert(&self, user: &str, domain: &str, secret: &[u8]);
    /// Something of all the secret's bytes, if it is there.
    fn read(&self, key: &Self::Key) -> Option<u64>;
    /// Wipes all secrets, as far as the candidate does that before it returns.
    fn flush(&self);
}

/// The key of a map, the natural way.
type Key = (String, String);

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

    /// Runs in a process of its own, so that no candidate finds the heap of another.
    fn in_child(&self, flag: &str, count: usize) -> String {
        let mut child = Command::new(env::current_exe().expect("this program"));
        let output = child.args([flag, self.name, &count.to_string()]).output().expect("a child");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).expect("text").trim().to_owned()
    }
}

const VAULT: &str = "Mutex<Vault>";
const CANDIDATES: [Candidate; 7] = [
    Candidate::new::<Mutex<Vault>>(VAULT),
    Candidate::new::<Mutex<HashMap<Key, Wiped>>>("Mutex<HashMap>"),
    Candidate::new::<dashmap::DashMap<Key, Wiped>>("dashmap"),
    Candidate::new::<moka::sync::Cache<Key, Arc<Wiped>>>("moka"),
    Candidate::new::<papaya::HashMap<Key, Wiped>>("papaya"),
    Candidate::new::<quick_cache::sync::Cache<Key, Arc<Wiped>>>("quick_cache"),
    Candidate::new::<scc::HashMap<Key, Wiped>>("scc"),
];

/// A secret that overwrites itself when dropped. On the heap: inline, a growing table would leave copies behind.
struct Wiped(Box<[u8]>);

impl Wiped {
    fn new(secret: &[u8]) -> Self {
        Self(secret.into())
    }
}

impl Drop for Wiped {
    fn drop(&mut self) {
        zeroize_bytes(&mut self.0);
        if COUNTING.load(Ordering::Relaxed) {
            WIPED.fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// Whether wiped secrets are counted: never while time is measured.
static COUNTING: AtomicBool = AtomicBool::new(false);
static WIPED: AtomicUsize = AtomicUsize::new(0);

fn digest(secret: &[u8]) -> u64 {
    let (words, _) = secret.as_chunks::<8>();
    words.iter().fold(0, |sum, word| sum ^ u64::from_ne_bytes(*word))
}

impl Cache for Mutex<Vault> {
    type Key = (Box<[u16]>, Box<[u16]>);

    fn new() -> Self {
        Mutex::new(Vault::new(Limits::default()))
    }

    fn key(user: &str, domain: &str) -> Self::Key {
        (user.encode_utf16().collect(), domain.encode_utf16().collect())
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        let (mut user_buffer, mut domain_buffer) = ([0; 64], [0; 64]);
        let (user, domain) = (utf16(user, &mut user_buffer), utf16(domain, &mut domain_buffer));
        let mut vault = self.lock().unwrap_or_else(PoisonError::into_inner);
        vault.insert(KeyRef { package: 0, user, domain }, 0, secret, 0, NEVER, &mut |_| {}).expect("memory");
    }

    fn read(&self, (user, domain): &Self::Key) -> Option<u64> {
        let mut vault = self.lock().unwrap_or_else(PoisonError::into_inner);
        let slot = vault.find(KeyRef { package: 0, user, domain })?;
        vault.get(slot).map(|entry| digest(entry.secret()))
    }

    fn flush(&self) {
        self.lock().unwrap_or_else(PoisonError::into_inner).flush();
    }
}

/// Converts a short name.
fn utf16<'a>(text: &str, buffer: &'a mut [u16; 64]) -> &'a [u16] {
    let len = if text.is_ascii() {
        buffer.iter_mut().zip(text.bytes()).for_each(|(unit, byte)| *unit = byte.into());
        text.len()
    } else {
        buffer.iter_mut().zip(text.encode_utf16()).map(|(place, unit)| *place = unit).count()
    };
    &buffer[..len]
}

fn owned(user: &str, domain: &str) -> Key {
    (user.to_owned(), domain.to_owned())
}

impl Cache for Mutex<HashMap<Key, Wiped>> {
    type Key = Key;

    fn new() -> Self {
        Mutex::default()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        self.lock().unwrap().insert(owned(user, domain), Wiped::new(secret));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.lock().unwrap().get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.lock().unwrap().clear();
    }
}

impl Cache for dashmap::DashMap<Key, Wiped> {
    type Key = Key;

    fn new() -> Self {
        Self::new()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        self.insert(owned(user, domain), Wiped::new(secret));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear();
    }
}

impl Cache for moka::sync::Cache<Key, Arc<Wiped>> {
    type Key = Key;

    fn new() -> Self {
        Self::builder().build()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        self.insert(owned(user, domain), Arc::new(Wiped::new(secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.invalidate_all();
        // Invalidating only marks; this is what drops.
        while self.entry_count() > 0 {
            self.run_pending_tasks();
        }
    }
}

impl Cache for papaya::HashMap<Key, Wiped> {
    type Key = Key;

    fn new() -> Self {
        Self::new()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        self.pin().insert(owned(user, domain), Wiped::new(secret));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.pin().get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.pin().clear();
    }
}

impl Cache for quick_cache::sync::Cache<Key, Arc<Wiped>> {
    type Key = Key;

    fn new() -> Self {
        // Small estimate, so that it grows as the others do; a capacity that nothing is evicted from.
        Self::with(1024, 1 << 22, quick_cache::UnitWeighter, Default::default(), Default::default())
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        self.insert(owned(user, domain), Arc::new(Wiped::new(secret)));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.get(key).map(|secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear();
    }
}

impl Cache for scc::HashMap<Key, Wiped> {
    type Key = Key;

    fn new() -> Self {
        Self::new()
    }

    fn key(user: &str, domain: &str) -> Key {
        owned(user, domain)
    }

    fn insert(&self, user: &str, domain: &str, secret: &[u8]) {
        let _ = self.insert_sync(owned(user, domain), Wiped::new(secret));
    }

    fn read(&self, key: &Key) -> Option<u64> {
        self.read_sync(key, |_, secret| digest(&secret.0))
    }

    fn flush(&self) {
        self.clear_sync();
    }
}

/// What goes in, and what is asked for.
struct Inputs<K> {
    credentials: Vec<Credential>,
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
        let credentials: Vec<_> = (0..count).map(Credential::new).collect();
        let shuffled = |first: usize| {
            let mut numbers: Vec<_> = (first..first + count).collect();
            let mut random = Random(7);
            for last in (1..count).rev() {
                numbers.swap(last, usize::try_from(random.next() % (last as u64 + 1)).expect("an index"));
            }
            let credentials = numbers.into_iter().map(Credential::new);
            credentials.map(|credential| key(&credential.user, &credential.domain)).collect()
        };
        let sum = credentials.iter().fold(0, |sum, it| sum ^ digest(&it.secret));
        Self { credentials, hits: shuffled(0), misses: shuffled(count), sum }
    }
}

/// SplitMix64.
struct Random(u64);

impl Random {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut word = self.0;
        word = (word ^ word >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        word = (word ^ word >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        word ^ word >> 31
    }
}

const OPERATIONS: [&str; 4] = ["insert", "lookup hit", "lookup miss", "flush"];
const FLUSH: usize = 3;

/// Prints how many nanoseconds each operation took for all credentials, and a memset of as many secret bytes.
fn report_times<C: Cache>(inputs: &Inputs<C::Key>) {
    let cache = C::new();
    let insert = timed(|| {
        for Credential { user, domain, secret } in &inputs.credentials {
            cache.insert(user, domain, secret);
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

fn timed(work: impl FnOnce()) -> Duration {
    let start = Instant::now();
    work();
    start.elapsed()
}

/// Lets the candidates take turns, so that a drift of the machine meets all of them.
fn print_times(candidates: &[&Candidate], count: usize, rounds: usize) {
    let mut times = vec![vec![Vec::new(); OPERATIONS.len() + 1]; candidates.len()];
    for turn in 0..rounds {
        for place in 0..candidates.len() {
            let place = (place + turn) % candidates.len();
            let report = candidates[place].in_child("--time", count);
            for (times, nanoseconds) in times[place].iter_mut().zip(report.split(' ')) {
                times.push(nanoseconds.parse::<f64>().expect("nanoseconds") / count as f64);
            }
        }
    }
    let medians: Vec<Vec<_>> =
        times.into_iter().map(|times| times.into_iter().map(median).collect()).collect();
    let memset = median(medians.iter().map(|times| times[OPERATIONS.len()]).collect());

    println!("\n| ns per credential | {} |", OPERATIONS.join(" | "));
    println!("| --- | ---: | ---: | ---: | ---: |");
    for (candidate, times) in candidates.iter().zip(&medians) {
        let cells = times.iter().take(OPERATIONS.len()).enumerate();
        let cells =
            cells.map(|(operation, time)| format!("{time:.*}", if operation == FLUSH { 2 } else { 0 }));
        println!("| {} | {} |", candidate.name, cells.collect::<Vec<_>>().join(" | "));
    }
    println!("| memset | | | | {memset:.2} |");
    let cells = (0..OPERATIONS.len()).map(|operation| {
        let peers = candidates.iter().zip(&medians).skip(1);
        let fastest = peers
            .map(|(peer, times)| (times[operation], peer.name))
            .min_by(|left, right| left.0.total_cmp(&right.0));
        fastest.map_or_else(String::new, |(time, name)| {
            format!("{:.1} × ({name})", time / medians[0][operation])
        })
    });
    println!("| **faster than the fastest peer** | {} |", cells.collect::<Vec<_>>().join(" | "));
    println!("\nflush: {:.2} × the memset", medians[0][FLUSH] / memset);
}

fn median(mut times: Vec<f64>) -> f64 {
    times.sort_unstable_by(f64::total_cmp);
    times[times.len() / 2]
}

/// Peak memory, and how many secrets were wiped when the flush returned.
fn print_memory(candidates: &[&Candidate], count: usize) {
    println!("\n| peak memory | bytes per credential | wiped when flush returns |\n| --- | ---: | ---: |");
    for candidate in candidates {
        println!("| {} | {} |", candidate.name, candidate.in_child("--memory", count));
    }
}

fn report_memory<C: Cache>(count: usize) {
    let before = peak_memory();
    let cache = C::new();
    for number in 0..count {
        let Credential { user, domain, secret } = Credential::new(number);
        cache.insert(&user, &domain, &secret);
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
        wiped => format!("{:.0} %", wiped as f64 * 100.0 / count as f64),
    };
    println!("{peak} | {wiped}");
}

/// The greatest resident size of this process so far, in bytes; Linux only.
fn peak_memory() -> Option<usize> {
    let status = fs::read_to_string("/proc/self/status").ok()?;
    let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:"))?;
    line.trim().strip_suffix(" kB")?.parse::<usize>().ok().map(|kilobytes| kilobytes * 1024)
}

/// How long readers wait while another thread flushes.
fn print_waits(count: usize, rounds: usize) {
    println!("\n| two readers, one flush | flush took | longest lookup meanwhile |\n| --- | ---: | ---: |");
    let inputs = Inputs::new(count, <Mutex<Vault> as Cache>::key);
    for turn in 1..=rounds {
        let cache = <Mutex<Vault> as Cache>::new();
        for Credential { user, domain, secret } in &inputs.credentials {
            Cache::insert(&cache, user, domain, secret);
        }
        let (ready, done) = (AtomicUsize::new(0), AtomicBool::new(false));
        let (flush, longest) = thread::scope(|scope| {
            let readers: [_; 2] = array::from_fn(|reader| {
                let (cache, inputs, ready, done) = (&cache, &inputs, &ready, &done);
                scope.spawn(move || {
                    let mut longest = Duration::ZERO;
                    let keys = inputs.hits.iter().skip(reader * count / 2).cycle();
                    for (key, read) in keys.zip(0..) {
                        if done.load(Ordering::Relaxed) {
                            break;
                        }
                        let took = timed(|| drop(black_box(cache.read(key))));
                        if read == 1000 {
                            ready.fetch_add(1, Ordering::Relaxed);
                        } else if read > 1000 {
                            longest = longest.max(took);
                        }
                    }
                    longest
                })
            });
            while ready.load(Ordering::Relaxed) < 2 {
                thread::sleep(Duration::from_millis(1));
            }
            let flush = timed(|| Cache::flush(&cache));
            done.store(true, Ordering::Relaxed);
            (flush, readers.map(|reader| reader.join().expect("a reader")).into_iter().max().expect("two"))
        });
        println!("| {turn} | {flush:.1?} | {longest:.1?} |");
    }
}
