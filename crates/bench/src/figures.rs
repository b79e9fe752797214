//! What was measured, and the table that shows it.

use std::fmt;
use std::time::{Duration, Instant};

/// Times of repetitions, in ascending order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Times `count` repetitions, after a tenth of them unmeasured.
    pub(crate) fn of(count: usize, mut work: impl FnMut()) -> Self {
        for _ in 0..count.div_ceil(10) {
            work();
        }
        Self::measured(count, || {
            let start = Instant::now();
            work();
            start.elapsed()
        })
    }

    /// Repeats what measures itself.
    pub(crate) fn measured(count: usize, mut work: impl FnMut() -> Duration) -> Self {
        let mut times: Vec<_> = (0..count).map(|_| work()).collect();
        times.sort_unstable();
        Self(times)
    }

    /// The median.
    pub(crate) fn p50(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    /// What one of a hundred exceeds.
    pub(crate) fn p99(&self) -> Duration {
        self.0[self.0.len() * 99 / 100]
    }
}

struct Row {
    name: String,
    /// What a commit took just before it.
    commit: Duration,
    p50: Duration,
    p99: Duration,
}

/// The figures of a run.
pub(crate) struct Table {
    commit: Duration,
    rows: Vec<Row>,
    /// The names of those that the others are multiples of.
    commits: Vec<String>,
    ratios: Vec<String>,
}

impl Table {
    /// An empty one.
    pub(crate) fn new() -> Self {
        Self {
            commit: Duration::ZERO,
            rows: Vec::new(),
            commits: Vec::new(),
            ratios: Vec::new(),
        }
    }

    /// Says what a commit takes now: the lines that come are multiples of that.
    pub(crate) fn add_commit(&mut self, name: &str, commit: &Times) {
        self.commit = commit.p50();
        self.add(name, commit);
        self.commits.push(name.to_owned());
    }

    /// Says how much longer each thing takes here than there.
    pub(crate) fn compare(&mut self, other: &Self) {
        let rows = self.rows.iter();
        for row in rows.filter(|row| !self.commits.contains(&row.name)) {
            let Some(same) = other.rows.iter().find(|same| same.name == row.name) else {
                continue;
            };
            let ratio = row.p50.as_secs_f64() / same.p50.as_secs_f64();
            let name = &row.name;
            self.ratios.push(format!(
                "{name}: {ratio:.2} times as long as with an empty database (p50)"
            ));
        }
    }

    /// Adds a line.
    pub(crate) fn add(&mut self, name: &str, times: &Times) {
        self.rows.push(Row {
            name: name.to_owned(),
            commit: self.commit,
            p50: times.p50(),
            p99: times.p99(),
        });
    }

    /// Adds a statement below the lines.
    pub(crate) fn say(&mut self, text: String) {
        self.ratios.push(text);
    }
}

impl fmt::Display for Table {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        writeln!(
            f,
            "{:<48} {:>10} {:>10} {:>12}",
            "", "p50 ms", "p99 ms", "p50 commits"
        )?;
        for row in &self.rows {
            writeln!(
                f,
                "{:<48} {:>10.2} {:>10.2} {:>12.1}",
                row.name,
                row.p50.as_secs_f64() * 1e3,
                row.p99.as_secs_f64() * 1e3,
                row.p50.as_secs_f64() / row.commit.as_secs_f64(),
            )?;
        }
        self.ratios
            .iter()
            .try_for_each(|text| writeln!(f, "{text}"))
    }
}
