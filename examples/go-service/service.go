package main

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"example.com/edgebundle/go/predictor"
)

// service answers the requests of the Open Inference Protocol.
type service struct {
	settings *config
	models   *shelf
	measured *metrics
	log      *slog.Logger
	stopping atomic.Bool
	// pending is how many bytes of bodies may still come in.
	pending atomic.Int64
}

func newService(settings *config, models *shelf, measured *metrics, log *slog.Logger) *service {
	s := &service{settings: settings, models: models, measured: measured, log: log}
	s.pending.Store(settings.maxPending)
	return s
}

// routes returns the handler of all paths.
func (s *service) routes() http.Handler {
	mux := http.NewServeMux()
	serve := func(method, path string, answer func(http.ResponseWriter, *http.Request) error) {
		mux.HandleFunc(method+" "+path, func(w http.ResponseWriter, r *http.Request) {
			if err := answer(w, r); err != nil {
				writeFault(w, err)
			}
		})
		mux.HandleFunc(path, func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Allow", method)
			writeFault(w, &fault{http.StatusMethodNotAllowed, "expected the method " + method})
		})
	}
	serve(http.MethodGet, "/v2", s.describe)
	serve(http.MethodGet, "/v2/health/live", func(w http.ResponseWriter, _ *http.Request) error { return sayYes(w, "live") })
	serve(http.MethodGet, "/v2/health/ready", s.ready)
	for _, path := range []string{"/v2/models/{name}", "/v2/models/{name}/versions/{version}"} {
		serve(http.MethodGet, path, s.describeModel)
		serve(http.MethodGet, path+"/ready", s.modelReady)
		serve(http.MethodPost, path+"/infer", s.infer)
	}
	mux.Handle("GET /metrics", s.measured.handler())
	mux.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) {
		writeFault(w, &fault{http.StatusNotFound, "no such path"})
	})
	return s.hurried(mux)
}

// hurried lets no body take longer than its time, whether anybody reads it or not.
func (s *service) hurried(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_ = http.NewResponseController(w).SetReadDeadline(time.Now().Add(s.settings.readTimeout))
		next.ServeHTTP(w, r)
	})
}

func sayYes(w http.ResponseWriter, what string) error {
	writeJSON(w, http.StatusOK, map[string]bool{what: true})
	return nil
}

func (s *service) ready(w http.ResponseWriter, _ *http.Request) error {
	if s.stopping.Load() {
		return &fault{http.StatusServiceUnavailable, "the service is stopping"}
	}
	return sayYes(w, "ready")
}

func (s *service) describe(w http.ResponseWriter, _ *http.Request) error {
	writeJSON(w, http.StatusOK, map[string]any{
		"name": "edgebundle", "version": predictor.Version(), "extensions": []string{"binary_tensor_data"},
	})
	return nil
}

// hold returns the model that a path names; release must be called. The error is a *fault.
func (s *service) hold(r *http.Request) (held *model, release func(), err error) {
	held, release = s.models.hold()
	name, version := r.PathValue("name"), r.PathValue("version")
	if name != held.name() || version != "" && version != held.version() {
		release()
		return nil, nil, &fault{http.StatusNotFound, "no such model or version"}
	}
	return held, release, nil
}

func (s *service) modelReady(w http.ResponseWriter, r *http.Request) error {
	_, release, err := s.hold(r)
	if err != nil {
		return err
	}
	release()
	return s.ready(w, r)
}

func (s *service) describeModel(w http.ResponseWriter, r *http.Request) error {
	held, release, err := s.hold(r)
	if err != nil {
		return err
	}
	defer release()
	format, _ := held.Format()
	writeJSON(w, http.StatusOK, map[string]any{
		"name": held.name(), "versions": []string{held.version()}, "platform": "onnxruntime_" + format,
		"inputs": describePorts(held.Inputs()), "outputs": describePorts(held.Outputs()),
	})
	return nil
}

func describePorts(ports []predictor.Port) []map[string]any {
	rows := make([]map[string]any, 0, len(ports))
	for _, port := range ports {
		shape := make([]int64, 0, len(port.Shape))
		for _, dim := range port.Shape {
			if dim.Symbol != "" {
				dim.Size = -1
			}
			shape = append(shape, dim.Size)
		}
		rows = append(rows, map[string]any{"name": port.Name, "datatype": datatypeOf(port.DType).name, "shape": shape})
	}
	return rows
}

// infer answers and counts one inference request.
func (s *service) infer(w http.ResponseWriter, r *http.Request) error {
	answered := s.measured.begins()
	status := http.StatusOK
	if err := s.answer(w, r); err != nil {
		status = writeFault(w, err)
		if status == http.StatusInternalServerError {
			s.log.Error("not answered", "path", r.URL.Path, "error", err)
		}
	}
	answered(status)
	return nil
}

func (s *service) answer(w http.ResponseWriter, r *http.Request) error {
	body, release, err := s.readBody(w, r)
	if err != nil {
		return err
	}
	queued := false
	defer func() {
		if !queued {
			release()
		}
	}()
	// The model is held only from now on, so that no slow caller keeps an old one.
	held, letGo, err := s.hold(r)
	if err != nil {
		return err
	}
	defer letGo()
	request, inputs, err := parseRequest(body, r.Header.Get(headerLength))
	if err != nil {
		return err
	}
	wanted, err := wantedOutputs(request, held.Outputs())
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(r.Context(), request.patience(s.settings.timeout))
	defer cancel()
	queued = true
	outputs, err := held.queue.predict(ctx, inputs, release)
	if err != nil {
		return err
	}
	response, binaries, err := buildResponse(held, request, wanted, outputs)
	if err != nil {
		return err
	}
	response.write(w, binaries)
	return nil
}

// readBody returns the body, for which memory is set aside until release is called. The error is a *fault, an
// *http.MaxBytesError or a time-out.
func (s *service) readBody(w http.ResponseWriter, r *http.Request) (body []byte, release func(), err error) {
	if encoding := r.Header.Get("Content-Encoding"); encoding != "" && encoding != "identity" {
		return nil, nil, &fault{http.StatusUnsupportedMediaType, "a compressed body"}
	}
	most := s.settings.maxBody
	size := r.ContentLength
	if size > most {
		return nil, nil, &http.MaxBytesError{Limit: most}
	}
	if size < 0 {
		size = most
	}
	if s.pending.Add(-size) < 0 {
		s.pending.Add(size)
		return nil, nil, errFull
	}
	release = func() { s.pending.Add(size) }
	body, err = io.ReadAll(http.MaxBytesReader(w, r.Body, most))
	if err != nil {
		release()
		return nil, nil, bodyFault(err)
	}
	// The time was for the body alone; past it the server would take the caller for gone.
	_ = http.NewResponseController(w).SetReadDeadline(time.Time{})
	return body, release, nil
}

// bodyFault keeps the errors that have a status of their own; any other is a body that ends early or is malformed.
func bodyFault(err error) error {
	var tooLarge *http.MaxBytesError
	if errors.As(err, &tooLarge) || errors.Is(err, os.ErrDeadlineExceeded) {
		return err
	}
	return badRequest("the body cannot be read: %v", err)
}
