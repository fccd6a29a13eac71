"""The server's own description: an OpenAPI 3.1 document, made from the types that decode requests and encode replies.

operations    every path: what it takes, what it answers, how it fails, an example
schemas       msgspec types to JSON schemas, one component each
chunks        the shapes of what is written without a type: streamed chunks, errors, the list of models
fields        what each field means, in words
adjustments   what the types alone do not say: patterns, and fields that are refused
document      all of it together
page          the same as HTML
"""

from seatrial.server.openapi.document import openapi_document, openapi_json

__all__ = ["openapi_document", "openapi_json"]
