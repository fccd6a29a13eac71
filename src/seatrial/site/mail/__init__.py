"""Messages, and what carries them: an SMTP server, or a folder."""
