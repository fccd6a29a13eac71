"""What one request may ask for, as the operator set it."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class WireLimits:
    """Bounds on one request, each refused by name where it is passed.

    `max_choices` bounds `n`, `max_answers` the prompts of one body times `n`. `max_answer_tokens` bounds an answer and
    is the default where the client sets none. `max_images` bounds the pictures of a request, `max_image_bytes` and
    `max_image_pixels` each of them. `image_hosts` are the hosts that pictures may be fetched from: `example.com` at the
    ports 80 and 443, or as `host_and_port` writes it at that port alone. `max_videos` bounds the videos of a request,
    `max_video_bytes` each of them.
    """

    max_choices: int = 16
    max_answers: int = 256
    max_answer_tokens: int | None = None
    max_images: int = 16
    max_image_bytes: int = 20 * 1024 * 1024
    max_image_pixels: int = 1 << 26
    image_hosts: frozenset[str] = frozenset()
    max_videos: int = 4
    max_video_bytes: int = 64 * 1024 * 1024


def host_and_port(host: str, port: int) -> str:
    """A host, as URLs name it without brackets, at a port: `example.com:8080`, `[2606:4700::1111]:8080`."""
    return f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
