"""One screen per stage of the path."""
