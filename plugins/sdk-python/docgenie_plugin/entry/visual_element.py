"""The component of a plugin that draws."""

import dataclasses
import json
from typing import Any

import plugin  # noqa: F401  (its classes are known once it is imported)
from wit_world.exports import element
from wit_world.imports import types

from ..guest import Guest, answered, offers_of
from ..offers import Drawn, Element as Offered, Request
from ..shapes import Region, Size


class Element(Guest):
    """What the host calls."""

    offers = offers_of(Offered)

    def measure(self, request: element.Request) -> types.Size:
        return answered(lambda: _size(self.find(request.offer).measure(_read(request))))

    def render(self, request: element.Request) -> element.Drawn:
        return answered(lambda: _told(self.find(request.offer).render(_read(request))))


def _read(request: element.Request) -> Request:
    return Request(
        params=json.loads(request.params),
        content=request.content,
        key=request.key,
        seed=request.seed,
        area=Size(request.area.width, request.area.height),
        dpi=request.dpi,
        language=request.language,
    )


def _size(size: Size) -> types.Size:
    return types.Size(round(size.width), round(size.height))


def _picture(drawn: Drawn) -> Any:
    if drawn.svg is not None:
        return element.Picture_Svg(drawn.svg)
    if drawn.raster is None:
        raise TypeError("`render` returned neither `svg` nor `raster`")
    raster = drawn.raster
    size = types.Size(raster.width, raster.height)
    return element.Picture_Raster(types.Raster(size, bytes(raster.rgba)))


def _told(drawn: Drawn) -> element.Drawn:
    regions = [
        _region(region, number) for number, region in enumerate(drawn.regions)
    ]
    return element.Drawn(_picture(drawn), drawn.words, regions, json.dumps(drawn.content))


def _region(region: Region, number: int) -> Region:
    attributes: Any = json.dumps(region.attributes)
    return dataclasses.replace(region, id=region.id or f"region_{number}", attributes=attributes)
