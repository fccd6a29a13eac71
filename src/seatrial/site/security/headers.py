"""The headers that stand on every answer: what a page may load, who may frame it, what is told to others.

Out: names and values as ASGI takes them.
"""

from __future__ import annotations

Header = tuple[bytes, bytes]

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; style-src 'self'; script-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)
_HSTS_S = 63_072_000


def security_headers(*, is_https: bool) -> tuple[Header, ...]:
    """For every answer.

    The referrer is kept for this site: with `no-referrer` browsers would send `Origin: null` with the site's own forms.
    """
    always = (
        (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
        (b"x-content-type-options", b"nosniff"),
        (b"x-frame-options", b"DENY"),
        (b"referrer-policy", b"same-origin"),
        (b"permissions-policy", b"camera=(), geolocation=(), microphone=(), payment=(), usb=(), browsing-topics=()"),
        (b"cross-origin-opener-policy", b"same-origin"),
    )
    return (*always, (b"strict-transport-security", f"max-age={_HSTS_S}".encode())) if is_https else always
