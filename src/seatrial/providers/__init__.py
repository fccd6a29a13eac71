"""Anything that answers a chat request: the local engine, an OpenAI-compatible server, a baseline."""
