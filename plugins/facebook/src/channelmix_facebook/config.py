"""What a page needs to be told."""

from __future__ import annotations

from attrs import frozen
from channelmix.config import Secret, setting
from channelmix_meta.config import VERSION, a_number, a_version, not_negative


@frozen(kw_only=True)
class FacebookConfig:
    """One page."""

    page_id: str = setting(
        help="The page's number (Page, About, Page transparency).", validator=a_number
    )
    access_token: Secret = setting(help="The page access token, best one that never expires.")
    version: str = setting(
        default=VERSION, help="The version of the Graph API that is called.", validator=a_version
    )
    backfill_days: int = setting(
        default=2, help="How many days back the very first poll looks.", validator=not_negative
    )
