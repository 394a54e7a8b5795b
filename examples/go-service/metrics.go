package main

import (
	"net/http"
	"strconv"
	"time"

	"github.com/prometheus/client_golang/prometheus"
	"github.com/prometheus/client_golang/prometheus/collectors"
	"github.com/prometheus/client_golang/prometheus/promhttp"
)

// metrics are what /metrics tells, besides those of the process and of Go.
type metrics struct {
	registry *prometheus.Registry
	requests *prometheus.CounterVec
	inFlight prometheus.Gauge
	seconds  prometheus.Histogram
	runs     prometheus.Histogram
	rows     prometheus.Histogram
	reloads  *prometheus.CounterVec
	serving  *prometheus.GaugeVec
}

const prefix = "edgebundle_"

func newMetrics() *metrics {
	// From 50 microseconds to 13 seconds, and from a row to 1024.
	times, rows := prometheus.ExponentialBuckets(50e-6, 2, 19), prometheus.ExponentialBuckets(1, 2, 11)
	histogram := func(name, help string, buckets []float64) prometheus.Histogram {
		return prometheus.NewHistogram(prometheus.HistogramOpts{Name: prefix + name, Help: help, Buckets: buckets})
	}
	counter := func(name, help, label string) *prometheus.CounterVec {
		return prometheus.NewCounterVec(prometheus.CounterOpts{Name: prefix + name, Help: help}, []string{label})
	}
	m := &metrics{
		registry: prometheus.NewRegistry(),
		requests: counter("requests_total", "Inference requests that were answered, by HTTP status.", "status"),
		inFlight: prometheus.NewGauge(prometheus.GaugeOpts{
			Name: prefix + "requests_in_flight", Help: "Inference requests that are not answered yet.",
		}),
		seconds: histogram("request_seconds", "From a request's header to its answer.", times),
		runs:    histogram("run_seconds", "Runs of the model.", times),
		rows:    histogram("run_rows", "Rows of a run; only of models whose rows may be joined.", rows),
		reloads: counter("reloads_total", "Attempts to open the bundle anew.", "result"),
		serving: prometheus.NewGaugeVec(
			prometheus.GaugeOpts{Name: prefix + "serving", Help: "1 for the bundle that is served."},
			[]string{"model", "version", "digest", "variant"},
		),
	}
	m.registry.MustRegister(
		m.requests, m.inFlight, m.seconds, m.runs, m.rows, m.reloads, m.serving,
		collectors.NewGoCollector(), collectors.NewProcessCollector(collectors.ProcessCollectorOpts{}),
	)
	return m
}

func (m *metrics) handler() http.Handler {
	return promhttp.HandlerFor(m.registry, promhttp.HandlerOpts{})
}

// watch tells how many requests wait.
func (m *metrics) watch(length func() float64) {
	options := prometheus.GaugeOpts{Name: prefix + "queue_length", Help: "Requests that wait for a worker."}
	m.registry.MustRegister(prometheus.NewGaugeFunc(options, length))
}

// begins takes note of an inference request; the function that it returns does of its answer.
func (m *metrics) begins() (answered func(status int)) {
	begin := time.Now()
	m.inFlight.Inc()
	return func(status int) {
		m.inFlight.Dec()
		m.requests.WithLabelValues(strconv.Itoa(status)).Inc()
		m.seconds.Observe(time.Since(begin).Seconds())
	}
}

// ran takes note of a run; rows is 0 where they are not counted.
func (m *metrics) ran(duration time.Duration, rows int64) {
	m.runs.Observe(duration.Seconds())
	if rows > 0 {
		m.rows.Observe(float64(rows))
	}
}

func (m *metrics) reloaded(well bool) {
	result := "failed"
	if well {
		result = "replaced"
	}
	m.reloads.WithLabelValues(result).Inc()
}

func (m *metrics) serves(current *model) {
	m.serving.Reset()
	m.serving.WithLabelValues(current.name(), current.version(), current.Bundle().Manifest.Digest, current.Variant()).Set(1)
}
