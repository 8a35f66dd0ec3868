"""What the notebooks are about, how long each takes, and which have been run: for `notebooks/index.ipynb`."""

import json
import re
import time
from pathlib import Path

from IPython.display import Markdown

from facelib.config import ROOT, Config
from facelib.results import MissingResultError, portable, read_results
from facelib.show.tables import show_table


def list_notebooks(config: Config, folder: Path | None = None) -> Markdown:
    """A table of the numbered notebooks in `folder`, with what they say of themselves and whether `config` has run."""
    rows = [("notebook", "question", "time", f"run, profile {config.profile}")]
    for path in sorted((folder or ROOT / "notebooks").glob("[0-9]*.ipynb")):
        text = " ".join("".join(json.loads(path.read_text("utf-8"))["cells"][0]["source"]).split())
        title = re.search(r"^# (.*?) \*\*", text)
        question = re.search(r"\*\*Question\.\*\* (.*?\?)", text)
        cost = re.search(r"\*\*Expected time and result\.\*\* (.*?)[.:](?= |$)", text)
        name = re.sub(r" \(question \w+\)", "", title[1]) if title else path.stem
        said = [found[1].replace("|", r"\|") if found else "" for found in (question, cost)]
        rows.append((f"[{name}]({path.name})", *said, _state(config, path.stem)))
    return show_table(*rows)


def _state(config, name):
    path = config.reports / "results" / f"{name}.json"
    try:
        found = read_results(config, name)
    except MissingResultError:
        return "damaged" if path.exists() else "not yet"
    if found.get("provenance", {}).get("config") != json.loads(json.dumps(portable(config))):
        return "with other settings"
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(path.stat().st_mtime))
