//! The fuzz targets' bodies over mutated seeds, on any toolchain: a second each here, as long as
//! `LAYERPRESS_FUZZ_SECONDS` says with `scripts/fuzz`.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

mod bodies;
mod seeds;

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use bodies::Body;
use support::mutation::Random;

/// The most that one input may take, on a busy machine and without optimisation.
const INPUT_LIMIT: Duration = Duration::from_secs(10);

/// How long to go on beyond the runs that there always are.
fn wanted() -> Duration {
    let seconds = std::env::var("LAYERPRESS_FUZZ_SECONDS").ok();
    Duration::from_secs(seconds.map_or(0, |seconds| seconds.parse().unwrap()))
}

/// What came of the inputs.
#[derive(Debug, Default, PartialEq)]
struct Counted {
    sound: u64,
    refused: u64,
}

/// Gives a body inputs, each known by its number; one that it cannot bear is kept in a file.
fn run(
    name: &str,
    body: Body,
    runs: u64,
    mut input: impl FnMut(u64) -> Vec<u8>,
) -> Result<Counted, String> {
    let started = Instant::now();
    let mut counted = Counted::default();
    for number in 1.. {
        if number > runs && started.elapsed() >= wanted() {
            break;
        }
        let input = input(number);
        let began = Instant::now();
        let outcome = catch_unwind(AssertUnwindSafe(|| body(&input)));
        let outcome = match outcome {
            Ok(_) if began.elapsed() > INPUT_LIMIT => Err("took too long"),
            Ok(sound) => Ok(sound),
            Err(_) => Err("panicked"),
        };
        match outcome {
            Ok(true) => counted.sound += 1,
            Ok(false) => counted.refused += 1,
            Err(what) => {
                let kept = std::env::temp_dir().join(format!("layerpress-{name}-{number}"));
                fs::write(&kept, &input).unwrap();
                let kept = kept.display();
                return Err(format!(
                    "{name}: input {number} {what}; it is kept as {kept}"
                ));
            }
        }
    }
    Ok(counted)
}

/// Runs a body over mutations of its seeds.
fn mutated(name: &str, runs: u64) {
    let (_, body) = bodies::ALL[bodies::ALL
        .iter()
        .position(|(own, _)| *own == name)
        .unwrap()];
    let seeds = seeds::of(name);
    let counted = run(name, body, runs, |number| {
        let mut random = Random(number.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        let mut bytes = seeds[random.below(seeds.len())].clone();
        seeds::mutate(name, &mut random, &mut bytes);
        bytes
    });
    let counted = counted.unwrap_or_else(|failed| panic!("{failed}"));
    eprintln!("{name}: {counted:?}");
    // Else the changes would be all too crude or all too fine.
    let least = runs / 50;
    assert!(
        counted.sound >= least && counted.refused >= least,
        "{name}: {counted:?}"
    );
}

#[test]
fn no_tar_is_too_much() {
    mutated("tar_index", 300);
}

#[test]
fn no_pax_header_is_too_much() {
    mutated("pax", 300);
}

#[test]
fn no_list_of_file_flags_is_too_much() {
    mutated("file_flags", 300);
}

#[test]
fn no_acl_is_too_much() {
    mutated("acl", 300);
}

#[test]
fn no_layout_is_too_much() {
    mutated("oci_layout", 300);
}

#[test]
fn no_docker_manifest_is_too_much() {
    mutated("docker_manifest", 300);
}

#[test]
fn no_filesystem_is_too_much() {
    mutated("view", 200);
}

#[test]
fn no_exported_filesystem_is_too_much() {
    mutated("export", 200);
}

#[test]
fn no_challenge_is_too_much() {
    mutated("challenge", 5000);
}

#[test]
fn no_credentials_are_too_much() {
    mutated("credentials", 5000);
}

#[test]
fn no_list_of_packages_is_too_much() {
    mutated("packages", 5000);
}

#[test]
fn no_recipe_is_too_much() {
    mutated("recipe", 5000);
}

#[test]
fn no_artifact_is_too_much() {
    mutated("artifact", 5000);
}

/// A fuzzer starts from them: `LAYERPRESS_FUZZ_SEEDS` says where they are to be written.
#[test]
fn the_seeds_themselves_are_sound() {
    let directory = std::env::var_os("LAYERPRESS_FUZZ_SEEDS").map(PathBuf::from);
    for (name, body) in bodies::ALL {
        for (number, seed) in seeds::of(name).iter().enumerate() {
            assert!(body(seed), "{name}: seed {number}");
            if let Some(directory) = &directory {
                let place = directory.join(name);
                fs::create_dir_all(&place).unwrap();
                fs::write(place.join(number.to_string()), seed).unwrap();
            }
        }
    }
}

#[test]
fn an_input_that_a_body_cannot_bear_is_found_and_kept() {
    let fails: Body = |bytes| {
        assert!(bytes != b"7");
        true
    };
    let input = |number: u64| number.to_string().into_bytes();
    let failed = run("self-test", fails, 9, input).unwrap_err();
    let (said, kept) = failed.split_once("; it is kept as ").unwrap();
    assert_eq!(said, "self-test: input 7 panicked");
    assert_eq!(fs::read(kept).unwrap(), b"7");
    fs::remove_file(kept).unwrap();
}

/// Each has a file in `fuzz/`, by the body's name, and none has another's body. A package of the
/// library lacks `fuzz/`, which is one of its own.
#[test]
fn every_body_has_its_fuzz_target() {
    let root = PathBuf::from(env!("CARGO_MANIFEST_DIR"));
    if root.join("Cargo.toml.orig").exists() {
        assert!(!root.join("fuzz").exists());
        return;
    }
    let manifest = fs::read_to_string(root.join("fuzz/Cargo.toml")).unwrap();
    for (name, _) in bodies::ALL {
        let target = root.join(format!("fuzz/fuzz_targets/{name}.rs"));
        let target = fs::read_to_string(target).unwrap();
        assert!(target.contains(&format!("bodies::{name}(bytes)")), "{name}");
        assert!(manifest.contains(&format!("name = \"{name}\"")), "{name}");
    }
    assert_eq!(manifest.matches("[[bin]]").count(), bodies::ALL.len());
}
