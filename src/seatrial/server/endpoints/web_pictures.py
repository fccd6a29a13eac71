"""The pictures of a request that lie at web addresses, fetched once it is known that the model may look at them.

In: the model's name, and addresses with their places in the request. Out: the pictures.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from seatrial.server.errors import bad_request
from seatrial.server.served import Models
from seatrial.server.wire.images import Fetched, FetchPictures


async def fetched_for(
    models: Models,
    name: str,
    places: Mapping[str, str],
    fetch_pictures: FetchPictures | None,
    hold: Callable[[int], None],
) -> Fetched:
    """The pictures at the addresses; none where nothing is fetched. `hold` is told how many bytes have come, of all.

    Raises Failure before anything is fetched for a model that is not served, and for one of which it is known that it
    reads text only; otherwise as `fetch_pictures`.
    """
    if not places or fetch_pictures is None:
        return {}
    if models.sees(name) is False:
        raise bad_request(
            f"`{name}` reads text only; the request holds a picture. Ask a model that sees, such as `smolvlm2-256m`.",
            param=next(iter(places.values())).partition(".image_url")[0],
        )
    return await fetch_pictures(places, hold)
