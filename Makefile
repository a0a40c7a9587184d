# make run    crawl a simulated web and look at it      make test    all tests, with real parts
# make check  everything that a change has to pass      make build   the programs, into bin/
GO     ?= go
TOOL    = $(GO) tool -modfile=tools.mod
WARCIO  = .tools/node_modules/warcio/dist/index.js
export CGO_ENABLED = 0

.PHONY: build run test check fmt need screenshots bench bench-quick bench-conditions profile bench-why bench-pages

build:
	$(GO) build -o bin/ ./cmd/...

run: build
	bin/trawl up --demo

# The tests start a redis-server, a Chromium and somebody else's WARC reader of their own; need installs what is missing.
test: need
	WARCIO_MODULE=$(CURDIR)/$(WARCIO) $(GO) test -timeout 20m ./...
	@echo "make test: all packages passed, with a real redis-server, Chromium and warcio"

check: need
	@test -z "$$($(TOOL) gofumpt -l .)" || { $(TOOL) gofumpt -l .; echo "make check: run make fmt"; exit 1; }
	$(GO) vet ./...
	$(TOOL) staticcheck ./...
	@test -z "$$($(GO) fix -diff ./... 2>&1)" || { $(GO) fix -diff ./...; echo "make check: run make fmt"; exit 1; }
	@test -z "$$($(TOOL) deadcode -test ./...)" || { $(TOOL) deadcode -test ./...; echo "make check: the functions above are never called"; exit 1; }
	CGO_ENABLED=1 $(GO) test -short -race -shuffle=on -timeout 20m ./...
	@echo "make check: format, vet, staticcheck, go fix, deadcode and the tests with the race detector passed"

fmt:
	$(GO) fix ./...
	$(TOOL) gofumpt -w .

need: $(WARCIO)
	@scripts/need.sh redis-server chromium gcc

$(WARCIO):
	@scripts/need.sh node
	@npm install --silent --no-audit --no-fund --prefix .tools warcio@2.4.11
	@touch $@

# The pictures in the README.
screenshots: need
	$(GO) test ./dashboard -run TestScreenshots -screenshots ../docs

# Whether the diagnosis tells the truth: every scenario twenty times in synthetic time, in pairs too, and then once with real
# processes: about two hours. bench/WHY.md has the tables.
bench-why: build
	$(GO) test ./bench/why -run TestConfusion -timeout 3h -v -seeds 20 -table ../WHY.md
	printf '\n## With real processes\n\nMade by `trawl lab run all --seed 1`: real processes, a real Redis, a real disk and real time.\n\n' >> bench/WHY.md
	bin/trawl lab run all --seed 1 --table bench/WHY.md

# How fast Trawl crawls, and what that takes. bench/RESULTS.md has tables.
bench: build need
	@bench/peers/need bin
	$(GO) run ./bench

# In a minute: trawl crawl beside the floors, and whether it allocates more for a page than bench/allocations.json says.
bench-quick: build
	$(GO) run ./bench quick

# Where the CPU time of a crawl goes, by stage and by part.
profile: build need
	$(GO) run ./bench -pages 10000 profile

# What Trawl needs behind a line, beside other workers, with a large frontier and for long, and how well it keeps to delays: about half
# an hour. bench/RESULTS.md has tables.
bench-conditions: build need
	$(GO) run ./bench -rounds 3 load polite workers growth
	$(GO) run ./bench -rounds 1 -pages 50000 memory

# How long the dashboard's pages take, with 10,000 and with 2,000,000 pages in the frontier. bench/PAGES.md has the tables.
bench-pages:
	printf "# How long the dashboard's pages take\n\nMade by \`make bench-pages\` on two cores that also run the crawl, its Redis and the web that is crawled; each is asked for forty times.\n" > bench/PAGES.md
	$(GO) test ./bench/pages -v -count=1 -timeout 1h -pages 10000 -stored 10000 -times 40 -table ../PAGES.md
	$(GO) test ./bench/pages -v -count=1 -timeout 1h -pages 2000000 -stored 10000 -times 40 -table ../PAGES.md
