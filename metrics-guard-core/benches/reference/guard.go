// Package reference is a middleware that behaves as the one that metrics-guard reproduces, to be measured beside it.
package reference

import (
	"crypto/subtle"
	"net/http"
)

// Guard lets a request for /metrics through to next if it presents key in X-Metrics-Key, or else in the parameter "key".
func Guard(key string, next http.Handler) http.Handler {
	return http.HandlerFunc(func(answer http.ResponseWriter, request *http.Request) {
		if request.URL.Path == "/metrics" && key != "" {
			presented := request.Header.Get("X-Metrics-Key")
			if presented == "" {
				presented = request.URL.Query().Get("key")
			}
			if subtle.ConstantTimeCompare([]byte(presented), []byte(key)) == 0 {
				http.Error(answer, "Unauthorized", http.StatusUnauthorized)
				return
			}
		}
		next.ServeHTTP(answer, request)
	})
}
