"""Modules that bear the name of their one main function, and may be called like it.

``streamer_client.replay`` is a module and, by the public API, a function; whichever of the two Python hands out (it
depends on what was imported first), calling it must work. This file must never change what a module holds.
"""

from __future__ import annotations

import sys
from types import ModuleType


class _CallableModule(ModuleType):
    def __call__(self, *arguments: object, **named: object) -> object:
        """Call the function that has the module's name."""
        return vars(self)[self.__name__.rpartition(".")[2]](*arguments, **named)


def make_callable(module: str) -> None:
    """Let the imported module of this name be called like the function of the same name in it."""
    sys.modules[module].__class__ = _CallableModule
