"""Fine-tuning through our public names. Argument: a JSON object. See `benchmarks/finetune.py`."""

import json
import sys
import time
from pathlib import Path

import torch

import zoo

work = json.loads(sys.argv[1])
begun = time.perf_counter()
data = zoo.open_dataset("plankton", work["root"], options=work["options"])
model = zoo.assemble(work["base"], dataset=data.dataset, size=work["size"], seed=work["seed"])
run = zoo.train(
    model,
    data,
    out=Path(work["out"]),
    seed=work["seed"],
    device=work["device"],
    retrain=work["retrain"],
    epochs=work["epochs"],
    batch=work["batch"],
    rate=work["rate"],
    layer_decay=1.0,
    head_epochs=0,
    patience=max(1, work["epochs"]),
)
whole = time.perf_counter() - begun
epochs = run.history[1:]  # the first line is the judgement before any training
training = sum(epoch["seconds"] for epoch in epochs)
told = {
    "whole": whole,
    "fit": run.record.seconds,
    "training": training,
    "rate": work["epochs"] * run.record.splits.train / training,
    "accuracy": run.metrics["test"]["classify"]["accuracy"],
    "threads": torch.get_num_threads(),
}
print(json.dumps(told))
