package dashboard_test

import (
	"bytes"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/getkin/kin-openapi/openapi3filter"
	"github.com/getkin/kin-openapi/routers/gorillamux"
	"github.com/google/go-cmp/cmp"

	"example.org/trawl/dashboard"
	"example.org/trawl/internal/redistest"
)

// TestOpenAPI holds what the API answers against what openapi.json says of it.
func TestOpenAPI(t *testing.T) {
	srv := serveOn(t, redistest.Start(t), dashboard.Login{}, filled(t))
	doc, err := openapi3.NewLoader().LoadFromData([]byte(ask(t, "GET", srv.URL+"/api/openapi.json", nil).body))
	if err == nil {
		err = doc.Validate(t.Context())
	}
	if err != nil {
		t.Fatal(err)
	}
	var described []string
	for path, item := range doc.Paths.Map() {
		for method := range item.Operations() {
			described = append(described, method+" "+path)
		}
	}
	slices.Sort(described)
	if diff := cmp.Diff(dashboard.Routes(), described); diff != "" {
		t.Errorf("answered (-) and described (+):\n%s", diff)
	}
	doc.Servers = openapi3.Servers{{URL: srv.URL}}
	router, err := gorillamux.NewRouter(doc)
	if err != nil {
		t.Fatal(err)
	}
	for _, x := range []struct{ method, path, body string }{
		{"GET", "/api/status", ""},
		{"GET", "/api/why", ""},
		{"GET", "/api/pages?url=" + url.QueryEscape(okPage), ""},
		{"GET", "/api/pages?url=" + url.QueryEscape(badPage), ""},
		{"GET", "/api/pages?url=" + url.QueryEscape("http://a.test/again"), ""},
		{"GET", "/api/pages?url=http://nowhere.test/", ""},
		{"GET", "/api/search?q=a", ""},
		{"GET", "/api/search?q=a&crawl=none", ""},
		{"GET", "/api/hosts", ""},
		{"GET", "/api/hosts?state=dead", ""},
		{"GET", "/api/hosts?host=none.test", ""},
		{"GET", "/api/failures", ""},
		{"GET", "/api/failures?crawl=none", ""},
		{"GET", "/api/failures/pages?fault=server_error&before=1000", ""},
		{"GET", "/api/failures/pages?fault=luck", ""},
		{"GET", "/api/failures/pages?crawl=none", ""},
		{"GET", "/api/schedules", ""},
		{"DELETE", "/api/schedules/1", ""},
		{"DELETE", "/api/schedules/1", ""},
		{"GET", "/api/schedules", ""},
		{"GET", "/api/openapi.json", ""},
		{"POST", "/api/urls", `{"urls":["http://a.test/","ftp://b.test/"],"depth":1}`},
		{"POST", "/api/urls", `{"depth":1}`},
		{"POST", "/api/pause", `{"crawl":"docs"}`},
		{"POST", "/api/resume", `{"crawl":"docs"}`},
		{"POST", "/api/resume", `{"crawl":"docs"}`},
		{"POST", "/api/retry", `{"fault":"tls"}`},
		{"POST", "/api/cancel", `{"crawl":"none"}`},
		{"POST", "/api/cancel", `{"crawl":"docs"}`},
	} {
		r, err := http.NewRequestWithContext(t.Context(), x.method, srv.URL+x.path, strings.NewReader(x.body))
		if err != nil {
			t.Fatal(err)
		}
		if x.body != "" {
			r.Header.Set("Content-Type", asJSON)
		}
		route, params, err := router.FindRoute(r)
		if err != nil {
			t.Fatalf("%s %s: %v", x.method, x.path, err)
		}
		in := &openapi3filter.RequestValidationInput{Request: r, PathParams: params, Route: route, Options: &openapi3filter.Options{
			IncludeResponseStatus: true, AuthenticationFunc: openapi3filter.NoopAuthenticationFunc,
		}}
		if err := openapi3filter.ValidateRequest(t.Context(), in); err != nil {
			t.Errorf("%s %s: %v", x.method, x.path, err)
		}
		a := ask(t, x.method, srv.URL+x.path, func(r *http.Request) {
			if x.body != "" {
				say(asJSON, x.body)(r)
			}
		})
		err = openapi3filter.ValidateResponse(t.Context(), &openapi3filter.ResponseValidationInput{
			RequestValidationInput: in, Status: a.StatusCode, Header: a.Header, Body: io.NopCloser(bytes.NewReader([]byte(a.body))), Options: in.Options,
		})
		if err != nil {
			t.Errorf("%s %s: %s: %v\n%s", x.method, x.path, a.Status, err, a.body)
		}
	}
}
