package dashboard

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"time"

	"example.org/trawl/catalog"
	"example.org/trawl/status"
)

// schedulesPage lists what is submitted again and again.
type schedulesPage struct {
	frame
	Schedules []status.Schedule
	Remove    int64 // that is to be removed, once that is confirmed; 0 for none
	Done      string
	Error     string
}

func (s *Server) schedules(w http.ResponseWriter, r *http.Request) {
	id, _ := strconv.ParseInt(r.URL.Query().Get("remove"), 10, 64) // anything else: none
	s.schedulesPage(w, r, http.StatusOK, schedulesPage{Remove: id})
}

func (s *Server) schedulesPage(w http.ResponseWriter, r *http.Request, code int, p schedulesPage) {
	p.frame = frame{Title: "Schedules", Nav: "crawls", At: time.Now()}
	var err error
	if p.Schedules, err = status.Schedules(r.Context(), s.o.Catalog); err != nil {
		s.fail(w, r, err)
		return
	}
	s.render(w, r, code, "schedules.html", p)
}

// unschedule removes a schedule.
func (s *Server) unschedule(w http.ResponseWriter, r *http.Request) {
	switch id, err := s.removeSchedule(r); {
	case errors.Is(err, catalog.ErrNotFound):
		s.schedulesPage(w, r, http.StatusNotFound, schedulesPage{Error: sentenceOf(noSchedule(r))})
	case err != nil:
		s.fail(w, r, err)
	default:
		s.schedulesPage(w, r, http.StatusOK, schedulesPage{Done: fmt.Sprintf("Schedule %d submits nothing any more.", id)})
	}
}

// removeSchedule removes the schedule that the path names.
func (s *Server) removeSchedule(r *http.Request) (id int64, err error) {
	if id, err = strconv.ParseInt(r.PathValue("id"), 10, 64); err != nil {
		return 0, catalog.ErrNotFound
	}
	if err = s.o.Catalog.RemoveSchedule(r.Context(), id); err == nil {
		s.o.Log.InfoContext(r.Context(), "operator", "verb", "remove", "schedule", id)
	}
	return id, err
}

func noSchedule(r *http.Request) error {
	return errors.New("there is no schedule " + status.Printable(r.PathValue("id")))
}

func (s *Server) apiSchedules(w http.ResponseWriter, r *http.Request) {
	all, err := status.Schedules(r.Context(), s.o.Catalog)
	out := []catalog.Schedule{} // a list, if an empty one
	for _, x := range all {
		out = append(out, x.Schedule)
	}
	s.found(w, r, out, err)
}

func (s *Server) apiUnschedule(w http.ResponseWriter, r *http.Request) {
	id, err := s.removeSchedule(r)
	if errors.Is(err, catalog.ErrNotFound) {
		s.json(w, r, http.StatusNotFound, apiError{noSchedule(r).Error()})
		return
	}
	s.found(w, r, map[string]int64{"removed": id}, err)
}
