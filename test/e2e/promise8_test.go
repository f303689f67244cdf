package e2e_test

import (
	"bytes"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"zorgsluis/internal/demo"
)

// The patient of promise 8: every text that identifies her contains the marker, and her number begins with a zero, which would be lost if it
// were read as a number.
var canary = demo.Person{Name: marker + "name", BSN: "012345672", PatientID: marker + "-id"}

func canaryRecords() []demo.Resource {
	p := canary
	patient := fmt.Sprintf(`{"resourceType":"Patient","id":"%s","identifier":[{"system":"%s","value":"%s"},{"system":"urn:other","value":"%sother"}],`+
		`"name":[{"family":"%s"}],"birthDate":"1970-01-01","gender":"female","address":[{"line":["%sstreet"]}],"telecom":[{"system":"phone","value":"%sphone"}]}`,
		p.PatientID, demo.SystemBSN, p.BSN, marker, p.Name, marker, marker)
	condition := fmt.Sprintf(`{"resourceType":"Condition","id":"c-1","subject":{"reference":"Patient/%s","display":"%s"},"code":{"text":"%scode"},"note":[{"text":"%s"}]}`,
		p.PatientID, p.Name, marker, p.BSN)
	return []demo.Resource{demo.Resource(patient), demo.Resource(condition)}
}

// TestPromise8NoPatientIdentifier: after everything that can happen around a patient, no identifier of hers is in the gateway's log, its
// metrics, Redis' keys and files, the archive, output for operators, error bodies, self links, or the URLs and headers that the source gets,
// except what the source itself named.
func TestPromise8NoPatientIdentifier(t *testing.T) {
	t.Parallel()
	w := newWorld(t, canaryRecords()...)
	relay := startRelay(t, w.redis.Address())
	w.redisAddress = relay.address()
	g, file := w.start("timeout: 8s", "timeout: 1s")
	gp, doctor, patient := demo.GP(), demo.EmergencyDoctor(), demo.Patient("patient", canary)
	patient.Claims.Subject = marker + "-subject"
	short := strings.TrimLeft(canary.BSN, "0")
	secrets := []string{marker, strings.ToLower(marker), canary.BSN, short, "MDEyMzQ1Njcy"} // the last is the number in base64
	find := func(where, text string) {
		t.Helper()
		for _, secret := range secrets {
			if i := strings.Index(text, secret); i >= 0 {
				t.Errorf("%s holds %q: …%s…", where, secret, strings.ToValidUTF8(text[max(0, i-80):min(len(text), i+80)], "?"))
			}
		}
	}

	// Operators.
	var told strings.Builder
	tell := func(r result) result {
		told.WriteString(r.stdout + r.stderr)
		return r
	}
	record := w.write("record.json", text(permit(partyGP, "GGC002")))
	put := tell(command(t, canary.BSN+"\n", "consent", "put", "--config", file, "--record", record))
	if put.code != 0 {
		t.Fatalf("put: %s", put.stderr)
	}
	for _, args := range [][]string{{"consent", "list"}, {"consent", "history"}, {"person", "set", "--incapacitated"}, {"person", "set", "--no-incapacitated"},
		{"consent", "withdraw", "--by", "patient", "no-such-id"}, {"store", "check"}} {
		tell(command(t, demo.SystemBSN+"|"+short+"\n", append(args, "--config", file)...))
	}
	tell(command(t, canary.BSN+"7\n", "consent", "list", "--config", file))
	tell(command(t, marker+"\n", "consent", "list", "--config", file))

	// Callers: permitted, denied, and failing requests, with her wherever a caller can name her.
	var errors strings.Builder
	released := 0
	ask := func(by demo.Caller, q question) reply {
		r := g.ask(by, q)
		if r.status == http.StatusOK && strings.Contains(r.body, marker) {
			released++
			if self := r.link(g, "self"); self != "" {
				find("a self link", self)
			}
			find("a header", fmt.Sprint(r.header))
			return r
		}
		errors.WriteString(r.body + fmt.Sprint(r.header))
		return r
	}
	byNumber := get("/fhir/demo/Condition?patient.identifier=" + demo.SystemBSN + "%7C" + short)
	for _, by := range []demo.Caller{gp, doctor, demo.Pharmacist(), demo.Insurer(), patient, demo.Patient("patient-milan", demo.Milan()), {}} {
		for _, q := range []question{
			search("Condition", canary), searchID("Condition", canary), byNumber, get("/fhir/demo/Patient/" + string(canary.PatientID)),
			get("/fhir/demo/Condition/c-1"), get("/fhir/demo/Condition?subject=Patient/" + string(canary.PatientID) + "&nonsense=" + canary.BSN),
			get("/fhir/demo/Condition?" + canary.BSN + "=1"), get("/fhir/demo/" + marker), get("/" + canary.BSN), get("/fhir/" + canary.BSN + "/Patient/1"),
			get("/fhir/demo/Patient?identifier=" + demo.SystemBSN + "%7C" + canary.BSN), get("/fhir/demo/Patient?name=" + canary.Name),
			get("/fhir/demo/Patient/" + string(canary.PatientID) + "/$everything"), get("/fhir/demo/Condition?_cursor=" + marker),
			get("/fhir/demo/Condition?patient=" + string(canary.PatientID) + "&code:" + marker + "=1"), get("/gateway/AuditEvent?patient=" + marker),
		} {
			q.header = http.Header{"X-Patient": {canary.BSN}, "Referer": {"https://" + marker}, "User-Agent": {marker}, "Cookie": {marker}}
			ask(by, q)
		}
	}
	if r := ask(doctor, declare(canary)); r.status != http.StatusCreated {
		t.Fatalf("declare: %d", r.status)
	}
	revealing := declare(canary)
	revealing.body = strings.Replace(revealing.body, "Brought in", "Patient "+canary.BSN+" brought in", 1)
	ask(doctor, revealing)
	bad := declare(canary)
	bad.body = strings.Replace(bad.body, `"patient"`, `"`+marker+`"`, 1)
	ask(doctor, bad)
	ask(doctor, search("Condition", canary))
	list := g.ask(patient, get("/gateway/AuditEvent")).wantStatus(t, http.StatusOK, "the patient's list")
	find("the patient's list of events", list.body)
	for _, body := range []string{
		`{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"GET","url":"Condition?patient=` + string(canary.PatientID) + `&code=x"}},` +
			`{"request":{"method":"GET","url":"Condition?patient=` + string(canary.PatientID) + `&nonsense=` + canary.BSN + `"}},{"request":{"method":"GET","url":"` + marker + `/` + canary.BSN + `"}}]}`,
		`{"` + canary.BSN + `":1}`, `{"` + marker + `":"` + canary.BSN + `"}`, `{"resourceType":"` + marker + `"}`, `{"resourceType":"Bundle","type":"` + marker + `"}`,
		`{"resourceType":"Bundle","type":"batch","entry":[{"` + canary.BSN + `":1}]}`, `{"resourceType":"Bundle","type":"batch","entry":[{"request":{"method":"` + marker + `","url":"x"}}]}`,
	} {
		for _, by := range []demo.Caller{gp, demo.Insurer()} {
			ask(by, question{method: http.MethodPost, path: "/fhir/demo", contentType: "application/fhir+json", body: body})
		}
	}
	strange := search("Condition", canary)
	strange.header = http.Header{"X-Request-Id": {canary.BSN}}
	ask(gp, strange)

	// The source names her in every fault; Redis fails while it handles her.
	asked := w.source.Requests()
	for _, does := range []demo.Interceptor{
		demo.Answer(500, "application/fhir+json", marker+canary.BSN), demo.Answer(200, "text/"+marker, marker), demo.Answer(200, "application/fhir+json", `{"`+canary.BSN+`":`),
		demo.Answer(404, "application/fhir+json", marker), demo.Redirect("http://127.0.0.1:1/" + canary.BSN), demo.EarlyHints("<" + marker + ">"), demo.HangUp(), w.source.Truncated(),
		demo.Header("X-Patient", marker), w.source.Edit(func(b []byte) []byte { return bytes.ReplaceAll(b, []byte(`"id"`), []byte(`"`+marker+`"`)) }),
	} {
		w.source.Intercept(does)
		ask(gp, search("Condition", canary))
		ask(gp, get("/fhir/demo/Condition/c-1"))
		ask(gp, get("/fhir/demo/Patient/"+string(canary.PatientID)))
	}
	w.source.Intercept(nil)
	w.redis.Kill()
	ask(gp, search("Condition", canary))
	ask(doctor, declare(canary))
	tell(command(t, canary.BSN+"\n", "consent", "list", "--config", file))
	w.redis.Run()
	w.recovers(g, gp, search("Condition", canary))
	tell(command(t, canary.BSN+"\n", "consent", "withdraw", "--config", file, "--by", "patient", strings.TrimSpace(put.stdout)))

	if released < 10 {
		t.Errorf("her data was released %d times: too little happened to show anything", released)
	}
	find("an error body or a header of one", errors.String())
	find("what operators are told", told.String())
	_, metrics := g.admined("/metrics")
	find("/metrics", metrics)
	_, ready := g.admined("/readyz")
	find("/readyz", ready)
	for _, q := range asked {
		// Towards the source she is named by its own id, in path and query, and by her number only in a form body.
		where := "the source's " + q.Method + " " + strings.ReplaceAll(q.Path, string(canary.PatientID), "***")
		find(where, strings.ReplaceAll(q.Path+"?"+q.Query, string(canary.PatientID), "***"))
		find(where+", headers", fmt.Sprint(q.Header))
	}
	find("a command line", strings.Join(g.cmd.Args, " "))
	g.stop()
	find("the log", g.out.String())
	w.eachKept(find)
}

// eachKept returns the names of Redis' keys, and the files of Redis and of the archive.
func (w *world) eachKept(find func(where, text string)) {
	w.t.Helper()
	keys, err := w.redis.Client().Keys(w.t.Context(), "*").Result()
	if err != nil || len(keys) < 10 {
		w.t.Fatalf("keys of Redis: %d, %v", len(keys), err)
	}
	find("a key of Redis", strings.Join(keys, "\n"))
	for name, folder := range map[string]string{"Redis' folder": w.redis.Folder(), "the archive": filepath.Join(w.folder, "archive")} {
		read := 0
		err := fs.WalkDir(os.DirFS(folder), ".", func(path string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() {
				return err
			}
			content, err := os.ReadFile(filepath.Join(folder, path))
			read += len(content)
			find(name+", "+path, string(content))
			return err
		})
		if err != nil || read < 1000 {
			w.t.Errorf("%s: %d bytes, %v", name, read, err)
		}
	}
}
