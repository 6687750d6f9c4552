package reference

import (
	"net/http"
	"net/http/httptest"
	"testing"
)

const key = "5f0c1d9e7b3a4268a1c8e6d2074fb935"

// nowhere takes a response, and does nothing with it.
type nowhere struct {
	fields http.Header
	status int
}

func (answer *nowhere) Header() http.Header                          { return answer.fields }
func (answer *nowhere) Write(bytes []byte) (int, error)              { return len(bytes), nil }
func (answer *nowhere) WriteHeader(status int)                       { answer.status = status }
func (answer *nowhere) ServeHTTP(http.ResponseWriter, *http.Request) { answer.status = http.StatusOK }

// measure checks one request many times, with the headers that the bench in Rust has.
func measure(b *testing.B, target, presented string, status int) {
	request := httptest.NewRequest(http.MethodGet, target, nil)
	for name, value := range map[string]string{
		"Host":                                "orders.internal:8080",
		"User-Agent":                          "Prometheus/3.5.0",
		"Accept":                              "application/openmetrics-text;version=1.0.0;q=0.8,text/plain;version=0.0.4;q=0.5,*/*;q=0.1",
		"Accept-Encoding":                     "gzip",
		"X-Prometheus-Scrape-Timeout-Seconds": "10",
		"X-Forwarded-For":                     "192.0.2.7",
		"X-Forwarded-Proto":                   "https",
		"X-Request-Id":                        "5c1d7c1e-62a5-4c5e-9d7c-0b8e2f6a1d34",
		"Via":                                 "1.1 gateway",
	} {
		request.Header.Set(name, value)
	}
	if presented != "" {
		request.Header.Set("X-Metrics-Key", presented)
	}
	answer := &nowhere{fields: http.Header{}}
	guarded := Guard(key, answer)
	b.ReportAllocs()
	b.ResetTimer()
	for i := 0; i < b.N; i++ {
		guarded.ServeHTTP(answer, request)
	}
	if answer.status != status {
		b.Fatalf("answered %d", answer.status)
	}
}

func BenchmarkHeader(b *testing.B) { measure(b, "/metrics", key, http.StatusOK) }

func BenchmarkWrong(b *testing.B) {
	measure(b, "/metrics", "5f0c1d9e7b3a4268a1c8e6d2074fb936", http.StatusUnauthorized)
}

func BenchmarkQuery(b *testing.B) {
	measure(b, "/metrics?format=text&job=orders&key="+key, "", http.StatusOK)
}
