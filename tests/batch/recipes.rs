//! Several images of a recipe, and a directory of recipes.

use std::fs;

use super::rig::{Rig, lines, states};
use super::support::run::Ended;

/// `build --recipe` with paths that begin among the inputs.
fn build(rig: &Rig, recipe: &str, options: &[&str]) -> Ended {
    let mut command = rig.press.command("build");
    command.arg("--recipe").arg(rig.press.input(recipe));
    command
        .arg("--output-dir")
        .arg(rig.press.root().join("out"));
    command.arg("--work-dir").arg(rig.press.root().join("work"));
    command.args(["--progress=none", "--json"]).args(options);
    rig.press.run(&mut command)
}

fn image(image: usize) -> String {
    format!("source = \"oci:image{image}:1\"\n[image.output]\nfile = \"{image}.img\"\n")
}

#[test]
fn a_recipe_of_several_images_makes_all_and_shards_part_it() {
    let rig = Rig::new();
    let alone = rig.alone(&["--progress=none"]);
    let all = (0..6).map(|index| format!("[[image]]\n{}", image(index)));
    fs::write(rig.press.input("all.toml"), all.collect::<String>()).unwrap();
    for (shard, expected) in [("--shard=0/2", [1, 3, 5]), ("--shard=1/2", [2, 4, 6])] {
        let ended = build(&rig, "all.toml", &[shard]);
        let built = expected.map(|index| (index, "built".to_owned()));
        assert_eq!(states(ended.succeeded()), built);
    }
    for (image, alone) in alone.iter().enumerate() {
        assert!(
            &fs::read(rig.output(image)).unwrap() == alone,
            "image {image}"
        );
    }
    let ended = build(&rig, "all.toml", &[]);
    let states = states(ended.succeeded());
    assert!(states.len() == 6 && states.iter().all(|(_, state)| state == "up_to_date"));
    build(&rig, "all.toml", &["-o", "x.img"])
        .failed(5, &["expected a recipe of one image beside --output"]);
}

#[test]
fn a_directory_of_recipes_is_made_in_byte_order_of_names() {
    let rig = Rig::new();
    for name in [
        "b.toml",
        "a.toml",
        "Z.toml",
        ".hidden.toml",
        "no-recipe.txt",
    ] {
        let index = match name {
            "Z.toml" => 0,
            "a.toml" => 1,
            "b.toml" => 2,
            _ => 3,
        };
        let text = image(index).replace("image.output", "output");
        fs::write(rig.press.input(name), text).unwrap();
    }
    let ended = build(&rig, "", &[]);
    let found = lines(ended.succeeded());
    let outputs: Vec<_> = found
        .values()
        .map(|line| line["output"].as_str().unwrap())
        .collect();
    assert_eq!(outputs.len(), 3);
    for (image, output) in outputs.iter().enumerate() {
        assert!(output.ends_with(&format!("/{image}.img")), "{outputs:?}");
    }
    // One alone is a part of a list, too.
    let ended = build(&rig, "a.toml", &["--shard=1/2"]);
    assert!(states(ended.succeeded()).is_empty());
    let ended = build(&rig, "a.toml", &["--shard=0/2"]);
    assert_eq!(states(ended.succeeded()), [(1, "up_to_date".to_owned())]);
    fs::create_dir(rig.press.input("empty")).unwrap();
    build(&rig, "empty", &[]).failed(
        5,
        &["expected recipes in the directory (*.toml), found none"],
    );
}

#[test]
fn what_is_for_many_is_refused_for_one() {
    let rig = Rig::new();
    for option in ["--shard=0/2", "--force", "--check-outputs"] {
        let mut command = rig.press.command("build");
        command
            .args([&*rig.references[0], "-o"])
            .arg(rig.output(0))
            .arg(option);
        let name = option.split('=').next().unwrap();
        let expected = format!("{name}: expected --list or --recipe beside it");
        rig.press.run(&mut command).failed(2, &[&expected]);
    }
}
