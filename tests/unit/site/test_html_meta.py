from shoal.site.html_meta import PLACEHOLDER, About, with_head

PAGE = f"<head>{PLACEHOLDER}</head>"


def test_what_others_show_of_the_page_has_whole_addresses() -> None:
    about = About("Shoal TV", "Evening <news>", 'All day, "live"', "/poster")
    html = with_head(PAGE, about, "https://tv.example", "/")
    assert "<title>Evening &lt;news&gt; · Shoal TV</title>" in html
    assert 'name="description" content="All day, &quot;live&quot;"' in html
    assert '<meta property="og:image" content="https://tv.example/poster" />' in html
    assert '<meta property="og:url" content="https://tv.example/" />' in html
    assert "summary_large_image" in html
    assert PLACEHOLDER not in html


def test_without_a_stream_or_a_picture() -> None:
    html = with_head(PAGE, About("Shoal TV", "", "Live", None), "http://localhost:8888", "/embed")
    assert "<title>Shoal TV</title>" in html
    assert "og:image" not in html
    assert 'content="summary"' in html


def test_a_page_without_room_for_it_stays_as_it_is() -> None:
    assert (
        with_head("<head></head>", About("a", "", "b", None), "https://x", "/") == "<head></head>"
    )
