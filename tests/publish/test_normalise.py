"""What differs between two runs of a notebook is taken out, and nothing else."""

from nbformat.v4 import new_code_cell, new_markdown_cell, new_notebook, new_output

from facelib.publish.normalise import normalise


def run_of(address, seconds, drawn):
    """A notebook as papermill leaves it."""
    outputs = [
        new_output("stream", name="stdout", text=f"<object at {address}> and 0xff\n"),
        new_output("stream", name="stderr", text=f"took {seconds} s\n"),
        new_output(
            "execute_result", {"text/plain": f"[<f at {address}>]", "image/png": f"at {address}"}, execution_count=1
        ),
    ]
    metadata = {"papermill": {"duration": seconds}, "execution": {"start": str(seconds)}, "tags": ["kept"]}
    cells = [
        new_code_cell("profile = 'smoke'", id=drawn, metadata={"tags": ["injected-parameters"]}),
        new_code_cell("f", id="b", metadata=metadata, outputs=outputs),
        new_markdown_cell("at 0x1 stays", id="c", metadata={"papermill": {"duration": seconds}}),
    ]
    return new_notebook(cells=cells, metadata={"papermill": {"end": seconds}, "title": "kept"})


def test_two_runs_become_equal():
    first, second = run_of("0x7f01", 1.5, "a1"), run_of("0xFFe2", 2.5, "a2")
    for notebook in (first, second):
        for output in notebook.cells[1].outputs:
            output.get("data", {}).pop("image/png", None)
        normalise(notebook)
    assert first == second


def test_what_a_reader_sees_stays():
    notebook = run_of("0x7f01", 1.5, "a1")
    normalise(notebook)
    _, code, text = notebook.cells
    assert [output.output_type for output in code.outputs] == ["stream", "execute_result"]
    assert code.outputs[0].text == "<object> and 0xff\n" and code.outputs[1].data["text/plain"] == "[<f>]"
    assert code.outputs[1].data["image/png"] == "at 0x7f01" and text.source == "at 0x1 stays"
    assert code.metadata == {"tags": ["kept"]} and notebook.metadata == {"title": "kept"}
