"""The command line: one module per command, `settings` for the environment, `wiring` for what is assembled."""
