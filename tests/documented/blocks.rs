//! The fenced blocks of a paper, and what is said above them in comments.

/// A fenced block.
#[derive(Debug, Clone)]
pub struct Block {
    /// Of the opening fence, from 1.
    pub line: usize,
    /// What stands before the fence.
    pub indent: String,
    pub language: String,
    /// Without the indentation.
    pub text: Vec<String>,
    pub told: Told,
}

/// What the comments directly above a block say of it.
#[derive(Debug, Clone, Default)]
pub struct Told {
    pub not_run: Option<String>,
    pub needs: Vec<String>,
    /// The file that the block is the content of.
    pub file: Option<String>,
    /// What the block's last command ends with.
    pub exit: Option<i32>,
}

impl Block {
    /// Whether it is what somebody types.
    pub fn is_shell(&self) -> bool {
        ["sh", "console"].contains(&self.language.as_str())
    }
}

/// Languages of blocks that are no commands.
const OTHERS: [&str; 9] = [
    "text",
    "json",
    "toml",
    "yaml",
    "rust",
    "ini",
    "tsv",
    "diff",
    "dockerfile",
];

/// The blocks, and what is wrong with how they are written.
pub fn blocks_of(text: &str) -> (Vec<Block>, Vec<(usize, String)>) {
    let mut blocks = Vec::new();
    let mut faults = Vec::new();
    let mut above: Vec<(usize, &str)> = Vec::new();
    let mut lines = text
        .lines()
        .enumerate()
        .map(|(index, line)| (index + 1, line));
    while let Some((number, line)) = lines.next() {
        let bare = line.trim_start();
        if bare.starts_with("<!--") && bare.trim_end().ends_with("-->") {
            above.push((number, bare));
            continue;
        }
        let comments = std::mem::take(&mut above);
        let Some(language) = bare.strip_prefix("```") else {
            faults.extend(comments.into_iter().filter_map(strayed));
            continue;
        };
        let indent = &line[..line.len() - bare.len()];
        let mut body = Vec::new();
        let closed = lines.by_ref().any(|(_, line)| {
            let closes = line.trim() == "```";
            if !closes {
                body.push(
                    line.strip_prefix(indent)
                        .unwrap_or(line.trim_start())
                        .to_owned(),
                );
            }
            closes
        });
        if !closed {
            faults.push((number, "the block has no end".to_owned()));
        }
        let mut told = Told::default();
        for (number, comment) in comments {
            if let Err(fault) = tell(&mut told, comment) {
                faults.push((number, fault));
            }
        }
        let block = Block {
            line: number,
            indent: indent.to_owned(),
            language: language.trim().to_owned(),
            text: body,
            told,
        };
        faults.extend(faults_of(&block).into_iter().map(|fault| (number, fault)));
        blocks.push(block);
    }
    faults.extend(above.into_iter().filter_map(strayed));
    (blocks, faults)
}

/// A word of ours that stands above no block.
fn strayed((number, comment): (usize, &str)) -> Option<(usize, String)> {
    let name = content(comment)
        .split(':')
        .next()
        .unwrap_or_default()
        .trim();
    let is_ours = ["not run", "needs", "file", "exit"].contains(&name);
    is_ours.then(|| (number, format!("`{comment}` is not directly above a block")))
}

fn content(comment: &str) -> &str {
    let inner = comment.trim().strip_prefix("<!--").unwrap_or_default();
    inner.strip_suffix("-->").unwrap_or_default().trim()
}

fn tell(told: &mut Told, comment: &str) -> Result<(), String> {
    let (name, value) = content(comment)
        .split_once(':')
        .unwrap_or((content(comment), ""));
    let value = value.trim();
    if value.is_empty() {
        return Err(format!("`{comment}` does not say what or why"));
    }
    match name.trim() {
        "not run" => told.not_run = Some(value.to_owned()),
        "needs" => told.needs = value.split_whitespace().map(str::to_owned).collect(),
        "file" => told.file = Some(value.to_owned()),
        "exit" => {
            let code = value
                .parse()
                .map_err(|_| format!("`{comment}`: expected a number"))?;
            told.exit = Some(code);
        }
        other => {
            return Err(format!(
                "`{other}`: expected not run, needs, file or exit above a block"
            ));
        }
    }
    Ok(())
}

fn faults_of(block: &Block) -> Vec<String> {
    let mut faults = Vec::new();
    let language = &block.language;
    let begins = |prefix: &str| {
        block
            .text
            .first()
            .is_some_and(|line| line.starts_with(prefix))
    };
    if !block.is_shell() {
        if !OTHERS.contains(&language.as_str()) {
            faults.push(format!(
                "language `{language}`: expected sh, console or one of {}",
                OTHERS.join(", ")
            ));
        } else if begins("$ ") || begins("layerpress ") {
            faults.push(format!(
                "`{language}` holds commands: label it sh or console"
            ));
        }
    }
    let told = &block.told;
    if !block.is_shell() && (told.not_run.is_some() || told.exit.is_some()) {
        faults.push("nothing of this language is run anyway".to_owned());
    }
    if block.is_shell() && told.file.is_some() {
        faults.push("a file's content has a language of its own".to_owned());
    }
    if told.not_run.is_some() && (!told.needs.is_empty() || told.exit.is_some()) {
        faults.push("what is not run needs nothing and ends with nothing".to_owned());
    }
    if language == "console" && !begins("$ ") {
        faults.push("a console block begins with `$ ` and a command".to_owned());
    }
    faults
}

/// A command of a console block and what it is shown to say.
#[derive(Debug, Clone, PartialEq)]
pub struct Shown {
    /// As typed, without prompts.
    pub command: String,
    /// Lines of the block that are the output.
    pub output: std::ops::Range<usize>,
}

/// The commands of a console block: `$ ` begins one; `> `, or what follows a backslash at a line's
/// end, continues it; everything else is output.
pub fn commands_of(text: &[String]) -> Vec<Shown> {
    let mut commands: Vec<Shown> = Vec::new();
    let mut is_typed = false;
    for (index, line) in text.iter().enumerate() {
        if let Some(command) = line.strip_prefix("$ ") {
            let output = index + 1..index + 1;
            let command = command.to_owned();
            commands.push(Shown { command, output });
            is_typed = true;
            continue;
        }
        let Some(last) = commands.last_mut() else {
            continue;
        };
        let continued = match line.strip_prefix("> ") {
            Some(rest) if is_typed => Some(rest),
            _ if is_typed && last.command.ends_with('\\') => Some(line.as_str()),
            _ => None,
        };
        if let Some(rest) = continued {
            last.command = format!("{}\n{rest}", last.command);
            last.output = index + 1..index + 1;
        } else {
            is_typed = false;
            last.output.end = index + 1;
        }
    }
    commands
}
