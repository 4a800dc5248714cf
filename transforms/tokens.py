"""Texts to tokens, by named rules: an artifact holds no pattern that could be made to run for ever."""

from __future__ import annotations

import re
from typing import Literal, TypeAlias

from likewise.transforms.kind import require, require_choice, require_integer

Tokens: TypeAlias = Literal["words", "spaces", "characters"]

# scikit-learn's default: runs of two or more word characters.
_WORDS = re.compile(r"\b\w\w+\b")


def require_tokens(kind: str, tokens: object, ngram_range: object) -> None:
    """Raise SettingError unless the rules are known and n-grams make sense."""
    require_choice(kind, "tokens", tokens, ("words", "spaces", "characters"))
    expected = "a pair (least, most) with 1 <= least <= most <= 8"
    if not isinstance(ngram_range, tuple) or len(ngram_range) != 2:
        require(False, kind, "ngram_range", expected, ngram_range)  # noqa: FBT003
        return
    for bound in ngram_range:
        require_integer(kind, "ngram_range", bound, 1, 8)
    require(ngram_range[0] <= ngram_range[1], kind, "ngram_range", expected, ngram_range)


def tokens_of(text: str, rule: Tokens, *, lowercase: bool) -> list[str]:
    """Return the tokens of a text, in order."""
    if lowercase:
        text = text.lower()
    if rule == "words":
        return _WORDS.findall(text)
    return text.split() if rule == "spaces" else list(text)


def ngrams(tokens: list[str], ngram_range: tuple[int, int], joint: str) -> list[str]:
    """Return all n-grams of the tokens, shorter ones first."""
    low, high = ngram_range
    if high == 1:
        return tokens
    return [joint.join(tokens[at : at + n]) for n in range(low, high + 1) for at in range(len(tokens) - n + 1)]
