"""`python -m channelmix` is the command line, too."""

from __future__ import annotations

from channelmix.cli import main

if __name__ == "__main__":
    main()
