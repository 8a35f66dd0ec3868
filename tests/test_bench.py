"""The benchmark: its arithmetic, its table, its limits, and that both sides of a comparison do the same work."""

import json
import sys
import time

import numpy as np
import pytest
from conftest import tiny_network

from bench import __main__ as program
from bench.alternate import Row, Series, alternate, compare_memory, compare_speed
from bench.cases import ROWS, Case
from bench.embeddings import COSINE, make_embeddings
from bench.faces import write_faces
from bench.side import LimitError, Measurement, Side, SideError
from bench.table import Shares, as_markdown

FACTS = {
    "processor": "Some processor", "cores": 2, "flags": ["avx2"], "memory_gib": 8.0, "load": 0.1, "system": "Linux",
    "python": "3.12.0", "versions": {"tensorflow": "2.21.0", "torch": "not installed"},
}  # fmt: skip
SPEED = Row("gather", "gathering", "decoding", "images/s", 1234.0, 100.0, 12.34, 9.876, 15.0, goal=20)


# --- arithmetic ------------------------------------------------------------------------------------------------------


def test_ratio_is_the_median_of_the_pairs_not_the_ratio_of_the_medians():
    # pairs: 2/1, 9/3, 8/2 times faster; medians 2 and 8 s
    row = compare_speed("r", "w", "a", "images/s", (10, 10), Series((1.0, 3.0, 2.0)), Series((2.0, 9.0, 8.0)))
    assert (row.ours, row.theirs) == (5.0, 1.25)
    assert (row.ratio, row.lowest, row.highest) == pytest.approx((3.0, 2.0, 4.0))


def test_sides_that_deal_with_different_amounts_are_compared_by_speed():
    row = compare_speed("r", "w", "a", "pairs/s", (1200, 60), Series((6.0,)), Series((3.0,)))
    assert (row.ours, row.theirs, row.ratio) == (200.0, 20.0, 10.0)


@pytest.mark.parametrize("failed", [0, 1])
def test_side_that_failed_gives_no_ratio(failed):
    series = [Series((1.0,), 2**21), Series((1.0,), 2**21)]
    series[failed] = Series((), 0, "more than 12 GiB")
    for row in (compare_speed("r", "w", "a", "u", (1, 1), *series), compare_memory("r", "w", "a", *series)):
        assert row.ratio is row.lowest is row.highest is None
        assert row.failures[failed] == "more than 12 GiB" and not row.failures[1 - failed]
        assert [row.ours, row.theirs][failed] is None and [row.ours, row.theirs][1 - failed] is not None


def test_memory_is_in_mib_and_less_is_better():
    row = compare_memory("r", "w", "a", Series((1.0,), 2 * 2**20), Series((1.0,), 10 * 2**20))
    assert (row.ours, row.theirs, row.ratio, row.unit) == (2.0, 10.0, 5.0, "MiB")


def test_sides_take_turns_after_one_untimed_call_each():
    calls = []

    def side(name):
        def call():
            calls.append(name)
            return Measurement(float(len(calls)), 100 + len(calls))

        return call

    series = alternate({"ours": side("ours"), "theirs": side("theirs")}, at_most=4)
    assert calls == ["ours", "theirs"] * 5
    assert series["ours"] == Series((3.0, 5.0, 7.0, 9.0), 101)  # the peak is that of the untimed call
    assert series["theirs"] == Series((4.0, 6.0, 8.0, 10.0), 102)


@pytest.mark.parametrize("good_calls", [0, 2])
def test_side_that_passes_a_limit_is_not_called_again(good_calls):
    calls = []

    def failing():
        calls.append(1)
        if len(calls) > good_calls:
            raise LimitError("more than 60 s")
        return Measurement(1.0, 5)

    series = alternate({"theirs": failing, "ours": lambda: Measurement(2.0, 7)}, at_most=3)
    assert series["theirs"] == Series((), 0, "more than 60 s") and len(calls) == good_calls + 1
    assert series["ours"] == Series((2.0, 2.0, 2.0), 7)


# --- the table -------------------------------------------------------------------------------------------------------


def test_line_of_the_table():
    wanted = (
        "| gather | gathering | 1,234 images/s | decoding | 100 images/s | 12.3 (9.88 to 15.0) | at least 20: missed |"
    )
    assert wanted in as_markdown(FACTS, [SPEED]).splitlines()


def test_failure_stands_where_the_number_would():
    row = Row("mining", "m", "peer", "MiB", 0.5, None, None, None, None, None, ("", "more than 12 GiB"))
    assert "| mining | m | 0.50 MiB | peer | more than 12 GiB |  |  |" in as_markdown(FACTS, [row]).splitlines()


def test_heading_names_the_machine_and_what_disturbs():
    quiet = as_markdown(FACTS, [SPEED])
    for text in ("Some processor, 2 cores, avx2, 8.0 GiB", "tensorflow 2.21.0, torch not installed"):
        assert text in quiet
    assert "prove nothing" not in quiet and "disturbed" not in quiet
    quick = as_markdown({**FACTS, "load": 3.2}, [SPEED], quick=True)
    assert "its numbers prove nothing" in quick and "The load was 3.2 before the start" in quick
    assert "missed" not in quick  # nor does it judge


def test_shares_add_up_and_remarks_come_once():
    text = as_markdown(FACTS, ["a remark", Shares("A step", 64, {"forward": 0.3, "backward": 0.1}), "a remark"])
    for line in ("A step: 160 images/s when all parts run one after another", "| forward | 300.0 | 75.0 % |"):
        assert line in text.splitlines()
    assert text.count("- a remark") == 1


# --- a process of its own --------------------------------------------------------------------------------------------


def allocate(size):
    return lambda: np.ones(size, np.uint8).sum()


def sleep():
    return time.sleep


def mistake():
    raise KeyError("no such thing")


def test_peak_is_what_the_call_adds():
    with Side("test_bench:allocate", 2**28) as side:
        first, second = side(), side()
    for measured in (first, second):  # the memory is given back in between
        assert 0.9 * 2**28 < measured.peak < 1.3 * 2**28
        assert measured.seconds > 0


def test_too_much_memory_is_said():
    size = 2**31 if sys.platform == "linux" else 2**60  # other systems hold no process to the limit
    with Side("test_bench:allocate", size, memory_limit=2**30) as side:
        with pytest.raises(LimitError, match="^more than 1 GiB$"):
            side()


def test_too_much_time_is_said():
    with Side("test_bench:sleep", seconds_limit=0.2) as side:
        assert side(0.0).seconds < 0.2
        with pytest.raises(LimitError, match="^more than 0.2 s$"):
            side(600.0)
    assert not side.process.is_alive()


def test_other_errors_are_not_taken_for_limits():
    with Side("test_bench:mistake") as side:
        with pytest.raises(SideError, match="test_bench:mistake: KeyError: 'no such thing'"):
            side()


# --- the program -----------------------------------------------------------------------------------------------------


def test_quick_pass_of_one_row(tmp_path, capsys):
    path = tmp_path / "numbers.json"
    assert program.main(["--quick", "--only", "gather", "--json", str(path)]) == 0
    content = json.loads(path.read_text())
    (row,) = content["rows"]
    assert content["quick"] and row["row"] == "gather" and row["unit"] == "images/s"
    assert row["ours"] > 0 and row["theirs"] > 0 and row["lowest"] <= row["ratio"] <= row["highest"]
    table = path.with_suffix(".md").read_text()
    assert "| gather | gather from the decoded cache |" in table and "prove nothing" in table
    shown = capsys.readouterr()
    assert table in shown.out and "benchmark: 100%" in shown.err


def test_what_failed_costs_its_own_comparison_only(tmp_path, capsys, monkeypatch):
    def broken(*_):
        raise SideError("bench.nothing:here: ValueError: no")

    monkeypatch.setitem(ROWS, "shares", [Case("shares of a step", 1, broken)])
    monkeypatch.setitem(ROWS, "gather", [Case("gather", 1, lambda *_: [SPEED])])  # which is measured above
    assert program.main(["--quick", "--only", "gather", "shares", "--json", str(tmp_path / "b.json")]) == 1
    printed = capsys.readouterr()
    assert "error: shares of a step, bench.nothing:here: ValueError: no" in printed.err
    assert "- Not measured: shares of a step, bench.nothing:here" in printed.out
    assert [row["row"] for row in json.loads((tmp_path / "b.json").read_text())["rows"]] == ["gather"]


def test_missing_packages_are_one_message_before_anything_runs(monkeypatch, capsys):
    monkeypatch.setattr(program.importlib.util, "find_spec", lambda name: None)
    assert program.main(["--quick"]) == 1
    shown = capsys.readouterr()
    assert shown.out == "" and shown.err.startswith("error: torch and pytorch_metric_learning cannot be imported")
    assert "make bench" in shown.err and "--only reference-step" in shown.err and len(shown.err.splitlines()) == 1


@pytest.mark.parametrize("arguments", [["--only", "speed"], ["--json", "numbers.txt"]])
def test_wrong_arguments_are_refused(arguments, capsys):
    with pytest.raises(SystemExit):
        program.main(arguments)
    assert arguments[1] in capsys.readouterr().err


# --- both sides do the same work -------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def faces(tmp_path_factory):
    folder = tmp_path_factory.mktemp("drawn")
    write_faces(folder, 16, 4)
    return str(folder)


def test_gathered_and_decoded_batches_are_equal(faces):
    from bench.feeding import decode, gather

    gathered, decoded = gather(faces, 2)(), decode(faces, 2)()
    assert len(gathered) == len(decoded) == 2
    np.testing.assert_array_equal(np.stack(gathered), np.stack(decoded))


def test_augmented_batches_are_as_many_and_as_large_as_the_table_says(faces):
    from bench.feeding import augment

    assert augment(faces, "gpu", 4, 3, 2)() == [12, 12]  # how many cores there are is left alone


def test_scores_in_batches_and_pair_by_pair_agree():
    from bench.verifying import in_batches, pair_by_pair

    scores = in_batches("residual", 6, 8)()
    assert scores.shape == (6,)
    np.testing.assert_allclose(pair_by_pair("residual", 6, 8, 4)(), scores[:4], atol=5e-3)


def test_first_loss_of_the_plain_step_is_that_of_facelib(faces, monkeypatch):
    """With a network that is compiled in no time: either side builds the same one."""
    from bench.steps import facelib_step, plain_step
    from facelib.learn import networks

    built = []
    monkeypatch.setattr(networks, "build_network", lambda *given: built.append(given) or tiny_network(*given))
    ours = facelib_step(faces, "reference", 6, 3, "bfloat16=False")()
    assert ours > 0 and plain_step(faces, "reference", 6, 3)() == pytest.approx(ours, rel=1e-4)
    assert built[0] == built[1] and len(built) == 2


def test_parts_of_our_step_see_what_training_shows_the_network(faces, monkeypatch):
    from bench import steps
    from facelib.config import PROFILES

    monkeypatch.setitem(PROFILES, "laptop", {"image_size": 48})
    seen = []
    forward = steps.train_step
    monkeypatch.setattr(
        steps,
        "train_step",
        lambda learner, select, *batch: seen.append(batch[1].shape) or forward(learner, select, *batch),
    )
    run = steps.parts(faces, "laptop", 4, 2)
    assert float(run("step")["loss"]) >= 0 and seen == [(8, 48, 48, 3)]
    assert run("augmented").shape == (8, 48, 48, 3) and run("gathered").shape == (8, 112, 112, 3)


def test_embeddings_are_unit_and_as_similar_as_said():
    labels, embeddings = make_embeddings(40, 4)
    np.testing.assert_allclose(np.linalg.norm(embeddings, axis=1), 1, atol=1e-6)
    products, same = embeddings @ embeddings.T, labels[:, None] == labels
    assert abs(products[same & ~np.eye(160, dtype=bool)].mean() - COSINE) < 0.03
    assert abs(products[~same].mean()) < 0.03


def test_peers_select_what_the_table_says_of_them():
    pytest.importorskip("pytorch_metric_learning")
    torch = pytest.importorskip("torch")
    from bench.peers import _miner
    from facelib.learn.mining import select_triplets

    labels, embeddings = make_embeddings(12, 4)
    tensors = torch.from_numpy(embeddings), torch.from_numpy(labels)
    anchors, positives, others, negatives = (each.tolist() for each in _miner("BatchEasyHardMiner")(*tensors))
    hardest = dict(zip(others, negatives, strict=True))
    theirs = {(a, p, hardest[a]) for a, p in zip(anchors, positives, strict=True)}
    assert {tuple(t) for t in select_triplets(labels, embeddings, "hard").numpy().tolist()} == theirs
    for method, name in (("semi-hard", "TripletMarginMiner semihard"), ("hard", "TripletMarginMiner hard")):
        every = set(zip(*(each.tolist() for each in _miner(name)(*tensors)), strict=True))
        ours = {tuple(t) for t in select_triplets(labels, embeddings, method, 0.1).numpy().tolist()}
        if method == "semi-hard":
            assert ours <= every and {t[:2] for t in ours} == {t[:2] for t in every}
        else:  # theirs only where the negative is closer than the positive
            assert every and {t[:2] for t in every} <= {t[:2] for t in ours}
