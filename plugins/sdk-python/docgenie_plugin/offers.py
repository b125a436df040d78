"""What a plugin offers: a subclass each."""

from dataclasses import dataclass, field
from typing import Any, ClassVar, Optional

from .documents import Document
from .shapes import Problem, Region, Size, Word

Params = dict[str, Any]
"""What the user has set under ``with``; it fits the schema, and defaults are filled in."""


class Offer:
    """One thing a plugin offers. A subclass with an ``id`` is an offer of the plugin."""

    id: ClassVar[str]
    """In kebab case, unique within the plugin."""
    title: ClassVar[str]
    """What people call it."""
    summary: ClassVar[str]
    """One line."""
    params: ClassVar[dict[str, Any]] = {"type": "object"}
    """JSON Schema (2020-12) of an object: what its user may set."""
    traits: ClassVar[dict[str, Any]] = {}
    """Further facts, such as ``{"label": "seal", "aspect": 1}`` for an element."""

    known: ClassVar[list[type["Offer"]]] = []
    """All offers, in the order they are written."""

    def __init_subclass__(cls) -> None:
        if "id" in vars(cls):
            Offer.known.append(cls)

    def check(self, params: Params) -> list[Problem]:
        """What is wrong with params that fit their schema. Empty: good."""
        return []


@dataclass
class Request:
    """What is to be drawn."""

    params: Params
    content: str
    """What it should show, as the document's ``data-content`` says; may be empty."""
    key: str
    """The same key and seed give the same picture."""
    seed: int
    area: Size
    """The room on the page, in the picture's pixels."""
    dpi: float
    """Pixels of the picture per inch of the page."""
    language: str
    """BCP 47 tag of the document."""


@dataclass
class Raster:
    """Pixels."""

    width: int
    height: int
    rgba: bytes
    """Straight (not premultiplied) 8-bit RGBA, rows top to bottom, without padding."""


@dataclass
class Drawn:
    """A picture and what can be read in it, all places in its own pixels from its top left."""

    svg: Optional[str] = None
    """A whole SVG document without scripts and external references. Its ``width`` and ``height``
    are the picture's pixels; fonts are the host's, by family name."""
    raster: Optional[Raster] = None
    """The picture as pixels, instead."""
    words: list[Word] = field(default_factory=list)
    """Text that can be read in it."""
    regions: list[Region] = field(default_factory=list)
    """Its labelled parts."""
    content: dict[str, Any] = field(default_factory=dict)
    """What it shows, for the ground truth."""


class Element(Offer):
    """A visual element: a stamp, a seal, a chart. Pure: the same request gives the same picture."""

    def measure(self, request: Request) -> Size:
        """The room it wants within the request's area, which is all of it unless said otherwise."""
        return request.area

    def render(self, request: Request) -> Drawn:
        """Draws it."""
        raise NotImplementedError


class GroundTruthFormat(Offer):
    """A form of ground truth. It takes part before a document is written, when it says what is to
    be annotated, and once its boxes are known, when it makes and checks what the dataset holds."""

    def instructions(self, params: Params) -> str:
        """What the writer of a document must annotate and how, for its prompt."""
        raise NotImplementedError

    def draft_schema(self, params: Params) -> dict[str, Any]:
        """JSON Schema that a writer's draft must satisfy."""
        raise NotImplementedError

    def build(self, params: Params, draft: Any, document: Document) -> Any:
        """From what the writer annotated and the finished document to the final ground truth."""
        raise NotImplementedError

    def verify(self, params: Params, truth: Any, document: Document) -> list[Problem]:
        """What is not true of the document; pointers are into the ground truth."""
        return []


@dataclass
class Job:
    """What is to be exported."""

    params: Params
    dataset: dict[str, Any]
    """``name``, ``description``, ``seed`` and ``engine`` of the dataset."""
    expected: Optional[int]
    """How many documents are asked for; some may fail and never come."""


@dataclass
class Tally:
    """How much there is of what a format is about."""

    documents: int = 0
    images: int = 0
    boxes: int = 0
    labels: int = 0


@dataclass
class Reconciliation:
    """What an export took and what it wrote; the host fails an export in which the two differ.
    Count ``taken`` where a document is read and ``written`` where a file is written, so that a
    thing lost in between shows."""

    taken: Tally = field(default_factory=Tally)
    written: Tally = field(default_factory=Tally)
    report: dict[str, Any] = field(default_factory=dict)
    """Further facts for the user."""


class DatasetExporter(Offer):
    """Writes documents in the form that a library or tool reads. One object serves one export:
    ``begin``, ``add`` for each document in order, ``finish``. It never holds the documents: what
    ``add`` is given it writes to a file."""

    def begin(self, job: Job) -> None:
        """Starts an export."""
        raise NotImplementedError

    def add(self, document: Document) -> None:
        """Takes a document in. One that is unsuitable must be found so before anything of it is
        written."""
        raise NotImplementedError

    def finish(self) -> Reconciliation:
        """Ends the files and says what is in them."""
        raise NotImplementedError
