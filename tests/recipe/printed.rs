//! `--print-recipe`.

use super::{OPTIONS, RECIPE, build, build_by_options, by_recipe, press, read, write};

#[test]
fn the_recipe_of_options_makes_the_bytes_that_they_make_and_nothing_is_written_meanwhile() {
    let press = press();
    let mut command = press.command("build");
    command
        .current_dir(press.input(""))
        .args(OPTIONS)
        .arg("--print-recipe");
    // Where the output goes is not the recipe's.
    let recipe = press
        .run(&mut command)
        .succeeded()
        .replace("../out/options.img", "recipe.img");
    assert_eq!(press.left(), [""; 0]);
    write(&press, &recipe);
    build(&press, &[]).succeeded();
    assert!(
        read(&press, "recipe.img") == build_by_options(&press),
        "{recipe}"
    );
}

#[test]
fn the_recipe_of_a_recipe_has_in_it_what_was_set_and_typed() {
    let press = press();
    write(&press, RECIPE);
    let mut command = by_recipe(&press, "build");
    command.args([
        "--set=LABEL=$${X}",
        "--size=fit",
        "--sha256=raw",
        "--print-recipe",
    ]);
    let recipe = press.run(&mut command).succeeded().to_owned();
    for line in [
        "label = \"$$${X}\"",
        "size = \"fit\"",
        "sha256 = \"raw\"",
        "mount-points = true",
    ] {
        assert!(recipe.contains(line), "no {line} in\n{recipe}");
    }
    write(&press, &recipe);
    let mut command = by_recipe(&press, "build");
    assert_eq!(press.run(command.arg("--print-recipe")).succeeded(), recipe);
}

#[test]
fn standard_output_is_left_out_of_a_recipe() {
    let press = press();
    let mut command = press.command("build");
    command
        .arg(press.image())
        .args(["-o", "-", "--print-recipe"]);
    let recipe = press.run(&mut command).succeeded().to_owned();
    assert!(!recipe.contains("file ="), "{recipe}");
    write(&press, RECIPE);
    let mut command = by_recipe(&press, "build");
    command.args(["--set=LABEL=x", "-o", "-", "--print-recipe"]);
    let recipe = press.run(&mut command).succeeded().to_owned();
    assert!(!recipe.contains("file = \"-\""), "{recipe}");
}

#[test]
fn what_no_recipe_can_say_is_an_error() {
    use std::os::unix::ffi::OsStrExt;
    let press = press();
    let mut command = press.command("build");
    command
        .arg(std::ffi::OsStr::from_bytes(b"rootfs:a\xff"))
        .arg("--print-recipe");
    press
        .run(&mut command)
        .failed(5, &["expected a name in UTF-8 for a recipe"]);
    // What belongs to the machine is in none.
    let mut command = press.command("build");
    command.args([
        "save.tar",
        "--jobs=1",
        "--no-fsck",
        "--work-dir=w",
        "--print-recipe",
    ]);
    let recipe = press.run(&mut command).succeeded().to_owned();
    assert!(!recipe.contains("jobs") && !recipe.contains("work") && !recipe.contains("fsck"));
}
