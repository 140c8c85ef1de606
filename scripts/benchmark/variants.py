"""What a week's rebuild changes in a Debian root filesystem, as five changes of a directory tree.

Everything is made of the tree's own files and names: the same tree gives the same variants on every host,
without a network. A changed file is a new one under the old name, as a package manager leaves it."""
import contextlib
import dataclasses
import glob
import hashlib
import os
import re
import shutil
import stat
import time

BLOCK = 4096
WEEK_NS = 7 * 86_400 * 10**9
PACKAGES = 40
DPKG = "var/lib/dpkg"
FIRST = "0-first"
OPENSSL = re.compile(r"(openssl|libssl[0-9.]+(t64)?)(:.*)?")

TITLES = {
    "a1": "a text file changed within its block",
    "a2": "one file grown by a block",
    "b": "openssl and its libraries upgraded",
    "c": "a file of three blocks added, first in order",
    "d": f"{PACKAGES} packages upgraded",
}


class NoDebian(Exception):
    """The tree is not one that dpkg made."""


def noise(key, length):
    """Bytes that look random and are the same for the same key."""
    return hashlib.shake_256(key.encode(errors="surrogateescape")).digest(length)


def rebuilt(path, content):
    """The content that a later version of this file might have: programs and libraries differ a little
    everywhere, for addresses move, and some grow; what is compressed differs from its beginning on; text has a
    line more and other words here and there."""
    key = f"{path} {len(content)}"
    choice = noise(key, 8)
    if content[:2] == b"\x1f\x8b" or content[:4] in (b"\x28\xb5\x2f\xfd", b"\xfd7zX") or content[:3] == b"BZh":
        return content[:12] + noise(key + " packed", max(len(content) - 12, 0) + choice[0])
    result = bytearray(content)
    binary = b"\0" in content[:8192]
    step, width = (1024, 8) if binary else (4096, 4)
    places = noise(key + " places", 2 * (len(content) // step + 1))
    words = noise(key + " words", width * (len(content) // step + 1))
    for number, start in enumerate(range(64, len(content) - step, step)):
        at = start + int.from_bytes(places[2 * number:2 * number + 2], "little") % (step - width)
        result[at:at + width] = words[width * number:width * number + width]
    if not binary:
        line = b"# changed " + words[:4].hex().encode() + b"\n"
        at = content.find(b"\n", 80) + 1
        result[at:at] = line
    elif choice[0] % 2 and len(content) > 2 * BLOCK:
        # Half of the programs grow, by 256 bytes to 8 KiB of what they consist of.
        middle, more = len(content) // 32 * 16, 256 * (1 + choice[1] % 32)
        result[middle:middle] = content[middle - more:middle] if middle > more else content[:more]
    return bytes(result)


@dataclasses.dataclass
class Change:
    """new: content by path, for files that are there and files that are not; later: whether their times are."""
    new: dict
    later: bool


class Tree:
    """A root filesystem in a directory, and how it is changed for a while."""

    def __init__(self, root):
        self.root = root
        if not os.path.isdir(self.at(f"{DPKG}/info")):
            raise NoDebian(f"no /{DPKG}/info: expected an image of Debian or Ubuntu packages")
        self.names = {}
        for folder, _, files in os.walk(root):
            for name in files:
                path = os.path.join(folder, name)
                status = os.lstat(path)
                if stat.S_ISREG(status.st_mode) and status.st_nlink > 1:
                    self.names.setdefault(status.st_ino, []).append(path)

    def keep_times_of_access(self):
        """Sets them an hour ahead: reading does not change them then (relatime), which mke2fs -d would copy."""
        ahead = time.time_ns() + 3600 * 10**9
        for folder, names, files in os.walk(self.root):
            for name in [".", *names, *files]:
                path = os.path.join(folder, name)
                os.utime(path, ns=(ahead, os.lstat(path).st_mtime_ns), follow_symlinks=False)

    def at(self, path):
        return os.path.join(self.root, path)

    def read(self, path):
        with open(self.at(path), "rb") as file:
            return file.read()

    def is_file(self, path):
        try:
            return stat.S_ISREG(os.lstat(self.at(path)).st_mode)
        except OSError:
            return False

    def change(self, variant, first_name=FIRST):
        """One of TITLES; first_name is the added file of variant c."""
        if variant == "a1":
            path, content = self.text_file()
            return Change({path: content[:200] + bytes([content[200] ^ 1]) + content[201:]}, False)
        if variant == "a2":
            path, content = self.text_file()
            more = (content * (BLOCK // len(content) + 1))[:BLOCK]
            return Change({path: content + more}, False)
        if variant == "b":
            return self.upgrade([name for name in self.packages() if OPENSSL.fullmatch(name)])
        if variant == "c":
            return Change({first_name: noise(variant, 3 * BLOCK)}, True)
        names = self.packages()
        return self.upgrade(sorted(names, key=lambda name: noise(name, 16))[:PACKAGES])

    def text_file(self):
        """The first in /etc of 1 to 3 KiB that is plain text and has one name."""
        for name in sorted(os.listdir(self.at("etc"))):
            path = f"etc/{name}"
            if self.is_file(path) and 1024 <= os.lstat(self.at(path)).st_size <= 3072 \
                    and os.lstat(self.at(path)).st_nlink == 1 and self.read(path).isascii():
                return path, self.read(path)
        raise NoDebian("no text file of 1 to 3 KiB in /etc")

    def packages(self):
        lists = glob.glob(glob.escape(self.at(f"{DPKG}/info")) + "/*.list")
        return sorted(os.path.basename(path)[:-len(".list")] for path in lists)

    def upgrade(self, packages):
        """All regular files of these packages, as dpkg replaces them, and what it writes itself."""
        if not packages:
            raise NoDebian(f"no such package in /{DPKG}/info")
        paths = set()
        for package in packages:
            for line in self.read(f"{DPKG}/info/{package}.list").decode(errors="surrogateescape").splitlines():
                paths.add(os.path.relpath(os.path.realpath(self.at(os.path.dirname(line).lstrip("/"))), self.root)
                          + "/" + os.path.basename(line))
            paths.add(f"{DPKG}/info/{package}.md5sums")
        paths = {os.path.normpath(path) for path in paths if not path.startswith("../")}
        new = {path: rebuilt(path, self.read(path)) for path in sorted(paths) if self.is_file(path)}
        names, section = {package.split(":")[0] for package in packages}, None
        lines = self.read(f"{DPKG}/status").splitlines(keepends=True)
        for number, line in enumerate(lines):
            if line.startswith(b"Package: "):
                section = line[9:].strip().decode()
            elif line.startswith(b"Version: ") and section in names:
                lines[number] = line.rstrip(b"\n") + b"+u1\n"
        new[f"{DPKG}/status"] = b"".join(lines)
        if self.is_file("etc/ld.so.cache"):
            new["etc/ld.so.cache"] = rebuilt("etc/ld.so.cache", self.read("etc/ld.so.cache"))
        return Change(new, True)

    @contextlib.contextmanager
    def changed(self, change, aside):
        """The tree with the change, until the block ends. aside is a new directory of the same filesystem."""
        os.mkdir(aside)
        moved, added, folders = [], [], {}
        try:
            for number, (path, content) in enumerate(change.new.items()):
                place, kept = self.at(path), os.path.join(aside, str(number))
                folder = os.path.dirname(place)
                folders.setdefault(folder, os.stat(folder))
                written = kept + ".new"
                with open(written, "wb") as file:
                    file.write(content)
                if not os.path.lexists(place):
                    os.chmod(written, 0o644)
                    newest = max(status.st_mtime_ns for status in folders.values())
                    os.utime(written, ns=(newest, newest))
                    added.append(place)
                    os.rename(written, place)
                    continue
                status = os.lstat(place)
                os.chown(written, status.st_uid, status.st_gid)
                shutil.copystat(place, written, follow_symlinks=False)
                later = status.st_mtime_ns + (WEEK_NS if change.later else 0)
                os.utime(written, ns=(status.st_atime_ns, later))
                for name in self.names.get(status.st_ino, [place]):
                    folders.setdefault(os.path.dirname(name), os.stat(os.path.dirname(name)))
                    away = f"{kept}.{len(moved)}"
                    os.rename(name, away)
                    moved.append((away, name))
                    os.link(written, name)
                os.unlink(written)
            for folder, status in folders.items():
                later = status.st_mtime_ns + (WEEK_NS if change.later else 0)
                os.utime(folder, ns=(status.st_atime_ns, later))
            yield
        finally:
            for place in added:
                os.unlink(place)
            for away, name in reversed(moved):
                os.rename(away, name)
            for folder, status in folders.items():
                os.utime(folder, ns=(status.st_atime_ns, status.st_mtime_ns))
            shutil.rmtree(aside)

    def files(self):
        """Paths of all regular files, one for each: a directory's own, then those of each directory in it."""
        seen = set()
        for folder, names, files in os.walk(self.root):
            names.sort(key=os.fsencode)
            for name in sorted(files, key=os.fsencode):
                status = os.lstat(os.path.join(folder, name))
                if stat.S_ISREG(status.st_mode) and status.st_ino not in seen:
                    seen.add(status.st_ino)
                    yield os.path.relpath(os.path.join(folder, name), self.root)

    def alone(self, paths, output):
        """The files one behind the other, each filled up to a block."""
        with open(output, "wb") as file:
            for path in paths:
                content = self.read(path) if self.is_file(path) else b""
                file.write(content + b"\0" * (-len(content) % BLOCK))
