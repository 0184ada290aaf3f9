"""What classes of camera traps mean, however they are called: nothing, people, vehicles, or an animal's name."""

from __future__ import annotations

EMPTY = frozenset({"empty", "blank", "no animal", "false trigger", "misfire"})
HUMAN = frozenset({"human", "person", "people", "homo sapiens"})
VEHICLE = frozenset({"vehicle"})
UNKNOWN = frozenset({"unknown", "unsure", "unidentified", "unclassified"})


def observation_type(name: str) -> str:
    """The word of Camtrap DP for a class: `blank`, `human`, `vehicle`, `unknown`, else `animal`."""
    plain = name.strip("() ").replace("_", " ").casefold()
    kinds = {"blank": EMPTY, "human": HUMAN, "vehicle": VEHICLE, "unknown": UNKNOWN}
    return next((kind for kind, names in kinds.items() if plain in names), "animal")


def is_empty(name: str) -> bool:
    """Whether a class says that nothing is in the picture."""
    return observation_type(name) == "blank"


def scientific_name(name: str) -> str:
    """A class's name; of one that nests, `Carnivora > Canidae > Vulpes vulpes`, its last part."""
    return name.rpartition(">")[2].strip()
