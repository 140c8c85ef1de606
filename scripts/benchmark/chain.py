"""Versions of an image, each built like the one before: called by scripts/chain-of-versions.

usage: chain-of-versions [--dir DIR] [OPTION...]
  --image IMAGE      any image that layerpress reads, of Debian or Ubuntu packages (the stack image of
                     scripts/stack-image, made once in DIR)
  --fs KIND          kind of filesystem (ext4)
  --versions N       how many, the first among them (50)
  --packages N       that are upgraded from one to the next (4)
  --size SIZE        of the first, as layerpress takes it (120%)
  --rounds N         of reading, with cold caches (2)
  --json FILE        also write the numbers there
From one version to the next packages are upgraded, files come, grow, shrink and go. Of each version it is shown that
e2fsck finds nothing, that verify and diff find it equal to the tree, that diff --blocks counts what a plain comparison
counts, that no free block holds anything, and that the same is built twice with the same bytes (every tenth). Printed
are how many kept size and tables, and of the last one beside a fresh build of the same size: runs of blocks of all
files as the kernel sees them, free runs, and what reading asks of the device. Ends with 1 where anything is wrong.
"""
import argparse
import contextlib
import dataclasses
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile

from .begin import begin, say
from .chunks import BLOCK, that_differ
from .command import CommandFailed, existing_program, run
from .reads import KINDS, find, mounted, once, read_all
from .updates import unpacked
from .variants import WEEK_NS, NoDebian, noise

UUID, SEED, EPOCH, WEEK = "5f0c5c1e-3d0e-4b0f-9d46-6f4a5d2c7a10", "0b3f5f0a-78f1-4f0f-8a5b-2f4b1f6f8e02", 1_700_000_000, 604_800
TWICE_EVERY = 10


def chosen(paths, key, count):
    """So many of the paths, the same for the same key."""
    return sorted(paths, key=lambda path: noise(f"{key} {path}", 16))[:count]


def number(key, most):
    """From 1 to most, the same for the same key."""
    return 1 + int.from_bytes(noise(key, 8), "little") % most


def write(tree, path, content):
    """Under the old inode, and so under all its names; a file that is not there comes."""
    place = tree.at(path)
    old = os.lstat(place) if os.path.lexists(place) else None
    with open(place, "wb") as file:
        file.write(content)
    times = old or os.stat(os.path.dirname(place))
    os.utime(place, ns=(times.st_atime_ns, times.st_mtime_ns + WEEK_NS))


def next_version(tree, version, packages):
    """Changes the tree; how many files were changed, came and went."""
    key = f"version {version}"
    change = tree.upgrade(chosen(tree.packages(), key, packages))
    for path, content in change.new.items():
        write(tree, path, content)
    files = [path for path in tree.files() if not path.startswith(("var/lib/dpkg/", "usr/bin/", "usr/lib/", "lib"))]
    resized = chosen(files, key + " resized", 3)
    for path in resized[:2]:
        write(tree, path, tree.read(path) + noise(f"{key} {path}", number(f"{key} {path}", 40 * BLOCK)))
    write(tree, resized[2], tree.read(resized[2])[:os.path.getsize(tree.at(resized[2])) // 2])
    gone = [path for path in chosen(files, key + " gone", 4) if path not in resized]
    for path in gone:
        os.unlink(tree.at(path))
    folder = f"opt/version-{version}"
    os.makedirs(tree.at(folder))
    come = 5 if version % 5 else 400
    for index in range(come):
        most = (100 if index < 5 else 1) * BLOCK
        write(tree, f"{folder}/file-{index}", noise(f"{folder}/{index}", number(f"{key} {index}", most)))
    if version % 7 == 0:
        shutil.rmtree(tree.at(f"opt/version-{version - 3}"))
    return {"changed": len(change.new) + 3, "added": come, "removed": len(gone)}


class Wrong(Exception):
    """A version is not as it must be."""


def expect(is_right, what):
    if not is_right:
        raise Wrong(what)


def ended_with(code, *command):
    ended = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace")
    expect(ended.returncode == code, f"{' '.join(command)[:200]}: expected {code}, found {ended.returncode}: "
           f"{(ended.stdout + ended.stderr).strip()[-500:]}")
    return ended.stdout


def free_runs(image):
    """Ranges of free blocks, as dumpe2fs tells them."""
    text = run("dumpe2fs", image)
    found = re.findall(r"^  Free blocks: (.+)$", text, re.MULTILINE)
    for piece in ", ".join(found).split(", "):
        if piece.strip():
            first, _, last = piece.strip().partition("-")
            yield int(first), int(last or first)


def expect_free_blocks_to_be_empty(image):
    """What was freed must not be read out of an image that somebody else is given."""
    count = 0
    with open(image, "rb") as file:
        for first, last in free_runs(image):
            file.seek(first * BLOCK)
            left = (last + 1 - first) * BLOCK
            count += 1
            while left:
                piece = file.read(min(left, 1 << 20))
                expect(piece and not any(piece), f"{image}: free blocks {first} to {last} hold something")
                left -= len(piece)
    return count


@dataclasses.dataclass
class Builder:
    program: str
    kind: str
    tree: object

    def build(self, output, version, *more):
        options = ["--fs", self.kind, "--source-date-epoch", str(EPOCH + version * WEEK), "--uuid", UUID,
                   "--hash-seed", SEED, "--no-fsck", "--json", "--progress", "none"]
        return json.loads(ended_with(0, self.program, "build", f"rootfs:{self.tree.root}", "-o", output, *options, *more))

    def check(self, image, version, earlier):
        """Whether the version is right; blocks that differ from the one before, and free runs."""
        run("e2fsck", "-fn", image)
        epoch = ["--source-date-epoch", str(EPOCH + version * WEEK)]
        ended_with(0, self.program, "verify", image, f"rootfs:{self.tree.root}", "-q", *epoch)
        ended_with(0, self.program, "diff", image, f"rootfs:{self.tree.root}", "-q", *epoch)
        free = expect_free_blocks_to_be_empty(image)
        if earlier is None:
            return 0, free
        told = json.loads(ended_with(1, self.program, "diff", "--blocks", "--json", "-q", earlier, image))
        counted = that_differ(earlier, image)
        expect((told["differing_blocks"], told["total_blocks"]) == counted[:2],
               f"{image}: diff --blocks tells {told['differing_blocks']} of {told['total_blocks']}, not {counted[:2]}")
        return counted[0], free


def extents(image, work):
    """Runs of blocks of all files, and files that have more than one, as the kernel sees them."""
    device = run("losetup", "--find", "--show", "--read-only", image).strip()
    try:
        with mounted(device, work, "ro,noatime,norecovery") as point:
            said = run("find", point, "-xdev", "-type", "f", "-size", "+0", "-exec", "filefrag", "{}", "+")
    finally:
        run("losetup", "--detach", device)
    counts = [int(count) for count in re.findall(r": (\d+) extents? found$", said, re.MULTILINE)]
    return {"files": len(counts), "runs": sum(counts), "split_files": sum(count > 1 for count in counts)}


def facts_of(image, work, rounds):
    """What of an image tells how well it is laid out. Programs that were upgraded here cannot be started."""
    facts = {**extents(image, work), "free_runs": sum(1 for _ in free_runs(image))}
    for title, workload in (("read all files", read_all), ("find with attributes", find)):
        facts[title] = [once(image, work, workload) for _ in range(rounds)]
    return facts


def table(last, fresh):
    lines = ["| | the last of the chain | a fresh build |", "|---|---:|---:|"]
    for title in last:
        cells = [facts.get(title, "") for facts in (last, fresh)]
        shown = [f"{min(cell)[0]:,} requests, {min(cell)[1]:,} KiB" if isinstance(cell, list) else f"{cell:,}"
                 for cell in cells]
        lines.append(f"| {title.replace('_', ' ')} | {shown[0]} | {shown[1]} |")
    return "\n".join(lines)


def arguments():
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__.split("\n\n", 1)[1].strip())
        sys.exit()
    parser = argparse.ArgumentParser(prog="chain-of-versions", allow_abbrev=False, add_help=False,
                                     usage="chain-of-versions --help tells the options")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--layerpress", type=existing_program, required=True)
    parser.add_argument("--image")
    parser.add_argument("--fs", choices=KINDS, default="ext4")
    parser.add_argument("--versions", type=int, default=50)
    parser.add_argument("--packages", type=int, default=4)
    parser.add_argument("--size", default="120%")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json")
    return parser.parse_args()


def chain(given, builder, work, say):
    """A row for each version; the last image's path."""
    rows, earlier = [], None
    for version in range(given.versions):
        image = os.path.join(work, f"{version % 2}.img")
        changes = next_version(builder.tree, version, given.packages) if version else {}
        like = ["--like", earlier] if earlier else ["--size", given.size]
        built = builder.build(image, version, *like)
        differing, free = builder.check(image, version, earlier)
        if version % TWICE_EVERY == TWICE_EVERY - 1:
            again = os.path.join(work, "again.img")
            builder.build(again, version, *like)
            expect(that_differ(image, again)[0] == 0, f"version {version}: two builds are not the same bytes")
            os.unlink(again)
        row = {"version": version, **changes, "bytes": os.path.getsize(image), "differing_blocks": differing,
               "free_runs": free, "like": built["like"]}
        rows.append(row)
        like = built["like"] or {}
        say(f"version {version}: {changes}, {differing:,} blocks differ, {free:,} free runs, layout "
            f"{like.get('layout')}, {like.get('split_files')} split files, {like.get('runs')} runs, fresh "
            f"{like.get('fresh_runs')}")
        earlier = image
    return rows, earlier


def main():
    given = arguments()
    image = begin(given.dir, given.image)
    with contextlib.ExitStack() as stack:
        work = tempfile.mkdtemp(prefix="chain-", dir=given.dir)
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        builder = Builder(given.layerpress, given.fs, unpacked(image, given.layerpress, work))
        rows, last = chain(given, builder, work, say)
        fresh = os.path.join(work, "fresh.img")
        builder.build(fresh, given.versions - 1, "--size", str(os.path.getsize(last)))
        builder.check(fresh, given.versions - 1, None)
        facts = [facts_of(path, work, given.rounds) for path in (last, fresh)]
        if given.json:
            with open(given.json, "w", encoding="utf-8") as file:
                json.dump({"versions": rows, "last": facts[0], "fresh": facts[1]}, file, indent=1)
        kept = sum(row["like"]["layout"] == "kept" for row in rows[1:])
        print(f"{given.fs}, {len(rows)} versions, each right; {kept} of {len(rows) - 1} kept size and tables\n")
        print(table(*facts))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except (CommandFailed, NoDebian, Wrong) as error:
        sys.exit(f"error: {error}")
