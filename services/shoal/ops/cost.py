"""`shoal cost`: what the traffic of a month costs in three ways, itemized."""

from collections.abc import Callable, Sequence

import msgspec
from rich.console import Console
from rich.table import Table

from shoal.costs import prices
from shoal.ops.console import PipeConsole, write
from shoal.ops.cost_model import Column, ColumnName, Cost, Line, Load, estimate_cost

COLUMN_TITLES: dict[ColumnName, str] = {
    "ec2_direct": "EC2 direct",
    "r2": "R2 only",
    "r2_p2p": "R2 + P2P",
}
INSTANCE = ("t4g.small", 30)


def run(load: Load, *, as_json: bool) -> None:
    """Print the cost of a load."""
    result = estimate_cost(load)
    if as_json:
        write(msgspec.json.format(msgspec.json.encode(result), indent=2).decode() + "\n")
    else:
        show(result, PipeConsole())


def show(result: Cost, console: Console) -> None:
    """Print the three columns for people."""
    console.print(
        f"{result.viewers} viewers for {result.hours:g} h in a month, at"
        f" {result.bitrate_kbps / 1000:g} Mbit/s in segments of {result.segment_s:g} s; peers carry"
        f" {result.share:.0%}. List prices of {result.prices_as_of} in US dollars, without tax."
    )
    console.print(_table(result))
    for line in notes(result):
        console.print(line)


def _table(result: Cost) -> Table:
    table = Table()
    table.add_column("")
    for title in COLUMN_TITLES.values():
        table.add_column(title, justify="right")
    columns = [result.columns[name] for name in COLUMN_TITLES]
    names = list(dict.fromkeys(line.name for column in columns for line in column.lines))
    _section(table, "amounts", names, columns, _amount)
    _section(table, "at list prices", names, columns, lambda line: _usd(line.list_usd))
    table.add_row("sum", *(_usd(column.list_usd) for column in columns), style="bold")
    table.add_row("per hour", *(_usd(column.list_usd_per_hour) for column in columns), style="bold")
    table.add_section()
    _section(
        table,
        "billed, without other traffic",
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


def notes(result: Cost) -> list[str]:
    """Return what the reader must know beside the table, as lines."""
    direct, r2, p2p = (result.columns[name] for name in COLUMN_TITLES)
    from_peers_gb = {line.name: line for line in p2p.lines}["peers to viewers"].quantity
    instance, volume_gb = INSTANCE
    return [
        "At list prices: what another hour costs once the month's free amounts are used up. Billed:"
        f" without EC2's first {prices.EC2_FREE_GB:g} GB and R2's free requests and storage, with"
        " EC2's volume discount, and with R2's usage rounded up to whole millions and GB-months.",
        "R2 reads are counted as if there were no edge cache; with the cache rules most of them are"
        " cache hits, which cost nothing.",
        f"Per hour: {_usd(direct.list_usd_per_hour)} straight from EC2,"
        f" {_usd(r2.list_usd_per_hour)} from R2 alone, {_usd(p2p.list_usd_per_hour)} with peers. R2"
        " charges nothing for egress, so peers save few dollars there: they take load off it, here"
        f" {from_peers_gb:,.1f} GB. With a store that charges for egress they save that price.",
        f"Each column also needs the host: {instance}, {volume_gb} GB of disk and an IPv4 address,"
        f" {_usd(prices.host_month(instance, volume_gb))} a month.",
    ]


def _amount(line: Line) -> str:
    if line.unit == "requests":
        return f"{line.quantity:,.0f}"
    digits = 1 if line.quantity >= 10 else 3
    return f"{line.quantity:,.{digits}f} {line.unit}"


def _usd(value: float) -> str:
    return f"${value:,.2f}"
