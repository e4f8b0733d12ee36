# The Kotlin library: the jar with the native library of this platform in it, and what tests and shows it.

MVN := mvn -B --no-transfer-progress -Dstyle.color=never
KOTLIN_OUT := bindings/kotlin/target
KOTLIN_JAR := $(KOTLIN_OUT)/cmemcache-0.1.0.jar
KOTLIN_SOURCES := bindings/kotlin/pom.xml $(shell find bindings/kotlin/src -type f)

# JNA finds the library in the jar under its own name of the platform.
JNA_PLATFORM := $(shell uname -s | tr A-Z a-z)-$(patsubst arm64,aarch64,$(subst _,-,$(shell uname -m)))

.PHONY: build-kotlin
build-kotlin: $(KOTLIN_JAR) ## build the jar and install it into the local Maven repository

$(KOTLIN_JAR): $(LIB) $(BINDGEN) uniffi.toml $(KOTLIN_SOURCES)
	@$(NEED) jdk maven
	rm -rf $(KOTLIN_OUT)/classes $(KOTLIN_OUT)/generated-sources $(KOTLIN_OUT)/native
	$(GENERATE) --language kotlin --out-dir $(KOTLIN_OUT)/generated-sources/uniffi
	mkdir -p $(KOTLIN_OUT)/native/$(JNA_PLATFORM)
	install -m 755 $(LIB) $(KOTLIN_OUT)/native/$(JNA_PLATFORM)/
	strip -S -x $(KOTLIN_OUT)/native/$(JNA_PLATFORM)/$(notdir $(LIB))
	$(MVN) -q -f bindings/kotlin/pom.xml install

.PHONY: test-kotlin
test-kotlin: build-kotlin ## test the Kotlin library, from Java too
	@$(NEED) memcached openssl python
	@rm -rf target/vectors/kotlin
	$(MVN) -f tests-kotlin/pom.xml test
	python3 conformance/check.py kotlin

.PHONY: demo-kotlin
demo-kotlin: build-kotlin ## see the Kotlin library work with a real memcached
	@$(if $(MEMCACHED),,$(NEED) memcached || echo "going on with the embedded server")
	$(MVN) -q -f examples/kotlin/pom.xml compile exec:exec
