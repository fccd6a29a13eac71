"""What is said where a prompt is too long with what it shows: what that is, how much of it fits, and what helps."""

from __future__ import annotations

import pytest

from seatrial.engine.prompt_check import Shown, too_much_shown

PICTURE, LOW = Shown("picture", 400, 80), Shown("picture", 80, 80)
VIDEO = Shown("video", 600, 600)


@pytest.mark.parametrize(
    ("num_text", "shown", "what", "says"),
    [
        (50, (PICTURE, PICTURE), "2 pictures", 'The first one fits. Leave something out, or ask with `detail` "low".'),
        (150, (PICTURE,), "a picture", 'It does not fit. Ask with `detail` "low".'),
        (450, (LOW,), "a picture", "It does not fit. Shorten the text, or ask a model with a longer context."),
        (450, (PICTURE,), "a picture", "It does not fit. Shorten the text, or ask a model with a longer context."),
        (100, (LOW,) * 5, "5 pictures", "The first 4 fit. Leave something out."),
        (20, (VIDEO,), "a video", "It does not fit. Show a shorter part of the video."),
        (20, (VIDEO,) * 2, "2 videos", "None of them fits. Show a shorter part of the video, or leave something out."),
        (
            20,
            (PICTURE, LOW, VIDEO),
            "2 pictures and a video",
            "The first one fits. Show a shorter part of the video, or leave something out.",
        ),
        (500, (VIDEO,), "a video", "The text alone is too long. Shorten it."),
    ],
)
def test_the_way_out_is_one_that_helps(num_text: int, shown: tuple[Shown, ...], what: str, says: str) -> None:
    num_tokens = num_text + sum(each.num_tokens for each in shown)
    message = str(too_much_shown(num_tokens, shown, limit=500, name="m"))
    assert message.endswith(f" of them for {what}; `m` takes 500, its answer included. {says}")
