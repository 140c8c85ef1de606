//! Where a recipe's outputs go.

use std::fs;
use std::os::unix::fs::symlink;

use super::{build, by_recipe, press, write};

fn recipe(name: &str) -> String {
    format!("source = 'save.tar'\n[filesystem]\nsize = '16M'\n[output]\nfile = '{name}'\n")
}

#[test]
fn outputs_stay_below_their_directory() {
    let press = press();
    let at = |name: &str| press.root().join(name);
    fs::create_dir(at("outside")).unwrap();
    symlink(at("outside"), at("out/link")).unwrap();
    symlink("../outside", at("out/relative")).unwrap();
    let absolute = at("outside/o.img");
    for name in [
        "../outside/o.img",
        "link/o.img",
        "relative/o.img",
        "./x/../../outside/o.img",
        absolute.to_str().unwrap(),
    ] {
        for key in ["file", "manifest", "packages", "config-out", "verity-file"] {
            let text = match key {
                "file" => recipe(name),
                key => format!("{}{key} = '{name}'\n", recipe("o.img")),
            };
            write(&press, &text);
            let ended = build(&press, &[]);
            ended.failed(5, &["expected a name of an output below", "--output-dir"]);
        }
    }
    for name in ["", ".", "x/", "-", "x/.."] {
        write(&press, &recipe(name));
        build(&press, &[]).failed(5, &["expected a name of an output below"]);
    }
    write(&press, &recipe("absent/o.img"));
    build(&press, &[]).failed(3, &["absent"]);
    assert_eq!(fs::read_dir(at("outside")).unwrap().count(), 0);
    assert_eq!(press.left(), ["out/link", "out/relative"]);
}

/// Bug: a recipe's output took the place of a file of a directory that the recipe puts in.
#[test]
fn a_recipes_output_takes_the_place_of_nothing_that_it_puts_in() {
    let press = press();
    let over = press.input("puts");
    fs::create_dir(&over).unwrap();
    let puts_in = "[edits]\noverlay = ['puts']\n[output]\n";
    for (name, more) in [("f", ""), ("o.img", "manifest = 'f'\n")] {
        fs::write(over.join("f"), "precious").unwrap();
        let text = recipe(name).replace("[output]\n", puts_in) + more;
        write(&press, &text);
        let mut command = by_recipe(&press, "build");
        command.arg("--output-dir").arg(&over);
        press.run(&mut command).failed(5, &["what is put in"]);
        assert_eq!(fs::read(over.join("f")).unwrap(), b"precious");
    }
}

#[test]
fn a_recipe_is_not_replaced_by_what_it_asks_for() {
    let press = press();
    for name in ["r.toml", "link"] {
        let text = recipe(name);
        let path = write(&press, &text);
        let _ = fs::hard_link(&path, press.input("link"));
        let mut command = by_recipe(&press, "build");
        command.arg("--output-dir").arg(path.parent().unwrap());
        let ended = press.run(&mut command);
        ended.failed(
            5,
            &["expected an output other than the list or recipe that asks for it"],
        );
        assert_eq!(fs::read_to_string(path).unwrap(), text);
    }
}

#[test]
fn outputs_begin_in_the_working_directory_unless_told_otherwise() {
    let press = press();
    fs::create_dir(press.root().join("out/below")).unwrap();
    write(&press, &recipe("./below/{name}-o.img"));
    let mut command = by_recipe(&press, "build");
    command.current_dir(press.root().join("out"));
    press.run(&mut command).succeeded();
    build(&press, &["-q"]).succeeded();
    assert_eq!(
        fs::read_dir(press.root().join("out/below"))
            .unwrap()
            .count(),
        1
    );
    // A name that is typed goes where it was typed.
    write(&press, &recipe("o.img"));
    build(
        &press,
        &["-o", press.root().join("tmp/t.img").to_str().unwrap()],
    )
    .succeeded();
    assert_eq!(press.left(), ["out/below", "tmp/t.img"]);
    write(&press, "source = 'save.tar'");
    build(&press, &[]).failed(5, &["r.toml", "file = "]);
}
