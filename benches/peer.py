"""The same job in Python: HTML to PDF with Playwright, word boxes and 150-dpi PNG with PyMuPDF.

Three manners, from the commonest to the quickest we could write:

- ``chromium-each``: driver and full Chromium are started for every document, as a request handler does
- ``shell-each``: the same with the headless shell
- ``shell-reused``: one headless shell and one page for all documents

    python benches/peer.py shell-reused HTML_FOLDER OUT_FOLDER COUNT
"""

import contextlib
import json
import pathlib
import sys

import pymupdf
from playwright.sync_api import sync_playwright

BROWSERS = {
    "chromium-each": "/usr/bin/chromium",
    "shell-each": "/usr/bin/chromium-headless-shell",
    "shell-reused": "/usr/bin/chromium-headless-shell",
}
DPI = 150


def main(manner: str, html_folder: str, out_folder: str, count: str) -> None:
    sources = sorted(pathlib.Path(html_folder).glob("*.html"), key=lambda path: (len(path.name), path.name))
    out = pathlib.Path(out_folder)
    out.mkdir(parents=True, exist_ok=True)
    with contextlib.ExitStack() as kept:
        page = kept.enter_context(new_page(BROWSERS[manner])) if manner == "shell-reused" else None
        for source in sources[: int(count)]:
            html = source.read_text(encoding="utf-8")
            if page:
                pdf = printed(page, html)
            else:
                with new_page(BROWSERS[manner]) as fresh:
                    pdf = printed(fresh, html)
            (out / f"{source.stem}.pdf").write_bytes(pdf)
            measure_and_draw(pdf, out, source.stem)


@contextlib.contextmanager
def new_page(browser: str):
    with sync_playwright() as playwright:
        chromium = playwright.chromium.launch(executable_path=browser)
        yield chromium.new_page()
        chromium.close()


def printed(page, html: str) -> bytes:
    page.set_content(html)
    return page.pdf(print_background=True, prefer_css_page_size=True)


def measure_and_draw(pdf: bytes, out: pathlib.Path, name: str) -> None:
    boxes = []
    with pymupdf.open(stream=pdf) as document:
        for number, page in enumerate(document):
            boxes += [{"text": word[4], "bbox": word[:4], "page": number} for word in page.get_text("words")]
            page.get_pixmap(dpi=DPI).save(out / f"{name}_p{number + 1}.png")
    (out / f"{name}.json").write_text(json.dumps(boxes, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main(*sys.argv[1:])
