"""`python -m pie_server`."""

from __future__ import annotations

from pie_server.cli import main

if __name__ == "__main__":
    main()
