"""The verdict as files: `render_report` makes the page, the others put page and document on disk and read them back."""

from __future__ import annotations

from seatrial.verdict.report.files import read_document, write_document, write_report
from seatrial.verdict.report.render import render_report

__all__ = ["read_document", "render_report", "write_document", "write_report"]
