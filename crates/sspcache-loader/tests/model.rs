//! Loads, frees, lookups and notifications from several threads, under a model checker that tries their
//! interleavings: clauses L8 and L9, and that nothing deadlocks.
//!
//! `cargo test -p sspcache-loader --features shuttle --test model`

#![cfg(feature = "shuttle")]

use shuttle::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use shuttle::sync::{Arc, Mutex};
use shuttle::thread;
use sspcache_loader::{EmulatedLoader, ModuleFile, Notification, Reason};

const SCHEDULES: usize = 10_000;

/// A loader with two modules, and what they were told: by whom, and why.
struct Watched {
    loader: EmulatedLoader<()>,
    told: Arc<Mutex<Vec<(&'static str, Reason)>>>,
    /// Whether `ssp.dll` has been told of its load, and not yet of its unload.
    is_ready: Arc<AtomicBool>,
}

impl Watched {
    fn new() -> Arc<Self> {
        let watched = Self {
            loader: EmulatedLoader::new(ModuleFile::new("program.exe")),
            told: Arc::default(),
            is_ready: Arc::default(),
        };
        let inside = Arc::new(AtomicUsize::new(0));
        for name in ["ssp.dll", "other.dll"] {
            let (told, is_ready) = (Arc::clone(&watched.told), Arc::clone(&watched.is_ready));
            let inside = Arc::clone(&inside);
            let entry = move |notification: &Notification<'_, ()>| {
                assert_eq!(inside.fetch_add(1, Ordering::SeqCst), 0, "two notifications at once");
                assert!(notification.loader().is_loader_lock_held_by_current_thread());
                let is_load = notification.reason() == Reason::Load;
                let is_ssp = name == "ssp.dll";
                if is_ssp && !is_load {
                    is_ready.store(false, Ordering::SeqCst);
                }
                told.lock().unwrap().push((name, notification.reason()));
                thread::yield_now();
                if is_ssp && is_load {
                    is_ready.store(true, Ordering::SeqCst);
                }
                inside.fetch_sub(1, Ordering::SeqCst);
                true
            };
            watched.loader.register(ModuleFile::new(name).export("f", ()).on_notification(entry));
        }
        Arc::new(watched)
    }

    fn spawn(self: &Arc<Self>, body: impl FnOnce(&Self) + Send + 'static) -> thread::JoinHandle<()> {
        let this = Arc::clone(self);
        thread::spawn(move || body(&this))
    }

    /// Each module was told of loads and unloads in turn, and is gone.
    fn assert_all_gone(&self) {
        let told = self.told.lock().unwrap();
        for name in ["ssp.dll", "other.dll"] {
            let told: Vec<_> = told.iter().filter(|(of, _)| *of == name).map(|(_, reason)| *reason).collect();
            let (pairs, rest) = told.as_chunks::<2>();
            assert!(pairs.iter().all(|pair| *pair == [Reason::Load, Reason::Unload]), "{name}: {told:?}");
            assert!(rest.is_empty(), "{name}: {told:?}");
            assert_eq!(self.loader.find(name).unwrap_err().code(), 126);
        }
    }
}

/// L8, L9
#[test]
fn notifications_come_one_at_a_time_and_in_pairs() {
    let schedule = || {
        let watched = Watched::new();
        let threads = ["ssp", "ssp", "other"].map(|name| {
            watched.spawn(move |watched| {
                let module = watched.loader.load(name).unwrap();
                watched.loader.procedure(module, "f").unwrap();
                watched.loader.free(module).unwrap();
            })
        });
        for thread in threads {
            thread.join().unwrap();
        }
        watched.assert_all_gone();
    };
    shuttle::check_random(schedule, SCHEDULES);
}

/// C4, L8: a thread that holds a reference holds a module that is ready, while others free and load it.
#[test]
fn a_held_module_is_ready_while_others_free_and_load_it() {
    let schedule = || {
        let watched = Watched::new();
        let module = watched.loader.load("ssp").unwrap();
        let threads = [
            watched.spawn(move |watched| watched.loader.free(module).unwrap()),
            watched.spawn(|watched| drop(watched.loader.load_ref("ssp").unwrap())),
            watched.spawn(|watched| {
                for held in watched
                    .loader
                    .acquire("ssp")
                    .into_iter()
                    .chain(watched.loader.acquire_all("ssp").unwrap())
                {
                    assert!(watched.is_ready.load(Ordering::SeqCst));
                    held.procedure("f").unwrap();
                    assert!(watched.is_ready.load(Ordering::SeqCst));
                }
            }),
        ];
        for thread in threads {
            thread.join().unwrap();
        }
        watched.assert_all_gone();
    };
    shuttle::check_random(schedule, SCHEDULES);
}

/// L8: two threads that give the last two references back at once.
#[test]
fn the_last_reference_is_given_back_once() {
    let schedule = || {
        let watched = Watched::new();
        let module = watched.loader.load("ssp").unwrap();
        watched.loader.load("ssp").unwrap();
        let threads = [(); 3].map(|()| {
            let this = Arc::clone(&watched);
            thread::spawn(move || this.loader.free(module).is_ok())
        });
        let freed = threads.map(|thread| thread.join().unwrap());
        assert_eq!(freed.iter().filter(|freed| **freed).count(), 2, "{freed:?}");
        watched.assert_all_gone();
    };
    shuttle::check_random(schedule, SCHEDULES);
}
