//! The line above a directory's names: what they take together, as GNU's `ls` has it.

use serde_json::Value;

use crate::support::oracles::succeed;
use crate::support::session::Layer;
use crate::{pressed, told};

/// Bytes that the names of a directory take, by their JSON.
fn taken(subject: &str) -> u64 {
    let text = told(&["ls", "--json", subject, "/dir"]);
    let bytes = text.lines().map(|line| {
        let value: Value = serde_json::from_str(line).unwrap();
        value["allocated_bytes"].as_u64().unwrap()
    });
    bytes.sum()
}

#[test]
fn the_total_is_the_sum_of_what_json_tells_in_the_unit_of_the_lines_below() {
    let layer = Layer::new()
        .directory("dir")
        .file("dir/small", b"x")
        .file("dir/large", &[7; 3_000_000])
        .file("dir/middle", &[7; 150_000])
        .tar();
    let (_press, image, filesystem) = pressed(vec![layer]);
    for subject in [&image, &filesystem] {
        let bytes = taken(subject);
        assert!(bytes >= 3_150_001, "{bytes}");
        let human = succeed("numfmt", ["--to=iec", "--round=up", &bytes.to_string()]);
        let human = String::from_utf8(human).unwrap();
        for (options, total) in [
            ("-l", bytes.div_ceil(1024).to_string()),
            ("-s", bytes.div_ceil(1024).to_string()),
            ("-lh", human.trim().to_owned()),
            ("-sh", human.trim().to_owned()),
        ] {
            let text = told(&["ls", options, subject, "/dir"]);
            let first = text.lines().next().unwrap();
            assert_eq!(first, format!("total {total}"), "{options} {subject}");
        }
        let plain = told(&["ls", "-h", subject, "/dir"]);
        assert!(!plain.contains("total"), "{plain}");
        // Names alone take no total.
        let name = told(&["ls", "-lh", subject, "/dir/small"]);
        assert_eq!(name.lines().count(), 1, "{name}");
        // Sizes end in one column.
        let text = told(&["ls", "-lh", subject, "/dir"]);
        let ends: Vec<_> = ["2.9M", "147K", "  1 "]
            .map(|size| {
                text.lines()
                    .find_map(|line| Some(line.find(size)? + size.trim_end().len()))
            })
            .into();
        assert!(
            ends[0].is_some() && ends.iter().all(|end| *end == ends[0]),
            "{ends:?} {text}"
        );
    }
}
