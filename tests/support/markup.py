"""A strict look at a page of HTML: every element closed, nothing that loads, runs or leaves the page."""

import re
from base64 import b64encode
from hashlib import sha256
from html.parser import HTMLParser

VOID = {"meta", "br", "hr"}
TAGS = set(
    "html head meta title style body a header nav main section footer h1 h2 p ul li dl dt dd details summary"
    " div span code pre figure figcaption table caption thead tbody tr th td i b em svg g path rect text defs"
    " marker".split()
)


class Page(HTMLParser):
    """``text`` is all that is shown; ``attributes`` are (tag, name, value) of all elements."""

    def __init__(self, source: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.ids: list[str] = []
        self.attributes: list[tuple[str, str, str]] = []
        self.texts: list[str] = []
        self.style = ""
        self.feed(source)
        self.close()
        assert not self.open, f"never closed: {self.open}"

    @property
    def text(self) -> str:
        return "".join(self.texts)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        assert tag in TAGS, f"<{tag}> in {'/'.join(self.open)}"
        for name, value in attrs:
            self.attributes.append((tag, name, value or ""))
            if name == "id":
                self.ids.append(value or "")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open and self.open[-1] == tag, f"</{tag}> closes {self.open[-3:]}"
        self.open.pop()

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.texts.append(data)


def checked(source: str) -> Page:
    """The page, once it is proven to need and to do nothing else."""
    assert len(source.encode()) < 2_000_000
    assert all(char.isprintable() or char == "\n" for char in source)
    page = Page(source)
    for tag, name, value in page.attributes:
        assert not name.startswith("on") and name not in ("style", "src", "srcset", "action", "data"), (
            tag,
            name,
        )
        if name in ("href", "xlink:href"):
            assert value.startswith("#") and value[1:] in page.ids, value
        if "url(" in value:
            assert re.fullmatch(r"url\(#arrow\d+\)", value), value
    assert "url(" not in page.style and "@import" not in page.style
    policy = next(value for tag, name, value in page.attributes if tag == "meta" and "default-src" in value)
    digest = b64encode(sha256(page.style.encode()).digest()).decode()
    assert policy == f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'"
    assert len(set(page.ids)) == len(page.ids)
    return page
