package lab

import (
	"net/http"
	"strconv"
	"strings"
)

// mostDead bounds the list that is served at once.
const mostDead = 1_000_000

// DeadURLs lists n URLs whose hosts do not exist, each in a registrable domain of its own. They are the first of an endless
// list, which is the same for the same seed, and none of them is linked from a page.
func (w *Web) DeadURLs(n int) []string {
	r, slugs := stream(w.model.seed, 0, 0, forDead), w.model.slugs
	list := make([]string, 0, max(0, n))
	for i := range n {
		list = append(list, "http://"+slugs[r.n(len(slugs))]+"-"+strconv.Itoa(i)+".test/"+slugs[r.n(len(slugs))])
	}
	return list
}

// serveDead answers at /_dead: n of these URLs (100 when nothing is said), a line each.
func (w *Web) serveDead(rw http.ResponseWriter, r *http.Request) {
	n, err := 100, error(nil)
	if asked := r.URL.Query().Get("n"); asked != "" {
		n, err = strconv.Atoi(asked)
	}
	if err != nil || n < 1 || n > mostDead {
		write(rw, r, http.StatusBadRequest, "text/plain", []byte("n is from 1 to "+strconv.Itoa(mostDead)+"\n"))
		return
	}
	write(rw, r, http.StatusOK, "text/plain; charset=utf-8", []byte(strings.Join(w.DeadURLs(n), "\n")+"\n"))
}
