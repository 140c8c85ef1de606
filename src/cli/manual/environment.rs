//! What a command reads of its environment, and the files that it knows by themselves.

use clap::Command;

/// Something outside of the command line, and what it is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Known {
    /// A variable's name, or a file's.
    pub name: &'static str,
    /// What it does, in a sentence or more.
    pub says: &'static str,
}

/// Told of every command that has one of these arguments, by their identifiers; of all where there are
/// none.
type Row = (&'static [&'static str], &'static str, &'static str);

const REGISTRIES: &[&str] = &["creds"];
const DAEMON: &[&str] = &["docker_host"];

const VARIABLES: &[Row] = &[
    (
        &["source_date_epoch"],
        "SOURCE_DATE_EPOCH",
        "Seconds since 1970, in place of --source-date-epoch.",
    ),
    (
        DAEMON,
        "DOCKER_HOST",
        "Where the docker daemon is, in place of --docker-host.",
    ),
    (
        DAEMON,
        "DOCKER_CONTEXT",
        "The docker context in use, where neither an option nor DOCKER_HOST says otherwise.",
    ),
    (
        DAEMON,
        "DOCKER_TLS_VERIFY",
        "Any value but an empty one: a daemon behind tcp:// is asked over TLS.",
    ),
    (
        DAEMON,
        "DOCKER_CERT_PATH",
        "The directory with ca.pem, cert.pem and key.pem for that; without it the one of DOCKER_CONFIG.",
    ),
    (
        REGISTRIES,
        "DOCKER_CONFIG",
        "The directory of docker's config.json and contexts, in place of ~/.docker.",
    ),
    (
        REGISTRIES,
        "REGISTRY_AUTH_FILE",
        "The one file of credentials, in place of podman's and docker's.",
    ),
    (
        REGISTRIES,
        "DOCKER_AUTH_CONFIG",
        "The content of such a file, asked before any file.",
    ),
    (
        REGISTRIES,
        "XDG_RUNTIME_DIR",
        "Where podman login leaves credentials (containers/auth.json) and podman its socket; without it below /run.",
    ),
    (
        &[],
        "XDG_CONFIG_HOME",
        "Where layerpress/config.toml is and, after XDG_RUNTIME_DIR, containers/auth.json; without it ~/.config.",
    ),
    (
        REGISTRIES,
        "HTTP_PROXY",
        "The proxy for plain HTTP; http_proxy is the same.",
    ),
    (
        REGISTRIES,
        "HTTPS_PROXY",
        "The proxy for TLS; https_proxy is the same.",
    ),
    (
        REGISTRIES,
        "NO_PROXY",
        "Hosts that are asked without a proxy, with commas between them; no_proxy is the same.",
    ),
    (
        &["cache_dir"],
        "XDG_CACHE_HOME",
        "Where the cache is (layerpress below it), in place of ~/.cache.",
    ),
    (
        &[],
        "HOME",
        "The user's directory; without it that of the user database.",
    ),
    (
        &["work_dir"],
        "TMPDIR",
        "The directory for temporary files, in place of /tmp, for commands that write no output beside which they could be.",
    ),
    (
        &["mke2fs", "e2fsck", "debugfs"],
        "PATH",
        "Where mke2fs, tune2fs, e2fsck and debugfs are looked for, and credential helpers of docker; the sbin directories behind it.",
    ),
    (
        &["exec"],
        "SUDO_UID",
        "Who called sudo: an image of theirs may be mounted by root.",
    ),
    (
        &["classify"],
        "COLUMNS",
        "How wide lines may be, where the terminal does not say.",
    ),
    (
        &["cache_dir"],
        "LAYERPRESS_CACHE_DIR",
        "The default of --cache-dir, before that of config.toml.",
    ),
    (
        &["work_dir"],
        "LAYERPRESS_WORK_DIR",
        "The default of --work-dir, likewise.",
    ),
    (
        &["jobs"],
        "LAYERPRESS_JOBS",
        "The default of --jobs, likewise.",
    ),
    (
        &[],
        "LAYERPRESS_PROGRESS",
        "The default of --progress, likewise.",
    ),
    (
        REGISTRIES,
        "LAYERPRESS_TIMEOUT",
        "The default of --timeout, likewise.",
    ),
    (
        &["retry"],
        "LAYERPRESS_RETRY",
        "The default of --retry, likewise.",
    ),
    (
        &["ca_cert"],
        "LAYERPRESS_CA_CERT",
        "The default of --ca-cert, likewise.",
    ),
    (
        &[],
        "TERM",
        "dumb: a terminal without a cursor, which is told progress in lines.",
    ),
    (
        &[],
        "CI",
        "true, or another word that is not false: progress in lines, as a log has them.",
    ),
    (
        &[],
        "LC_ALL",
        "Which letters there are: progress is drawn in ASCII alone where it is C or POSIX; else LC_CTYPE and LANG say so.",
    ),
    (
        &[],
        "NO_COLOR",
        "Any value but an empty one: no colours in help and messages.",
    ),
];

const FILES: &[Row] = &[
    (
        &[],
        "$XDG_CONFIG_HOME/layerpress/config.toml",
        "Defaults, in TOML: cache-dir, work-dir, jobs, progress, timeout, retry, ca-cert, for what neither an option nor a LAYERPRESS_ variable says; ~/.config without XDG_CONFIG_HOME. One that somebody else may write is not taken: as root only root's. -v tells what was taken from where.",
    ),
    (
        &["cache_dir"],
        "$XDG_CACHE_HOME/layerpress",
        "Blobs that were fetched, by their digests; layerpress cache lists and prunes them.",
    ),
    (
        REGISTRIES,
        "$XDG_RUNTIME_DIR/containers/auth.json",
        "Credentials as podman login leaves them, asked first.",
    ),
    (
        REGISTRIES,
        "~/.config/containers/auth.json",
        "The same, asked next.",
    ),
    (
        REGISTRIES,
        "~/.docker/config.json",
        "Credentials and credential helpers as docker login leaves them, asked last; the docker context in use.",
    ),
    (
        REGISTRIES,
        "/etc/containers/certs.d/HOST[:PORT]",
        "Certificate authorities (*.crt) and client certificates (*.cert with *.key) for a registry; the same below /etc/docker/certs.d and in the user's ~/.config.",
    ),
    (
        DAEMON,
        "/var/run/docker.sock",
        "The docker daemon's socket; podman's is podman/podman.sock below $XDG_RUNTIME_DIR or /run.",
    ),
    (
        &["verity"],
        "OUTPUT.roothash",
        "The root hash of dm-verity, 64 hexadecimal digits, with --verity; of an output NAME.raw it is NAME.roothash.",
    ),
    (
        &["sha256"],
        "OUTPUT.sha256",
        "The SHA-256 as sha256sum --check reads it, with --sha256.",
    ),
    (
        &["exec"],
        "/proc/self/mountinfo",
        "What is mounted, which mount --list and umount read.",
    ),
    (&["lazy"], "/proc/self/mountinfo", "What is mounted."),
];

/// What the command reads of its environment.
pub fn environment(command: &Command) -> Vec<Known> {
    known(command, VARIABLES)
}

/// The files that the command knows without being told.
pub fn files(command: &Command) -> Vec<Known> {
    known(command, FILES)
}

fn known(command: &Command, rows: &[Row]) -> Vec<Known> {
    let has = |id: &&str| command.get_arguments().any(|one| one.get_id() == *id);
    let rows = rows.iter();
    let rows = rows.filter(|(ids, _, _)| ids.is_empty() || ids.iter().any(has));
    rows.map(|&(_, name, says)| Known { name, says }).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::fs;
    use std::path::Path;

    use super::*;
    use crate::cli::command;

    /// Functions that are given a variable's name.
    const READERS: [&str; 7] = [
        "var",
        "var_os",
        "variable",
        "directory",
        "text",
        "user",
        "either",
    ];

    /// Names of variables that a source reads: upper case in quotes, in a call of one of these.
    fn read_by(text: &str) -> Vec<String> {
        let text = text.split("#[cfg(test)]").next().unwrap();
        let calls: Vec<_> = text.split("(\"").collect();
        let calls = calls.windows(2).filter_map(|pair| {
            let is_of_name = |letter: char| letter.is_ascii_alphanumeric() || letter == '_';
            let before = pair[0].trim_end_matches(is_of_name);
            READERS
                .contains(&&pair[0][before.len()..])
                .then_some(pair[1])
        });
        let names = calls.filter_map(|rest| rest.split('"').next());
        let env = text.split("env = \"").skip(1);
        let names = names.chain(env.filter_map(|rest| rest.split('"').next()));
        let is_variable = |name: &&str| {
            name.len() > 3
                && name
                    .bytes()
                    .all(|byte| byte.is_ascii_uppercase() || byte == b'_')
        };
        names.filter(is_variable).map(str::to_owned).collect()
    }

    fn sources(directory: &Path, found: &mut Vec<String>) {
        for entry in fs::read_dir(directory).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                sources(&path, found);
            } else if !path.starts_with("src/cli/manual") {
                found.extend(read_by(&fs::read_to_string(path).unwrap()));
            }
        }
    }

    #[test]
    fn every_variable_that_is_read_stands_in_the_manual() {
        let mut read = Vec::new();
        sources(Path::new("src/cli"), &mut read);
        assert!(read.contains(&"SOURCE_DATE_EPOCH".to_owned()), "{read:?}");
        let told: BTreeSet<_> = VARIABLES.iter().map(|row| row.1).collect();
        let paper = fs::read_to_string("docs/reference/environment.md").unwrap();
        for name in &told {
            // Those of defaults stand there behind each other.
            let name = name.strip_prefix("LAYERPRESS").unwrap_or(name);
            assert!(paper.contains(&format!("{name}`")), "{name}");
        }
        let untold: BTreeSet<_> = read
            .iter()
            .filter(|name| !told.contains(&***name))
            .collect();
        assert!(untold.is_empty(), "{untold:?}");
        assert_eq!(
            read_by("variable(\"SOME_NAME\") said(\"Other\")"),
            ["SOME_NAME"]
        );
    }

    #[test]
    fn every_row_is_told_of_some_command() {
        fn all(command: &Command, found: &mut Vec<Known>) {
            for rows in [environment(command), files(command)] {
                let names: BTreeSet<_> = rows.iter().map(|known| known.name).collect();
                assert_eq!(names.len(), rows.len(), "twice: {rows:#?}");
                found.extend(rows);
            }
            command
                .get_subcommands()
                .for_each(|below| all(below, found));
        }
        let mut found = Vec::new();
        let mut command = command();
        command.build();
        all(&command, &mut found);
        for (_, name, says) in VARIABLES.iter().chain(FILES) {
            assert!(found.contains(&Known { name, says }), "{name}");
        }
        let cat = command.find_subcommand("cat").unwrap();
        assert!(
            !environment(cat)
                .iter()
                .any(|known| known.name == "SOURCE_DATE_EPOCH")
        );
    }
}
