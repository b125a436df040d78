"""The ring that a wet cup leaves on paper."""

import math
import random

from docgenie_plugin import Drawn, Element, Raster, Request, Size
from stain import Stain

# Coffee, milky coffee, tea.
DRINKS = {"coffee": (110, 58, 16), "milk": (146, 96, 48), "tea": (160, 92, 20)}


class CoffeeRing(Element):
    """A stain that is darkest at its edges, with a gap or two and a few drops beside it."""

    id = "coffee-ring"
    title = "Coffee ring"
    summary = "The ring that a wet cup leaves, as large as its place allows."
    params = {
        "type": "object",
        "additionalProperties": False,
        "properties": {
            "drink": {
                "description": "What was in the cup.",
                "enum": sorted(DRINKS),
                "default": "coffee",
            },
            "strength": {
                "description": "How dark it is, from 0 to 1.",
                "type": "number",
                "minimum": 0,
                "maximum": 1,
                "default": 0.75,
            },
        },
    }
    traits = {"label": "coffee-ring", "places": [], "blend": "multiply", "random": True}

    def measure(self, request: Request) -> Size:
        side = min(request.area.width, request.area.height)
        return Size(side, side)

    def render(self, request: Request) -> Drawn:
        side = min(request.area.width, request.area.height)
        drink = request.params.get("drink", "coffee")
        strength = request.params.get("strength", 0.75)
        stain = Stain(side, DRINKS[drink])
        radius = side / 2 * random.uniform(0.82, 0.9)
        stain.ring(side / 2, side / 2, radius, strength)
        for _ in range(random.randrange(6)):
            # Flung outwards, and now and then inwards.
            angle, away = random.uniform(0, math.tau), radius * random.gauss(1.04, 0.08)
            x, y = side / 2 + away * math.cos(angle), side / 2 + away * math.sin(angle)
            stain.drop(x, y, side * random.uniform(0.004, 0.016), strength)
        return Drawn(
            raster=Raster(side, side, stain.rgba()),
            content={"stain": "ring", "drink": drink},
        )
