"""What an update moves: blocks and segments that differ at their place, and chunks that casync does not have yet."""
import dataclasses
import os
import shutil
import struct

from .command import CommandFailed, run

BLOCK = 4096
PIECE = 1 << 20
# casync's blob index: a header, then a table of each chunk's end and name, and a last entry that ends it.
INDEX_HEAD, TABLE_HEAD, ENTRY = 48, 16, 40
INDEX, TABLE = 0x96824D9C7B129FF9, 0xE75B9E112F17417D


@dataclasses.dataclass
class Moved:
    """blocks differ at the same place of blocks_of, so do segments of 1 and of 4 MiB; chunks, raw and compressed, are
    new bytes."""
    blocks: int
    blocks_of: int
    segments_1: int
    segments_1_of: int
    segments_4: int
    segments_4_of: int
    raw: int
    compressed: int


def that_differ(old, new):
    """How many blocks of 4 KiB differ at the same place and how many the larger file has, and the same of segments of
    1 MiB and of 4 MiB."""
    count, pieces, number = 0, set(), 0
    with open(old, "rb", buffering=0) as one, open(new, "rb", buffering=0) as other:
        while True:
            left, right = one.read(PIECE), other.read(PIECE)
            if not left and not right:
                break
            if left != right:
                pieces.add(number)
                for at in range(0, max(len(left), len(right)), BLOCK):
                    count += left[at:at + BLOCK] != right[at:at + BLOCK]
            number += 1
    longer = max(os.path.getsize(old), os.path.getsize(new))
    fours = {piece // 4 for piece in pieces}
    return (count, -(-longer // BLOCK), len(pieces), -(-longer // PIECE), len(fours), -(-longer // (4 * PIECE)))


def chunks_of(index, size):
    """Length by name of the chunks that an index of casync lists, which are size bytes together."""
    if struct.unpack_from("<QQ", index) != (INDEX_HEAD, INDEX) or \
            struct.unpack_from("<QQ", index, INDEX_HEAD)[1] != TABLE:
        raise CommandFailed("casync wrote an index of a form that is not known here")
    chunks, start = {}, 0
    for at in range(INDEX_HEAD + TABLE_HEAD, len(index) - ENTRY, ENTRY):
        end = struct.unpack_from("<Q", index, at)[0]
        chunks[index[at + 8:at + ENTRY].hex()] = end - start
        start = end
    if start != size:
        raise CommandFailed(f"casync's index ends at {start}, the file at {size}")
    return chunks


class Store:
    """A chunk store of casync, with its default chunks of 16, 64 and 256 KiB, in a directory of its own."""

    def __init__(self, directory):
        self.directory, self.index = directory, directory + ".caibx"
        os.mkdir(directory)

    def add(self, file):
        """The file's chunks: length by name."""
        run("casync", "make", f"--store={self.directory}", self.index, file)
        with open(self.index, "rb") as index:
            content = index.read()
        os.unlink(self.index)
        return chunks_of(content, os.path.getsize(file))

    def path(self, name):
        return os.path.join(self.directory, name[:4], name + ".cacnk")

    def new(self, file, known):
        """Raw and compressed bytes of the file's chunks that are not among the known, which go again."""
        raw = compressed = 0
        for name, length in self.add(file).items():
            if name not in known:
                raw += length
                compressed += os.path.getsize(self.path(name))
                os.unlink(self.path(name))
        return raw, compressed

    def remove(self):
        shutil.rmtree(self.directory)
