# Every command of the project, the same here and in CI. `make help` lists them.
#
# Cargo builds the core (LIB, STATICLIB). The generator (BINDGEN) reads the library and writes the Python, Kotlin and Swift
# sources that call it. make/*.mk hold what Kotlin and Swift need beyond that; make/bin/need installs what is missing.

SHELL := bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:

TARGET := $(abspath $(or $(CARGO_TARGET_DIR),target))
LIB := $(TARGET)/release/libcmemcache.$(if $(filter Darwin,$(shell uname -s)),dylib,so)
STATICLIB := $(TARGET)/release/libcmemcache.a
BINDGEN := $(TARGET)/debug/uniffi-bindgen
GENERATE := $(BINDGEN) generate --library $(LIB) --config uniffi.toml --no-format
NEED := make/bin/need
PYTHON := .venv/bin/python
PYTHON_FFI := bindings/python/cmemcache/_ffi
CROSSING := bindings/python/cmemcache/_crossing.abi3.so
PYTHON_INCLUDE = -I$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("include"))')
TESTS := test-rust test-python test-kotlin test-swift

.PHONY: help
help: ## list the commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: demo
demo: build-python ## see it work: objects in a real memcached (MEMCACHED=host:port for one of yours)
	@$(if $(MEMCACHED),,$(NEED) memcached || echo "going on with the embedded server of cmemcache.testing")
	@$(PYTHON) demo/demo.py

.PHONY: test
test: ## run every suite, then show how each one ended
	@make/bin/run-suites $(TESTS)

.PHONY: test-rust
test-rust: ## test the core, against a real memcached too
	@$(NEED) rust memcached python
	@rm -rf target/vectors/rust
	cargo test -p cmemcache --features ffi
	python3 conformance/check.py rust
	make/bin/model

.PHONY: test-python
test-python: build-python ## test the Python package
	@$(NEED) memcached openssl
	@rm -rf target/vectors/python
	$(PYTHON) -m pytest tests-python
	python3 conformance/check.py python

.PHONY: check-surface
check-surface: build-python build-kotlin ## check that all of the UDL is public and tested in every language
	$(PYTHON) conformance/surface/check.py

.PHONY: soak
soak: build-python ## hunt for mixed-up replies in 10 million operations (OPERATIONS=..), and show what the process holds
	@$(NEED) rust memcached openssl
	HUNT_OPERATIONS=$(or $(OPERATIONS),10000000) cargo test --release -p cmemcache --test hunt -- --nocapture --test-threads=1
	CHURN_ROUNDS=10000 cargo test --release -p cmemcache --test leaks -- --nocapture
	HUNT_OPERATIONS=$$(($(or $(OPERATIONS),10000000) / 10)) $(PYTHON) -m pytest -s tests-python/test_hunt.py

.PHONY: model
model: ## run callers, leavers and faults in many orders under a checker (MODEL_SCHEDULES=10000 of each scene); part of test-rust
	@$(NEED) rust
	make/bin/model

.PHONY: mutants
mutants: ## break the core on purpose, in every way that core/tests/mutants holds, and see the tests notice
	@$(NEED) rust memcached patch
	make/bin/mutants

.PHONY: fuzz
fuzz: ## look for input that breaks a parser, FUZZ_SECONDS (300) for each; needs a nightly Rust and cargo-fuzz
	@cargo +nightly fuzz --version >/dev/null 2>&1 || { echo "run: rustup toolchain install nightly; cargo install cargo-fuzz"; exit 1; }
	cd core && for target in replies server_string signed commands packed; do \
		mkdir -p fuzz/corpus/$$target && cargo +nightly fuzz run $$target fuzz/corpus/$$target fuzz/seeds/$$target -- \
			-max_total_time=$(or $(FUZZ_SECONDS),300) -max_len=65536 || exit 1; done

# Those of the tests that need no socket and take Miri seconds, not minutes.
MIRI_TESTS := proto::input::tests::a_body proto::input::tests::a_reply proto::input::tests::what proto::tests::encoding \
	conn::machine::tests::reads conn::machine::tests::classic conn::machine::tests::a_value server::pool::tests::who_leaves \
	server::health placement::hash placement::ketama key::tests::lengths $(addprefix ffi::tests::hostile::,a_malformed a_newline counts)

.PHONY: miri
miri: ## run what needs no socket under Miri: buffers, machine, tickets, placement, packed calls; needs a nightly Rust with miri
	@cargo +nightly miri --version >/dev/null 2>&1 || { echo "run: rustup toolchain install nightly --component miri,rust-src"; exit 1; }
	MIRIFLAGS='-Zmiri-disable-isolation -Zmiri-permissive-provenance' \
		cargo +nightly miri test -p cmemcache --features ffi --lib -- $(MIRI_TESTS)

# Tests leak what they compare on purpose, so leaks are left to tests/leaks.rs. Under ThreadSanitizer all of std is built anew; the
# hunt that is skipped there wants calls to succeed that are too slow then.
.PHONY: sanitize
sanitize: ## run the tests that reach unsafe code under AddressSanitizer, and those of many threads under ThreadSanitizer; needs a nightly Rust
	@$(NEED) memcached
	@rustc +nightly --version >/dev/null 2>&1 || { echo "run: rustup toolchain install nightly"; exit 1; }
	ASAN_OPTIONS=detect_leaks=0 RUSTFLAGS=-Zsanitizer=address CARGO_TARGET_DIR=$(TARGET)/sanitize \
		cargo +nightly test -p cmemcache --features ffi --target $$(rustc -vV | sed -n 's/^host: //p') \
		--lib --test hunt --test faults --test fork
	@rustup +nightly component list --installed | grep -q rust-src || { echo "run: rustup component add --toolchain nightly rust-src"; exit 1; }
	RUSTFLAGS=-Zsanitizer=thread CARGO_TARGET_DIR=$(TARGET)/tsan \
		cargo +nightly test -Zbuild-std -p cmemcache --features ffi --target $$(rustc -vV | sed -n 's/^host: //p') \
		--test threads --test faults --test hunt -- --skip when_replies_are_lost
	@$(MAKE) --no-print-directory sanitize-python

# The interpreter itself is not instrumented: what is found is in crossing.c, or is memory that it was given.
.PHONY: sanitize-python
sanitize-python: build-python
	rm -rf $(TARGET)/sanitize/python && mkdir -p $(TARGET)/sanitize/python && cp -r bindings/python/cmemcache $(TARGET)/sanitize/python
	cc -std=c11 -g -O1 -fsanitize=address,undefined -shared -fPIC $(PYTHON_INCLUDE) bindings/python/crossing.c \
		-o $(TARGET)/sanitize/python/cmemcache/_crossing.abi3.so
	PYTHONPATH=$(TARGET)/sanitize/python ASAN_OPTIONS=detect_leaks=0 LD_PRELOAD="$$(cc -print-file-name=libasan.so) \
		$$(cc -print-file-name=libubsan.so)" $(PYTHON) -m pytest tests-python/test_packed.py tests-python/test_string_client.py \
		tests-python/test_values.py tests-python/test_concurrency.py -k "not replies_are_freed"

.PHONY: lint
lint: build-python ## check formatting, warnings and types
	cargo fmt --all --check
	cargo clippy -p cmemcache --all-targets -- -D warnings
	cargo clippy --workspace --all-targets --features cmemcache/ffi -- -D warnings
	make/bin/check-dependencies
	cc -std=c11 -Wall -Wextra -Wpedantic -Werror -fsyntax-only $(PYTHON_INCLUDE) bindings/python/crossing.c
	RUSTDOCFLAGS='-D warnings' cargo doc -p cmemcache --no-deps --quiet
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.PHONY: build-python
build-python: .venv/.installed $(PYTHON_FFI)/cmemcache.py $(CROSSING) ## make `import cmemcache` work in .venv

.PHONY: wheel
wheel: build-python ## build the wheel for this platform into dist/
	$(PYTHON) -m pip wheel --no-deps --no-build-isolation --wheel-dir dist ./bindings/python

# The virtual environment is made anew only when the list of packages changed.
.venv/.installed: bindings/python/requirements-dev.txt
	@$(NEED) python cc python-dev libmemcached zlib
	python3 -m venv .venv
	$(PYTHON) -m pip install --quiet -r $<
	echo "$(abspath bindings/python)" > "$$($(PYTHON) -c 'import sysconfig; print(sysconfig.get_path("purelib"))')/cmemcache.pth"
	touch $@

$(CROSSING): bindings/python/crossing.c bindings/python/setup.py .venv/.installed
	@$(NEED) cc python-dev
	cd bindings/python && ../../$(PYTHON) setup.py --quiet build_ext --inplace --force

# `install` puts a new file in place of the old one, so that a running program keeps the library it has loaded.
$(PYTHON_FFI)/cmemcache.py: $(LIB) $(BINDGEN) uniffi.toml
	$(GENERATE) --language python --out-dir $(@D)
	install -m 755 $(LIB) $(@D)

# Cargo knows what is stale: it is always asked, and a file that it leaves alone causes nothing further.
$(LIB) $(STATICLIB): FORCE
	@$(NEED) rust cc
	cargo build --release -p cmemcache --features ffi

# The generator runs for a second and takes minutes to optimize, so it is not optimized.
$(BINDGEN): FORCE
	@$(NEED) rust cc
	cargo build -p cmemcache-bindgen

.PHONY: FORCE
FORCE:

-include make/*.mk
