"""What each field means, in a sentence. `Struct.field` goes before the bare name of a field."""

from __future__ import annotations

_NO_EFFECT = "Accepted, and without effect here."

_MEANINGS = {
    # how the answer is chosen
    "model": "Which model answers: an id of `GET /v1/models`, or an alias.",
    "n": "How many answers to give. The operator may set a lower bound on it than the API does.",
    "stream": "Send the answer in pieces as it comes, as server-sent events.",
    "stream_options": "Options of a stream; only together with `stream: true`.",
    "include_usage": "End the stream with a chunk that has the token counts of the whole request.",
    "include_obfuscation": _NO_EFFECT,
    "max_tokens": "The longest answer, in tokens, reasoning included.",
    "ChatBody.max_tokens": "The older name of `max_completion_tokens`. Where both are sent they must agree.",
    "max_completion_tokens": "The longest answer, in tokens, reasoning included.",
    "max_output_tokens": "The longest answer, in tokens, reasoning included.",
    "temperature": "How freely tokens are chosen. 0 takes the likeliest one each time.",
    "top_p": "Choose among the likeliest tokens that have this much probability together.",
    "top_k": "Choose among so many of the likeliest tokens. 0 and -1 leave them all.",
    "min_p": "Leave out tokens with less than this share of the likeliest one's probability.",
    "seed": "The same seed and the same request give the same answer. With `n` above 1 each answer gets its own.",
    "stop": "Up to four texts, before the first of which the answer ends.",
    "frequency_penalty": "Taken off a token's score for each time it has come already.",
    "presence_penalty": "Taken off a token's score once it has come already.",
    "repetition_penalty": "Divides the score of tokens that have come already, prompt included; 1 changes nothing.",
    "logit_bias": "Added to the scores of tokens, by token id.",
    "ignore_eos": "Go on where the model would end, up to the limit of tokens.",
    "user": "Who is behind the request, in your own words.",
    "safety_identifier": "Who is behind the request, in your own words.",
    "metadata": "Up to 16 pairs of texts of your own, given back with the answer.",
    "ChatBody.store": "Keep the completion, to be asked for again by its id. Off, where it is left out.",
    # chat
    "messages": "The conversation so far, oldest first.",
    "logprobs": "Give the log-probability of each token.",
    "top_logprobs": "With each token, so many of the likeliest ones at its place.",
    "response_format": "The form of the answer: text, any JSON object, or JSON of a schema, kept exactly.",
    "tools": "Functions that the model may call.",
    "tool_choice": "Whether the model may (`auto`), must (`required`) or must not (`none`) call; or what it must call.",
    "parallel_tool_calls": "Let the model make several calls at once. On, where it is left out.",
    "reasoning_effort": "How much to think first: `none` switches it off, the others bound it from little to most.",
    "chat_template_kwargs": "Variables for a local model's chat template; `enable_thinking` among them.",
    "modalities": 'Answers are text: leave it out, or send `["text"]`.',
    "prompt_cache_key": _NO_EFFECT,
    "client_metadata": _NO_EFFECT,
    "prompt_cache_retention": _NO_EFFECT,
    "prompt_cache_options": _NO_EFFECT,
    "prompt_cache_breakpoint": _NO_EFFECT,
    "service_tier": _NO_EFFECT,
    "verbosity": _NO_EFFECT,
    "prediction": _NO_EFFECT,
    # text completions
    "prompt": "What to continue: a text, token ids, or a list of either, each answered on its own.",
    "echo": "Give the prompt back before its continuation.",
    "best_of": "Kept for compatibility: all answers are given back, so that it must be `n`.",
    "CompletionBody.logprobs": "With each token its log-probability and so many of the likeliest ones at its place.",
    # embeddings
    "EmbeddingsBody.input": "What to embed: a text, token ids, or a list of either.",
    "encoding_format": "Vectors as lists of numbers (`float`), or as base64 of little-endian 32-bit floats.",
    "dimensions": "How many numbers a vector shall have. Only what the model gives anyway is accepted.",
    # responses
    "input": "What to answer: a text, or the items of a conversation.",
    "instructions": "A system message for this response alone; a later turn does not inherit it.",
    "previous_response_id": "Go on from an earlier response that was stored.",
    "CreateBody.text": "The form of the answer.",
    "PromptFields.text": "The form of the answer.",
    "format": "Text, any JSON object, or JSON of a schema, which the answer then keeps exactly.",
    "CreateBody.reasoning": "How much to think.",
    "PromptFields.reasoning": "How much to think.",
    "effort": "How much to think first: `none` switches it off, the others bound it from little to most.",
    "truncation": "`auto` drops the oldest turns of a conversation that is too long; `disabled` refuses it.",
    "include": "What else to give. `message.output_text.logprobs` has an effect here.",
    "background": "Answer at once and go on working; ask for the response by its id.",
    "max_tool_calls": "Kept for compatibility: a bound on built-in tools, of which there are none.",
    "CreateBody.store": "Keep the response, to be asked for again or gone on from. On, where it is left out.",
    # parts
    "role": "Who speaks.",
    "content": "What is said: a text, or parts.",
    "url": "A data URL, or an http(s) address on a host that the operator allows.",
    "image_url": "The picture.",
    "video_url": "The video, for models of this machine that see. OpenAI's API has no such part.",
    "VideoUrl.url": "A data URL, such as `data:video/mp4;base64,…`. Videos are not fetched.",
    "ListedVideoUrl.url": "The data URL.",
    "InputImage.image_url": "A data URL, or an http(s) address on a host that the operator allows.",
    "detail": "How closely to look: `low` once at the whole, for few tokens; `high` and `auto` in tiles too.",
    "tool_call_id": "Which call this answers.",
    "tool_calls": "The calls that the assistant made.",
    "call_id": "Which call this is, or answers.",
    "arguments": "JSON text.",
    "parameters": "A JSON schema of the arguments.",
    "schema": "The JSON schema.",
    "strict": "Hold to the schema exactly; its root must then be an object.",
    "description": "What it does, for the model to read.",
    # replies
    "choices": "The answers, `n` of them.",
    "usage": "Token counts, all answers together.",
    "finish_reason": "Why it ended: `stop`, `length` (the limit of tokens), `tool_calls` or `content_filter`.",
    "created": "Unix time, seconds.",
    "created_at": "Unix time, seconds.",
    "completed_at": "Unix time, seconds.",
    "reasoning_content": "What the model thought, apart from its answer.",
    "AnswerMessage.reasoning": "The same under its other name.",
    "Delta.reasoning": "The same under its other name.",
    "Response.reasoning": "What was asked for.",
    "Response.text": "What was asked for.",
    "OutputText.text": "The answer.",
    "content_parts": "The parts, where the content was sent in parts; `content` is null then.",
    "cached_tokens": "Of the prompt's tokens, those that had been read before and were not computed again.",
    "reasoning_tokens": "Of the answer's tokens, those spent on thinking.",
    "system_fingerprint": "Changes where the same seed may give another answer.",
    "owned_by": "Who made it, or runs it.",
    "ErrorDetails.message": "What is wrong, and the way out.",
    "ErrorDetails.type": "Its kind: `invalid_request_error`, `rate_limit_error`, `api_error`, `server_error`, ….",
    "ErrorDetails.param": "The field that is wrong, by its path.",
    "ErrorDetails.code": "What is wrong, for programs.",
}
# Of replies, the words of requests would say something else.
_ONLY_BODIES = frozenset(
    {"model", "logprobs", "top_logprobs", "stream", "text", "name", "content", "role", "input", "tools", "n"}
)


def meaning(component: str, field: str, *, is_reply: bool = False) -> str:
    """What a field means; empty where its name says it all."""
    own = _MEANINGS.get(f"{component}.{field}")
    if own is not None:
        return own
    return "" if is_reply and field in _ONLY_BODIES else _MEANINGS.get(field, "")


def stale(known: set[str]) -> set[str]:
    """Entries that fit no field among `known`, which holds `Struct.field` and `field`."""
    return {name for name in _MEANINGS if name not in known}
