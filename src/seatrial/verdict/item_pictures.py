"""The pictures of those items that a verdict shows, within what one document may carry.

Item differences, the run's items and what its folder keeps of their pictures come in; the same differences with their
pictures go out. Every item gets its first picture before any gets a second, workloads taking turns.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from seatrial.trial.pictures import MOST_EACH, RunPictures
from seatrial.trial.record import ItemRecord, PictureRecord
from seatrial.trial.thumbnails import SMALL_BYTES
from seatrial.verdict.document import MOST_PICTURES, ItemDifference, PictureShown

_NOT_KEPT = "The run’s folder keeps no version of it."
_NO_ROOM = f"Left out: a verdict carries {MOST_PICTURES} pictures."


def with_pictures(
    differences: Sequence[ItemDifference], items: Sequence[ItemRecord], kept: RunPictures | None
) -> list[ItemDifference]:
    """The differences with what their items ask about. `kept` None: the run is not in a folder."""
    asked = {(item.workload, item.id): item.pictures for item in items if item.pictures}
    shown: dict[int, list[PictureShown]] = {}
    num_carried = 0
    for place, record in _in_turns(differences, asked):
        picture = _picture(record, kept, has_room=num_carried < MOST_PICTURES)
        num_carried += picture.data is not None
        shown.setdefault(place, []).append(picture)
    return [
        msgspec.structs.replace(
            difference,
            pictures=shown[place],
            num_more_pictures=len(asked[difference.workload, difference.item]) - len(shown[place]),
        )
        if place in shown
        else difference
        for place, difference in enumerate(differences)
    ]


def _in_turns(
    differences: Sequence[ItemDifference], asked: Mapping[tuple[str, str], Sequence[PictureRecord]]
) -> Iterator[tuple[int, PictureRecord]]:
    """Each picture with its item's place: all first ones, then all second ones, …; by rank within the workload."""
    rank: Counter[str] = Counter()
    turns: list[tuple[int, int, int, PictureRecord]] = []
    for place, difference in enumerate(differences):
        records = asked.get((difference.workload, difference.item), ())[:MOST_EACH]
        turns += [(nth, rank[difference.workload], place, record) for nth, record in enumerate(records)]
        rank[difference.workload] += 1
    turns.sort(key=lambda turn: turn[:3])
    return ((place, record) for _, _, place, record in turns)


def _picture(record: PictureRecord, kept: RunPictures | None, *, has_room: bool) -> PictureShown:
    without = PictureShown(name=record.name, is_video=record.is_video)
    found = kept.find(record.key) if kept is not None else None
    if found is not None and found.fault:
        return msgspec.structs.replace(without, note=found.fault)
    data = kept.small(record.key) if kept is not None and found is not None else None
    if kept is None or found is None or data is None:
        return msgspec.structs.replace(without, note=_NOT_KEPT)
    sized = msgspec.structs.replace(
        without, full_width=found.width, full_height=found.height, larger=kept.larger(record.key)
    )
    if not has_room:
        return msgspec.structs.replace(sized, note=_NO_ROOM)
    assert len(data) <= SMALL_BYTES, len(data)
    return msgspec.structs.replace(sized, data=data, width=found.small_width, height=found.small_height)
