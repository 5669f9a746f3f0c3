"""Migration folders: one module per format."""
