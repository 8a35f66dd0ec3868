# make            says what there is to make
# make all        executes the notebooks and builds everything that is shown or handed in
# make test       checks the code and runs the tests; make test-slow runs those that take minutes each
#
# Works with GNU Make 3.81 and later. An executed notebook is made again when its source, a module that it imports, a
# notebook whose results it reads, or the configuration (PROFILE, DATA, SET) has changed; and only then.

PROFILE ?= laptop
DATA ?=
SET ?=
WORKERS ?= 1
STORAGE ?=
ONLY ?=
LIST ?=
PYTHON3 ?= python3
THREADS ?= 2
export FACELIB_THREADS := $(THREADS)

PROFILES := smoke laptop best reference reference-as-it-was gpu full
ifneq ($(words $(filter $(PROFILES),$(PROFILE)))-$(words $(PROFILE)),1-1)
$(error PROFILE=$(PROFILE) is unknown; choose one of: $(PROFILES))
endif

ifneq ($(shell case '$(THREADS)' in (*[!0-9]*|0*|'') echo wrong ;; esac),)
$(error THREADS=$(THREADS) is no number of threads)
endif

ifneq ($(filter experiments,$(MAKECMDGOALS)),)
ifneq ($(SET)$(filter command environment,$(firstword $(origin PROFILE))),)
$(error make experiments takes neither SET nor PROFILE: facelib/study/plan.py declares its settings)
endif
endif

NOTEBOOKS := 01_eda 02_dataset 03_loss_derivation 04_model 05_mining 06_training 07_lfw_test 08_experiments 09_small_sets 10_error_analysis

ifeq ($(origin VENV),undefined)
VENV := .venv
READY := $(VENV)/.ready
else
READY := $(VENV)/bin/python
endif
PYTHON := $(VENV)/bin/python
export PYTHONPATH := $(CURDIR)
unexport PYTHONOPTIMIZE PYTHONWARNINGS

REPORTS := reports/$(PROFILE)
STAMP := data/interim/$(PROFILE)/stamp.json
EXECUTED := $(NOTEBOOKS:%=$(REPORTS)/executed/%.ipynb)
PUBLISH := $(PYTHON) -m facelib.publish
# runs a module of facelib.publish, and records what it made of what
STEP = $(PUBLISH).step $@ $(filter-out FORCE,$^) -- facelib.publish
STEPS := $(EXECUTED) $(patsubst %,$(REPORTS)/%,html/index.html html/explore.html report.pdf model_card.md checks.txt submission.zip)
quote = '$(subst ','\'',$(1))'

.DELETE_ON_ERROR:
.NOTPARALLEL:
.PHONY: help setup all notebooks html report card checks submission experiments test test-slow lab bench picture data-lfw clean distclean FORCE

help:
	@echo 'make all         execute the notebooks, then html, report, card, checks and submission'
	@echo 'make notebooks   execute the notebooks               -> $(REPORTS)/executed/'
	@echo 'make html        their pages, and one to explore     -> $(REPORTS)/html/index.html, explore.html'
	@echo 'make report      the report, as a PDF                -> $(REPORTS)/report.pdf'
	@echo 'make card        what the model is and is not good for -> $(REPORTS)/model_card.md'
	@echo 'make checks      page limit, one run behind it all   -> $(REPORTS)/checks.txt'
	@echo 'make submission  one notebook, its page, the report, the code -> $(REPORTS)/submission.zip'
	@echo 'make experiments run the trials of facelib/study/plan.py that are not over, hours -> reports/experiments.csv'
	@echo '                 WORKERS=2: two at a time; ONLY="loss,P x K": these tables; LIST=1: show them, run none'
	@echo '                 STORAGE=place: several machines share them; see docs/experiments.md'
	@echo 'make data-lfw    download Labeled Faces in the Wild, 250 MB, into data/ or DATA'
	@echo 'make lab         work on the notebooks in JupyterLab'
	@echo 'make test        check the code and run the tests, on every core'
	@echo 'make test-slow   run the tests that take minutes each, such as whole runs of the pipeline'
	@echo 'make bench       compare speed and memory with others, in .bench-venv -> reports/bench.md'
	@echo 'make picture     draw the picture in README.md    -> docs/pipeline.png'
	@echo 'make setup       the virtual environment in $(VENV) (the others do this first, where it is missing)'
	@echo 'make clean       remove $(REPORTS); trained networks stay'
	@echo 'make distclean   remove everything that was made, trained networks and environments too; data sets stay'
	@echo
	@echo 'PROFILE=smoke    every part once, small; its figures prove nothing'
	@echo 'PROFILE=laptop   two cores, minutes (the default)'
	@echo 'PROFILE=best     the same recipe for half an hour'
	@echo 'PROFILE=reference            the reference system, mended; reference-as-it-was: with its slips'
	@echo 'PROFILE=gpu      the whole size, on a GPU: 8,000 identities, a network of 34 layers'
	@echo 'PROFILE=full     the reference system at full length, on a GPU; to compare with'
	@echo 'DATA=path        a folder with casia-webface/ (or train.rec) and the LFW files; see data/README.md'
	@echo '                 (default: data/ where it holds faces, else drawn faces; DATA=drawn asks for drawn faces)'
	@echo 'SET="key=value"  change the configuration, e.g. SET="epochs=2 gamma=32"; keys in facelib/config.py'
	@echo 'THREADS=16       compute with so many threads, not two: as fast as the cores allow, and other last digits'
	@echo 'VENV=path        use the environment in this folder and set none up'

setup: $(READY)

# A run holds the lock of its profile from end to end, and begins by removing what is damaged: see guard.py.
ifndef GUARDED
all notebooks html report card checks submission: $(READY)
	@$(PUBLISH).guard $(PROFILE) 'make $@ PROFILE=$(PROFILE)' $(STEPS) -- $(MAKE) --no-print-directory GUARDED=yes $@
else
all: notebooks html report card checks submission
	@echo 'up to date: $(REPORTS)/html/index.html, $(REPORTS)/report.pdf, $(REPORTS)/submission.zip'

notebooks: $(EXECUTED)
html: $(REPORTS)/html/index.html $(REPORTS)/html/explore.html
report: $(REPORTS)/report.pdf
card: $(REPORTS)/model_card.md
checks: $(REPORTS)/checks.txt
submission: $(REPORTS)/submission.zip
endif

# --- set-up ----------------------------------------------------------------------------------------------------------

# pip installs uv, and uv the rest: see install.py.
.venv/.ready: requirements.lock pyproject.toml install.py
	@command -v $(PYTHON3) > /dev/null || \
	  { echo 'error: there is no $(PYTHON3); install Python 3.11, 3.12 or 3.13, or name one: make setup PYTHON3=path' >&2; exit 1; }
	@$(PYTHON3) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
	  { echo "error: $(PYTHON3) is $$($(PYTHON3) --version 2>&1), and Python 3.11, 3.12 or 3.13 is needed;" \
	         'name one: make setup PYTHON3=python3.12' >&2; exit 1; }
	@echo 'set-up: installing the packages of requirements.lock into .venv (once; half a minute to 3 minutes, and 3 GB) ...'
	@$(PYTHON3) -m venv .venv
	@start=$$(date +%s); export PIP_DISABLE_PIP_VERSION_CHECK=1; \
	  { sed -n '/^uv==/,/# via/p' requirements.lock > .venv/uv.lock && \
	    .venv/bin/python -m pip install --require-hashes -r .venv/uv.lock && \
	    .venv/bin/python install.py --require-hashes -r requirements.lock && \
	    .venv/bin/python install.py --no-deps --no-build-isolation -e .; } > .venv/setup.log 2>&1 || \
	  { tail -n 5 .venv/setup.log >&2; \
	    echo 'error: set-up failed; everything that pip and uv said is in .venv/setup.log' >&2; exit 1; }; \
	  echo "set-up: done in $$(($$(date +%s) - start)) s"
	@touch $@

# Reached for $(READY) only where VENV is given and is no environment.
%/bin/python:
	@echo 'error: VENV=$(VENV) holds no bin/python; leave VENV out to have an environment made' >&2; exit 1

# --- notebooks -------------------------------------------------------------------------------------------------------

EXECUTION := $(patsubst %,facelib/publish/%.py,execute inside kernel normalise)

# Always run, but the file changes only with the configuration or with the files in DATA.
$(STAMP): FORCE | $(READY)
	@$(PUBLISH).stamp $@ --profile $(PROFILE) --data $(call quote,$(DATA)) --set $(call quote,$(SET))

$(EXECUTED): $(REPORTS)/executed/%.ipynb: notebooks/%.ipynb $(STAMP) $(EXECUTION) requirements.lock | $(READY)
	@$(STEP).execute $< $@ --number $(firstword $(subst _, ,$*)) --of $(words $(NOTEBOOKS)) \
	  -p profile $(PROFILE) -p data $(call quote,$(DATA)) -p overrides $(call quote,$(SET))

# What each notebook depends on: the modules that it imports, and the notebooks whose results it reads.
ifdef GUARDED
include data/interim/depend.mk
data/interim/depend.mk: Makefile $(NOTEBOOKS:%=notebooks/%.ipynb)
	@$(PUBLISH).depend $@ $(NOTEBOOKS:%=notebooks/%.ipynb)
endif

# 08 shows the trials that `make experiments` recorded, where there are any.
$(REPORTS)/executed/08_experiments.ipynb: $(wildcard reports/experiments*.csv)

# --- what is shown and handed in -------------------------------------------------------------------------------------

PAGES := $(patsubst %,facelib/publish/%,formulas.py html.py pictures.py questions.py page.css page.html.j2)
ANSWERS := $(wordlist 1,7,$(EXECUTED))
FURTHER := $(filter-out $(ANSWERS),$(EXECUTED))

$(REPORTS)/html/index.html: $(EXECUTED) $(PAGES)
	@$(STEP).html $(REPORTS)/html $(ANSWERS) --further $(FURTHER) --results $(REPORTS)/results

EXPLORER := $(patsubst %,facelib/publish/explore%,.py .html.j2 .css .js _charts.js _faces.js) $(PAGES)

$(REPORTS)/html/explore.html: $(EXECUTED) $(EXPLORER)
	@$(STEP).explore $@ data/interim/$(PROFILE)/explore.npz --results $(REPORTS)/results

$(REPORTS)/report.pdf: $(EXECUTED) reports/report.typ reports/references.bib facelib/publish/report.py
	@$(STEP).report reports/report.typ $(REPORTS)

$(REPORTS)/model_card.md: $(EXECUTED) $(addprefix facelib/publish/model_card,.py .md.j2)
	@$(STEP).model_card $(REPORTS)

SHOWN := $(patsubst %,$(REPORTS)/%,html/index.html html/explore.html report.pdf model_card.md)

$(REPORTS)/checks.txt: $(EXECUTED) $(SHOWN) $(patsubst %,facelib/publish/%.py,checks manifest)
	@$(STEP).checks $(REPORTS) $(EXECUTED) --shown $(SHOWN) --report reports/report.typ

# What the hand-in needs to run, named by rule: nothing that a user has beside it goes into the zip.
CODE := Makefile LICENSE environment.yml install.py pyproject.toml requirements.lock data/README.md \
  $(wildcard docs/*.md) reports/report.typ reports/references.bib $(wildcard reports/experiments.csv) $(NOTEBOOKS:%=notebooks/%.ipynb) \
  $(sort $(wildcard $(foreach kind,py j2 css js,facelib/*.$(kind) facelib/*/*.$(kind))))

$(REPORTS)/submission.zip: $(REPORTS)/checks.txt $(ANSWERS) $(REPORTS)/report.pdf $(CODE)
	@$(STEP).submission $@ $(ANSWERS) --report $(REPORTS)/report.pdf --pages $(REPORTS)/html \
	  --results $(REPORTS)/results --manifest $(REPORTS)/manifest.json --code $(CODE)

# --- experiments -----------------------------------------------------------------------------------------------------

# Can be killed at any time, and started again: it goes on with what is not over. Its settings are in facelib/study/plan.py.
experiments: export FACELIB_STORAGE = $(value STORAGE)
experiments: $(READY)
	@$(PYTHON) -m facelib.study --data $(call quote,$(DATA)) --workers $(WORKERS) \
	  $(if $(ONLY),--only $(call quote,$(ONLY))) $(if $(LIST),--list)

# --- the rest --------------------------------------------------------------------------------------------------------

PYTEST := $(PYTHON) -m pytest --numprocesses logical

# The tests of a file stay in one process, so that what they share is made once; files in the order of tests/conftest.py.
test: $(READY)
	@$(PYTHON) -m ruff check --quiet . && $(PYTHON) -m ruff format --check --quiet . && \
	  $(PYTHON) -m mypy --no-error-summary && $(PYTEST) --dist loadfile --no-loadscope-reorder -m 'not slow'

test-slow: $(READY)
	@$(PYTEST) --dist worksteal -m slow

data-lfw: $(READY)
	@$(PYTHON) -m facelib data fetch-lfw $(call quote,$(or $(DATA),data))

lab: $(READY)
	@TF_ENABLE_ONEDNN_OPTS=1 $(PYTHON) -m jupyterlab notebooks/index.ipynb

bench: .bench-venv/.ready
	@.bench-venv/bin/python -m bench

# The packages of $(VENV), seen through a .pth file, and those that facelib is compared with.
.bench-venv/.ready: bench/requirements.txt | $(READY)
	@echo 'bench: installing what facelib is compared with (bench/requirements.txt) into .bench-venv (once; 1 GB) ...'
	@rm -rf .bench-venv && $(PYTHON) -m venv --without-pip .bench-venv
	@purelib='import sysconfig; print(sysconfig.get_path("purelib"))'; \
	  $(PYTHON) -c "$$purelib" > "$$(.bench-venv/bin/python -c "$$purelib")/facelib.pth"
	@PIP_DISABLE_PIP_VERSION_CHECK=1 .bench-venv/bin/python -m pip install -r bench/requirements.txt \
	  > .bench-venv/setup.log 2>&1 || \
	  { tail -n 5 .bench-venv/setup.log >&2; \
	    echo 'error: what facelib is compared with cannot be installed, so there is no benchmark;' \
	         'everything that pip said is in .bench-venv/setup.log' >&2; exit 1; }
	@touch $@

picture: docs/pipeline.png
docs/pipeline.png: docs/pipeline.py | $(READY)
	@$(PYTHON) $<

# Waits for a run that is at work there; without an environment there is none.
clean:
	@if [ -e $(READY) ]; then $(PUBLISH).guard $(PROFILE) 'make clean' -- rm -rf $(REPORTS); else rm -rf $(REPORTS); fi

distclean:
	rm -rf $(PROFILES:%=reports/%) reports/bench.* data/interim .venv .bench-venv facelib.egg-info .pytest_cache .ruff_cache .mypy_cache .hypothesis
	find facelib bench tests notebooks -name __pycache__ -o -name .ipynb_checkpoints | xargs rm -rf
