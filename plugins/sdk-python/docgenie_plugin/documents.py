"""The engine's documents, as long as they are lent: for one call."""

import json
from typing import Any, Optional

from .shapes import Extent, Rect, Region, Size, Word


class Document:
    """A finished document."""

    def __init__(self, handle: Any) -> None:
        self._handle = handle
        self._pages: Optional[list[Page]] = None

    @property
    def id(self) -> str:
        """``document_1`` and so on; safe as a file name and steady for a seed."""
        return self._handle.id()

    @property
    def index(self) -> int:
        """Counted from 0. Documents that failed leave gaps."""
        return self._handle.index()

    @property
    def language(self) -> str:
        """BCP 47 tag such as ``de``; empty where it is not known."""
        return self._handle.language()

    @property
    def kind(self) -> str:
        """Such as ``invoice``; empty where it is not known."""
        return self._handle.kind()

    @property
    def meta(self) -> dict[str, Any]:
        """Further facts."""
        return json.loads(self._handle.meta())

    @property
    def pages(self) -> "list[Page]":
        """Its pages."""
        if self._pages is None:
            count = self._handle.page_count()
            self._pages = [Page(self._handle.page(index)) for index in range(count)]
        return self._pages

    def ground_truth(self, format: str = "docgenie") -> Any:
        """Final ground truth in a format: the engine's own, or one of a plugin as the pipeline
        names it, such as ``plugin:kie``. None where there is none."""
        text = self._handle.ground_truth(format)
        return None if text is None else json.loads(text)

    def __enter__(self) -> "Document":
        return self

    def __exit__(self, *_: object) -> None:
        for page in self._pages or []:
            page.handle.__exit__(None, None, None)


class Page:
    """A page of a document."""

    def __init__(self, handle: Any) -> None:
        self.handle = handle

    @property
    def extent(self) -> Extent:
        """Points."""
        return self.handle.extent()

    @property
    def pixels(self) -> Optional[Size]:
        """Pixels of the page's image; None where the pipeline makes none."""
        return self.handle.pixels()

    @property
    def words(self) -> list[Word]:
        """In reading order."""
        return self.handle.words()

    @property
    def regions(self) -> list[Region]:
        """Labelled parts; outer ones come before those within them."""
        regions = self.handle.regions()
        for region in regions:
            region.attributes = json.loads(region.attributes)
        return regions

    @property
    def text(self) -> str:
        """Words joined by blanks, lines by line feeds, blocks by empty lines."""
        return self.handle.text()

    def image(self, format: str = "png") -> bytes:
        """The page's image as ``png`` or ``jpeg``. To write it, use :func:`put_image`."""
        from .files import saying

        return saying(self.handle.image, format)

    def in_pixels(self, rect: Rect) -> Rect:
        """A rectangle of the page in pixels of its image."""
        extent, pixels = self.extent, self.pixels
        if pixels is None:
            raise RuntimeError("the pipeline makes no page images: add a stage `raster`")
        across, down = pixels.width / extent.width, pixels.height / extent.height
        return Rect(rect.x * across, rect.y * down, rect.width * across, rect.height * down)
