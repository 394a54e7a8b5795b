// Command go-service serves the model of an edge bundle over the Open Inference Protocol, also known as the
// KServe V2 protocol, with its binary tensor extension. README.md says how to run it.
package main

import (
	"context"
	"errors"
	"flag"
	"log/slog"
	"net"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"
)

const (
	exitFailed = 1
	exitUsage  = 2
)

func main() {
	settings, err := parse(os.Args[1:], os.Stderr)
	if errors.Is(err, flag.ErrHelp) {
		return
	}
	if err != nil {
		os.Exit(exitUsage)
	}
	log := slog.New(slog.NewJSONHandler(os.Stderr, nil))
	if err := run(settings, log); err != nil {
		log.Error("failed", "error", err)
		os.Exit(exitFailed)
	}
}

// run serves until the process is told to stop.
func run(settings *config, log *slog.Logger) error {
	// Before the bundle is opened, so that a signal in that time is not lost.
	stop, cancel := signal.NotifyContext(context.Background(), syscall.SIGTERM, syscall.SIGINT)
	defer cancel()
	hangups := make(chan os.Signal, 1)
	signal.Notify(hangups, syscall.SIGHUP)

	measured := newMetrics()
	first, err := openModel(stop, settings, measured)
	if err != nil {
		return err
	}
	models := newShelf(first, measured)
	log.Info("opened", first.attributes()...)
	var reloads sync.WaitGroup
	reloads.Go(func() {
		for range hangups {
			reload(stop, models, settings, measured, log)
		}
	})

	listener, err := net.Listen("tcp", settings.listen)
	if err != nil {
		return err
	}
	service := newService(settings, models, measured, log)
	server := newServer(service, settings, log)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(listener) }()
	log.Info("listening", "address", listener.Addr().String())
	select {
	case err := <-ended:
		return err
	case <-stop.Done():
		// A second signal ends the process at once.
		cancel()
	}
	log.Info("stopping")
	if err := end(service, server, settings); err != nil {
		return err
	}
	signal.Stop(hangups)
	close(hangups)
	reloads.Wait()
	models.close()
	log.Info("stopped")
	return nil
}

// newServer limits what a client can cost: time for a header and between two requests, time for an answer to
// be taken, the size of a header. What a body can cost is limited where it is read.
func newServer(service *service, settings *config, log *slog.Logger) *http.Server {
	const idle, headerBytes = time.Minute, 16 << 10
	return &http.Server{
		Handler:           service.routes(),
		ReadHeaderTimeout: settings.readTimeout,
		IdleTimeout:       idle,
		// A client has as long to take its answer as to send its request.
		WriteTimeout:   2*settings.readTimeout + settings.timeout,
		MaxHeaderBytes: headerBytes,
		ErrorLog:       slog.NewLogLogger(log.Handler(), slog.LevelWarn),
	}
}

// end says that the service is not ready, lets its callers notice, and answers the requests in flight.
func end(service *service, server *http.Server, settings *config) error {
	service.stopping.Store(true)
	time.Sleep(settings.drain)
	ctx, cancel := context.WithTimeout(context.Background(), settings.grace)
	defer cancel()
	return server.Shutdown(ctx)
}
