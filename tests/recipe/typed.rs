//! What is typed beside a recipe, and what the commands make of one.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown};
use std::path::Path;
use std::time::{Duration, SystemTime};

use super::support::oracles;
use super::{RECIPE, build, build_by_options, by_recipe, press, read, write};

#[test]
fn a_recipe_makes_the_bytes_that_its_options_make() {
    let press = press();
    write(&press, RECIPE);
    build(&press, &["--set", "LABEL=root"]).succeeded();
    assert!(read(&press, "recipe.img") == build_by_options(&press));
    oracles::e2fsck_clean(&press.root().join("out/recipe.img"));
    assert_eq!(press.left(), ["out/options.img", "out/recipe.img"]);
}

#[test]
fn two_checkouts_make_the_same_bytes_and_the_same_manifest() {
    let press = press();
    let text = format!("{RECIPE}manifest = 'recipe.json'\nsha256 = true\n");
    write(&press, &text);
    build(&press, &["--set=LABEL=root"]).succeeded();
    let names = ["recipe.img", "recipe.img.sha256", "recipe.json"];
    let first = names.map(|name| read(&press, name));
    let copy = press.root().join("other");
    fs::rename(press.input(""), &copy).unwrap();
    for name in ["over/motd", "init", "over", "r.toml"] {
        let path = copy.join(name);
        let mode = if name == "over" {
            0o700
        } else if name == "init" {
            0o711
        } else {
            0o600
        };
        fs::set_permissions(&path, Permissions::from_mode(mode)).unwrap();
        let time = SystemTime::UNIX_EPOCH + Duration::from_secs(1_234_567_890);
        fs::File::open(&path).unwrap().set_modified(time).unwrap();
        if oracles::is_root() {
            chown(&path, Some(1234), Some(4321)).unwrap();
        }
    }
    for name in names {
        fs::remove_file(press.root().join("out").join(name)).unwrap();
    }
    // From another directory, too.
    let mut command = press.command("build");
    command.current_dir(press.root().join("out"));
    command.args(["--recipe", "../other/r.toml", "--set=LABEL=root"]);
    press.run(&mut command).succeeded();
    for (name, first) in names.iter().zip(first) {
        assert!(read(&press, name) == first, "{name}");
    }
}

#[test]
fn the_executable_bit_is_part_of_what_is_put_in() {
    // Else the test before could pass whatever became of modes.
    let press = press();
    write(
        &press,
        "source = 'save.tar'\n[filesystem]\nsize = '16M'\n[edits]\nadd = ['init:init']\n[output]\nfile = 'o.img'",
    );
    build(&press, &[]).succeeded();
    let plain = read(&press, "o.img");
    fs::set_permissions(press.input("init"), Permissions::from_mode(0o755)).unwrap();
    build(&press, &[]).succeeded();
    assert!(read(&press, "o.img") != plain);
}

#[test]
fn what_is_typed_stands_in_place_of_what_the_recipe_says_and_is_told() {
    let press = press();
    write(&press, RECIPE);
    let set = "--set=LABEL=root";
    let ended = build(&press, &[set, "--label", "typed", "--size", "16M"]);
    ended.succeeded();
    let note = "in place of what the recipe says, as typed: --label";
    assert!(ended.stderr.contains(note), "{}", ended.stderr);
    let typed = read(&press, "recipe.img");
    write(&press, RECIPE);
    let ended = build(&press, &["--set=LABEL=typed"]);
    assert!(!ended.stderr.contains("in place of"), "{}", ended.stderr);
    assert!(read(&press, "recipe.img") == typed);
    // An image that is typed is where it was typed, whatever the recipe may reach.
    fs::rename(press.input("save.tar"), press.root().join("away.tar")).unwrap();
    let image = press.root().join("away.tar");
    let image = image.to_str().unwrap();
    build(
        &press,
        &[
            image,
            "--set=LABEL=typed",
            "-o",
            press.output().to_str().unwrap(),
        ],
    )
    .succeeded();
    assert!(read(&press, "fs.img") == typed);
}

#[test]
fn the_environments_time_counts_where_neither_recipe_nor_command_line_says_one() {
    let press = press();
    let recipe = |epoch: &str| {
        write(
            &press,
            &format!(
                "source = 'save.tar'\n{epoch}\n[filesystem]\nsize = '16M'\n[output]\nfile = 'o.img'"
            ),
        );
        let mut command = by_recipe(&press, "build");
        command.arg("--output-dir").arg(press.root().join("out"));
        command.env("SOURCE_DATE_EPOCH", "1000000000");
        press.run(&mut command).succeeded();
        read(&press, "o.img")
    };
    let environments = recipe("");
    let recipes = recipe("source-date-epoch = 1100000000");
    assert!(environments != recipes);
    assert!(recipe("source-date-epoch = 1000000000") == environments);
}

#[test]
fn edits_are_the_recipes_alone() {
    let press = press();
    write(&press, RECIPE);
    for option in [
        &["--mkdir", "more"][..],
        &["--strict"],
        &["--root-mode", "0700"],
    ] {
        let mut options = vec!["--set=LABEL=root"];
        options.extend(option);
        let told = [option[0], "in [edits]", "the recipe alone says"];
        build(&press, &options).failed(2, &told);
    }
    assert_eq!(press.left(), [""; 0]);
}

#[test]
fn plan_verify_and_diff_take_the_image_and_the_edits_of_a_recipe() {
    let press = press();
    write(&press, RECIPE);
    let set = "--set=LABEL=root";
    build(&press, &[set]).succeeded();
    let image = press.root().join("out/recipe.img");
    let mut plan = by_recipe(&press, "plan");
    let plan = press.run(plan.args([set, "--json"]));
    let plan: serde_json::Value = serde_json::from_str(plan.succeeded()).unwrap();
    assert_eq!(plan["filesystem_type"], "ext4");
    assert_eq!(plan["filesystem_bytes"], 16 << 20);
    let run = |command: &str, image: &Path| {
        let mut command = by_recipe(&press, command);
        press.run(command.arg(image).arg(set))
    };
    run("verify", &image).succeeded();
    run("diff", &image).succeeded();
    // Against another filesystem both find what the edits do.
    let mut plain = press.build();
    press
        .run(plain.args(["--fs=ext4", "--size=16M"]))
        .succeeded();
    for command in ["verify", "diff"] {
        let ended = run(command, &press.output());
        assert_eq!(ended.code(), 1, "{}", ended.stderr);
        assert!(ended.stdout.contains("app"), "{}", ended.stdout);
    }
    write(
        &press,
        "[[image]]\nsource = 'save.tar'\n[[image]]\nsource = 'save.tar'",
    );
    let mut verify = by_recipe(&press, "verify");
    press
        .run(verify.arg(&image))
        .failed(5, &["expected a recipe of one image, found 2"]);
}

#[test]
fn a_recipe_of_several_images_makes_each() {
    let press = press();
    write(
        &press,
        "[[image]]\nsource = 'save.tar'\nfilesystem.size = '16M'\noutput.file = 'a.img'\n\
         [[image]]\nsource = 'save.tar'\nfilesystem.size = '16M'\noutput.file = 'b.img'\n\
         edits.mkdir = ['app']\n",
    );
    build(&press, &[]).succeeded();
    assert!(read(&press, "a.img") != read(&press, "b.img"));
    build(&press, &["-o", "x.img"]).failed(5, &["expected a recipe of one image beside --output"]);
    let left = press.left();
    let images = left.iter().filter(|name| name.ends_with(".img"));
    assert_eq!(images.collect::<Vec<_>>(), ["out/a.img", "out/b.img"]);
}
