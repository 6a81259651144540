"""As many points as possible that are all at least a given distance apart: conflict graph, search, proof."""
