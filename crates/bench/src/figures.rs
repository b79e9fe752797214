//! The measured figures, and the table that shows them.

use std::fmt;
use std::time::{Duration, Instant};

/// The durations of repetitions, in ascending order.
pub(crate) struct Times(Vec<Duration>);

impl Times {
    /// Measures `count` repetitions, after a tenth as many that are not measured.
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

    /// Collects the durations of `count` repetitions of a closure that measures itself.
    pub(crate) fn measured(count: usize, mut work: impl FnMut() -> Duration) -> Self {
        let mut times: Vec<_> = (0..count).map(|_| work()).collect();
        times.sort_unstable();
        Self(times)
    }

    /// Adds further repetitions.
    fn extend(&mut self, more: Self) {
        self.0.extend(more.0);
        self.0.sort_unstable();
    }

    /// The median.
    pub(crate) fn p50(&self) -> Duration {
        self.0[self.0.len() / 2]
    }

    /// The 99th percentile.
    pub(crate) fn p99(&self) -> Duration {
        self.0[self.0.len() * 99 / 100]
    }
}

/// A row of the table: a name and its durations.
struct Row {
    name: String,
    times: Times,
    /// The index of the row of the SQLite commit that this row is compared with; `None` for a row
    /// that is a commit itself.
    commit: Option<usize>,
}

/// A sentence that contains a number, with each measured value of the number.
struct Figure {
    before: String,
    after: &'static str,
    /// The number of decimals that are printed.
    decimals: usize,
    values: Vec<f64>,
}

/// The figures of a benchmark run. A repeated measurement is added to the row or the sentence of
/// the same name.
#[derive(Default)]
pub(crate) struct Table {
    rows: Vec<Row>,
    figures: Vec<Figure>,
    statements: Vec<String>,
    /// The index of the commit row that the next rows are compared with.
    commit: Option<usize>,
}

impl Table {
    /// Adds the time of a SQLite commit, which the rows added after it are compared with.
    pub(crate) fn add_commit(&mut self, name: &str, commit: Times) {
        self.commit = None;
        self.commit = Some(self.add(name, commit));
    }

    /// Adds durations to the row of this name and returns the row's index.
    pub(crate) fn add(&mut self, name: &str, times: Times) -> usize {
        if let Some(index) = self.rows.iter().position(|row| row.name == name) {
            self.rows[index].times.extend(times);
            return index;
        }
        self.rows.push(Row {
            name: name.to_owned(),
            times,
            commit: self.commit,
        });
        self.rows.len() - 1
    }

    /// Adds a value to a sentence below the rows; `before` and `after` are its text around the
    /// number.
    pub(crate) fn figure(
        &mut self,
        before: impl Into<String>,
        value: f64,
        decimals: usize,
        after: &'static str,
    ) {
        let before = before.into();
        let same = |figure: &&mut Figure| figure.before == before && figure.after == after;
        if let Some(figure) = self.figures.iter_mut().find(same) {
            figure.values.push(value);
            return;
        }
        self.figures.push(Figure {
            before,
            after,
            decimals,
            values: vec![value],
        });
    }

    /// Adds a statement below the rows, unless it is there already.
    pub(crate) fn add_statement(&mut self, text: String) {
        if !self.statements.contains(&text) {
            self.statements.push(text);
        }
    }

    /// Adds the ratio of each figure of this table to that of `empty`, the table of an empty
    /// database.
    pub(crate) fn compare(&mut self, empty: &Self) {
        for row in self.rows.iter().filter(|row| row.commit.is_some()) {
            if let Some(same) = empty.rows.iter().find(|same| same.name == row.name) {
                let ratio = row.times.p50().as_secs_f64() / same.times.p50().as_secs_f64();
                let name = &row.name;
                let text = format!("{name}: {ratio:.2} of what it takes with an empty database");
                self.statements.push(text);
            }
        }
        for figure in &self.figures {
            let Figure { before, after, .. } = figure;
            let same = |other: &&Figure| other.before == *before && other.after == *after;
            if let Some(there) = empty.figures.iter().find(same) {
                let ratio = figure.median() / there.median();
                let text =
                    format!("{before} …{after}: {ratio:.2} of what it is with an empty database");
                self.statements.push(text);
            }
        }
    }
}

impl Figure {
    fn median(&self) -> f64 {
        let mut values = self.values.clone();
        values.sort_unstable_by(f64::total_cmp);
        let middle = values.len() / 2;
        if values.len().is_multiple_of(2) {
            f64::midpoint(values[middle - 1], values[middle])
        } else {
            values[middle]
        }
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
            let commit = row
                .commit
                .map_or(&row.times, |index| &self.rows[index].times);
            writeln!(
                f,
                "{:<48} {:>10.2} {:>10.2} {:>12.1}",
                row.name,
                row.times.p50().as_secs_f64() * 1e3,
                row.times.p99().as_secs_f64() * 1e3,
                row.times.p50().as_secs_f64() / commit.p50().as_secs_f64(),
            )?;
        }
        for figure in &self.figures {
            let Figure {
                before,
                after,
                decimals,
                ..
            } = figure;
            writeln!(f, "{before} {:.decimals$}{after}", figure.median())?;
        }
        self.statements
            .iter()
            .try_for_each(|text| writeln!(f, "{text}"))
    }
}
