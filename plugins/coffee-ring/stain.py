"""Liquid that has dried: pixels of one colour with their opacity."""

import math
import random

# Steps of a turn that shapes are described in.
TURN = 720
# Side of the square of paper grain, which repeats.
GRAIN = 61


class Stain:
    """A square picture."""

    def __init__(self, side: int, colour: tuple[int, int, int]) -> None:
        self.side = side
        self.colour = colour
        self.opacity = bytearray(side * side)
        self.grain = [random.uniform(0.82, 1.0) for _ in range(GRAIN * GRAIN)]

    def ring(self, x: float, y: float, radius: float, strength: float) -> None:
        """A ring around a centre. Liquid dries from its edges: they are darkest, the outer most."""
        edge = wave(radius, radius * 0.01, 12)
        inner = wave(radius * random.uniform(0.9, 0.94), radius * 0.016, 14)
        wet = [min(1.0, max(0.04, value)) for value in wave(0.65, 0.5, 9)]
        soft = max(1.2, radius * 0.008)

        def opacity(distance: float, step: int) -> float:
            outer, within = edge[step] - distance, distance - inner[step]
            if outer < -soft:
                return 0.0
            # The film that was under the cup.
            shade = 0.05
            if within > -4 * soft:
                width = edge[step] - inner[step]
                rim = math.exp(-((outer / (0.16 * width)) ** 2))
                lip = 0.55 * math.exp(-((within / (0.2 * width)) ** 2))
                body = 0.38 if within > 0 else 0.38 * math.exp(-((within / (2 * soft)) ** 2))
                shade += (rim + lip + body) * wet[step]
            return shade * min(1.0, (outer + soft) / (2 * soft))

        self._paint(x, y, radius * 1.03, strength, opacity)

    def drop(self, x: float, y: float, radius: float, strength: float) -> None:
        """A drop that fell beside it."""
        edge = wave(radius, radius * 0.08, 3)

        def opacity(distance: float, step: int) -> float:
            outer = edge[step] - distance
            if outer < -1:
                return 0.0
            rim = math.exp(-((outer / (0.3 * radius)) ** 2))
            return (0.35 + 0.45 * rim) * min(1.0, (outer + 1) / 2)

        self._paint(x, y, radius * 1.3 + 1, strength, opacity)

    def _paint(self, x, y, reach, strength, opacity) -> None:
        """Darkens what is within reach."""
        side, grain, to_step = self.side, self.grain, TURN / math.tau
        for row in range(max(0, int(y - reach)), min(side, int(y + reach) + 1)):
            dy = row + 0.5 - y
            half = math.sqrt(max(0.0, reach * reach - dy * dy))
            for column in range(max(0, int(x - half)), min(side, int(x + half) + 1)):
                dx = column + 0.5 - x
                step = int((math.atan2(dy, dx) + math.pi) * to_step) % TURN
                value = opacity(math.hypot(dx, dy), step)
                if value > 0:
                    value *= strength * grain[row % GRAIN * GRAIN + column % GRAIN]
                    at = row * side + column
                    self.opacity[at] = max(self.opacity[at], min(255, int(value * 255)))

    def rgba(self) -> bytes:
        """The picture. A byte at a time would take long: each channel is set as a whole."""
        pixels = bytearray(4 * len(self.opacity))
        for channel, value in enumerate(self.colour):
            pixels[channel::4] = bytes([value]) * len(self.opacity)
        pixels[3::4] = self.opacity
        return bytes(pixels)


def wave(mean: float, depth: float, waves: int) -> list[float]:
    """A value that wanders smoothly around its mean, once around."""
    parts = [(n, random.uniform(0, math.tau), random.gauss(0, 1) / n) for n in range(1, waves + 1)]
    around = [step * math.tau / TURN for step in range(TURN)]
    return [mean + depth * sum(a * math.sin(n * t + p) for n, p, a in parts) for t in around]
