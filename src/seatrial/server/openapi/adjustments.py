"""What the types of requests do not say and the server checks besides, written by hand and held to the server by tests.

Keys of `ADJUSTED` are `Struct.field`, or `Struct` alone; its values are laid over the schema that is there.
"""

from __future__ import annotations

from typing import Any

# In these bodies a field of any type is one that is known and refused.
REFUSING = frozenset({"ChatBody", "CreateBody", "PromptFields"})

_NAME = {"pattern": "^[A-Za-z0-9_-]{1,64}$"}
_FUNCTIONS = {
    "anyOf": [
        {"type": "array", "items": {"$ref": "#/components/schemas/FlatFunction"}, "maxItems": 128},
        {"type": "null"},
    ]
}

_BIAS = {
    "anyOf": [
        {
            "type": "object",
            "propertyNames": {"pattern": "^(0|[1-9][0-9]{0,8})$"},
            "additionalProperties": {"type": "number", "minimum": -100, "maximum": 100},
        },
        {"type": "null"},
    ]
}
_REFUSED = {"anyOf": [{"type": "null"}], "description": "Not supported here: leave it out."}


def _texts(token_id: dict[str, Any], *, min_length: int = 0, most: int | None = None) -> dict[str, Any]:
    """A text, texts, token ids, or lists of token ids: never mixed. `most` bounds their number."""
    text = {"type": "string", "minLength": min_length}
    token_ids = {"type": "array", "items": token_id, "minItems": 1}
    bounds = {"minItems": 1} | ({} if most is None else {"maxItems": most})
    several = [{"type": "array", "items": kind, **bounds} for kind in (text, token_ids)]
    return {"anyOf": [text, several[0], token_ids, several[1]]}


ADJUSTED: dict[str, dict[str, Any]] = {
    "ChatBody": {"description": "A chat request."},
    "Function.name": _NAME,
    "FunctionName.name": _NAME,
    "FlatFunction.name": _NAME,
    "ChosenFunction.name": _NAME,
    "JsonSchema.name": _NAME,
    "OfSchema.name": _NAME,
    "CreateBody.tools": _FUNCTIONS,
    "PromptFields.tools": _FUNCTIONS,
    "ChatBody.logit_bias": _BIAS,
    "CompletionBody.logit_bias": _BIAS,
    "CompletionBody.prompt": _texts({"type": "integer", "minimum": 0, "exclusiveMaximum": 2**31}),
    "CompletionBody.suffix": _REFUSED,
    "EmbeddingsBody.input": _texts({"type": "integer", "minimum": 0}, min_length=1, most=2048),
    "ReasoningOptions.mode": {"anyOf": [{"const": "standard"}, {"type": "null"}]},
    "ReasoningOptions.context": {"anyOf": [{"enum": ["auto", "current_turn"]}, {"type": "null"}]},
    "ChatBody.modalities": {
        "anyOf": [
            {"type": "array", "items": {"const": "text"}, "minItems": 1, "maxItems": 1},
            {"type": "null"},
        ]
    },
}
