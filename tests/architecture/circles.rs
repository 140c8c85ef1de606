//! Modules that lead back to themselves: inside every room the modules form a stair, too.

use std::collections::{BTreeMap, BTreeSet};

use super::paths::{self, Modules, Path};
use super::sources::{Source, shipped_tokens};

type Uses = BTreeMap<String, BTreeSet<String>>;

/// Every circle of modules that stand in one module, at whatever depth, with the names on it.
pub fn circles(sources: &[Source]) -> BTreeSet<String> {
    let modules = Modules::of(sources);
    let mut uses: BTreeMap<Path, Uses> = BTreeMap::new();
    for source in sources {
        let from: Path = source.module().into_iter().map(str::to_owned).collect();
        for path in paths::of(&shipped_tokens(source), &source.module()) {
            let to = modules.defining(&path);
            let shared = from.iter().zip(&to).take_while(|(a, b)| a == b).count();
            if let (Some(user), Some(used)) = (from.get(shared), to.get(shared)) {
                uses.entry(from[..shared].to_vec())
                    .or_default()
                    .entry(user.clone())
                    .or_default()
                    .insert(used.clone());
            }
        }
    }
    let mut found = BTreeSet::new();
    for (module, uses) in &uses {
        let reached: BTreeMap<_, _> = uses
            .keys()
            .map(|name| (name, reached(uses, name)))
            .collect();
        for (name, others) in &reached {
            if !others.contains(*name) {
                continue;
            }
            let circle: Vec<_> = others
                .iter()
                .filter(|other| reached.get(other).is_some_and(|back| back.contains(*name)))
                .map(String::as_str)
                .collect();
            let place = if module.is_empty() {
                "the crate".to_owned()
            } else {
                module.join("::")
            };
            found.insert(format!(
                "in {place} these use each other: {}",
                circle.join(", ")
            ));
        }
    }
    found
}

/// What a module uses, and what that uses in turn.
fn reached(uses: &Uses, from: &str) -> BTreeSet<String> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from.to_owned()];
    while let Some(name) = open.pop() {
        for used in uses.get(&name).into_iter().flatten() {
            if reached.insert(used.clone()) {
                open.push(used.clone());
            }
        }
    }
    reached
}
