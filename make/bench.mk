# Measuring: a worker in each language, and bench/run.py, which asks them all in one run and writes the report.

BENCH_NATIVE := $(TARGET)/bench-native
BENCH_PICKS := $(TARGET)/bench-picks.txt
BENCH_RUN = $(PYTHON) bench/run.py $(if $(QUICK),--quick) $(if $(ROUNDS),--rounds $(ROUNDS)) --native $(BENCH_NATIVE)/release/bench-native

.PHONY: bench
bench: build-bench-python build-bench-native build-bench-kotlin build-bench-swift ## measure all clients side by side into docs/benchmarks (QUICK=1: 3 minutes, into target/benchmarks; ROUNDS=..)
	$(BENCH_RUN) --picks $(BENCH_PICKS)

.PHONY: bench-python
bench-python: build-bench-python ## the same of one language
	$(BENCH_RUN) --only python

.PHONY: bench-native
bench-native: build-bench-native ## the same of one language: Rust and C
	$(BENCH_RUN) --only native --picks $(BENCH_PICKS)

.PHONY: bench-kotlin
bench-kotlin: build-bench-kotlin ## the same of one language
	$(BENCH_RUN) --only kotlin

.PHONY: bench-swift
bench-swift: build-bench-swift ## the same of one language
	$(BENCH_RUN) --only swift

.PHONY: build-bench-python
build-bench-python: build-python .venv/.bench
	@$(NEED) memcached

.PHONY: build-bench-native
build-bench-native: .venv/.bench
	@$(NEED) rust cc libmemcached memcached
	cargo build --release --locked --manifest-path bench/native/Cargo.toml --target-dir $(BENCH_NATIVE)
	cargo test --release -p cmemcache --lib cost_of_a_pick -- --ignored --nocapture >$(BENCH_PICKS)

.PHONY: build-bench-kotlin
build-bench-kotlin: build-kotlin .venv/.bench
	@$(NEED) memcached
	$(MVN) -q -f bench/kotlin/pom.xml package

.PHONY: build-bench-swift
build-bench-swift: build-swift .venv/.bench
	@$(NEED) memcached
	$(SWIFT) build -c release --package-path bench/swift/CacheBench

# What draws; the Python peers stand in bindings/python/requirements-dev.txt.
.venv/.bench: bench/requirements.txt .venv/.installed
	$(PYTHON) -m pip install --quiet -r $<
	touch $@
