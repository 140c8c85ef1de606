"""Times layerpress beside other ways to make a filesystem image: run by scripts/bench."""
