package follow_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"io"
	"net/http"
	"strconv"
	"testing"
	"time"
)

// hook accepts CloudEvents and checks their signature as Standard Webhooks says. status, if set, gives the answer.
type hook struct {
	arrivals
	t      *testing.T
	secret []byte
	status func(id string) int
}

func (h *hook) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		return // cut off
	}
	id, stamp := r.Header.Get("Webhook-Id"), r.Header.Get("Webhook-Timestamp")
	mac := hmac.New(sha256.New, h.secret)
	mac.Write([]byte(id + "." + stamp + "." + string(body)))
	if want := "v1," + base64.StdEncoding.EncodeToString(mac.Sum(nil)); r.Header.Get("Webhook-Signature") != want {
		h.t.Errorf("event %s is not signed as it must be", id)
	}
	if seconds, err := strconv.ParseInt(stamp, 10, 64); err != nil || time.Since(time.Unix(seconds, 0)).Abs() > within {
		h.t.Errorf("got the time %q", stamp)
	}
	var e struct{ SpecVersion, ID, Source, Type, Subject, Time, DataContentType string }
	if err := json.Unmarshal(body, &e); err != nil || e.ID != id || e.SpecVersion != "1.0" || e.Source != gatewayURL ||
		e.Type != "zorgsluis.event.access.v1" || e.Subject != person || e.DataContentType != "application/json" ||
		r.Header.Get("Content-Type") != "application/cloudevents+json" || r.Method != http.MethodPost {
		h.t.Errorf("got %s %s", r.Method, body)
	}
	status := http.StatusNoContent
	if h.status != nil {
		status = h.status(id)
	}
	if status < 300 {
		h.add(id, string(body))
	}
	w.WriteHeader(status)
}
