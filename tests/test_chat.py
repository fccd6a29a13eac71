"""The vocabulary of a request: what it does not take."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from seatrial.chat import ImagePart
from seatrial.errors import UsageError


@pytest.mark.parametrize("detail", ["nonsense", "Low", "", None, 1, ["low"], "x" * 5000])
def test_a_picture_is_looked_at_in_one_of_three_ways(detail: Any) -> None:
    with pytest.raises(UsageError, match='"auto", "low" or "high"') as refused:
        ImagePart(b"", "image/png", detail=detail)
    assert refused.value.field == "detail"
    assert len(str(refused.value)) < 200
    assert replace(ImagePart(b"", "image/png", "high"), detail="low").detail == "low"
