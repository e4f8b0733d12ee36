# The Swift package: what it links, what generates it, what tests it. make/bin/swift-toolchain finds or installs Swift.

SWIFT_ENV := make/bin/swift-toolchain env PKG_CONFIG_PATH=$(abspath target/swift)
SWIFT := $(SWIFT_ENV) swift
SWIFT_CORE := target/swift/cmemcache.pc
SWIFT_SOURCES := bindings/swift/Sources
SWIFT_GENERATED := $(SWIFT_SOURCES)/CMemcacheFFI/CMemcacheFFI.swift

.PHONY: build-swift
build-swift: $(SWIFT_CORE) ## build the Swift package and the library that it links
	$(SWIFT) build --package-path bindings/swift -Xswiftc -warnings-as-errors

.PHONY: test-swift
test-swift: build-swift check-swift-generated ## test the Swift package and its example
	@$(NEED) python
	$(SWIFT_ENV) make/bin/with-memcached swift run --package-path examples/swift/CacheDemo
	$(SWIFT_ENV) make/bin/with-memcached bash -c 'make/bin/swift-doc-example target/swift/doc-example README.md docs/swift.md docs/testing.md && \
		swift run --package-path target/swift/doc-example'
	@rm -rf target/vectors/swift
	$(SWIFT) test --package-path tests-swift --no-parallel --disable-xctest
	python3 conformance/check.py swift

# What swift-format knows of these: .swift-format. The generated sources are left alone.
lint: lint-swift
.PHONY: lint-swift
lint-swift: ## check the format of the Swift sources
	make/bin/swift-toolchain swift format lint --strict --recursive bindings/swift/Package.swift $(SWIFT_SOURCES)/CMemcache \
		tests-swift/Package.swift tests-swift/Tests examples/swift/CacheDemo/Package.swift examples/swift/CacheDemo/Sources \
		bench/swift/CacheBench/Package.swift bench/swift/CacheBench/Sources \
		conformance/drivers/swift-driver/Package.swift conformance/drivers/swift-driver/Sources

.PHONY: demo-swift
demo-swift: build-swift ## see the Swift package work with a real memcached
	@$(SWIFT_ENV) make/bin/with-memcached swift run --quiet --package-path examples/swift/CacheDemo

# Swift's package manager takes sources from git, so what is generated is committed; this finds what was forgotten.
.PHONY: check-swift-generated
check-swift-generated: $(LIB) $(BINDGEN) ## check that the committed Swift sources are what the core generates
	@rm -rf target/swift/generated
	@$(GENERATE) --language swift --out-dir target/swift/generated
	@diff -u $(SWIFT_GENERATED) target/swift/generated/CMemcacheFFI.swift
	@diff -u $(SWIFT_SOURCES)/CMemcacheC/CMemcacheC.h target/swift/generated/CMemcacheC.h
	@echo "the committed Swift sources are up to date"

.PHONY: generate-swift
generate-swift: $(LIB) $(BINDGEN) ## generate the committed Swift sources anew
	$(GENERATE) --language swift --out-dir target/swift/generated
	cp target/swift/generated/CMemcacheFFI.swift $(SWIFT_GENERATED)
	cp target/swift/generated/CMemcacheC.h $(SWIFT_SOURCES)/CMemcacheC/

# Only the static library stands in this folder, so that programs hold all they need. Swift's package manager does not
# notice that it changed: programs that linked the old one are removed.
$(SWIFT_CORE): $(STATICLIB) make/swift.mk
	mkdir -p $(@D)
	install -m 644 $(STATICLIB) $(@D)/libcmemcache.a
	find tests-swift examples bench conformance target/swift -path '*/.build/*' -type f -perm -100 -size +500k -delete
	printf '%s\n' 'Name: cmemcache' 'Description: memcached client' 'Version: 0.1.0' \
		'Libs: -L$(abspath $(@D)) -lcmemcache -lgcc_s -lpthread -lm -ldl' >$@
