//! Random sequences of operations agree with a plain model of the loader: clauses L3, L5, L7 to L9.
//!
//! The model is a list of modules with counts, searched from end to end. Files are numbers in it, spelled in several
//! ways for the loader, so that it can't share a mistake in how names are read. `SSPCACHE_TEST_CASES` gives the
//! number of sequences.

use std::env;
use std::mem;
use std::sync::{Arc, Mutex};

use proptest::prelude::*;
use proptest::{collection, sample};
use sspcache_loader::{
    EmulatedLoader, Handle, Lifetime, LoaderError, ModuleFile, ModuleRef, Notification, Reason, Sought,
};

/// The files that may lie on the disk. The number of each is what it exports.
const FILES: [&str; 5] = [
    r"C:\app\ssp.dll",
    r"C:\elsewhere\ssp.dll",
    r"C:\Windows\System32\other.dll",
    r"C:\Windows\System32\refuses.dll",
    r"C:\Windows\System32\needs-other.dll",
];
const OTHER: usize = 2;
/// Answers its load with `false`.
const REFUSES: usize = 3;
/// Loads `OTHER` when it is loaded, and frees it when it is unloaded.
const NEEDS_OTHER: usize = 4;

/// What callers may say, the files that a lookup may find by it, and the one that a load may find on the disk.
const SPELLINGS: [(&str, &[usize], Option<usize>); 11] = [
    ("ssp", &[0, 1], Some(0)),
    ("SSP.DLL", &[0, 1], Some(0)),
    (r"C:\app\ssp.dll", &[0], Some(0)),
    ("c:/APP/ssp", &[0], Some(0)),
    (r"C:\elsewhere\ssp", &[1], Some(1)),
    (r"C:\app\..\elsewhere\SSP.dll ", &[1], Some(1)),
    ("other", &[OTHER], Some(OTHER)),
    (r"\windows\system32\other.dll", &[OTHER], Some(OTHER)),
    ("refuses", &[REFUSES], Some(REFUSES)),
    ("needs-other", &[NEEDS_OTHER], Some(NEEDS_OTHER)),
    ("absent", &[], None),
];

#[derive(Clone, Copy, Debug)]
enum Step {
    Acquire { spelling: usize },
    AcquireAll { spelling: usize },
    Address { module: sample::Index, offset: u64, lifetime: usize },
    Find { spelling: usize, lifetime: usize },
    Free { module: sample::Index },
    GiveBack { reference: sample::Index },
    IntoHandle { reference: sample::Index },
    Load { spelling: usize },
    LoadReference { spelling: usize },
    Procedure { module: sample::Index },
    Register { file: usize },
}

fn step() -> impl Strategy<Value = Step> {
    let spelling = 0..SPELLINGS.len();
    // Pinning rarely: what is pinned is no longer of interest.
    let lifetime = prop_oneof![6 => Just(0_usize), 6 => Just(1), 1 => Just(2)];
    let index = any::<sample::Index>;
    prop_oneof![
        2 => spelling.clone().prop_map(|spelling| Step::Acquire { spelling }),
        1 => spelling.clone().prop_map(|spelling| Step::AcquireAll { spelling }),
        2 => (index(), 0..0x1_0000_u64, lifetime.clone())
            .prop_map(|(module, offset, lifetime)| Step::Address { module, offset, lifetime }),
        3 => (spelling.clone(), lifetime).prop_map(|(spelling, lifetime)| Step::Find { spelling, lifetime }),
        8 => index().prop_map(|module| Step::Free { module }),
        4 => index().prop_map(|reference| Step::GiveBack { reference }),
        1 => index().prop_map(|reference| Step::IntoHandle { reference }),
        6 => spelling.clone().prop_map(|spelling| Step::Load { spelling }),
        2 => spelling.prop_map(|spelling| Step::LoadReference { spelling }),
        2 => index().prop_map(|module| Step::Procedure { module }),
        2 => (0..FILES.len()).prop_map(|file| Step::Register { file }),
    ]
}

const LIFETIMES: [Lifetime; 3] = [Lifetime::Unchanged, Lifetime::Reference, Lifetime::Pin];

/// What modules were told: `(file, is_load)`.
type Told = Vec<(usize, bool)>;

/// A module by the number of its load, or the code of an error.
type Outcome = Result<usize, u32>;

/// The modules of a process in the order of their loads.
#[derive(Default)]
struct Model {
    on_disk: [bool; FILES.len()],
    modules: Vec<Module>,
    loads: usize,
    told: Told,
}

#[derive(Clone, Copy)]
struct Module {
    load: usize,
    file: usize,
    /// `None`: pinned.
    references: Option<u32>,
}

impl Model {
    fn load(&mut self, spelling: usize) -> Outcome {
        if let Ok(load) = self.find(spelling, Lifetime::Reference) {
            return Ok(load);
        }
        let file = SPELLINGS[spelling].2.filter(|file| self.on_disk[*file]).ok_or(126_u32)?;
        let load = self.loads;
        self.loads += 1;
        self.modules.push(Module { load, file, references: Some(1) });
        self.told.push((file, true));
        if file == NEEDS_OTHER {
            let _ = self.load(spelling_of(OTHER));
        }
        if file == REFUSES {
            self.told.push((file, false));
            self.modules.retain(|module| module.load != load);
            return Err(1114);
        }
        Ok(load)
    }

    fn free(&mut self, load: usize) -> Result<(), u32> {
        let module = self.modules.iter_mut().find(|module| module.load == load).ok_or(126_u32)?;
        match &mut module.references {
            None => {}
            Some(1) => {
                let file = module.file;
                self.told.push((file, false));
                if file == NEEDS_OTHER
                    && let Ok(other) = self.find(spelling_of(OTHER), Lifetime::Unchanged)
                {
                    let _ = self.free(other);
                }
                self.modules.retain(|module| module.load != load);
            }
            Some(count) => *count -= 1,
        }
        Ok(())
    }

    fn find(&mut self, spelling: usize, lifetime: Lifetime) -> Outcome {
        let load = self.all(spelling).first().copied().ok_or(126_u32)?;
        self.at(load, lifetime)
    }

    /// All that a spelling may mean, in the order of their loads.
    fn all(&self, spelling: usize) -> Vec<usize> {
        let meant = SPELLINGS[spelling].1;
        self.modules.iter().filter(|module| meant.contains(&module.file)).map(|module| module.load).collect()
    }

    fn at(&mut self, load: usize, lifetime: Lifetime) -> Outcome {
        let module = self.modules.iter_mut().find(|module| module.load == load).ok_or(126_u32)?;
        module.references = match lifetime {
            Lifetime::Unchanged => module.references,
            Lifetime::Reference => module.references.map(|count| count + 1),
            _ => None,
        };
        Ok(load)
    }

    fn file(&self, load: usize) -> Outcome {
        self.modules.iter().find(|module| module.load == load).map(|module| module.file).ok_or(126)
    }
}

fn spelling_of(file: usize) -> usize {
    SPELLINGS.iter().position(|(_, files, _)| *files == [file]).expect("each file has a spelling of its own")
}

/// The loader beside its model.
struct Both {
    model: Model,
    loader: EmulatedLoader<usize>,
    told: Arc<Mutex<Told>>,
    /// The handle of each load, dead or alive; `None` where the load failed.
    handles: Vec<Option<Handle>>,
    /// References that are held, and the load that each keeps.
    references: Vec<(usize, ModuleRef<usize>)>,
}

impl Both {
    fn new() -> Self {
        Self {
            model: Model::default(),
            loader: EmulatedLoader::new(ModuleFile::new(r"C:\app\program.exe")),
            told: Arc::default(),
            handles: Vec::new(),
            references: Vec::new(),
        }
    }

    fn step(&mut self, step: Step) {
        match step {
            Step::Acquire { spelling } => {
                let reference = self.loader.acquire(SPELLINGS[spelling].0);
                let wanted = self.model.find(spelling, Lifetime::Reference);
                self.hold(reference, wanted);
            }
            Step::AcquireAll { spelling } => {
                let references = self.loader.acquire_all(SPELLINGS[spelling].0).unwrap();
                let wanted = self.model.all(spelling);
                assert_eq!(references.len(), wanted.len());
                for (reference, load) in references.into_iter().zip(wanted) {
                    let wanted = self.model.at(load, Lifetime::Reference);
                    self.hold(Ok(reference), wanted);
                }
            }
            Step::Address { module, offset, lifetime } => {
                let Some((load, handle)) = self.any_load(module) else { return };
                let lifetime = LIFETIMES[lifetime];
                let found = self.loader.find_ex(Sought::Address(handle.to_u64() + offset), lifetime);
                let wanted = self.model.at(load, lifetime);
                self.compare(found, wanted);
            }
            Step::Find { spelling, lifetime } => {
                let lifetime = LIFETIMES[lifetime];
                let found = self.loader.find_ex(SPELLINGS[spelling].0, lifetime);
                let wanted = self.model.find(spelling, lifetime);
                self.compare(found, wanted);
            }
            Step::Free { module } => {
                let Some((load, handle)) = self.any_load(module) else { return };
                let freed = self.loader.free(handle).map_err(|error| error.code());
                assert_eq!(freed, self.model.free(load));
            }
            Step::GiveBack { reference } => {
                let Some((load, reference)) = self.take_reference(reference) else { return };
                drop(reference);
                let _ = self.model.free(load);
            }
            Step::IntoHandle { reference } => {
                let Some((load, reference)) = self.take_reference(reference) else { return };
                assert_eq!(Some(reference.into_handle()), self.handles[load]);
            }
            Step::Load { spelling } => {
                let loaded = self.loader.load(SPELLINGS[spelling].0);
                let wanted = self.model.load(spelling);
                self.compare(loaded, wanted);
            }
            Step::LoadReference { spelling } => {
                let reference = self.loader.load_ref(SPELLINGS[spelling].0);
                let wanted = self.model.load(spelling);
                self.hold(reference, wanted);
            }
            Step::Procedure { module } => {
                let Some((load, handle)) = self.any_load(module) else { return };
                let exported = self.loader.procedure(handle, "number").map_err(|error| error.code());
                assert_eq!(exported, self.model.file(load));
            }
            Step::Register { file } => {
                self.loader.register(module_file(file, &self.told));
                self.model.on_disk[file] = true;
            }
        }
    }

    /// Compares what a call gave, and learns the handles of loads.
    fn compare(&mut self, given: Result<Handle, LoaderError>, wanted: Outcome) {
        if let (Ok(handle), Ok(load)) = (&given, wanted) {
            self.learn(load, *handle);
        }
        // What was loaded in passing is found by its name.
        for module in self.model.modules.clone() {
            let found = self.loader.find(FILES[module.file]).expect("the model has it");
            self.learn(module.load, found);
        }
        let wanted = wanted.map(|load| self.handles[load].expect("learnt above"));
        assert_eq!(given.map_err(|error| error.code()), wanted);
    }

    fn learn(&mut self, load: usize, handle: Handle) {
        self.handles.resize(self.model.loads, None);
        if self.handles[load].is_none() {
            assert!(!self.handles.contains(&Some(handle)), "{handle} is given out twice");
            self.handles[load] = Some(handle);
        }
        assert_eq!(self.handles[load], Some(handle));
    }

    fn hold(&mut self, reference: Result<ModuleRef<usize>, LoaderError>, wanted: Outcome) {
        self.compare(reference.as_ref().map(ModuleRef::handle).map_err(Clone::clone), wanted);
        if let (Ok(reference), Ok(load)) = (reference, wanted) {
            self.references.push((load, reference));
        }
    }

    /// Any module that was ever loaded, dead or alive.
    fn any_load(&self, index: sample::Index) -> Option<(usize, Handle)> {
        let loads: Vec<_> =
            (0..).zip(&self.handles).filter_map(|(load, handle)| Some((load, (*handle)?))).collect();
        (!loads.is_empty()).then(|| *index.get(&loads))
    }

    fn take_reference(&mut self, index: sample::Index) -> Option<(usize, ModuleRef<usize>)> {
        let count = self.references.len();
        (count > 0).then(|| self.references.swap_remove(index.index(count)))
    }

    /// What holds after every step.
    fn check(&self) {
        assert_eq!(*self.told.lock().unwrap(), self.model.told);
        for (spelling, (name, ..)) in SPELLINGS.iter().enumerate() {
            let all: Vec<_> = self.loader.acquire_all(*name).unwrap().map(|module| module.handle()).collect();
            let wanted: Vec<_> =
                self.model.all(spelling).iter().map(|load| self.handles[*load].unwrap()).collect();
            assert_eq!(all, wanted, "{name}");
            assert_eq!(self.loader.find(*name).ok(), wanted.first().copied(), "{name}");
        }
        assert!(!self.loader.is_loader_lock_held_by_current_thread());
    }

    /// Gives back what is held, and frees each module as often as the model says.
    fn end(mut self) {
        for (load, reference) in mem::take(&mut self.references) {
            drop(reference);
            let _ = self.model.free(load);
        }
        self.check();
        while let Some(&Module { load, .. }) =
            self.model.modules.iter().find(|module| module.references.is_some())
        {
            assert_eq!(self.loader.free(self.handles[load]), Ok(()));
            self.model.free(load).unwrap();
            self.check();
        }
    }
}

fn module_file(file: usize, told: &Arc<Mutex<Told>>) -> ModuleFile<usize> {
    let told = Arc::clone(told);
    ModuleFile::new(FILES[file])
        .export("number", file)
        .on_notification(move |notification| entry(file, notification, &told))
}

fn entry(file: usize, notification: &Notification<'_, usize>, told: &Mutex<Told>) -> bool {
    let is_load = notification.reason() == Reason::Load;
    told.lock().unwrap().push((file, is_load));
    let loader = notification.loader();
    assert!(loader.is_loader_lock_held_by_current_thread(), "C6");
    if file == NEEDS_OTHER {
        if is_load {
            let _ = loader.load(FILES[OTHER]);
        } else if let Ok(other) = loader.find(FILES[OTHER]) {
            loader.free(other).unwrap();
        }
    }
    file != REFUSES
}

/// How many sequences are run.
fn cases() -> u32 {
    let cases = env::var("SSPCACHE_TEST_CASES").ok();
    cases.map_or(100, |cases| cases.parse().expect("SSPCACHE_TEST_CASES is a number of cases"))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: cases(), ..ProptestConfig::default() })]

    /// L3, L5, L7, L8, L9
    #[test]
    fn random_sequences_of_operations_agree_with_a_plain_model(steps in collection::vec(step(), 1..80)) {
        let mut both = Both::new();
        for step in steps {
            both.step(step);
            both.check();
        }
        both.end();
    }
}
