"""The report's figures, drawn as SVG on the server: quality against cost, latency, paired differences.

In come claims and latency profiles; out comes a `Plot` of small panels, one per workload, with its data as a table.
"""

from __future__ import annotations

from seatrial.verdict.report.plots.differences import plot_differences
from seatrial.verdict.report.plots.latency import plot_latency
from seatrial.verdict.report.plots.plot import Panel, Plot
from seatrial.verdict.report.plots.quality_cost import plot_quality_cost
from seatrial.verdict.report.plots.svg import glyph, glyph_symbols

__all__ = ["Panel", "Plot", "glyph", "glyph_symbols", "plot_differences", "plot_latency", "plot_quality_cost"]
