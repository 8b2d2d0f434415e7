"""Typed reading of a JSON object that a server sent."""

from collections.abc import Mapping
from typing import Any, NoReturn

from mercato_client.errors import ProtocolError

REMEDY = "is the server of the same version as this client?"


class Document:
    """A JSON object whose members are read with the type they must have; another type is a ``ProtocolError``.

    Members that may be absent may also be null. Members nobody asks for are left alone, so that a newer server can
    say more than this client knows.

    Attributes:
        path: where the object stands in the answer, for messages.
        fields: the object itself.
    """

    def __init__(self, path: str, value: object) -> None:
        """Make the reader.

        Args:
            path: where the value stands in the answer.
            value: what should be an object.
        """
        self.path = path
        if not isinstance(value, dict):
            self.fail(f"must be an object, is {_shorten(value)}")
        self.fields: Mapping[str, Any] = value

    def fail(self, problem: str) -> NoReturn:
        """Raise ``ProtocolError`` about this object."""
        raise ProtocolError(f"{self.path}: {problem}; {REMEDY}")

    def integer(self, name: str) -> int:
        """A whole number that must be there."""
        value = self.fields.get(name)
        if not isinstance(value, int) or isinstance(value, bool):
            self._fail_member(name, "a whole number", value)
        return value

    def number(self, name: str) -> float | None:
        """A number, None where absent."""
        value = self.fields.get(name)
        if value is None:
            return None
        return self._check_number(name, value)

    def text(self, name: str) -> str | None:
        """A text, None where absent."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, str):
            self._fail_member(name, "a text", value)
        return value

    def texts(self, name: str) -> tuple[str, ...]:
        """A list of texts, empty where absent."""
        value = self.fields.get(name)
        if value is None:
            return ()
        if not isinstance(value, list):
            self._fail_member(name, "a list of texts", value)
        for item in value:
            if not isinstance(item, str):
                self._fail_member(name, "a list of texts", value)
        return tuple(value)

    def mapping(self, name: str) -> Mapping[str, Any]:
        """An object, empty where absent."""
        value = self.fields.get(name)
        if value is None:
            return {}
        if not isinstance(value, dict):
            self._fail_member(name, "an object", value)
        return value

    def numbers(self, name: str) -> Mapping[str, float]:
        """An object of numbers, empty where absent."""
        return {key: self._check_number(f"{name}.{key}", value) for key, value in self.mapping(name).items()}

    def flag(self, name: str) -> bool:
        """A truth, False where absent."""
        value = self.fields.get(name)
        if value is not None and not isinstance(value, bool):
            self._fail_member(name, "true or false", value)
        return bool(value)

    def member(self, name: str) -> "Document | None":
        """An object, None where absent."""
        value = self.fields.get(name)
        return None if value is None else Document(f"{self.path}.{name}", value)

    def optional_objects(self, name: str) -> list["Document"]:
        """A list of objects, empty where absent."""
        return [] if self.fields.get(name) is None else self.objects(name)

    def objects(self, name: str) -> list["Document"]:
        """A list of objects that must be there."""
        value = self.fields.get(name)
        if not isinstance(value, list):
            self._fail_member(name, "a list of objects", value)
        return [Document(f"{self.path}.{name}[{index}]", item) for index, item in enumerate(value)]

    def _check_number(self, name: str, value: Any) -> float:  # noqa: ANN401
        if not isinstance(value, int | float) or isinstance(value, bool):
            self._fail_member(name, "a number", value)
        return float(value)

    def _fail_member(self, name: str, expected: str, value: object) -> NoReturn:
        self.fail(f"{name} must be {expected}, is {'absent' if value is None else _shorten(value)}")


def _shorten(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 80 else text[:77] + "..."
