//! What modules may do while they are told of loads and unloads, what others see meanwhile, and what a panic leaves.

use std::panic::{self, AssertUnwindSafe};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex, mpsc};
use std::thread;
use std::time::Duration;

use sspcache_loader::{EmulatedLoader, LoaderError, ModuleFile, Notification, Reason, Sought};

/// How long a test waits for what should come at once: a failure, not a measure.
const FOR_EVER: Duration = Duration::from_secs(30);

fn loader() -> EmulatedLoader<u32> {
    EmulatedLoader::new(ModuleFile::new(r"C:\app\program.exe"))
}

fn module(entry: impl Fn(&Notification<'_, u32>) -> bool + Send + Sync + 'static) -> ModuleFile<u32> {
    ModuleFile::new("tiny.dll").export("answer", 42).on_notification(entry)
}

/// L9, C6
#[test]
fn the_loader_lock_is_held_inside_notifications_and_nowhere_else() {
    let loader = loader();
    let seen = Arc::new(Mutex::new(Vec::new()));
    let (sink, other) = (Arc::clone(&seen), self::loader());
    loader.register(module(move |notification| {
        let held = notification.loader().is_loader_lock_held_by_current_thread();
        sink.lock().unwrap().push((
            notification.reason(),
            held,
            other.is_loader_lock_held_by_current_thread(),
        ));
        true
    }));
    assert!(!loader.is_loader_lock_held_by_current_thread());
    let handle = loader.load("tiny").unwrap();
    assert!(!loader.is_loader_lock_held_by_current_thread());
    loader.free(handle).unwrap();
    assert_eq!(*seen.lock().unwrap(), [(Reason::Load, true, false), (Reason::Unload, true, false)]);
}

/// C6
#[test]
fn only_the_thread_that_owns_the_loader_lock_is_told_that_it_does() {
    let loader = loader();
    loader.with_loader_lock(|| {
        assert!(loader.is_loader_lock_held_by_current_thread());
        loader.with_loader_lock(|| assert!(loader.is_loader_lock_held_by_current_thread()));
        assert!(loader.is_loader_lock_held_by_current_thread(), "it is recursive");
        let elsewhere = thread::scope(|scope| {
            scope.spawn(|| loader.is_loader_lock_held_by_current_thread()).join().unwrap()
        });
        assert!(!elsewhere);
    });
    assert!(!loader.is_loader_lock_held_by_current_thread());
}

/// L9: while one thread is told something slow, others look up, take references and give them back.
#[test]
fn nobody_waits_for_a_slow_notification_to_look_something_up() {
    let loader = loader();
    loader.register(ModuleFile::new("other.dll").export("answer", 1));
    let other = loader.load("other").unwrap();
    let (entered, is_entered) = mpsc::channel();
    let (proceed, may_proceed) = mpsc::channel::<()>();
    let may_proceed = Mutex::new(may_proceed);
    loader.register(module(move |notification| {
        entered.send(notification.module()).unwrap();
        may_proceed.lock().unwrap().recv_timeout(FOR_EVER).is_ok()
    }));
    thread::scope(|scope| {
        let loading = scope.spawn(|| loader.load("tiny"));
        let tiny = is_entered.recv_timeout(FOR_EVER).unwrap();
        let (done, is_done) = mpsc::channel();
        let loader = &loader;
        scope.spawn(move || {
            assert_eq!(loader.find("other"), Ok(other));
            assert_eq!(loader.procedure(other, "answer"), Ok(1));
            drop(loader.acquire("other").unwrap());
            assert_eq!(loader.acquire_all("other").unwrap().len(), 1);
            assert_eq!(loader.find("tiny").unwrap_err().code(), 126, "it is not there before it accepts");
            assert_eq!(loader.procedure(tiny, "answer").unwrap_err().code(), 126);
            assert_eq!(loader.free(tiny).unwrap_err().code(), 126);
            done.send(()).unwrap();
        });
        let waited = is_done.recv_timeout(FOR_EVER);
        proceed.send(()).unwrap();
        assert_eq!(waited, Ok(()));
        let tiny = loading.join().unwrap();
        assert_eq!(loader.find("tiny"), tiny);
        proceed.send(()).unwrap();
        loader.free(tiny.unwrap()).unwrap();
    });
}

/// L8, L9
#[test]
fn threads_that_load_one_module_together_tell_it_once() {
    let loader = loader();
    let told = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&told);
    loader.register(module(move |_| {
        count.fetch_add(1, Ordering::Relaxed);
        true
    }));
    let handles: Vec<_> = thread::scope(|scope| {
        let threads: Vec<_> = (0..8).map(|_| scope.spawn(|| loader.load("tiny").unwrap())).collect();
        threads.into_iter().map(|thread| thread.join().unwrap()).collect()
    });
    assert!(handles.iter().all(|handle| *handle == handles[0]));
    assert_eq!(told.load(Ordering::Relaxed), 1);
    for handle in handles {
        loader.free(handle).unwrap();
    }
    assert_eq!(told.load(Ordering::Relaxed), 2);
    assert!(loader.find("tiny").is_err());
}

/// L9
#[test]
fn a_panic_while_told_of_a_load_leaves_nothing_loaded() {
    let loader = loader();
    let attempts = AtomicUsize::new(0);
    loader.register(module(move |notification| {
        let is_first = attempts.fetch_add(1, Ordering::Relaxed) == 0;
        assert!(!is_first, "the first load panics: {notification:?}");
        true
    }));
    assert!(panic::catch_unwind(AssertUnwindSafe(|| loader.load("tiny"))).is_err());
    assert!(!loader.is_loader_lock_held_by_current_thread());
    assert!(matches!(loader.find("tiny"), Err(LoaderError::NotLoaded { .. })));
    let handle = thread::scope(|scope| scope.spawn(|| loader.load("tiny")).join().unwrap()).unwrap();
    assert_eq!(loader.procedure(handle, "answer"), Ok(42));
}

/// L8, L9
#[test]
fn a_panic_while_told_of_an_unload_leaves_a_dead_handle() {
    let loader = loader();
    loader.register(module(|notification| {
        assert_eq!(notification.reason(), Reason::Load, "the unload panics");
        true
    }));
    let handle = loader.load("tiny").unwrap();
    assert!(panic::catch_unwind(AssertUnwindSafe(|| loader.free(handle))).is_err());
    assert!(!loader.is_loader_lock_held_by_current_thread());
    assert_eq!(loader.free(handle), Err(LoaderError::DeadHandle { handle }));
    assert_eq!(loader.find(Sought::Address(handle.to_u64())).unwrap_err().code(), 126);
    let again = thread::scope(|scope| scope.spawn(|| loader.load("tiny")).join().unwrap()).unwrap();
    assert_ne!(again, handle);
}

/// L9, where Wine takes the module away under its own code: the load that is going on owns its reference.
#[test]
fn a_module_that_frees_itself_while_told_of_its_load_stays_loaded() {
    let loader = loader();
    loader.register(module(|notification| {
        if notification.reason() == Reason::Load {
            notification.loader().free(notification.module()).unwrap();
            notification.loader().free(notification.module()).unwrap();
        }
        true
    }));
    let handle = loader.load("tiny").unwrap();
    assert_eq!(loader.find("tiny"), Ok(handle));
    loader.free(handle).unwrap();
    assert!(loader.find("tiny").is_err());
}

/// L9, where Wine loads it anew and Microsoft's page forbids the call: it goes.
#[test]
fn a_module_cannot_keep_itself_while_told_of_its_unload() {
    let loader = loader();
    let refusals = Arc::new(Mutex::new(Vec::new()));
    let sink = Arc::clone(&refusals);
    loader.register(module(move |notification| {
        if notification.reason() == Reason::Unload {
            let loader = notification.loader();
            let mut sink = sink.lock().unwrap();
            sink.extend(loader.load("tiny").err());
            sink.extend(loader.acquire("tiny").err());
            sink.extend(loader.find_ex("tiny", sspcache_loader::Lifetime::Pin).err());
            sink.extend(loader.free(notification.module()).err());
            assert_eq!(loader.procedure(notification.module(), "answer"), Ok(42), "it still has its exports");
        }
        true
    }));
    let handle = loader.load("tiny").unwrap();
    loader.free(handle).unwrap();
    let unloading = LoaderError::Unloading { module: r"C:\Windows\System32\tiny.dll".into() };
    let dead = LoaderError::DeadHandle { handle };
    assert_eq!(*refusals.lock().unwrap(), [unloading.clone(), unloading.clone(), unloading, dead]);
    assert!(loader.find("tiny").is_err());
}

/// L9: a reference that the module's own notification took does not keep what was refused.
#[test]
fn a_module_that_refuses_is_gone_whatever_references_it_took() {
    let loader = loader();
    let taken = Arc::new(Mutex::new(None));
    let slot = Arc::clone(&taken);
    loader.register(module(move |notification| {
        if notification.reason() == Reason::Load {
            *slot.lock().unwrap() = Some(notification.loader().acquire("tiny").unwrap());
        }
        false
    }));
    assert!(matches!(loader.load("tiny"), Err(LoaderError::InitializationRefused { .. })));
    let reference = taken.lock().unwrap().take().unwrap();
    let handle = reference.handle();
    assert_eq!(reference.procedure("answer"), Err(LoaderError::DeadHandle { handle }));
    drop(reference);
    assert!(loader.find("tiny").is_err());
}

/// L9: one loader lock per emulated process. A hundred processes are inside a notification at once, which none could
/// be if it waited for another's lock; and each has its own module under the common name.
#[test]
fn a_hundred_loaders_neither_see_nor_wait_for_each_other() {
    const COUNT: u32 = if cfg!(miri) { 8 } else { 100 };
    let inside = Arc::new((Mutex::new(0), Condvar::new()));
    let load = |number: u32| {
        let loader = loader();
        let inside = Arc::clone(&inside);
        let wait_for_all = move |notification: &Notification<'_, u32>| {
            let (count, changed) = &*inside;
            if notification.reason() == Reason::Load {
                *count.lock().unwrap() += 1;
                changed.notify_all();
            }
            let waiting = |count: &mut u32| *count < COUNT;
            let (mut count, waited) =
                changed.wait_timeout_while(count.lock().unwrap(), FOR_EVER, waiting).unwrap();
            *count = COUNT.max(*count); // after one failure no other thread waits
            !waited.timed_out()
        };
        loader.register(ModuleFile::new("tiny.dll").export("number", number).on_notification(wait_for_all));
        assert_eq!(loader.find("tiny").unwrap_err().code(), 126, "another process has loaded it");
        let handle = loader.load("tiny").expect("all are loaded at once");
        assert_eq!(loader.procedure(handle, "number"), Ok(number));
        assert_eq!(loader.acquire_all("tiny").unwrap().len(), 1);
        loader.free(handle).unwrap();
    };
    thread::scope(|scope| {
        for number in 0..COUNT {
            scope.spawn(move || load(number));
        }
    });
}

/// L9: what the child of a fork finds, acted out by threads of one process: another one is in the middle of a load.
#[test]
fn a_pause_waits_for_no_notification_and_a_child_does_without_its_module() {
    let loader = loader();
    let (entered, is_entered) = mpsc::channel();
    let (go_on, may_go_on) = mpsc::channel::<()>();
    let may_go_on = Mutex::new(may_go_on);
    loader.register(module(move |notification| {
        if notification.reason() == Reason::Load && entered.send(notification.module()).is_ok() {
            may_go_on.lock().unwrap().recv_timeout(FOR_EVER).unwrap();
        }
        true
    }));
    loader.register(ModuleFile::new("other.dll"));
    let other = loader.load("other").unwrap();
    thread::scope(|scope| {
        let loading = scope.spawn(|| loader.load("tiny"));
        let half_loaded = is_entered.recv_timeout(FOR_EVER).unwrap();
        // In the parent nothing changes.
        drop(loader.pause());
        loader.pause().in_child();
        assert_eq!(loader.find("other"), Ok(other), "what was loaded stays");
        let again = {
            drop(is_entered); // The next load isn't kept.
            loader.load("tiny").unwrap()
        };
        assert_ne!(again, half_loaded);
        assert_eq!(loader.find("tiny"), Ok(again));
        go_on.send(()).unwrap();
        assert_eq!(loading.join().unwrap(), Ok(half_loaded), "the thread that no child has");
        assert_eq!(loader.find("tiny"), Ok(again));
    });
}

/// L9: a thread that forks inside a notification still owns the loader lock in the child.
#[test]
fn a_child_that_is_forked_inside_a_notification_goes_on_with_it() {
    let loader = loader();
    loader.register(module(|notification| {
        notification.loader().pause().in_child();
        notification.loader().is_loader_lock_held_by_current_thread()
            && notification.loader().find("tiny").is_ok()
    }));
    let handle = loader.load("tiny").unwrap();
    assert_eq!(loader.find("tiny"), Ok(handle));
}
