"""What candidates are measured on: items, how they are asked, and how answers are scored."""
