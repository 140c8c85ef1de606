//! The rows.

use std::fs;
use std::io::Write;
use std::time::Duration;

use serde_json::json;

use crate::prepare::*;
use crate::support::archive::{Compression, Files, OCI_MANIFEST, TestImage, digest, layer_tar};
use crate::support::raw_tar::{Header, record};

/// What is typed is wrong by itself.
const USAGE: i32 = 2;
/// What is on the machine or named in vain.
const INPUT: i32 = 3;
/// The image is broken, is none, or exceeds a ceiling that a flag raises.
const IMAGE: i32 = 4;
/// The image is sound, but ext3 or layerpress cannot do what it or an option asks for.
const UNSUPPORTED: i32 = 5;
/// e2fsprogs.
const TOOL: i32 = 6;
/// The network, which may go well on another try.
const NETWORK: i32 = 9;
/// The size.
const SIZE: i32 = 7;

/// What is tried, its code, and how.
pub(super) const TABLE: &[(&str, i32, Prepare)] = &[
    // What is named and is not there.
    ("an archive that is not there", INPUT, |press| {
        build(press, &["docker-archive:{in}/save.tar"])
    }),
    ("a layout that is not there", INPUT, |press| {
        build(press, &["oci:{in}/layout"])
    }),
    ("a tag that a layout has not", INPUT, |press| {
        layout(press, |_| {});
        build(press, &["oci:{in}/layout:2"])
    }),
    ("a place that a layout has not", INPUT, |press| {
        layout(press, |_| {});
        build(press, &["oci:{in}/layout:@7"])
    }),
    ("a digest that a layout has not", INPUT, |press| {
        layout(press, |_| {});
        let digest = format!("oci:{{in}}/layout@sha256:{}", "1".repeat(64));
        build(press, &[&digest])
    }),
    ("a name that an archive has not", INPUT, |press| {
        saved(press, |_| {});
        build(press, &["docker-archive:{in}/save.tar:other:1"])
    }),
    ("a place that an archive has not", INPUT, |press| {
        saved(press, |_| {});
        build(press, &["docker-archive:{in}/save.tar:@7"])
    }),
    ("a daemon that is not there", INPUT, |press| {
        build(
            press,
            &["docker-daemon:name:1", "--docker-host=unix:///nonexistent"],
        )
    }),
    // What may go well on another try, without anybody's doing.
    ("a registry that is not there", NETWORK, |press| {
        build(press, &["docker://127.0.0.1:1/name:1", "--retry=0"])
    }),
    ("a registry whose name nobody knows", NETWORK, |press| {
        build(press, &["docker://registry.invalid/name:1", "--retry=0"])
    }),
    ("a registry that hangs up", NETWORK, |press| {
        of_registry(press, |_, _| {})
    }),
    ("a registry that says nothing", NETWORK, |press| {
        of_registry(press, |_, _| std::thread::sleep(Duration::from_secs(60)))
    }),
    ("a registry that is asked too often", NETWORK, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "429 Too Many Requests", "", b"")
        })
    }),
    ("a registry in trouble", NETWORK, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "503 Service Unavailable", "", b"")
        })
    }),
    ("a registry behind a network in trouble", NETWORK, |press| {
        answered(press, |asked, stream| asked.answer(stream, "522 ", "", b""))
    }),
    ("a layer that breaks off", NETWORK, |press| {
        of_registry(press, |asked, stream| {
            let mut files = Files::default();
            let manifest = image().manifest(&mut files).to_string().into_bytes();
            let config = image().config().to_string().into_bytes();
            let is = |digest: String| asked.path.ends_with(&digest);
            match &asked.path {
                path if path.ends_with("/v2/") => asked.answer(stream, "200 OK", "", b"{}"),
                path if path.contains("/manifests/") => {
                    let headers = format!("Content-Type: {}\r\n", OCI_MANIFEST);
                    asked.answer(stream, "200 OK", &headers, &manifest);
                }
                _ if is(digest(&config)) => {
                    asked.answer(stream, "200 OK", "", &config);
                }
                _ => {
                    let head = "HTTP/1.1 200 OK\r\nContent-Length: 2048\r\n\r\nnot all of it";
                    let _ = stream.write_all(head.as_bytes());
                }
            }
        })
    }),
    ("a daemon elsewhere that is not there", NETWORK, |press| {
        build(
            press,
            &["docker-daemon:name:1", "--docker-host=tcp://127.0.0.1:1"],
        )
    }),
    ("a daemon elsewhere that hangs up", NETWORK, |press| {
        of_daemon(press, |_, _| {})
    }),
    (
        "an image that a daemon elsewhere breaks off",
        NETWORK,
        |press| {
            of_daemon(press, |asked, stream| match &*asked.path {
                "/_ping" => asked.answer(stream, "200 OK", "", b"OK"),
                path if path.contains("/json") => {
                    let id = format!("{{\"Id\":\"sha256:{}\"}}", "1".repeat(64));
                    asked.answer(stream, "200 OK", "", id.as_bytes());
                }
                _ => {
                    let head = "HTTP/1.1 200 OK\r\nContent-Length: 3072\r\n\r\nnot all of it";
                    let _ = stream.write_all(head.as_bytes());
                }
            })
        },
    ),
    // What a server says for good.
    ("a registry that lets nobody in", INPUT, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "401 Unauthorized", "", b"")
        })
    }),
    ("a registry that forbids it", INPUT, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "403 Forbidden", "", b"")
        })
    }),
    ("a tag that a registry has not", INPUT, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "404 Not Found", "", b"")
        })
    }),
    ("a registry that cannot do that", INPUT, |press| {
        answered(press, |asked, stream| {
            asked.answer(stream, "501 Not Implemented", "", b"")
        })
    }),
    ("an output directory that is not there", INPUT, |press| {
        saved(press, |_| {});
        run(press, "build", &["{in}/save.tar", "-o", "{in}/none/fs.img"])
    }),
    ("a filesystem that is not there", INPUT, |press| {
        run(press, "ls", &["{in}/fs.img"])
    }),
    ("a path that a filesystem has not", INPUT, |press| {
        filesystem(press);
        run(press, "cat", &["{in}/fs.img", "/none"])
    }),
    // What is no image, wherever it is given.
    ("an empty file for an image", IMAGE, |press| {
        junk(press, b"");
        build(press, &["{in}/save.tar"])
    }),
    ("a program for an image", IMAGE, |press| {
        junk(press, b"\x7fELF and so on");
        build(press, &["{in}/save.tar"])
    }),
    ("text for a docker archive", IMAGE, |press| {
        junk(press, &b"junk ".repeat(1000));
        build(press, &["docker-archive:{in}/save.tar"])
    }),
    ("text for an OCI archive", IMAGE, |press| {
        junk(press, &b"junk ".repeat(1000));
        build(press, &["oci-archive:{in}/save.tar"])
    }),
    ("text for a root filesystem", IMAGE, |press| {
        junk(press, &b"junk ".repeat(1000));
        build(press, &["rootfs:{in}/save.tar"])
    }),
    ("a directory without a layout", IMAGE, |press| {
        fs::create_dir(press.input("layout")).unwrap();
        build(press, &["oci:{in}/layout"])
    }),
    ("text for a filesystem, listed", IMAGE, |press| {
        junk(press, &b"junk ".repeat(1000));
        run(press, "ls", &["{in}/save.tar"])
    }),
    ("text for a filesystem, inspected", IMAGE, |press| {
        junk(press, &b"junk ".repeat(1000));
        run(press, "inspect", &["{in}/save.tar"])
    }),
    ("text for a filesystem, compared", IMAGE, |press| {
        filesystem(press);
        junk(press, &b"junk ".repeat(1000));
        run(press, "diff", &["{in}/fs.img", "{in}/save.tar"])
    }),
    // What is broken.
    ("a manifest.json that is no JSON", IMAGE, |press| {
        saved(press, |files| files.put("manifest.json", "{"));
        build(press, &["{in}/save.tar"])
    }),
    ("a layer that an archive lacks", IMAGE, |press| {
        saved(press, |files| {
            files.0.retain(|name, _| !name.ends_with("layer.tar"))
        });
        build(press, &["{in}/save.tar"])
    }),
    ("a layer of other bytes", IMAGE, |press| {
        saved(press, |files| {
            let mut layers = files.0.iter_mut();
            let layer = layers
                .find(|(name, _)| name.ends_with("layer.tar"))
                .unwrap();
            layer.1[512] ^= 1;
        });
        build(press, &["{in}/save.tar"])
    }),
    ("a blob that a layout lacks", IMAGE, |press| {
        layout(press, |files| {
            files.0.retain(|name, _| !name.starts_with("blobs"))
        });
        build(press, &["oci:{in}/layout"])
    }),
    ("a header of a wrong checksum", IMAGE, |press| {
        let mut tar = layer_tar(&[("a", b"a"), ("b", b"b")]);
        tar[1024] ^= 1;
        fs::write(press.image(), tar).unwrap();
        build(press, &["rootfs:{in}/save.tar"])
    }),
    ("a link to nothing", IMAGE, |press| {
        flat(press, Header::new(b'1', "link").target("none"), &[])
    }),
    ("a symbolic link to an empty name", IMAGE, |press| {
        flat(press, Header::new(b'2', "link"), &[])
    }),
    // Ceilings, each with its flag.
    ("more entries than --max-entries", IMAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--max-entries=1"])
    }),
    ("more bytes than --max-bytes", IMAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--max-bytes=1"])
    }),
    ("a longer layer than --max-layer-bytes", IMAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--max-layer-bytes=1"])
    }),
    ("a deeper path than --max-path-depth", IMAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--max-path-depth=1"])
    }),
    ("a longer header than --max-header-bytes", IMAGE, |press| {
        entry(
            press,
            Header::new(b'0', "file"),
            &[record("comment", [b'x'; 2000])],
        );
        build(press, &["rootfs:{in}/save.tar", "--max-header-bytes=512"])
    }),
    ("more attributes than --max-xattr-bytes", IMAGE, |press| {
        entry(
            press,
            Header::new(b'0', "file"),
            &[record("SCHILY.xattr.user.a", [b'x'; 2000])],
        );
        build(press, &["rootfs:{in}/save.tar", "--max-xattr-bytes=512"])
    }),
    ("more expansion than --max-expansion", IMAGE, |press| {
        let mut image = TestImage::new([layer_tar(&[("zeros", &vec![0; 4 << 20])])]);
        image.compression = Compression::Gzip;
        image.layout("1").write_directory(&press.input("layout"));
        build(
            press,
            &[
                "oci:{in}/layout",
                "--max-expansion=2",
                "--max-expansion-from=1048576",
            ],
        )
    }),
    // What ext3 cannot hold.
    ("a name of 256 bytes", UNSUPPORTED, |press| {
        flat(
            press,
            Header::new(b'0', "short"),
            &[record("path", "n".repeat(256))],
        )
    }),
    ("a symbolic link of 4096 bytes", UNSUPPORTED, |press| {
        flat(
            press,
            Header::new(b'2', "link"),
            &[record("linkpath", "t".repeat(4096))],
        )
    }),
    ("a device of more than 12 bits", UNSUPPORTED, |press| {
        flat(
            press,
            Header::new(b'3', "device").set(329, b"0010000\0"),
            &[],
        )
    }),
    ("a file of 2 TiB", UNSUPPORTED, |press| {
        let records = [
            record("GNU.sparse.major", "1"),
            record("GNU.sparse.minor", "0"),
            record("GNU.sparse.name", "large"),
            record("GNU.sparse.realsize", (1_u64 << 41).to_string()),
        ];
        let mut tar = Vec::new();
        let payload = records.concat();
        tar.extend(Header::new(b'x', "pax").size(payload.len() as u64).bytes());
        tar.extend(&payload);
        tar.resize(tar.len().next_multiple_of(512), 0);
        tar.extend(Header::new(b'0', "large").size(512).bytes());
        tar.extend(b"0\n");
        tar.resize(tar.len().next_multiple_of(512), 0);
        tar.extend([0; 1024]);
        fs::write(press.image(), tar).unwrap();
        build(
            press,
            &[
                "rootfs:{in}/save.tar",
                "--max-bytes=9999999999999",
                "--max-layer-bytes=9999999999999",
            ],
        )
    }),
    ("attributes of more than a block", UNSUPPORTED, |press| {
        let attribute = record("SCHILY.xattr.user.a", [b'x'; 5000]);
        flat(press, Header::new(b'0', "file"), &[attribute])
    }),
    ("a file in the place of lost+found", UNSUPPORTED, |press| {
        flat(press, Header::new(b'0', "lost+found"), &[])
    }),
    ("a filesystem of 17 TiB", UNSUPPORTED, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--size=17T"])
    }),
    // What layerpress cannot do.
    ("a tar entry of an unknown type", UNSUPPORTED, |press| {
        flat(press, Header::new(b'Z', "strange"), &[])
    }),
    ("an archive compressed by xz", UNSUPPORTED, |press| {
        junk(press, &[b"\xfd7zXZ\0", &[7; 2000][..]].concat());
        build(press, &["{in}/save.tar"])
    }),
    ("an encrypted layer", UNSUPPORTED, |press| {
        layout(press, |files| {
            let (name, manifest) = files
                .0
                .iter()
                .find(|(_, bytes)| {
                    bytes.starts_with(b"{\"config\"")
                        || bytes.windows(9).any(|at| at == b"\"layers\":")
                })
                .map(|(name, bytes)| (name.clone(), String::from_utf8(bytes.clone()).unwrap()))
                .unwrap();
            let changed = manifest.replace("layer.v1.tar", "layer.v1.tar+encrypted");
            files.0.remove(&name);
            let descriptor = files.blob(OCI_MANIFEST, changed.into_bytes());
            with_index(files, |index| index["manifests"] = json!([descriptor]));
        });
        build(press, &["oci:{in}/layout"])
    }),
    ("a transport that others have", UNSUPPORTED, |press| {
        build(press, &["containers-storage:debian"])
    }),
    ("a directory for an output", UNSUPPORTED, |press| {
        saved(press, |_| {});
        run(press, "build", &["{in}/save.tar", "-o", "{in}"])
    }),
    ("the input for an output", UNSUPPORTED, |press| {
        saved(press, |_| {});
        run(press, "build", &["{in}/save.tar", "-o", "{in}/save.tar"])
    }),
    // The others, once.
    ("mke2fs that is not there", TOOL, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--mke2fs=/nonexistent/mke2fs"])
    }),
    ("a size that is too small", SIZE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--size=1M"])
    }),
    ("an unknown option", USAGE, |press| {
        build(press, &["{in}/save.tar", "--none"])
    }),
    // What is typed contradicts itself or lacks something, which the parser does not see.
    ("a document on standard output", USAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--manifest=-"])
    }),
    ("a tree on standard output", USAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--verity-file=-"])
    }),
    ("a fetched filesystem on standard output", USAGE, |press| {
        run(press, "pull", &["docker://127.0.0.1:1/name", "-o", "-"])
    }),
    ("a summary and a filesystem on one stream", USAGE, |press| {
        saved(press, |_| {});
        run(press, "build", &["{in}/save.tar", "-o", "-", "--json"])
    }),
    ("a file beside standard output", USAGE, |press| {
        saved(press, |_| {});
        run(press, "build", &["{in}/save.tar", "-o", "-", "--sha256"])
    }),
    ("an option of many for one image", USAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--force"])
    }),
    ("an image beside a list", USAGE, |press| {
        run(press, "build", &["{in}/save.tar", "--list", "{in}/list"])
    }),
    ("no output", USAGE, |press| {
        run(press, "build", &["{in}/save.tar"])
    }),
    ("edits without an image", USAGE, |press| {
        let zeros = format!("--roothash={}", "0".repeat(64));
        run(press, "verify", &["{in}/fs.img", &zeros, "--mkdir=/x"])
    }),
    ("a strictness without what it is about", USAGE, |press| {
        saved(press, |_| {});
        build(press, &["{in}/save.tar", "--like-strict"])
    }),
    ("credentials and an image from one stream", USAGE, |press| {
        build(press, &["-", "--creds-stdin"])
    }),
    ("a filesystem exported for no platform", USAGE, |press| {
        filesystem(press);
        run(press, "export", &["{in}/fs.img", "-o", "oci:{in}/layout"])
    }),
    ("a kind of segments that there is not", USAGE, |press| {
        let to = "docker://127.0.0.1:1/name";
        run(press, "push", &["{in}/fs.img", to, "--compress=gzip"])
    }),
    // The same in a list is a matter of the list.
    (
        "a document on standard output, in a list",
        UNSUPPORTED,
        |press| {
            let list = "image.tar\tfs.img\t--manifest=-\n";
            fs::write(press.input("list"), list).unwrap();
            run(press, "build", &["--list", "{in}/list"])
        },
    ),
    // What depends on what is there is none of the command line alone.
    ("layers of a filesystem", UNSUPPORTED, |press| {
        filesystem(press);
        run(press, "ls", &["--layer", "{in}/fs.img"])
    }),
    (
        "a file in the place of a repository",
        UNSUPPORTED,
        |press| {
            filesystem(press);
            run(press, "pull", &["{in}/fs.img", "-o", "{in}/x.img"])
        },
    ),
    ("a filesystem in the place of an image", IMAGE, |press| {
        filesystem(press);
        run(press, "verify", &["{in}/fs.img", "{in}/fs.img"])
    }),
    ("two filesystems that differ", 1, |press| {
        filesystem(press);
        fs::copy(press.input("fs.img"), press.input("other.img")).unwrap();
        let text = layer_tar(&[("etc/passwd", b"root:x:0:0::/:/bin/bash\n")]);
        fs::write(press.image(), text).unwrap();
        let mut command = build(press, &["rootfs:{in}/save.tar"]);
        press.run(&mut command).succeeded();
        fs::rename(press.output(), press.input("other.img")).unwrap();
        run(press, "diff", &["{in}/fs.img", "{in}/other.img"])
    }),
];
