"""What reading a mounted filesystem asks of the device: called by scripts/bench --mounted-reads.

usage: bench --mounted-reads [--dir DIR] [OPTION...] [FILESYSTEM...]
  --image IMAGE      any image that layerpress reads (the stack image of scripts/stack-image, made once in DIR)
  --fs KIND,...      kinds of filesystems (ext4,ext3)
  --before PROGRAM   an earlier layerpress, measured beside, as "before" (it makes ext3)
  --rounds N         of each workload; they must be equal (2)
  --json FILE        also write the numbers there
FILESYSTEM are filesystem images of the same tree that somebody else made. Printed are the read requests and the
KiB of a fresh loop device, read-only, with cold caches, not the time: so the numbers are the same on a machine
that does other things, too. Needs root.
"""
import argparse
import contextlib
import json
import os
import shutil
import struct
import subprocess
import sys
import tempfile

from .begin import begin, say
from .command import CommandFailed, existing_program, run
from .mounted import PROGRAMS

KINDS = ("ext2", "ext3", "ext4")
PIECE = 1 << 20
STARTED = 50
# Most disks' read-ahead. What waits is not merged with what comes: that would depend on who is faster; nor is
# more asked for at once than fits without pages that happen to lie together in memory.
QUEUE = {"scheduler": "none", "read_ahead_kb": "128", "max_sectors_kb": "128"}


def tree_order(point):
    """Paths of regular files: a directory's own, by the bytes of their names, then those of each directory in it."""
    entries = sorted(os.scandir(point), key=lambda entry: entry.name)
    yield from (entry.path for entry in entries if entry.is_file(follow_symlinks=False))
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            yield from tree_order(entry.path)


def read_all(point):
    """Every file from its beginning to its end, in tree order."""
    point, piece = os.fsencode(point), bytearray(PIECE)
    for path in tree_order(point):
        with open(path, "rb", buffering=0) as file:
            while file.readinto(piece):
                pass


def find(point):
    """Every name with its attributes, in the order in which directories list them."""
    run("find", point, "-xdev", "-printf", "%s %m %U %n %T@\n")


def start_programs(point):
    """The first of PROGRAMS that the tree has, started in it one after another: each prints its version."""
    found = [path for path in (f"/usr/bin/{name}" for name in PROGRAMS) if os.path.isfile(point + path)][:STARTED]
    if len(found) < STARTED:
        raise CommandFailed(f"only {len(found)} of the programs that would be started are in the image, not {STARTED}")
    for path in found:
        # Without randomised addresses: pages would be touched in another order each time.
        ended = subprocess.run(["setarch", "-R", "chroot", point, path, "--version"], stdin=subprocess.DEVNULL,
                               stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, timeout=60,
                               env={"PATH": "/usr/sbin:/usr/bin:/sbin:/bin", "LC_ALL": "C"})
        if ended.returncode < 0 or ended.returncode in (126, 127):  # others: it does not know --version
            raise CommandFailed(f"{path} of the image cannot be started: {ended.returncode}")


WORKLOADS = {"read all files": read_all, "find with attributes": find, f"start {STARTED} programs": start_programs}


@contextlib.contextmanager
def attached(image):
    """A loop device of its own, read-only."""
    device = run("losetup", "--find", "--show", "--read-only", image).strip()
    try:
        for name, value in QUEUE.items():
            with open(f"/sys/block/{os.path.basename(device)}/queue/{name}", "w", encoding="ascii") as file:
                file.write(value)
        yield device
    finally:
        run("losetup", "--detach", device)


def has_journal(image):
    with open(image, "rb") as file:
        superblock = file.read(2048)[1024:]
    return struct.unpack_from("<I", superblock, 0x5C)[0] & 4 != 0


@contextlib.contextmanager
def mounted(device, work, options):
    point = tempfile.mkdtemp(dir=work, prefix="mount-")
    try:
        run("mount", "-o", options, device, point)
        try:
            yield point
        finally:
            run("umount", point)
    finally:
        os.rmdir(point)


def counters(device):
    """Read requests and KiB read so far."""
    with open(f"/sys/block/{os.path.basename(device)}/stat", encoding="ascii") as file:
        fields = file.read().split()
    return int(fields[0]), int(fields[2]) // 2


def once(image, work, workload):
    """Read requests and KiB of one workload, the mount's own among them."""
    with attached(image) as device:
        options = "ro,noatime" + (",noload" if has_journal(image) else "")
        os.sync()
        run("blockdev", "--flushbufs", device)
        with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
            file.write("3")
        requests, kib = counters(device)
        with mounted(device, work, options) as point:
            workload(point)
            more_requests, more_kib = counters(device)
        return more_requests - requests, more_kib - kib


def measure(image, work, rounds, say, name):
    """By workload, the rounds' numbers."""
    result = {}
    for title, workload in WORKLOADS.items():
        result[title] = [once(image, work, workload) for _ in range(rounds)]
        say(f"{name}, {title}: {result[title]}")
    return result


def table(results):
    """As Markdown. Rounds that were not equal are shown with their spread."""
    lines = ["| requests and KiB read | " + " | ".join(WORKLOADS) + " |", "|---|" + "---:|" * len(WORKLOADS)]
    for name, workloads in results.items():
        cells = []
        for rounds in workloads.values():
            least, most = min(rounds), max(rounds)
            cells.append(f"{least[0]:,}, {least[1]:,}" + (f" (to {most[0]:,}, {most[1]:,})" if least != most else ""))
        lines.append(f"| {name} | " + " | ".join(cells) + " |")
    return "\n".join(lines)


def kinds(text):
    for name in text.split(","):
        if name not in KINDS:
            raise argparse.ArgumentTypeError(f"{name!r}: expected {', '.join(KINDS)}")
    return text.split(",")


def arguments():
    if {"-h", "--help"} & set(sys.argv):
        print(__doc__.split("\n\n", 1)[1].strip())
        sys.exit()
    parser = argparse.ArgumentParser(prog="bench --mounted-reads", allow_abbrev=False, add_help=False,
                                     usage="bench --mounted-reads --help tells the options")
    parser.add_argument("--dir", required=True)
    parser.add_argument("--layerpress", type=existing_program, required=True)
    parser.add_argument("--image")
    parser.add_argument("--fs", type=kinds, default=["ext4", "ext3"])
    parser.add_argument("--before", type=existing_program)
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--json")
    parser.add_argument("filesystems", nargs="*")
    return parser.parse_args()


def main():
    given = arguments()
    image = begin(given.dir, given.image)
    with contextlib.ExitStack() as stack:
        work = tempfile.mkdtemp(prefix="reads-", dir=given.dir)
        stack.callback(shutil.rmtree, work, ignore_errors=True)
        results, made = {}, os.path.join(work, "made.img")
        programs = [("before, ext3", given.before, [])] if given.before else []
        programs += [(kind, given.layerpress, ["--fs", kind] if kind != "ext3" else []) for kind in given.fs]
        for name, program, options in programs:
            run(program, "build", image, "--no-fsck", "-q", "-o", made, *options)
            results[name] = measure(made, work, given.rounds, say, name)
            os.unlink(made)
        for path in given.filesystems:
            results[os.path.basename(path)] = measure(path, work, given.rounds, say, path)
        if given.json:
            with open(given.json, "w", encoding="utf-8") as file:
                json.dump(results, file, indent=1)
        print(table(results))


if __name__ == "__main__":
    try:
        main()
    except KeyboardInterrupt:
        sys.exit(130)
    except CommandFailed as error:
        sys.exit(f"error: {error}")
