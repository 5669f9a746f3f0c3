"""`python -m changeover.tui`: the same as the command."""

from .cli import main

raise SystemExit(main())
