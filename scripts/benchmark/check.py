"""Holds a filesystem image against the independent flattening: mounted by the kernel, every name compared."""
import contextlib
import os
import subprocess
import tempfile

from .listing import differences, listing, summary, without_lost_and_found
from .measure import warm


@contextlib.contextmanager
def mounted(image, work):
    """The image mounted read-only; nothing is written to it, not even a journal replayed."""
    point = tempfile.mkdtemp(dir=work, prefix="mount-")
    try:
        subprocess.run(["mount", "-o", "ro,loop,noatime", image, point], check=True, capture_output=True, text=True)
        try:
            yield point
        finally:
            subprocess.run(["umount", point], check=True)
    finally:
        os.rmdir(point)


def what_is_wrong(image, reference, work):
    """What differs from the reference listing, in a few words, and a remark. Both may be empty.

    Some tools leave the time of the root directory out; alone, this is a remark."""
    fsck = subprocess.run(["e2fsck", "-fn", image], stdin=subprocess.DEVNULL, capture_output=True, text=True)
    remark = ""
    warm([image])
    faults = [] if fsck.returncode == 0 else [f"e2fsck ends with {fsck.returncode}"]
    try:
        with mounted(image, work) as point:
            found = differences(reference, without_lost_and_found(listing(point)))
        others = [one for one in found if one.path != b"." or not one.kind.startswith("mtime")]
        if len(found) > len(others):
            remark = "but for the root's mtime"
        faults.append(summary(others))
    except subprocess.CalledProcessError as error:
        faults.append("cannot be mounted: " + " ".join((error.stderr or "").split())[:120])
    except OSError as error:
        faults.append(f"cannot be read: {error}")
    return "; ".join(fault for fault in faults if fault), remark
