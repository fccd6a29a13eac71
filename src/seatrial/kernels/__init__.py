"""The arithmetic under the models: `reference` says what is correct, `cpu` computes it fast where it was built."""
