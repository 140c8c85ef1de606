//! The rows of tasks on a terminal, and that of the whole: indicatif draws them.

use std::sync::Arc;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget};

use super::board::Whole;
use super::canvas::Canvas;
use super::drawing::Drawing;
use super::letters::columns_of;
use super::task::Running;

/// The rows of one listener.
#[derive(Debug)]
pub struct Rows {
    canvas: Canvas,
    all: MultiProgress,
    /// Tasks that have one, in the order in which they began.
    shown: Vec<Arc<Running>>,
    /// That of the whole, below them.
    whole: ProgressBar,
}

impl Rows {
    /// None yet.
    pub fn new() -> Self {
        let canvas = Canvas::new();
        // Whoever calls `drawn` says how often: what indicatif draws in between nobody sees.
        let target = ProgressDrawTarget::term_like(Box::new(canvas.clone()));
        let all = MultiProgress::with_draw_target(target);
        let whole = all.add(ProgressBar::hidden());
        Self {
            canvas,
            all,
            shown: Vec::new(),
            whole,
        }
    }

    /// A row for each task, as far as there is room, and one for the whole.
    pub fn drawn(
        &mut self,
        drawing: Drawing,
        tasks: &[Arc<Running>],
        whole: &Whole,
    ) -> Vec<String> {
        self.canvas.resize(drawing.size);
        self.show(drawing.chosen(tasks));
        let names = self.shown.iter().map(|task| drawing.name(task));
        let columns = names.map(|name| columns_of(&name)).max().unwrap_or(0);
        for task in &self.shown {
            task.bar().set_style(drawing.task(task, columns));
        }
        for task in tasks {
            task.look();
        }
        let left_out = tasks.len() - self.shown.len();
        self.whole.set_style(drawing.whole(whole, left_out));
        self.whole.tick();
        let rows = self.canvas.rows().into_iter();
        rows.map(|row| drawing.letters.only(row)).collect()
    }

    /// Gives these a row, and no others.
    fn show(&mut self, chosen: Vec<Arc<Running>>) {
        let has = |tasks: &[Arc<Running>], id| tasks.iter().any(|task| task.id == id);
        for task in self.shown.iter().filter(|task| !has(&chosen, task.id)) {
            self.all.remove(task.bar());
        }
        for (at, task) in chosen.iter().enumerate() {
            if !has(&self.shown, task.id) {
                self.all.insert(at, task.bar().clone());
            }
        }
        self.shown = chosen;
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::cli::progress::drawing::MOST_TASKS;
    use crate::cli::progress::letters::Letters;
    use crate::cli::progress::task::Stage;
    use crate::cli::tell::Size;
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
            left: Some(Duration::from_secs(152_710_094 * 3600)),
            elapsed: Duration::from_secs(360_000),
            at_work: 1,
            waiting: 0,
        }
    }

    #[test]
    fn each_row_fits_a_terminal_of_any_width_and_no_bar_is_wider_than_forty_columns() {
        let (mut shown, tasks) = (Rows::new(), tasks());
        for columns in 1..200 {
            for letters in [Letters::Ascii, Letters::Unicode] {
                for tasks in tasks.chunks(6) {
                    let rows = shown.drawn(drawing(columns, letters), tasks, &whole());
                    assert_eq!(rows.len(), tasks.len() + 1);
                    for row in rows {
                        let most = usize::max(columns - 1, 1);
                        // A name has one column at least of a terminal that has none for it.
                        let is_bare = columns < 24;
                        assert!(columns_of(&row) <= most || is_bare, "{columns}: {row}");
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
        let mut shown = Rows::new();
        let mut rows = |columns| {
            let drawing = drawing(columns, Letters::Ascii);
            shown.drawn(drawing, &[Arc::clone(&layer)], &whole())
        };
        let narrow = rows(40);
        assert_eq!(narrow[0], "layer 10 of 12 [====>            ]  25%");
        assert_eq!(narrow[1], "transfer  49%  152710094 h left");
        let usual = rows(80);
        assert!(
            usual[0].starts_with("layer 10 of 12 sha256:0123456789ab [==="),
            "{usual:?}"
        );
        assert!(usual[0].contains("  25%      8 MiB"), "{usual:?}");
        layer.enter(Stage::Doing("verifying {name}".to_owned()));
        assert_eq!(rows(40)[0], "layer 10 of 12 verifying {name}");
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
        let mut shown = Rows::new();
        let mut rows = |drawing| shown.drawn(drawing, &tasks, &whole());
        let usual = drawing(80, Letters::Unicode);
        let drawn = rows(usual);
        assert_eq!(drawn.len(), MOST_TASKS + 2);
        assert!(drawn[MOST_TASKS - 1].starts_with("layer 99 ["), "{drawn:?}");
        assert_eq!(drawn[MOST_TASKS], "and 88 more");
        let low = Drawing {
            size: Size {
                columns: 80,
                rows: 3,
            },
            ..usual
        };
        assert_eq!(rows(low).len(), 2);
        // Those that work now have the rows of those that wait by now, in their order.
        for task in &tasks[..50] {
            task.add(1);
        }
        for task in &tasks[50..] {
            task.enter(Stage::Waiting("a connection".to_owned()));
        }
        let drawn = rows(usual);
        let names = drawn.iter().take(MOST_TASKS).enumerate();
        for (number, row) in names {
            assert!(row.starts_with(&format!("layer {number} ")), "{drawn:?}");
        }
    }
}
