"""The pages: for each a dataclass, which is all that its template sees, and the function that makes it."""
