//! The source files, and which of them are test code.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use super::tokens::{self, Token};

/// A source file.
#[derive(Debug, Clone)]
pub struct Source {
    /// From the package's root, with `/`.
    pub path: String,
    pub text: String,
    /// Whether only tests are compiled with it.
    pub is_test: bool,
}

impl Source {
    /// The modules that the file stands in, from the crate's root: `["source", "tree"]` for
    /// `src/source/tree/mod.rs`.
    pub fn module(&self) -> Vec<&str> {
        let path = self.path.trim_end_matches(".rs");
        path.split('/')
            .skip(1)
            .filter(|name| !matches!(*name, "mod" | "lib" | "main"))
            .collect()
    }
}

/// All Rust sources under a directory of the package, by path.
pub fn under(directory: &str) -> Vec<Source> {
    let mut paths = vec![directory.to_owned()];
    let mut sources = Vec::new();
    while let Some(path) = paths.pop() {
        if Path::new(&path).is_dir() {
            for entry in fs::read_dir(&path).unwrap() {
                let name = entry.unwrap().file_name().into_string().unwrap();
                paths.push(format!("{path}/{name}"));
            }
        } else if path.ends_with(".rs") {
            sources.push(Source {
                text: fs::read_to_string(&path).unwrap(),
                path,
                is_test: false,
            });
        }
    }
    sources.sort_by(|a, b| a.path.cmp(&b.path));
    mark_tests(&mut sources);
    sources
}

/// A module declared as `#[cfg(test)] mod name;` is test code, and so is what stands below it.
fn mark_tests(sources: &mut [Source]) {
    let mut test_modules = BTreeSet::new();
    for source in &*sources {
        for name in tokens::test_modules_in_files(&tokens::of(&source.text)) {
            let mut module: Vec<_> = source.module().into_iter().map(str::to_owned).collect();
            module.push(name);
            test_modules.insert(module);
        }
    }
    for source in sources {
        let module: Vec<_> = source.module().into_iter().map(str::to_owned).collect();
        source.is_test = (1..=module.len()).any(|length| test_modules.contains(&module[..length]));
    }
}

/// The tokens that are compiled into the library.
pub fn shipped_tokens(source: &Source) -> Vec<Token> {
    if source.is_test {
        return Vec::new();
    }
    tokens::without_tests(tokens::of(&source.text))
}
