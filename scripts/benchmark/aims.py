"""What an update that keeps places may move at most."""
LIKE, LIKE_PINNED = "layerpress --like", "layerpress --like, identity pinned"
# Of blocks that differ in place: so many for each of the changed files alone, and so many hundredths of the image for
# tables and directories. How large a share of an image the changed files are is the image's own matter.
FOR_EACH_CHANGED, MOST_PERCENT = 1.2, 0.1
# Of the segments of 4 MiB, in hundredths.
MOST_SEGMENTS = {"b": 12}


def missed(results, lone):
    """A line for each figure of LIKE_PINNED that is more than it is meant to be; lone has the changed files' blocks."""
    lines = []
    for (kind, name), variants in results.items():
        if name != LIKE_PINNED:
            continue
        for variant, moved in variants.items():
            most = FOR_EACH_CHANGED * lone[variant]["blocks"] + MOST_PERCENT * moved.blocks_of / 100
            if moved.blocks > most:
                lines.append(f"{kind}, {name}, {variant}: {moved.blocks:,} blocks differ in place, {int(most):,} at most "
                             f"are meant to")
            percent = MOST_SEGMENTS.get(variant)
            if percent is not None and 100 * moved.segments_4 > percent * moved.segments_4_of:
                lines.append(f"{kind}, {name}, {variant}: {moved.segments_4:,} of {moved.segments_4_of:,} segments of "
                             f"4 MiB differ, {percent} % at most are meant to")
    return lines
