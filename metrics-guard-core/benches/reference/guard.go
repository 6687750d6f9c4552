// Package reference is a middleware that behaves like the one that metrics-guard reproduces, so that the bench can compare
// both.
package reference

import (
	"crypto/subtle"
	"net/http"
)

// Guard passes a request for /metrics to next only if it presents key in X-Metrics-Key, or else in the parameter "key".
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
