//! What is shown, made anew from what was said: what was right stays as it is written, masks too.

use super::masks::{MASK, is_line_shown, is_shown};

/// The lines that are to be shown for what was said.
pub fn renewed(shown: &[String], said: &[String]) -> Vec<String> {
    if is_shown(shown, said) {
        return shown.to_vec();
    }
    let mut lines = Vec::new();
    let (mut from_shown, mut from_said) = (0, 0);
    let mut pairs = alike(shown, said);
    pairs.push((shown.len(), said.len()));
    for (to_shown, to_said) in pairs {
        let between = between(&shown[from_shown..to_shown], &said[from_said..to_said]);
        lines.extend(between);
        if let (Some(shown), Some(said)) = (shown.get(to_shown), said.get(to_said)) {
            lines.push(match is_line_shown(shown, said) {
                true => shown.clone(),
                false => masked_as(shown, said),
            });
        }
        (from_shown, from_said) = (to_shown + 1, to_said + 1);
    }
    lines
}

/// The row of lines that are shown as they were said, or at least begin with the same word, by their
/// places: one of those that have most in common.
fn alike(shown: &[String], said: &[String]) -> Vec<(usize, usize)> {
    let worth = |a: usize, b: usize| match (shown[a].trim() == MASK, first_word(&shown[a])) {
        (true, _) => 0,
        _ if is_line_shown(&shown[a], &said[b]) => 4,
        (false, Some(word)) if first_word(&said[b]) == Some(word) => 1,
        _ => 0,
    };
    let mut best = vec![vec![0; said.len() + 1]; shown.len() + 1];
    for a in (0..shown.len()).rev() {
        for b in (0..said.len()).rev() {
            let pair = best[a + 1][b + 1] + worth(a, b);
            best[a][b] = pair.max(best[a + 1][b]).max(best[a][b + 1]);
        }
    }
    let mut pairs = Vec::new();
    let (mut a, mut b) = (0, 0);
    while a < shown.len() && b < said.len() {
        let worth = worth(a, b);
        if worth > 0 && best[a][b] == best[a + 1][b + 1] + worth {
            pairs.push((a, b));
            (a, b) = (a + 1, b + 1);
        } else if best[a + 1][b] >= best[a][b + 1] {
            a += 1;
        } else {
            b += 1;
        }
    }
    pairs
}

fn first_word(line: &str) -> Option<&str> {
    line.split_whitespace().next()
}

/// What is to be shown between two lines that are right: as many lines before a mask, and behind
/// it, as there were.
fn between(shown: &[String], said: &[String]) -> Vec<String> {
    let Some(mask) = shown.iter().position(|line| line.trim() == MASK) else {
        return with_masks(shown, said);
    };
    let before = mask.min(said.len());
    let last = shown.iter().rposition(|line| line.trim() == MASK);
    let behind = shown.len() - 1 - last.unwrap_or(mask);
    let behind = behind.min(said.len() - before);
    let mut lines = with_masks(&shown[..mask], &said[..before]);
    lines.push(shown[mask].clone());
    let rest = &said[said.len() - behind..];
    lines.extend(with_masks(&shown[shown.len() - behind..], rest));
    lines
}

/// New lines; where an old one with a mask in it begins alike, the new one is masked from there on.
fn with_masks(shown: &[String], said: &[String]) -> Vec<String> {
    let masked = |line: &String| {
        let is_like = |old: &&String| first_word(old) == first_word(line);
        let old = shown.iter().find(is_like);
        old.map_or_else(|| line.clone(), |old| masked_as(old, line))
    };
    said.iter().map(masked).collect()
}

/// A new line, masked from where the old one was.
fn masked_as(old: &str, line: &str) -> String {
    let at = old.chars().position(|letter| letter == '…');
    match at.filter(|at| *at < line.chars().count()) {
        Some(at) => line.chars().take(at).chain(MASK.chars()).collect(),
        None => line.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_changed_is_renewed_and_what_is_masked_stays_so() {
        let lines = |text: &str| -> Vec<String> { text.lines().map(str::to_owned).collect() };
        for (shown, said, expected) in [
            // Right already: not even the time changes.
            ("a, 0.1 s\n…", "a, 9.9 s\nb", "a, 0.1 s\n…"),
            ("a\nb\nc", "a\nB\nc", "a\nB\nc"),
            ("a\n…\nc", "a\nx\ny\nC", "a\n…\nC"),
            ("…\na\nb, 1 s", "x\na\nb2, 1 s", "…\na\nb2, 1 s"),
            ("…\nold\nlast", "x\ny\nnew\nlast", "…\nnew\nlast"),
            ("id sha256:12…\nb", "id sha256:7788\nB", "id sha256:77…\nB"),
            ("", "a", "a"),
            (
                "…\nsize 1\nid…\n…",
                "x\nsize 2\nid 5\ny",
                "…\nsize 2\nid…\n…",
            ),
            ("a", "", ""),
        ] {
            let found = renewed(&lines(shown), &lines(said));
            assert_eq!(found, lines(expected), "{shown:?} {said:?}");
            assert!(is_shown(&found, &lines(said)), "{found:?}");
        }
    }
}
