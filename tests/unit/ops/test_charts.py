import xml.etree.ElementTree as ET

from shoal.ops.charts import (
    HEIGHT,
    WIDTH,
    Series,
    average_steps,
    band_chart,
    line_chart,
    step_for,
    sum_steps,
)


def paths(svg: str) -> list[tuple[str, str]]:
    """Return class and outline of each path; the text must be XML."""
    return [(p.attrib["class"], p.attrib["d"]) for p in ET.fromstring(svg).iter("path")]


def test_a_day_has_no_more_points_than_can_be_seen() -> None:
    assert step_for(8640) == 36
    assert step_for(240) == 1
    assert sum_steps([1, None, 3, None, None], 2) == [1, 3, None]
    assert average_steps([1, 3, None, 5, None, None], 2) == [2, 5, None]


def test_a_line_has_a_gap_where_nothing_is_known() -> None:
    drawn = paths(line_chart([Series("viewers", "plain", [0, 2, None, 4, 4])], 4))
    assert drawn == [
        ("line plain", f"M100.0 {HEIGHT:.1f}L300.0 {HEIGHT / 2:.1f}"),
        ("line plain", f"M700.0 0.0L{WIDTH - 100:.1f} 0.0"),
    ]
    assert len(paths(line_chart([Series("viewers", "plain", [None])], 4))) == 0
    assert len(paths(line_chart([Series("viewers", "plain", [3])], 4))) == 1


def test_bands_are_fractions_of_the_total() -> None:
    peers, store = Series("peers", "peers", [3, 0]), Series("store", "store", [1, 0])
    drawn = paths(band_chart([peers, store]))
    # three quarters from peers, at the bottom; where nothing came there are no fractions
    assert [tone for tone, _ in drawn] == ["band peers", "band store"]
    quarter, half = f"{HEIGHT / 4:.1f}", f"{WIDTH / 2:.1f}"
    assert drawn[0][1] == f"M0.0 {quarter}L{half} {quarter}L{half} 240.0L0.0 240.0Z"
    assert drawn[1][1] == f"M0.0 0.0L{half} 0.0L{half} {quarter}L0.0 {quarter}Z"
