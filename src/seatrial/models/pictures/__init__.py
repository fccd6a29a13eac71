"""Pictures and videos, from a file's bytes to what the model sees of them. Torch-free.

    plan        how large a picture becomes, into how many tiles it is cut, the text that stands for it
    opening     a file's bytes into an upright RGB picture; refuses what is none, and bombs
    tiles       a picture's tiles as the encoder takes them
    preparing   all of that for one picture: `prepare_picture`
    sampling    which frames of a video are looked at
    frames      those frames out of the file: `sample_video`
    playhead    from one of them to the next
    decoding    how far that may go, and how it is ended
    video_text  the text that stands for a video
    video       all of that for one video: `prepare_video`; its text alone: `outline_video`

A **tile** is one square that the encoder sees; the **whole view** is the picture scaled into one tile. Importing these
modules loads neither Pillow nor PyAV: a call does.
"""

from __future__ import annotations

from seatrial.chat import Detail
from seatrial.models.pictures.decoding import MOST_DECODED_PIXELS, Stopped, go_on
from seatrial.models.pictures.frames import Video, VideoFrame, sample_video
from seatrial.models.pictures.opening import PictureHead, open_picture, picture_head
from seatrial.models.pictures.plan import TilePlan, placeholder, plan_tiles
from seatrial.models.pictures.preparing import PreparedPicture, prepare_picture
from seatrial.models.pictures.video import PreparedVideo, outline_video, prepare_video

__all__ = [
    "MOST_DECODED_PIXELS",
    "Detail",
    "PictureHead",
    "PreparedPicture",
    "PreparedVideo",
    "Stopped",
    "TilePlan",
    "Video",
    "VideoFrame",
    "go_on",
    "open_picture",
    "outline_video",
    "picture_head",
    "placeholder",
    "plan_tiles",
    "prepare_picture",
    "prepare_video",
    "sample_video",
]
