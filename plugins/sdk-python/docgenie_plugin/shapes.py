"""Plain data: places, words, regions."""

from dataclasses import dataclass, field
from typing import Any, Optional


@dataclass
class Size:
    """A picture's size in pixels."""

    width: int
    height: int


@dataclass
class Extent:
    """A page's size in points."""

    width: float
    height: float


@dataclass
class Point:
    """A point, in the space of what it belongs to."""

    x: float
    y: float


@dataclass
class Rect:
    """On a page in points, in a picture in its pixels; ``x`` and ``y`` are its top left corner."""

    x: float
    y: float
    width: float
    height: float


@dataclass
class Word:
    """A word: what stands between blanks on one line."""

    text: str
    """In logical order, also where it is written right to left."""
    bounds: Rect
    """From ascent to descent."""
    block: int = 0
    """Block on its page in reading order, from 0."""
    line: int = 0
    """Line in its block, from 0."""
    angle: float = 0.0
    """Of its baseline, in degrees clockwise."""
    font_size: float = 0.0
    """In the unit of ``bounds``, 0 where it is not known."""


@dataclass
class Region:
    """A labelled part of a page or picture."""

    label: str
    """Such as ``table``, ``invoice_number``, ``ORG``, ``stamp``."""
    bounds: Rect
    kind: str = "visual-element"
    """On a page: ``layout``, ``cell``, ``field``, ``entity``, ``answer``, ``handwriting`` or
    ``visual-element``."""
    id: str = ""
    """The same for all parts of one thing, such as a paragraph that goes on overleaf."""
    outline: list[Point] = field(default_factory=list)
    """Corners of a closed shape where it is not the rectangle itself."""
    words: list[int] = field(default_factory=list)
    """Positions of its words among the words of the same page or picture."""
    attributes: dict[str, Any] = field(default_factory=dict)
    """Further facts; ``docs/plugins/wit.md`` lists them by kind."""


@dataclass
class Problem:
    """Something that its user can correct."""

    message: str
    pointer: str = ""
    """JSON Pointer into the params or the ground truth, empty for the whole of it."""
    hint: Optional[str] = None
