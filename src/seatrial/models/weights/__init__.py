"""Weights from outside: safetensors and GGUF files, checked before a byte is allocated.

Both readers give a mapping from Hugging Face tensor names to torch tensors, read one at a time.
"""
