//! Two lists of packages held against each other.

use std::collections::BTreeMap;

use super::Package;

/// A package that is not the same in both.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PackageChange {
    /// The earlier one; none where it was added.
    pub before: Option<Package>,
    /// The later one; none where it was removed.
    pub after: Option<Package>,
}

impl PackageChange {
    /// Its name, which is the same in both.
    pub fn name(&self) -> &str {
        let either = self.after.as_ref().or(self.before.as_ref());
        either.map_or("", |package| &package.name)
    }
}

/// What changed from one list to the other, ascending by name and architecture. A package of the same
/// name and architecture is the same; where each list has one more of a name, that has changed its
/// architecture.
pub fn changes(before: &[Package], after: &[Package]) -> Vec<PackageChange> {
    let mut names: BTreeMap<&str, [Vec<&Package>; 2]> = BTreeMap::new();
    for (side, packages) in [before, after].into_iter().enumerate() {
        for package in packages {
            names.entry(&package.name).or_default()[side].push(package);
        }
    }
    let mut changes = Vec::new();
    for [before, after] in names.into_values() {
        of_one_name(before, after, &mut changes);
    }
    changes
}

fn of_one_name(before: Vec<&Package>, after: Vec<&Package>, changes: &mut Vec<PackageChange>) {
    // What both have, has not changed; both ascend.
    let only_in = |one: &[&Package], other: &[&Package]| -> Vec<Package> {
        let not_there = |package: &&&Package| {
            other
                .binary_search_by(|found| found.order().cmp(&package.order()))
                .is_err()
        };
        one.iter()
            .filter(not_there)
            .map(|package| Package::clone(package))
            .collect()
    };
    let mut gone: Vec<Option<Package>> = only_in(&before, &after).into_iter().map(Some).collect();
    let mut come: Vec<Option<Package>> = only_in(&after, &before).into_iter().map(Some).collect();
    let mut pair = |old: &mut Option<Package>, new: &mut Option<Package>| {
        changes.push(PackageChange {
            before: old.take(),
            after: new.take(),
        });
    };
    // Both ascend by architecture: each is gone through once.
    let mut next = 0;
    for old in &mut gone {
        let arch = |package: &Option<Package>| package.as_ref().map(|package| package.arch.clone());
        while next < come.len() && arch(&come[next]) < arch(old) {
            next += 1;
        }
        if next < come.len() && arch(&come[next]) == arch(old) {
            pair(old, &mut come[next]);
            next += 1;
        }
    }
    gone.retain(Option::is_some);
    come.retain(Option::is_some);
    if let ([old], [new]) = (&mut gone[..], &mut come[..]) {
        pair(old, new);
        return;
    }
    for old in &mut gone {
        pair(old, &mut None);
    }
    for new in &mut come {
        pair(&mut None, new);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn package(text: &str) -> Package {
        let words: Vec<_> = text.split(' ').collect();
        Package {
            name: words[0].to_owned(),
            version: words[1].to_owned(),
            arch: words[2].to_owned(),
        }
    }

    fn told(before: &[&str], after: &[&str]) -> Vec<String> {
        let list = |texts: &[&str]| {
            let mut list: Vec<_> = texts.iter().map(|text| package(text)).collect();
            list.sort_by(|one, other| one.order().cmp(&other.order()));
            list
        };
        let shown = |package: &Option<Package>| {
            let text = |package: &Package| format!("{} {}", package.version, package.arch);
            package.as_ref().map_or("-".to_owned(), text)
        };
        changes(&list(before), &list(after))
            .iter()
            .map(|change| {
                let (before, after) = (shown(&change.before), shown(&change.after));
                format!("{}: {before} > {after}", change.name())
            })
            .collect()
    }

    #[test]
    fn versions_come_go_and_change_by_name_and_architecture() {
        let before = ["a 1 all", "b 1 amd64", "b 1 i386", "c 1 all", "same 1 all"];
        let after = [
            "b 1 amd64",
            "b 2 i386",
            "c 1 amd64",
            "d 1 all",
            "same 1 all",
        ];
        assert_eq!(
            told(&before, &after),
            [
                "a: 1 all > -",
                "b: 1 i386 > 2 i386",
                "c: 1 all > 1 amd64",
                "d: - > 1 all",
            ]
        );
        assert_eq!(told(&before, &before), [""; 0]);
    }

    #[test]
    fn several_versions_of_one_package_are_paired_as_far_as_they_go() {
        assert_eq!(
            told(&["k 1 x", "k 2 x"], &["k 2 x", "k 3 x"]),
            ["k: 1 x > 3 x"]
        );
        assert_eq!(told(&["k 1 x"], &["k 1 x", "k 2 x"]), ["k: - > 2 x"]);
        assert_eq!(
            told(&["k 1 x", "k 1 y"], &["k 1 z"]),
            ["k: 1 x > -", "k: 1 y > -", "k: - > 1 z"]
        );
    }
}
