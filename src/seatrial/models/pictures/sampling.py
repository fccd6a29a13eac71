"""Which frames of a video are looked at: arithmetic alone.

In: how many frames a video has, at what rate, and `VideoRules`. Out: indices of frames. The arithmetic is that of
transformers' `SmolVLMVideoProcessor.sample_frames` (release 5.23).
"""

from __future__ import annotations

import numpy as np

from seatrial.models.vision_config import VideoRules

# Left out at either end of a long video, seconds: titles and fades.
_SKIPPED_S = 1


def frames_to_look_at(num_frames: int, fps: float, duration_s: float, rules: VideoRules) -> list[int]:
    """Choose frames of a video of `num_frames` frames at `fps` per second, evenly spread, at least one, ascending.

    10 s at 30 frames per second under 1 frame per second and at most 64: ten frames from 0 to 299. An hour: 64 frames
    from 30 to 107,970.
    """
    assert num_frames > 0
    wanted = max(1, min(round(rules.fps * duration_s), rules.max_frames))
    first, last = 0, num_frames - 1
    if duration_s - 2 * _SKIPPED_S > rules.max_frames * rules.fps:
        first = int(_SKIPPED_S * fps)
        last = min(int(num_frames - _SKIPPED_S * fps), num_frames - 1)
    if first >= last:
        first, last = 0, num_frames - 1
    return [int(index) for index in np.unique(np.linspace(first, last, wanted, dtype=int))]
