# Everything here installs what it needs on its first run (into .tools/ and node_modules/) and says nothing about it later.

PRESET ?= rfc9111
ORIGIN ?= http://127.0.0.1:8000

.DEFAULT_GOAL := help
.PHONY: help setup demo proxy test test-native test-workerd conformance leaks simulate fuzz lint fmt schema size size-features bench bench-data bench-native budget stampede outage

help: ## this list
	@echo "make TARGET"
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  %-14s %s\n", $$1, $$2 }' Makefile

setup: ## install the tool chain (the other targets do so themselves)
	@tools/setup.sh

demo: PORT ?= 8787
demo: EXAMPLE ?= shop
demo: setup ## an example on the local Workers runtime; EXAMPLE=shop|data|tenants|axum PORT=8787
	@tools/build-worker.sh examples/$(EXAMPLE)
	@exec node tools/serve.mjs examples/$(EXAMPLE) --port $(PORT)

proxy: PORT ?= 8788
proxy: setup ## a caching reverse proxy; ORIGIN=http://127.0.0.1:8000 PORT=8788 PRESET=rfc9111|safe
	@tools/build-worker.sh examples/proxy
	@exec node tools/serve.mjs examples/proxy --port $(PORT) --var ORIGIN=$(ORIGIN) --var PRESET=$(PRESET)

test: setup ## all checks and tests
	@tools/test.sh lint native workerd

test-native: ## unit, integration and doc tests on this machine
	@tools/test.sh native

test-workerd: setup ## the tests in the local Workers runtime
	@tools/test.sh workerd

conformance: setup ## the proxy against RFC 9110, 9111, 5861, 9211 and 9213, from outside: a score per chapter
	@tools/build-worker.sh examples/proxy
	@node tests/conformance/run.mjs

leaks: setup ## does anybody get another's answer? layercake through each tier, and other caches, side by side
	@node tests/leaks/run.mjs --cache all

simulate: SEEDS ?= 10000
simulate: ## the engine in random worlds of data centres, KV and failing origins; SEEDS=10000
	@SEEDS=$(SEEDS) cargo test --quiet --profile tools --features sim --test simulation random

fuzz: SECONDS_EACH ?= 60
fuzz: ## the parsers under libFuzzer, a minute each; SECONDS_EACH=60
	@tests/fuzz/run.sh $(SECONDS_EACH)

lint: setup ## formatting, clippy for both targets, each feature alone
	@tools/test.sh lint

fmt: ## format the code
	@cargo fmt --all

schema: ## the JSON Schema of tables in JSON, from the fields' table in src/policy/document
	@cargo run --quiet --features cli -- schema >schema/new.json && mv schema/new.json schema/layercake.schema.json

size: setup ## what layercake adds to a Worker, in bytes
	@benches/size.sh

size-features: setup ## the same for each feature, and around axum
	@benches/size.sh features

bench: RUNTIME ?= raw
bench: setup bench-native ## CPU time per request, against Workers by hand and other caches, and what bench-native does; RUNTIME=raw|local
	@RUNTIME=$(RUNTIME) benches/run.sh

bench-data: setup ## the same for values: layercake against a loader, KV and the edge cache by hand
	@benches/data.sh

stampede: setup ## a thousand requests at once for what is not there: origin calls and waiting, with and without the cache
	@benches/day.sh stampede

outage: setup ## what clients get while the origin or a tier is down, with and without the cache; OUTAGE_SECONDS=60
	@benches/day.sh outage

bench-native: ## decision, key, routes, wire, memory tier and walk in nanoseconds, beside other crates; instructions, beside their budget
	@benches/native/run.sh

budget: ## write the budget of instructions anew (benches/native/budget.json)
	@benches/native/run.sh --write-budget
