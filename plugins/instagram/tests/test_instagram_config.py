"""The section of a channel: what it refuses, and that it keeps its secrets."""

from __future__ import annotations

from typing import Any

import pytest
from channelmix import config
from channelmix.config import Secret
from channelmix.errors import ConfigError
from channelmix_instagram.config import InstagramConfig

TOKEN = Secret("EAAB-secret")
APP = {"network": "facebook", "app_secret": "s", "verify_token": "v"}
PAGE = {"network": "facebook", "app": "meta", "page_id": "101", "access_token": "t"}
PHOTOS = {"network": "instagram", "app": "meta", "account_id": "17841400000000001"}


def test_an_account_needs_its_number_only() -> None:
    found = InstagramConfig(account_id="17841400000000001", access_token=TOKEN)
    assert (found.login, found.version, found.username) == ("facebook", "v26.0", None)
    assert "EAAB" not in repr(found)


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("account_id", "stadtwerke"),
        ("account_id", ""),
        ("username", "@stadtwerke"),
        ("username", "Stadtwerke"),
        ("version", "26"),
        ("backfill_days", -1),
    ],
)
def test_a_wrong_setting_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=setting):
        InstagramConfig(**{"account_id": "500", setting: value})


@pytest.mark.parametrize("network", ["facebook", "instagram"])
def test_one_app_serves_pages_and_accounts(network: str) -> None:
    pytest.importorskip("channelmix_facebook", reason="the other network is another package")
    loaded = config.load(
        {
            "apps": {"meta": {**APP, "network": network}},
            "channels": {"page": PAGE, "photos": PHOTOS},
        }
    )
    assert loaded.channels["page"].app_config is loaded.channels["photos"].app_config


def test_an_unknown_log_in_is_named() -> None:
    app = {**APP, "network": "instagram"}  # the only network that is surely installed
    with pytest.raises(ConfigError) as caught:
        config.load({"apps": {"meta": app}, "channels": {"photos": {**PHOTOS, "login": "threads"}}})
    assert caught.value.problems == ("channels.photos.login: write one of facebook, instagram",)
