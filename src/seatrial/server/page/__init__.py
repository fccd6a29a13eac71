"""The pages' own files: markup, styles and scripts, read from this folder and served as they are. No build step."""
