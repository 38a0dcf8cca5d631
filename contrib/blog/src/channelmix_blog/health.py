"""Whether everything is in place: `channelmix check --online`."""

from __future__ import annotations

from channelmix.errors import AuthorizationLost, InvalidPayload, Rejected
from channelmix.payloads import obj
from channelmix.records import Checked, Finding

from channelmix_blog.client import Rest
from channelmix_blog.polling import Feeds


async def check(feeds: Feeds, rest: Rest | None) -> Checked:
    """Read the feed, and ask who we are at WordPress. Raises: `RetryLater`."""
    findings = []
    try:
        await feeds.articles({})
    except (Rejected, InvalidPayload) as error:
        findings.append(Finding(level="block", code="feed", text=str(error)))
    if rest is not None:
        findings += await _wordpress(rest)
    return Checked(findings=tuple(findings))


async def _wordpress(rest: Rest) -> list[Finding]:
    try:
        if rest.auth is None:
            await rest.get("comments", {"per_page": "1"})
            text = "comments are read only: set user and application_password to answer"
            return [Finding(level="warn", code="read-only", text=text)]
        able = obj((await rest.me()).get("capabilities"))
    except (AuthorizationLost, Rejected) as error:
        return [Finding(level="block", code="wordpress", text=str(error))]
    if able.get("moderate_comments"):
        return []
    if able.get("edit_posts"):
        text = "this user may not moderate: its answers may be held, and it cannot hide or approve"
        return [Finding(level="warn", code="moderation", text=text)]
    text = "this user may not list held comments: make it an author, better an editor"
    return [Finding(level="block", code="role", text=text)]
