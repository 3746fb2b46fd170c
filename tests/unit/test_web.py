import pytest

from shoal.web import cors_headers, shared_cors_headers

A, B = "https://a.example", "https://b.example"


@pytest.mark.parametrize(
    ("origins", "origin", "headers"),
    [
        ([], A, {}),
        ([], None, {}),
        (["*"], A, {"Access-Control-Allow-Origin": "*"}),
        (["*"], None, {"Access-Control-Allow-Origin": "*"}),
        ([A, "*"], B, {"Access-Control-Allow-Origin": "*"}),
        ([A], A, {"Access-Control-Allow-Origin": A, "Vary": "Origin"}),
        ([A, B], B, {"Access-Control-Allow-Origin": B, "Vary": "Origin"}),
        ([A], B, {"Vary": "Origin"}),
        ([A], "null", {"Vary": "Origin"}),
        ([A], None, {"Vary": "Origin"}),
    ],
)
def test_a_page_may_read_responses_only_if_its_site_may_embed(
    origins: list[str], origin: str | None, headers: dict[str, str]
) -> None:
    assert cors_headers(origins, origin) == headers


@pytest.mark.parametrize(
    ("origins", "allowed"), [([], None), ([A], A), ([A, B], "*"), (["*"], "*"), ([A, "*"], "*")]
)
def test_shared_responses_name_one_site_or_any(origins: list[str], allowed: str | None) -> None:
    assert shared_cors_headers(origins).get("Access-Control-Allow-Origin") == allowed
