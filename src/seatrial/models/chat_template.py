"""Conversations to prompt text, by the Jinja template that comes with a checkpoint.

In: messages in the neutral vocabulary of `seatrial.chat`. Out: the prompt as text, with a mark where a picture or a
video stands. Templates are code from outside: they run in a sandbox (see `template_sandbox`), with the functions that
transformers offers them (`strftime_now`, `raise_exception`, `tojson`, the `generation` block, loop controls) and
nothing else. Torch-free.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import jinja2
import jinja2.ext
import jinja2.nodes
import jinja2.parser
import jinja2.visitor

from seatrial.chat import ImagePart, Message, TextPart, Tool, ToolCall, VideoPart
from seatrial.errors import CheckpointError, UsageError
from seatrial.models.quoting import one_line
from seatrial.models.template_sandbox import BoundedSandbox
from seatrial.models.tool_prompt import results_from_user, signature, told_in_system

IMAGE_MARK, VIDEO_MARK = "<image>", "<video>"
"""What stands for a picture and for a video in a rendered prompt."""


class Marks(NamedTuple):
    """What `ChatTemplate.render` writes for a picture and for a video, where templates and others know only one way."""

    image: str = IMAGE_MARK
    video: str = VIDEO_MARK

    def put(self, text: str) -> str:
        """The text with these for the usual marks."""
        return text.replace(IMAGE_MARK, self.image).replace(VIDEO_MARK, self.video)

    @property
    def as_text(self) -> Marks:
        """What stands for marks that somebody wrote, while a template runs that puts its own together."""
        return Marks(f"{self.image[:-1]} as text>", f"{self.video[:-1]} as text>")


USUAL_MARKS = Marks()
"""Those of published templates, and of the vocabulary."""

_MOST_CHARACTERS = 1 << 20
_TOOL_ROLE = re.compile(r"""["']tool["']""")
_IMAGE_PART, _VIDEO_PART = re.compile(r"""["']image["']"""), re.compile(r"""["']video["']""")
_TEMPLATE_FAILURES = (TypeError, ValueError, ArithmeticError, LookupError, RecursionError, MemoryError)


class ChatTemplate:
    """A compiled template. `tokens` are the special tokens it may name (`bos_token`, `eos_token`, …)."""

    def __init__(
        self,
        source: str,
        *,
        now: Callable[[], datetime],
        tokens: Mapping[str, str] | None = None,
        path: Path | str | None = None,
    ) -> None:
        if len(source) > _MOST_CHARACTERS:
            raise CheckpointError(
                f"{len(source):,} characters; {_MOST_CHARACTERS:,} are taken", path=path, field="chat_template"
            )
        self.source = source
        self._tokens = dict(tokens or {})
        environment, spelled = _environment(now), _SpelledMarks()
        try:
            self._template = environment.from_string(spelled.visit(environment.parse(source)))
        except Exception as error:  # a template's own errors, and any of Python's where the code made of it is too deep
            raise CheckpointError(
                f"not a template we can read: {one_line(error)}", path=path, field="chat_template"
            ) from error
        words = set(re.findall(r"[A-Za-z_]+", source))
        self.switches_thinking = "enable_thinking" in words
        self.reasons = self.switches_thinking or "<think>" in source
        self._xml_tools, self._tools, self._tool_calls = (w in words for w in ("xml_tools", "tools", "tool_calls"))
        self._takes_results = self._tool_calls or "tool_call_id" in words or bool(_TOOL_ROLE.search(source))
        self._takes_parts, self._takes_videos = (bool(each.search(source)) for each in (_IMAGE_PART, _VIDEO_PART))
        self._spelled = spelled.texts
        # Marks that the template puts together while it runs are told from written ones in the text of a part alone.
        written = "\n".join((*self._spelled.values(), *self._tokens.values()))
        self._hides_image_mark = self._takes_parts and IMAGE_MARK not in written
        self._hides_video_mark = self._takes_parts and self._takes_videos and VIDEO_MARK not in written

    @property
    def takes_tools(self) -> bool:
        """Whether the template has a place for tools of its own."""
        return self._xml_tools or self._tools

    def render(
        self,
        messages: Sequence[Message],
        *,
        tools: Sequence[Tool] = (),
        thinking: bool | None = None,
        add_generation_prompt: bool = True,
        variables: Mapping[str, Any] | None = None,
        marks: Marks = USUAL_MARKS,
    ) -> str:
        """The prompt text. `variables` are set in the template as they are, and go before what is set here.

        A picture and a video become their mark, where they stand among the parts of their message. Other `marks` than
        the usual ones tell them from what the conversation's texts spell out.

        Where the template has no place for tools or their results, both become text, see `tool_prompt`.
        Raises UsageError where the template or the model cannot take what is asked.
        """
        if thinking and not self.reasons:
            raise UsageError("The model has no thinking mode; ask without it.", field="thinking")
        known: dict[str, Any] = {"add_generation_prompt": add_generation_prompt}
        if thinking is not None and self.switches_thinking:
            known["enable_thinking"] = thinking
        if tools and self._xml_tools:
            known["xml_tools"] = [signature(tool) for tool in tools]
        elif tools and self._tools:
            known["tools"] = [{"type": "function", "function": signature(tool)} for tool in tools]
        elif tools:
            messages = told_in_system(messages, tools)
        if not self._takes_results:
            messages = results_from_user(messages)
        taken = {"messages", "self"}.intersection(variables or ())
        if taken:
            reason = f"The template variable `{min(taken)}` is not free; give yours another name."
            raise UsageError(reason, field="template_variables")
        said = [self._as_dict(message, marks) for message in messages]
        return self._rendered(said, {**known, **(variables or {})}, marks)

    def render_raw(
        self, messages: Sequence[Mapping[str, Any]], *, add_generation_prompt: bool = True, **variables: Any
    ) -> str:
        """Render messages that are dictionaries already, with any variables, as transformers' function does."""
        return self._rendered(messages, {"add_generation_prompt": add_generation_prompt, **variables}, USUAL_MARKS)

    def _rendered(self, messages: Sequence[Mapping[str, Any]], variables: Mapping[str, Any], marks: Marks) -> str:
        tokens, spelled = (
            {name: marks.put(text) for name, text in texts.items()} for texts in (self._tokens, self._spelled)
        )
        known = {"tools": None, "documents": None, **tokens, **variables, **spelled, "messages": messages}
        try:
            text = self._template.render(known)
        except (jinja2.TemplateError, *_TEMPLATE_FAILURES) as error:
            reason = str(error) or type(error).__name__
            raise UsageError(
                f"The model's chat template refuses this conversation: {reason}", field="messages"
            ) from error
        for usual, mark, as_text in self._hidden(marks):
            text = text.replace(usual, mark).replace(as_text, usual)
        return text

    def _hidden(self, marks: Marks) -> list[tuple[str, str, str]]:
        """Of each mark that the template puts together itself: the usual one, ours, what stands for a written one."""
        if marks == USUAL_MARKS:
            return []
        hides = (self._hides_image_mark, self._hides_video_mark)
        known = zip(USUAL_MARKS, marks, marks.as_text, strict=True)
        return [each for each, is_hidden in zip(known, hides, strict=True) if is_hidden]

    def _as_dict(self, message: Message, marks: Marks) -> dict[str, Any]:
        content = self._content(message, marks)
        if not message.tool_calls:
            return {"role": message.role, "content": content} | _named(message)
        if self._tool_calls:
            calls = [_call(call) for call in message.tool_calls]
            return {"role": message.role, "content": content, "tool_calls": calls} | _named(message)
        # SmolLM3's template has no place for calls: they stand in the text as the template tells the model to write.
        written = "\n".join(f"<tool_call>\n{_written(call)}\n</tool_call>" for call in message.tool_calls)
        said = _marked(message, marks)
        told = f"{said}\n{written}" if said else written
        if self._takes_parts:
            return {"role": message.role, "content": [self._text(told, marks)]} | _named(message)
        return {"role": message.role, "content": told} | _named(message)

    def _content(self, message: Message, marks: Marks) -> str | list[dict[str, str]]:
        """Text, or a list of parts for templates that go through one. Published templates look at the first part."""
        if not self._takes_parts:
            return _marked(message, marks)
        return [self._part(part, marks) for part in message.parts] or [self._text("", marks)]

    def _part(self, part: TextPart | ImagePart | VideoPart, marks: Marks) -> dict[str, str]:
        if isinstance(part, ImagePart) or (isinstance(part, VideoPart) and self._takes_videos):
            return {"type": "image" if isinstance(part, ImagePart) else "video"}
        return self._text(_mark(part, marks), marks)

    def _text(self, written: str, marks: Marks) -> dict[str, str]:
        for usual, _, as_text in self._hidden(marks):
            written = written.replace(usual, as_text)
        return {"type": "text", "text": written}


class _SpelledMarks(jinja2.visitor.NodeTransformer):
    """Makes variables of the texts in a template's source that spell a mark; `texts` are these, by name."""

    def __init__(self) -> None:
        self.texts: dict[str, str] = {}

    def visit_Const(self, node: jinja2.nodes.Const) -> jinja2.nodes.Expr:  # noqa: N802 - jinja2's own spelling
        return self._named(node, node.value)

    def visit_TemplateData(self, node: jinja2.nodes.TemplateData) -> jinja2.nodes.Expr:  # noqa: N802
        return self._named(node, node.data)

    def _named(self, node: jinja2.nodes.Expr, text: object) -> jinja2.nodes.Expr:
        if not isinstance(text, str) or not any(mark in text for mark in USUAL_MARKS):
            return node
        name = f"_text_{len(self.texts)}_that_spells_a_mark"
        self.texts[name] = text
        return jinja2.nodes.Name(name, "load", lineno=node.lineno)


def _marked(message: Message, marks: Marks) -> str:
    """The text of a message, with a mark for each picture and video."""
    return "".join(_mark(part, marks) for part in message.parts)


def _mark(part: TextPart | ImagePart | VideoPart, marks: Marks) -> str:
    if isinstance(part, TextPart):
        return part.text
    return marks.image if isinstance(part, ImagePart) else marks.video


def _environment(now: Callable[[], datetime]) -> jinja2.Environment:
    environment = BoundedSandbox(filters={"tojson": _to_json}, extensions=[_GenerationBlock, jinja2.ext.loopcontrols])
    environment.globals["raise_exception"] = _raise
    environment.globals["strftime_now"] = lambda pattern: now().strftime(pattern)
    return environment


class _GenerationBlock(jinja2.ext.Extension):
    """`{% generation %}…{% endgeneration %}` marks what the assistant wrote, for training; rendering passes it on."""

    tags = {"generation"}  # noqa: RUF012 - jinja2's own spelling of an attribute

    def parse(self, parser: jinja2.parser.Parser) -> jinja2.nodes.Node:
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return jinja2.nodes.Scope(body).set_lineno(line)


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """JSON without the HTML escapes of jinja2's own filter, as transformers has it."""
    return json.dumps(value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys)


def _raise(message: str) -> None:
    raise jinja2.TemplateError(message)


def _named(message: Message) -> dict[str, Any]:
    return {} if message.tool_call_id is None else {"tool_call_id": message.tool_call_id}


def _arguments(call: ToolCall) -> Any:
    """The arguments as an object where they are JSON, as the text they are where not."""
    try:
        return json.loads(call.arguments)
    except ValueError:
        return call.arguments


def _call(call: ToolCall) -> dict[str, Any]:
    return {"type": "function", "id": call.id, "function": {"name": call.name, "arguments": _arguments(call)}}


def _written(call: ToolCall) -> str:
    return json.dumps({"name": call.name, "arguments": _arguments(call)}, ensure_ascii=False)
