//! What edits cost: each name is looked at once, however many patterns there are.

use layerpress::Edits;
use layerpress::progress::Silent;
use layerpress::tree::{Changing, FlattenOptions, TreeEdits, flatten_with};

use crate::support::changeset::{Item, ItemKind, Layer, changesets};
use crate::{Cost, alone, strayed};

/// Directories of ten files each.
fn layer(directories: usize) -> Layer {
    let mut items = Vec::new();
    for directory in 0..directories {
        let path = format!("d{directory}");
        items.push(Item::new(path.as_bytes(), ItemKind::Directory));
        for file in 0..10 {
            let path = format!("{path}/file-{file}");
            items.push(Item::new(path.as_bytes(), ItemKind::File(Vec::new())));
        }
    }
    Layer {
        whiteouts: true,
        items,
    }
}

/// Allocations that edits make beyond those of a tree that is only copied.
fn allocations(directories: usize, edits: &Edits) -> u64 {
    let edits = TreeEdits::of(edits).unwrap();
    let (changesets, _) = changesets(&[layer(directories)]);
    let changing = Changing {
        edits: &edits,
        put_in: Vec::new(),
    };
    let _profiler = dhat::Profiler::builder().testing().build();
    let changed = flatten_with(changesets, changing, &FlattenOptions::default(), &Silent).unwrap();
    let found = dhat::HeapStats::get().total_blocks;
    drop(changed);
    found
}

fn excluding(patterns: usize) -> Edits {
    let pattern = |index| format!("*-{index}-no-such-*");
    Edits {
        exclude: (0..patterns).map(pattern).collect(),
        ..Edits::default()
    }
}

#[test]
fn edits_look_at_each_name_once_whatever_the_number_of_patterns() {
    let _alone = alone();
    // What is only copied: a mode that is there already.
    let copied = Edits {
        root_mode: Some("0755".parse().unwrap()),
        ..Edits::default()
    };
    let names = |directories: usize| directories as u64 * 11;
    // Once, so that what is kept between matches is there.
    allocations(10, &excluding(50));
    let mut costs = Vec::new();
    for (directories, patterns) in [(1000, 1), (2000, 1), (1000, 50)] {
        let own =
            allocations(directories, &excluding(patterns)) - allocations(directories, &copied);
        costs.push(Cost {
            what: "allocations for each name",
            found: own * 100 / names(directories),
            expected: 100,
        });
    }
    let strays = strayed("exclude", &costs);
    assert!(strays.is_empty(), "{}", strays.join("\n"));
}
