//! All tasks that run, and how far they are together.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use indicatif::ProgressBar;

use super::task::{Running, rate};
use crate::progress::{Phase, Unit};

/// The tasks of one listener.
#[derive(Debug, Default)]
pub struct Board {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tasks: BTreeMap<u64, Arc<Running>>,
    /// Bytes of tasks that have ended beside others of their phase.
    ended: BTreeMap<(Phase, bool), u64>,
    began: Option<Instant>,
    last: Option<Phase>,
    /// Estimate how fast each goes, from its first task on; nothing is drawn of them.
    bars: BTreeMap<(Phase, bool), ProgressBar>,
}

/// How far the whole is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Whole {
    /// The latest part of the work that anything is done for.
    pub phase: Phase,
    /// Bytes that are done of it; `None` where none are counted.
    pub done: Option<u64>,
    /// Of how many; `None` where that is not known of all of it.
    pub total: Option<u64>,
    /// Bytes a second of late.
    pub rate: Option<u64>,
    /// How long the rest takes at that rate; `None` where anything of that would be a guess.
    pub left: Option<Duration>,
    /// Since the first task began.
    pub elapsed: Duration,
    /// Tasks of the phase that work.
    pub at_work: usize,
    /// Tasks of the phase that wait.
    pub waiting: usize,
}

impl Board {
    /// Takes a task that begins.
    pub fn take(&self, task: &Arc<Running>) {
        let mut state = self.state();
        state.began.get_or_insert_with(Instant::now);
        if let Some(kind) = kind(task.unit) {
            let bar = state.bars.entry((task.phase, kind));
            bar.or_insert_with(ProgressBar::hidden);
        }
        state.tasks.insert(task.id, Arc::clone(task));
    }

    /// Lets go of one that ends.
    pub fn let_go(&self, task: &Running) {
        let mut state = self.state();
        state.tasks.remove(&task.id);
        state.last = Some(task.phase);
        let is_last = !state.tasks.values().any(|other| other.phase == task.phase);
        if is_last {
            state.ended.retain(|(phase, _), _| *phase != task.phase);
        } else if let Some(kind) = kind(task.unit) {
            *state.ended.entry((task.phase, kind)).or_default() += task.done();
        }
    }

    /// All tasks, in the order in which they began.
    pub fn tasks(&self) -> Vec<Arc<Running>> {
        self.state().tasks.values().cloned().collect()
    }

    /// How far all of it is; `None` before anything has begun.
    pub fn whole(&self) -> Option<Whole> {
        let state = self.state();
        let elapsed = state.began?.elapsed();
        let running = state.tasks.values().map(|task| task.phase).max();
        let phase = running.or(state.last)?;
        let of_phase = state.tasks.values().filter(|task| task.phase == phase);
        let of_phase: Vec<_> = of_phase.cloned().collect();
        let waiting = of_phase.iter().filter(|task| task.is_waiting()).count();
        // What comes over a network is the slowest, and counted by the layers as well.
        let is_transferred = |task: &Arc<Running>| task.unit == Unit::TransferredBytes;
        let kind_shown = of_phase.iter().any(is_transferred);
        let counted = of_phase
            .iter()
            .filter(|task| kind(task.unit) == Some(kind_shown));
        let counted: Vec<_> = counted.collect();
        let ended = state.ended.get(&(phase, kind_shown)).copied().unwrap_or(0);
        let done = counted.iter().map(|task| task.done()).sum::<u64>() + ended;
        let total = counted.iter().map(|task| task.total).sum::<Option<u64>>();
        let has_bytes = !counted.is_empty();
        // What is not counted in bytes takes a time that nobody knows.
        let is_known = has_bytes && of_phase.iter().all(|task| kind(task.unit).is_some());
        let total = total.filter(|_| is_known).map(|total| total + ended);
        let bar = state.bars.get(&(phase, kind_shown)).filter(|_| has_bytes);
        if let Some(bar) = bar {
            bar.update(|state| {
                state.set_pos(done);
                state.set_len(total.unwrap_or(done));
            });
        }
        let rate = bar.and_then(|bar| rate(bar.per_sec()));
        let left = bar.map(ProgressBar::eta);
        Some(Whole {
            phase,
            done: has_bytes.then_some(done),
            total,
            rate,
            left: left.filter(|_| rate > Some(0) && total > Some(done)),
            elapsed,
            at_work: of_phase.len() - waiting,
            waiting,
        })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Whether bytes come over a network; `None` for what are no bytes.
fn kind(unit: Unit) -> Option<bool> {
    match unit {
        Unit::Bytes => Some(false),
        Unit::TransferredBytes => Some(true),
        Unit::Items => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::cli::progress::task::Stage;
    use crate::progress::Task;

    fn begin(board: &Board, task: Task<'_>) -> Arc<Running> {
        let task = Arc::new(Running::new(task));
        board.take(&task);
        task
    }

    #[test]
    fn the_whole_is_what_the_latest_phase_has_done_of_all_its_bytes() {
        let board = Board::default();
        assert_eq!(board.whole(), None);
        let one = begin(&board, Task::bytes(Phase::Layers, "layer 1", 100));
        let two = begin(&board, Task::bytes(Phase::Layers, "layer 2", 300));
        two.enter(Stage::Waiting("layer 1".to_owned()));
        one.add(100);
        board.let_go(&one);
        let whole = board.whole().unwrap();
        let found = (whole.phase, whole.done, whole.total);
        assert_eq!(found, (Phase::Layers, Some(100), Some(400)));
        assert_eq!((whole.at_work, whole.waiting), (0, 1));
        let write = begin(&board, Task::bytes(Phase::Write, "writing", 50));
        assert_eq!(board.whole().unwrap().total, Some(50));
        board.let_go(&write);
        board.let_go(&two);
        let whole = board.whole().unwrap();
        assert_eq!((whole.phase, whole.done), (Phase::Layers, None));
    }

    #[test]
    fn what_is_downloaded_is_counted_once_and_of_what_has_no_known_end_no_end_is_told() {
        let board = Board::default();
        let layer = begin(&board, Task::bytes(Phase::Layers, "layer 1", 100));
        let download = begin(&board, Task::transferred(Phase::Layers, "download", 80));
        layer.add(30);
        download.add(10);
        let whole = board.whole().unwrap();
        assert_eq!((whole.done, whole.total), (Some(10), Some(80)));
        let pipe = begin(&board, Task::bytes(Phase::Write, "pipe", None));
        pipe.add(1 << 50);
        let whole = look(&board);
        assert_eq!((whole.done, whole.total), (Some(1 << 50), None));
        assert!(whole.rate.is_some() && whole.left.is_none(), "{whole:?}");
        let _fsck = begin(&board, Task::items(Phase::Prove, "e2fsck", None));
        let _hash = begin(&board, Task::bytes(Phase::Prove, "verity", 10));
        assert_eq!(board.whole().unwrap().total, None);
    }

    #[test]
    fn the_time_left_is_told_where_bytes_and_rate_are_known() {
        let board = Board::default();
        let task = begin(&board, Task::bytes(Phase::Write, "writing", 1 << 60));
        let found = look(&board);
        assert_eq!((found.rate, found.left), (None, None));
        task.add(1 << 50);
        let found = look(&board);
        let (rate, left) = (found.rate.unwrap(), found.left.unwrap());
        // At that rate, roughly: a while has passed between the two.
        let bytes = left.as_secs_f64() * rate as f64;
        assert!((1e17..2e19).contains(&bytes), "{found:?}");
        task.add((1 << 60) - (1 << 50));
        assert_eq!(look(&board).left, None);
    }

    /// After a while.
    fn look(board: &Board) -> Whole {
        std::thread::sleep(Duration::from_millis(2));
        board.whole().unwrap()
    }
}
