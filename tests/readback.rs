//! Reading an image back by two readers that are not ours finds what is wrong with it.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod support;

use support::oracles;

#[test]
fn oracle_smoke() {
    let directory = tempfile::tempdir().unwrap();
    let tree = directory.path().join("tree");
    std::fs::create_dir_all(tree.join("sub")).unwrap();
    std::fs::write(tree.join("a"), b"hello").unwrap();
    std::fs::hard_link(tree.join("a"), tree.join("sub/b")).unwrap();
    let image = directory.path().join("i.img");
    oracles::succeed(
        "mke2fs",
        [
            "-q",
            "-t",
            "ext3",
            "-T",
            "default",
            "-d",
            tree.to_str().unwrap(),
            image.to_str().unwrap(),
            "300M",
        ],
    );
    oracles::e2fsck_clean(&image);
    println!("{}", oracles::kernel_listing(&image));
    println!("{}", oracles::directory_listing(&tree));
    println!("{}", oracles::debugfs(&image, &["stat a"]));
}
