//! Papers in which something is wrong: each is refused, for that.

use super::papers::{hold, read};

/// The one fault of a paper.
fn fault(text: &str) -> String {
    let faults = hold(text, false).faults;
    assert_eq!(faults.len(), 1, "{text}: {faults:?}");
    faults[0].clone()
}

#[test]
fn what_is_right_has_no_fault() {
    let text = "\
# A paper

```sh
touch a
cd fixtures   # for all that follows
WORD=\"two words\"
```

<!-- file: some/where.toml -->
```toml
a = 1
```

```console
$ echo \"$WORD\"; ls some busybox.tar
two words
…
where.toml
$ echo one \\
    two
one two
$ cat <<'END'
> a
> END
a
$ false
$ echo $?
1
```

<!-- exit: 3 -->
```console
$ layerpress ls nowhere.img
error: … nowhere.img…
```

<!-- not run: nothing here has so much room -->
```sh
layerpress build huge.tar -o huge.img
```

1. In a list:

   ```console
   $ pwd
   /home/you/fixtures
   ```
";
    let held = hold(text, true);
    assert_eq!(held.faults, [""; 0]);
    assert_eq!(held.renewed, None);
    assert_eq!(held.blocks_run, 5);
}

#[test]
fn other_output_than_is_shown_is_a_fault_and_is_renewed_when_asked() {
    let text = "```console\n$ echo one; echo two\none\nthree\n$ true\n```\n\nend\n";
    let found = fault(text);
    assert!(found.starts_with("1: ") && found.contains("two"), "{found}");
    let held = hold(text, true);
    assert_eq!(held.faults, [""; 0]);
    let expected = "```console\n$ echo one; echo two\none\ntwo\n$ true\n```\n\nend\n";
    assert_eq!(held.renewed.as_deref(), Some(expected));
    // Nothing where something is said, and the reverse.
    assert!(fault("```console\n$ echo a\n```\n").contains("and said\n  a"));
    assert!(fault("```console\n$ true\na\n```\n").contains("shows\n  a"));
}

#[test]
fn a_command_that_fails_is_a_fault() {
    assert!(fault("```sh\necho a\nfalse\necho b\n```\n").contains("ended with 1"));
    assert!(fault("```sh\nfalse | cat\n```\n").contains("ended with 1"));
    assert!(fault("```console\n$ false\n```\n").contains("`false` ended with 1, expected 0"));
    assert!(fault("<!-- exit: 3 -->\n```console\n$ false\n```\n").contains("expected 3"));
    assert!(fault("<!-- exit: 1 -->\n```sh\ntrue\n```\n").contains("expected 1"));
    // What comes behind is not reached, and that is told as well.
    let faults = hold("```sh\nexit 7\n```\n```sh\ntrue\n```\n", false).faults;
    let [first, second] = &faults[..] else {
        panic!("{faults:?}");
    };
    assert!(first.contains("ended with 7") && second.contains("not reached"));
}

#[test]
fn what_is_written_wrong_is_a_fault() {
    for (text, expected) in [
        ("```\n$ layerpress ls a.img\n```\n", "language ``"),
        (
            "```text\n$ layerpress ls a.img\n```\n",
            "label it sh or console",
        ),
        (
            "```text\nlayerpress ls a.img\n```\n",
            "label it sh or console",
        ),
        ("```bash\ntrue\n```\n", "language `bash`"),
        ("```sh\ntrue\n", "no end"),
        ("```console\ntrue\n```\n", "begins with `$ `"),
        (
            "<!-- not run: -->\n```sh\ntrue\n```\n",
            "does not say what or why",
        ),
        (
            "<!-- not run -->\n```sh\ntrue\n```\n",
            "does not say what or why",
        ),
        (
            "<!-- not run: far away -->\n\n```sh\ntrue\n```\n",
            "not directly above",
        ),
        ("<!-- not run: at the end -->\n", "not directly above"),
        (
            "<!-- not run: a -->\n```text\na\n```\n",
            "nothing of this language is run",
        ),
        (
            "<!-- not run: a -->\n<!-- needs: root -->\n```sh\ntrue\n```\n",
            "needs nothing",
        ),
        (
            "<!-- needs: luck -->\n```sh\ntrue\n```\n",
            "needs `luck`: expected",
        ),
        (
            "<!-- need: root -->\n```sh\ntrue\n```\n",
            "`need`: expected",
        ),
        (
            "<!-- exit: one -->\n```sh\ntrue\n```\n",
            "expected a number",
        ),
        (
            "<!-- file: a -->\n```sh\ntrue\n```\n",
            "a language of its own",
        ),
        (
            "```sh\nlayerpress ls a.img --no-such-option\n```\n",
            "--no-such-option",
        ),
        (
            "<!-- not run: here -->\n```sh\nlayerpress ls a.img --no-such-option\n```\n",
            "--no-such-option",
        ),
        (
            "<!-- not run: here -->\n```console\n$ layerpress lss a.img\na\n```\n",
            "lss",
        ),
    ] {
        let faults = read(text);
        assert!(
            faults.iter().any(|fault| fault.contains(expected)),
            "{text}: {expected}: {faults:?}"
        );
    }
}
