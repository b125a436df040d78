"""{{ title }}: a round seal with a text across it."""

import math
import random
from html import escape

from docgenie_plugin import Drawn, Element, Rect, Request, Unsuitable, Word


class Seal(Element):
    """A round seal with a text across it."""

    id = "{{ id }}"
    title = "{{ title }}"
    summary = "A round seal with a text across it."

    # What a pipeline can set under `with`: a JSON Schema. Descriptions are what its users read.
    params = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "colour": {
                "description": "Colour of the ink, as CSS writes it.",
                "type": "string",
                "default": "#1f3f8f",
            },
            "text": {
                "description": "What it says where the document does not tell.",
                "type": "string",
                "default": "APPROVED",
            },
        },
    }

    # `label` is what its place is called in the ground truth, `places` are the kinds of
    # `data-visual-element` that it fills, multiplying is what ink does to paper, and `random` says
    # that another seed gives another picture.
    traits = {"label": "seal", "places": ["stamp"], "blend": "multiply", "random": True}

    def render(self, request: Request) -> Drawn:
        text = request.content.strip() or request.params["text"].strip()
        if not text:
            raise Unsuitable("there is nothing to write on the seal")

        # Everything is in pixels of the picture, from its top left.
        width, height = request.area.width, request.area.height
        x, y = width / 2, height / 2
        radius = 0.46 * min(width, height)
        colour = escape(request.params["colour"])
        # The host seeds the module `random` from the run's seed and the document.
        angle = random.uniform(-12, 12)
        long, size = 1.7 * radius, radius / 3
        svg = f"""<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}">
          <g transform="rotate({angle} {x} {y})" fill="none" stroke="{colour}" stroke-width="{0.05 * radius}">
            <circle cx="{x}" cy="{y}" r="{radius}"/>
            <circle cx="{x}" cy="{y}" r="{0.88 * radius}" stroke-width="1"/>
            <text x="{x - long / 2}" y="{y + size / 3}" textLength="{long}" lengthAdjust="spacingAndGlyphs"
              fill="{colour}" stroke="none" font-family="Liberation Sans" font-size="{size}">{escape(text)}</text>
          </g>
        </svg>"""

        # The box around the turned text, so that it is in the ground truth where it is in the
        # picture.
        turn = math.radians(abs(angle))
        w = long * math.cos(turn) + size * math.sin(turn)
        h = long * math.sin(turn) + size * math.cos(turn)
        bounds = Rect(x - w / 2, y - h / 2, w, h)
        word = Word(text, bounds, angle=angle, font_size=size)
        return Drawn(svg=svg, words=[word], content={"text": text})
