"""The parts of the command ``mmdp``: what can be typed, what is read, what is written."""
