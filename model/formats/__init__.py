"""The readers: bytes of one format in, a Scan out. `model.reading` is the way in."""
