"""The report itself, reports/report.typ, on figures that are made up here."""

import dataclasses
import json
import re
import types

import nbformat
import pypdf
import pytest
from made_up import RESULTS

from facelib.config import ROOT, Config
from facelib.publish import PublishingError
from facelib.publish.questions import name_anchor
from facelib.publish.report import compile_report, measure_body
from facelib.show.recipe import recipe_in_words

WHOLE = RESULTS["08_experiments"]["whole"]
GAINS = RESULTS["07_lfw_test"]["gains"]
LINKS = "#show link: set text(fill: accent)"  # how the report draws them
# Numbers of the text itself: of methods, and of the networks as they are defined.
CONSTANTS = [
    "95 % interval", "128 and 256 channels", "directions have 0.5;", "View 2 of", "is 1 minus its", "(weight 1)",
    "with a 95 % interval at each",
]  # fmt: skip
PARTS = RESULTS["09_small_sets"]["parts"]
PLAIN = dict(name="no augmentation", validation_roc_auc=0.7, validation_accuracy=0.65)
# as matplotlib writes it: the text for who cannot see it is in the metadata
FIGURE = """<svg xmlns="http://www.w3.org/2000/svg" width="{width}" height="{height}"><metadata><rdf:RDF
 xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#"><dc:description>A
rectangle in the corner of {name}</dc:description></rdf:RDF></metadata><rect width="9" height="9"/></svg>"""
PROVENANCE = dict(
    commit="0123456789abcdef0123", dirty=False, python="3.11.7", versions={"tensorflow": "2.21.0", "numpy": "2.4.6"},
    threads=2, processor="x86_64 avx2", seed=7, data_digest="fedcba9876543210",
)  # fmt: skip
SIZES = {
    "06_training": (720, 288),
    "08_minutes": (389, 173),
    "08_identities": (389, 158),
    "07_roc": (346, 317),
    "07_scores": (504, 216),
}


@pytest.fixture
def report(tmp_path):
    """Function that compiles the report on made-up results, some of them or of the configuration changed."""

    def compile_changed(data="real", without=None, commit=types.MappingProxyType({}), source=("", ""), **changes):
        run = tmp_path / "run"
        for folder in ("results", "figures"):
            (run / folder).mkdir(parents=True, exist_ok=True)
        for name in ("report.typ", "references.bib"):
            (tmp_path / name).write_text((ROOT / "reports" / name).read_text().replace(*source))
        config = dataclasses.asdict(Config(profile="laptop"))
        config |= {key: value for key, value in changes.items() if key in config}
        recipe = {"recipe": recipe_in_words(Config(**config))[2:]}
        for name, figures in RESULTS.items():
            content = (
                figures
                | (recipe if name == "06_training" else {})
                | {key: value for key, value in changes.items() if key in figures}
            )
            content = {key: value for key, value in content.items() if key != without}
            content |= {"data": data, "provenance": PROVENANCE | {"config": config} | commit}
            (run / "results" / f"{name}.json").write_text(json.dumps(content))
        for name, (width, height) in SIZES.items():
            (run / "figures" / f"{name}.svg").write_text(FIGURE.format(name=name, width=width, height=height))
        path = tmp_path / "report.typ"
        (run / "report.pdf").write_bytes(compile_report(path, run))
        pages = pypdf.PdfReader(run / "report.pdf").pages
        texts = [page.extract_text().split()[:-1] for page in pages]  # the last word of a page is its number
        return [" ".join(words) for words in texts], measure_body(path, run)

    return compile_changed


def test_numbers_are_those_of_the_results(report):
    text = " ".join(report()[0])
    for figure in ("5,926", "1,200", "4.9", "0.9389", "85.2", "86.1", "0.710", "0.702", "0.1234", "2.80", "190,512"):
        assert figure in text, figure
    assert "steps of warm-up, then cosine decay; weight decay 0.05" in text


def typed_numbers(report, typed="", **changes):
    """The numbers of the body that lead nowhere and are no CONSTANTS, with `typed` at the end of its first sentence.

    Left out are formulas, and the numbers that Typst gives to headings, figures, tables, equations and references.
    """
    masks = (
        f"{LINKS}\n#show link: [linked]\n#show math.equation: [formula]\n#show heading: it => it.body\n#show ref: []\n"
    )
    masks += "#show figure.caption: it => it.body\n#set enum(numbering: number => [])\n"
    sentence = "passes a threshold."
    source = (ROOT / "reports" / "report.typ").read_text()
    assert source.count(LINKS) == source.count(sentence) == 1
    changed = source.replace(LINKS, masks).replace(sentence, sentence + typed)
    text = " ".join(report(source=(source, changed), **changes)[0]).replace("\xa0", " ").partition(" References ")[0]
    for constant in CONSTANTS:
        text = text.replace(constant, "")
    return re.findall(r"(?<![\w.-])\d[\d.,]*", text)


@pytest.mark.parametrize(
    "changes", [dict(), dict(data="drawn"), dict(faces="drawn"), dict(network="shallow_inception_resnet_v2"),
                dict(training_names=1056, shared_names=17, earlier=9, median=9.0, best_epoch=12, unreadable=1)]
)  # fmt: skip
def test_every_number_leads_to_the_section_that_computed_it(report, changes):
    assert typed_numbers(report, **changes) == []
    assert typed_numbers(report, " It is right in 93.7 % of 1,200 cases.", **changes) == ["93.7", "1,200"]


def test_links_lead_to_sections_of_the_notebooks(report, tmp_path):
    report()
    pages = pypdf.PdfReader(tmp_path / "run" / "report.pdf").pages
    links = {note["/A"]["/URI"] for page in pages for note in page.get("/Annots", []) if "/URI" in note.get("/A", {})}
    links = {link for link in links if not link.startswith("https://")}  # those of the references
    anchors = set()
    for path in (ROOT / "notebooks").glob("[0-9]*.ipynb"):
        for cell in nbformat.read(path, as_version=4).cells:
            for heading in re.findall(r"^##+ (.*)$", cell.source, re.MULTILINE) if cell.cell_type == "markdown" else ():
                anchors.add(f"html/{path.stem}.html#{name_anchor(heading.replace('`', ''))}")
    assert links <= anchors
    assert {link[5:7] for link in links} == {f"{number:02}" for number in range(1, 11)}  # all notebooks


def test_the_last_page_says_how_it_was_made(report):
    pages, body = report()
    assert body <= 3
    for words in (
        "commit 0123456789ab",
        "Python 3.11.7, tensorflow 2.21.0, numpy 2.4.6",
        "x86_64 avx2, 2 threads",
        "fedcba987654",
    ):
        assert words in pages[3], words
    assert "How this was made" in pages[3] and "with changes" not in pages[3] and "drawn faces, which" not in pages[3]
    pages, _ = report(data="drawn", commit={"commit": None, "dirty": None})  # as in an unpacked hand-in
    assert "drawn faces, which say nothing about people" in pages[3] and "not under version control" in pages[3]
    pages, _ = report(commit={"dirty": True})
    assert "commit 0123456789ab, with changes that are in no commit" in pages[3]


def texts_for_who_cannot_see(element):
    """The alternative texts below an element of a PDF's structure, in order."""
    element = element.get_object() if hasattr(element, "get_object") else element
    if isinstance(element, list):
        return [text for part in element for text in texts_for_who_cannot_see(part)]
    if not isinstance(element, dict):
        return []
    return [str(element[key]) for key in ("/Alt",) if key in element] + texts_for_who_cannot_see(element.get("/K", []))


def test_it_is_made_for_screen_readers_and_archives_with_a_text_for_every_formula_and_figure(report, tmp_path):
    report()
    root = pypdf.PdfReader(tmp_path / "run" / "report.pdf").trailer["/Root"]
    claims = root["/Metadata"].get_object().get_data().decode()
    assert "<pdfuaid:part>1</pdfuaid:part>" in claims
    assert "<pdfaid:part>2</pdfaid:part>" in claims and "<pdfaid:conformance>B</pdfaid:conformance>" in claims
    assert root["/Lang"] == "en-GB" and root["/MarkInfo"]["/Marked"]
    texts = texts_for_who_cannot_see(root["/StructTreeRoot"])
    for name in SIZES:
        assert " ".join(f"A rectangle in the corner of {name}".split()) in [" ".join(text.split()) for text in texts]
    assert "x equals d squared (a, p) minus d squared (a, n) plus mu" in texts
    assert "s equals (the inner product of x 1, x 2 plus 1) over 2" in texts
    assert any(text.startswith("the loss L is one over gamma times the logarithm") for text in texts)
    assert all(text.strip() and "  " not in text for text in texts)


def test_a_figure_without_a_text_is_refused(report, monkeypatch):
    monkeypatch.setitem(globals(), "FIGURE", FIGURE.replace("dc:description", "dc:title"))
    with pytest.raises(PublishingError, match="missing alt text"):
        report()


def test_the_study_names_the_best_choice_of_each_factor_and_what_time_buys(report):
    text = " ".join(report()[0]).replace("\xa0", " ")
    assert "81 trials out of 83" in text
    assert "7 failed: 4 × collapse, 2 × the loss is not finite, 1 × OSError" in text
    assert "residual of 2" not in text and "shallow Inception- ResNet-v2 of 2 1.1 ± 1.2 7.6" in text
    assert "no alignment, warped as much of 16 1.1 ± 1.2 7.6" in text
    assert "memory of 256 images of 7 1.1 7.6" in text  # one seed has no range
    assert "The best of 12 trials of a search" in text and "ROC AUC of 0.8888 (the base: 0.8777)" in text
    assert "learning rate 0.0017 and weight decay 0.051" in text
    assert "from 71.0 % to 84.0 %" in text and "rings: with the settings of best; the reference system" in text
    assert "earlier version" not in text
    assert "9 of these trials are of an earlier version of the recipe" in " ".join(report(earlier=9)[0])


def test_the_curve_and_the_whole_recipe_need_no_table_of_choices(report):
    text = " ".join(report(factors=[], search=dict(trials=0, best=None), causes={}, failed=0)[0])
    assert "more time buys" in text and "The whole recipe" in text and "best choice" not in text


def test_the_forecast_is_told_with_its_intervals_and_as_what_it_is(report):
    text = " ".join(report()[0]).replace("\xa0", " ")
    assert (
        "A power law of the errors of 8 trainings of the base’s length gives, for 8,000 identities, forecast, not"
        in text
    )
    for words in (
        "91.2 % [88.1, 93.3] network alone",
        "93.5 % [90.4,",
        "95.6] with texture, normalised. A training there",
    ):
        assert words in text  # the figure may stand between
    assert "Errors over training identities; dashed: forecast, not measured." in text
    few = dict(RESULTS["08_experiments"]["forecast"], kinds={})
    for changes in (dict(forecast=few), dict(faces="drawn"), dict(data="drawn")):
        text = " ".join(report(**changes)[0])
        assert "not measured" not in text and "power law" not in text


def test_the_whole_recipe_has_the_spread_of_its_seeds_where_there_are_several(report):
    text = " ".join(report()[0]).replace("\xa0", " ")
    assert (
        "with 3 seeds and 104 minutes of training reaches, after its last epoch, 91.7 % of the test pairs" in text
        and "(at the best one for them, 92.1 %)" in text
    )
    assert "ROC AUC of 0.9753; the standard deviations over the seeds are 0.4 points and 0.0016" in text
    figures = {name: figure | {"deviation": None} for name, figure in WHOLE.items() if name != "seeds"}
    text = " ".join(report(whole={"seeds": 1, **figures})[0])
    assert "with 1 seed and" in text and "standard deviations" not in text


def test_the_study_is_left_out_where_there_is_none_or_one_on_other_faces(report):
    nothing = dict(factors=[], minutes=[], whole=dict(seeds=0), trials=0)
    for changes in (nothing, dict(faces="drawn"), dict(data="drawn")):
        pages, body = report(**changes)
        text = " ".join(pages)
        assert 2 < body <= 3
        assert not any(words in text for words in ("trials out of", "more time buys", "whole recipe"))
    search = dict(trials=0, best=None)
    assert "trials of a search" not in " ".join(report(failed=0, search=search, minutes=[])[0])


def test_figures_on_the_test_pairs_come_with_their_intervals(report):
    text = " ".join(report()[0]).replace("\xa0", " ")
    for figure in (
        "[0.9212, 0.9534]",
        "[0.9236, 0.9549]",
        "[12.0, 16.3]",
        "85.2 % [82.9, 87.3] of the pairs",
        "85.5 % ± 0.5 %",
        "each of the 2 folds",
        "which few folds leave uncertain",
    ):
        assert figure in text, figure
    assert "TAR at FAR 0.01, all pairs 65.4 % [61.2, 69.1]" in text
    assert "1,539 test images, 1,179,432 of them of two people" in text and "off by 3.2 points on average" in text


def test_without_folds_and_with_few_pairs_the_table_is_shorter(report):
    summaries = dict(configured=dict(RESULTS["07_lfw_test"]["summaries"]["configured"], cross_validation=None))
    few = dict(RESULTS["10_error_analysis"]["all_pairs"], tar_at_far=[])
    text = " ".join(report(summaries=summaries, all_pairs=few, gains=dict(GAINS, cross_validated=None))[0])
    assert "cross-validated" not in text and "TAR at FAR 0" not in text


def test_how_far_the_threshold_moves_is_said_of_photographs_where_it_was_measured(report):
    text = " ".join(report()[0]).replace("\xa0", " ")
    assert "moves by +0.016 from validation to test, and by −0.108 on darker images. Matched to scores of" in text
    assert "it gains −0.4 and +16.8 points. Scores normalised by them gain +2.6 [+1.6, +4.6] and +19.8." in text
    for changes in (dict(data="drawn"), dict(carried=[])):
        text = " ".join(report(**changes)[0])
        assert "Scores normalised by" not in text and "on many pairs like those in use" in text


def test_best_choice_is_named(report):
    assert "Best is the winner" in " ".join(report()[0])


def test_without_anything_beside_the_network_nothing_is_said_of_it(report):
    text = " ".join(report(texture_share=0.0, rareness_weight=0.0, parts=PARTS[:1], differences={}, sizes=[])[0])
    assert not any(words in text for words in ("Small sets", "small sets", "Texture:", "cohort"))
    assert "Texture:" not in " ".join(report(texture_share=0.0)[0])


def test_what_the_network_sees_beside_the_pixels_is_said_where_it_does(report):
    assert "sees their contrasts in small and larger" in " ".join(report()[0])
    assert "contrasts" not in " ".join(report(local_contrast=False)[0])
    assert "contrasts" not in " ".join(report(network="shallow_inception_resnet_v2")[0])


def test_without_a_memory_nothing_is_said_of_it(report):
    assert "with those before it" in " ".join(report(pairs_weight=0.5)[0])
    for changes in (dict(pairs_weight=0.5, memory_size=0), dict(pairs_weight=0.0)):
        assert "with those before it" not in " ".join(report(**changes)[0])


def test_without_a_cohort_nothing_is_said_of_it(report):
    assert "is similar to everybody" in " ".join(report()[0])
    assert "is similar to everybody" not in " ".join(report(rareness_weight=0.0)[0])


def test_every_page_says_when_faces_are_drawn(report):
    pages, _ = report(data="drawn")
    assert all("come from drawn faces" in page for page in pages)
    assert not any("drawn faces" in page for page in report(data="real")[0])


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        (dict(best_epoch=12), "at epoch 12 of 20, whose weights are the ones tested"),
        (dict(), "0.9 points more (paired 95 % interval [−0.1, +1.9]): optimistic, since it has seen the"),
        (dict(), "85.5 % ± 0.5 % (standard error, which few folds leave uncertain), a difference of +0.3 points [−0.7"),
        (dict(), "is −0.9 points [−4.5, +3.0], with the errors of both."),
        (dict(from_validation=dict(value=0.05, lower=0.02, upper=0.08)), "is +5.0 points [+2.0, +8.0], with"),
        (dict(), "without names and pairs: a transductive step"),
        (dict(), "Whether some of these people were trained on is not known"),
        (dict(training_names=1056, shared_names=17), "17 of them bear the name of a training folder"),
        (dict(test_frame=[112, 112]), "600 people, taken whole."),
        (dict(unreadable=1, duplicates=0), "one unreadable file and no duplicates"),
        (dict(network="shallow_inception_resnet_v2"), "The network is a shallow Inception-ResNet-v2"),
        (dict(network="mobilefacenet"), "The network is MobileFaceNet"),
        (dict(network="iresnet34"), "The network is IResNet"),
        (dict(later_mining_epoch=5), "after epoch 5 hard"),
        (dict(mining="all", loss="triplet"), "all, margin 0.1 loss of the triplets triplet, m = 0.4"),
        (dict(pairs_weight=0.5), "a signal that does not depend on the"),
        (dict(pairs_weight=0.0, classes_weight=0.0), "by heart. The loss of the last epoch is"),
        (dict(pairs_weight=0.5, memory_size=1024), "memory of 1,024 images"),
        (dict(texture_share=0.4), "have a share of 40 % in the similarity."),
        (dict(rareness_weight=0.5), "rareness of both faces (0.5 each)"),
        (dict(), "these are 91.4 % [89.2, 93.3]."),
        (dict(), "changes the accuracy on the test pairs by +6.2 points [+4.3, +8.1]"),
        (dict(), "on 132 identities by +12.3 [+9.3, +15.4], on 1,056 by +5.6 [+3.2, +7.9]."),
        (dict(), "texture 0.9607 0.9507 87.1 % [84.9, 89.0]"),
        (dict(pairs_weight=0.5, classes_weight=0.1), "loss of class proxies circle on cosines"),
        (dict(flip_average=False, bfloat16_used=False, repeat_images=False, augmentation=0.0), "is embedded once. A"),
        (dict(median=9.0), "A batch takes"),
        (dict(align=True, warp_share=0.4), "strength 0.8, warps 0.4 of it"),
        (dict(repeat_images=False), "who has fewer is left out"),
        (dict(replayed_batches=40), ", batches replayed after 40"),
        (dict(test_crop=(61, 64, 128)), "cropped to a square of 128 pixels. Whether"),
        (dict(comparison=[PLAIN, dict(PLAIN, name="its rival", validation_roc_auc=0.6)]), "its rival, is 10.0 points"),
        (dict(comparison_steps=4), "for 4 steps: such runs rank large effects"),
        (dict(), "the winner, 2.0 points of ROC AUC ahead of the recipe"),
        (dict(best_epoch=12), "so the limit is the data, or what the last epochs changed"),
        (dict(weight_decay=0.0, warmup_steps=0, roc_auc=1.0, eer=0, minimum=1), "1.0000"),
    ],
)  # fmt: skip
def test_words_follow_the_results_within_three_pages(report, changes, words):
    pages, body = report(**changes)
    assert words in " ".join(pages).replace("\xa0", " ")
    assert 2 < body <= 3


@pytest.mark.parametrize("name", [key for figures in RESULTS.values() for key in figures])
def test_a_result_that_is_missing_is_an_error(report, name):
    with pytest.raises(PublishingError, match=name):
        report(without=name)
