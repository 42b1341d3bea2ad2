"""The two pipelines: what they leave behind, exact continuation after a kill, and one curve from either namespace."""

from __future__ import annotations

import csv
import importlib
import os
import subprocess
import sys

import pytest
import torch

from refops.cli import main
from refops.training import Settings, fit, image_task, text_task
from refops.training.checkpoint import load, save
from refops.training.curves import differences
from refops.training.extras import need
from refops.training.loop import evaluate, start
from refops.training.task import nudged

TINY = ["--width", "4", "--samples", "100", "--epochs", "2"]


@pytest.fixture(scope="module")
def images():
    return image_task(width=4, samples=100)


@pytest.fixture(scope="module")
def lines():
    return text_task(16, samples=300)


def read(file):
    return list(csv.DictReader(file.read_text().splitlines()))


def timeless(history):
    return [{k: v for k, v in row.items() if k != "seconds"} for row in history]


def same(a, b):
    """Equal through and through, tensors bit for bit; how long an epoch took aside."""
    if isinstance(a, torch.Tensor):
        return a.dtype == b.dtype and torch.equal(a, b)
    if isinstance(a, dict):
        return a.keys() == b.keys() and all(same(v, b[k]) for k, v in a.items() if k != "seconds")
    if isinstance(a, list | tuple):
        return len(a) == len(b) and all(map(same, a, b))
    return a == b


def test_the_image_command_leaves_checkpoints_tables_and_pictures(tmp_path, capsys):
    out = tmp_path / "run"
    assert main(["train", "image", *TINY, "--out", str(out)]) == 0
    text = capsys.readouterr().out
    assert "100 to train" in text
    assert "torch  epoch 2/2" in text
    assert "refops epoch 2/2" in text
    for arm in ("torch", "refops", "yardstick"):
        names = {file.name for file in (out / arm).iterdir()}
        assert names == {"last.pt", "best.pt", "history.csv", "steps.csv", "curves.png"}
        rows = read(out / arm / "history.csv")
        assert [row["epoch"] for row in rows] == ["1", "2"]
        assert len(read(out / arm / "steps.csv")) == 8
        kept = load(out / arm / "last.pt")
        assert [row["train_loss"] for row in kept["history"]] == [float(row["train_loss"]) for row in rows]
        assert [row["lr"] for row in kept["history"]] == pytest.approx([0.05, 0.025])
        assert (out / arm / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert (out / "curves.png").read_bytes().startswith(b"\x89PNG")
    assert main(["train", "image", *TINY, "--out", str(out)]) == 2  # nothing is overwritten
    assert "--resume" in capsys.readouterr().err
    assert (
        main(["train", "image", *TINY, "--out", str(out), "--resume", "--ops", "torch"]) == 0
    )  # nothing is left to do
    assert "epoch 2/2" not in capsys.readouterr().out
    assert main(["train", "image", *TINY, "--out", str(out), "--resume", "--lr", "0.2"]) == 2
    assert "its lr is 0.05, not 0.2" in capsys.readouterr().err


def test_the_text_command(tmp_path, capsys):
    argv = ["train", "text", "--width", "16", "--samples", "200", "--epochs", "1", "--out", str(tmp_path)]
    assert main([*argv, "--ops", "refops"]) == 0
    assert "refops epoch 1/1" in capsys.readouterr().out
    assert {file.name for file in tmp_path.iterdir()} == {"refops"}
    kept = load(tmp_path / "refops" / "last.pt")
    assert kept["about"]["task"].startswith("lines of code and documentation (at most 200 samples)")


@pytest.mark.parametrize(
    ("argv", "says"),
    [
        (["image", "--ops", "jax"], "torch, refops or both"),
        (["image", "--epochs", "0"], "epochs must be at least 1"),
        (["image", "--batch-size", "1"], "batch_size"),
        (["image", "--lr", "0"], "lr must be > 0"),
        (["image", "--weight-decay", "-1"], "weight_decay"),
        (["image", "--dtype", "float16"], "float32 or float64"),
        (["image", "--dataset", "mnist"], "digits or cifar10"),
        (["image", "--model", "vgg"], "resnet18"),
        (["image", "--width", "0"], "width"),
        (["image", "--device", "toaster"], "toaster"),
        (["image", "--samples", "1"], "--samples"),
        (["text", "--width", "10"], "multiple of 4"),
        (["text", "--dropout", "1"], "dropout"),
        (["sound"], "sound"),
        ([], "command"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_refusals_are_one_line(argv, says, capsys, tmp_path):
    assert main(["train", *argv, *(["--out", str(tmp_path)] if argv else [])]) == 2
    found = capsys.readouterr()
    assert found.err.count("\n") == 1
    assert says in found.err
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    ("module", "argv", "says"),
    [
        (
            "torchvision",
            ["image", "--dataset", "cifar10"],
            "the CIFAR-10 data set needs torchvision: pip install torch",
        ),
        ("sklearn", ["image"], "the digits data set needs sklearn: pip install 'refops[train]'"),
        ("matplotlib", ["text"], "a picture of the curves needs matplotlib: pip install 'refops[train]'"),
    ],
)
def test_a_missing_package_is_one_sentence(module, argv, says, monkeypatch, capsys, tmp_path):
    for name in [name for name in sys.modules if name.partition(".")[0] == module]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setattr(importlib.import_module("refops.training.extras"), "import_module", _without(module))
    assert main(["train", *argv, "--out", str(tmp_path / "out")]) == 2
    assert says in capsys.readouterr().err
    assert not (tmp_path / "out").exists()


def _without(package):
    def fails(name):
        if name.partition(".")[0] == package:
            raise ModuleNotFoundError(f"No module named {package!r}", name=package)
        return importlib.import_module(name)

    return fails


def test_an_error_inside_a_package_is_not_mistaken_for_its_absence(monkeypatch):
    def fails(name):
        raise ModuleNotFoundError("No module named 'scipy'", name="scipy")

    monkeypatch.setattr(importlib.import_module("refops.training.extras"), "import_module", fails)
    with pytest.raises(ModuleNotFoundError, match="scipy"):
        need("sklearn.datasets", "the digits data set")


KILLED = """
import os, signal, sys
from pathlib import Path
from refops.training import checkpoint, loop
import torch
from refops.training import Settings, fit, {task}
torch.set_num_threads(1)
moment, out = sys.argv[1], Path(sys.argv[2])
def die(*_): os.kill(os.getpid(), signal.SIGKILL)
replaced = []
replace = os.replace
def counting(source, target):
    replaced.append(Path(target).name)
    if moment == "while writing" and replaced.count("last.pt") == 2:
        Path(source).write_bytes(Path(source).read_bytes()[:1000])
        die()
    replace(source, target)
checkpoint.os.replace = counting
def on_step(run, step, steps):
    if moment == "in an epoch" and len(run.history) == 1 and step == 2: die()
fit({call}, Settings(epochs=3, seed=7, lr={lr}), "{ops}", folder=out, on_step=on_step)
"""


@pytest.mark.parametrize(
    ("moment", "ops", "pipeline"),
    [("while writing", "refops", "image"), ("in an epoch", "torch", "image"), ("in an epoch", "refops", "text")],
)
def test_who_is_killed_goes_on_bit_for_bit(moment, ops, pipeline, images, lines, tmp_path):
    task, call, lr = (
        (images, "image_task(width=4, samples=100)", 0.1)
        if pipeline == "image"
        else (lines, "text_task(16, samples=300)", 1e-3)
    )
    settings = Settings(epochs=3, seed=7, lr=lr)
    whole = fit(task, settings, ops, folder=tmp_path / "whole")
    code = KILLED.format(task=f"{pipeline}_task", call=call, lr=lr, ops=ops)
    done = subprocess.run([sys.executable, "-c", code, moment, str(tmp_path / "killed")], check=False)
    assert done.returncode == -9
    assert len(load(tmp_path / "killed" / "last.pt")["history"]) == 1
    told = []
    resumed = fit(task, settings, ops, folder=tmp_path / "killed", resume=True, on_epoch=lambda r: told.append(r))
    assert len(told) == 2  # the epoch that was done is not done again
    assert timeless(resumed.history) == timeless(whole.history)
    assert resumed.steps == whole.steps
    for name in ("last.pt", "best.pt"):
        assert same(load(tmp_path / "whole" / name), load(tmp_path / "killed" / name)), name


@pytest.mark.parametrize("pipeline", ["image", "text"])
def test_both_namespaces_draw_one_curve(pipeline, images, lines):
    """In float64 only rounding tells them apart, and it has not grown far in some dozen steps."""
    task, lr = (images, 0.05) if pipeline == "image" else (lines, 1e-3)
    settings = Settings(epochs=3, lr=lr, dtype="float64")
    native, own = (fit(task, settings, ops) for ops in ("torch", "refops"))
    assert len(native.steps) >= 12
    assert own.steps == pytest.approx(native.steps, rel=1e-8)
    assert own.steps[0] == pytest.approx(native.steps[0], rel=1e-14)
    for row, expected in zip(own.history, native.history, strict=True):
        assert row["test_accuracy"] == expected["test_accuracy"]
        assert row["validation_loss"] == pytest.approx(expected["validation_loss"], rel=1e-8)
    assert native.history[-1]["train_loss"] < native.history[0]["train_loss"]


def test_what_tells_the_namespaces_apart_in_float32_is_rounding_alone(images):
    """The gap between them stays near that between torch and torch with its initial values moved by one rounding."""
    settings = Settings(epochs=3, lr=0.05)
    native, moved, own = fit(images, settings), fit(nudged(images), settings), fit(images, settings, "refops")
    alone, gap = (differences(native.steps, run.steps) for run in (moved, own))
    assert 0 < max(alone) < 0.2
    assert max(gap) < 10 * max(alone)
    assert gap[0] < 1e-6


def test_means_are_over_samples(images):
    run = start(images, Settings(), "refops")
    n = 100
    split = type(images.test)(images.train.inputs[:n].repeat(3, 1, 1, 1)[:257], images.train.labels.repeat(3)[:257])
    loss, accuracy = evaluate(run, split)  # batches of 256 and of 1
    run.model.eval()
    with torch.no_grad():
        scores = run.model(images.prepare(split.inputs, None).float())
    assert loss == pytest.approx(torch.nn.functional.cross_entropy(scores, split.labels).item(), rel=1e-5)
    assert accuracy == pytest.approx((scores.argmax(1) == split.labels).double().mean().item())


def test_the_best_epoch_is_validations_choice(images, tmp_path):
    run = fit(images, Settings(epochs=3, seed=1), folder=tmp_path)
    best = max(run.history, key=lambda row: (row["validation_accuracy"], -row["validation_loss"]))
    assert load(tmp_path / "best.pt")["history"][-1]["epoch"] == best["epoch"] == run.best["epoch"]
    other = start(images, Settings(epochs=3, seed=1), "refops")  # a checkpoint's model loads into either namespace
    other.model.load_state_dict(load(tmp_path / "best.pt")["model"])
    assert evaluate(other, images.test)[0] == pytest.approx(best["test_loss"], rel=1e-4)


def test_a_diverging_run_says_so(images):
    with pytest.raises(FloatingPointError, match="smaller --lr"):
        fit(images, Settings(lr=1e30))


def test_unreadable_checkpoints_are_refused(images, tmp_path):
    (tmp_path / "last.pt").write_bytes(b"half a file")
    with pytest.raises(ValueError, match=r"last\.pt is not a checkpoint"):
        fit(images, Settings(), folder=tmp_path, resume=True)
    save(tmp_path / "last.pt", {"about": {"task": "another"}})
    with pytest.raises(ValueError, match="its task is another"):
        fit(images, Settings(), folder=tmp_path, resume=True)


def test_a_failed_write_leaves_the_old_file(tmp_path, monkeypatch):
    save(tmp_path / "last.pt", {"epoch": 1})
    with pytest.raises(AttributeError):
        save(tmp_path / "last.pt", {"epoch": lambda: 2})  # cannot be pickled
    assert load(tmp_path / "last.pt") == {"epoch": 1}
    monkeypatch.setattr(os, "replace", lambda *_: 1 / 0)
    with pytest.raises(ZeroDivisionError):
        save(tmp_path / "last.pt", {"epoch": 3})
    assert load(tmp_path / "last.pt") == {"epoch": 1}
