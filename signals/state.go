package signals

import (
	"time"

	"example.org/trawl/tasks"
)

// State is what is everybody's, as it was at one moment.
type State struct {
	At         time.Time            `json:"at"`
	Queues     map[tasks.Kind]Queue `json:"q,omitempty"`
	Backlog    map[string]int64     `json:"b,omitempty"`    // open pages by what they wait for: status.Reasons
	Open       int64                `json:"open,omitempty"` // pages that are not closed
	Closed     int64                `json:"closed,omitempty"`
	Unindexed  int64                `json:"unindexed,omitempty"`
	ETA        float64              `json:"eta,omitempty"` // seconds; -1 when it cannot be told
	Submitters []Waiting            `json:"subs,omitempty"`
	Hosts      []Waiting            `json:"hosts,omitempty"`    // those with the most waiting pages
	Troubled   map[string]int64     `json:"troubled,omitempty"` // hosts by state, but for those in order
	Redis      Redis                `json:"r,omitzero"`
	Disks      []Disk               `json:"disks,omitempty"`
	Canaries   map[string]Canary    `json:"c,omitempty"`
	Outages    []Outage             `json:"out,omitempty"`
	Paused     []string             `json:"paused,omitempty"` // "crawl docs", "host http://example.org"
	Missing    map[string]string    `json:"x,omitempty"`      // what could not be found out, and why
}

// Queue is a stage's queue.
type Queue struct {
	Pending   int           `json:"p,omitempty"` // tasks that are ready
	Active    int           `json:"a,omitempty"`
	Scheduled int           `json:"s,omitempty"` // that wait for their slot
	Retry     int           `json:"r,omitempty"`
	Archived  int           `json:"x,omitempty"`
	Oldest    time.Duration `json:"o,omitempty"` // how long the oldest ready task has waited
	Paused    bool          `json:"z,omitempty"`
	Workers   int           `json:"w,omitempty"` // processes that serve it
	Slots     int           `json:"m,omitempty"` // tasks that they run at once
}

// Waiting is who has how many pages waiting.
type Waiting struct {
	Name  string  `json:"n"`
	Pages int64   `json:"p"`
	Pace  float64 `json:"pace,omitempty"` // of a host: seconds between two starts
	State string  `json:"s,omitempty"`    // of a host
	ETA   float64 `json:"eta,omitempty"`  // of a host: seconds
}

// Redis is how Redis is doing.
type Redis struct {
	Ping    time.Duration `json:"ping"` // the slowest of a few
	Used    int64         `json:"used,omitempty"`
	Max     int64         `json:"max,omitempty"`     // 0: no bound
	Evicted int64         `json:"evicted,omitempty"` // keys, ever
	Refused int64         `json:"refused,omitempty"` // commands for want of memory, ever
	Fsyncs  int64         `json:"fsyncs,omitempty"`  // of its append-only file that held it up, ever
	Err     string        `json:"err,omitempty"`
}

// Disk is room on a disk.
type Disk struct {
	Path string `json:"path"`
	Free int64  `json:"free"` // bytes
	Size int64  `json:"size"`
}

// Canary is something small that was tried.
type Canary struct {
	Took time.Duration `json:"t"`
	Err  string        `json:"e,omitempty"`
}

// The canaries.
const (
	CanaryDNS      = "dns"
	CanaryDatabase = "database"
	CanaryArchive  = "archive"
	CanaryUplink   = "uplink"
)

// Outage is what everybody needs and is down.
type Outage struct {
	Fault string    `json:"f"`
	Since time.Time `json:"since"`
	Err   string    `json:"e,omitempty"`
}
