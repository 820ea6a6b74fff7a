# make build   the program, as bin/cordon
# make demo    build it and show the main job on a fleet it makes up
# make test    the tests, with the race detector where there is a C compiler
# make check   what a change must pass: format, vet, lint, generated files, tests
# make bench   the rates of audit and mitigation beside their yardsticks
# make generate  everything that is generated from something else

SHELL := /bin/bash
GO ?= go
GENERATED := find docs internal -name '*.gen.go' -o -path docs/config.md -o -path docs/cli.md -o -path docs/coverage.md -o -path 'docs/models/*.json'

# One way for all to build, so that nothing is compiled twice but for the race
# detector.
export CGO_ENABLED := 0
export GOFLAGS += -trimpath

# The race detector needs cgo and with it a C compiler.
CC_FOUND := $(shell command -v $${CC:-gcc} clang 2>/dev/null | head -n 1)
ifeq ($(CC_FOUND),)
TEST := .ci/inmemory $(GO) test -timeout 25m
else
# Pointer checks in the translated code of SQLite would take a third of the time.
# The code cannot be left out of the race detector: the linker may then take its
# copies of generic atomic types for everybody's.
TEST := CGO_ENABLED=1 .ci/inmemory $(GO) test -race -vet=off -gcflags=all=-d=checkptr=0 -timeout 25m
# What is read in long lists and among many rows, and thousands of connections,
# which the race detector makes too slow.
LONG := .ci/inmemory $(GO) test -vet=off -timeout 25m \
	-run 'Paged|ByIndex|AnIndex|UsesIndexes|AmongMany|VeryMany|PlansThat|AThrong|OfAKilledProcessEnd|SearchFinds|ALargeFleet' \
	./internal/iotapi ./internal/store ./internal/server ./internal/pki/crl
endif

.PHONY: build demo test check fmt vet lint generated bench generate test-note

build:
	$(GO) build -o bin/cordon ./cmd/cordon

demo: build
	bin/cordon demo

test: test-note
	@.ci/packages
	$(TEST) ./...
	$(LONG)

check: fmt vet lint generated test-note
	$(TEST) -shuffle=on ./...
	$(LONG)

test-note:
ifeq ($(CC_FOUND),)
	@echo "No C compiler found: the tests run without the race detector (Debian: apt-get install gcc libc6-dev)."
endif

fmt:
	@files=$$(gofmt -l cmd internal); \
	if [ -n "$$files" ]; then echo "not formatted (run gofmt -w):"; echo "$$files"; exit 1; fi

vet:
	$(GO) vet ./...

# Status 3: it could not be run, and said so.
lint:
	@.ci/lint || [ $$? -eq 3 ]

generated:
	@before=$$($(GENERATED) | sort | xargs sha256sum); \
	$(MAKE) --no-print-directory generate || exit 1; \
	after=$$($(GENERATED) | sort | xargs sha256sum); \
	if [ "$$before" != "$$after" ]; then \
		echo "Generated files were not up to date. They are now: commit them."; \
		diff <(echo "$$before") <(echo "$$after"); exit 1; \
	fi

bench: build
	bin/cordon bench audit
	bin/cordon bench mitigate

# A page is replaced only when it was made whole.
generate:
	$(GO) generate ./...
	@for page in config cli coverage; do \
		$(GO) run ./cmd/cordon reference $$page >docs/$$page.md.new && mv docs/$$page.md.new docs/$$page.md || \
		{ rm -f docs/$$page.md.new; exit 1; }; \
	done
