"""The drawing of restorable times, as tables."""

from shardhouse.console.timeline import WIDTH, of

DAY = 24 * 3600 * 1000
NOON = 1_769_904_000_000


def test_nothing_is_drawn_of_nothing() -> None:
    drawing = of([])
    assert (list(drawing.bars), list(drawing.ticks)) == ([], [])


def test_bars_are_as_long_as_their_ranges_and_have_gaps() -> None:
    drawing = of([(NOON, NOON + DAY), (NOON + 3 * DAY, NOON + 4 * DAY)])
    assert [(bar.x, bar.width) for bar in drawing.bars] == [(0, 250), (750, 250)]
    assert (drawing.begin, drawing.end) == (NOON, NOON + 4 * DAY)
    assert (drawing.bars[1].start, drawing.bars[1].stop) == (NOON + 3 * DAY, NOON + 4 * DAY)
    assert drawing.bars[0].label == "2026-02-01 00:00:00 to 2026-02-02 00:00:00"
    assert [drawing.ticks[0].text, drawing.ticks[-1].text] == ["02-01 00:00", "02-05 00:00"]
    assert [drawing.ticks[0].anchor, drawing.ticks[-1].anchor] == ["start", "end"]


def test_what_is_short_can_be_seen_and_stays_within() -> None:
    drawing = of([(NOON, NOON + 1), (NOON + DAY, NOON + DAY)])
    for bar in drawing.bars:
        assert bar.width > 0
        assert 0 <= bar.x <= WIDTH - bar.width
    (alone,) = of([(NOON, NOON)]).bars
    assert alone.x + alone.width <= WIDTH
