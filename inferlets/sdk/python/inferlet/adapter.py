"""LoRA adapters. The server's operator loads them; inferlets choose among them."""

from __future__ import annotations

from typing import TYPE_CHECKING, NoReturn

if TYPE_CHECKING:
    from inferlet.model import Model


class Adapter:
    """An adapter of a model, opened by name.

    Example:
        >>> adapter = Adapter.open(model, "formal")
        >>> ctx.set_adapter(adapter)
    """

    __slots__ = ("model", "name")

    def __init__(self, model: Model, name: str) -> None:
        self.model = model
        self.name = name

    @staticmethod
    def open(model: Model, name: str) -> Adapter | None:
        """The adapter of this name; None if the server has none. `model.adapters` has the names.

        Example:
            >>> adapter = Adapter.open(model, model.adapters[0])
        """
        return Adapter(model, name) if name in model.adapters else None

    @staticmethod
    def create(model: Model, name: str) -> NoReturn:
        """Refused: the operator loads adapters. There for programs written for Pie.

        Example:
            >>> Adapter.open(model, "formal")  # instead
        """
        _refuse("create")

    def fork(self, new_name: str) -> NoReturn:
        """Refused, like `create`.

        Example:
            >>> Adapter.open(model, "formal")  # instead
        """
        _refuse("fork")

    def load(self, path: str) -> NoReturn:
        """Refused, like `create`.

        Example:
            >>> Adapter.open(model, "formal")  # instead
        """
        _refuse("load")

    def save(self, path: str) -> NoReturn:
        """Refused, like `create`.

        Example:
            >>> Adapter.open(model, "formal")  # instead
        """
        _refuse("save")

    def __enter__(self) -> Adapter:
        return self

    def __exit__(self, *_: object) -> None:
        """Nothing to free: the adapter is the server's."""

    def __repr__(self) -> str:
        return f"Adapter({self.name!r})"


def _refuse(verb: str) -> NoReturn:
    raise NotImplementedError(
        f"an inferlet cannot {verb} adapters: the server's operator loads them; "
        "choose one with Adapter.open(model, name), whose names are in model.adapters"
    )
