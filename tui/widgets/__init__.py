"""One widget per thing on screen; no I/O."""
