package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"time"
)

// config is what the flags say.
type config struct {
	// bundle is a folder, or a link to one, which a reload follows again.
	bundle, variant, listen string

	// workers run the model side by side; 0 leaves it to the CPUs that there are.
	workers int
	// queue is how many requests may wait for a worker.
	queue int
	// batchRows is how many rows of several requests are joined at most, batchWindow how long the first waits for more.
	batchRows   int
	batchWindow time.Duration

	// maxBody is the largest body in bytes, maxPending that of all bodies that are held at a time.
	maxBody, maxPending int64

	// readTimeout is for a header and for a body to arrive, timeout for the answer.
	readTimeout, timeout time.Duration
	// drain is how long a service that was told to stop still accepts requests, grace how long it then waits for answers.
	drain, grace time.Duration
}

const usage = `usage: go-service [FLAGS] BUNDLE

Serves the model of an edge bundle over the Open Inference Protocol. SIGHUP opens BUNDLE anew, SIGTERM ends it.
`

// parse reads the arguments; the error is flag.ErrHelp where help was asked for. Both are told on out.
func parse(arguments []string, out io.Writer) (*config, error) {
	c := &config{}
	flags := flag.NewFlagSet("go-service", flag.ContinueOnError)
	flags.SetOutput(out)
	flags.Usage = func() {
		_, _ = io.WriteString(out, usage)
		flags.PrintDefaults()
	}
	flags.StringVar(&c.listen, "listen", "127.0.0.1:8000", "`address` to listen on; port 0 takes a free one")
	flags.StringVar(&c.variant, "variant", "", "`name` of the variant; else the bundle's default")
	flags.IntVar(&c.workers, "workers", 0, "runs side by side; 0 for the CPUs divided by the threads of a run")
	flags.IntVar(&c.queue, "queue", 64, "requests that wait at most; more are answered 503")
	flags.IntVar(&c.batchRows, "batch-rows", 32, "rows that are joined to one run at most; 1 joins none")
	flags.DurationVar(&c.batchWindow, "batch-window", 0, "wait this long for rows to join; 0 joins those that wait anyway")
	flags.Int64Var(&c.maxBody, "max-body", 16<<20, "`bytes` of a body at most; more are answered 413")
	flags.Int64Var(&c.maxPending, "max-pending", 256<<20, "`bytes` of all bodies held at most; more are answered 503")
	flags.DurationVar(&c.readTimeout, "read-timeout", 10*time.Second, "for a header, and then for a body, to arrive")
	flags.DurationVar(&c.timeout, "timeout", 5*time.Second, "for an answer; a request may ask for less")
	flags.DurationVar(&c.drain, "drain", 0, "accept requests this long after SIGTERM, while not ready")
	flags.DurationVar(&c.grace, "grace", 30*time.Second, "wait this long for the last answers after that")
	if err := flags.Parse(arguments); err != nil {
		return nil, err
	}
	err := c.check(flags.Args())
	if err != nil {
		_, _ = fmt.Fprintf(out, "%v\n%s", err, usage)
	}
	return c, err
}

func (c *config) check(words []string) error {
	if len(words) != 1 {
		return errors.New("one bundle is wanted")
	}
	c.bundle = words[0]
	if c.workers < 0 || c.queue < 1 || c.batchRows < 1 || c.maxBody < 1 || c.maxPending < c.maxBody {
		return errors.New("a count or size is too small; --max-pending is at least --max-body")
	}
	if c.readTimeout <= 0 || c.timeout <= 0 || c.batchWindow < 0 || c.drain < 0 || c.grace < 0 {
		return errors.New("a time is too short")
	}
	return nil
}
