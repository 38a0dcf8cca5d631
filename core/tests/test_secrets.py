from __future__ import annotations

import copy
import json
import pickle
from collections.abc import Callable

import msgspec
import pytest
from channelmix.config import Secret
from hypothesis import given
from hypothesis import strategies as st


@given(st.text(min_size=1).filter(lambda text: text not in "***"))
def test_a_secret_never_prints(text: str) -> None:
    secret = Secret(text)
    shown = f"{secret} {secret!r} {secret!s} {secret:>3} %s" % secret
    assert shown == "*** *** *** *** ***"
    assert secret.reveal() == text
    assert secret
    assert copy.deepcopy(secret) == secret == Secret(text) != Secret(text + "x")
    assert hash(secret) == hash(Secret(text))


@pytest.mark.parametrize("encode", [json.dumps, msgspec.json.encode, pickle.dumps])
def test_a_secret_is_not_written_by_accident(encode: Callable[[object], object]) -> None:
    with pytest.raises(TypeError):
        encode({"token": Secret("t0ken-value")})
    assert Secret("a") != "a"
    assert not Secret()
