"""What an update of a filesystem image moves, by who made it: called by scripts/bench --updates.

usage: bench --updates [--dir DIR] [OPTION...]
  --image IMAGE      any image that layerpress reads, of Debian or Ubuntu packages (the stack image of
                     scripts/stack-image, made once in DIR)
  --fs KIND,...      kinds of filesystems (ext4,ext3)
  --variants V,...   a1 a text file changed within its block, a2 one file grown by a block, b openssl and its
                     libraries upgraded, c a file of three blocks added first in order, d 40 packages upgraded
                     (all)
  --only REGEX       of the makers: contents only (all files, one behind another); layerpress; layerpress,
                     identity pinned; layerpress --like; layerpress --like, identity pinned; mke2fs -d; mke2fs -d, identity pinned; loop mount
  --before PROGRAM   an earlier layerpress, measured beside, as "before" (it makes ext3)
  --json FILE        also write the numbers there
The tree of the image is changed and changed back; each maker makes a filesystem before and after, all of one
size; "--like" is layerpress told to keep the places of the filesystem before. Printed are the blocks of 4 KiB and the
segments of 1 and 4 MiB that differ at their place (of 4 MiB is what push sends), and the chunks that casync finds new
(its default chunks and compression). An image's UUID is another one after a change, and with it, on ext4, the checksums
of all metadata: that is shown, and beside it the same with one UUID for all ("identity pinned"). Hash seed and time
of mke2fs, and for the loop mount the UUID, are always pinned. Needs root and about three times the image's size in
DIR. Ends with 1 where --like with the identity pinned moves more than it is meant to: 1.2 blocks in place for each of
the changed files alone and 0.1 % of the image, and after b 12 % of the segments of 4 MiB.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import struct
import sys
import tempfile

from .aims import LIKE, LIKE_PINNED, missed
from .begin import begin, say
from .chunks import Moved, Store, that_differ
from .command import CommandFailed, existing_program, run
from .variants import FIRST, TITLES, NoDebian, Tree

MIB = 1 << 20
KINDS = ("ext2", "ext3", "ext4")
UUID, SEED, EPOCH = "5f0c5c1e-3d0e-4b0f-9d46-6f4a5d2c7a10", "0b3f5f0a-78f1-4f0f-8a5b-2f4b1f6f8e02", 1_700_000_000
WEEK, LATER_UUID = 7 * 86_400, "c1e3d0e4-b0f9-4d46-af4a-5d2c7a105f0c"
SIZE = "110%"
CONTENTS = "contents only"
COPY = ('tar -C "$1" --sparse --sort=name --xattrs --xattrs-include="*" --acls -c . | '
        'tar -C "$2" --xattrs --xattrs-include="*" --acls -x')


@dataclasses.dataclass
class Sizes:
    """Of a filesystem, as its superblock says: all makers are given the same."""
    mib: int
    inodes: int

    @classmethod
    def of(cls, image):
        with open(image, "rb") as file:
            file.seek(1024)
            inodes, blocks = struct.unpack("<II", file.read(8))
        return cls(blocks // 256, inodes)


def layerpress(program, kind, pinned, like=False):
    """later: the tree is a later one, and so would be the image's time. Where it is to be like the earlier, that has
    the size."""
    def make(tree, output, sizes, later, work):
        size = f"{sizes.mib}M" if sizes else SIZE
        size = ["--like-strict", "--like", old_in(work)] if like and later else ["--size", size]
        time = EPOCH if pinned or not later else EPOCH + WEEK
        run(program, "build", f"rootfs:{tree.root}", "--no-fsck", "-q", "-o", output, *size,
            "--source-date-epoch", str(time), *(["--fs", kind] if kind != "ext3" else []),
            *(["--uuid", UUID, "--hash-seed", SEED] if pinned else []))
    return make


def old_in(work):
    """Where the filesystem before the change is."""
    return os.path.join(work, "old.img")


def format_like(kind, output, sizes, *more, uuid=UUID):
    run("mke2fs", "-q", "-F", "-t", kind, "-T", "default", "-m", "1", "-N", str(sizes.inodes), "-U", uuid,
        "-E", f"hash_seed={SEED}", *more, output, f"{sizes.mib}M",
        env={**os.environ, "E2FSPROGS_FAKE_TIME": str(EPOCH)})


def mke2fs(kind, pinned):
    def make(tree, output, sizes, later, _):
        format_like(kind, output, sizes, "-d", tree.root, uuid=UUID if pinned or not later else LATER_UUID)
    return make


def loop_mount(kind):
    def make(tree, output, sizes, _, work):
        format_like(kind, output, sizes)
        point = os.path.join(work, "mount")
        os.mkdir(point)
        try:
            run("mount", "-o", "loop,noatime", output, point)
            try:
                run("bash", "-euo", "pipefail", "-c", COPY, "-", tree.root, point)
            finally:
                run("umount", point)
        finally:
            os.rmdir(point)
    return make


def contents(tree, output, *_):
    """No filesystem: all files one behind the other in the order of the tree, each filled up to a block."""
    tree.alone(tree.files(), output)


def makers(kinds, program, before):
    """By kind and name."""
    result = {("none", CONTENTS): contents}
    for kind in kinds:
        if before and kind == "ext3":
            result[kind, "before"] = layerpress(before, kind, False)
            result[kind, "before, identity pinned"] = layerpress(before, kind, True)
        result[kind, "layerpress"] = layerpress(program, kind, False)
        result[kind, "layerpress, identity pinned"] = layerpress(program, kind, True)
        result[kind, LIKE] = layerpress(program, kind, False, like=True)
        result[kind, LIKE_PINNED] = layerpress(program, kind, True, like=True)
        result[kind, "mke2fs -d"] = mke2fs(kind, False)
        result[kind, "mke2fs -d, identity pinned"] = mke2fs(kind, True)
        result[kind, "loop mount"] = loop_mount(kind)
    return result


def first_listed(tree):
    """A name that comes first when the tree's root is listed, as mke2fs -d takes files: FIRST, or one beside it."""
    for number in range(2000):
        name = f"{FIRST}-{number}"
        place = tree.at(name)
        status = os.stat(tree.root)
        with open(place, "xb"):
            first = os.listdir(tree.root)[0]
        os.unlink(place)
        os.utime(tree.root, ns=(status.st_atime_ns, status.st_mtime_ns))
        if first == name:
            return name
    return FIRST


def unpacked(image, program, work):
    """The image's tree in a directory, with whatever attributes it has."""
    packed, root = os.path.join(work, "image.img"), os.path.join(work, "root")
    run(program, "build", image, "--no-fsck", "-q", "-o", packed)
    run(program, "extract", packed, "/", "-q", "-o", root)
    os.unlink(packed)
    status = os.stat(root)
    with contextlib.suppress(OSError):
        os.rmdir(os.path.join(root, "lost+found"))  # each filesystem has its own
    os.utime(root, ns=(status.st_atime_ns, status.st_mtime_ns))
    tree = Tree(root)
    tree.keep_times_of_access()
    return tree


def measure(tree, changes, make, kind_and_name, sizes, work, say):
    """What each variant moves, of a filesystem that this maker makes."""
    old, new = old_in(work), os.path.join(work, "new.img")
    store, result = Store(os.path.join(work, "store")), {}
    try:
        make(tree, old, sizes, False, work)
        known = store.add(old)
        for variant, change in changes.items():
            if variant == "c" and kind_and_name[1].startswith("mke2fs"):
                change = tree.change("c", first_listed(tree))
            with tree.changed(change, os.path.join(work, "aside")):
                make(tree, new, sizes, True, work)
            moved = Moved(*that_differ(old, new), *store.new(new, known))
            os.unlink(new)
            result[variant] = moved
            say(f"{' '.join(kind_and_name)}, {variant}: {moved}")
    finally:
        for path in (old, new):
            with contextlib.suppress(FileNotFoundError):
                os.unlink(path)
        store.remove()
    return result


def alone(tree, change, work):
    """The chunks of the changed files alone, before and after, taken as a file of their own."""
    path, store = os.path.join(work, "alone"), Store(os.path.join(work, "alone-store"))
    try:
        tree.alone(sorted(change.new), path)
        known = store.add(path)
        with tree.changed(change, os.path.join(work, "aside")):
            tree.alone(sorted(change.new), path)
        raw, compressed = store.new(path, known)
        return {"files": len(change.new), "blocks": os.path.getsize(path) // 4096, "raw": raw, "compressed": compressed}
    finally:
        store.remove()
        os.unlink(path)


def table(results, lone, of):
    """As Markdown: a line for each maker and variant."""
    lines = [f"{of.mib} MiB, {of.inodes:,} inodes", "",
             "| kind | made by | variant | blocks differing in place | segments of 1 MiB | of 4 MiB | new chunks, MiB | "
             "compressed, MiB |",
             "|---|---|---|---:|---:|---:|---:|---:|"]
    for variant, facts in lone.items():
        lines.append(f"| | the changed files alone ({facts['files']:,}) | {variant} | {facts['blocks']:,} "
                     f"({100 * facts['blocks'] / 256 / of.mib:.1f} %) | | | {share(facts['raw'], of)} | "
                     f"{share(facts['compressed'], of)} |")
    for (kind, name), variants in results.items():
        for variant, moved in variants.items():
            part = 100 * moved.blocks / moved.blocks_of
            lines.append(f"| {kind} | {name} | {variant} | {moved.blocks:,} ({part:.2f} %) | "
                         f"{moved.segments_1:,} of {moved.segments_1_of:,} | "
                         f"{moved.segments_4:,} of {moved.segments_4_of:,} | {share(moved.raw, of)} | {share(moved.compressed, of)} |")
    return "\n".join(lines)


def document(results, lone, of):
    made = [{"kind": kind, "by": name, "variant": variant, **dataclasses.asdict(moved)}
            for (kind, name), variants in results.items() for variant, moved in variants.items()]
    return {**dataclasses.asdict(of), "alone": lone, "made": made}


def share(length, of):
    return f"{length / MIB:.2f} ({100 * length / MIB / of.mib:.1f} %)"


def listed(known):
    def parse(text):
        names = text.split(",")
        for name in names:
            if name not in known:
                raise argparse.ArgumentTypeError(f"{name!r}: expected {', '.join(known)}")
        return names
    return parse


def arguments():
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__.split("\n\n", 1)[1].strip())
        sys.exit()
    parser = argparse.ArgumentParser(prog="bench --updates", allow_abbrev=False, add_help=False,
                                     usage="bench --updates --help tells the options")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--layerpress", type=existing_program, required=True)
    parser.add_argument("--image")
    parser.add_argument("--fs", type=listed(KINDS), default=["ext4", "ext3"])
    parser.add_argument("--variants", type=listed(TITLES), default=list(TITLES))
    parser.add_argument("--only", type=re.compile, default=re.compile(""))
    parser.add_argument("--before", type=existing_program)
    parser.add_argument("--json")
    return parser.parse_args()


def main():
    given = arguments()
    image = begin(given.dir, given.image)
    work = tempfile.mkdtemp(prefix="updates-", dir=given.dir)
    with contextlib.ExitStack() as stack:
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        tree = unpacked(image, given.layerpress, work)
        changes = {variant: tree.change(variant) for variant in given.variants}
        first = os.path.join(work, "first.img")
        layerpress(given.before or given.layerpress, "ext3", True)(tree, first, None, False, work)
        sizes = Sizes.of(first)
        os.unlink(first)
        lone = {variant: alone(tree, change, work) for variant, change in changes.items()}
        say(f"the changed files alone: {lone}")
        results = {}
        for (kind, name), make in makers(given.fs, given.layerpress, given.before).items():
            if given.only.search(name):
                results[kind, name] = measure(tree, changes, make, (kind, name), sizes, work, say)
                # After each maker, so that an interrupted run leaves what it has.
                if given.json:
                    with open(given.json, "w", encoding="utf-8") as file:
                        json.dump(document(results, lone, sizes), file, indent=1)
        for variant in given.variants:
            print(f"- {variant}: {TITLES[variant]}")
        print("\n" + table(results, lone, sizes))
        more = missed(results, lone)
        for line in more:
            print(f"missed: {line}")
        return int(bool(more))


if __name__ == "__main__":
    try:
        sys.exit(main())
    except KeyboardInterrupt:
        sys.exit(130)
    except (CommandFailed, NoDebian) as error:
        sys.exit(f"error: {error}")
