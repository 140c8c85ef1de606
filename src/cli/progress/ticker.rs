//! What keeps bars moving that are told nothing.

use std::sync::{Arc, Mutex, MutexGuard, OnceLock, PoisonError, Weak};
use std::time::Duration;

use indicatif::{ProgressBar, WeakProgressBar};

const INTERVAL: Duration = Duration::from_millis(120);

type Ticked = Mutex<Vec<WeakProgressBar>>;

/// Bars whose time is to go on, all on one thread; where there can be none they stand still. (Those
/// that the bars would start themselves panic then.)
#[derive(Default)]
pub struct Ticker {
    bars: Arc<Ticked>,
    started: OnceLock<()>,
}

impl Ticker {
    pub fn add(&self, bar: &ProgressBar) {
        lock(&self.bars).push(bar.downgrade());
        self.started.get_or_init(|| {
            let bars = Arc::downgrade(&self.bars);
            // Not waited for: it ends soon after this does.
            let _ = std::thread::Builder::new()
                .name("ticks".to_owned())
                .spawn(move || while tick(&bars) {});
        });
    }
}

/// Moves all that are there once; whether there may be more.
fn tick(bars: &Weak<Ticked>) -> bool {
    std::thread::sleep(INTERVAL);
    let Some(bars) = bars.upgrade() else {
        return false;
    };
    lock(&bars).retain(|bar| {
        let bar = bar.upgrade().filter(|bar| !bar.is_finished());
        bar.inspect(ProgressBar::tick).is_some()
    });
    true
}

fn lock(bars: &Ticked) -> MutexGuard<'_, Vec<WeakProgressBar>> {
    bars.lock().unwrap_or_else(PoisonError::into_inner)
}
