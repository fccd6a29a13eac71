"""Sentences from templates: a reviewer's text on a candidate, every number a span with its evidence.

Templates (from the rubrics) and a dossier come in, spans go out. Of several phrasings those that the dossier can fill
are taken, the specific before the general, and one is picked by the candidate's place among all candidates, so that no
two candidates read alike and a repeated run reads the same.
"""

from __future__ import annotations

import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from seatrial.verdict import wording
from seatrial.verdict.document import Outcome, Span, Vote
from seatrial.verdict.dossier import Dossier, Finding, known
from seatrial.verdict.rubric import ALWAYS_KNOWN, CONDITION, PLACEHOLDER, Criterion, Rubric, needs


@dataclass(frozen=True, slots=True)
class Answer:
    """A criterion with its outcome for one candidate, and the threshold as a finding."""

    criterion: Criterion
    outcome: Outcome
    finding: Finding
    threshold: Finding

    @property
    def texts(self) -> Sequence[str]:
        """The phrasings for this outcome."""
        if self.outcome == "unknown":
            is_unclear = self.finding.value is not None
            return self.criterion.unclear if is_unclear and self.criterion.unclear else self.criterion.unknown
        return self.criterion.passed if self.outcome == "pass" else self.criterion.fail


def ballot_spans(
    rubric: Rubric, vote: Vote, answers: Sequence[Answer], dossier: Dossier, *, vetoed: bool, place: int
) -> list[Span]:
    """Two to four sentences: the vote, the one or two answers that decided it, and the best word for the other side.
    `place` is the candidate's place among the candidates, by name."""
    opening = _pick(_openings(rubric, vote, dossier, vetoed=vetoed), dossier, rubric.id, place)
    deciding, other = _deciding(vote, answers, vetoed=vetoed)
    sentences = [fill(opening, dossier), *(_sentence(answer, dossier, rubric, place) for answer in deciding)]
    for answer in other:
        leads = rubric.voice.in_favour if answer.outcome == "pass" else rubric.voice.against
        lead = _pick(leads, dossier, rubric.id + answer.criterion.name, place)
        sentences.append(_sentence(answer, dossier, rubric, place, lead))
    return _spaced(sentences)


def fill(template: str, values: Mapping[str, Finding], lead: str = "") -> list[Span]:
    """A template with its placeholders filled, after `lead` words if there are any. What opens the sentence is written
    large, what follows a lead small, except “I” and names."""
    spans = [Span(text=f"{lead} ")] if lead else []
    for index, piece in enumerate(PLACEHOLDER.split(CONDITION.sub("", template))):
        is_word, opens = index % 2 == 0, index < 2 and len(spans) <= bool(lead)
        if is_word and piece:
            spans.append(Span(text=_small(piece) if lead and opens else piece))
        elif not is_word:
            finding = values[piece]
            text = "T" + finding.text[1:] if opens and not lead and finding.text.startswith("the ") else finding.text
            spans.append(Span(text=text, evidence=list(finding.evidence)))
    return spans


def _small(text: str) -> str:
    return text if text.startswith(("I ", "I'")) else text[0].lower() + text[1:]


def _sentence(answer: Answer, dossier: Dossier, rubric: Rubric, place: int, lead: str = "") -> list[Span]:
    values = {**dossier, "threshold": answer.threshold}
    slot = f"{rubric.id}/{answer.criterion.name}/{answer.outcome}"
    return fill(_pick(answer.texts, values, slot, place), values, lead)


def _openings(rubric: Rubric, vote: Vote, dossier: Dossier, *, vetoed: bool) -> Sequence[str]:
    voice = rubric.voice
    if vetoed:
        return voice.veto
    if vote == "abstain":
        return voice.abstain
    if known(dossier, "baseline"):
        return voice.baseline_ship if vote == "ship" else voice.baseline_skip
    return voice.ship if vote == "ship" else voice.skip


def _deciding(vote: Vote, answers: Sequence[Answer], *, vetoed: bool) -> tuple[list[Answer], list[Answer]]:
    """What decided the vote, and what speaks against it. Heaviest first; of equals, as the rubric has them."""
    by_weight = sorted(answers, key=lambda answer: -answer.criterion.weight)
    passed = [answer for answer in by_weight if answer.outcome == "pass"]
    failed = [answer for answer in by_weight if answer.outcome == "fail"]
    open_ones = [answer for answer in by_weight if answer.outcome == "unknown"]
    if vetoed:
        vetoes = [answer for answer in failed if answer.criterion.veto]
        return [*vetoes, *(answer for answer in failed if answer not in vetoes)][:2], passed[:1]
    if vote == "ship":
        return passed[:2], failed[:1]
    if vote == "skip":
        return failed[:2], passed[:1]
    return open_ones[:2], (passed + failed)[:1]


def _pick(texts: Sequence[str], values: Mapping[str, Finding], slot: str, place: int) -> str:
    """One phrasing of those that can be filled; specific ones (that name a finding) before general ones."""
    fillable = [text for text in texts if all(known(values, key) for key in needs(text) - ALWAYS_KNOWN)]
    specific = [text for text in fillable if needs(text) - ALWAYS_KNOWN] or fillable
    return specific[(place + zlib.crc32(slot.encode())) % len(specific)]


def _spaced(sentences: Sequence[Sequence[Span]]) -> list[Span]:
    parts: list[str | Span] = []
    for sentence in sentences:
        parts += [" "] if parts else []
        parts += [span if span.evidence else span.text for span in sentence]
    return wording.says(*parts)
