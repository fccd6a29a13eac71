"""The weekly digest: what changed, written once, sent to each subscriber once."""
