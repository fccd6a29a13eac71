"""The JSON schema of `verdict.json`, made from the document's own types.

`python -m seatrial.verdict.schema > docs/verdict.schema.json` writes it again after `document` has changed; a test says
when that is due.
"""

from __future__ import annotations

import json
import sys

import msgspec

from seatrial.verdict.document import DOCUMENT_SCHEMA, KEYS, Document


def schema_text() -> str:
    """The schema as it stands in docs, the keys of claims listed with what they mean."""
    schema = msgspec.json.schema(Document)
    schema = {"$schema": "https://json-schema.org/draft/2020-12/schema", "title": DOCUMENT_SCHEMA, **schema}
    schema["$defs"]["Claim"]["properties"]["key"] |= {"enum": list(KEYS), "x-meaning": KEYS}
    return json.dumps(schema, indent=2, ensure_ascii=False) + "\n"


if __name__ == "__main__":
    sys.stdout.write(schema_text())
