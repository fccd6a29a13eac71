"""Two-step word problems with a checked answer, made by `generate`."""
