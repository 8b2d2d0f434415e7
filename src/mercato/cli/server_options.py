"""The options of ``mercato serve``, made from the configuration of a server: `mercato.serving.options.ServerOptions`.

``python -m mercato.cli.server_options docs/operations.md`` writes their table there.
"""

from __future__ import annotations

import dataclasses
import inspect
import sys
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from types import NoneType
from typing import Annotated, Any, get_args, get_origin, get_type_hints

import typer
from pydantic.fields import FieldInfo

from mercato.errors import InvalidInputError
from mercato.serving.options import ServerOptions
from mercato.settings import Flag

TABLE_START = "<!-- Written by `python -m mercato.cli.server_options docs/operations.md`. -->"
TABLE_END = "<!-- End of the table. -->"


@dataclass(frozen=True, kw_only=True)
class CommandOption:
    """One option of the command line.

    Attributes:
        path: the field's name; of a field within a field both names.
        flag: the option, ``--rerank-depth``.
        type: what the command line reads, a list where the option is repeatable.
        default: what stands where it is not given.
        required: whether it must be given.
        text: what it is for.
        metavar: what its value looks like, where the type does not say it.
        repeatable: whether it may be given more than once.
    """

    path: tuple[str, ...]
    flag: str
    type: Any
    default: Any
    required: bool
    text: str
    metavar: str | None
    repeatable: bool

    @property
    def parameter(self) -> str:
        """Its name among the command's parameters."""
        return self.flag.removeprefix("--").replace("-", "_")


def list_options() -> list[CommandOption]:
    """List the options that the configuration declares, in its order."""
    options = []
    for name, field in ServerOptions.model_fields.items():
        if dataclasses.is_dataclass(field.annotation):
            inner = get_type_hints(field.annotation, include_extras=True)
            for part in dataclasses.fields(field.annotation):
                declared = FieldInfo.from_annotated_attribute(inner[part.name], part.default)
                options += _list_option((name, part.name), declared)
        else:
            options += _list_option((name,), field)
    return options


def add_server_options(command: Callable[..., None]) -> Callable[..., None]:
    """Give a command the server's options, before those that it declares itself.

    Args:
        command: takes the values of the server's options by name in ``**values``, as `read_values` reads them.

    Returns:
        The command itself, with the signature that typer reads.
    """
    own = inspect.signature(command, eval_str=True)
    kept = [one for one in own.parameters.values() if one.kind is not inspect.Parameter.VAR_KEYWORD]
    added = [
        inspect.Parameter(
            option.parameter,
            inspect.Parameter.KEYWORD_ONLY,
            default=inspect.Parameter.empty if option.required else option.default,
            annotation=Annotated[option.type, typer.Option(option.flag, help=option.text, metavar=option.metavar)],
        )
        for option in list_options()
    ]
    command.__signature__ = own.replace(parameters=[*added, *kept])  # type: ignore[attr-defined]
    return command


def read_values(given: Mapping[str, Any]) -> dict[str, Any]:
    """Read the values of the command line into those of `ServerOptions`.

    Args:
        given: what typer read, by parameter.

    Returns:
        Values by field; those of a field within a field in a dictionary.
    """
    values: dict[str, Any] = {}
    for option in list_options():
        outer, *inner = option.path
        value = given[option.parameter]
        if option.repeatable:
            value = value or ()
        if inner:
            values.setdefault(outer, {})[inner[0]] = value
        else:
            values[outer] = value
    return values


def render_table() -> str:
    """Write the table of the options in Markdown."""
    lines = ["| option | default | what it is |", "|---|---|---|"]
    for option in list_options():
        name = f"`{option.flag}`" if option.metavar is None else f"`{option.flag} {option.metavar}`".replace("|", "\\|")
        lines.append(f"| {name} | {_render_default(option)} | {option.text} |")
    return "\n".join(lines)


def replace_table(document: str) -> str:
    """Return a document with the table of the options between its two marks.

    Raises:
        InvalidInputError: the document lacks the marks.
    """
    before, start, rest = document.partition(TABLE_START)
    _, end, after = rest.partition(TABLE_END)
    if not start or not end:
        raise InvalidInputError("document", f"must hold {TABLE_START} and {TABLE_END}")
    return f"{before}{start}\n\n{render_table()}\n\n{end}{after}"


def _list_option(path: tuple[str, ...], field: FieldInfo) -> list[CommandOption]:
    flag = next((one for one in field.metadata if isinstance(one, Flag)), None)
    if flag is None:
        return []
    repeatable = get_origin(field.annotation) is Mapping
    default = field.get_default(call_default_factory=True) if flag.default is None else flag.default
    kind: Any = list[str] | None if repeatable else field.annotation
    option = CommandOption(
        path=path,
        flag=flag.name or f"--{path[-1].replace('_', '-')}",
        type=_without_none(kind) if flag.required or default is not None else kind,
        default=None if repeatable else default,
        required=flag.required,
        text=field.description or "",
        metavar=flag.metavar,
        repeatable=repeatable,
    )
    return [option]


def _without_none(kind: Any) -> Any:
    (one, *others) = [part for part in get_args(kind) if part is not NoneType] or [kind]
    return kind if others else one


def _render_default(option: CommandOption) -> str:
    if option.required:
        return "must be given"
    if option.default is None or option.default is False:
        return ""
    return f"`{option.default}`"


if __name__ == "__main__":
    page = Path(sys.argv[1])
    page.write_text(replace_table(page.read_text(encoding="utf-8")), encoding="utf-8")
