# Each target is a line or two to a real tool; `make` alone lists them. .ci/tools decides what the machine builds with.
#
# There is one native profile (release) and one selection of packages (the workspace), so that building, linting and
# testing share every artefact; the browser's build has its own folder, target/front, for the same reason.
.DEFAULT_GOAL := help
SHELL := bash
.SHELLFLAGS := -euo pipefail -c

LIFEBOAT_TOOLS ?= .tools
export LIFEBOAT_TOOLS
ifneq ($(filter-out help clean,$(MAKECMDGOALS)),)
# Make remakes what it includes: .ci/tools runs first, and changes the file only when its decision changed.
include $(LIFEBOAT_TOOLS)/env
endif
$(LIFEBOAT_TOOLS)/env: FORCE
	@.ci/tools
ifdef RUSTUP_TOOLCHAIN
export RUSTUP_TOOLCHAIN
endif
ifdef TOOLS_PATH
export PATH := $(TOOLS_PATH):$(PATH)
export CHROMIUM
endif

LIFEBOAT := target/release/lifeboat
# What is off in a plain `cargo build` and on here, so that it is linted and tested, and nothing is compiled twice.
FEATURES := --features server/aws
# Where the library is built from source, it is built for size, and what panics says nothing: `make dev` does. That makes the
# download a thirtieth smaller.
ifneq ($(filter -Zbuild-std=%,$(WASM_ARGS)),)
WASM_STD := $(WASM_ARGS) -Zbuild-std-features=optimize_for_size
SITE_ENV := $(WASM_ENV) CARGO_TARGET_WASM32_UNKNOWN_UNKNOWN_RUSTFLAGS="--cfg=erase_components -Zlocation-detail=none -Zfmt-debug=none -Zunstable-options -Cpanic=immediate-abort"
endif
WASM := --package app --lib --no-default-features --features hydrate --target wasm32-unknown-unknown \
	--target-dir target/front --profile wasm-release $(WASM_STD)
LEPTOS_WASM_ARGS := $(addprefix --lib-cargo-args=,$(WASM_STD))
# Folders are listed too: their time changes when a file is removed.
SITE_SOURCES := Cargo.toml Cargo.lock .ci/site.mjs $(wildcard $(LIFEBOAT_TOOLS)/env) \
	$(shell find app engine style public ! -name '*.snap' 2>/dev/null)

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

run: build ## start the lab and the dashboard; Ctrl-C stops both
	$(LIFEBOAT) lab run

build: target/site.stamp ## build the site and the server
	cargo build --release --workspace --locked $(FEATURES)

# The stamp is removed first, so that an interrupted build is never taken for a finished one. Without --split there is no code of any page.
target/site.stamp: $(SITE_SOURCES)
	@mkdir -p target && rm -f $@
	$(SITE_ENV) cargo leptos build --release --split --frontend-only --cargo-locked $(LEPTOS_WASM_ARGS)
	node .ci/site.mjs
	@touch $@

# A site and a target folder of its own, without hashed names, which the watcher does not keep up to date; so the
# release build stays whole, and the server is compiled knowing that it serves unhashed files. Chunks are as the splitter makes them.
dev: ## rebuild and reload on every change, against the lab in .lab (start it with: make lab-up)
	LEPTOS_SITE_ROOT=target/site-dev LEPTOS_BIN_TARGET_DIR=target/dev LEPTOS_HASH_FILES=false $(WASM_ENV) cargo leptos watch --split $(LEPTOS_WASM_ARGS) -- serve --config .lab/lifeboat.toml

lab-up: build ## start the lab alone, in the background
	$(LIFEBOAT) lab up

lab-down: ## stop the lab
	$(LIFEBOAT) lab down

test: ## everything: guard, lint, size budget, tests, browser; stops at the first failure
	@.ci/test guard lint build budget rust-tests browser-tests

lint: ## formatting and clippy, server side and browser side
	cargo fmt --all --check
	cargo clippy --release --workspace --all-targets --locked $(FEATURES) -- -D warnings
	$(SITE_ENV) cargo clippy $(WASM) --locked -- -D warnings
	cd end2end && npx --no-install tsc

rust-tests: ## tests of engine, app and server (the lab's tests start real PostgreSQL nodes)
	cargo test --release --workspace --locked $(FEATURES)

guard: ## no heavy crate in the browser's build
	@.ci/guard

budget: build ## sizes of what the browser downloads, and their limit
	@.ci/budget

browser-tests: build ## a real browser against a real lab, with and without JavaScript
	cd end2end && npx --no-install playwright test --project=browser --project=plain $(SPECS)

fmt: ## format the code
	cargo fmt --all

bench: build ## measure; prints tables
	@.ci/budget
	cargo build --release --workspace --locked $(FEATURES) --examples
	cargo test --release --workspace --locked $(FEATURES) --test traps -- --ignored --nocapture figure_ | grep ':.*ms'
	target/release/examples/load
	target/release/examples/history_bench
	cd end2end && WORKERS=1 npx --no-install playwright test --project=bench

clean: ## remove everything that was built (not the tools)
	rm -rf target end2end/results

.PHONY: help run build dev lab-up lab-down test lint rust-tests guard budget browser-tests fmt bench clean FORCE
FORCE:
