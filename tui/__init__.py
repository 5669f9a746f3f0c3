"""Everything that a person meets in a terminal: command line, plain lines, full screen."""
