//! What rows look like: templates for indicatif, made for the terminal's width and for what is known of the
//! task. Sizes are shown as everywhere else in this program.

use std::fmt::{Display, Write};
use std::sync::Arc;

use indicatif::style::ProgressTracker;
use indicatif::{ProgressState, ProgressStyle};

use super::board::Whole;
use super::canvas;
use super::letters::{Letters, columns_of};
use super::task::{Running, rate};
use super::words::{Finished, clock, left, percent};
use crate::cli::tell::Size;
use crate::error::escape_line;
use crate::progress::Unit;
use crate::units::ByteSize;

/// No bar is wider, with its brackets: a wider one tells no more.
const WIDEST_BAR: usize = 40;

/// Nor narrower; where there is no room for it, there is none.
const NARROWEST_BAR: usize = 6;

/// Tasks that have a row of their own.
pub const MOST_TASKS: usize = 12;

/// What a name is given before anything else is.
const LEAST_NAME: usize = 14;

/// What a percentage takes, and amount and rate at their longest: ` 1023.9 KiB/s`, with what is before
/// them.
const PERCENT: (&str, usize) = (" {percent:>3}%", 5);
const TOTAL: (&str, usize) = (" {total:>10}", 11);
const DONE: (&str, usize) = (" {done:>10}", 11);
const RATE: (&str, usize) = (" {rate:>12}", 13);

/// How rows are drawn at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    pub letters: Letters,
    pub size: Size,
}

impl Drawing {
    /// Tasks that have a row: those that work before those that wait.
    pub fn chosen(self, tasks: &[Arc<Running>]) -> Vec<Arc<Running>> {
        let room = self.size.rows.saturating_sub(3).min(MOST_TASKS);
        let mut chosen = tasks.to_vec();
        if chosen.len() > room {
            chosen.sort_by_key(|task| task.is_waiting());
            chosen.truncate(room);
            chosen.sort_by_key(|task| task.id);
        }
        chosen
    }

    /// A line that stays, as far as it fits.
    pub fn finished(self, mut finished: Finished) -> String {
        let columns = self.size.columns.saturating_sub(1);
        loop {
            let behind = finished.behind();
            let room = columns.saturating_sub(columns_of(&behind) + 2);
            if room >= columns_of(&finished.name).min(LEAST_NAME) {
                return format!("{}: {behind}", self.letters.fitted(&finished.name, room));
            }
            let worst = (0..finished.parts.len()).max_by_key(|part| finished.parts[*part].0);
            match worst.filter(|_| finished.parts.len() > 1) {
                Some(worst) => drop(finished.parts.remove(worst)),
                None => return self.letters.cut(&finished.line(), columns),
            }
        }
    }

    /// A task's name, as far as it has room.
    pub fn name(self, task: &Running) -> String {
        let most = (canvas::columns(self.size) * 9 / 20).min(44);
        self.letters.fitted(&task.shown_name(), most)
    }

    /// What a task's row looks like, behind names that take so many columns.
    pub fn task(self, task: &Running, name_columns: usize) -> ProgressStyle {
        let name = self.name(task);
        let gap = name_columns.saturating_sub(columns_of(&name));
        let name = format!("{name}{}", " ".repeat(gap));
        let rest = canvas::columns(self.size).saturating_sub(name_columns + 1);
        let is_bytes = task.unit != Unit::Items;
        let (state, stage) = match (task.stage(), task.total) {
            (Some(stage), _) => {
                let stage = self.letters.cut(&escape_line(&stage.text()), rest);
                ("{stage}".to_owned(), stage)
            }
            (None, Some(_)) => (bar(is_bytes, rest), String::new()),
            (None, None) => (counter(is_bytes, rest, task), String::new()),
        };
        self.style(&format!("{{name}} {state}"))
            .with_key("name", key(move |_| name.clone()))
            .with_key("stage", key(move |_| stage.clone()))
    }

    /// What the whole's row looks like: the part of the work, how much of it is done and how long the rest
    /// takes; above it, how many tasks have no row.
    pub fn whole(self, whole: &Whole, left_out: usize) -> ProgressStyle {
        // Each with how soon it is given up where there is no room.
        let mut parts = vec![(0, whole.phase.word().to_owned())];
        if let Some(done) = whole.done {
            let amount = match whole.total {
                Some(total) => {
                    parts.push((2, format!("{}%", percent(done, total))));
                    format!("{} of {}", ByteSize(done), ByteSize(total))
                }
                None => ByteSize(done).to_string(),
            };
            parts.push((4, amount));
        }
        parts.extend(whole.rate.map(|rate| (3, format!("{}/s", ByteSize(rate)))));
        parts.extend(whole.left.map(|time| (1, left(time))));
        parts.push((2, clock(whole.elapsed)));
        let text = loop {
            let text = parts.iter().map(|(_, part)| part.as_str());
            let text = text.collect::<Vec<_>>().join("  ");
            let worst = (0..parts.len()).max_by_key(|part| parts[*part].0);
            match worst {
                Some(worst)
                    if columns_of(&text) > canvas::columns(self.size) && parts.len() > 1 =>
                {
                    parts.remove(worst);
                }
                _ => break self.letters.cut(&text, canvas::columns(self.size)),
            }
        };
        let more = format!("and {left_out} more");
        let more = self.letters.cut(&more, canvas::columns(self.size));
        let template = match left_out {
            0 => "{whole}",
            _ => "{more}\n{whole}",
        };
        self.style(template)
            .with_key("whole", key(move |_| text.clone()))
            .with_key("more", key(move |_| more.clone()))
    }

    /// The templates are held by a test; an unusable one falls back to a plain bar.
    fn style(self, template: &str) -> ProgressStyle {
        let style = ProgressStyle::with_template(template);
        let style = style.unwrap_or_else(|_| ProgressStyle::default_bar());
        let total = |state: &ProgressState| state.len().unwrap_or(0);
        style
            .progress_chars("=> ")
            .tick_strings(self.letters.spinner())
            .with_key(
                "percent",
                key(move |state| percent(state.pos(), total(state))),
            )
            .with_key("total", key(move |state| ByteSize(total(state))))
            .with_key("done", key(|state| ByteSize(state.pos())))
            .with_key("clock", key(|state| clock(state.elapsed())))
            .with_key(
                "rate",
                key(|state| {
                    let rate = rate(state.per_sec());
                    rate.map_or_else(String::new, |rate| format!("{}/s", ByteSize(rate)))
                }),
            )
    }
}

/// How far a task is whose end is known.
fn bar(is_bytes: bool, rest: usize) -> String {
    let (mut behind, mut columns) = (PERCENT.0.to_owned(), PERCENT.1);
    for (column, wanted) in [TOTAL, RATE] {
        if is_bytes && columns + wanted + 2 * NARROWEST_BAR <= rest {
            behind.push_str(column);
            columns += wanted;
        }
    }
    match rest.saturating_sub(columns).min(WIDEST_BAR) {
        room @ NARROWEST_BAR.. => format!("[{{bar:{}}}]{behind}", room - 2),
        _ => behind,
    }
}

/// How much has come where nobody knows of how much, and how fast.
fn counter(is_bytes: bool, rest: usize, task: &Running) -> String {
    let mut text = "{spinner} {clock:>5}".to_owned();
    let mut columns = 2 + clock(task.worked()).len().max(5);
    for (column, wanted) in [DONE, RATE] {
        if is_bytes && columns + wanted <= rest {
            text.push_str(column);
            columns += wanted;
        }
    }
    text
}

/// What stands in a template for this.
fn key<T: Display>(
    of: impl Fn(&ProgressState) -> T + Clone + Send + Sync + 'static,
) -> impl ProgressTracker + 'static {
    move |state: &ProgressState, text: &mut dyn Write| {
        let _ = write!(text, "{}", of(state));
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::progress::{Phase, Task};

    const NAME: &str = "layer 10 of 12 sha256:0123456789ab";

    #[test]
    fn a_line_that_stays_loses_digest_rate_amount_and_time_where_there_is_no_room_for_them() {
        let layer = Running::new(Task::transferred(Phase::Layers, NAME, 8 << 20));
        layer.add(8 << 20);
        let line = |columns| {
            let finished = Finished::of(&layer, "downloaded, verified", Duration::from_secs(2));
            let drawing = Drawing {
                letters: Letters::Ascii,
                size: Size { columns, rows: 24 },
            };
            drawing.finished(finished)
        };
        for (columns, expected) in [
            (
                100,
                format!("{}: downloaded, verified, 8 MiB, 4 MiB/s, 2.00 s", NAME),
            ),
            (
                80,
                "layer 10 of 12: downloaded, verified, 8 MiB, 4 MiB/s, 2.00 s".to_owned(),
            ),
            (
                58,
                "layer 10 of 12: downloaded, verified, 8 MiB, 2.00 s".to_owned(),
            ),
            (40, "layer 10 of 12: downloaded, verified".to_owned()),
            (20, "layer 10 of 12 sh..".to_owned()),
        ] {
            assert_eq!(line(columns), expected);
        }
        for columns in 1..120 {
            assert!(columns_of(&line(columns)) < columns.max(2), "{columns}");
        }
    }
}
