"""Named dangers: one rule per function, with good and bad SQL that are its tests and its documentation."""
