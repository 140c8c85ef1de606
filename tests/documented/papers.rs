//! A paper held against what happens.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};

use super::blocks::{Block, Shown, blocks_of, commands_of};
use super::command_lines;
use super::masks::is_shown;
use super::renewed::renewed;
use super::services;
use super::session::{Ended, Session};

/// What a paper's run gave.
#[derive(Debug, Default)]
pub struct Held {
    /// `LINE: what is wrong`.
    pub faults: Vec<String>,
    /// The text with what is shown renewed, where that was asked for and something else was said.
    pub renewed: Option<String>,
    pub blocks_run: usize,
}

/// `README.md` and all papers below docs/.
pub fn all() -> Vec<PathBuf> {
    let mut papers = vec![PathBuf::from("README.md")];
    let mut directories = vec![PathBuf::from("docs")];
    while let Some(directory) = directories.pop() {
        for entry in fs::read_dir(root().join(&directory)).unwrap() {
            let path = directory.join(entry.unwrap().file_name());
            if root().join(&path).is_dir() {
                directories.push(path);
            } else if path.extension().is_some_and(|ending| ending == "md") {
                papers.push(path);
            }
        }
    }
    papers.sort();
    papers
}

pub fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// What is wrong with a paper's words alone: nothing is run for it.
pub fn read(text: &str) -> Vec<String> {
    let (blocks, faults) = blocks_of(text);
    let written = faults
        .iter()
        .map(|(line, fault)| format!("{line}: {fault}"));
    let typed = blocks.iter().flat_map(|block| {
        let scripts = match block.language.as_str() {
            "sh" => vec![block.text.join("\n")],
            "console" => typed_in(block),
            _ => vec![],
        };
        let faults = scripts
            .iter()
            .flat_map(|script| command_lines::faults_in(script));
        let needs = &block.told.needs;
        let faults = faults.chain(needs.iter().filter_map(|need| services::unknown(need)));
        let faults: Vec<_> = faults
            .map(|fault| format!("{}: {fault}", block.line))
            .collect();
        faults
    });
    written.chain(typed).collect()
}

fn typed_in(block: &Block) -> Vec<String> {
    let commands = commands_of(&block.text).into_iter();
    commands.map(|shown| shown.command).collect()
}

/// Runs a paper's blocks, and holds what they show against what was said.
pub fn hold(text: &str, renew: bool) -> Held {
    let mut held = Held {
        faults: read(text),
        ..Held::default()
    };
    let (blocks, _) = blocks_of(text);
    let runs = |block: &&Block| {
        block.told.not_run.is_none() && (block.is_shell() || block.told.file.is_some())
    };
    let needs = blocks.iter().filter(runs);
    let needs: BTreeSet<_> = needs.flat_map(|block| &block.told.needs).collect();
    let here = needs.into_iter().filter(|need| services::is_here(need));
    let here: Vec<String> = here.cloned().collect();
    let has_all = |block: &&Block| block.told.needs.iter().all(|need| here.contains(need));
    let blocks: Vec<_> = blocks.iter().filter(runs).filter(has_all).collect();
    if !held.faults.is_empty() || blocks.is_empty() {
        return held;
    }
    let mut session = Session::start(&here);
    let mut changes = Vec::new();
    for block in blocks {
        let tell = |fault: String| format!("{}: {fault}", block.line);
        if session.has_ended() {
            let fault = "not reached: the shell has ended".to_owned();
            held.faults.push(tell(fault));
            continue;
        }
        held.blocks_run += 1;
        match (&block.told.file, block.language.as_str()) {
            (Some(name), _) => session.write(name, &block.text),
            (None, "sh") => {
                let ended = session.run_whole(&block.text.join("\n"));
                let expected = block.told.exit.unwrap_or(0);
                let fault = wrong_code(&ended, expected, "the block");
                held.faults.extend(fault.map(tell));
            }
            (None, _) => {
                let (faults, lines) = console(&mut session, block, renew);
                held.faults.extend(faults.into_iter().map(tell));
                changes.push((block, lines));
            }
        }
    }
    let now = with_changes(text, &changes);
    held.renewed = (renew && now != text).then_some(now);
    held
}

fn with_changes(text: &str, changes: &[(&Block, Vec<String>)]) -> String {
    let mut lines: Vec<String> = text.lines().map(str::to_owned).collect();
    // From behind, so that the lines of those before stay where they are.
    for (block, now) in changes.iter().rev() {
        let body = block.line..block.line + block.text.len();
        if block.text != *now {
            let indented = now.iter().map(|line| format!("{}{line}", block.indent));
            lines.splice(body, indented.map(|line| line.trim_end().to_owned()));
        }
    }
    lines.join("\n") + "\n"
}

/// Runs a console block's commands; what is wrong, and the block's lines as they are to be.
fn console(session: &mut Session, block: &Block, renew: bool) -> (Vec<String>, Vec<String>) {
    let commands = commands_of(&block.text);
    let mut faults = Vec::new();
    let mut lines = Vec::new();
    let mut from = 0;
    for (index, command) in commands.iter().enumerate() {
        let shown = &block.text[command.output.clone()];
        lines.extend_from_slice(&block.text[from..command.output.start]);
        from = command.output.end;
        let ended = session.run(&command.command);
        let said = trimmed(&ended.said);
        let is_last = index + 1 == commands.len();
        let asks = |next: &Shown| next.command.contains("$?");
        if !commands.get(index + 1).is_some_and(asks) {
            let expected = block.told.exit.filter(|_| is_last).unwrap_or(0);
            faults.extend(wrong_code(&ended, expected, &command.command));
        }
        if is_shown(&trimmed(shown), &said) {
            lines.extend_from_slice(shown);
        } else if renew {
            let now = renewed(shown, &said);
            if !is_shown(&now, &said) {
                let now = now.join("\n  ");
                faults.push(format!("`{}` cannot be renewed: {now}", command.command));
            }
            lines.extend(now);
        } else {
            lines.extend_from_slice(shown);
            faults.push(format!(
                "`{}` shows\n  {}\nand said\n  {}\n(UPDATE=1 renews it)",
                command.command,
                shown.join("\n  "),
                said.join("\n  ")
            ));
        }
    }
    (faults, lines)
}

/// Without spaces at the ends of lines, and without empty lines at the end.
fn trimmed(lines: &[String]) -> Vec<String> {
    let lines = lines.iter().map(|line| line.trim_end().to_owned());
    let mut lines: Vec<_> = lines.collect();
    while lines.last().is_some_and(String::is_empty) {
        lines.pop();
    }
    lines
}

fn wrong_code(ended: &Ended, expected: i32, command: &str) -> Option<String> {
    let said = ended.said.join("\n  ");
    let code = ended.code;
    let wrong = code != expected;
    wrong.then(|| format!("`{command}` ended with {code}, expected {expected}:\n  {said}"))
}
