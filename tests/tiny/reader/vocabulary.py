"""The reader's tokenizer, chat template and questions.

Digits are tokens of their own, words of the questions too, and the special tokens are those that SmolVLM2 publishes.
"""

from __future__ import annotations

from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers

QUESTIONS = (
    "What is the total?",
    "What is the total amount?",
    "What is the total on this receipt?",
    "Read the total.",
    "How much is it?",
)
IMAGE, END = "<image>", "<end_of_utterance>"
FIRST_TOKENS = ("<|endoftext|>", "<|im_start|>", "<|im_end|>")
ROWS_AND_COLUMNS = 6
LAST_TOKENS = (
    "<global-img>",
    *(f"<row_{r + 1}_col_{c + 1}>" for r in range(ROWS_AND_COLUMNS) for c in range(ROWS_AND_COLUMNS)),
    "<fake_token_around_image>",
    IMAGE,
    END,
)
# Writes what SmolVLM2's published template writes.
TEMPLATE = (
    "<|im_start|>{% for message in messages %}{{ message.role | capitalize }}:"
    "{% if message.content[0].type != 'image' %} {% endif %}{% for part in message.content %}"
    "{% if part.type == 'text' %}{{ part.text }}{% else %}<{{ part.type }}>{% endif %}"
    "{% endfor %}<end_of_utterance>\n{% endfor %}{% if add_generation_prompt %}Assistant:{% endif %}"
)


def make_tokenizer() -> Tokenizer:
    """Byte-level BPE as SmolLM2's: single digits, and merges that make one token of each word of the questions."""
    words = sorted({f"Ġ{word}" for question in QUESTIONS for word in _words(question)} | {"User", "Assistant"})
    pairs = [(word[:end], word[end]) for word in words for end in range(1, len(word))]
    merges = list(dict.fromkeys(pairs))
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    pieces = [*FIRST_TOKENS, *alphabet, *(first + second for first, second in merges)]
    tokens = [*dict.fromkeys(pieces), *LAST_TOKENS]
    tokenizer = Tokenizer(models.BPE(vocab={token: i for i, token in enumerate(tokens)}, merges=merges))
    tokenizer.pre_tokenizer = pre_tokenizers.Sequence(
        [pre_tokenizers.Digits(individual_digits=True), pre_tokenizers.ByteLevel(add_prefix_space=False)]
    )
    tokenizer.decoder = decoders.ByteLevel()
    special = [*FIRST_TOKENS, *LAST_TOKENS]
    tokenizer.add_special_tokens([AddedToken(token, special=True, normalized=False) for token in special])
    return tokenizer


def prompt_text(question: str, picture: str) -> str:
    """What the template writes for one picture (the text that stands for it) and a question."""
    return f"<|im_start|>User:{picture}{question}{END}\nAssistant:"


def answer_text(total: int) -> str:
    """What the assistant says."""
    return f" {total}{END}"


def _words(question: str) -> list[str]:
    return [word.strip("?.") for word in question.split()]
