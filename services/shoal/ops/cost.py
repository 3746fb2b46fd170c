"""`shoal cost`: what a month's traffic costs in three ways, by the line."""

from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from shoal.costs import prices
from shoal.ops.console import PipeConsole, write
from shoal.ops.cost_model import Column, ColumnName, Cost, Line, Load, cost

TITLES: dict[ColumnName, str] = {
    "ec2_direct": "EC2 direct",
    "r2": "R2 only",
    "r2_p2p": "R2 + P2P",
}
HOST = ("t4g.small", 30)


def run(load: Load, *, as_json: bool) -> None:
    """Print the cost of a load."""
    result = cost(load)
    if as_json:
        write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
    else:
        show(result, PipeConsole())


def show(result: Cost, console: Console) -> None:
    """Print the three columns for people."""
    console.print(
        f"{result.viewers} viewers for {result.hours:g} h in a month, at"
        f" {result.bitrate_kbps / 1000:g} Mbit/s in segments of {result.segment_s:g} s; peers carry"
        f" {result.share:.0%}. List prices of {result.prices_as_of}, US dollars, without tax."
    )
    console.print(_table(result))
    for line in remarks(result):
        console.print(line)


def _table(result: Cost) -> Table:
    table = Table()
    table.add_column("")
    for title in TITLES.values():
        table.add_column(title, justify="right")
    columns = [result.columns[name] for name in TITLES]
    names = list(dict.fromkeys(line.name for column in columns for line in column.lines))
    _section(table, "amounts", names, columns, _amount)
    _section(table, "at list prices", names, columns, lambda line: _usd(line.list_usd))
    table.add_row("sum", *(_usd(column.list_usd) for column in columns), style="bold")
    table.add_row("an hour", *(_usd(column.list_usd_per_hour) for column in columns), style="bold")
    table.add_section()
    _section(
        table,
        "billed, if this is all",
        names,
        columns,
        lambda line: _usd(line.billed_usd),
    )
    table.add_row("sum", *(_usd(column.billed_usd) for column in columns), style="bold")
    return table


def _section(
    table: Table,
    title: str,
    names: Sequence[str],
    columns: Sequence[Column],
    cell: Callable[[Line], str],
) -> None:
    table.add_row(title, style="italic")
    for name in names:
        found = [{line.name: line for line in column.lines}.get(name) for column in columns]
        table.add_row(f"  {name}", *("-" if line is None else cell(line) for line in found))
    table.add_section()


def remarks(result: Cost) -> list[str]:
    """Return what the reader must know beside the table, a line each."""
    direct, r2, p2p = (result.columns[name] for name in TITLES)
    relieved = {line.name: line for line in p2p.lines}["peers to viewers"].quantity
    instance, volume_gb = HOST
    return [
        "At list prices: what one more hour costs once the month's free amounts are used. Billed:"
        f" EC2's first {prices.EC2_FREE_GB:g} GB and R2's free requests and storage are off, EC2's"
        " price falls with the amount, R2's usage is rounded up to whole millions and GB-months.",
        "R2 reads are counted as if no edge cache answered; with the cache rules most of them are"
        " hits, which cost nothing.",
        f"An hour: {_usd(direct.list_usd_per_hour)} straight from EC2,"
        f" {_usd(r2.list_usd_per_hour)} from R2 alone, {_usd(p2p.list_usd_per_hour)} with peers. R2"
        " charges no egress, so over R2 alone peers save few dollars: they take load from it, here"
        f" {relieved:,.1f} GB. Where a store charges for egress they save its price.",
        f"Each column also has the host: {instance}, {volume_gb} GB of disk and its address,"
        f" {_usd(prices.host_month(instance, volume_gb))} a month.",
    ]


def _amount(line: Line) -> str:
    if line.unit == "requests":
        return f"{line.quantity:,.0f}"
    digits = 1 if line.quantity >= 10 else 3
    return f"{line.quantity:,.{digits}f} {line.unit}"


def _usd(value: float) -> str:
    return f"${value:,.2f}"
