"""From a call of a model to the shorter call that it answers."""
