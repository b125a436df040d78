"""Between a plugin's offers and the functions that the host calls."""

import builtins
import io
import json
import os
import random
import sys
import time
import traceback
from collections.abc import Callable
from importlib.abc import MetaPathFinder
from importlib.machinery import BuiltinImporter, FrozenImporter
from typing import Any, ClassVar, TypeVar

from componentize_py_types import Err
from wit_world.imports import assets, log, random as host_random, types

from . import files
from .failures import BadParams, Unsuitable
from .offers import Offer
from .shapes import Problem

T = TypeVar("T", bound=Offer)


def offers_of(kind: type[T]) -> dict[str, T]:
    """The plugin's offers by id. What is missing is said when the plugin is built."""
    if not Offer.known:
        raise TypeError(f"plugin.py has no subclass of {kind.__name__} with an `id`")
    offers: dict[str, T] = {}
    for known in Offer.known:
        if not issubclass(known, kind):
            raise TypeError(
                f"{known.__name__} is no {kind.__name__}, which `kind` in docgenie-plugin.toml asks for"
            )
        for name in ("id", "title", "summary"):
            if not isinstance(getattr(known, name, None), str):
                raise TypeError(f"{known.__name__} has no text `{name}`")
        if known.id in offers:
            raise TypeError(f"offer `{known.id}` is there twice")
        offers[known.id] = known()
    return offers


class Guest:
    """What all kinds have."""

    offers: ClassVar[dict[str, Any]]

    def find(self, offer: str) -> Any:
        """The offer of this id."""
        if offer not in self.offers:
            raise LookupError(f"this plugin offers no `{offer}`")
        return self.offers[offer]

    def describe(self) -> list[types.Offer]:
        """What it offers."""
        return logged(lambda: [_described(offer) for offer in self.offers.values()])

    def check_params(self, offer: str, params: str) -> list[types.Problem]:
        """What is wrong with params."""
        return logged(lambda: problems(self.find(offer).check(json.loads(params))))


def _described(offer: Offer) -> types.Offer:
    return types.Offer(
        offer.id, offer.title, offer.summary, json.dumps(offer.params), json.dumps(offer.traits)
    )


def problems(found: list[Problem]) -> list[types.Problem]:
    """Problems as the host takes them."""
    return [types.Problem(it.pointer, it.message, it.hint) for it in found]


def answered(work: Callable[[], Any]) -> Any:
    """For functions that may fail: an exception becomes a failure that the host knows."""
    _begin()
    try:
        return work()
    except Unsuitable as failure:
        raise Err(types.Failure_Unsuitable(str(failure))) from None
    except BadParams as failure:
        raise Err(types.Failure_BadParams(problems(list(failure.problems)))) from None
    except Exception as error:
        _trace(error)
        raise Err(types.Failure_Broken(f"{type(error).__name__}: {error}")) from None


def logged(work: Callable[[], Any]) -> Any:
    """For functions that may not: the host says that the plugin broke off, the log says why."""
    _begin()
    try:
        return work()
    except Exception as error:
        _trace(error)
        raise


def _begin() -> None:
    """Before each call: what the module `random` gives would be frozen when the plugin is built."""
    sys.meta_path = _IMPORTERS
    random.seed(int.from_bytes(host_random.fill(16), "big"))


def _trace(error: Exception) -> None:
    """The host shows the last five lines of the log: the message and the innermost places."""
    say(log.Level.ERROR, f"{type(error).__name__}: {error}")
    # Without the sources' lines: there are no files to read them from.
    places = [(frame.f_code, line) for frame, line in traceback.walk_tb(error.__traceback__)]
    own = [(code, line) for code, line in places if __package__ not in code.co_filename]
    for code, line in reversed(own[-4:]):
        file = code.co_filename.removeprefix("/0/")
        say(log.Level.ERROR, f"    at {code.co_name} ({file}:{line})")


def say(level: log.Level, text: str) -> None:
    """Writes into the log, a line at a time."""
    for line in text.splitlines():
        log.write(level, line)


class _Log:
    """Takes what is printed."""

    def __init__(self, level: log.Level) -> None:
        self.level = level
        self.line = ""

    def write(self, text: str) -> int:
        *lines, self.line = (self.line + text).split("\n")
        for line in lines:
            log.write(self.level, line)
        return len(text)

    def flush(self) -> None:
        """Lines go out as they end."""


class _NoFiles(MetaPathFinder):
    """Looks for modules where there are no files."""

    def find_spec(self, name: str, *_: object) -> None:
        why = f"a plugin has no files: import `{name}` at the top of a module, not in a function"
        raise ImportError(why, name=name)


_IMPORTERS = [BuiltinImporter, FrozenImporter, _NoFiles()]


def _refuse(what: str) -> Callable[..., Any]:
    def refuse(*_: object, **__: object) -> Any:
        raise OSError(f"a plugin has no {what}")

    return refuse


# Once the component is built, the system's own would end it without a word.
sys.stdout, sys.stderr = _Log(log.Level.INFO), _Log(log.Level.WARN)
builtins.open = io.open = _refuse("files")
os.urandom = _refuse("randomness but the module `random`")
for _name in ("time", "time_ns", "monotonic", "monotonic_ns", "perf_counter", "perf_counter_ns"):
    setattr(time, _name, _refuse("clock"))
files.host = assets
