"""The database: what is in it, how it is opened, brought up to date and copied."""
