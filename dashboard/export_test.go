package dashboard

import (
	"maps"
	"slices"
)

// Routes lists what answers in JSON, as http.ServeMux writes it.
func Routes() []string { return slices.Sorted(maps.Keys((&Server{}).api())) }
