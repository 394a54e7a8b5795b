//! Who may call a predictor, and who is still inside: check C1.

use crate::error::{Error, Result};
use crate::session::Session;
use std::mem;
use std::sync::atomic::{AtomicBool, Ordering, fence};
use std::sync::{Arc, Condvar, Mutex, PoisonError, RwLock};

/// A session that can be closed while calls are in flight.
pub(crate) struct Gate {
    session: RwLock<Option<Arc<Session>>>,
    process: u32,
    closed: AtomicBool,
    waiting: Mutex<()>,
    idle: Condvar,
}

impl Gate {
    pub fn new(session: Session) -> Gate {
        Gate {
            session: RwLock::new(Some(Arc::new(session))),
            process: std::process::id(),
            closed: AtomicBool::new(false),
            waiting: Mutex::new(()),
            idle: Condvar::new(),
        }
    }

    /// Begins a call.
    pub fn enter(&self) -> Result<Flight<'_>> {
        // A lock that another thread held while the process forked would never open.
        if self.is_forked() && !self.closed.load(Ordering::SeqCst) {
            return Err(Error::new("process_forked", ".", "the process that opened it", "a forked one"));
        }
        if self.closed.load(Ordering::SeqCst) {
            return Err(closed());
        }
        let session =
            self.session.read().unwrap_or_else(PoisonError::into_inner).clone().ok_or_else(closed)?;
        Ok(Flight { session: Some(session), gate: self })
    }

    /// Lets no further call in, waits for those in flight, and frees the session.
    pub fn close(&self) {
        self.closed.store(true, Ordering::SeqCst);
        if self.is_forked() {
            // The session's threads do not exist here; freeing it would wait for them for ever. `Drop`
            // forgets it.
            return;
        }
        let session = self.session.write().unwrap_or_else(PoisonError::into_inner).take();
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(session) = session {
            fence(Ordering::SeqCst);
            while Arc::strong_count(&session) > 1 {
                waiting = self.idle.wait(waiting).unwrap_or_else(PoisonError::into_inner);
            }
        }
    }

    fn is_forked(&self) -> bool {
        self.process != std::process::id()
    }
}

fn closed() -> Error {
    Error::new("predictor_closed", ".", "an open predictor", "a closed one")
}

impl Drop for Gate {
    fn drop(&mut self) {
        if self.is_forked() {
            mem::forget(self.session.get_mut().unwrap_or_else(PoisonError::into_inner).take());
        }
    }
}

/// A call in flight.
pub(crate) struct Flight<'a> {
    session: Option<Arc<Session>>,
    gate: &'a Gate,
}

impl Flight<'_> {
    /// The session, which lives as long as the call.
    pub fn session(&self) -> &Session {
        self.session.as_deref().expect("taken by `drop` alone")
    }
}

impl Drop for Flight<'_> {
    fn drop(&mut self) {
        self.session = None;
        // Either this sees that someone closes, or the closer sees that the session was let go.
        fence(Ordering::SeqCst);
        if self.gate.closed.load(Ordering::SeqCst) {
            let _waiting = self.gate.waiting.lock().unwrap_or_else(PoisonError::into_inner);
            self.gate.idle.notify_all();
        }
    }
}
