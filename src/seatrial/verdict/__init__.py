"""From evidence to a verdict: claims with intervals, a panel of reviewers, a decision, a report."""
