from shoal.site.html_meta import PLACEHOLDER, StationMetadata, with_meta_tags

PAGE = f"<head>{PLACEHOLDER}</head>"


def test_urls_are_absolute_and_text_is_escaped() -> None:
    metadata = StationMetadata("Shoal TV", "Evening <news>", 'All day, "live"', "/poster")
    html = with_meta_tags(PAGE, metadata, "https://tv.example", "/")
    assert "<title>Evening &lt;news&gt; · Shoal TV</title>" in html
    assert 'name="description" content="All day, &quot;live&quot;"' in html
    assert '<meta property="og:image" content="https://tv.example/poster" />' in html
    assert '<meta property="og:url" content="https://tv.example/" />' in html
    assert "summary_large_image" in html
    assert PLACEHOLDER not in html


def test_without_a_stream_title_or_poster() -> None:
    html = with_meta_tags(
        PAGE, StationMetadata("Shoal TV", "", "Live", None), "http://localhost:8888", "/embed"
    )
    assert "<title>Shoal TV</title>" in html
    assert "og:image" not in html
    assert 'content="summary"' in html


def test_a_page_without_the_placeholder_is_unchanged() -> None:
    assert (
        with_meta_tags("<head></head>", StationMetadata("a", "", "b", None), "https://x", "/")
        == "<head></head>"
    )
