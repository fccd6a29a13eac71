"""What models exist: licence, price history, limits, retirement dates, published scores, marketing claims.

Every fact has its source and date.
"""
