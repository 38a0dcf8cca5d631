"""The two sections: what they refuse, and that they keep their secrets."""

from __future__ import annotations

from typing import Any

import pytest
from channelmix.config import Secret
from channelmix_facebook.config import FacebookConfig
from channelmix_meta.config import MetaApp

TOKEN = Secret("EAAB-secret")


def test_a_page_needs_its_number_and_a_token_only() -> None:
    config = FacebookConfig(page_id="500", access_token=TOKEN)
    assert (config.version, config.backfill_days) == ("v26.0", 2)
    assert "EAAB" not in repr(config)
    assert "EAAB" not in repr(MetaApp(app_secret=TOKEN, verify_token=TOKEN))


@pytest.mark.parametrize(
    ("setting", "value"),
    [("page_id", "stadtwerke"), ("page_id", ""), ("version", "26"), ("backfill_days", -1)],
)
def test_a_wrong_setting_is_named(setting: str, value: Any) -> None:
    with pytest.raises(ValueError, match=setting):
        FacebookConfig(**{"page_id": "500", "access_token": TOKEN, setting: value})
