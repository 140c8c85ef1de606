"""A directory tree as a pax tar with every attribute: bsdtar cuts ids in ACLs, GNU tar does not mark names
that are not UTF-8, which libarchive then refuses."""
import os
import struct
import tarfile

ACLS = {"system.posix_acl_access": "SCHILY.acl.access", "system.posix_acl_default": "SCHILY.acl.default"}
ACL_TAGS = {0x01: "user", 0x02: "user", 0x04: "group", 0x08: "group", 0x10: "mask", 0x20: "other"}
ACL_NAMED = (0x02, 0x08)


def acl_text(value):
    """The kernel's form of an ACL (version 2) as acl(5) writes it, ids as numbers."""
    entries = []
    for tag, permissions, identity in struct.iter_unpack("<HHI", value[4:]):
        letters = "".join(letter if permissions & bit else "-" for letter, bit in (("r", 4), ("w", 2), ("x", 1)))
        entries.append(f"{ACL_TAGS[tag]}:{identity if tag in ACL_NAMED else ''}:{letters}")
    return ",".join(entries)


def pax_headers(path, status):
    headers = {}
    if status.st_mtime_ns % 10**9:
        headers["mtime"] = f"{status.st_mtime_ns // 10**9}.{status.st_mtime_ns % 10**9:09}"
    for name in sorted(os.listxattr(path, follow_symlinks=False)):
        value = os.getxattr(path, name, follow_symlinks=False)
        if name in ACLS:
            headers[ACLS[name]] = acl_text(value)
        else:
            headers[f"SCHILY.xattr.{name}"] = os.fsdecode(value)
    return headers


def write_flat_tar(root, output):
    """Parents come before what is in them, names are sorted; of a file's names, the later ones are links."""
    with tarfile.open(output, "w", format=tarfile.PAX_FORMAT) as archive:
        pending = ["."]
        while pending:
            name = pending.pop()
            path = os.path.join(root, name)
            status = os.lstat(path)
            entry = archive.gettarinfo(path, arcname=name)
            entry.name, entry.uname, entry.gname = name, "", ""
            entry.mtime = status.st_mtime_ns // 10**9
            entry.pax_headers = pax_headers(path, status)
            if entry.isreg():
                with open(path, "rb") as file:
                    archive.addfile(entry, file)
            else:
                archive.addfile(entry)
            archive.members.clear()
            if entry.isdir():
                pending += [f"{name}/{child}" for child in sorted(os.listdir(path), reverse=True)]
