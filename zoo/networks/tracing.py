"""A network -> a graph of its steps, and networks made of a part of that graph.

Tracing is torch.fx's, and never imports torchvision by itself. It is done in eval mode, so that what runs in
training only (the side exits of GoogLeNet) is not there.
"""

from __future__ import annotations

import math
import operator
import re
import sys
import threading
from collections import Counter, OrderedDict
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor, fx, nn
from torch.nn.modules.module import register_module_parameter_registration_hook

from zoo.errors import UnknownNameError, UsageError, ZooError

PATHS, FROZEN = "zoo.paths", "zoo.frozen"  # keys of a graph module's `meta`
_IN_PLACE = frozenset(
    [operator.setitem, operator.iadd, operator.isub, operator.imul, operator.itruediv, operator.ior, operator.iand]
)


@contextmanager
def on_meta() -> Iterator[None]:
    """Inside, the parameters of newly built modules are made on the meta device: no memory, no drawing of weights.

    Buffers and other tensors stay real: some networks compute with them while they are built. Modules that
    other threads build meanwhile are left alone.
    """
    builder = threading.get_ident()

    def move(_module: nn.Module, _name: str, parameter: nn.Parameter | None) -> nn.Parameter | None:
        if parameter is None or threading.get_ident() != builder or type(parameter) is not nn.Parameter:
            return None
        if parameter.is_meta:
            return None
        return nn.Parameter(torch.empty_like(parameter, device="meta"), requires_grad=parameter.requires_grad)

    hook = register_module_parameter_registration_hook(move)  # type: ignore[arg-type]  # its stub says None
    try:
        yield
    finally:
        hook.remove()


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """The steps of a network, in the order in which they run."""

    module: nn.Module
    graph: fx.Graph
    paths: Mapping[fx.Node, str]  # of every step but the output: `features.3`, `layer1.0.add`

    @property
    def output(self) -> fx.Node:
        """The last node, which gives the result."""
        return next(iter(reversed(self.graph.nodes)))

    def has(self, path: str) -> bool:
        """Whether `find` finds a node."""
        return self._last(path) is not None

    def find(self, path: str, *, also: Iterable[str] = ()) -> fx.Node:
        """The node of that path, or the last one below it (`layer1`).

        Args:
            path: of a step or of a module.
            also: more names that the user could have meant, for the message.

        Raises:
            UnknownNameError: there is none.
        """
        found = self._last(path)
        if found is None:
            raise UnknownNameError("cut", path, [*also, *self.paths.values()], listing="zoo cuts NAME")
        return found

    def _last(self, path: str) -> fx.Node | None:
        found = None
        for node, known in self.paths.items():
            if node.op in ("placeholder", "get_attr") or node.target is torch._assert:
                continue
            if known == path:
                return node
            if known.startswith(path + "."):
                found = node
        return found

    def parameters_of(self, nodes: Iterable[fx.Node]) -> dict[str, nn.Parameter]:
        """The parameters that these nodes use, by name."""
        used: dict[str, nn.Parameter] = {}
        for node in nodes:
            value = self.value_of(node) if node.op in ("call_module", "get_attr") else None
            if isinstance(value, nn.Parameter):
                used[str(node.target)] = value
            elif isinstance(value, nn.Module):
                used.update(value.named_parameters(prefix=str(node.target)))
        return used

    def needed(self, ends: Iterable[fx.Node]) -> list[fx.Node]:
        """The nodes that these ends depend on, and the ends, in the order in which they run.

        A step in place belongs to them, although nobody uses its result, where a later one reads what it wrote.
        """
        order = {node: index for index, node in enumerate(self.graph.nodes)}
        kept: set[fx.Node] = set()
        waiting = list(ends)
        while waiting:
            node = waiting.pop()
            if node in kept:
                continue
            kept.add(node)
            for source in node.all_input_nodes:
                waiting.append(source)
                waiting.extend(user for user in source.users if order[user] < order[node] and self.writes(user, source))
        return sorted(kept, key=order.__getitem__)

    def writes(self, node: fx.Node, value: fx.Node) -> bool:
        """Whether a node overwrites that value in place."""
        if not node.args or node.args[0] is not value:
            return False
        if node.op == "call_function":
            return node.target in _IN_PLACE or bool(node.kwargs.get("inplace", False))
        if node.op == "call_method":
            return str(node.target).endswith("_") and not str(node.target).endswith("__")
        if node.op == "call_module":
            return bool(getattr(self.module.get_submodule(str(node.target)), "inplace", False))
        return False

    def value_of(self, node: fx.Node) -> Any:
        """The parameter, buffer or constant that a `get_attr` node fetches, or the module that a node calls."""
        return node.meta["constant"] if "constant" in node.meta else operator.attrgetter(str(node.target))(self.module)


class TracedModule(fx.GraphModule):
    """A network made of traced steps; copies and pickles keep the paths of its nodes."""

    def train(self, mode: bool = True) -> TracedModule:
        """As in torch, unless `freeze` was called on it: then it stays in eval."""
        super().train(mode and not self.meta.get(FROZEN, False))
        return self

    def __reduce__(self) -> tuple[Any, ...]:
        remake, arguments = super().__reduce__()
        return _rebuild_traced, (remake, arguments, dict(self.meta), self.training)


def _rebuild_traced(
    remake: Callable[..., fx.GraphModule], arguments: Any, meta: dict[str, Any], training: bool
) -> TracedModule:
    plain = remake(*arguments)
    made = TracedModule(plain, plain.graph)
    made.meta.update(meta)
    made.training = training
    return made


class _Tracer(fx.Tracer):
    """torch.fx's tracer that notes for every node the path of the module it runs in.

    A module whose attribute `traced_whole` is true is one step, and so is a call of one of `functions`.
    """

    def __init__(self, functions: Iterable[Callable[..., Any]] = ()) -> None:
        ops = sys.modules.get("torchvision.ops")  # a network that uses them has imported them
        modules: Any = (math, ops) if ops else (math,)  # some versions of torch annotate a tuple of one
        super().__init__(autowrap_modules=modules, autowrap_functions=tuple(functions))
        kinds = vars(ops).values() if ops else ()
        self.whole = tuple(kind for kind in kinds if isinstance(kind, type) and issubclass(kind, nn.Module))
        self.found: dict[fx.Node, str] = {}
        self._inside = ""
        self._seen: Counter[str] = Counter()

    def is_leaf_module(self, m: nn.Module, module_qualified_name: str) -> bool:
        is_whole = isinstance(m, self.whole) or getattr(m, "traced_whole", False)
        return is_whole or super().is_leaf_module(m, module_qualified_name)

    def call_module(
        self, m: nn.Module, forward: Callable[..., Any], args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> Any:
        outside, self._inside = self._inside, self.path_of_module(m)
        try:
            return super().call_module(m, forward, args, kwargs)
        finally:
            self._inside = outside

    def create_proxy(self, kind: str, *args: Any, **kwargs: Any) -> fx.Proxy:
        proxy = super().create_proxy(kind, *args, **kwargs)
        node = proxy.node
        step = "" if kind == "call_module" else re.sub(r"_\d+$", "", node.name)
        path = ".".join(part for part in (self._inside, step) if part)
        if kind != "output":
            self.found[node] = f"{path}_{self._seen[path]}" if self._seen[path] else path
            self._seen[path] += 1
        return proxy


def trace(module: nn.Module) -> Trace:
    """Find the steps of a network. One that `build_traced_module` made has its own.

    Raises:
        ZooError: its forward depends on values, or is not Python; the message names the cause.
    """
    if not isinstance(module, nn.Module):
        raise UsageError(f"A torch.nn.Module is needed, not {module!r:.100}.", "Load one: zoo.load(NAME).module.")
    if isinstance(module, TracedModule):
        nodes = [node for node in module.graph.nodes if node.op != "output"]
        known = module.meta.get(PATHS, ())
        return Trace(module=module, graph=module.graph, paths=dict(zip(nodes, known, strict=True)))
    tracer = _Tracer(getattr(module, "traced_functions", ()))
    before = set(vars(module))
    try:
        with _eval_mode(module):
            graph = tracer.trace(module)
    except Exception as error:  # a forward may raise anything when it is given proxies
        cause = str(error).strip().splitlines() or [""]
        raise ZooError(
            f"{type(module).__name__} cannot be traced ({type(error).__name__}: {cause[0]}).",
            "Give its cuts with Backbones.cuts and Backbones.truncated, or write its forward without such a branch.",
        ) from error
    constants = {name: value for name, value in vars(module).items() if name not in before}
    for name in constants:
        delattr(module, name)  # fx leaves constants on the traced module; they are moved to the graph
    for node in graph.nodes:
        if node.op == "get_attr" and node.target in constants:
            node.meta["constant"] = constants[str(node.target)]
    steps = [node for node in graph.nodes if node.op != "output"]
    paths = {node: tracer.found.get(node, str(node.target)) for node in steps}  # fx adds buffers without a proxy
    return Trace(module=module, graph=graph, paths=paths)


def build_traced_module(traced: Trace, graph: fx.Graph, paths: Mapping[fx.Node, str]) -> TracedModule:
    """A network that runs a graph on the traced network's own modules, under their own names.

    Only what the graph uses is inside: torch.fx takes over nothing else.

    Args:
        traced: where the modules and parameters come from; they are shared, not copied.
        graph: nodes copied from the trace's graph.
        paths: of the graph's nodes.
    """
    fetched = {node: traced.value_of(node) for node in graph.nodes if node.op == "get_attr"}
    constants = {str(node.target): value for node, value in fetched.items() if "constant" in node.meta}
    vars(traced.module).update(constants)  # torch.fx looks them up on the network
    try:
        network = TracedModule(traced.module, graph, "Traced")
    finally:
        for name in constants:
            del vars(traced.module)[name]
    for node, value in fetched.items():
        if isinstance(value, Tensor) and not isinstance(value, nn.Parameter):
            parent, _, name = str(node.target).rpartition(".")
            if "constant" in node.meta or name in traced.module.get_submodule(parent)._non_persistent_buffers_set:
                network.get_submodule(parent)._non_persistent_buffers_set.add(name)
    network.meta[PATHS] = tuple(paths[node] for node in graph.nodes if node.op != "output")
    network.training = traced.module.training
    return network


@contextmanager
def _eval_mode(module: nn.Module) -> Iterator[None]:
    """Inside, the module and its parts are in eval mode and no hooks run; afterwards each is as it was."""
    kept = ("training", "_forward_hooks", "_forward_pre_hooks")
    before = {part: {name: vars(part)[name] for name in kept} for part in module.modules()}
    try:
        for part in before:
            vars(part).update(training=False, _forward_hooks=OrderedDict(), _forward_pre_hooks=OrderedDict())
        yield
    finally:
        for part, values in before.items():
            vars(part).update(values)
