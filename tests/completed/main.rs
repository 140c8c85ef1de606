//! Completions as they are used: real keys, typed into bash, zsh and fish in a terminal.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

#[path = "../support/mod.rs"]
mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread;
use std::time::Duration;

use support::oracles;
use support::run::LAYERPRESS;

/// How often the screen is looked at before it is said that nothing came: ten minutes' worth, for
/// who waits longer for a key is not served, however busy the machine is.
const LOOKS: usize = 6000;

/// A shell in a terminal of its own, gone with this.
struct Terminal {
    tmux: PathBuf,
    socket: PathBuf,
}

impl Drop for Terminal {
    fn drop(&mut self) {
        let _ = self.command(&["kill-server"]).output();
    }
}

impl Terminal {
    fn open(tmux: &Path, directory: &Path, shell: &[&str]) -> Self {
        let terminal = Self {
            tmux: tmux.to_owned(),
            socket: directory.join("socket"),
        };
        let mut words = vec![
            "-f",
            "/dev/null",
            "new-session",
            "-d",
            "-x",
            "150",
            "-y",
            "40",
        ];
        words.extend(shell);
        let mut command = terminal.command(&words);
        let paths = std::env::var("PATH").unwrap();
        let program = Path::new(LAYERPRESS).parent().unwrap();
        command
            .current_dir(directory)
            .env("HOME", directory)
            .env("ZDOTDIR", directory)
            .env("XDG_CONFIG_HOME", directory)
            .env("XDG_DATA_HOME", directory)
            .env("PATH", format!("{}:{paths}", program.display()));
        let output = command.output().unwrap();
        assert!(output.status.success(), "{output:?}");
        terminal
    }

    fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(&self.tmux);
        command
            .arg("-S")
            .arg(&self.socket)
            .args(words)
            .env_remove("TMUX");
        command
    }

    fn keys(&self, words: &[&str]) {
        let output = self.command(&[&["send-keys"], words].concat()).output();
        let output = output.unwrap();
        assert!(output.status.success(), "{output:?}");
    }

    fn screen(&self) -> String {
        let output = self
            .command(&["capture-pane", "-p", "-J"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap()
    }

    /// Waits until the screen shows a text.
    fn expect(&self, text: &str) {
        for _ in 0..LOOKS {
            if self.screen().contains(text) {
                return;
            }
            thread::sleep(Duration::from_millis(100));
        }
        panic!("no {text:?} on the screen:\n{}", self.screen());
    }

    /// What stands on the line when something was typed and completed.
    fn completes(&self, typed: &str, expected: &str) {
        self.keys(&["-l", typed]);
        self.keys(&["Tab"]);
        // Where the cursor is when the shell is done; what it has completed stands before it.
        self.keys(&["-l", "END"]);
        self.expect(expected);
        // An interrupt would take what is typed behind it away, too.
        self.keys(&["C-u"]);
    }
}

/// The shell, how it is started and how it takes the script.
const SHELLS: [(&str, &[&str], &str); 3] = [
    (
        "bash",
        &["--norc", "--noprofile", "-i"],
        ". <(layerpress completions bash)",
    ),
    (
        "zsh",
        &["-f", "-i"],
        "autoload -U compinit; compinit -u -D; source <(layerpress completions zsh)",
    ),
    (
        "fish",
        &["--no-config", "-i"],
        "layerpress completions fish | source",
    ),
];

/// A shell that has taken the script; `None` where there is no such shell.
fn loaded(tmux: &Path, directory: &Path, name: &str) -> Option<Terminal> {
    let shell = oracles::program(name)?;
    let (_, options, load) = SHELLS.iter().find(|row| row.0 == name).unwrap();
    let shell = shell.to_str().unwrap();
    let terminal = Terminal::open(tmux, directory, &[&[shell], *options].concat());
    terminal.keys(&["-l", load]);
    terminal.keys(&["Enter"]);
    terminal.keys(&["-l", "echo loa\"\"ded"]);
    terminal.keys(&["Enter"]);
    terminal.expect("\nloaded");
    Some(terminal)
}

fn driven(name: &str) {
    let Some(tmux) = oracles::program("tmux") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    fs::create_dir(directory.path().join("some-layout")).unwrap();
    fs::write(directory.path().join("saved.tar"), b"").unwrap();
    let Some(terminal) = loaded(&tmux, directory.path(), name) else {
        return;
    };
    // Commands and values.
    terminal.completes("layerpress insp", "layerpress inspect END");
    terminal.completes("layerpress plan x --progress js", "--progress json END");
    // Transports, and paths behind them.
    terminal.completes("layerpress build oci-a", "layerpress build oci-archive:END");
    terminal.completes(
        "layerpress build oci:some-l",
        "layerpress build oci:some-layout/END",
    );
    terminal.completes(
        "layerpress ls docker-archive:sav",
        "docker-archive:saved.tar END",
    );
    terminal.completes(
        "layerpress export x --base docker-a",
        "--base docker-archive:END",
    );
    terminal.completes("layerpress build sav", "layerpress build saved.tar END");
    // What is in a registry alone is no file, and no other transport.
    terminal.completes("layerpress pull doc", "layerpress pull docker://END");
    terminal.completes("layerpress tags doc", "layerpress tags docker://END");
    terminal.completes("layerpress pull sav", "layerpress pull savEND");
    terminal.completes("layerpress push sav", "layerpress push saved.tar END");
    terminal.completes("layerpress push x doc", "layerpress push x docker://END");
    // Behind an equals sign, too; and words where no file is meant.
    terminal.completes(
        "layerpress build x --fs=ext4 --progress=p",
        "--progress=plain END",
    );
    terminal.completes("layerpress build x --sha256=r", "--sha256=raw END");
    terminal.completes("layerpress pull x --tls-verify=f", "--tls-verify=false END");
    terminal.completes(
        "layerpress build x --platform=linux/ris",
        "linux/riscv64 END",
    );
    terminal.completes(
        "layerpress build x --platform linux/arm/",
        "linux/arm/v7 END",
    );
    terminal.completes("layerpress plan x --journal n", "--journal none END");
    terminal.completes("layerpress plan x --size f", "--size fit END");
    terminal.completes("layerpress build x --compress zs", "--compress zstd END");
    terminal.completes(
        "layerpress export x -o oci:some-l",
        "-o oci:some-layout/END",
    );
    // Names of values with colons and brackets in them are text.
    for option in [
        "--creds",
        "--owner",
        "--map-owner",
        "--mkdir",
        "--size",
        "--set",
        "--platform",
        "--fs",
    ] {
        let typed = format!("layerpress build x {option} sav");
        terminal.completes(&typed, &format!("{option} savEND"));
    }
    let screen = terminal.screen();
    for said in ["not found", "bad pattern"] {
        assert!(!screen.contains(said), "{screen}");
    }
    terminal.completes("layerpress build x --add sav", "--add saved.tar END");
    // Names that only a network or a daemon knows stay as they are typed.
    terminal.completes("layerpress build docker://some-l", "docker://some-lEND");
    terminal.completes("layerpress build docker-daemon:sav", "docker-daemon:savEND");
}

/// Names that a shell would take apart, or take for commands.
const HOSTILE: [&str; 4] = [
    "my dir",
    "d$(touch pwned)",
    "semi;touch pwned",
    "`touch pwned`",
];

/// What is typed, and what stands there then in each shell.
fn driven_by_hostile_names(name: &str, rows: &[(&str, &str)]) {
    let Some(tmux) = oracles::program("tmux") else {
        return;
    };
    let directory = tempfile::tempdir().unwrap();
    for name in HOSTILE {
        fs::create_dir(directory.path().join(name)).unwrap();
        fs::write(directory.path().join(name).join("in side.tar"), b"").unwrap();
    }
    fs::write(directory.path().join("col:on.tar"), b"").unwrap();
    // It would be taken for what stands behind the space.
    fs::write(directory.path().join("disk.img"), b"").unwrap();
    let Some(terminal) = loaded(&tmux, directory.path(), name) else {
        return;
    };
    for (typed, expected) in rows {
        terminal.keys(&["-l", "clear"]);
        terminal.keys(&["Enter"]);
        terminal.completes(typed, expected);
    }
    assert!(!directory.path().join("pwned").exists());
}

/// What is completed alike everywhere.
const ALIKE: [(&str, &str); 9] = [
    ("layerpress build my", r"build my\ dir/END"),
    (r"layerpress build my\ d", r"build my\ dir/END"),
    (
        r"layerpress build my\ dir/in",
        r"build my\ dir/in\ side.tar END",
    ),
    (
        r"layerpress build oci-archive:my\ dir/in",
        r"oci-archive:my\ dir/in\ side.tar END",
    ),
    (r"layerpress build oci:my\ d", r"oci:my\ dir/END"),
    ("layerpress build 'oci:my d", "build 'oci:my dir"),
    (r"layerpress build x -o my\ d", r"-o my\ dir/END"),
    (r"layerpress build oci:d\$", r"oci:d\$\(touch\ pwned\)/END"),
    ("layerpress build sem", r"build semi\;touch\ pwned/END"),
];

#[test]
fn bash_takes_no_name_of_a_file_apart_and_runs_none() {
    let own = [
        (
            r"layerpress build oci-archive:col:o",
            "oci-archive:col:on.tar END",
        ),
        (r"layerpress build \`", r"build \`touch\ pwned\`/END"),
    ];
    driven_by_hostile_names("bash", &[&ALIKE[..], &own].concat());
}

#[test]
fn zsh_takes_no_name_of_a_file_apart_and_runs_none() {
    driven_by_hostile_names("zsh", &ALIKE);
}

#[test]
fn fish_takes_no_name_of_a_file_apart_and_runs_none() {
    driven_by_hostile_names("fish", &ALIKE);
}

#[test]
fn bash_completes_transports_and_paths_and_asks_no_network() {
    driven("bash");
}

#[test]
fn zsh_completes_transports_and_paths_and_asks_no_network() {
    driven("zsh");
}

#[test]
fn fish_completes_transports_and_paths_and_asks_no_network() {
    driven("fish");
}
