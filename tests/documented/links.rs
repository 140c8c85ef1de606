//! Every relative link of every paper leads to a file, and its anchor to a heading there.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Component, Path, PathBuf};

use super::papers::{all, root};

/// The papers at the root and beside what they tell of.
const OTHERS: [&str; 5] = [
    "ARCHITECTURE.md",
    "CHANGELOG.md",
    "CONTRIBUTING.md",
    "SECURITY.md",
    "fixtures/INDEX.md",
];

/// The prose of a paper: without blocks and without what stands in backquotes.
fn prose(text: &str) -> String {
    let mut is_block = false;
    let mut prose = String::new();
    for line in text.lines() {
        let fence = line.trim_start().starts_with("```");
        is_block ^= fence;
        if !is_block && !fence {
            prose.push_str(line);
            prose.push('\n');
        }
    }
    prose
}

/// What links of a paper lead to.
fn links(text: &str) -> Vec<String> {
    let prose = prose(text);
    // A link's words may be in backquotes, and what is in backquotes may look like a link.
    let links = prose
        .split("](")
        .skip(1)
        .filter_map(|rest| rest.split_once(')'));
    links.map(|(target, _)| target.trim().to_owned()).collect()
}

/// Anchors of a paper's headings, as GitHub makes them.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut anchors = BTreeSet::new();
    for line in prose(text).lines() {
        let title = line.trim_start_matches('#');
        let is_heading = title.len() < line.len() && title.starts_with(' ');
        if !is_heading {
            continue;
        }
        let kept = |letter: &char| letter.is_alphanumeric() || " -_".contains(*letter);
        let anchor: String = title.trim().to_lowercase().chars().filter(kept).collect();
        let anchor = anchor.replace(' ', "-");
        let mut name = anchor.clone();
        let mut number = 0;
        while !anchors.insert(name.clone()) {
            number += 1;
            name = format!("{anchor}-{number}");
        }
    }
    anchors
}

/// Links of a paper that lead nowhere.
fn broken(paper: &Path, text: &str) -> Vec<String> {
    let is_broken = |target: &String| {
        if target.contains("://") || target.starts_with("mailto:") {
            return false;
        }
        let (file, anchor) = target.split_once('#').unwrap_or((target, ""));
        let beside = paper.parent().unwrap_or(Path::new(""));
        let path = match file {
            "" => paper.to_owned(),
            _ => beside.join(file),
        };
        let Some(path) = plain(&path) else {
            return true;
        };
        let path = root().join(path);
        if !file.is_empty() && !path.exists() {
            return true;
        }
        let has_anchor = || match file {
            "" => anchors(text).contains(anchor),
            _ => fs::read_to_string(&path).is_ok_and(|text| anchors(&text).contains(anchor)),
        };
        !anchor.is_empty() && !has_anchor()
    };
    links(text).into_iter().filter(is_broken).collect()
}

/// A path without `..`, if it stays below the root.
fn plain(path: &Path) -> Option<PathBuf> {
    let mut plain = PathBuf::new();
    for component in path.components() {
        match component {
            Component::ParentDir => plain.pop().then_some(())?,
            Component::Normal(name) => plain.push(name),
            _ => {}
        }
    }
    Some(plain)
}

#[test]
fn every_link_leads_to_a_file_and_every_anchor_to_a_heading() {
    let mut papers = all();
    papers.extend(OTHERS.map(PathBuf::from));
    let mut wrong = Vec::new();
    let mut count = 0;
    for paper in &papers {
        let text = fs::read_to_string(root().join(paper)).unwrap();
        count += links(&text).len();
        let broken = broken(paper, &text);
        wrong.extend(
            broken
                .iter()
                .map(|link| format!("{}: {link}", paper.display())),
        );
    }
    assert_eq!(wrong, [""; 0]);
    assert!(count > 60, "{count}");
}

/// Papers that links lead to, from one on.
fn reached(from: &str) -> BTreeSet<PathBuf> {
    let mut reached = BTreeSet::new();
    let mut next = vec![PathBuf::from(from)];
    while let Some(paper) = next.pop() {
        if !reached.insert(paper.clone()) {
            continue;
        }
        let text = fs::read_to_string(root().join(&paper)).unwrap();
        let beside = paper.parent().unwrap();
        let files = links(&text).into_iter();
        let files = files.map(|link| link.split('#').next().unwrap_or_default().to_owned());
        let files = files.filter(|file| file.ends_with(".md") && !file.contains("://"));
        next.extend(files.filter_map(|file| plain(&beside.join(file))));
    }
    reached
}

#[test]
fn every_paper_is_reached_from_the_readme_by_links() {
    let found = reached("README.md");
    let unreached: Vec<_> = all()
        .into_iter()
        .filter(|paper| !found.contains(paper))
        .collect();
    assert_eq!(unreached, Vec::<PathBuf>::new());
    // From a page with no links nothing is reached but itself: the walk does not read directories.
    assert_eq!(reached("docs/reference/exit-codes.md").len(), 1);
}

#[test]
fn a_link_that_leads_nowhere_is_told() {
    let text = "# A title: with `code`, twice\n\n## Same\n## Same\n[a](#a-title-with-code-twice) [b](#same-1)\n\
        [c](../README.md) [d](nowhere.md) [e](#nowhere) [f](README.md#nowhere) [g](https://example.org/x)\n\
        [h](../../../etc/passwd) [`i`](README.md)\n```sh\n# Block\n[j](nothing)\n```\n[k](#block)\n";
    assert_eq!(
        broken(Path::new("docs/x.md"), text),
        [
            "nowhere.md",
            "#nowhere",
            "README.md#nowhere",
            "../../../etc/passwd",
            "#block"
        ]
    );
}
