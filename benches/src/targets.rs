//! Medians, and the table of the targets that `docs/performance.md` states.

/// A target, as `docs/performance.md` states it, and whether this run met it.
pub struct Target {
    what: String,
    wanted: String,
    measured: String,
    met: bool,
}

impl Target {
    /// The fastest peer, and how many times as long as ours it takes.
    pub fn at_least(what: impl Into<String>, wanted: f64, (times, peer): (f64, &str)) -> Self {
        let [text, measured] = [format!("at least {wanted} ×"), format!("{times:.1} × ({peer})")];
        Self { what: what.into(), wanted: text, measured, met: times >= wanted }
    }

    /// How many times as long ours takes.
    pub fn at_most(what: impl Into<String>, wanted: f64, times: f64) -> Self {
        let [text, measured] = [format!("at most {wanted} ×"), format!("{times:.2} ×")];
        Self { what: what.into(), wanted: text, measured, met: times <= wanted }
    }
}

/// Prints a table of them.
pub fn print_targets(targets: &[Target]) {
    println!("\n| target | wanted | measured | met |\n| --- | --- | --- | --- |");
    for Target { what, wanted, measured, met } in targets {
        println!("| {what} | {wanted} | {measured} | {} |", if *met { "yes" } else { "no" });
    }
}

/// The median and the least, as tables have them.
pub fn cell(times: &[f64]) -> String {
    format!("{:.0} ({:.0})", median(times), least(times))
}

/// Not a number if there is none.
pub fn median(values: &[f64]) -> f64 {
    let mut values = values.to_vec();
    values.sort_unstable_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or(f64::NAN)
}

/// Infinity if there is none.
pub fn least(values: &[f64]) -> f64 {
    values.iter().copied().fold(f64::INFINITY, f64::min)
}
