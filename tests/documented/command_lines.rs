//! The command lines of layerpress in a shell's text, each held against the parser.

use clap::error::{ContextValue, ErrorKind};

/// What is wrong with the command lines of layerpress in a shell's text.
pub fn faults_in(script: &str) -> Vec<String> {
    let mut faults = Vec::new();
    for words in command_lines(script) {
        let parsed = layerpress::cli::command().try_get_matches_from(&words);
        if let Err(error) = parsed
            && !is_answer(&error)
            && !is_filled_in(&error)
        {
            let said = error.to_string();
            let first = said.lines().next().unwrap_or_default();
            faults.push(format!("`{}`: {first}", words.join(" ")));
        }
    }
    faults
}

/// What `--help` and `--version` give, and `help` by itself.
fn is_answer(error: &clap::Error) -> bool {
    [ErrorKind::DisplayHelp, ErrorKind::DisplayVersion].contains(&error.kind())
}

/// A value that the shell makes is not there to be judged.
fn is_filled_in(error: &clap::Error) -> bool {
    let value = error.get(clap::error::ContextKind::InvalidValue);
    error.kind() == ErrorKind::ValueValidation
        && matches!(value, Some(ContextValue::String(text)) if text.contains("$") || text.contains("SUBSTITUTED"))
}

/// The simple commands of a script that run layerpress, each with its words.
pub fn command_lines(script: &str) -> Vec<Vec<String>> {
    let mut found = Vec::new();
    let script = without_documents(&script.replace("\\\n", " "));
    for words in simple_commands(&script, &mut found) {
        found.extend(of_layerpress(words));
    }
    found
}

/// Without the lines of here documents.
fn without_documents(script: &str) -> String {
    let mut end: Option<String> = None;
    let mut kept = Vec::new();
    for line in script.lines() {
        match &end {
            Some(word) => {
                if line.trim() == word {
                    end = None;
                }
            }
            None => {
                kept.push(line);
                let word = line
                    .split_once("<<")
                    .map(|(_, rest)| rest.trim_start_matches('-'));
                let word = word.and_then(|rest| rest.split_whitespace().next());
                end = word.map(|word| word.trim_matches(['\'', '"']).to_owned());
            }
        }
    }
    kept.join("\n")
}

/// Words that stand before a command and are none of its own.
const BEFORE: [&str; 14] = [
    "sudo", "exec", "time", "!", "if", "then", "else", "elif", "while", "until", "do", "{", "env",
    "command",
];

fn of_layerpress(words: Vec<String>) -> Option<Vec<String>> {
    let is_assignment = |word: &str| {
        let name = word.split_once('=').map(|(name, _)| name);
        name.is_some_and(|name| {
            !name.is_empty() && name.chars().all(|l| l.is_ascii_alphanumeric() || l == '_')
        })
    };
    let at = words
        .iter()
        .position(|word| !BEFORE.contains(&word.as_str()) && !is_assignment(word))?;
    let words = words.into_iter().skip(at).collect::<Vec<_>>();
    let name = words[0].rsplit('/').next();
    (name == Some("layerpress")).then_some(words)
}

/// Splits a script into simple commands; those of substitutions that run layerpress go into
/// `found`.
fn simple_commands(script: &str, found: &mut Vec<Vec<String>>) -> Vec<Vec<String>> {
    let letters: Vec<char> = script.chars().collect();
    let mut commands = vec![Vec::new()];
    let mut word: Option<String> = None;
    let mut at = 0;
    let mut is_target = false;
    while let Some(&letter) = letters.get(at) {
        let next = letters.get(at + 1).copied();
        match letter {
            '\'' => {
                let end = position(&letters, at + 1, '\'');
                let text = word.get_or_insert_default();
                text.extend(&letters[at + 1..end]);
                at = end;
            }
            '"' => {
                let end = quoted(&letters, at + 1);
                let inner: String = letters[at + 1..end].iter().collect();
                word.get_or_insert_default()
                    .push_str(&inner.replace("\\\"", "\""));
                substituted(&inner, found);
                at = end;
            }
            '\\' => {
                word.get_or_insert_default().extend(next);
                at += 1;
            }
            '$' | '<' | '>' if next == Some('(') => {
                let end = closing(&letters, at + 2);
                let inner: String = letters[at + 2..end].iter().collect();
                for words in simple_commands(&inner, found) {
                    found.extend(of_layerpress(words));
                }
                word.get_or_insert_default().push_str("SUBSTITUTED");
                at = end;
            }
            '#' if word.is_none() => {
                at = position(&letters, at, '\n') - 1;
            }
            '<' | '>' => {
                // A number before it is the descriptor.
                let number = word.take();
                if let Some(text) = number.filter(|text| text.parse::<u8>().is_err()) {
                    push(&mut commands, text, &mut is_target);
                }
                while matches!(letters.get(at + 1), Some('<' | '>' | '&' | '|')) {
                    at += 1;
                }
                is_target = true;
            }
            ' ' | '\t' | '\n' | ';' | '|' | '&' | '(' | ')' => {
                if let Some(text) = word.take() {
                    push(&mut commands, text, &mut is_target);
                }
                if ![' ', '\t'].contains(&letter) {
                    commands.push(Vec::new());
                    is_target = false;
                }
            }
            _ => word.get_or_insert_default().push(letter),
        }
        at += 1;
    }
    if let Some(text) = word {
        push(&mut commands, text, &mut is_target);
    }
    commands.retain(|words| !words.is_empty());
    commands
}

/// A word of the last command; what a redirection leads to is none.
fn push(commands: &mut [Vec<String>], word: String, is_target: &mut bool) {
    if std::mem::take(is_target) {
        return;
    }
    if let Some(last) = commands.last_mut() {
        last.push(word);
    }
}

/// Where a letter comes next, or the end.
fn position(letters: &[char], from: usize, letter: char) -> usize {
    let found = letters[from..].iter().position(|found| *found == letter);
    found.map_or(letters.len(), |found| from + found)
}

/// Where double quotes end.
fn quoted(letters: &[char], from: usize) -> usize {
    let mut at = from;
    while let Some(&letter) = letters.get(at) {
        match letter {
            '"' => return at,
            '\\' => at += 2,
            '$' if letters.get(at + 1) == Some(&'(') => at = closing(letters, at + 2) + 1,
            _ => at += 1,
        }
    }
    letters.len()
}

/// Where the bracket of a substitution closes.
fn closing(letters: &[char], from: usize) -> usize {
    let mut depth = 1;
    let mut at = from;
    while let Some(&letter) = letters.get(at) {
        match letter {
            '\'' => at = position(letters, at + 1, '\''),
            '(' => depth += 1,
            ')' => depth -= 1,
            _ => {}
        }
        if depth == 0 {
            return at;
        }
        at += 1;
    }
    letters.len()
}

/// The substitutions inside double quotes.
fn substituted(text: &str, found: &mut Vec<Vec<String>>) {
    let letters: Vec<char> = text.chars().collect();
    let mut at = 0;
    while at < letters.len() {
        if letters[at] == '$' && letters.get(at + 1) == Some(&'(') {
            let end = closing(&letters, at + 2);
            let inner: String = letters[at + 2..end].iter().collect();
            for words in simple_commands(&inner, found) {
                found.extend(of_layerpress(words));
            }
            at = end;
        }
        at += 1;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_are_found_wherever_a_shell_runs_them() {
        let script = r#"
# layerpress of a comment
layerpress build a.tar -o 'b c.img' --size "+1G"   # and why
sudo layerpress mount a.img /mnt && echo layerpress && X=1 layerpress ls a.img >list 2>&1
if ! layerpress verify a.img a.tar; then echo no; fi
docker save x | target/debug/layerpress build - -o x.img \
  --fs ext4
echo "$(layerpress tags docker://a/b | tail -1)" $(layerpress ls b.img)
layerpress build a.tar --overlay <(tar -c x):/usr -o c.img
cat >file <<'EOF'
layerpress nothing
EOF
layerpress ls 'it''s.img'
"#;
        let found = command_lines(script);
        let mut found: Vec<_> = found.iter().map(|words| words[1..].join(" ")).collect();
        found.sort();
        assert_eq!(
            found,
            [
                "build - -o x.img --fs ext4",
                "build a.tar --overlay SUBSTITUTED:/usr -o c.img",
                "build a.tar -o b c.img --size +1G",
                "ls a.img",
                "ls b.img",
                "ls its.img",
                "mount a.img /mnt",
                "tags docker://a/b",
                "verify a.img a.tar",
            ]
        );
    }

    #[test]
    fn what_the_parser_does_not_know_is_told() {
        for (script, is_right) in [
            ("layerpress build a.tar -o b.img --fs ext4", true),
            ("layerpress build --help", true),
            ("layerpress build a.tar -o b.img --fs ext5", false),
            ("layerpress build a.tar -o b.img --no-such-option", false),
            ("layerpress biuld a.tar -o b.img", false),
            ("x=$(layerpress ls a.img --no-such-option)", false),
            ("echo layerpress --no-such-option", true),
        ] {
            assert_eq!(faults_in(script).is_empty(), is_right, "{script}");
        }
    }
}
