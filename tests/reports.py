"""Reports of tests that speak of names which are not Unicode."""

import pytest


def sendable(report: pytest.TestReport) -> pytest.TestReport:
    """The report with such names escaped: it is sent to another process, and one that cannot be would end the whole run."""
    report.sections = [(escaped(title), escaped(text)) for title, text in report.sections]
    if report.longrepr and escaped(told := str(report.longrepr)) != told:
        report.longrepr = escaped(told)
    return report


def escaped(text: str) -> str:
    return text.encode("utf-8", "backslashreplace").decode()
