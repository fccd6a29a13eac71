"""What models exist: licence, price history, limits, retirement dates, published scores, marketing claims; each with source and date."""
