"""Who is timed, form by form: the command lines and what each needs."""
import dataclasses

PIPE = "set -euo pipefail; "
# umoci leaves the root filesystem to mke2fs; sizes and inodes are given, for its own guess is too small.
UNPACK = 'umoci raw unpack --image "$LAYOUT" "$WORK/rootfs"; '
MKE2FS = 'mke2fs -q -F -t ext3 -m 1 -N "$INODES" -d %s "$OUT" "${ROOMY_MIB}M"'
SHELL = """
mkdir "$WORK/mount"
trap 'umount -q "$WORK/mount"; rmdir "$WORK/mount"' EXIT; trap 'exit 143' TERM
truncate -s "${SIZE_MIB}M" "$OUT"
mke2fs -q -F -t ext3 -T default -m 1 ${INODES_OPTION} "$OUT"
tune2fs -c 0 -i 0 "$OUT"
mount -o loop,noatime "$OUT" "$WORK/mount"
docker export "$CONTAINER" | tar -x -C "$WORK/mount"
"""


@dataclasses.dataclass
class Contender:
    """A command line for bash, run with the variables OUT, WORK and the image's own (images.py). tools are
    what it needs; a floor makes no filesystem, a filesystem is held against the reference; note is told
    in the report."""
    form: str
    name: str
    command: str
    tools: tuple = ()
    floor: bool = False
    note: str = ""


def layerpress(form, image):
    return Contender(form, "layerpress", f'exec "$LAYERPRESS" build "{image}" -q -o "$OUT"', ("layerpress",))


def contenders():
    """In the order of the table: form by form, its floor and layerpress first."""
    unpacked = MKE2FS % '"$WORK/rootfs"'
    return [
        Contender("archive", "cat", 'exec cat "$ARCHIVE" >"$OUT"', floor=True),
        layerpress("archive", "docker-archive:$ARCHIVE"),
        Contender("archive", "skopeo copy, umoci, mke2fs -d",
                  PIPE + 'skopeo copy -q "docker-archive:$ARCHIVE" oci:"$WORK/layout:stack"; '
                  "LAYOUT=$WORK/layout:stack; " + UNPACK + unpacked, ("skopeo", "umoci", "mke2fs"),
                  note="skopeo compresses the layers; left uncompressed, umoci 0.4 refuses them"),
        Contender("archive", "shell pipeline", PIPE + SHELL, ("docker", "dockerd", "mke2fs"),
                  note="image loaded and container created beforehand (vfs driver); dockerd's share is in the "
                       "seconds only, and what the loop device writes again is not in the bytes"),
        Contender("archive", "crane export, mke2fs -d TAR",
                  PIPE + 'crane export - - <"$ARCHIVE" | "$NEW_MKE2FS" -q -F -t ext3 -m 1 -N "$INODES" -d - "$OUT" '
                  '"${ROOMY_MIB}M"', ("crane", "new-mke2fs")),
        Contender("archive", "crane export, tar2ext4",
                  PIPE + 'crane export - "$WORK/flat.tar" <"$ARCHIVE"; tar2ext4 -i "$WORK/flat.tar" -o "$OUT"',
                  ("crane", "tar2ext4")),
        Contender("gzip", "gzip -dc", 'exec gzip -dc $GZIP_LAYERS >/dev/null', ("gzip",), floor=True),
        layerpress("gzip", "oci:$GZIP_IMAGE"),
        Contender("gzip", "umoci, mke2fs -d", PIPE + "LAYOUT=$GZIP_IMAGE; " + UNPACK + unpacked, ("umoci", "mke2fs")),
        Contender("zstd", "zstd -dc", 'exec zstd -qdc $ZSTD_LAYERS >/dev/null', ("zstd",), floor=True),
        layerpress("zstd", "oci:$ZSTD_IMAGE"),
        Contender("zstd", "skopeo copy, umoci, mke2fs -d",
                  PIPE + 'skopeo copy -q --dest-compress-format gzip oci:"$ZSTD_IMAGE" oci:"$WORK/layout:stack"; '
                  "LAYOUT=$WORK/layout:stack; " + UNPACK + unpacked, ("skopeo", "umoci", "mke2fs")),
        Contender("flat tar", "cat", 'exec cat "$FLAT_TAR" >"$OUT"', floor=True),
        layerpress("flat tar", "rootfs:$FLAT_TAR"),
        Contender("flat tar", "mke2fs -d TAR",
                  'exec "$NEW_MKE2FS" -q -F -t ext3 -m 1 -N "$INODES" -d "$FLAT_TAR" "$OUT" "${ROOMY_MIB}M"',
                  ("new-mke2fs",)),
        Contender("flat tar", "tar2ext4", 'exec tar2ext4 -i "$FLAT_TAR" -o "$OUT"', ("tar2ext4",), note="no journal"),
        Contender("flat tar", "genext2fs",
                  'exec genext2fs -B 4096 -b $((ROOMY_MIB * 256)) -N "$INODES" -a "$FLAT_TAR" "$OUT"',
                  ("genext2fs",), note="ext2: no journal"),
        layerpress("directory", "rootfs:$ROOTFS"),
        Contender("directory", "mke2fs -d DIR", "exec " + MKE2FS % '"$ROOTFS"', ("mke2fs",)),
    ]
