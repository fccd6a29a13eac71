"""The SmolLM family: configuration, weights, tokenizer, chat template, the plain decoder, and where models are kept."""
