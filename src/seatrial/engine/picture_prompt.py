"""Pictures and videos of a conversation, from its parts to what the engine takes.

In: messages with `ImagePart`s and `VideoPart`s, and what the chat template makes of them, with a mark where each part
stands. Out: token ids, in which every part has become its text (row and column marks, times, one token for each row of
numbers), and the prepared pictures in the same order. What a picture's text is follows from its file's head; its pixels
are looked at when it is asked for. Both are kept for a while. Safe for several threads. Torch-free.

Whatever a user, a tool or a model writes may spell a mark, and stays text: where there are pictures, theirs are such
as no text of the conversation can hold.
"""

from __future__ import annotations

import hashlib
import re
import threading
from collections import OrderedDict
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import NamedTuple

from seatrial.chat import ImagePart, Message, TextPart, VideoPart
from seatrial.engine.prompt_check import Shown, too_much_shown
from seatrial.errors import InputError, UsageError
from seatrial.media.bounds import MOST_FRAME_PIXELS
from seatrial.models.chat_template import IMAGE_MARK, USUAL_MARKS, Marks
from seatrial.models.pictures import (
    PreparedPicture,
    go_on,
    outline_video,
    picture_head,
    placeholder,
    plan_tiles,
    prepare_picture,
    prepare_video,
)
from seatrial.models.tokenizer import Tokenizer
from seatrial.models.vision_config import PictureRules, VisionConfig

_KEPT_BYTES = 64 << 20
_MOST_KEPT = 1024
# FFmpeg decodes a few frames to see what a video is, 150 MB of the largest.
_HEADS_AT_ONCE = 2


class PlacedPart(NamedTuple):
    """A picture or video: part `place` of message `message`."""

    message: int
    place: int
    part: ImagePart | VideoPart


class Rendered(NamedTuple):
    """A conversation as the chat template writes it. `marks` stand for its pictures and videos, and nowhere else."""

    text: str
    marks: Marks


class ReadPrompt(NamedTuple):
    """A prompt as the engine takes it. In order, `pictures` fill the places of `token_ids` with `image_token_id`."""

    token_ids: list[int]
    pictures: tuple[PreparedPicture, ...] = ()


class _Kept(NamedTuple):
    """`num_decoded` pixels have to be decoded for what `pictures` hold once they are prepared."""

    text: str
    num_decoded: int
    pictures: tuple[PreparedPicture, ...] = ()

    @property
    def num_bytes(self) -> int:
        return sum(picture.tiles_NCHW.nbytes for picture in self.pictures)


def parts_to_see(messages: Sequence[Message]) -> list[PlacedPart]:
    """The pictures and videos of a conversation, in order."""
    return [
        PlacedPart(index, place, part)
        for index, message in enumerate(messages)
        for place, part in enumerate(message.parts)
        if not isinstance(part, TextPart)
    ]


def rendered(render: Callable[[Marks], str], parts: Sequence[PlacedPart]) -> Rendered:
    """What `render` writes with marks for `parts` alone; it is called twice where there are any.

    The marks hold a digest of the text with the usual marks, which that text cannot hold itself.
    """
    text = render(USUAL_MARKS)
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).hexdigest()[:16]
    marks = Marks(f"<image {digest}>", f"<video {digest}>")
    return Rendered(render(marks) if parts else text, marks)


class PicturePrompts:
    """See the module. Of one model; `name` is what messages call it."""

    def __init__(
        self,
        config: VisionConfig,
        rules: PictureRules,
        tokenizer: Tokenizer,
        *,
        name: str,
        kept_bytes: int = _KEPT_BYTES,
    ) -> None:
        self._config, self._rules, self._tokenizer, self._name = config, rules, tokenizer, name
        self._kept: OrderedDict[object, _Kept] = OrderedDict()
        self._most_bytes = kept_bytes
        self._num_bytes = 0
        self._lock = threading.Lock()
        self._heads = threading.Semaphore(_HEADS_AT_ONCE)

    def text_of(self, part: ImagePart | VideoPart) -> str:
        """What stands for a part in the prompt. Raises InputError for what is no picture or video, or too large."""
        return self._outlined(part, _key(part)).text

    def num_tokens(self, part: ImagePart | VideoPart) -> int:
        """Tokens that a part takes, marks and times included. Raises as `text_of`."""
        return len(self._tokenizer.encode(self.text_of(part)))

    def num_pixels(self, parts: Sequence[PlacedPart]) -> int:
        """Pixels in memory at most while parts are prepared: of the largest file, decoded, and of all tiles together.

        Raises as `text_of`.
        """
        outlines = [self._outlined(each.part, _key(each.part)) for each in parts]
        num_rows = sum(outline.text.count(IMAGE_MARK) for outline in outlines)
        num_decoded = max((outline.num_decoded for outline in outlines if not outline.pictures), default=0)
        return num_decoded + num_rows // self._config.tokens_per_tile * self._rules.tile_edge**2

    def pictures_of(
        self, part: ImagePart | VideoPart, stop: threading.Event | None = None
    ) -> tuple[PreparedPicture, ...]:
        """The pictures of a part, prepared: one, or the frames of a video. Raises as `text_of`, and for damage.

        Raises Stopped once `stop` is set, which is looked at first and before every packet of a video.
        """
        go_on(stop)
        key = _key(part)
        outline = self._outlined(part, key)
        if outline.pictures:
            return outline.pictures
        prepared = self._prepared(part, outline.num_decoded, stop)
        if prepared.text != outline.text:
            raise InputError("The file holds something else than its head says. Save or fetch it again.")
        return self._keep(key, prepared).pictures

    def encode(self, prompt: Rendered, parts: Sequence[PlacedPart]) -> list[int]:
        """Token ids of a rendered conversation, its marks replaced by what stands for `parts`; others become text.

        Raises UsageError where the template has left a part out, and as `text_of`.
        """
        text, marks = prompt
        places = re.compile("|".join(marks))
        if places.findall(text) != [marks.image if isinstance(each.part, ImagePart) else marks.video for each in parts]:
            raise UsageError(
                f"The chat template of `{self._name}` has no place for a picture where this conversation has one. "
                "Put pictures into the user's messages.",
                field="messages",
            )
        shown = iter([self.text_of(each.part) for each in parts])
        ids: list[int] = []
        for index, piece in enumerate(text.split(IMAGE_MARK)):
            ids += [token for half in _halves() for token in self._tokenizer.encode(half)] if index else []
            ids += self._tokenizer.encode(places.sub(lambda _: next(shown), piece))
        return ids

    def check_room(self, num_tokens: int, parts: Sequence[PlacedPart], limit: int) -> None:
        """Raises ContextTooLong, saying how many parts fit, where `num_tokens` leave no room for an answer."""
        if parts and num_tokens >= limit:
            raise too_much_shown(num_tokens, [self._cost(each.part) for each in parts], limit=limit, name=self._name)

    def _cost(self, part: ImagePart | VideoPart) -> Shown:
        if isinstance(part, VideoPart):
            return Shown("video", self.num_tokens(part), self.num_tokens(part))
        return Shown("picture", self.num_tokens(part), self.num_tokens(replace(part, detail="low")))

    def _outlined(self, part: ImagePart | VideoPart, key: object) -> _Kept:
        found = self._find(key)
        return self._keep(key, self._outline(part)) if found is None else found

    def _outline(self, part: ImagePart | VideoPart) -> _Kept:
        """What the head of a part's file says, before its pixels are looked at."""
        if isinstance(part, VideoPart):
            with self._heads:
                return _Kept(outline_video(part.path, self._config, self._rules), MOST_FRAME_PIXELS)
        head = picture_head(part.data)
        plan = plan_tiles(head.width, head.height, self._rules, part.detail)
        return _Kept(placeholder(plan, self._config.tokens_per_tile), head.width * head.height)

    def _prepared(self, part: ImagePart | VideoPart, num_decoded: int, stop: threading.Event | None) -> _Kept:
        if isinstance(part, VideoPart):
            video = prepare_video(part.path, self._config, self._rules, stop=stop)
            return _Kept(video.text, num_decoded, tuple(video.pictures))
        picture = prepare_picture(part.data, self._config, self._rules, part.detail)
        return _Kept(picture.text, num_decoded, (picture,))

    def _find(self, key: object) -> _Kept | None:
        with self._lock:
            found = self._kept.get(key)
            if found is not None:
                self._kept.move_to_end(key)
            return found

    def _keep(self, key: object, made: _Kept) -> _Kept:
        with self._lock:
            before = self._kept.pop(key, None)
            self._num_bytes += made.num_bytes - (before.num_bytes if before else 0)
            self._kept[key] = made
            self._drop_oldest(key)
        return made

    def _drop_oldest(self, newest: object) -> None:
        """Drop tiles beyond the room there is, but those of the newest; texts are small and stay for longer."""
        for key, kept in list(self._kept.items()):
            if self._num_bytes <= self._most_bytes or key == newest:
                break
            self._num_bytes -= kept.num_bytes
            self._kept[key] = kept._replace(pictures=())
        while len(self._kept) > _MOST_KEPT:
            _, gone = self._kept.popitem(last=False)
            self._num_bytes -= gone.num_bytes


def _key(part: ImagePart | VideoPart) -> object:
    """What a part's content is known by: the digest of its bytes, or a file as it lies on the disk now."""
    if isinstance(part, ImagePart):
        return hashlib.sha256(part.data).digest(), part.detail
    try:
        state = part.path.stat()
    except OSError:
        return part.path
    return part.path.absolute(), state.st_mtime_ns, state.st_size


def _halves() -> tuple[str, str]:
    """The mark of a picture in two pieces, neither of which the vocabulary has as a token of its own."""
    return IMAGE_MARK[:1], IMAGE_MARK[1:]
