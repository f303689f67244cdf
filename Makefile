SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: run test check bench timing fuzz validate redis node

run:
	go run ./cmd/gateway demo

# One run of everything, with the race detector and real redis-server processes; before it the reader of answers against its oracle
# without the detector, which makes it ten times as slow and has nothing to find there: with it a share is run. The pure packages, which decide, must be covered
# to 95 %; the check speaks only when they are not, so that the summary of go test is what is left to read.
test: redis node
	@out=$$(mktemp); trap 'rm -f "$$out"' EXIT; \
	go test -count=1 ./fhir; \
	go test -race -count=1 -cover -timeout 20m ./... | tee "$$out"; \
	awk -v want=95 ' \
		$$2 ~ /^zorgsluis\/(fhir|consent|policy)$$/ && match($$0, /coverage: [0-9.]+/) { seen[$$2] = substr($$0, RSTART+10, RLENGTH-10) } \
		END { for (p in seen) { n++; if (seen[p] + 0 < want) { print "coverage of " p " is " seen[p] " %, wanted " want " %"; bad = 1 } } \
			if (n != 3) { print "coverage of fhir, consent and policy was not reported"; bad = 1 } \
			exit bad }' "$$out" >&2

# The tests start redis-server themselves; miniredis does not fsync, fail over or run out of memory.
redis:
	@command -v redis-server >/dev/null && exit 0; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
		apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq redis-server; \
	else \
		echo "the tests need redis-server: run  apt-get install -y redis-server  as root" >&2; exit 1; \
	fi

# Some tests are with software that is not ours: an OpenID provider and a FHIR client, npm packages as their lock files have them.
node:
	@command -v npm >/dev/null || { \
		if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
			apt-get update -qq && DEBIAN_FRONTEND=noninteractive apt-get install -y -qq nodejs npm; \
		else \
			echo "the tests need node and npm: run  apt-get install -y nodejs npm  as root" >&2; exit 1; \
		fi; }
	@for modules in oidc-provider fhir-client; do \
		cd $(CURDIR)/test/e2e/$$modules; \
		if [ package-lock.json -nt node_modules/.package-lock.json ]; then npm ci --ignore-scripts --no-audit --no-fund --loglevel error; fi; \
	done

check:
	@test -z "$$(gofmt -l .)" || { echo "not formatted:"; gofmt -l .; exit 1; }
	go vet ./...
	go vet -tags release ./cmd/...
	@if command -v staticcheck >/dev/null; then staticcheck ./...; else echo "staticcheck is not installed: left out"; fi
	@if command -v govulncheck >/dev/null; then govulncheck ./...; else echo "govulncheck is not installed: left out"; fi

bench:
	go run ./test/bench

# Does the time of an answer tell what is withheld from what is absent? Both distributions, without and with limits.read_floor.
timing:
	go run ./test/timing

# Does a validator that is not ours find fault with what the gateway writes? HAPI's, over what it answers to these stories and over events
# of every kind. Needs Java 17 and Maven. PROFILES are files or folders with more StructureDefinitions, such as those of IHE BALP: without
# them it is a warning that an event claims one.
STORIES = Test(Leaks|STU3|Everything|BreakGlass|Consent|Patient|ThePatient|Stop|ProviderWrites|Representative|BothConsent|Profiles|BadInput|AnErasure|Release)
PROFILES =
validate:
	@samples=$$(mktemp -d); trap 'rm -rf "$$samples"' EXIT; mkdir "$$samples/r4" "$$samples/stu3"; export ZORGSLUIS_SAMPLES="$$samples"; \
	go test -count=1 -run '^TestEveryEvent' ./audit; \
	go test -count=1 -timeout 20m -run '^$(STORIES)' ./test/e2e; \
	mvn -q -B -f test/validate org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile="$$samples/classpath"; \
	java -Xmx1500m -cp "$$(cat "$$samples/classpath")" test/validate/Validate.java configs/definitions $(PROFILES) -- "$$samples" configs/definitions

# Ten minutes of fuzzing: what reads requests, answers, batches, page links, tokens and proofs, each for so many seconds; the filter, which
# is compared with a slow oracle, for the longest. What is found, failing or new, is kept below testdata/fuzz: commit it, and make test runs
# it from then on. Making what is merely new smaller would take a minute each time, and most of the ten: it gets a second. The other targets
# (go test -list Fuzz ./...) are run by hand.
fuzz:
	@for target in fhir/FuzzFilter=240 fhir/FuzzParseInteraction=120 fhir/FuzzParseBatch=90 proxy/FuzzSealer=40 proxy/FuzzPosition=30 authn/FuzzToken=40 authn/FuzzProof=40; do \
		name=$${target%=*}; echo "$$name"; \
		go test -run '^$$' -fuzz "^$${name##*/}$$" -fuzztime "$${target#*=}s" -fuzzminimizetime 1s "./$${name%/*}" -args -test.fuzzcachedir=testdata/fuzz; \
	done
