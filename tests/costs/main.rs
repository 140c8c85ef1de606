//! What a build of a fixed image costs in things that a clock does not blur: bytes read and written,
//! system calls, allocations. A change that makes it dearer by more than a tenth fails here; one
//! that makes it cheaper by as much is asked to write the new figures down, so that they stay.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod allocations;
mod calls;
mod edits;
mod host_blocks;
mod image;
mod tars;

/// Held by each test that builds: allocations are counted for the whole process.
static ALONE: std::sync::Mutex<()> = std::sync::Mutex::new(());

fn alone() -> std::sync::MutexGuard<'static, ()> {
    ALONE
        .lock()
        .unwrap_or_else(std::sync::PoisonError::into_inner)
}

/// How far a figure may be from the one written down, in hundredths.
const ROOM_PERCENT: u64 = 10;

/// A figure, what it counts and what was written down for it.
#[derive(Debug, Clone, Copy)]
struct Cost {
    what: &'static str,
    found: u64,
    expected: u64,
}

/// Everything that is out of bounds, a line each.
fn strayed(form: &str, costs: &[Cost]) -> Vec<String> {
    let line = |cost: &Cost| {
        let Cost {
            what,
            found,
            expected,
        } = *cost;
        let room = expected * ROOM_PERCENT / 100;
        let verdict = if found > expected + room {
            "dearer than before"
        } else if found + room < expected {
            "cheaper than before: write the new figure down"
        } else {
            return None;
        };
        Some(format!(
            "{form}: expected {expected} {what} (± {ROOM_PERCENT} %), found {found}, {verdict}"
        ))
    };
    costs.iter().filter_map(line).collect()
}

#[test]
fn a_tenth_more_is_allowed_and_a_little_over_that_is_not_in_either_direction() {
    let cost = |found| {
        let what = "bytes";
        let expected = 1000;
        strayed(
            "form",
            &[Cost {
                what,
                found,
                expected,
            }],
        )
    };
    assert_eq!(cost(1100), [""; 0]);
    assert_eq!(cost(900), [""; 0]);
    assert!(cost(1101)[0].contains("expected 1000 bytes (± 10 %), found 1101, dearer"));
    assert!(cost(899)[0].contains("cheaper"));
}
