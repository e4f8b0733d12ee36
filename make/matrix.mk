# Every client reads what every client wrote: docs/conformance.md. The drivers are small programs, one for each language.

RUST_DRIVER := $(TARGET)/debug/cmemcache-driver
KOTLIN_DRIVER := conformance/drivers/kotlin/target/driver.jar
SWIFT_DRIVER := conformance/drivers/swift-driver

.PHONY: conformance
conformance: check-surface conformance-drivers ## check that the UDL is whole in every language and that docs/conformance.md holds
	$(PYTHON) conformance/matrix.py $(RUST_DRIVER)

.PHONY: conformance-document
conformance-document: conformance-drivers ## write docs/conformance.md anew
	$(PYTHON) conformance/matrix.py $(RUST_DRIVER) --write

.PHONY: conformance-drivers
conformance-drivers: build-python $(KOTLIN_DRIVER) build-swift
	@$(NEED) memcached
	cargo build -p cmemcache-driver
	$(SWIFT) build --package-path $(SWIFT_DRIVER)

$(KOTLIN_DRIVER): $(KOTLIN_JAR) conformance/drivers/kotlin/pom.xml $(shell find conformance/drivers/kotlin/src -type f)
	$(MVN) -q -f conformance/drivers/kotlin/pom.xml package

# What is the same everywhere, and the surface, are tested with everything else.
TESTS += conformance
