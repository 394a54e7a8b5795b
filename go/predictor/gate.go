package predictor

import (
	"os"
	"sync"
)

// gate counts the calls in flight, so that closing can wait for them.
type gate struct {
	mutex  sync.Mutex
	idle   sync.Cond
	closed bool
	calls  int
	pid    int
}

func newGate() *gate {
	g := &gate{pid: os.Getpid()}
	g.idle.L = &g.mutex
	return g
}

// enter begins a call (check C1).
func (g *gate) enter() error {
	// The process comes before the lock, which a fork may have copied while another thread held it.
	if os.Getpid() != g.pid {
		return refuse("process_forked", ".", "the process that opened it", "a forked one")
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	if g.closed {
		return refuse("predictor_closed", ".", "an open predictor", "a closed one")
	}
	g.calls++
	return nil
}

// leave ends a call.
func (g *gate) leave() {
	g.mutex.Lock()
	defer g.mutex.Unlock()
	g.calls--
	if g.closed && g.calls == 0 {
		g.idle.Broadcast()
	}
}

// close lets no further call in, waits for those in flight, and tells whether this was the first time, in the
// process that owns the model.
func (g *gate) close() bool {
	if os.Getpid() != g.pid {
		return false
	}
	g.mutex.Lock()
	defer g.mutex.Unlock()
	first := !g.closed
	g.closed = true
	for g.calls > 0 {
		g.idle.Wait()
	}
	return first
}
