"""The kinds that can be drawn: `COMMON` and `OTHER` share none, so that filters of one can be tried on the other.

Each module holds the functions of its animals and, at its end, two tables of kinds. The order within a set
says how frequent a kind is: the first is about twelve times as frequent as the last.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

from zoo_plankton.kinds import copepods, jellies, larvae, protists, shrimps, worms
from zoo_plankton.kinds.kind import Kind

_MODULES = (protists, copepods, worms, jellies, larvae, shrimps)


def _interleaved(sets: list[tuple[Kind, ...]]) -> tuple[Kind, ...]:
    """One of each in turn, so that every group has frequent and rare kinds."""
    longest = max(len(kinds) for kinds in sets)
    return tuple(kinds[place] for place in range(longest) for kinds in sets if place < len(kinds))


COMMON = _interleaved([module.COMMON for module in _MODULES])
OTHER = _interleaved([module.OTHER for module in _MODULES])
KINDS: Mapping[str, Kind] = MappingProxyType({kind.name: kind for kind in (*COMMON, *OTHER)})

__all__ = ["COMMON", "KINDS", "OTHER", "Kind"]
