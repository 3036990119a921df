# SPDX-License-Identifier: MIT
#
# The words a person guesses. What they do is in meson.build and scripts/.

BUILD ?= build

.DEFAULT_GOAL := help
.PHONY: help build demo test bench model lint format install

help:     ## this list
	@sed -n 's/^\([a-z]*\):.*## /make \1\t/p' Makefile | expand -t 16

build:    ## compile the library, the drivers and the tool
	@scripts/install-deps build
	@test -f $(BUILD)/build.ninja || meson setup $(BUILD)
	@ninja -C $(BUILD)

demo: build  ## watch a pool under load, on an SQLite file
	@$(BUILD)/dbpool bench --demo

test:     ## run every test, those against real servers too
	@scripts/install-deps test
	@$(MAKE) --no-print-directory build
	@meson test -C $(BUILD) --print-errorlogs

bench: build  ## measure
	@meson test -C $(BUILD) --benchmark --verbose

model:    ## check the SPIN models of the lending core
	@scripts/install-deps test
	@tests/model/run

lint:     ## format, static analysis, layers
	@scripts/install-deps lint
	@BUILD=$(BUILD) scripts/lint

format:   ## rewrite the C files in the house format
	@scripts/install-deps lint
	@scripts/format

install: build  ## install to the prefix that Meson was set up with
	@meson install -C $(BUILD)
