//! `examples/recipes/init.c` as the first process of a container that has nothing else.

use std::fs;
use std::path::Path;
use std::process::Command;

use super::support::oracles;
use super::support::run::output_of;
use super::{first_program, install_busybox};

const PASSWD: &str = "root:x:0:0:root:/root:/bin/sh\nweb:x:1000:1001:Web:/home/web:/bin/sh\n\
    bare:x:1002:1002::\n";
const GROUP: &str = "root:x:0:\nweb:x:1001:\nlogs:x:4:web,other\naudio:x:29:other,web\n";

/// What shows how it was started.
const SHOW: &str = "#!/bin/sh
echo \"who $(id -u):$(id -g) $(id -G)\"
echo \"where $(pwd)\"
for word in \"$@\"; do echo \"word <$word>\"; done
env | grep -v '^PWD=\\|^SHLVL=\\|^OLDPWD=' | sort
";

/// A root with the program in it; what comes of starting it with a configuration.
struct Root(tempfile::TempDir);

impl Root {
    fn make() -> Option<Self> {
        if !oracles::is_root_with(&["unshare", "chroot", "cc", "busybox"]) {
            return None;
        }
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path();
        for name in ["etc", "sbin", "dev", "proc", "sys", "run", "tmp", "app"] {
            fs::create_dir(root.join(name)).unwrap();
        }
        first_program(&root.join("sbin"))?;
        install_busybox(
            &root.join("bin"),
            &["sh", "id", "pwd", "env", "grep", "sort"],
        )?;
        fs::write(root.join("etc/passwd"), PASSWD).unwrap();
        fs::write(root.join("etc/group"), GROUP).unwrap();
        fs::write(root.join("bin/show"), SHOW).unwrap();
        oracles::succeed("chmod", [Path::new("755"), &root.join("bin/show"), root]);
        Some(Self(directory))
    }

    /// Standard output, and the last line of standard error.
    #[track_caller]
    fn start(&self, configuration: &str) -> (String, String) {
        let root = self.0.path();
        fs::write(root.join("etc/image.json"), configuration).unwrap();
        let mut command = Command::new("unshare");
        command.args(["--pid", "--mount", "--fork", "--kill-child", "chroot"]);
        let output = output_of(command.arg(root).arg("/sbin/init"));
        let told = String::from_utf8(output.stderr).unwrap();
        let last = told.lines().rfind(|line| line.starts_with("init: "));
        let said = String::from_utf8(output.stdout).unwrap();
        (said, last.unwrap_or_else(|| panic!("{told}")).to_owned())
    }
}

#[test]
fn the_first_program_starts_what_the_configuration_says() {
    let Some(root) = Root::make() else { return };
    for (configuration, expected) in [
        (
            r#"{"Cmd":["show"]}"#,
            "who 0:0 0\nwhere /\nHOME=/root\nPATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin\n",
        ),
        (
            r#"{"Cmd":["a b","ü\n\"\\\/\u00fc\ud83d\ude00"],"Entrypoint":["show","x"],"Env":["PATH=/bin","A=1=2","HOME=/h"],"ExposedPorts":{"80/tcp":{}},"Labels":{"a":"[{"},"User":"web","WorkingDir":"/app"}
"#,
            "who 1000:1001 1001 4 29\nwhere /app\nword <x>\nword <a b>\nword <ü\n\"\\/ü😀>\nA=1=2\nHOME=/h\nPATH=/bin\n",
        ),
        (
            r#"{ "Entrypoint" : [ "/bin/show" ] , "Cmd" : null, "Env":["PATH=/bin"], "User":"1000:4" }"#,
            "who 1000:4 4\nwhere /\nHOME=/home/web\nPATH=/bin\n",
        ),
        (
            r#"{"Cmd":["show"],"Env":["PATH=/bin"],"User":"web:audio","WorkingDir":""}"#,
            "who 1000:29 29\nwhere /\nHOME=/home/web\nPATH=/bin\n",
        ),
        (
            r#"{"Cmd":["show"],"Env":["PATH=/bin"],"User":"77:88"}"#,
            "who 77:88 88\nwhere /\nHOME=/\nPATH=/bin\n",
        ),
        (
            r#"{"Cmd":["show"],"Env":["PATH=/bin"],"User":"bare"}"#,
            "who 1002:1002 1002\nwhere /\nHOME=/\nPATH=/bin\n",
        ),
    ] {
        let (said, told) = root.start(configuration);
        assert_eq!(said, expected, "{configuration}");
        assert_eq!(told, "init: ended with exit code 0", "{configuration}");
    }
}

#[test]
fn the_first_program_says_how_it_ended_and_why_it_could_not_start() {
    let Some(root) = Root::make() else { return };
    let shell = |script: &str| {
        format!(r#"{{"Entrypoint":["/bin/sh","-c"],"Cmd":["{script}"],"StopSignal":"SIGUSR1"}}"#)
    };
    for (configuration, expected) in [
        (shell("exit 7"), "init: ended with exit code 7"),
        (shell("kill -9 $$"), "init: ended by signal 9"),
        // What is asked to end gets the signal that it wants, and orphans are taken in.
        (
            shell("trap 'exit 5' USR1; (sh -c 'exit 9' &); kill -TERM 1; while :; do :; done"),
            "init: ended with exit code 5",
        ),
        ("{}".to_owned(), "init: ended with exit code 127"),
        (
            r#"{"Cmd":["absent"]}"#.to_owned(),
            "init: ended with exit code 127",
        ),
        (
            r#"{"Cmd":["show"],"User":"x"}"#.to_owned(),
            "init: ended with exit code 127",
        ),
        (
            r#"{"Cmd":["show"],"User":"web:x"}"#.to_owned(),
            "init: ended with exit code 127",
        ),
        (
            r#"{"Cmd":["show"],"WorkingDir":"/x"}"#.to_owned(),
            "init: ended with exit code 127",
        ),
        (
            r#"{"Cmd":["show"]"#.to_owned(),
            "init: /etc/image.json: expected }, found the end",
        ),
        (
            r#"{"Cmd":["show"#.to_owned(),
            "init: /etc/image.json: a text has no end",
        ),
        (
            r#"{"Cmd":["\u0000"]}"#.to_owned(),
            "init: /etc/image.json: a text with a character that no program can be given",
        ),
        (
            r#"{"x":"#.to_owned() + &"[".repeat(100_000),
            "init: /etc/image.json: nested too deeply",
        ),
        (
            String::new(),
            "init: /etc/image.json: expected {, found the end",
        ),
    ] {
        let (said, told) = root.start(&configuration);
        assert_eq!(
            (said.as_str(), told.as_str()),
            ("", expected),
            "{configuration:.200}"
        );
    }
}
