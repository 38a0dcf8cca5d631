"""The web endpoints of channelmix. `app` mounts anywhere; `server.serve` runs it by itself."""

from __future__ import annotations

from channelmix_web.endpoints import app

__version__ = "0.1.0"

__all__ = ["app"]
