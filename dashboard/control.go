package dashboard

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"time"

	"github.com/spf13/pflag"

	"example.org/trawl/catalog"
	"example.org/trawl/control"
	"example.org/trawl/status"
	"example.org/trawl/submit"
)

// largestBody bounds what is read of a request, in bytes.
const largestBody = 16 << 20

// wrongRequest is what a request has that makes no sense.
type wrongRequest struct{ error }

func (e wrongRequest) Unwrap() error { return e.error }

// fields reads what a request says: an object in JSON, or a form. In JSON a value may be a text, a number, a truth or a list.
func fields(w http.ResponseWriter, r *http.Request) (url.Values, error) {
	r.Body = http.MaxBytesReader(w, r.Body, largestBody)
	kind, _, _ := mime.ParseMediaType(r.Header.Get("Content-Type"))
	if kind != "application/json" {
		if err := r.ParseForm(); err != nil {
			return nil, wrongRequest{fmt.Errorf("the form: %w", err)}
		}
		return r.PostForm, nil
	}
	var object map[string]any
	dec := json.NewDecoder(r.Body)
	dec.UseNumber()
	if err := dec.Decode(&object); err != nil {
		return nil, wrongRequest{fmt.Errorf("the body: %w: want an object, such as {\"crawl\":\"docs\"}", err)}
	}
	if _, err := dec.Token(); !errors.Is(err, io.EOF) {
		return nil, wrongRequest{errors.New("the body: want one object and nothing behind it")}
	}
	out := url.Values{}
	for name, value := range object {
		list, ok := value.([]any)
		if !ok {
			list = []any{value}
		}
		for _, v := range list {
			switch v := v.(type) {
			case string, bool, json.Number:
				out.Add(name, fmt.Sprint(v))
			default:
				return nil, wrongRequest{fmt.Errorf("%q: want a text, a number, true, false or a list of texts", status.Printable(name))}
			}
		}
	}
	return out, nil
}

// only tells whether nothing but these is said, each once.
func only(v url.Values, names ...string) error {
	for name, all := range v {
		if !slices.Contains(names, name) {
			return wrongRequest{fmt.Errorf("%q: want %s", status.Printable(name), strings.Join(names, ", "))}
		}
		if len(all) != 1 {
			return wrongRequest{fmt.Errorf("%q: want one", status.Printable(name))}
		}
	}
	return nil
}

// order does what an operator wants, and has it show at once.
func (s *Server) order(ctx context.Context, v control.Verb, ch catalog.Choice) ([]control.Effect, error) {
	defer s.now.forget()
	return control.Do(ctx, s.o.Catalog, v, ch, time.Now())
}

// apiControl answers POST /api/pause, resume, cancel and retry, as the commands of these names do.
func (s *Server) apiControl(v control.Verb) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		said, err := fields(w, r)
		if err == nil {
			err = only(said, "crawl", "host", "submitter", "fault")
		}
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		ch := catalog.Choice{Crawl: said.Get("crawl"), Host: said.Get("host"), Submitter: said.Get("submitter"), Fault: said.Get("fault")}
		done, err := s.order(r.Context(), v, ch)
		if err != nil {
			s.refuse(w, r, err)
			return
		}
		s.o.Log.InfoContext(r.Context(), "operator", "verb", v, "choice", ch)
		if len(done) > 1 { // a name that stands for two hosts
			done[0].Name = ch.Host
		}
		s.json(w, r, http.StatusOK, done[0])
	}
}

// apiURLs answers POST /api/urls, as enqueue does: urls, and the names of its flags.
func (s *Server) apiURLs(w http.ResponseWriter, r *http.Request) {
	said, err := fields(w, r)
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	o, err := orderOf(said, r)
	if err == nil && len(said["urls"])+len(o.Sitemaps) == 0 {
		err = wrongRequest{errors.New("no URL given: name some in urls, or a sitemap")}
	}
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	report, err := o.Submit(r.Context(), s.o.Redis, said["urls"], time.Now())
	if err != nil {
		s.refuse(w, r, err)
		return
	}
	s.json(w, r, http.StatusOK, report)
}

// orderOf reads an order from what is said: an empty text leaves a setting as it is.
func orderOf(said url.Values, r *http.Request) (*submit.Order, error) {
	set := pflag.NewFlagSet("", pflag.ContinueOnError)
	o := submit.NewOrder(set)
	o.Submitter = "api"
	if user, _, ok := r.BasicAuth(); ok {
		o.Submitter = user
	}
	for name, values := range said {
		if name == "urls" {
			continue
		}
		flag := strings.ReplaceAll(name, "_", "-")
		if set.Lookup(flag) == nil {
			return o, wrongRequest{fmt.Errorf("%q: want urls, or a flag of enqueue such as crawl, depth or delay", status.Printable(name))}
		}
		for _, v := range values {
			if v == "" {
				continue
			}
			if err := set.Set(flag, v); err != nil {
				return o, wrongRequest{flagless(err)}
			}
		}
	}
	if err := o.Check(time.Now()); err != nil {
		return o, wrongRequest{flagless(err)}
	}
	return o, nil
}

// flagless is an error about a flag for those who gave none.
func flagless(err error) error {
	return errors.New(status.Printable(strings.NewReplacer(`for "--`, `for "`, `" flag: `, `": `).Replace(strings.TrimPrefix(err.Error(), "--"))))
}

// refuse answers with what is wrong with a request, or with what failed.
func (s *Server) refuse(w http.ResponseWriter, r *http.Request, err error) {
	var tooLarge *http.MaxBytesError
	switch {
	case errors.As(err, &tooLarge):
		s.json(w, r, http.StatusRequestEntityTooLarge, apiError{fmt.Sprintf("a request has at most %d bytes: send several", largestBody)})
	case errors.As(err, new(wrongRequest)), errors.As(err, new(*control.ChoiceError)):
		s.json(w, r, http.StatusBadRequest, apiError{err.Error()})
	case errors.Is(err, catalog.ErrNotFound):
		s.json(w, r, http.StatusNotFound, apiError{notFound(err).Error()})
	case errors.Is(err, control.ErrNotPaused):
		s.json(w, r, http.StatusConflict, apiError{err.Error()})
	default:
		s.fail(w, r, err)
	}
}
