"""Points that are not an array in memory: files, blocks of rows, data frames, memory maps; labels of groups."""
