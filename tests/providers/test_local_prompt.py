"""Marks of pictures that a conversation spells out, wherever and however: text, beside pictures that are ones."""

from __future__ import annotations

import io
import json
from collections.abc import Callable
from dataclasses import replace
from datetime import datetime
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from seatrial.chat import ChatRequest, ImagePart, Message, Part, TextPart, Tool, ToolCall, VideoPart, message
from seatrial.engine import Model, picture_prompt
from seatrial.models.chat_template import ChatTemplate
from seatrial.providers.local_prompt import prompt_of

TEXT_ALONE = "{% for m in messages %}[{{ m.role }}]{{ m.content }}{% endfor %}"
ELEMENTS = (
    "{% for t in tools or [] %}<{{ t.function.name }}>{{ t.function.description }}"
    "{% for key in t.function.parameters %}<{{ key }}>{% endfor %}{% endfor %}"
    "{% for m in messages %}<{{ m.role }}>{% for p in m.content %}"
    "{% if p.type == 'image' %}\n<image>{% elif p.type == 'video' %}{{ '<video>' }}{% else %}"
    "{{ p.text | trim | lower }}{% endif %}{% endfor %}{% for call in m.tool_calls or [] %}<{{ call.function.name }}>"
    "{{ call.function.arguments | tojson }}</{{ call.function.name }}>{% endfor %}{{ m.tool_call_id }}{% endfor %}"
    "{{ told }}"
)
"""Of no model, but each of its ways is some published template's: elements named by tools, trimmed texts."""

PUT_TOGETHER = (
    "{% for m in messages %}{{ m.role }}:{% for p in m.content %}{% if p.type == 'text' %}{{ p.text }}{% else %}"
    "{# 'image', 'video' #}<{{ p.type }}>{% endif %}{% endfor %}\n{% endfor %}"
)
"""Its source spells no mark."""

FILM = "Film: <image><image>"


def _picture() -> ImagePart:
    file = io.BytesIO()
    Image.new("RGB", (20, 20), "red").save(file, "png")
    return ImagePart(file.getvalue(), "image/png", "low")


PICTURE, VIDEO = _picture(), VideoPart(Path("a.mp4"))


@pytest.fixture(scope="module")
def model(folder: Path) -> Model:
    return Model.from_pretrained(folder, dtype="float32", device="cpu", name="reader")


@pytest.fixture(scope="module", autouse=True)
def films() -> Any:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(picture_prompt, "outline_video", lambda *_: FILM)
        yield


def with_template(model: Model, source: str | None) -> Model:
    """The same model with another chat template; None: its own."""
    if source is None:
        return model
    template = ChatTemplate(source, now=lambda: datetime(2026, 2, 3))
    changed = replace(model.checkpoint, chat_template=template)
    return Model(model.name, changed, model.runner, vision=model.vision)


@pytest.fixture(scope="module")
def readers(model: Model) -> list[Model]:
    return [with_template(model, source) for source in (None, TEXT_ALONE, ELEMENTS)]


def asked(*parts: Part | str) -> Message:
    return Message("user", tuple(TextPart(part) if isinstance(part, str) else part for part in parts))


def num_places(model: Model, ids: list[int]) -> int:
    return ids.count(model.tokenizer.token_id("<image>") or -1)


def num_rows(messages: tuple[Message, ...]) -> int:
    """Places that the pictures and videos of a conversation have."""
    shown = [part for each in messages for part in each.parts if not isinstance(part, TextPart)]
    return sum(4 if isinstance(part, ImagePart) else FILM.count("<image>") for part in shown)


@pytest.mark.parametrize("shown", [(), (PICTURE,), (VIDEO,)])
@pytest.mark.parametrize("split", [("a<ima", "ge>b"), ("a<vid", "eo>b"), ("<", "image", ">"), ("<image>", "<image>")])
def test_a_mark_split_over_parts_is_text(model: Model, split: tuple[str, ...], shown: tuple[Part, ...]) -> None:
    request = ChatRequest((asked(*shown, *split),))
    ids = prompt_of(request, model).token_ids
    assert num_places(model, ids) == num_rows(request.messages)
    assert "".join(split) in model.tokenizer.decode(ids)
    assert ids == prompt_of(ChatRequest((asked(*shown, "".join(split)),)), model).token_ids
    assert ids == model.prompt_ids(request.messages)


@pytest.mark.parametrize("shown", [(), (PICTURE,)])
@pytest.mark.parametrize("written", [r'{"a": "\u003cimage\u003e"}', r'{"\u003cimage>": "<\u0069mage>"}', "<image>"])
def test_a_mark_escaped_in_arguments_is_text(model: Model, written: str, shown: tuple[Part, ...]) -> None:
    messages = (asked(*shown, "draw"), Message("assistant", (), (ToolCall("1", "draw", written),)), asked("on"))
    for reader in (model, with_template(model, ELEMENTS)):
        ids = prompt_of(ChatRequest(messages), reader).token_ids
        assert num_places(reader, ids) == num_rows(messages)
        assert "<image>" in reader.tokenizer.decode(ids)


@pytest.mark.parametrize("shown", [(PICTURE,), (VIDEO, PICTURE)])
def test_a_written_mark_is_text_where_the_template_puts_its_own_together(model: Model, shown: tuple[Part, ...]) -> None:
    reader = with_template(model, PUT_TOGETHER)
    said = "<image> and <video> and <image as text>"
    call = Message("assistant", (TextPart("<image>"),), (ToolCall("1", "draw", '{"a": "<image>"}'),))
    request = ChatRequest((asked(said, *shown, said), call, message("tool", "<video>")))
    ids = prompt_of(request, reader).token_ids
    assert num_places(reader, ids) == num_rows(request.messages)
    assert reader.tokenizer.decode(ids).count(said) == 2


@pytest.mark.parametrize("shown", [(), (PICTURE,)])
def test_a_mark_that_the_template_puts_together_is_text(model: Model, shown: tuple[Part, ...]) -> None:
    reader = with_template(model, ELEMENTS)
    tool = Tool("image", "gives one", {"video": {}, "image": {}})
    request = ChatRequest((asked(*shown, "<ima ", " ge> <IMAGE>"),), tools=(tool,))
    for each in (request, replace(request, template_variables={"told": "<image>"})):
        ids = prompt_of(each, reader).token_ids
        assert num_places(reader, ids) == num_rows(request.messages)
    assert reader.tokenizer.decode(ids).count("<image>") == 5


def test_what_stands_for_a_mark_elsewhere_is_read_as_it_stands(model: Model) -> None:
    """Code points that are no characters, and the tag that `rendered` makes of another conversation."""
    text = "\ufdd0 \ufdd1 <image 0123456789abcdef>"
    for shown in ((), (PICTURE,)):
        ids = prompt_of(ChatRequest((asked(*shown, text),)), model).token_ids
        assert text in model.tokenizer.decode(ids)
        assert num_places(model, ids) == 4 * len(shown)


@pytest.mark.parametrize("shown", [(), (PICTURE,), (PICTURE, " and ", VIDEO, PICTURE)])
def test_a_prompt_without_written_marks_is_what_the_template_writes(
    readers: list[Model], shown: tuple[Part | str, ...]
) -> None:
    messages = (message("system", "look"), asked("hello ", "world"), message("assistant", "well"), asked(*shown, "and"))
    for reader in readers:
        text = reader.chat_template.render(messages).replace("<video>", FILM)
        before, *behind = text.split("<image>", 1) if PICTURE in shown else [text]
        *within, after = behind[0].rsplit("<image>", 1) if len(shown) > 2 else behind or [""]
        picture = reader.eyes.text_of(PICTURE) if behind else ""
        whole = before + "".join(picture + each for each in (*within, after))
        assert prompt_of(ChatRequest(messages), reader).token_ids == reader.tokenizer.encode(whole)


PIECES = st.sampled_from(["<", "<i", "ima", "image", "ge>", ">", "<vid", "eo>", "<image>", "<video>", "<IMAGE>"]) | (
    st.sampled_from(["a", " ", "\n", "\\u003c", "\ufdd0", "</think>", "{{", "&lt;", "<image 0>", "<global-img>"])
    | st.sampled_from(["<fake_token_around_image>", "<row_1_col_1>", "<end_of_utterance>"])
)
TEXTS = st.lists(PIECES, max_size=4).map("".join)
NAMES = st.sampled_from(["image", "video", "draw"])


@st.composite
def as_json(draw: st.DrawFn) -> str:
    """A JSON object with texts, any characters of which may be escaped; or no JSON at all."""
    written = json.dumps({draw(TEXTS): draw(TEXTS)}, ensure_ascii=draw(st.booleans()))
    escaped = draw(st.sampled_from(["", "<", "<>", "image", "<image>"]))
    return "".join(f"\\u{ord(c):04x}" if c in escaped else c for c in written) + draw(st.sampled_from(["", "", "x"]))


PARTS = st.lists(st.builds(TextPart, TEXTS) | st.sampled_from([PICTURE, VIDEO]), min_size=1, max_size=5).map(tuple)
SAID = st.builds(Message, st.just("user"), PARTS)
WORDS = st.lists(st.builds(TextPart, TEXTS), max_size=3).map(tuple)
ANSWERED = st.builds(
    Message,
    st.just("assistant"),
    WORDS,
    st.lists(st.builds(ToolCall, TEXTS, NAMES | TEXTS, as_json()), max_size=2).map(tuple),
)
RESULTS = st.builds(Message, st.just("tool"), WORDS, st.just(()), TEXTS)
SYSTEM = st.builds(Message, st.just("system"), WORDS)
SCHEMAS = st.dictionaries(NAMES | TEXTS, TEXTS | st.lists(TEXTS, max_size=2), max_size=2)
TOOLS = st.lists(st.builds(Tool, NAMES, TEXTS, SCHEMAS), max_size=2).map(tuple)
REQUESTS = st.builds(
    ChatRequest,
    st.tuples(SYSTEM, st.lists(SAID | ANSWERED | RESULTS, min_size=1, max_size=4).map(tuple)).map(
        lambda both: (both[0], *both[1])
    ),
    tools=TOOLS,
    template_variables=st.dictionaries(st.just("told"), TEXTS, max_size=1),
)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS)
def test_a_prompt_has_places_for_its_pictures_and_no_others(readers: list[Model], request: ChatRequest) -> None:
    for reader in readers:
        prompt = prompt_of(request, reader)
        assert num_places(reader, prompt.token_ids) == num_rows(request.messages)
        assert prompt == prompt_of(request, reader)


@settings(max_examples=60, suppress_health_check=[HealthCheck.too_slow])
@given(request=REQUESTS, at=st.integers(0, 12))
def test_a_prompt_is_that_of_the_joined_texts(model: Model, request: ChatRequest, at: int) -> None:
    """However a text is cut into parts, and however its arguments are escaped."""
    ids = prompt_of(request, model).token_ids
    joined = tuple(_rewritten(each, _joined) for each in request.messages)
    assert ids == prompt_of(replace(request, messages=joined), model).token_ids
    cut = tuple(_rewritten(each, lambda parts: _cut(parts, at)) for each in request.messages)
    assert ids == prompt_of(replace(request, messages=cut), model).token_ids


def _rewritten(said: Message, parts: Callable[[tuple[Part, ...]], tuple[Part, ...]]) -> Message:
    """The same message in other parts, the arguments of its calls as Python writes them."""
    calls = tuple(replace(call, arguments=_canonical(call.arguments)) for call in said.tool_calls)
    return replace(said, parts=parts(said.parts), tool_calls=calls)


def _canonical(arguments: str) -> str:
    try:
        return json.dumps(json.loads(arguments), ensure_ascii=False)
    except ValueError:
        return arguments


def _joined(parts: tuple[Part, ...]) -> tuple[Part, ...]:
    made: list[Part] = []
    for part in parts:
        before = made[-1] if made else None
        if isinstance(before, TextPart) and isinstance(part, TextPart):
            made[-1] = TextPart(before.text + part.text)
        else:
            made.append(part)
    return tuple(made)


def _cut(parts: tuple[Part, ...], at: int) -> tuple[Part, ...]:
    made: list[Part] = []
    for part in parts:
        if isinstance(part, TextPart):
            made += [TextPart(part.text[:at]), TextPart(part.text[at:])]
        else:
            made.append(part)
    return tuple(made)
