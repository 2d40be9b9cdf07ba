# The verbs of this project. `make` alone lists them.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help book html pdf test browser bench pages clean lock

BIN := .venv/bin
READY := .venv/ready
PACKAGES := .venv/packages
BUILD := _build
PDF := $(BUILD)/cluster-tune.pdf
PRINTED := $(BUILD)/print/_build/singlehtml
FIRST_RUN := $(BUILD)/first_run
PAGES := docstrings isear sms_spam ag_news dbpedia cfpb yahoo_answers 20_newsgroups subjectivity polarity
CHAPTER_NOTEBOOKS := $(filter-out book/first_run.ipynb book/explore.ipynb,$(wildcard book/*.ipynb))
PICTURE := book/_static/method.png
HOW := $(if $(MLM_EPOCHS),--mlm-epochs $(MLM_EPOCHS)) $(if $(PROCESSES),--processes $(PROCESSES))
SOURCES := $(wildcard lib/cluster_tune/*.py lib/cluster_tune/*.c) setup.py
INPUTS := _config.yml _toc.yml $(wildcard book/*.md book/*.ipynb book/datasets/*.ipynb book/*.bib book/_static/* book/_ext/*)

# A sum over two threads is not the sum over eight, digit for digit: the same number of threads on every machine.
export OMP_NUM_THREADS ?= 2
PYTEST := $(BIN)/python -m pytest -p no:cacheprovider
NBVAL := TQDM_DISABLE=1 $(PYTEST) --nbval
# Two files of tests or two pages at a time; a page's cells and a module's fixtures stay together.
PARALLEL := -n 2 --dist loadfile

help: ## list these verbs
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-7s %s\n", $$1, $$2}' Makefile

book: $(FIRST_RUN)/done ## set everything up, run the method on the embedded corpus, build the book
	@$(MAKE) --no-print-directory html

html: $(BUILD)/html/done ## build the book from the pages as they are
	@echo "The book is at file://$(CURDIR)/$(BUILD)/html/index.html"

pdf: $(READY) ## print the whole book to one PDF (needs Chromium or Chrome)
	@found=; for browser in "$(BROWSER)" chromium chromium-browser google-chrome google-chrome-stable; do \
	    if [ -z "$$found" ] && [ -n "$$browser" ] && command -v "$$browser" >/dev/null; then found=$$browser; fi; done; \
	if [ -z "$$found" ]; then echo "Chromium or Chrome is needed to print the book: install it (on Debian: apt install" \
	    "chromium), or name it with 'make pdf BROWSER=/path/to/chrome'" >&2; exit 2; fi; \
	$(BIN)/jupyter-book build . --builder singlehtml --path-output $(BUILD)/print -W -n --keep-going --quiet && \
	cp $(PRINTED)/book/introduction.html $(PRINTED)/print.html && \
	profile=$$(mktemp -d) && trap 'rm -rf "$$profile"' EXIT && rm -f $(PDF) && \
	"$$found" --headless --disable-gpu $$([ "$$(id -u)" = 0 ] && echo --no-sandbox) --user-data-dir="$$profile" \
	    --virtual-time-budget=60000 --no-pdf-header-footer --print-to-pdf=$(PDF) \
	    "file://$(CURDIR)/$(PRINTED)/print.html" 2>$(BUILD)/print/log || true; \
	if [ ! -s $(PDF) ]; then echo "$$found did not print the book; its words are in $(BUILD)/print/log" >&2; exit 2; fi
	@echo "The book is at file://$(CURDIR)/$(PDF)"

test: $(READY) ## all tests: stale pages, style, the library, then every notebook and page against its stored outputs
	$(BIN)/cluster-tune check
	$(BIN)/ruff check lib tests benchmarks setup.py
	OMP_NUM_THREADS=1 $(PYTEST) $(PARALLEL) tests
	@echo "Templates, each from nothing, and the first run with its template's results:"
	@set -e; for file in notebooks/*.ipynb; do \
	    scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; files=$$file; near=true; \
	    if [ $$file = notebooks/dataset.ipynb ]; then files="$$file book/first_run.ipynb"; near="$(PYTEST) tests/trained.py"; fi; \
	    CLUSTER_TUNE_RESULTS="$$scratch/results" CLUSTER_TUNE_CACHE="$$scratch/data" CLUSTER_TUNE_MODELS="$$scratch/models" \
	    $(NBVAL) $$files; CLUSTER_TUNE_RESULTS="$$scratch/results" $$near; rm -rf "$$scratch"; done
	@echo "The pages of the book, read from results/:"
	$(NBVAL) $(PARALLEL) book --ignore=book/first_run.ipynb --ignore=book/explore.ipynb

browser: $(BUILD)/html/done ## open the book in a real browser: hostile texts, narrow screens, the interactive figures
	OMP_NUM_THREADS=1 $(PYTEST) tests/in_browser.py

bench: $(READY) ## measure against other implementations (minutes)
	@set -e; for file in sib text training; do file=benchmarks/$$file.py; echo "$$file"; env -u OMP_NUM_THREADS $(BIN)/python "$$file"; done

pages: $(READY) ## execute the book's pages anew from results/; with PROFILE=cpu or paper, compute what is missing
	$(if $(PROFILE),$(BIN)/cluster-tune grid --profile $(PROFILE) $(HOW); $(BIN)/cluster-tune gather && \
	    $(BIN)/cluster-tune page --all --profile $(PROFILE) $(HOW),$(BIN)/cluster-tune refresh $(PAGES:%=book/datasets/%.ipynb))
	$(BIN)/cluster-tune refresh $(CHAPTER_NOTEBOOKS)
	$(BIN)/cluster-tune page explore --template explore
	$(BIN)/cluster-tune readme
	@$(BIN)/python -c "from cluster_tune import figures; open('$(PICTURE)', 'wb').write(figures.show(figures.method()).png)"

clean: ## remove what was built; data/, models/, results/ and .venv stay
	rm -rf $(BUILD) .pytest_cache lib/cluster_tune/__pycache__ tests/__pycache__

lock: $(READY) # write requirements.lock anew from what .venv holds; see the head of that file
	@{ sed -n '/^#/p' requirements.lock; { grep ';' requirements.lock | grep -v '^#'; \
	$(BIN)/python -m pip freeze --all --exclude-editable | grep -v -i '^pip==' | sed 's/+[a-z0-9]*$$//'; } | LC_ALL=C sort -f; } \
	> $(BUILD).lock && mv $(BUILD).lock requirements.lock

# The virtual environment: made once, and again when the lock or the package's own description changes. The lock was
# tried on Python 3.11 to 3.13; a newer one is taken only if there is none of these.
$(PACKAGES): requirements.lock pyproject.toml
	@found=; for newest in "3, 13" "3, 99"; do for python in "$(PYTHON)" python3 python3.13 python3.12 python3.11; do \
	    if [ -z "$$found" ] && [ -n "$$python" ] && \
	        $$python -c "import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= ($$newest))" 2>/dev/null; then \
	        found=$$python; fi; done; done; \
	if [ -z "$$found" ]; then \
	    echo "Python 3.11 or newer is needed: install it, or name it with 'make PYTHON=/path/to/python3'" >&2; exit 2; fi; \
	if ! $$found -c 'import ensurepip, venv' 2>/dev/null; then \
	    echo "$$found has no 'venv': install it (on Debian: apt install python3-venv)" >&2; exit 2; fi; \
	compiler=$$($$found -c "import os, sysconfig; print(os.environ.get('CC') or sysconfig.get_config_var('CC') or 'cc')"); \
	if ! echo '#include <math.h>' | $$compiler -x c -c -o /dev/null - 2>/dev/null; then \
	    echo "a C compiler is needed: install one (on Debian: apt install gcc libc6-dev), or name it with CC=" >&2; exit 2; fi; \
	echo "Setting up .venv with $$($$found --version)"; $$found -m venv --clear .venv
	$(BIN)/python -m pip install --quiet --requirement requirements.lock
	@touch $@

# The package itself, whose loops are compiled here.
$(READY): $(PACKAGES) setup.py lib/cluster_tune/_loops.c
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

# The method on the embedded corpus. Its results stay out of results/, so of the tracked files only the page can change.
$(FIRST_RUN)/done: notebooks/dataset.ipynb $(SOURCES) requirements.lock | $(READY)
	CLUSTER_TUNE_RESULTS="$(CURDIR)/$(FIRST_RUN)/results" $(BIN)/cluster-tune page docstrings-small --first-run
	@mkdir -p $(FIRST_RUN) && touch $@

# Warnings are errors; --keep-going shows them all before it fails. Sphinx looks at pages only: what has changed beside
# them wants a book from nothing.
$(BUILD)/html/done: $(INPUTS) | $(READY)
	@$(if $(filter-out %.md %.ipynb,$?),rm -rf $(BUILD)/html $(BUILD)/.doctrees)
	$(BIN)/jupyter-book build . -W -n --keep-going --quiet
	@touch $@
