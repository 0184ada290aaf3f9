"""A plugin's options are its keyword arguments: read from the signature, checked before it is called."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from difflib import get_close_matches
from typing import Any, Literal, get_args, get_origin

from zoo.errors import PluginError, UsageError


@dataclass(frozen=True, slots=True, kw_only=True)
class Option:
    """One keyword argument of a plugin."""

    name: str
    type: Any
    default: Any

    @property
    def required(self) -> bool:
        """Whether it has no default."""
        return self.default is inspect.Parameter.empty

    def __str__(self) -> str:
        kind = getattr(self.type, "__name__", None) or str(self.type).replace("typing.", "")
        if get_origin(self.type) is Literal:
            kind = "|".join(str(choice) for choice in get_args(self.type))
        return f"{self.name} ({kind}, required)" if self.required else f"{self.name}={self.default} ({kind})"


def describe_options(plugin: Callable[..., Any]) -> dict[str, Option]:
    """The keyword-only arguments of a class or function, by name.

    Raises:
        PluginError: its signature cannot be read, for instance because a type hint names what is not imported.
    """
    function = plugin.__init__ if inspect.isclass(plugin) else plugin
    try:
        hints = typing.get_type_hints(function)
        parameters = inspect.signature(function).parameters
    except (NameError, TypeError, ValueError, AttributeError, SyntaxError) as error:
        name = f"{getattr(plugin, '__module__', '?')}:{getattr(plugin, '__qualname__', repr(plugin))}"
        raise PluginError(
            f"The options of {name} cannot be read: {error}.",
            "Correct the type hints of its keyword arguments, or uninstall its package.",
        ) from error
    return {
        name: Option(name=name, type=hints.get(name, str), default=parameter.default)
        for name, parameter in parameters.items()
        if parameter.kind is inspect.Parameter.KEYWORD_ONLY
    }


def check_options(plugin: Callable[..., Any], given: Mapping[str, Any], *, of: str) -> dict[str, Any]:
    """Check names and types, and turn the command line's text into values.

    Args:
        plugin: the class whose keyword arguments are the options.
        given: what the user said, text or values.
        of: whose options they are, for the message ("the dataset 'plankton'").

    Raises:
        UsageError: an option that does not exist, a value of another type, or an option without a default that
            is not given; all faults are said at once.
    """
    options = describe_options(plugin)
    listed = ", ".join(str(option) for option in options.values()) or "none"
    faults, checked = [], {}
    for name, value in given.items():
        if name not in options:
            near = get_close_matches(name, options, n=1)
            hint = f"Did you mean {near[0]!r}? " if near else ""
            faults.append(f"No option is called {name!r}. {hint}The options of {of}: {listed}.")
            continue
        try:
            checked[name] = _coerce(value, options[name].type)
        except (TypeError, ValueError):
            faults.append(f"The option {name!r} of {of} cannot be {value!r}: {options[name]}.")
    missing = [name for name, option in options.items() if option.required and name not in given]
    faults += [f"The option {name!r} of {of} must be given: {options[name]}." for name in missing]
    if faults:
        raise UsageError(" ".join(faults))
    return checked


def _coerce(value: Any, wanted: Any) -> Any:
    """A value of the wanted type, or ValueError or TypeError: text is read, numbers are widened, nothing is guessed."""
    from pydantic import PydanticUserError, TypeAdapter, ValidationError  # here: what lists plugins does without it

    kinds = get_args(wanted) if get_origin(wanted) in (typing.Union, types.UnionType) else (wanted,)
    if types.NoneType in kinds and str(value).lower() == "none":
        return None
    for kind in kinds:
        try:
            adapter = TypeAdapter(kind)
        except PydanticUserError as error:
            raise PluginError(
                f"An option is typed {kind.__name__}, which no recipe and no command line can say.",
                "Type it int, float, str, bool, a Literal, or a tuple or list of these.",
            ) from error
        for reading in _readings(value, kind) if isinstance(value, str) else [value]:
            try:
                read = adapter.validate_python(reading)
            except ValidationError:
                continue
            if isinstance(value, str) or isinstance(read, bool) == isinstance(value, bool):
                return read
    raise ValueError(value)


def _readings(text: str, kind: Any) -> list[Any]:
    """What a text may stand for: one of some choices, itself, or a list, `1,2,3`."""
    choices = [choice for choice in get_args(kind) if str(choice) == text]
    return [*choices, text, [part.strip() for part in text.split(",") if part.strip()]]
