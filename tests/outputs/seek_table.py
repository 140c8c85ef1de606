"""Reads a file of zstd's seekable format by its table, as the format's description says, with no code of ours.

Prints a line for each frame: its place, its compressed and its uncompressed length, and whether decompressing it
alone gives the right bytes of the original.
"""
import struct
import subprocess
import sys

compressed, original = (open(path, "rb").read() for path in sys.argv[1:3])
count, descriptor, magic = struct.unpack("<IBI", compressed[-9:])
assert magic == 0x8F92EAB1, hex(magic)
assert descriptor & 0x7C == 0, descriptor
entry_bytes = 12 if descriptor & 0x80 else 8
table_bytes = count * entry_bytes
start = len(compressed) - 9 - table_bytes - 8
skippable, size = struct.unpack_from("<II", compressed, start)
assert skippable == 0x184D2A5E, hex(skippable)
assert size == table_bytes + 9, size
at = place = 0
for index in range(count):
    entry = struct.unpack_from("<III" if entry_bytes == 12 else "<II", compressed, start + 8 + index * entry_bytes)
    frame = compressed[at : at + entry[0]]
    piece = subprocess.run(["zstd", "-dcq"], input=frame, capture_output=True, check=True).stdout
    assert len(piece) == entry[1], (index, len(piece), entry)
    assert piece == original[place : place + entry[1]], index
    if entry_bytes == 12:
        # With a checksum, a frame ends with the same four bytes (RFC 8878, 3.1.1).
        assert frame[4] & 4 and struct.unpack("<I", frame[-4:])[0] == entry[2], index
    print(place, *entry[:2])
    at += entry[0]
    place += entry[1]
assert at == start, (at, start)
assert place == len(original), (place, len(original))
