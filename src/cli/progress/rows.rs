//! Rows of a terminal about tasks: each fits it.

use std::sync::Arc;

use unicode_width::{UnicodeWidthChar, UnicodeWidthStr};

use super::board::Whole;
use super::task::Running;
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
const MOST_TASKS: usize = 12;

/// What a name is given before anything else is.
const LEAST_NAME: usize = 14;

/// What amount and rate take, at their longest: `1023.9 KiB/s`.
const AMOUNT: usize = 10;
const RATE: usize = 12;

/// What may be drawn with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Letters {
    /// ASCII alone: what the locale says of the terminal promises no more.
    Ascii,
    Unicode,
}

impl Letters {
    fn spinner(self, turn: usize) -> &'static str {
        let frames: &[&str] = match self {
            Self::Ascii => &["-", "\\", "|", "/"],
            Self::Unicode => &["⠋", "⠙", "⠹", "⠸", "⠼", "⠴", "⠦", "⠧", "⠇", "⠏"],
        };
        frames[turn % frames.len()]
    }

    /// Stands for what was left out.
    fn gap(self) -> &'static str {
        match self {
            Self::Ascii => "..",
            Self::Unicode => "…",
        }
    }

    fn only(self, text: String) -> String {
        match self {
            Self::Ascii if !text.is_ascii() => {
                let shown = |letter: char| if letter.is_ascii() { letter } else { '?' };
                text.chars().map(shown).collect()
            }
            _ => text,
        }
    }
}

/// How rows are drawn at one moment.
#[derive(Debug, Clone, Copy)]
pub struct Drawing {
    pub letters: Letters,
    pub size: Size,
    /// Counts the drawings.
    pub turn: usize,
}

impl Drawing {
    /// A row for each task, as far as there is room, and one for the whole.
    pub fn rows(self, tasks: &[Arc<Running>], whole: &Whole) -> Vec<String> {
        let room = self.size.rows.saturating_sub(3).min(MOST_TASKS);
        let mut shown: Vec<_> = tasks.iter().collect();
        if shown.len() > room {
            // Those that work before those that wait, each in their order.
            shown.sort_by_key(|task| task.is_waiting());
            shown.truncate(room);
            shown.sort_by_key(|task| task.id);
        }
        let names = shown.iter().map(|task| self.name(task).width());
        let name_columns = names.max().unwrap_or(0);
        let mut rows: Vec<_> = shown
            .iter()
            .map(|task| self.task(task, name_columns))
            .collect();
        let left_out = tasks.len() - shown.len();
        if left_out > 0 {
            rows.push(self.cut(&format!("and {left_out} more"), self.columns()));
        }
        rows.push(self.whole(whole));
        rows.into_iter().map(|row| self.letters.only(row)).collect()
    }

    /// A line that stays, as far as it fits.
    pub fn finished(self, mut finished: Finished) -> String {
        loop {
            let behind = finished.behind();
            let room = self.columns().saturating_sub(behind.width() + 2);
            if room >= finished.name.width().min(LEAST_NAME) {
                return format!("{}: {behind}", self.fitted(&finished.name, room));
            }
            let worst = (0..finished.parts.len()).max_by_key(|part| finished.parts[*part].0);
            match worst.filter(|_| finished.parts.len() > 1) {
                Some(worst) => drop(finished.parts.remove(worst)),
                None => return self.cut(&finished.line(), self.columns()),
            }
        }
    }

    /// The last column stays free: what stands in it has the next letter in the next row on some
    /// terminals, and not on others.
    fn columns(self) -> usize {
        self.size.columns.saturating_sub(1)
    }

    fn name(self, task: &Running) -> String {
        let most = (self.columns() * 9 / 20).min(44);
        self.fitted(&task.shown_name(), most)
    }

    fn task(self, task: &Running, name_columns: usize) -> String {
        let name = self.name(task);
        let gap = " ".repeat(name_columns - name.width() + 1);
        let rest = self.columns().saturating_sub(name_columns + 1);
        let state = match (task.stage(), task.total) {
            (Some(stage), _) => self.cut(&escape_line(&stage.text()), rest),
            (None, Some(total)) => self.bar(task, total, rest),
            (None, None) => self.counter(task, rest),
        };
        format!("{name}{gap}{state}")
    }

    /// How far a task is whose end is known.
    fn bar(self, task: &Running, total: u64, rest: usize) -> String {
        let done = task.done();
        let mut behind = format!(" {:>3}%", percent(done, total));
        if task.unit != Unit::Items {
            let add = |behind: &mut String, text: String, columns: usize| {
                let column = format!(" {text:>columns$}");
                if behind.len() + column.len() + 2 * NARROWEST_BAR <= rest {
                    behind.push_str(&column);
                }
            };
            add(&mut behind, ByteSize(total).to_string(), AMOUNT);
            let rate = task.rate().map(|rate| format!("{}/s", ByteSize(rate)));
            add(&mut behind, rate.unwrap_or_default(), RATE);
        }
        let room = rest.saturating_sub(behind.len()).min(WIDEST_BAR);
        if room < NARROWEST_BAR {
            return behind;
        }
        let inner = room - 2;
        let full = inner * usize::try_from(percent(done, total)).unwrap_or(0) / 100;
        let head = if full < inner { ">" } else { "" };
        let bar = format!("{}{head}", "=".repeat(full));
        format!("[{bar:inner$}]{behind}")
    }

    /// How much has come where nobody knows of how much, and how fast.
    fn counter(self, task: &Running, rest: usize) -> String {
        let mut text = format!(
            "{} {:>5}",
            self.letters.spinner(self.turn),
            clock(task.worked())
        );
        let mut columns = text.width();
        if task.unit != Unit::Items {
            let rate = task.rate().map(|rate| format!("{}/s", ByteSize(rate)));
            let shown = [
                (ByteSize(task.done()).to_string(), AMOUNT),
                (rate.unwrap_or_default(), RATE),
            ];
            for (value, wanted) in shown {
                if columns + 1 + wanted <= rest {
                    text.push_str(&format!(" {value:>wanted$}"));
                    columns += 1 + wanted;
                }
            }
        }
        text
    }

    /// The part of the work, how much of it is done and how long the rest takes.
    fn whole(self, whole: &Whole) -> String {
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
        parts.extend(whole.left().map(|time| (1, left(time))));
        parts.push((2, clock(whole.elapsed)));
        loop {
            let text = parts.iter().map(|(_, part)| part.as_str());
            let text = text.collect::<Vec<_>>().join("  ");
            let worst = (0..parts.len()).max_by_key(|part| parts[*part].0);
            match worst {
                Some(worst) if text.width() > self.columns() && parts.len() > 1 => {
                    parts.remove(worst);
                }
                _ => return self.cut(&text, self.columns()),
            }
        }
    }

    /// A name with no more columns: without the digest at its end, or else without its middle.
    fn fitted(self, name: &str, columns: usize) -> String {
        if name.width() <= columns {
            return name.to_owned();
        }
        let digest = name.rsplit_once(' ');
        let digest = digest.filter(|(_, last)| last.starts_with("sha256:"));
        let name = digest.map_or(name, |(without, _)| without);
        if name.width() <= columns {
            return name.to_owned();
        }
        let gap = self.letters.gap();
        let Some(room) = columns.checked_sub(gap.width() + 2) else {
            return cut(name, columns).to_owned();
        };
        let head = cut(name, 1 + room / 2);
        let backwards: String = name.chars().rev().collect();
        let tail = cut(&backwards, 1 + room - room / 2);
        let tail: String = tail.chars().rev().collect();
        format!("{head}{gap}{tail}")
    }

    /// A text with no more columns, without its end.
    fn cut(self, text: &str, columns: usize) -> String {
        if text.width() <= columns {
            return text.to_owned();
        }
        let gap = self.letters.gap();
        match columns.checked_sub(gap.width()) {
            Some(room) => format!("{}{gap}", cut(text, room)),
            None => cut(text, columns).to_owned(),
        }
    }
}

/// As much of the start as fits.
fn cut(text: &str, columns: usize) -> &str {
    let mut taken = 0;
    for (at, letter) in text.char_indices() {
        taken += letter.width().unwrap_or(0);
        if taken > columns {
            return &text[..at];
        }
    }
    text
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::progress::task::Stage;
    use crate::progress::{Phase, Task};

    const NAMES: [&str; 5] = [
        "layer 10 of 12 sha256:0123456789ab",
        "read /a/very/long/path/to/some/image/that/somebody/called/archive.tar",
        "registry.example.org/team/name:tag: layer 2 of 3 sha256:0123456789ab",
        "読む読む読む読む読む読む読む読む読む読む読む読む",
        "seal",
    ];

    fn drawing(columns: usize, letters: Letters) -> Drawing {
        Drawing {
            letters,
            size: Size { columns, rows: 24 },
            turn: 3,
        }
    }

    fn tasks() -> Vec<Arc<Running>> {
        let mut tasks = Vec::new();
        for (number, name) in NAMES.into_iter().enumerate() {
            for task in [
                Task::bytes(Phase::Layers, name, (1 << 60) - 1),
                Task::bytes(Phase::Layers, name, None),
                Task::items(Phase::Layers, name, 1000),
                Task::items(Phase::Layers, name, None),
                Task::bytes(Phase::Layers, name, 0),
            ] {
                let task = Running::new(task);
                task.add((1 << 20) * number as u64 - number as u64);
                tasks.push(Arc::new(task));
            }
        }
        let waits = Running::new(Task::bytes(Phase::Layers, NAMES[0], 5));
        waits.enter(Stage::Waiting("a connection of one's own".to_owned()));
        tasks.push(Arc::new(waits));
        tasks
    }

    fn whole() -> Whole {
        Whole {
            phase: Phase::Transfer,
            done: Some((1 << 59) - 1),
            total: Some((1 << 60) - 1),
            rate: Some((1 << 20) - 1),
            elapsed: Duration::from_secs(360_000),
            at_work: 1,
            waiting: 0,
        }
    }

    #[test]
    fn each_row_fits_a_terminal_of_any_width_and_no_bar_is_wider_than_forty_columns() {
        for columns in 1..200 {
            for letters in [Letters::Ascii, Letters::Unicode] {
                for tasks in tasks().chunks(6) {
                    let rows = drawing(columns, letters).rows(tasks, &whole());
                    assert_eq!(rows.len(), tasks.len() + 1);
                    for row in rows {
                        let most = usize::max(columns - 1, 1);
                        // A name has one column at least of a terminal that has none for it.
                        let is_bare = columns < 24;
                        assert!(row.width() <= most || is_bare, "{columns}: {row}");
                        assert!(letters == Letters::Unicode || row.is_ascii(), "{row}");
                        let bar = row.split_once('[').and_then(|(_, bar)| bar.split_once(']'));
                        assert!(bar.is_none_or(|(bar, _)| bar.len() <= 38), "{row}");
                    }
                }
            }
        }
    }

    #[test]
    fn what_is_known_is_told_where_there_is_room() {
        let layer = Arc::new(Running::new(Task::bytes(Phase::Layers, NAMES[0], 8 << 20)));
        layer.add(2 << 20);
        let rows = |columns| drawing(columns, Letters::Ascii).rows(&[Arc::clone(&layer)], &whole());
        let narrow = rows(40);
        assert_eq!(narrow[0], "layer 10 of 12 [====>            ]  25%");
        assert_eq!(narrow[1], "transfer  49%  152710094 h left");
        let usual = rows(80);
        assert!(
            usual[0].starts_with("layer 10 of 12 sha256:0123456789ab [==="),
            "{usual:?}"
        );
        assert!(usual[0].contains("  25%      8 MiB"), "{usual:?}");
    }

    #[test]
    fn a_line_that_stays_loses_digest_rate_amount_and_time_where_there_is_no_room_for_them() {
        let layer = Running::new(Task::transferred(Phase::Layers, NAMES[0], 8 << 20));
        layer.add(8 << 20);
        let line = |columns| {
            let finished = Finished::of(&layer, "downloaded, verified", Duration::from_secs(2));
            drawing(columns, Letters::Ascii).finished(finished)
        };
        for (columns, expected) in [
            (
                100,
                format!("{}: downloaded, verified, 8 MiB, 4 MiB/s, 2.00 s", NAMES[0]),
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
            assert!(line(columns).width() < columns.max(2), "{columns}");
        }
    }

    #[test]
    fn tasks_beyond_the_room_are_counted_and_those_that_wait_are_left_out_first() {
        let task = |number: u32| {
            let name = format!("layer {number}");
            Arc::new(Running::new(Task::bytes(Phase::Layers, &name, 5)))
        };
        let tasks: Vec<_> = (0..100).map(task).collect();
        for task in &tasks[..95] {
            task.enter(Stage::Waiting("a connection".to_owned()));
        }
        let rows = drawing(80, Letters::Unicode).rows(&tasks, &whole());
        assert_eq!(rows.len(), MOST_TASKS + 2);
        assert!(rows[MOST_TASKS - 1].starts_with("layer 99 ["), "{rows:?}");
        assert_eq!(rows[MOST_TASKS], "and 88 more");
        let low = Drawing {
            size: Size {
                columns: 80,
                rows: 3,
            },
            ..drawing(80, Letters::Unicode)
        };
        assert_eq!(low.rows(&tasks, &whole()).len(), 2);
    }

    #[test]
    fn names_lose_their_digest_first_and_paths_their_middle() {
        let fitted = |name, columns| drawing(80, Letters::Unicode).fitted(name, columns);
        assert_eq!(fitted(NAMES[0], 17), "layer 10 of 12");
        assert_eq!(fitted(NAMES[1], 17), "read /a/…hive.tar");
        assert_eq!(fitted(NAMES[2], 17), "registry…r 2 of 3");
        assert_eq!(fitted("read the filesystem back", 14), "read t…em back");
        assert_eq!(fitted("seal", 17), "seal");
        assert_eq!(fitted(NAMES[3], 9).width(), 9);
        assert_eq!(fitted(NAMES[1], 2), "re");
    }
}
