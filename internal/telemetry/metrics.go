package telemetry

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// Metrics counts what the service does. Labels take few values only: routes,
// states, codes; never ids, names or hosts. Any number of goroutines may use it.
type Metrics struct {
	registry *prometheus.Registry

	httpRequests *prometheus.HistogramVec
	runs         *prometheus.CounterVec
	waits        *prometheus.CounterVec
	runSeconds   *prometheus.HistogramVec
	pickup       prometheus.Histogram
	records      *prometheus.CounterVec
	bytes        prometheus.Counter
	chunks       *prometheus.HistogramVec
	celonis      *prometheus.HistogramVec
	queue        *prometheus.GaugeVec
	running      prometheus.Gauge
	fires        *prometheus.CounterVec
}

// NewMetrics makes the metrics in a registry of their own.
func NewMetrics() *Metrics {
	calls := []float64{.005, .01, .025, .05, .1, .25, .5, 1, 2.5, 5, 10, 30, 60}
	m := &Metrics{
		registry:     prometheus.NewRegistry(),
		httpRequests: histogram("http_request_seconds", "Requests to the API, by method, route and status.", prometheus.DefBuckets, "method", "route", "status"),
		runs:         counter("runs_settled_total", "Attempts of runs that ended, by the state they ended in.", "state"),
		waits:        counter("run_waits_total", "Attempts that ended with the run waiting, by the code of the reason.", "code"),
		runSeconds:   histogram("run_seconds", "Duration of attempts, by the state they ended in.", []float64{.1, .5, 1, 5, 15, 60, 300, 900, 3600, 14400}, "state"),
		pickup: prometheus.NewHistogram(prometheus.HistogramOpts{Namespace: namespace, Name: "run_pickup_seconds",
			Help: "Time from the push of a run to its start.", Buckets: []float64{.0005, .001, .002, .005, .01, .02, .05, .1, .5, 1, 5, 30, 300}}),
		records: counter("records_total", "Records of runs, by where the ledger puts them: read, filtered, pushed, errored.", "outcome"),
		bytes: prometheus.NewCounter(prometheus.CounterOpts{Namespace: namespace, Name: "uploaded_bytes_total",
			Help: "Bytes of chunks that Celonis accepted."}),
		chunks:  histogram("chunk_upload_seconds", "Uploads of chunks, by outcome: accepted, failed.", calls, "outcome"),
		celonis: histogram("celonis_call_seconds", "Calls to Celonis, by operation and status; status 0 is a call without an answer.", calls, "operation", "status"),
		queue: prometheus.NewGaugeVec(prometheus.GaugeOpts{Namespace: namespace, Name: "queue_runs",
			Help: "Runs in the queue, by state: waiting, leased."}, []string{"state"}),
		running: prometheus.NewGauge(prometheus.GaugeOpts{Namespace: namespace, Name: "runs_running",
			Help: "Runs that this process works on."}),
		fires: counter("schedule_fires_total", "Fire times of schedules, by what became of them: started a run, skipped for another run, missed while no scheduler was at work.", "outcome"),
	}
	m.registry.MustRegister(m.httpRequests, m.runs, m.waits, m.runSeconds, m.pickup, m.records, m.bytes, m.chunks, m.celonis, m.queue, m.running, m.fires,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}))
	return m
}

const namespace = "connector"

func counter(name, help string, labels ...string) *prometheus.CounterVec {
	return prometheus.NewCounterVec(prometheus.CounterOpts{Namespace: namespace, Name: name, Help: help}, labels)
}

func histogram(name, help string, buckets []float64, labels ...string) *prometheus.HistogramVec {
	return prometheus.NewHistogramVec(prometheus.HistogramOpts{Namespace: namespace, Name: name, Help: help, Buckets: buckets}, labels)
}

// Registry is where further collectors are registered.
func (m *Metrics) Registry() *prometheus.Registry { return m.registry }

// Handler serves the metrics to Prometheus.
func (m *Metrics) Handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{Registry: m.registry})
}

// HTTPRequest counts a request to the API. The route is the pattern, not the path.
func (m *Metrics) HTTPRequest(method, route string, status int, took time.Duration) {
	m.httpRequests.WithLabelValues(method, route, strconv.Itoa(status)).Observe(took.Seconds())
}

// RunStarted counts a run as running and notes how long it took from its push
// to its start; a negative wait is not known.
func (m *Metrics) RunStarted(waited time.Duration) {
	m.running.Inc()
	if waited >= 0 {
		m.pickup.Observe(waited.Seconds())
	}
}

// RunSettled counts the end of an attempt that RunStarted began.
func (m *Metrics) RunSettled(state string, took time.Duration) {
	m.running.Dec()
	m.runs.WithLabelValues(state).Inc()
	m.runSeconds.WithLabelValues(state).Observe(took.Seconds())
}

// RunWaits counts a run that waits, by the code of the reason: celonis.budget_spent, connection.offline and so on.
func (m *Metrics) RunWaits(code string) { m.waits.WithLabelValues(code).Inc() }

// Records adds to what runs read, filtered, pushed and errored.
func (m *Metrics) Records(read, filtered, pushed, errored int64) {
	for outcome, n := range map[string]int64{"read": read, "filtered": filtered, "pushed": pushed, "errored": errored} {
		if n > 0 {
			m.records.WithLabelValues(outcome).Add(float64(n))
		}
	}
}

// ChunkUploaded counts an upload; bytes count when Celonis accepted them.
func (m *Metrics) ChunkUploaded(accepted bool, bytes int64, took time.Duration) {
	outcome := "failed"
	if accepted {
		outcome = "accepted"
		m.bytes.Add(float64(max(0, bytes)))
	}
	m.chunks.WithLabelValues(outcome).Observe(took.Seconds())
}

// CelonisCall counts a call to Celonis by the name of the operation; status is
// 0 when no answer came.
func (m *Metrics) CelonisCall(operation string, status int, took time.Duration) {
	m.celonis.WithLabelValues(operation, strconv.Itoa(status)).Observe(took.Seconds())
}

// ScheduleFires adds to the fire times that started a run, were skipped and were missed.
func (m *Metrics) ScheduleFires(started, skipped, missed int64) {
	for outcome, n := range map[string]int64{"started": started, "skipped": skipped, "missed": missed} {
		m.fires.WithLabelValues(outcome).Add(float64(n))
	}
}

// QueueDepth sets how many runs the queue holds.
func (m *Metrics) QueueDepth(waiting, leased int64) {
	m.queue.WithLabelValues("waiting").Set(float64(waiting))
	m.queue.WithLabelValues("leased").Set(float64(leased))
}
