"""Exceptions that say how far the damage goes."""

from .shapes import Problem


class BadParams(Exception):
    """The params are wrong: the run stops before it begins, and its user is told."""

    def __init__(self, *problems: Problem) -> None:
        super().__init__("; ".join(problem.message for problem in problems))
        self.problems = problems


class Unsuitable(Exception):
    """This document or request cannot be served. It is left out and counted; others go on."""
