"""The OpenAI-compatible server: HTTP in, providers below, the OpenAI wire contract out.

    http        what an endpoint takes and gives: `Call`, `Reply`, `Streamed`
    wire/       the contract's own shapes: decoding requests, encoding replies and chunks
    endpoints/  one module for each family of paths
    hosting     which models are served under which names, and when they are loaded
    errors      the one table from exception to status and JSON
    app         an ASGI application: routes, limits, keys, request ids
    serving     the process: sockets, signals, draining

Nothing here knows a model; nothing below here knows HTTP.
"""
