"""Opening, waiting, reading and files: what functions that work on pages share."""
