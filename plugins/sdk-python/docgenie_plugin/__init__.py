"""What a plugin of docgenie-engine is written with in Python.

A plugin is a module ``plugin.py`` with one or more subclasses of :class:`Element`,
:class:`GroundTruthFormat` or :class:`DatasetExporter`; each is an offer of the plugin::

    from html import escape

    from docgenie_plugin import Drawn, Element, Request

    class Stamp(Element):
        id = "stamp"
        title = "Stamp"
        summary = "A word in a frame."

        def render(self, request: Request) -> Drawn:
            width, height = request.area.width, request.area.height
            return Drawn(svg=f'''<svg xmlns="http://www.w3.org/2000/svg" width="{width}"
                height="{height}"><text y="{height / 2}">{escape(request.content)}</text></svg>''')

**Places.** On a page everything is in PDF points (1/72 inch), origin at the top left of the page as
displayed, y down. In a picture that an element draws, everything is in the picture's own pixels.

**Errors.** Raise :class:`BadParams` where the user can correct something, :class:`Unsuitable` where
this one document or request cannot be served. Any other exception says that the plugin is broken:
it is not asked again in this run, and its traceback is in the log.

**Randomness.** The standard module ``random`` is seeded anew for every call by the host, so that
results repeat. A plugin has no clock, no files and no network. What is printed goes to the log.
"""

from .documents import Document, Page
from .failures import BadParams, Unsuitable
from .files import File, asset, create, put, put_image
from .offers import (
    DatasetExporter,
    Drawn,
    Element,
    GroundTruthFormat,
    Job,
    Offer,
    Raster,
    Reconciliation,
    Request,
    Tally,
)
from .shapes import Extent, Point, Problem, Rect, Region, Size, Word

__all__ = [
    "BadParams",
    "DatasetExporter",
    "Document",
    "Drawn",
    "Element",
    "Extent",
    "File",
    "GroundTruthFormat",
    "Job",
    "Offer",
    "Page",
    "Point",
    "Problem",
    "Raster",
    "Reconciliation",
    "Rect",
    "Region",
    "Request",
    "Size",
    "Tally",
    "Unsuitable",
    "Word",
    "asset",
    "create",
    "put",
    "put_image",
]
