"""Lists a directory or a tar, one line per name, as tests/layers/support.rs does.

An independent reader to hold layerpress against: lstat and getxattr for a directory, tarfile for
a tar. Usage: list.py disk DIRECTORY | list.py tar FILE
"""

import hashlib
import os
import stat
import sys
import tarfile
from decimal import Decimal, ROUND_FLOOR

PLAIN = set(b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._/-")


def escape(data):
    return "".join(chr(b) if b in PLAIN else "\\x%02x" % b for b in data)


def line(path, kind, mode, uid, gid, nanoseconds, extra, xattrs):
    listed = ",".join(
        escape(name) + "=" + shown(value) for name, value in sorted(xattrs.items())
    )
    seconds, fraction = divmod(nanoseconds, 10**9)
    print(
        f"{escape(path)} {kind} {mode:04o} {uid}:{gid} {seconds}.{fraction:09} {extra} [{listed}]"
    )


def shown(value):
    text = value.hex()
    return text if len(text) <= 100 else hashlib.sha256(value).hexdigest()


def content(data):
    return f"{len(data)} {hashlib.sha256(data).hexdigest()}"


def disk(root):
    def visit(path, shown):
        st = os.lstat(path)
        mode = st.st_mode
        xattrs = {
            name.encode("utf-8", "surrogateescape"): os.getxattr(
                path, name, follow_symlinks=False
            )
            for name in os.listxattr(path, follow_symlinks=False)
        }
        if stat.S_ISREG(mode):
            with open(path, "rb") as file:
                kind, extra = "f", content(file.read())
        elif stat.S_ISDIR(mode):
            kind, extra = "d", "-"
        elif stat.S_ISLNK(mode):
            kind, extra = "l", escape(os.readlink(path))
        elif stat.S_ISFIFO(mode):
            kind, extra = "p", "-"
        else:
            kind = "c" if stat.S_ISCHR(mode) else "b"
            extra = f"{os.major(st.st_rdev)},{os.minor(st.st_rdev)}"
        line(
            shown, kind, stat.S_IMODE(mode), st.st_uid, st.st_gid, st.st_mtime_ns, extra, xattrs
        )
        if kind == "d":
            for name in os.listdir(path):
                visit(os.path.join(path, name), shown + b"/" + name if shown != b"." else name)

    visit(os.fsencode(root), b".")


def tar(path):
    def raw(text):
        return text.encode("utf-8", "surrogateescape")

    with tarfile.open(path, "r:", encoding="utf-8", errors="surrogateescape") as archive:
        for member in archive:
            name = raw(member.name)
            if name.startswith(b"./"):
                name = name[2:]
            records = member.pax_headers
            seconds = Decimal(records.get("mtime") or int(member.mtime))
            nanoseconds = int((seconds * 10**9).to_integral_value(ROUND_FLOOR))
            prefix = "SCHILY.xattr."
            xattrs = {
                raw(key[len(prefix):]): raw(value)
                for key, value in records.items()
                if key.startswith(prefix)
            }
            if member.isreg():
                kind, extra = "f", content(archive.extractfile(member).read())
            elif member.isdir():
                kind, extra = "d", "-"
            elif member.islnk():
                kind, extra = "h", escape(raw(member.linkname).removeprefix(b"./"))
            elif member.issym():
                kind, extra = "l", escape(raw(member.linkname))
            elif member.isfifo():
                kind, extra = "p", "-"
            else:
                kind = "c" if member.ischr() else "b"
                extra = f"{member.devmajor},{member.devminor}"
            line(
                name, kind, member.mode & 0o7777, member.uid, member.gid, nanoseconds, extra, xattrs
            )


if __name__ == "__main__":
    {"disk": disk, "tar": tar}[sys.argv[1]](sys.argv[2])
