from typing import Any

import pytest
from channelmix.config import load
from channelmix.errors import ConfigError
from channelmix_twitter.config import TwitterConfig, query

APP = {"network": "twitter", "consumer_secret": "invented"}
CHANNEL = {"network": "twitter", "app": "acme", "user_id": "14", "handle": "stadtwerke"}


def loaded(channel: dict[str, Any], **app: Any) -> Any:
    return load({"apps": {"acme": {**APP, **app}}, "channels": {"x": {**CHANNEL, **channel}}})


@pytest.mark.parametrize(
    ("channel", "app", "told"),
    [
        ({"user_id": "@stadtwerke"}, {}, "channels.x.user_id"),
        ({"handle": "@stadtwerke"}, {}, "channels.x.handle"),
        ({"backfill_days": -1}, {}, "channels.x.backfill_days"),
        ({"search": ["wort " * 120]}, {}, "512 characters"),
        ({"auth": "basic"}, {}, "channels.x.auth"),
        ({"serach": ["strom"]}, {}, "search"),
        ({}, {"budget": -1}, "apps.acme.budget"),
        ({}, {"reserve": 2}, "apps.acme.reserve"),
        ({}, {"prices": {"post": -1}}, "prices.post"),
        ({}, {"prices": {"psot": 1}}, "post"),
    ],
)
def test_mistakes_are_named(channel: Any, app: Any, told: str) -> None:
    with pytest.raises(ConfigError) as error:
        loaded(channel, **app)
    [problem] = error.value.problems
    assert told in problem


def test_prices_can_be_changed_one_by_one() -> None:
    settings = loaded({}, budget=20, period="day", prices={"post": 0.01})
    app = settings.channels["x"].app_config
    assert (app.prices.post, app.prices.create_with_link) == (0.01, 0.2)
    assert (app.allowance.amount, app.allowance.period, app.allowance.reserve) == (20, "day", 10)
    assert loaded({}).channels["x"].app_config.allowance is None


def test_rules_become_one_query() -> None:
    config = TwitterConfig(user_id="14", handle="stadtwerke", search=("strom weg", '"kein netz"'))
    found = query(config.search, config.handle)
    assert found == '((strom weg) OR ("kein netz")) -is:retweet -from:stadtwerke'
