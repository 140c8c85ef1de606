"""The comparer, held against trees and filesystems that were damaged in one way each: it must fail."""
import os
import struct
import subprocess
import sys
import tempfile

from .aims import LIKE, LIKE_PINNED, missed
from .check import what_is_wrong
from .chunks import BLOCK, INDEX, INDEX_HEAD, TABLE, Moved, chunks_of, that_differ
from .command import CommandFailed
from .listing import differences, listing, summary, without_lost_and_found
from .variants import Tree

MTIME = 1_600_000_000


def make_tree(root):
    os.mkdir(root)
    with open(f"{root}/file", "w", encoding="utf-8") as file:
        file.write("content")
    os.setxattr(f"{root}/file", "user.note", b"value")
    os.mkdir(f"{root}/directory")
    with open(f"{root}/directory/one", "w", encoding="utf-8") as file:
        file.write("linked")
    os.link(f"{root}/directory/one", f"{root}/two")
    os.symlink("file", f"{root}/symlink")
    os.mknod(f"{root}/device", 0o600 | 0o020000, os.makedev(1, 3))
    for folder, directories, files in os.walk(root, topdown=False):
        for name in [*directories, *files, "."]:
            os.utime(os.path.join(folder, name), (MTIME, MTIME), follow_symlinks=False)


def rewrite(path, content):
    status = os.stat(path)
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))


def unlink_and_copy(root):
    os.unlink(f"{root}/two")
    rewrite_new(f"{root}/two", "linked")


def rewrite_new(path, content):
    with open(path, "w", encoding="utf-8") as file:
        file.write(content)
    os.utime(path, (MTIME, MTIME))


def other_device(root):
    os.unlink(f"{root}/device")
    os.mknod(f"{root}/device", 0o600 | 0o020000, os.makedev(1, 5))


def file_to_directory(root):
    os.unlink(f"{root}/file")
    os.mkdir(f"{root}/file")


def other_target(root):
    os.unlink(f"{root}/symlink")
    os.symlink("elsewhere", f"{root}/symlink")


DAMAGE = {
    "missing": lambda root: os.unlink(f"{root}/device"),
    "content": lambda root: rewrite(f"{root}/file", "CONTENT"),
    "type": file_to_directory,
    "size": lambda root: rewrite(f"{root}/file", "longer content"),
    "target": other_target,
    "link group": unlink_and_copy,
    "device": other_device,
    "xattrs": lambda root: os.setxattr(f"{root}/file", "user.note", b"other"),
    "mode": lambda root: os.chmod(f"{root}/file", 0o4755),
    "owner": lambda root: os.chown(f"{root}/symlink", 1, 2, follow_symlinks=False),
    "mtime": lambda root: os.utime(f"{root}/directory", (MTIME, MTIME + 1)),
    "mtime fraction": lambda root: os.utime(f"{root}/directory", ns=(0, MTIME * 10**9 + 1)),
    "added": lambda root: rewrite_new(f"{root}/new", ""),
}


def expect(condition, what):
    if not condition:
        sys.exit(f"error: the benchmark's comparer is broken: {what}")


def images(work, reference):
    """The same through the kernel: a good filesystem, one with a changed mode, one that is none."""
    image = f"{work}/image"

    def set_field(path, field, value):
        subprocess.run(["debugfs", "-w", "-R", f"set_inode_field {path} {field} {value}", image], check=True,
                       capture_output=True)

    subprocess.run(["mke2fs", "-q", "-F", "-t", "ext3", "-d", f"{work}/tree", image, "8M"], check=True,
                   stdout=subprocess.DEVNULL)
    def verdict():
        return what_is_wrong(image, reference, work)

    expect(verdict() == ("", "but for the root's mtime"), f"mke2fs -d leaves the root's time out: {verdict()}")
    set_field("/", "mtime", f"@{MTIME}")
    expect(verdict() == ("", ""), f"it finds something in a good filesystem: {verdict()}")
    set_field("/file", "mode", "0100600")
    expect(verdict()[0].startswith("1 mode; "), "it does not find a mode in a filesystem")
    set_field("/file", "links_count", "7")
    expect("e2fsck" in verdict()[0], "it does not find a wrong link count")
    with open(image, "r+b") as file:
        file.write(bytes(4096))
    expect("cannot be mounted" in verdict()[0], "it mounts what is no filesystem")


def updates(work):
    """Blocks and chunks are counted where they differ and not where they are equal; a changed tree is changed back."""
    one, other = f"{work}/one", f"{work}/other"
    content = bytearray(b"x" * (BLOCK * 600))
    for path, blocks in ((one, ()), (other, (0, 255, 256, 599))):
        for block in blocks:
            content[block * BLOCK + block] ^= 1
        rewrite_new(path, content.decode("latin-1"))
    # 600 blocks are three segments of 1 MiB, one of 4.
    expect(that_differ(one, one) == (0, 600, 0, 3, 0, 1), "it finds blocks that differ in a file and itself")
    expect(that_differ(one, other) == (4, 600, 3, 3, 1, 1), "it miscounts four blocks that differ")
    os.truncate(other, BLOCK * 599)
    expect(that_differ(one, other) == (4, 600, 3, 3, 1, 1), "it misses the block that one file has more")
    for name, variant, blocks, segments, is_missed in (
            (LIKE_PINNED, "a2", 112, 25, 0), (LIKE_PINNED, "a2", 113, 25, 1), (LIKE, "a2", 113, 25, 0),
            (LIKE_PINNED, "b", 112, 3, 0), (LIKE_PINNED, "b", 113, 4, 2)):
        moved = Moved(blocks, 100_000, 0, 100, segments, 25, 0, 0)
        found = missed({("ext4", name): {variant: moved}}, {variant: {"blocks": 10}})
        expect(len(found) == is_missed, f"it misjudges {blocks} blocks and {segments} segments of {variant}: {found}")
    head = struct.pack("<6Q2Q", INDEX_HEAD, INDEX, 0, 0, 0, 0, 2**64 - 1, TABLE)
    index = head + struct.pack("<Q", 10) + b"a" * 32 + struct.pack("<Q", 30) + b"b" * 32 + bytes(40)
    expect(list(chunks_of(index, 30).values()) == [10, 20], "it misreads the lengths of chunks")
    for wrong, size in ((index, 31), (b"\1" + index[1:], 30)):
        try:
            chunks_of(wrong, size)
        except CommandFailed:
            continue
        expect(False, "it takes an index that does not fit")
    root = f"{work}/debian"
    os.makedirs(f"{root}/etc")
    os.makedirs(f"{root}/var/lib/dpkg/info")
    rewrite_new(f"{root}/etc/text", "words and lines\n" * 100)
    rewrite_new(f"{root}/etc/program", "\0" * 5000)
    os.link(f"{root}/etc/program", f"{root}/second")
    rewrite_new(f"{root}/var/lib/dpkg/status", "Package: openssl\nVersion: 1\n")
    rewrite_new(f"{root}/var/lib/dpkg/info/openssl.list", "/etc/program\n")
    tree, before = Tree(root), listing(root)
    for variant, changed in (("a1", {b"./etc/text"}), ("a2", {b"./etc/text"}), ("c", {b"./0-first"}),
                             ("b", {b"./etc/program", b"./second", b"./var/lib/dpkg/status"})):
        with tree.changed(tree.change(variant), f"{work}/aside"):
            found = {one.path for one in differences(before, listing(root)) if not one.kind.startswith("mtime")}
        expect(found == changed, f"variant {variant} changes {found}")
        expect(not differences(before, listing(root)), f"variant {variant} is not changed back")


def self_test():
    """Ends the program unless the comparer finds each kind of damage, and none where there is none."""
    os.environ["PATH"] += ":/usr/sbin:/sbin"
    with tempfile.TemporaryDirectory(prefix="self-test-", dir="/var/tmp") as work:  # /tmp may lack attributes
        make_tree(f"{work}/tree")
        reference = listing(f"{work}/tree")
        for kind, damage in DAMAGE.items():
            copy = f"{work}/{kind.replace(' ', '-')}"
            subprocess.run(["cp", "-a", f"{work}/tree", copy], check=True)
            expect(not differences(reference, listing(copy)), "it finds something in an equal tree")
            damage(copy)
            os.utime(copy, (MTIME, MTIME))
            found = summary(differences(reference, listing(copy)))
            expect(f"1 {kind}" in found or f"2 {kind}" in found, f"damage of {kind} is told as {found!r}")
        empty = {**reference, b"./lost+found": {}}
        expect(without_lost_and_found(empty) == reference, "it minds an empty lost+found")
        expect(without_lost_and_found({**empty, b"./lost+found/x": {}}) != reference, "it misses a file in lost+found")
        images(work, reference)
        updates(work)


if __name__ == "__main__":
    self_test()
    print("the benchmark's comparer finds what it must")
