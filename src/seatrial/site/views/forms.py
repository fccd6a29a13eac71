"""Forms as they come in: small, of the one type that our pages send, and from this site.

In: a request. Out: its fields, or a `Refusal`. Where the browser does not say who sent the form, an `Interposed` page
repeats what was asked and carries a token bound to the reader's cookie; sent from there, the form is taken.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl

from starlette.requests import ClientDisconnect, Request

from seatrial.errors import UsageError
from seatrial.site.pages.message import ask_again_page
from seatrial.site.security.cookies import VoterCookie
from seatrial.site.security.origins import Sender, sender_of
from seatrial.site.security.tokens import Tokens
from seatrial.site.views.refusals import Interposed, Refusal

MAX_BYTES = 64_000
TOKEN = "form_token"
_MOST_FIELDS = 40
_PURPOSE = "form"
_MAX_AGE_S = 3600.0
_TYPE = "application/x-www-form-urlencoded"


@dataclass(frozen=True, slots=True)
class Form:
    """A form's fields, the first of each name. `voter` is who the cookie names, None where it names nobody."""

    fields: Mapping[str, str]
    voter: str | None

    def get(self, name: str) -> str:
        """A field's text; empty where the form has none."""
        return self.fields.get(name, "")


@dataclass(frozen=True, slots=True)
class Forms:
    """Reads forms. `base_url` is where readers find this site, None where it is not known."""

    cookie: VoterCookie
    tokens: Tokens
    base_url: str | None

    async def read(self, request: Request) -> Form:
        """The form that a reader sent from this site. Raises `Refusal`, `Interposed`."""
        if request.headers.get("content-type", "").partition(";")[0].strip().lower() != _TYPE:
            raise Refusal(415, "Not a form", f"This takes forms as pages send them: `{_TYPE}`.")
        form = Form(_fields(await read_body(request)), self.cookie.read(request.cookies))
        match sender_of(request.headers, self.base_url):
            case Sender.FOREIGN:
                raise Refusal(
                    403, "Sent from elsewhere", "This form was not sent from a page of this site, so nothing was done."
                )
            case Sender.SILENT:
                self._check_token(request.scope["path"], form)
        return form

    def _check_token(self, path: str, form: Form) -> None:
        if form.voter is not None:
            try:
                said = self.tokens.read(_PURPOSE, form.get(TOKEN), _MAX_AGE_S)
            except UsageError:
                said = ""
            if said == f"{form.voter} {path}":
                return
        voter = form.voter or self.cookie.new_id()
        fields = {name: value for name, value in form.fields.items() if name != TOKEN}
        fields[TOKEN] = self.tokens.sign(_PURPOSE, f"{voter} {path}")
        page = ask_again_page(path, fields)
        raise Interposed(page, cookie=self.cookie.header(voter))


async def read_body(request: Request) -> bytes:
    """The body. Raises `Refusal` 413 where it is larger than any form of ours, before it is read whole."""
    too_large = Refusal(413, "Too large", f"A form may have {MAX_BYTES:,} bytes, and this one has more.")
    declared = request.headers.get("content-length", "")
    if declared.isdecimal() and len(declared) < 20 and int(declared) > MAX_BYTES:
        raise too_large
    body = bytearray()
    try:
        async for piece in request.stream():
            body += piece
            if len(body) > MAX_BYTES:
                raise too_large
    except ClientDisconnect:
        raise Refusal(400, "Cut off", "The form did not come whole.") from None
    return bytes(body)


def _fields(body: bytes) -> dict[str, str]:
    try:
        pairs = parse_qsl(
            body.decode("ascii"),
            keep_blank_values=True,
            strict_parsing=bool(body),
            errors="strict",
            max_num_fields=_MOST_FIELDS,
        )
    except ValueError:  # UnicodeDecodeError is one
        raise Refusal(
            400, "Not a form", f"The form cannot be read; it may have {_MOST_FIELDS} fields, in UTF-8."
        ) from None
    fields: dict[str, str] = {}
    for name, value in pairs:
        if "\x00" in name or "\x00" in value:
            raise Refusal(400, "Not a form", "The form holds characters that no form has.")
        fields.setdefault(name, value)
    return fields
