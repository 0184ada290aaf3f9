"""Calls from one entry of `zoo` to another while it works, and how its entries import each other. No race: a count.

An entry is a file or sub-package directly under zoo/: `zoo.hub`, `zoo.errors`. Each verb below is real work by the
public names, in a fresh process with an empty cache on the CPU, traced in all its threads; the Hub is the server of
the tests, in a process of its own. What is counted:

- A call is the start of a Python function, method, generator or generated `__init__` of one entry (the callee) while
  the nearest frame of `zoo` below it on the same stack belongs to a function of another entry (the caller). A generator
  that goes on after a `yield` is not called again.
- Between the two may stand C, the standard library and other packages: `with`, `sorted(key=)`, torch's
  `Module.__call__`. A frame of a plugin (`zoo_*`) ends the search: what a plugin calls is not counted. Neither is what
  a pool's thread calls first, as nothing of `zoo` stands below it.
- Bodies of modules and classes, a module's `__getattr__` (imports) and the listener `zoo.silent` are left out.
- `pairs` counts different (caller, callee) functions, however often they call; inner functions count as the one they
  stand in. `calls` counts every call, so that it grows with files, pictures and epochs.

Imports are read wherever they stand, inside functions too, but not under TYPE_CHECKING. `zoo.load` and `from zoo
import load` import the entry that has `load`; `zoo/__init__.py` imports all that its lazy names (or its stub) come
from. Layers count the entries of the longest chain of imports; a circle of entries is one layer, and is named.
"""

from __future__ import annotations

import ast
import inspect
import json
import sys
import tempfile
import threading
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from types import CodeType, FrameType
from typing import Any

from common import Table, describe_machine, parser, tell, told_by
from fetch import environment, serving
from fixtures import write_photograph

import zoo

ROOT = Path(zoo.__file__).parent
REPO, RUN = "tester/calls", "run"
FIXED = {"HF_TOKEN": "hf_" + "x" * 34, "ZOO_REGISTRY": "", "OMP_NUM_THREADS": "1", "PYTHONHASHSEED": "0"}
GENERATORS = inspect.CO_GENERATOR | inspect.CO_COROUTINE | inspect.CO_ASYNC_GENERATOR
BASE, LICENSE = "vgg16-plankton", "apache-2.0"

# ------------------------------------------------------------------------------------------------ the work


def train(place: Path) -> None:
    """Digits, from published filters."""
    data = zoo.open_dataset("digits")
    model = zoo.assemble(BASE, dataset=data.dataset, size=32)
    zoo.train(model, data, out=place / RUN, device="cpu", retrain="block3", head_epochs=1, epochs=2)


VERBS: dict[str, Callable[[Path], object]] = {
    "train": train,
    "push to a folder": lambda place: zoo.push(place / RUN, to=place / "published", license=LICENSE),
    "first push": lambda place: zoo.push(place / RUN, repo=REPO, license=LICENSE),
    "second push": lambda place: zoo.push(place / RUN, repo=REPO, license=LICENSE),
    "fetch": lambda place: zoo.fetch(BASE),
    "fetch from the Hub": lambda place: zoo.fetch(REPO),
    "embed": lambda place: zoo.embed(BASE, place / "pictures"),
}

# ------------------------------------------------------------------------------------------------ counting calls


def entry_of(frame: FrameType) -> str:
    """`zoo.hub` for all that stands there, "" for what is not of `zoo`."""
    words = str(frame.f_globals.get("__name__", "")).split(".")
    return ".".join([*words, "__init__"][:2]) if words[0] == "zoo" else ""


def is_function(code: CodeType) -> bool:
    """Not the body of a module or class, and not what imports a lazy name."""
    return bool(code.co_flags & inspect.CO_OPTIMIZED) and code.co_qualname != "__getattr__"


def goes_on(frame: FrameType) -> bool:
    """Whether a generator is resumed: the operand of its RESUME says so, 0 at the start."""
    code = frame.f_code
    return bool(code.co_flags & GENERATORS) and code.co_code[frame.f_lasti + 1] & 3 != 0


def caller_of(frame: FrameType) -> FrameType | None:
    """The nearest frame of `zoo` below, unless a plugin stands between."""
    below = frame.f_back
    while below is not None and not entry_of(below):
        if str(below.f_globals.get("__name__", "")).startswith("zoo_"):
            return None
        below = below.f_back
    return below


def count_calls(work: Callable[[], object]) -> Counter[tuple[str, ...]]:
    """How often each (caller's entry, callee's entry, caller, callee) is seen while the work is done."""
    seen: list[tuple[str, str, CodeType, CodeType]] = []  # appending is safe in threads, counting is not
    silent = zoo.silent.__code__

    def look(frame: FrameType, event: str, _: Any) -> None:
        if event != "call" or not (callee := entry_of(frame)) or not is_function(frame.f_code):
            return
        below = caller_of(frame)
        if below is None or (caller := entry_of(below)) == callee or not is_function(below.f_code):
            return
        if frame.f_code is not silent and not goes_on(frame):
            seen.append((caller, callee, below.f_code, frame.f_code))

    threading.setprofile(look)
    sys.setprofile(look)
    try:
        work()
    finally:
        sys.setprofile(None)
        threading.setprofile(None)
    return Counter((*one[:2], *(code.co_qualname.split(".<")[0] for code in one[2:])) for one in seen)


def count_verb(verb: str, place: Path) -> dict[str, Any]:
    """The totals of a verb, and both counts of every pair of entries."""
    found = count_calls(lambda: VERBS[verb](place))
    calls, pairs = Counter[str](), Counter[str]()
    for (caller, callee, *_), often in found.items():
        calls[f"{caller} > {callee}"] += often
        pairs[f"{caller} > {callee}"] += 1
    between = {name: [number, calls[name]] for name, number in sorted(pairs.items(), key=lambda one: (-one[1], one[0]))}
    return {"pairs": pairs.total(), "calls": calls.total(), "between": between}


# ------------------------------------------------------------------------------------------------ reading imports


def is_for_types(node: ast.AST) -> bool:
    """`if TYPE_CHECKING:`."""
    return isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING")


def walk(node: ast.AST, *, types: bool) -> Iterator[ast.AST]:
    """Every node below, those under TYPE_CHECKING only where asked."""
    skipped = node.body if isinstance(node, ast.If) and is_for_types(node) and not types else []
    for child in ast.iter_child_nodes(node):
        if child not in skipped:
            yield child
            yield from walk(child, types=types)


def origins(path: Path, *, types: bool = False) -> dict[str, str]:
    """Where the names that a file imports of `zoo` come from: `{"read_image": "zoo.images.read_image"}`."""
    package = ["zoo", *path.parent.relative_to(ROOT).parts]
    found: dict[str, str] = {}
    for node in walk(ast.parse(path.read_text()), types=types):
        if isinstance(node, ast.Import):
            found |= {alias.name: alias.name for alias in node.names if alias.name != "zoo"}
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(filter(None, [*package[: node.level and len(package) + 1 - node.level], node.module]))
            found |= {alias.asname or alias.name: f"{base}.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "zoo":
            found[f"zoo.{node.attr}"] = f"zoo.{node.attr}"
    return {name: origin for name, origin in found.items() if origin.startswith("zoo.")}


def read_imports() -> dict[str, set[str]]:
    """Each entry of `zoo`, and the entries that it imports."""
    fronts = [path for path in (ROOT / "__init__.py", ROOT / "__init__.pyi") if path.is_file()]
    lazy = {name: origin.split(".")[1] for path in fronts for name, origin in origins(path, types=True).items()}
    files = {path: path.relative_to(ROOT).with_suffix("").parts[0] for path in sorted(ROOT.rglob("*.py"))}
    graph: dict[str, set[str]] = {entry: set() for entry in files.values()}
    for path, entry in files.items():
        named = {origin.split(".")[1] for origin in origins(path).values()} - {"__version__"}  # a constant of __init__
        graph[entry] |= {name if name in graph else lazy.get(name, "__init__") for name in named} - {entry}
    graph["__init__"] |= set(lazy.values())
    return graph


def reached(graph: dict[str, set[str]], entry: str) -> set[str]:
    """All that a entry imports, and what that imports."""
    found, rest = set[str](), [entry]
    while rest:
        new = graph[rest.pop()] - found
        found |= new
        rest += new
    return found


def find_chain(graph: dict[str, set[str]]) -> tuple[list[str], list[list[str]]]:
    """The longest chain of imports, from the top, each circle one link of it; and the circles."""
    below = {entry: reached(graph, entry) for entry in graph}
    group = {entry: [entry, *sorted(o for o in below[entry] - {entry} if entry in below[o])] for entry in graph}
    circles = sorted({tuple(sorted(members)) for members in group.values() if len(members) > 1})
    chains: dict[str, list[str]] = {}
    for entry in sorted(graph, key=lambda one: (len(below[one] - set(group[one])), one)):
        others = set[str]().union(*(graph[member] for member in group[entry])) - set(group[entry])
        longest = max((chains[other] for other in sorted(others)), key=len, default=[])
        chains[entry] = [" + ".join(sorted(group[entry])), *longest]
    return max(chains.values(), key=len), [list(circle) for circle in circles]


# ------------------------------------------------------------------------------------------------ saying


def main() -> None:
    """Count and tell."""
    made = parser(__doc__, rounds=1)
    made.add_argument("--count", nargs=2, metavar=("VERB", "FOLDER"), help="one verb in this process, told as JSON")
    arguments = made.parse_args()
    if arguments.count:
        print(json.dumps(count_verb(arguments.count[0], Path(arguments.count[1]))))
        return
    machine, counts = describe_machine(), {}
    with tempfile.TemporaryDirectory() as made_here:
        place = Path(made_here)
        for number in range(8):
            write_photograph(place / "pictures" / f"{number}.jpg", width=320, height=240, seed=number)
        with serving(place, 1e9) as hub:
            for verb in VERBS:
                command = [sys.executable, __file__, "--count", verb, str(place)]
                empty = {**environment(hub, place / "caches" / verb.replace(" ", "-")), **FIXED}
                counts[verb] = told_by(command, env=empty)
    graph = read_imports()
    chain, circles = find_chain(graph)
    lines = sum(len(path.read_text().splitlines()) for path in ROOT.rglob("*.py"))
    plan: dict[str, Any] = {
        "entries": len(graph),
        "layers": len(chain),
        "lines": lines,
        "chain": chain,
        "circles": circles,
    }
    told = f"Longest chain: {' > '.join(chain)}\nCircles: {'; '.join(map(' + '.join, circles)) or 'none'}"
    rows = (plan["entries"], plan["layers"], plan["lines"])
    tables = [Table(title=told, columns=("entries", "layers", "lines"), rows=(rows,))]
    totals = tuple((verb, one["pairs"], one["calls"]) for verb, one in counts.items())
    tables.append(Table(title="From entry to entry", columns=("", "pairs", "calls"), rows=totals))
    for verb, one in counts.items():
        largest = tuple((name, *both) for name, both in list(one["between"].items())[:8])
        tables.append(Table(title=verb, columns=("", "pairs", "calls"), rows=largest))
    tell(tables, [], machine=machine, raw={"plan": plan, "calls": counts}, path=None)
    if arguments.json:
        kept = ",\n".join(f'"{name}": {json.dumps(one)}' for name, one in {"plan": plan, **counts}.items())
        arguments.json.write_text(f"{{\n{kept}\n}}\n")


if __name__ == "__main__":
    main()
