"""The report as text: for a terminal, and as Markdown."""

from rich.console import Console
from rich.table import Table as RichTable

from shoal.ops.report_document import Document, Table


def show(document: Document, console: Console) -> None:
    """Print a report."""
    console.print(f"{document.title}  {document.lead}", markup=False)
    for warning in document.warnings:
        console.print(f"WARNING: {warning}", markup=False)
    for table in document.tables:
        console.print(_rich_table(table))
    for line in (document.share, *document.notes):
        console.print(line, markup=False)
    for line in document.unknown:
        console.print(f"not known: {line}", markup=False)


def _rich_table(table: Table) -> RichTable:
    rich_table = RichTable(table.columns[0], title=table.title, title_justify="left")
    for column in table.columns[1:]:
        rich_table.add_column(column, justify="right")
    for row in table.rows:
        rich_table.add_row(*row)
    return rich_table


def as_markdown(document: Document) -> str:
    """Return a report as Markdown."""
    lines = [f"# {document.title}", "", document.lead, ""]
    lines += [f"> **WARNING** {_escape(warning)}\n>" for warning in document.warnings]
    for table in document.tables:
        lines += ["", f"## {table.title}", "", *_table_lines(table)]
    lines += ["", "## Notes", ""]
    lines += [f"- {line}" for line in (document.share, *document.notes)]
    lines += [f"- not known: {line}" for line in document.unknown]
    return "\n".join(lines) + "\n"


def _table_lines(table: Table) -> list[str]:
    rule = ["---", *("---:" for _ in table.columns[1:])]
    return [
        f"| {' | '.join(map(_escape, row))} |" for row in (table.columns, tuple(rule), *table.rows)
    ]


def _escape(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")
