//! The picture of the README's first session is of the run that the README shows.

use std::fs;

use super::blocks::blocks_of;
use super::masks::{MASK, is_line_shown};
use super::papers::root;

/// The lines of text in a picture.
fn lines_of(picture: &str) -> Vec<String> {
    let lines = picture.lines().filter(|line| line.starts_with("<text "));
    let texts = lines.map(|line| {
        let parts = line.split("<tspan").skip(1);
        let parts = parts.filter_map(|part| part.split_once('>')?.1.split_once("</tspan>"));
        let text: String = parts.map(|(text, _)| text).collect();
        let text = text.replace("&lt;", "<").replace("&gt;", ">");
        text.replace("&quot;", "\"")
            .replace("&#x27;", "'")
            .replace("&amp;", "&")
    });
    texts.collect()
}

/// Lines of a paper's first session that the picture does not have, in their order.
fn missing(paper: &str, picture: &str) -> Vec<String> {
    let (blocks, _) = blocks_of(paper);
    let session = blocks.iter().find(|block| block.language == "console");
    let mut drawn = lines_of(picture).into_iter();
    let shown = session
        .unwrap()
        .text
        .iter()
        .filter(|line| line.trim() != MASK);
    let mut missing = Vec::new();
    for line in shown {
        let rest = drawn.clone();
        if drawn.by_ref().all(|drawn| !is_line_shown(line, &drawn)) {
            missing.push(line.clone());
            drawn = rest;
        }
    }
    missing
}

#[test]
fn the_recorded_session_is_the_one_that_the_readme_shows() {
    let read = |name: &str| fs::read_to_string(root().join(name)).unwrap();
    let (paper, picture) = (read("README.md"), read("docs/session.svg"));
    assert!(lines_of(&picture).len() > 10, "{picture}");
    assert_eq!(
        missing(&paper, &picture),
        [""; 0],
        "scripts/record-session records it anew"
    );
    // What is looked for is found.
    let first = "$ layerpress build";
    assert!(missing(&paper.replace(first, "$ layerpress plan"), &picture)[0].contains("plan"));
    assert!(missing(&paper, &picture.replace("layerpress", "pressed")).len() > 1);
    for outside in ["href", "url(", "@import", "<script", "<foreignObject"] {
        assert!(!picture.contains(outside), "{outside}");
    }
}
