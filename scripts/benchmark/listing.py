"""A directory tree as one comparable value per name, and the differences of two of them."""
import collections
import hashlib
import os
import pickle
import stat

# In the order in which differences are told: the worst first.
KINDS = ("missing", "content", "type", "size", "target", "link group", "device", "xattrs", "mode", "owner",
         "mtime", "mtime fraction", "added")
Difference = collections.namedtuple("Difference", "kind path expected found")


def digest(path):
    with open(path, "rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def describe(path, status):
    """The attributes of one name by kind; a directory's size and link count are its filesystem's affair."""
    entry = {
        "type": stat.S_IFMT(status.st_mode), "mode": stat.S_IMODE(status.st_mode),
        "owner": (status.st_uid, status.st_gid),
        "mtime": status.st_mtime_ns // 10**9, "mtime fraction": status.st_mtime_ns % 10**9,
        "xattrs": tuple(sorted((name, os.getxattr(path, name, follow_symlinks=False))
                               for name in os.listxattr(path, follow_symlinks=False))),
    }
    if stat.S_ISREG(status.st_mode):
        entry["size"] = status.st_size
    elif stat.S_ISLNK(status.st_mode):
        entry["target"] = os.readlink(path)
    elif stat.S_ISBLK(status.st_mode) or stat.S_ISCHR(status.st_mode):
        entry["device"] = (os.major(status.st_rdev), os.minor(status.st_rdev))
    return entry


def listing(root):
    """Every name below root, and root itself as ".", as {path: attributes}; paths are bytes."""
    root = os.fsencode(root)
    entries, groups, digests = {}, {}, {}

    def visit(path, name):
        status = os.lstat(path)
        entry = entries[name] = describe(path, status)
        if stat.S_ISDIR(status.st_mode):
            return sorted(os.listdir(path))
        if stat.S_ISREG(status.st_mode):
            if status.st_ino not in digests:
                digests[status.st_ino] = digest(path)
            entry["content"] = digests[status.st_ino]
        if status.st_nlink > 1:
            # The first name in sorted order stands for the group.
            groups.setdefault(status.st_ino, []).append(name)
        return []

    pending = [(root, b".")]
    while pending:
        path, name = pending.pop()
        pending += [(path + b"/" + child, name + b"/" + child) for child in visit(path, name)]
    for names in groups.values():
        for name in names:
            entries[name]["link group"] = min(names)
    return entries


def without_lost_and_found(entries):
    """e2fsck's own directory, which no image has; one with something in it stays."""
    if any(name.startswith(b"./lost+found/") for name in entries):
        return entries
    return {name: entry for name, entry in entries.items() if name != b"./lost+found"}


def differences(expected, found):
    """All differences, the worst kind first; a name of another type is told once. None is free to differ."""
    result = []
    for path in expected.keys() | found.keys():
        if path not in found:
            result.append(Difference("missing", path, "", ""))
        elif path not in expected:
            result.append(Difference("added", path, "", ""))
        elif expected[path] != found[path]:
            one, other = expected[path], found[path]
            kinds = ["type"] if one["type"] != other["type"] else KINDS[1:-1]
            result += [Difference(kind, path, one.get(kind, "none"), other.get(kind, "none"))
                       for kind in kinds
                       if one.get(kind, "none") not in (None, other.get(kind, "none"))]
    return sorted(result, key=lambda difference: (KINDS.index(difference.kind), difference.path))


def summary(found):
    """The differences in a few words: how many of each kind, and the first. Empty: none."""
    if not found:
        return ""
    counts = collections.Counter(difference.kind for difference in found)
    first = found[0]
    values = f" {first.expected} → {first.found}" if first.kind in ("mode", "owner", "mtime", "size") else ""
    path = first.path.decode(errors="backslashreplace")
    path = path if len(path) <= 60 else path[:57] + "…"
    listed = ", ".join(f"{counts[kind]:,} {kind}" for kind in KINDS if kind in counts)
    return f"{listed}; first: {first.kind} of {path}{values}"


def cached(file, make):
    """A listing that does not change, kept in a file."""
    if os.path.exists(file):
        with open(file, "rb") as stored:
            return pickle.load(stored)
    entries = make()
    with open(file + ".partial", "wb") as stored:
        pickle.dump(entries, stored)
    os.rename(file + ".partial", file)
    return entries
