"""What each word of the command line does. Imported late, one module at a time."""
