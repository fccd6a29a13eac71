"""Whether a candidate can look at what a workload shows. One that cannot is told so once, before its first item.

A model that reads text only fails every item of a workload of pictures in the same way; that is no measurement of it.
Baselines answer from the items' text and may always be asked.
"""

from __future__ import annotations

from seatrial.errors import NotRunnable
from seatrial.providers.base import Provider, Sees
from seatrial.trial.record import Candidate
from seatrial.workload.specification import Workload


def check_sight(candidate: Candidate, workload: Workload, provider: Provider | None = None) -> None:
    """Pass a candidate that sees, or of which it is not known.

    Without `provider`, by what the catalog says, so that no weights are loaded for nothing; with it, by what the
    model itself says. Raises NotRunnable where the workload shows something that the candidate cannot take.
    """
    if not workload.shows or candidate.kind == "baseline":
        return
    sees = provider.sees if isinstance(provider, Sees) else candidate.sees
    if sees is False:
        what = "pictures" if any(item.pictures for item in (*workload.items, *workload.examples)) else "videos"
        raise NotRunnable(
            f"`{candidate.id}` reads text only, and the items of `{workload.name}` hold {what}.",
            "Compare a model with vision on it, such as `smolvlm2-256m`.",
        )
    if not candidate.runs_here and workload.films:
        raise NotRunnable(
            f"`{candidate.id}` is asked over an API that takes no videos, and items of `{workload.name}` hold some.",
            "Give frames of them as pictures, in `images`, or compare a model that runs here.",
        )
