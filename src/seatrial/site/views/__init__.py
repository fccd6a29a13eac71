"""What answers a request: a page, a form, a feed, a file."""
