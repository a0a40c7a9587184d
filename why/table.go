package why

// Threshold is a number that a rule goes by.
type Threshold struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
	Unit  string  `json:"unit"`
	Means string  `json:"means"`
}

var table []*Threshold

func threshold(name string, value float64, unit, means string) *Threshold {
	t := &Threshold{name, value, unit, means}
	table = append(table, t)
	return t
}

// Table lists the thresholds, for pages and documentation.
func Table() (out []Threshold) {
	for _, t := range table {
		out = append(out, *t)
	}
	return out
}

// The thresholds, in the order of the rules that use them first.
var (
	stale      = threshold("stale", 60, "s", "without a new state nothing can be told")
	mute       = threshold("mute", 30, "s", "workers are there and have not said what they do")
	owns       = threshold("owns", 0.5, "part", "of a problem has to be somebody's for him to be named")
	unusual    = threshold("unusual", 2, "times", "his usual share, at least")
	steady     = threshold("steady", 2, "states", "in half a minute have to say the same")
	most       = threshold("most", 0.5, "part", "of the pages that are due wait for one reason")
	redisFull  = threshold("redis_full", 0.6, "part", "of Redis's memory is used: nothing is handed out any more")
	redisSlow  = threshold("redis_slow", 0.05, "s", "for an answer of Redis, and ten times what is normal")
	tenfold    = threshold("tenfold", 10, "times", "what is normal")
	diskLow    = threshold("disk_low", 256<<20, "bytes", "are free on a disk")
	storeFails = threshold("store_fails", 0.05, "part", "of what is stored meets a disk or a database that fails")
	namesFail  = threshold("names_fail", 0.2, "part", "of lookups get no answer")
	bodyTime   = threshold("body_time", 0.5, "part", "of the time of downloads goes to bodies")
	flat       = threshold("flat", 0.15, "part", "is the rate of bytes at most off its mean; more where that is of few pages")
	parallel   = threshold("parallel", 8, "downloads", "at once, or a rate says nothing of the line")
	halved     = threshold("halved", 0.5, "times", "the usual rate of one download")
	slowLine   = threshold("slow_line", 128<<10, "bytes/s", "for one download, where nothing is known of what is usual")
	longPart   = threshold("long_part", 0.5, "part", "of the time of downloads goes to large ones")
	atOnce     = threshold("at_once", 3, "downloads", "that are large, at once, or they hold nobody up")
	fewLong    = threshold("few_long", 0.1, "part", "of downloads are large ones")
	tripled    = threshold("tripled", 3, "times", "what is normal")
	storeSlow  = threshold("store_slow", 0.25, "s", "for storing a page, nineteen times of twenty")
	diskSlow   = threshold("disk_slow", 0.2, "s", "for a small write")
	full       = threshold("full", 0.95, "part", "of a stage's places are taken")
	loose      = threshold("loose", 0.5, "part", "of the places of fetch are taken, at most, when hosts set the pace")
	fewHosts   = threshold("few_hosts", 5, "hosts", "that have half of what waits")
	pushes     = threshold("pushes", 0.2, "part", "of answers are 429 or 503")
	leftAlone  = threshold("left_alone", 0.1, "part", "of the pages that are due wait for hosts that say so: such hosts are not asked often, however many they are")
	flood      = threshold("flood", 100, "pages/min", "are many for one submitter, and three times what he usually submits")
	onAndOn    = threshold("on_and_on", 4, "ticks", "of the last half minute, of five seconds each, have to bring many, or it was one submission")
	deadNames  = threshold("dead_names", 0.5, "part", "of names do not exist")
	sample     = threshold("sample", 20, "events", "or a part of them says nothing")
	again      = threshold("again", 0.5, "part", "of visits are to pages that were visited before")
	poisoned   = threshold("poisoned", 3, "runs", "that broke a stage")
	cpuFull    = threshold("cpu_full", 0.9, "part", "of the processors is used")
	memFull    = threshold("mem_full", 0.85, "part", "of the memory is used by one process")
	filesFull  = threshold("files_full", 0.9, "part", "of the file descriptors is used")
	patience   = threshold("patience", 600, "s", "of work are waiting, at the present rate")
	readyAge   = threshold("ready_age", 2, "s", "that a ready task has waited")
	waiting    = threshold("waiting", 0.3, "part", "of the time of fetch goes to transfers, or its visits wait for their hosts, not for workers")
	worth      = threshold("worth", 30, "s", "of work are waiting, or it is not worth a word")
	slower     = threshold("slower", 1.5, "times", "the usual time of a task, at most, when workers are too few")
)
