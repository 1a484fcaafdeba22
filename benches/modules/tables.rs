//! Has everything measured, and prints tables of it.

use sspcache_benches::{
    shipped,
    targets::{self, Target, median, print_targets},
};

use crate::{
    clients::{Loader, Stage},
    provider,
};

/// How many modules are loaded, and how many rounds there are with so many.
const COUNTS: [(usize, usize); 3] = [(10, 11), (1_000, 5), (10_000, 3)];
const QUICK: [(usize, usize); 3] = [(10, 1), (100, 1), (1_000, 1)];

/// A process of Wine's takes minutes to load ten thousand modules: it is measured with fewer.
const MOST_IN_WINE: usize = 1_000;

/// Measures, and prints what came of it.
///
/// # Panics
/// When a peer is missing, with what to do.
pub(crate) fn print(quick: bool) {
    let counts = if quick { QUICK } else { COUNTS };
    let batches = if quick { 5 } else { 101 };
    let stage = Stage::new(counts[2].0);
    let mut targets = print_loaders(&stage, counts, batches);
    targets.extend(print_providers(&stage, counts[0], batches));
    print_targets(&targets);
    if quick {
        println!("\nA smoke run: so few rounds tell nothing.");
    }
}

/// A loader's times, for each count of modules; none where it can't be measured.
struct Measured {
    loader: &'static Loader,
    times: [Vec<f64>; COUNTS.len()],
}

fn print_loaders(stage: &Stage, counts: [(usize, usize); COUNTS.len()], batches: usize) -> Vec<Target> {
    let mut measured: Vec<_> =
        stage.loaders().map(|loader| Measured { loader, times: Default::default() }).collect();
    for (place, (count, rounds)) in counts.into_iter().enumerate() {
        for turn in 0..rounds {
            measured.rotate_left(usize::from(turn > 0));
            for Measured { loader, times } in &mut measured {
                if loader.name != "Wine" || count <= MOST_IN_WINE {
                    times[place].push(stage.measure(loader, count, batches));
                }
            }
        }
    }
    measured.sort_by_key(|it| stage.loaders().position(|loader| loader.name == it.loader.name));
    let [ours, peers @ ..] = measured.as_slice() else { unreachable!("there are loaders") };

    println!(
        "Medians (and the least) of {} rounds, in nanoseconds.",
        counts.map(|(_, rounds)| rounds.to_string()).join(", ")
    );
    println!(
        "\n| find, look up, call: ns | {} |",
        counts.map(|(count, _)| format!("{count} modules")).join(" | ")
    );
    println!("| --- | {} |", ["---:"; COUNTS.len()].join(" | "));
    for Measured { loader, times } in &measured {
        println!("| {} | {} |", loader.name, times.each_ref().map(|times| cell(times)).join(" | "));
    }
    println!("\n| times ours | {} |", counts.map(|(count, _)| format!("{count} modules")).join(" | "));
    println!("| --- | {} |", ["---:"; COUNTS.len()].join(" | "));
    for Measured { loader, times } in peers {
        let cells = [0, 1, 2].map(|at| {
            let ratio = median(&times[at]) / median(&ours.times[at]);
            if times[at].is_empty() { String::new() } else { format!("{ratio:.1}") }
        });
        println!("| {} | {} |", loader.name, cells.join(" | "));
    }
    let fastest =
        peers.iter().map(|peer| (median(&peer.times[0]) / median(&ours.times[0]), peer.loader.name));
    let fastest = fastest.min_by(|left, right| left.0.total_cmp(&right.0)).expect("there are peers");
    let [few, .., many] = ours.times.each_ref().map(|times| median(times));
    vec![
        Target::at_least(
            format!("the fastest peer's time with {} modules, over ours", counts[0].0),
            4.0,
            fastest,
        ),
        Target::at_most(format!("ours with {} modules, over {}", counts[2].0, counts[0].0), 1.2, many / few),
    ]
}

/// Flushes through a provider and by hand, of an SSP that does nothing and of the mock with an empty cache.
fn print_providers(stage: &Stage, (count, rounds): (usize, usize), batches: usize) -> Vec<Target> {
    let modules = stage.modules(count);
    let [others @ .., tiny] = modules.as_slice() else { unreachable!("there are modules") };
    let folder = tempfile::tempdir_in(env!("CARGO_TARGET_TMPDIR")).expect("cargo made the folder");
    let ssps = [("an SSP that does nothing", tiny.clone()), ("the mock", shipped::mock(folder.path()))];
    let cases: Vec<_> =
        provider::LOADERS.iter().flat_map(|loader| ssps.iter().map(move |ssp| (*loader, ssp))).collect();
    let mut times = vec![[vec![], vec![]]; cases.len()];
    for _ in 0..rounds {
        for ((loader, (_, ssp)), times) in cases.iter().zip(&mut times) {
            let [by_hand, provider] = provider::measure(loader, others, ssp, batches);
            times[0].push(by_hand);
            times[1].push(provider);
        }
    }
    println!(
        "\n| flush: ns | by hand | through the provider | times as long |\n| --- | ---: | ---: | ---: |"
    );
    let mut targets = vec![];
    for ((loader, (ssp, _)), [by_hand, provider]) in cases.iter().zip(&times) {
        let ratio = median(provider) / median(by_hand);
        println!("| {loader}, {ssp} | {} | {} | {ratio:.2} |", cell(by_hand), cell(provider));
        targets.push(Target::at_most(
            format!("a provider's flush over one by hand: {loader}, {ssp}"),
            1.1,
            ratio,
        ));
    }
    targets
}

fn cell(times: &[f64]) -> String {
    if times.is_empty() { "not measured".to_owned() } else { targets::cell(times) }
}
