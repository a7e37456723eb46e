"""The report of a training run: one HTML file with pictures drawn here, readable offline."""

from backlit.train.report.page import report_page, write_report

__all__ = ["report_page", "write_report"]
