"""One video, ready for a prompt and for the encoder.

In: a path, the vision configuration and the rules of preparation. Out: a `PreparedVideo`: its text with the time of
every frame, and the frames as pictures that are not split. transformers scales frames with torchvision; here, as
pictures are, with Pillow: to the video's longest edge, then into one tile. What a video costs is known before a frame
is decoded: `outline_video`.
"""

from __future__ import annotations

import threading
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from seatrial.models.pictures.frames import sample_video, video_times
from seatrial.models.pictures.plan import TilePlan, placeholder
from seatrial.models.pictures.preparing import PreparedPicture, prepared
from seatrial.models.pictures.video_text import video_text
from seatrial.models.vision_config import PictureRules, VisionConfig


@dataclass(frozen=True, slots=True)
class PreparedVideo:
    """A video as the model sees it: `text` stands for it in a prompt, with every frame's `<image>`s in order."""

    text: str
    pictures: list[PreparedPicture]


def outline_video(path: Path, config: VisionConfig, rules: PictureRules) -> str:
    """The text that `prepare_video` gives, without decoding a frame. Raises InputError as `video_times` does."""
    times = video_times(path, rules.video)
    return video_text(times.at_s, times.duration_s, placeholder(_frame_plan(rules), config.tokens_per_tile))


def prepare_video(
    path: Path, config: VisionConfig, rules: PictureRules, *, stop: threading.Event | None = None
) -> PreparedVideo:
    """Prepare a video file, unless `stop` is set meanwhile. Raises InputError and Stopped as `sample_video` does."""
    from PIL import Image

    edge, plan = rules.tile_edge, _frame_plan(rules)

    def tile(picture: Image.Image) -> Image.Image:
        return picture.resize((edge, edge), Image.Resampling.LANCZOS)

    video = sample_video(path, rules.video, shaped=tile, stop=stop)
    pictures = [prepared(np.asarray(frame.picture)[None], plan, config, rules) for frame in video.frames]
    frame_text = placeholder(plan, config.tokens_per_tile)
    return PreparedVideo(video_text([frame.at_s for frame in video.frames], video.duration_s, frame_text), pictures)


def _frame_plan(rules: PictureRules) -> TilePlan:
    """A frame is one tile."""
    return TilePlan(rules.tile_edge, rules.tile_edge, 0, 0, 1)
