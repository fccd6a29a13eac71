"""The OpenAI wire contract's own shapes: bodies in, replies and chunks out. Pure translation, no network."""
