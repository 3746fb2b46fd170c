"""A report as text: for a terminal, and as Markdown."""

from rich.console import Console
from rich.table import Table as RichTable

from shoal.ops.report_document import Document, Table


def show(document: Document, console: Console) -> None:
    """Print a report."""
    console.print(f"{document.title}  {document.lead}", markup=False)
    for warning in document.warnings:
        console.print(f"WARNING: {warning}", markup=False)
    for table in document.tables:
        console.print(_rich(table))
    for line in (document.share, *document.remarks):
        console.print(line, markup=False)
    for line in document.unknown:
        console.print(f"not known: {line}", markup=False)


def _rich(table: Table) -> RichTable:
    shown = RichTable(table.columns[0], title=table.title, title_justify="left")
    for column in table.columns[1:]:
        shown.add_column(column, justify="right")
    for row in table.rows:
        shown.add_row(*row)
    return shown


def as_markdown(document: Document) -> str:
    """Return a report as Markdown."""
    lines = [f"# {document.title}", "", document.lead, ""]
    lines += [f"> **WARNING** {_cell(warning)}\n>" for warning in document.warnings]
    for table in document.tables:
        lines += ["", f"## {table.title}", "", *_pipes(table)]
    lines += ["", "## Remarks", ""]
    lines += [f"- {line}" for line in (document.share, *document.remarks)]
    lines += [f"- not known: {line}" for line in document.unknown]
    return "\n".join(lines) + "\n"


def _pipes(table: Table) -> list[str]:
    rule = ["---", *("---:" for _ in table.columns[1:])]
    return [
        f"| {' | '.join(map(_cell, row))} |" for row in (table.columns, tuple(rule), *table.rows)
    ]


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
