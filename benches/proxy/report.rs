//! Figures as a table: medians of same-round ratios, with the smallest and the largest.

use std::fmt;

use crate::process::Cost;

/// A median with the extremes beside it.
#[derive(Clone, Copy, Debug)]
pub struct Spread {
    pub median: f64,
    pub min: f64,
    pub max: f64,
}

/// One endpoint's rounds.
pub struct Row {
    pub name: &'static str,
    pub costs: Vec<Cost>,
    pub peak_mib: f64,
}

impl Spread {
    /// Of some figures; zeros where there are none.
    pub fn of(figures: impl IntoIterator<Item = f64>) -> Self {
        let mut figures: Vec<f64> = figures.into_iter().collect();
        figures.sort_by(f64::total_cmp);
        let at = |place: usize| figures.get(place).copied().unwrap_or_default();
        Self { median: at(figures.len() / 2), min: at(0), max: at(figures.len().saturating_sub(1)) }
    }
}

impl fmt::Display for Spread {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{:.2} ({:.2}–{:.2})", self.median, self.min, self.max)
    }
}

impl Cost {
    /// Processor time of the proxy, in microseconds a call.
    pub fn cpu_micros(&self) -> f64 {
        self.cpu.as_secs_f64() * 1e6 / self.measured.calls.max(1) as f64
    }

    /// Calls a second.
    pub fn rate(&self) -> f64 {
        self.measured.calls as f64 * 1e6 / self.measured.micros.max(1) as f64
    }
}

/// A table over rounds that were run side by side; the first row is the yardstick.
pub fn table(title: &str, rows: &[Row]) {
    table_against(title, "bare", rows);
}

/// The same, with another name for the yardstick.
pub fn table_against(title: &str, yardstick: &str, rows: &[Row]) {
    println!("\n### {title}\n");
    println!(
        "| endpoint | CPU µs a call | CPU × {yardstick} | calls/s | calls/s × {yardstick} \
         | peak RSS MiB |"
    );
    println!("|---|---|---|---|---|---|");
    let Some(yardstick) = rows.first() else { return };
    for row in rows {
        let against = |figure: fn(&Cost) -> f64| {
            let pairs = row.costs.iter().zip(&yardstick.costs);
            Spread::of(pairs.map(|(cost, bare)| figure(cost) / figure(bare)))
        };
        println!(
            "| {} | {:.1} | {} | {:.0} | {} | {:.1} |",
            row.name,
            Spread::of(row.costs.iter().map(Cost::cpu_micros)).median,
            against(Cost::cpu_micros),
            Spread::of(row.costs.iter().map(Cost::rate)).median,
            against(Cost::rate),
            row.peak_mib
        );
    }
}
