"""How requests fail: what each status means here, the codes that come with it, and what to do."""

from __future__ import annotations

from typing import NamedTuple


class FailureKind(NamedTuple):
    """A status. `codes` are the values that `error.code` may have, the usual ones; `is_worth_retrying` after a wait."""

    name: str
    words: str
    codes: tuple[str, ...] = ()
    is_worth_retrying: bool = False


FAILURES: dict[int | str, FailureKind] = {
    400: FailureKind(
        "BadRequest",
        "The request cannot be answered as it stands; `param` names the field.",
        (
            "invalid_json",
            "invalid_type",
            "invalid_value",
            "missing_required_parameter",
            "unsupported_parameter",
            "context_length_exceeded",
            "invalid_json_schema",
            "invalid_image_url",
            "invalid_image_format",
            "invalid_image",
            "image_too_large",
            "too_many_images",
            "invalid_video_url",
            "invalid_video_format",
            "invalid_video",
            "video_too_large",
            "too_many_videos",
        ),
    ),
    401: FailureKind("NoKey", "The server asks for an API key, and none came or not a good one.", ("invalid_api_key",)),
    403: FailureKind(
        "NotAllowed",
        "The server asks for no key, and the request comes from a page, or under a name, not let in.",
        ("origin_not_allowed", "host_not_allowed"),
    ),
    404: FailureKind(
        "NotFound",
        "There is no such path, model, response or completion.",
        ("model_not_found", "unknown_url", "not_found"),
    ),
    405: FailureKind("WrongMethod", "The path does not answer this method; `allow` lists those that it does."),
    408: FailureKind("BodyTooSlow", "The request's body did not come in time.", ("timeout",), True),
    413: FailureKind("TooLarge", "The request's body is longer than the operator allows.", ("request_too_large",)),
    415: FailureKind(
        "NotJson",
        "The request's body is not said to be plain JSON in UTF-8.",
        ("unsupported_media_type", "unsupported_content_encoding"),
    ),
    429: FailureKind(
        "TooMany",
        "The key has used up what it may in a minute, or more requests wait than the operator allows.",
        ("rate_limit_exceeded", "insufficient_quota"),
        True,
    ),
    "4XX": FailureKind(
        "RefusedUpstream", "The model runs on another server, which refused the request: its status, type and code."
    ),
    500: FailureKind("Broken", "The server or the model failed. The operator's log has the request's id.", (), True),
    502: FailureKind("BadUpstream", "A server behind this one refused or answered nonsense.", (), True),
    503: FailureKind(
        "NotNow", "The model cannot be loaded, or the server is shutting down.", ("model_unavailable",), True
    ),
    504: FailureKind("TooSlow", "The request took longer than the operator allows.", ("timeout",), True),
}

# What can happen where nothing is asked for but a page; a list; a thing by its name; a model's work.
OPEN = (403, 500)
READING = (401, 403, 500, 503)
LOOKING_UP = (401, 403, 404, 500, 503)
ASKING = (400, 401, 403, 404, 408, 413, 415, 429, "4XX", 500, 502, 503, 504)
