//! Rust source in words, without comments and strings; as much of the language as the rules need.

/// A word, `::`, or any other letter by itself.
pub type Token = String;

/// The tokens of a source.
pub fn of(text: &str) -> Vec<Token> {
    let mut tokens = Vec::new();
    let mut rest = text;
    while let Some(letter) = rest.chars().next() {
        rest = if rest.starts_with("//") {
            &rest[rest.find('\n').unwrap_or(rest.len())..]
        } else if rest.starts_with("/*") {
            after_block_comment(rest)
        } else if let Some(after) = after_string(rest) {
            after
        } else if let Some(after) = rest.strip_prefix("::") {
            tokens.push("::".to_owned());
            after
        } else if letter.is_alphanumeric() || letter == '_' {
            let end = rest.find(|letter: char| !letter.is_alphanumeric() && letter != '_');
            let (word, after) = rest.split_at(end.unwrap_or(rest.len()));
            tokens.push(word.to_owned());
            after
        } else {
            if !letter.is_whitespace() {
                tokens.push(letter.to_string());
            }
            &rest[letter.len_utf8()..]
        };
    }
    tokens
}

/// Block comments stand inside one another.
fn after_block_comment(text: &str) -> &str {
    let mut depth = 0;
    let mut at = 0;
    while at < text.len() {
        if text[at..].starts_with("/*") {
            depth += 1;
            at += 2;
        } else if text[at..].starts_with("*/") {
            depth -= 1;
            at += 2;
            if depth == 0 {
                break;
            }
        } else {
            at += text[at..].chars().next().map_or(1, char::len_utf8);
        }
    }
    &text[at..]
}

/// What follows a string or character literal at the start of `text`.
fn after_string(text: &str) -> Option<&str> {
    for prefix in ["r", "br", "cr"] {
        if let Some(after) = text.strip_prefix(prefix) {
            let hashes = after.bytes().take_while(|byte| *byte == b'#').count();
            if let Some(content) = after[hashes..].strip_prefix('"') {
                let end = format!("\"{}", "#".repeat(hashes));
                let at = content
                    .find(&end)
                    .map_or(content.len(), |at| at + end.len());
                return Some(&content[at..]);
            }
        }
    }
    for prefix in ["\"", "b\"", "c\""] {
        if let Some(content) = text.strip_prefix(prefix) {
            return Some(after_escaped(content, '"'));
        }
    }
    for prefix in ["'", "b'"] {
        let Some(content) = text.strip_prefix(prefix) else {
            continue;
        };
        let first = content.chars().next()?;
        // Else it is a lifetime.
        if first == '\\' || content[first.len_utf8()..].starts_with('\'') {
            return Some(after_escaped(content, '\''));
        }
    }
    None
}

fn after_escaped(content: &str, end: char) -> &str {
    let mut letters = content.char_indices();
    while let Some((at, letter)) = letters.next() {
        if letter == '\\' {
            letters.next();
        } else if letter == end {
            return &content[at + end.len_utf8()..];
        }
    }
    ""
}

const CFG_TEST: [&str; 7] = ["#", "[", "cfg", "(", "test", ")", "]"];

/// Names declared as `#[cfg(test)] mod name;`.
pub fn test_modules_in_files(tokens: &[Token]) -> Vec<Token> {
    let mut names = Vec::new();
    for (at, window) in tokens.windows(CFG_TEST.len()).enumerate() {
        if window == CFG_TEST {
            let after = &tokens[at + CFG_TEST.len()..];
            let at = after.iter().take(6).position(|token| token == "mod");
            if let Some([_, name, end]) = at.and_then(|at| after.get(at..at + 3))
                && end == ";"
            {
                names.push(name.clone());
            }
        }
    }
    names
}

/// The tokens without each item that `#[cfg(test)]` stands before.
pub fn without_tests(tokens: Vec<Token>) -> Vec<Token> {
    let mut kept = Vec::new();
    let mut at = 0;
    while at < tokens.len() {
        if tokens[at..].starts_with(&CFG_TEST.map(str::to_owned)) {
            at = item_end(&tokens, at + CFG_TEST.len());
        } else {
            kept.push(tokens[at].clone());
            at += 1;
        }
    }
    kept
}

/// An item ends at its semicolon or with its braces, whatever comes first outside of brackets.
fn item_end(tokens: &[Token], start: usize) -> usize {
    let mut depth = 0;
    for (at, token) in tokens.iter().enumerate().skip(start) {
        match token.as_str() {
            "{" | "(" | "[" => depth += 1,
            "}" | ")" | "]" => {
                depth -= 1;
                if depth == 0 && token == "}" {
                    return at + 1;
                }
            }
            ";" if depth == 0 => return at + 1,
            _ => {}
        }
    }
    tokens.len()
}
