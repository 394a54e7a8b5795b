# `make help` lists the targets. Each sets itself up: what Python alone needs asks for python3 and make; the
# predictors in Rust, Go and C++ also need rustup's cargo and Go, and `system` installs the rest.
PYTHON ?= python3
VENV := .venv
PY := $(VENV)/bin/python
UV := $(VENV)/bin/uv
SYNC := $(UV) pip install --quiet --python $(PY) --compile-bytecode
COMPILE := $(UV) pip compile --quiet --python $(PY) --generate-hashes --no-emit-index-url --no-header
export ORT_DISABLE_TELEMETRY := 1

NATIVE := build
ARM64 := build/arm64
TOOLS := build/tools
DIST := build/dist-arm64
ZIG := build/zig
OLIVE := build/olive
FUZZ_SECONDS ?= 600
FUZZED := manifest golden tensor archive library
STATICCHECK_VERSION := v0.8.2
SYSTEM_PACKAGES := $(shell sed '/^\#/d' requirements/system.txt)
# As root, who owns the folder that it writes to.
APT_DOWNLOAD = apt-get download -qq -o APT::Sandbox::User=root $(shell sed '/^\#/d; s/$$/:arm64/' requirements/python-arm64.txt)
# The compiler of rustup has no standard library for arm64 here; Debian's has.
CARGO_ARM64 := PATH=/usr/bin:$$PATH RUSTC=/usr/bin/rustc cargo build --release --locked --quiet --target aarch64-unknown-linux-gnu
GO_ARM64 := CGO_ENABLED=1 GOOS=linux GOARCH=arm64 go build
CMAKE_DRIVER := cmake -S . -G Ninja -DCMAKE_BUILD_TYPE=Release -DEDGEBUNDLE_TESTS=OFF
CPP_SOURCES = $(shell git ls-files '*.cpp' '*.hpp' '*.h' '*.c' ':!rust')

.DEFAULT_GOAL := help
.PHONY: help venv dev system native programs wheel arm64 dist-arm64 demo test test-quick test-arm64 lint format bench vectors fuzz fuzz-native requirements clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z0-9-]+:.*## / { printf "  make %-14s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

venv: $(VENV)/build.stamp ## virtual environment with the builder and this package

dev: $(VENV)/dev.stamp ## the same, with what tests and linters need

$(VENV)/uv.stamp: requirements/uv.txt
	$(PYTHON) -m venv $(VENV)
	$(PY) -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/uv.txt
	@touch $@

$(VENV)/build.stamp: $(VENV)/uv.stamp requirements/build.txt pyproject.toml Cargo.toml
	$(SYNC) --require-hashes -r requirements/build.txt
	$(SYNC) --no-deps --no-build-isolation --editable .
	@touch $@

$(VENV)/dev.stamp: $(VENV)/build.stamp requirements/dev.txt
	$(SYNC) --require-hashes -r requirements/dev.txt
	@touch $@

system: ## what the native builds and the tests need of Debian
	@for tool in cargo go; do command -v $$tool >/dev/null || { echo "$$tool is missing: see CONTRIBUTING.md" >&2; exit 1; }; done
	@installed=$$(dpkg-query --show --showformat='$${db:Status-Status}\n' $(SYSTEM_PACKAGES) 2>/dev/null | grep -cx installed); \
	if [ "$$installed" -ne $(words $(SYSTEM_PACKAGES)) ]; then \
		dpkg --add-architecture arm64 && apt-get update -qq && \
		DEBIAN_FRONTEND=noninteractive apt-get install -qq -y --no-install-recommends $(SYSTEM_PACKAGES) >/dev/null; \
	fi

native: system dev Cargo.lock ## the predictors in Rust, Go and C++: their programs `bundle-predict`, and modules for Python
	cargo build --release --locked --quiet
	cd rust/python && $(CURDIR)/$(VENV)/bin/maturin develop --quiet --release --skip-install
	go build -o $(NATIVE)/go/bundle-predict ./go/cmd/bundle-predict
	go build -buildmode=c-shared -trimpath -ldflags='-s -w' -o $(NATIVE)/go/_go.so ./go/cabi
	install -m 755 $(NATIVE)/go/_go.so python/bundle/runtimes/_go.so
	$(CMAKE_DRIVER) -B $(NATIVE)/cpp -DCMAKE_RUNTIME_OUTPUT_DIRECTORY=$(CURDIR)/$(NATIVE)/cpp --log-level=WARNING \
		-DEDGEBUNDLE_PYTHON=ON -DPython_EXECUTABLE=$(CURDIR)/$(PY)
	cmake --build $(NATIVE)/cpp
	cmake --install $(NATIVE)/cpp --component python --prefix python --strip >/dev/null

programs: native ## the programs that benchmarks time, beside the modules for Python
	cargo build --release --locked --quiet --example bench-rust
	go build -o $(NATIVE)/go/bench-go ./tests/benchmarks/languages/go
	cmake -B $(NATIVE)/cpp -DEDGEBUNDLE_BENCHMARKS=ON --log-level=WARNING >/dev/null
	cmake --build $(NATIVE)/cpp

wheel: native ## a wheel of this platform with the modules for Python, in dist/
	EDGEBUNDLE_NATIVE=1 $(UV) build --quiet --python $(PY) --no-build-isolation --wheel --out-dir dist .

arm64: system Cargo.lock $(ARM64)/wheels.stamp $(ARM64)/python.stamp $(ARM64)/quick_fma.so ## the same programs for arm64, and what they run with
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=aarch64-linux-gnu-gcc $(CARGO_ARM64) --target-dir $(ARM64)/rust
	CC=aarch64-linux-gnu-gcc $(GO_ARM64) -o $(ARM64)/go/bundle-predict ./go/cmd/bundle-predict
	$(CMAKE_DRIVER) -B $(ARM64)/cpp -DCMAKE_RUNTIME_OUTPUT_DIRECTORY=$(CURDIR)/$(ARM64)/cpp --log-level=WARNING \
		-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu.cmake
	cmake --build $(ARM64)/cpp

$(ARM64)/quick_fma.so: tests/arm64/quick_fma.c | system
	@mkdir -p $(ARM64)
	cc -O2 -Wall -Wextra -Werror -shared -fPIC -o $@ $<

# The same versions as on this machine, by the same hashes.
$(ARM64)/wheels.stamp: $(VENV)/uv.stamp requirements/build.txt
	@mkdir -p $(ARM64)
	awk '/^[^ ]/ { wanted = /^(numpy|onnxruntime)==/ } wanted' requirements/build.txt > $(ARM64)/wheels.txt
	$(SYNC) --python-platform aarch64-manylinux_2_28 --python-version 3.11 --target $(ARM64)/site --no-deps \
		--require-hashes -r $(ARM64)/wheels.txt
	@touch $@

# A list of packages that is older than the packages names files that are gone.
$(ARM64)/python.stamp: requirements/python-arm64.txt | system
	rm -rf $(ARM64)/debian $(ARM64)/python
	@mkdir -p $(ARM64)/debian
	cd $(ARM64)/debian && { $(APT_DOWNLOAD) || { apt-get update -qq && $(APT_DOWNLOAD); }; }
	for package in $(ARM64)/debian/*.deb; do dpkg-deb --extract $$package $(ARM64)/python || exit 1; done
	@touch $@

dist-arm64: system Cargo.lock $(ZIG)/requirements.stamp ## the programs for arm64 as they ship: no newer glibc than ONNX Runtime needs
	CARGO_TARGET_AARCH64_UNKNOWN_LINUX_GNU_LINKER=$(CURDIR)/cmake/zig-cc $(CARGO_ARM64) --target-dir $(DIST)/rust
	CC=$(CURDIR)/cmake/zig-cc $(GO_ARM64) -trimpath -ldflags='-s -w' -o $(DIST)/go/bundle-predict ./go/cmd/bundle-predict
	$(CMAKE_DRIVER) -B $(DIST)/cpp -DCMAKE_RUNTIME_OUTPUT_DIRECTORY=$(CURDIR)/$(DIST)/cpp --log-level=WARNING \
		-DCMAKE_TOOLCHAIN_FILE=cmake/aarch64-linux-gnu-zig.cmake
	cmake --build $(DIST)/cpp

$(ZIG)/requirements.stamp: $(VENV)/uv.stamp requirements/dist.txt
	$(UV) venv --quiet --clear --python $(PY) $(ZIG)
	$(UV) pip install --quiet --python $(ZIG)/bin/python --require-hashes -r requirements/dist.txt
	@touch $@

Cargo.lock: Cargo.toml rust/versions.txt rust/pin-versions.sh
	rust/pin-versions.sh
	@touch $@

native lint: rust/python/Cargo.lock
lint: examples/firmware/Cargo.lock

rust/python/Cargo.lock: Cargo.toml rust/python/Cargo.toml rust/python/versions.txt rust/pin-versions.sh
	rust/pin-versions.sh --python
	@touch $@

examples/firmware/Cargo.lock: Cargo.lock examples/firmware/Cargo.toml
	$(MAKE) -C examples/firmware Cargo.lock

$(TOOLS)/staticcheck-$(STATICCHECK_VERSION):
	GOBIN=$(CURDIR)/$(TOOLS) go install honnef.co/go/tools/cmd/staticcheck@$(STATICCHECK_VERSION)
	@mv $(TOOLS)/staticcheck $@

demo: venv ## build the example model for arm64
	$(PY) -m bundle build --target arm64

test: dev programs arm64 dist-arm64 ## all tests
	$(PY) -m pytest --benchmark-disable

test-arm64: dev native arm64 dist-arm64 ## the tests that emulate other CPUs
	$(PY) -m pytest tests/arm64

test-quick: dev native ## the tests that answer within a minute
	$(PY) -m pytest --benchmark-disable -m "not slow and not network" --ignore=tests/benchmarks

lint: dev system Cargo.lock $(TOOLS)/staticcheck-$(STATICCHECK_VERSION) ## linters and type checkers of all four languages
	$(PY) -m ruff check .
	$(PY) -m ruff format --check .
	$(PY) -m mypy python/bundle
	cargo fmt --check
	cargo clippy --locked --quiet --all-targets --all-features -- --deny warnings
	cargo fmt --check --manifest-path rust/python/Cargo.toml
	cargo clippy --locked --quiet --manifest-path rust/python/Cargo.toml -- --deny warnings
	cargo fmt --check --manifest-path examples/firmware/Cargo.toml
	cargo clippy --locked --quiet --manifest-path examples/firmware/Cargo.toml -- --deny warnings
	@unformatted=$$(gofmt -l *.go examples go spec tests) && [ -z "$$unformatted" ] || { echo "gofmt: $$unformatted" >&2; exit 1; }
	go vet ./...
	$(TOOLS)/staticcheck-$(STATICCHECK_VERSION) ./...
	cd examples/go-service && go vet ./... && $(CURDIR)/$(TOOLS)/staticcheck-$(STATICCHECK_VERSION) ./...
	$(VENV)/bin/clang-format --dry-run --Werror $(CPP_SOURCES)
	cmake -S . -B $(NATIVE)/cpp-lint -G Ninja -DCMAKE_EXPORT_COMPILE_COMMANDS=ON --log-level=WARNING \
		-DEDGEBUNDLE_BENCHMARKS=ON -DEDGEBUNDLE_PYTHON=ON -DPython_EXECUTABLE=$(CURDIR)/$(PY)
	git ls-files -z cpp/src/*.cpp cpp/tools/*.cpp cpp/tests/*.cpp cpp/python/*.cpp tests/benchmarks/languages/*.cpp | xargs -0 -n 4 -P 2 \
		$(VENV)/bin/clang-tidy -p $(NATIVE)/cpp-lint --quiet --warnings-as-errors='*'

format: dev system ## rewrite the sources as the linters want them
	$(PY) -m ruff check --fix-only --quiet .
	$(PY) -m ruff format .
	cargo fmt
	cargo fmt --manifest-path rust/python/Cargo.toml
	cargo fmt --manifest-path examples/firmware/Cargo.toml
	gofmt -w *.go examples go spec tests
	$(VENV)/bin/clang-format -i $(CPP_SOURCES)

bench: dev programs $(OLIVE)/requirements.stamp ## benchmarks; figures go to .benchmarks/ (fetches Olive, with 3 GB of its own)
	@mkdir -p .benchmarks
	$(PY) -m pytest tests/benchmarks --benchmark-only --benchmark-json=.benchmarks/latest.json --capture=no

# Apart from the builder's environment, which none of its hundred packages may change.
$(OLIVE)/requirements.stamp: $(VENV)/uv.stamp requirements/olive.txt
	$(UV) venv --quiet --clear --python $(PY) $(OLIVE)
	$(UV) pip install --quiet --python $(OLIVE)/bin/python --compile-bytecode --require-hashes -r requirements/olive.txt
	@touch $@

vectors: dev ## write spec/cases again from its generator
	$(PY) -m tests.vectors.generate

fuzz: dev native ## ask all four readers about a million mutations: FUZZ="--seed 2 --count 1000"
	$(PY) -m tests.fuzz --seed 1 --count 1000000 $(FUZZ)

# Needs what CI does not: clang-19 and libclang-rt-19-dev of Debian, a nightly Rust, and `cargo install cargo-fuzz`.
fuzz-native: dev Cargo.lock ## each native fuzz target for FUZZ_SECONDS (600)
	$(PY) -m tests.fuzz.corpus $(NATIVE)/fuzz/corpus
	cmake -S cpp/fuzz -B $(NATIVE)/cpp-fuzz -G Ninja -DCMAKE_BUILD_TYPE=RelWithDebInfo -DCMAKE_CXX_COMPILER=clang++-19 --log-level=WARNING
	cmake --build $(NATIVE)/cpp-fuzz --target $(addprefix fuzz_,$(FUZZED))
	for target in $(FUZZED); do \
		mkdir -p $(NATIVE)/fuzz/cpp/$$target $(NATIVE)/fuzz/rust/$$target && \
		$(NATIVE)/cpp-fuzz/fuzz_$$target -max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(NATIVE)/fuzz/cpp- -print_final_stats=1 \
			$(NATIVE)/fuzz/cpp/$$target $(NATIVE)/fuzz/corpus/$$target && \
		cargo +nightly fuzz run --fuzz-dir rust/fuzz $$target $(NATIVE)/fuzz/rust/$$target $(NATIVE)/fuzz/corpus/$$target -- \
			-max_total_time=$(FUZZ_SECONDS) -artifact_prefix=$(NATIVE)/fuzz/rust- -print_final_stats=1 || exit 1; \
	done
	go test ./go/predictor -run '^$$' -fuzz '^FuzzManifest$$' -fuzztime $(FUZZ_SECONDS)s
	go test ./go/predictor -run '^$$' -fuzz '^FuzzGolden$$' -fuzztime $(FUZZ_SECONDS)s
	go test ./go/predictor -run '^$$' -fuzz '^FuzzArchive$$' -fuzztime $(FUZZ_SECONDS)s
	go test ./go/predictor -run '^$$' -fuzz '^FuzzLibrary$$' -fuzztime $(FUZZ_SECONDS)s
	go test ./go/cmd/bundle-predict -run '^$$' -fuzz '^FuzzTensor$$' -fuzztime $(FUZZ_SECONDS)s

requirements: $(VENV)/build.stamp ## pin again what requirements/*.in ask for
	$(COMPILE) requirements/uv.in --output-file requirements/uv.txt
	$(COMPILE) requirements/build.in --output-file requirements/build.txt
	$(COMPILE) requirements/dev.in --output-file requirements/dev.txt
	$(COMPILE) requirements/olive.in --output-file requirements/olive.txt
	$(PY) requirements/pin_wheels.py
	$(COMPILE) requirements/dist.in --output-file requirements/dist.txt

clean: ## remove the environment, all caches but downloads, and built bundles
	rm -rf $(VENV) bundles build target rust/python/target examples/firmware/build python/bundle/runtimes/_*.so dist .benchmarks .mypy_cache .ruff_cache .pytest_cache .hypothesis
