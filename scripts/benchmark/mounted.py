"""What the host of a mounted image feels: cold reads of filesystems that different tools made of one image."""
import os
import re
import statistics
import subprocess

from .check import mounted, what_is_wrong
from .measure import Failed, measure

MAKERS = (("archive", "layerpress"), ("archive", "shell pipeline"), ("directory", "mke2fs -d DIR"))
# Programs that print a version and end; the first 50 that an image has are started.
PROGRAMS = """bash perl python3 git curl gcc make java ruby vim.basic rsync sqlite3 cpp gcov ar as ld nm objcopy objdump
    readelf strip strings size ranlib addr2line gprof c++filt ls cp mv cat chmod chown date dd df du env expr grep sed
    mawk find xargs tar gzip sort head tail wc tr cut uniq tee stat sha256sum md5sum id whoami uname sleep timeout touch
    mkdir rmdir rm ln od paste join comm seq shuf split tac nl fold fmt expand nproc realpath readlink basename dirname
    diff cmp less locale localedef iconv getconf""".split()
READ = 'cd "$1"; find . -xdev -type f -exec cat {} + >/dev/null'
START = 'chroot "$1" bash -c \'find / -xdev >/dev/null; for p in "$@"; do ldd "$p"; "$p" --version; done\' - "${@:2}"'
STAT = """
import os, random, sys
os.chdir(sys.argv[1])
names = os.listdir(".")
pick = random.Random(1).choices(names, k=1000000)
for name in pick:
    os.lstat(name)
"""
LARGE_DIRECTORY = 50_000


def workloads(image):
    """Each is a name and a function from mount point to command line; what an image has no use for is out."""
    programs = [p for p in (b"usr/bin/" + name.encode() for name in PROGRAMS) if b"./" + p in image.reference][:50]
    result = [("read all files", lambda point: ["bash", "-euc", READ, "-", point])]
    if len(programs) == 50:
        names = ["/" + os.fsdecode(program) for program in programs]
        result.append(("start: find, 50 × ldd and --version",
                       lambda point: ["bash", "-euc", START, "-", point, *names]))
    sizes = {}
    for path in image.reference:
        parent = os.path.dirname(path)
        sizes[parent] = sizes.get(parent, 0) + 1
    largest = max(sizes, key=sizes.get)
    if sizes[largest] >= LARGE_DIRECTORY:
        path = os.fsdecode(largest)
        result.append(("stat of 1,000,000 random names", lambda point: ["python3", "-c", STAT, f"{point}/{path}"]))
    return result


def drop_caches():
    """Everything is cold afterwards but the host's own tools, which would be counted."""
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")
    subprocess.run(["bash", "-c", "find /dev/null -exec cat {} +; chroot / true; /usr/bin/time -q true 2>/dev/null; "
                    "python3 -c 'import os, random, sys'"], check=True)


def fragmentation(filesystem, work):
    """As e2fsck counts it, and the files in more than one extent as filefrag does."""
    fsck = subprocess.run(["e2fsck", "-fnv", filesystem], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    found = re.search(r"(\d+) non-contiguous files? \(([0-9.]+%)\)", fsck.stdout)
    with mounted(filesystem, work) as point:
        listed = subprocess.run(["bash", "-c", 'cd "$1"; find . -xdev -type f -size +0 -exec filefrag {} + 2>/dev/null',
                                 "-", point], capture_output=True, text=True, errors="replace").stdout
    extents = [int(number) for number in re.findall(r": (\d+) extents? found$", listed, flags=re.M)]
    return {"non_contiguous": f"{found[1]} ({found[2]})" if found else "not told",
            "files": len(extents), "extents": sum(extents), "files_in_several": sum(number > 1 for number in extents)}


def make(image, runner, contenders):
    """The filesystems to be mounted, by maker; those that cannot be made are told and left out."""
    made = {}
    for contender in contenders:
        if (contender.form, contender.name) not in MAKERS:
            continue
        path = os.path.join(runner.work, f"mounted-{len(made)}.img")
        missing = [name for name in contender.tools if not runner.tools.find(name)]
        result, sample = (None, None) if missing else runner.warm_up(image, contender, lambda out: os.rename(out, path))
        if sample:
            wrong, _ = what_is_wrong(path, image.reference, runner.work)
            made[contender.name] = {"path": path, "wrong": wrong or "nothing", **fragmentation(path, runner.work)}
            runner.say(f"made by {contender.name}: {made[contender.name]}")
        else:
            runner.say(f"left out: {contender.name}: {result.failed if result else runner.tools.missing[missing[0]]}")
    return made


def once(runner, maker, command):
    """One workload on a mount whose caches are cold."""
    with mounted(maker["path"], runner.work) as point:
        binds = [name for name in ("dev", "proc") if os.path.isdir(f"{point}/{name}")]
        for name in binds:
            subprocess.run(["mount", "--bind", f"/{name}", f"{point}/{name}"], check=True)
        try:
            drop_caches()
            return measure(command(point), os.path.join(runner.work, "log"), 600)
        finally:
            for name in reversed(binds):
                subprocess.run(["umount", f"{point}/{name}"], check=True)


def bench_mounted(image, runner, contenders, rounds):
    """The table and its numbers for JSON."""
    made = make(image, runner, contenders)
    lines = [f"### {image.name}: {image.title}, mounted read-only, cold caches", ""]
    numbers = {"image": image.name, "title": image.title, "mounted": {}, "filesystems": made}
    head = ["workload", *made]
    lines += [f"| {' | '.join(head)} |", "|---|" + "---:|" * len(made)]
    for name, command in workloads(image):
        samples = {maker: [] for maker in made}
        for number in range(rounds):
            turn = number % max(len(samples), 1)  # who comes first changes from round to round
            for maker in [*samples][turn:] + [*samples][:turn]:
                try:
                    samples[maker].append(once(runner, made[maker], command))
                    runner.say(f"round {number + 1}  {name}, {maker}: {samples[maker][-1].seconds:.3f} s")
                except Failed as failure:
                    runner.say(f"{name}, {maker} failed: {failure}")
                    del samples[maker]
        medians = {maker: statistics.median(s.seconds for s in of) for maker, of in samples.items()}
        best = min(medians.values(), default=0)
        lines.append(f"| {name}, s (÷ best) | " + " | ".join(
            f"{medians[maker]:.2f} ({medians[maker] / best:.2f})" if maker in medians else "failed"
            for maker in made) + " |")
        numbers["mounted"][name] = {maker: [s.seconds for s in of] for maker, of in samples.items()}
    for title, key in (("files not in one piece, e2fsck -fnv", "non_contiguous"), ("extents, filefrag", "extents"),
                       ("files in several extents", "files_in_several"), ("what is wrong in it", "wrong")):
        lines.append(f"| {title} | " + " | ".join(str(maker[key]).replace("|", "/") for maker in made.values()) + " |")
    for maker in made.values():
        os.unlink(maker.pop("path"))
    return "\n".join([*lines, ""]), numbers
