//! What the papers show is what happens: each block of commands in `README.md` and `docs/` is run, in
//! one shell for each paper, in a directory that looks like a fresh clone, and what is shown below a
//! command is held against what it says. `docs/README.md` has the rules.
//!
//! `UPDATE=1 cargo test --test documented` renews what is shown; `PAPER=docs/a.md` takes one paper alone.
#![cfg(feature = "cli")]
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod blocks;
mod command_lines;
mod links;
mod masks;
mod papers;
mod recorded;
mod reference;
mod renewed;
mod services;
mod session;
#[path = "../support/mod.rs"]
mod support;
mod wrong;

use std::fs;
use std::sync::Mutex;
use std::sync::atomic::{AtomicUsize, Ordering};

#[test]
fn every_block_of_the_papers_is_run_and_what_it_shows_is_what_is_said() {
    let renew = std::env::var_os("UPDATE").is_some();
    let only = std::env::var("PAPER").ok();
    let mut papers = papers::all();
    papers.retain(|paper| only.as_ref().is_none_or(|only| paper.ends_with(only)));
    assert!(!papers.is_empty(), "no paper is called {only:?}");
    let next = AtomicUsize::new(0);
    let faults = Mutex::new(Vec::new());
    let blocks_run = AtomicUsize::new(0);
    std::thread::scope(|scope| {
        for _ in 0..std::thread::available_parallelism().unwrap().get() {
            scope.spawn(|| {
                while let Some(paper) = papers.get(next.fetch_add(1, Ordering::Relaxed)) {
                    let path = papers::root().join(paper);
                    let held = papers::hold(&fs::read_to_string(&path).unwrap(), renew);
                    blocks_run.fetch_add(held.blocks_run, Ordering::Relaxed);
                    if let Some(text) = held.renewed {
                        fs::write(&path, text).unwrap();
                    }
                    let name = paper.display();
                    let named = held.faults.iter().map(|fault| format!("{name}:{fault}"));
                    faults.lock().unwrap().extend(named);
                }
            });
        }
    });
    let faults = faults.into_inner().unwrap();
    assert!(faults.is_empty(), "{}", faults.join("\n\n"));
    if only.is_none() {
        let blocks_run = blocks_run.into_inner();
        assert!(blocks_run > 0, "{blocks_run}");
    }
}
