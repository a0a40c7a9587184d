package metrics

import (
	"time"

	"github.com/prometheus/client_golang/prometheus"

	"example.org/trawl/signals"
)

// kind is what Prometheus takes a metric for.
type kind string

const (
	isCounter   kind = "counter"
	isGauge     kind = "gauge"
	isHistogram kind = "histogram"
)

// metric is one name. docs/metrics.md lists them all with the same words, and a test compares.
type metric struct {
	name   string
	kind   kind
	labels []string
	means  string
	desc   *prometheus.Desc
}

var table []*metric

func define(k kind, name, means string, labels ...string) *metric {
	m := &metric{name, k, labels, means, prometheus.NewDesc(name, means, labels, nil)}
	table = append(table, m)
	return m
}

// send tells a number; of a histogram it panics.
func (m *metric) send(ch chan<- prometheus.Metric, value float64, labels ...string) {
	as := map[kind]prometheus.ValueType{isCounter: prometheus.CounterValue, isGauge: prometheus.GaugeValue}
	t, ok := as[m.kind]
	if !ok {
		panic("metrics: " + m.name + " is no number")
	}
	ch <- prometheus.MustNewConstMetric(m.desc, t, value, labels...)
}

// spread tells a histogram. Its buckets are cumulative, and the one without a bound is what was counted in all.
func (m *metric) spread(ch chan<- prometheus.Metric, h signals.Hist, labels ...string) {
	buckets := map[float64]uint64{}
	h.Buckets(func(bound time.Duration, upTo int64) {
		if bound > 0 {
			buckets[bound.Seconds()] = uint64(upTo)
		}
	})
	ch <- prometheus.MustNewConstHistogram(m.desc, uint64(h.N()), h.Sum().Seconds(), buckets, labels...)
}

// flag is a yes or no as Prometheus has it.
func flag(yes bool) float64 {
	if yes {
		return 1
	}
	return 0
}

// The metrics, in the order of the documentation. None is labelled by what is crawled or by whom: those may be any number.
var (
	up       = define(isGauge, "trawl_up", "1 when Redis answered this scrape; else 0, and the rest is what was known before")
	beats    = define(isCounter, "trawl_beats_total", "beats of all processes that were read")
	stateAge = define(isGauge, "trawl_state_age_seconds", "how old the newest state is, of which the gauges below are; absent while there is none")
	verdict  = define(isGauge, "trawl_verdict", "1 for what `trawl why` says, 0 for all that it might say", "verdict")
	alarm    = define(isGauge, "trawl_verdict_alarm", "1 when somebody should look at the verdict")
	since    = define(isGauge, "trawl_verdict_since_timestamp_seconds", "since when it is the verdict, as far as half an hour reaches back")

	pages    = define(isGauge, "trawl_pages", "pages of all crawls: open, closed", "state")
	arrived  = define(isCounter, "trawl_pages_arrived_total", "pages that were new to the frontier")
	backlog  = define(isGauge, "trawl_backlog_pages", "open pages by what they wait for", "reason")
	indexLag = define(isGauge, "trawl_index_lag_pages", "stored pages that are not searchable yet")
	eta      = define(isGauge, "trawl_eta_seconds", "until all crawls are done; absent when it cannot be told")
	troubled = define(isGauge, "trawl_troubled_hosts", "hosts in trouble", "state")
	outages  = define(isGauge, "trawl_outages", "things that everybody needs and that are down")
	pauses   = define(isGauge, "trawl_pauses", "pauses by an operator")

	stageTasks    = define(isCounter, "trawl_stage_tasks_total", "runs of a stage by what came of them: done, ended, failed, retried", "stage", "outcome")
	stageFaults   = define(isCounter, "trawl_stage_faults_total", "runs that failed or are tried again, by the kind of fault", "stage", "fault")
	stageEnqueued = define(isCounter, "trawl_stage_enqueued_total", "tasks that runs before said are to follow; what is submitted from outside is not in it", "stage")
	stageStarted  = define(isCounter, "trawl_stage_started_total", "runs that were begun", "stage")
	stageBusy     = define(isCounter, "trawl_stage_busy_seconds_total", "time that the places of a stage were taken, added up", "stage")
	stageActive   = define(isGauge, "trawl_stage_active", "places of a stage that are taken", "stage")
	stageSlots    = define(isGauge, "trawl_stage_slots", "places of a stage that there are", "stage")
	stageWorkers  = define(isGauge, "trawl_stage_workers", "processes that serve a stage", "stage")
	stageService  = define(isHistogram, "trawl_stage_service_seconds", "how long runs took", "stage")
	stageWait     = define(isHistogram, "trawl_stage_wait_seconds", "from when a task is ready until it starts", "stage")

	queueTasks  = define(isGauge, "trawl_queue_tasks", "asynq's tasks: pending, active, scheduled, retry, archived", "queue", "state")
	queueOldest = define(isGauge, "trawl_queue_oldest_seconds", "how long asynq's oldest pending task has been ready", "queue")
	queuePaused = define(isGauge, "trawl_queue_paused", "1 while asynq's queue is paused", "queue")

	httpAnswers   = define(isCounter, "trawl_http_answers_total", "answers of whatever status")
	httpPushbacks = define(isCounter, "trawl_http_pushbacks_total", "answers of status 429 and 503")
	httpUnchanged = define(isCounter, "trawl_http_unchanged_total", "answers of status 304")
	httpBytes     = define(isCounter, "trawl_http_bytes_total", "bytes of bodies")
	httpLarge     = define(isCounter, "trawl_http_large_transfers_total", "transfers of more than 30 s or 20 MiB")
	httpLargeBusy = define(isCounter, "trawl_http_large_transfer_seconds_total", "time that went to those")
	httpConnect   = define(isHistogram, "trawl_http_connect_seconds", "time for a connection, where one was made")
	httpTLS       = define(isHistogram, "trawl_http_tls_seconds", "time for the handshake, where there was one")
	httpFirstByte = define(isHistogram, "trawl_http_first_byte_seconds", "from the request to the first byte of the answer")
	httpBody      = define(isHistogram, "trawl_http_body_seconds", "from there to the end of the body")
	dnsLookups    = define(isCounter, "trawl_dns_lookups_total", "names that were looked up: found, missing, failed", "outcome")
	dnsSeconds    = define(isHistogram, "trawl_dns_lookup_seconds", "time for a name")

	redisUp      = define(isGauge, "trawl_redis_up", "1 when Redis answered the process that looked last")
	redisPing    = define(isGauge, "trawl_redis_ping_seconds", "time for an answer, the slowest of three")
	redisMemory  = define(isGauge, "trawl_redis_memory_bytes", "memory that Redis uses")
	redisMax     = define(isGauge, "trawl_redis_memory_max_bytes", "memory that it may use; 0 for no bound")
	redisEvicted = define(isCounter, "trawl_redis_evicted_keys_total", "keys that Redis threw away for want of memory: should be none")
	redisRefused = define(isCounter, "trawl_redis_refused_commands_total", "commands that Redis refused for want of memory")
	redisFsyncs  = define(isCounter, "trawl_redis_delayed_fsyncs_total", "writes to the disk that held Redis up")
	diskFree     = define(isGauge, "trawl_disk_free_bytes", "room on the disk of a folder", "path")
	diskSize     = define(isGauge, "trawl_disk_size_bytes", "size of that disk", "path")
	canaryUp     = define(isGauge, "trawl_canary_up", "1 when something small that was tried went well: dns, database, archive, uplink", "canary")
	canaryTook   = define(isGauge, "trawl_canary_seconds", "how long it took", "canary")

	processInfo   = define(isGauge, "trawl_process_info", "1 for a process that said something in the last 20 s", "process", "role", "machine", "pid", "version")
	processStart  = define(isGauge, "trawl_process_start_timestamp_seconds", "when it was started", "process", "role")
	processCPU    = define(isGauge, "trawl_process_cpu_cores", "processor cores that it used, on average of five seconds", "process", "role")
	processCores  = define(isGauge, "trawl_process_cpu_max_cores", "cores that it may use", "process", "role")
	processBusy   = define(isGauge, "trawl_process_machine_busy_ratio", "part of its machine's cores that anybody used", "process", "role")
	processMemory = define(isGauge, "trawl_process_memory_bytes", "memory that it uses", "process", "role")
	processMax    = define(isGauge, "trawl_process_memory_max_bytes", "memory that it may use", "process", "role")
	processFiles  = define(isGauge, "trawl_process_open_fds", "file descriptors that it has open", "process", "role")
	processFDs    = define(isGauge, "trawl_process_max_fds", "file descriptors that it may have open", "process", "role")
)
