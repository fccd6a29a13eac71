"""The site: comparison pages, votes, and a weekly digest (docs/decisions/0005-the-site.md).

Reading: `app` finds a view, the view asks `library` for what a page is about, `pages` makes its dataclass, `rendering`
its HTML and its JSON, `cache` keeps the bytes. Voting: `votes/booth` decides, `votes/writer` stores. Mail: `digest/`
says what changed in a week and to whom, `mail/` carries it.
"""
