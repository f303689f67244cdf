SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.PHONY: run test check bench timing fuzz validate redis node

run:
	go run ./cmd/gateway demo

# All tests, with the race detector and real redis-server processes. First package fhir without the detector, under which its comparison of the
# reader with an oracle is ten times as slow and so runs only in part. The pure packages, which decide, must be covered to 95 %; the check prints
# something only if they are not, so that the summary of go test comes last.
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

# Some tests use external software: an OpenID provider and a FHIR client, npm packages with lock files.
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

# Does response time distinguish withheld from absent? Prints both distributions, without and with limits.read_floor.
timing:
	go run ./test/timing

# Runs an external validator (HAPI) on the gateway's answers in these tests and on events of every kind. Needs Java 17 and Maven. PROFILES are
# files or folders with more StructureDefinitions, such as those of IHE BALP; without them, each event that claims one is a warning.
STORIES = Test(Leaks|STU3|Everything|BreakGlass|Consent|Patient|ThePatient|Stop|ProviderWrites|Representative|BothConsent|Profiles|BadInput|AnErasure|Release)
PROFILES =
validate:
	@samples=$$(mktemp -d); trap 'rm -rf "$$samples"' EXIT; mkdir "$$samples/r4" "$$samples/stu3"; export ZORGSLUIS_SAMPLES="$$samples"; \
	go test -count=1 -run '^TestEveryEvent' ./audit; \
	go test -count=1 -timeout 20m -run '^$(STORIES)' ./test/e2e; \
	mvn -q -B -f test/validate org.apache.maven.plugins:maven-dependency-plugin:3.8.1:build-classpath -Dmdep.outputFile="$$samples/classpath"; \
	java -Xmx1500m -cp "$$(cat "$$samples/classpath")" test/validate/Validate.java configs/definitions $(PROFILES) -- "$$samples" configs/definitions

# Ten minutes of fuzzing of what reads requests, answers, connections, batches, page links, tokens and proofs, each for this many seconds; the
# filter, which is compared with a slow oracle, longest. Findings are kept below testdata/fuzz: commit them, and make test runs them from then on. Minimising
# an input that is only new could take a minute each time, most of the ten, so it gets a second. Run the other targets
# (go test -list Fuzz ./...) by hand.
fuzz:
	@for target in fhir/FuzzFilter=210 fhir/FuzzParseInteraction=120 fhir/FuzzParseBatch=90 proxy/FuzzSealer=40 proxy/FuzzPosition=30 authn/FuzzToken=40 authn/FuzzProof=40 proxy/direct/FuzzAnswer=30; do \
		name=$${target%=*}; echo "$$name"; \
		go test -run '^$$' -fuzz "^$${name##*/}$$" -fuzztime "$${target#*=}s" -fuzzminimizetime 1s "./$${name%/*}" -args -test.fuzzcachedir=testdata/fuzz; \
	done
