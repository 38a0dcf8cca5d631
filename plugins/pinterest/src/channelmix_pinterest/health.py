"""Whether the credentials suffice: `channelmix check --online`."""

from __future__ import annotations

from channelmix.errors import AuthorizationLost, Rejected
from channelmix.records import Checked, Finding

from channelmix_pinterest.client import Api
from channelmix_pinterest.config import PinterestConfig


async def check(api: Api, config: PinterestConfig) -> Checked:
    """Ask whose token it is, and whether the boards are there. Raises: `RetryLater`."""
    try:
        account = await api.get("user_account")
    except (AuthorizationLost, Rejected) as error:
        return Checked(findings=(Finding(level="block", code="token", text=str(error)),))
    findings = [*_whose(account.get("username"), config), *await _boards(api, config)]
    return Checked(findings=tuple(findings))


def _whose(username: object, config: PinterestConfig) -> list[Finding]:
    if str(username).casefold() == config.username.casefold():
        return []
    text = f"the token is for {username}, not for {config.username}"
    return [Finding(level="block", code="account", text=text)]


async def _boards(api: Api, config: PinterestConfig) -> list[Finding]:
    findings = []
    wanted = {"board": config.board, **{f"boards.{t}": b for t, b in config.boards.items()}}
    for name, board in wanted.items():
        if board is None:
            continue
        try:
            await api.get(f"boards/{board}")
        except Rejected as error:
            text = f"{name}: {error}"
            findings.append(Finding(level="warn", code="board", text=text))
    return findings
