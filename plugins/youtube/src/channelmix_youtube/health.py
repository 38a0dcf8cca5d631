"""Whether the access suffices: `channelmix check --online`."""

from __future__ import annotations

from channelmix.errors import AuthorizationLost, Rejected
from channelmix.records import Checked, Finding

from channelmix_youtube.client import Api
from channelmix_youtube.config import YouTubeApp


async def check(api: Api, *, channel_id: str, app: YouTubeApp) -> Checked:
    """Ask whose access it is. Raises: `RetryLater`."""
    try:
        found = await api.read("channels", {"part": "id", "mine": "true"})
    except (AuthorizationLost, Rejected) as error:
        return Checked(findings=(Finding(level="block", code="token", text=str(error)),))
    mine = [str(one.get("id")) for one in found.get("items") or ()]
    findings = []
    if channel_id not in mine:
        text = f"the access is for {', '.join(mine) or 'no channel'}, not for {channel_id}"
        findings.append(Finding(level="block", code="channel", text=text))
    if app.callback is None or app.hub_secret is None:
        text = "new videos are noticed by polling only: set callback and hub_secret"
        findings.append(Finding(level="warn", code="push", text=text))
    return Checked(findings=tuple(findings))
