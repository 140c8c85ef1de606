//! An earlier filesystem in a recipe, which is in the recipe's directory, and typed beside one, which is
//! where it was typed.

use std::fs;
use std::process::Command;

use super::Versions;
use super::support::run::Ended;

fn recipe(versions: &Versions, like: &str) {
    let text = format!(
        "source = \"docker-archive:2.tar\"\n[filesystem]\nfs = \"ext4\"\n{like}\n[output]\nfile = \"fs.img\"\n"
    );
    fs::write(versions.press.input("r.toml"), text).unwrap();
}

fn built(versions: &Versions, options: &[&str]) -> Ended {
    let press = &versions.press;
    let mut build = press.command("build");
    build.arg("--recipe").arg(press.input("r.toml"));
    build.arg("--output-dir").arg(press.root().join("out"));
    build.arg("--work-dir").arg(press.root().join("work"));
    press.run(build.arg("--json").args(options).current_dir(press.root()))
}

#[test]
fn a_recipe_says_the_same_as_the_options() {
    let versions = Versions::new(&["--fs=ext4"]);
    let output = versions.press.output();
    versions.made_like(&["--fs=ext4", "--like-strict"]);
    let expected = fs::read(&output).unwrap();
    recipe(&versions, "like = \"old.img\"\nlike-strict = true");
    built(&versions, &[]).succeeded();
    assert!(fs::read(&output).unwrap() == expected);
    // Words of the image are filled in.
    fs::copy(versions.old(), versions.press.input("name-tag.old")).unwrap();
    recipe(&versions, "like = \"{name}-{tag}.old\"");
    built(&versions, &[]).succeeded();
    assert!(fs::read(&output).unwrap() == expected);
    // Typed beside, it is where it was typed.
    recipe(&versions, "like = \"absent\"");
    built(&versions, &["--like=in/old.img", "--like-strict"]).succeeded();
    assert!(fs::read(&output).unwrap() == expected);
    built(&versions, &["--like=old.img"]).failed(3, &["old.img"]);

    let plan = |words: &[&str]| -> Command {
        let mut plan = versions.press.command("plan");
        plan.arg("--recipe").arg(versions.press.input("r.toml"));
        plan.args(words);
        plan
    };
    recipe(&versions, "like = \"old.img\"");
    let planned = versions.press.run(&mut plan(&["--json"]));
    let planned: serde_json::Value = serde_json::from_str(planned.succeeded()).unwrap();
    assert_eq!(planned["like"]["layout"], "kept");
}

#[test]
fn what_a_recipe_is_like_does_not_lead_out_of_its_directory() {
    let versions = Versions::new(&["--fs=ext4"]);
    let outside = versions.press.root().join("tmp/old.img");
    fs::copy(versions.old(), &outside).unwrap();
    std::os::unix::fs::symlink(&outside, versions.press.input("link.img")).unwrap();
    for path in ["../tmp/old.img", "link.img", outside.to_str().unwrap()] {
        recipe(&versions, &format!("like = \"{path}\""));
        built(&versions, &[]).failed(3, &["leads out of it"]);
        fs::remove_file(versions.press.root().join("out/fs.img")).unwrap_err();
    }
    recipe(&versions, "like = \"link.img\"");
    built(&versions, &["--allow-outside"]).succeeded();
}

#[test]
fn a_printed_recipe_says_it() {
    let versions = Versions::new(&[]);
    let mut print = versions.press.command("build");
    print.args([
        "--print-recipe",
        "2.tar",
        "-o",
        "x.img",
        "--like=old.img",
        "--like-strict",
    ]);
    let printed = versions
        .press
        .run(print.current_dir(versions.press.root().join("in")));
    let text = printed.succeeded();
    assert!(text.contains("like = \"old.img\""), "{text}");
    assert!(text.contains("like-strict = true"), "{text}");
    let mut print = versions.press.command("build");
    print.args(["--print-recipe", "2.tar", "-o", "x.img"]);
    let printed = versions
        .press
        .run(print.current_dir(versions.press.root().join("in")));
    assert!(!printed.succeeded().contains("like"), "{}", printed.stdout);
}
