//! A TCP proxy that a test puts between two parties, and that does to their connections what networks do.

use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::runtime::Runtime;
use tokio::sync::watch;

/// What the proxy does with bytes; it holds for open connections and for new ones.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Passes them on.
    Pass,
    /// Passes each piece (up to 64 KiB) on so much later, each way.
    Delay(Duration),
    /// Passes nothing on, and closes nothing: a network that swallows packets. What was held goes on its way when the mode
    /// changes, as TCP would send it again.
    Hole,
    /// Cuts each connection when so many bytes more have passed, counted both ways: in the middle of a frame, too.
    CutAfter(u64),
}

/// A proxy; it listens until it is dropped, which cuts what is open.
#[derive(Debug)]
pub struct Proxy {
    address: SocketAddr,
    state: Arc<watch::Sender<State>>,
    open: Arc<AtomicU64>,
    passed: Arc<AtomicU64>,
    runtime: Option<Runtime>,
}

#[derive(Debug, Clone, Copy)]
struct State {
    mode: Mode,
    /// Counts the changes of the mode, so that `CutAfter` begins to count anew.
    changes: u64,
    /// Counts the cuts: a connection of before a cut ends.
    cuts: u64,
    /// Counts how often the far side was lost.
    losses: u64,
}

impl Proxy {
    /// Listens on a port of 127.0.0.1 of its own, and passes on to `target`. It has a thread of its own, so it may be used
    /// with and without an async runtime around.
    ///
    /// # Errors
    /// If there is no port.
    pub fn to(target: SocketAddr) -> io::Result<Self> {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build()?;
        let [port] = crate::ports::free()?;
        let listener = std::net::TcpListener::bind(("127.0.0.1", port))?;
        listener.set_nonblocking(true)?;
        let address = listener.local_addr()?;
        let state = Arc::new(watch::Sender::new(State { mode: Mode::Pass, changes: 0, cuts: 0, losses: 0 }));
        let (open, passed) = (Arc::<AtomicU64>::default(), Arc::<AtomicU64>::default());
        let (states, counts) = (Arc::clone(&state), (Arc::clone(&open), Arc::clone(&passed)));
        runtime.spawn(async move {
            let Ok(listener) = TcpListener::from_std(listener) else { return };
            // Too many open files at most; the next connection may do better.
            loop {
                let Ok((near, _)) = listener.accept().await else { continue };
                let (states, (open, passed)) = (states.subscribe(), counts.clone());
                tokio::spawn(async move {
                    open.fetch_add(1, Ordering::Relaxed);
                    connection(near, target, states, &passed).await;
                    open.fetch_sub(1, Ordering::Relaxed);
                });
            }
        });
        Ok(Self { address, state, open, passed, runtime: Some(runtime) })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Its port on 127.0.0.1.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.address.port()
    }

    /// Does this from now on.
    pub fn set(&self, mode: Mode) {
        self.state.send_modify(|s| {
            s.mode = mode;
            s.changes += 1;
        });
    }

    /// Cuts every open connection on both sides, without a farewell.
    pub fn cut(&self) {
        self.state.send_modify(|s| s.cuts += 1);
    }

    /// The far side of every open connection goes away, and the near side hears nothing of it: half-open connections. New
    /// ones are as the mode says.
    pub fn lose_far_side(&self) {
        self.state.send_modify(|s| s.losses += 1);
    }

    /// How many connections are open on the near side.
    #[must_use]
    pub fn connections(&self) -> u64 {
        self.open.load(Ordering::Relaxed)
    }

    /// How many bytes were passed on, both ways.
    #[must_use]
    pub fn passed(&self) -> u64 {
        self.passed.load(Ordering::Relaxed)
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        if let Some(runtime) = self.runtime.take() {
            // May be dropped within a runtime, where waiting is not allowed.
            runtime.shutdown_background();
        }
    }
}

async fn connection(
    mut near: TcpStream,
    target: SocketAddr,
    states: watch::Receiver<State>,
    passed: &AtomicU64,
) {
    let born = *states.borrow();
    let mut watching = states.clone();
    // In a hole nobody is reached.
    let reach = watching.wait_for(|s| s.mode != Mode::Hole || s.cuts != born.cuts).await.map(|s| s.cuts);
    let far =
        if reach.is_ok_and(|cuts| cuts == born.cuts) { TcpStream::connect(target).await.ok() } else { None };
    let Some(mut far) = far else {
        // The near side hears of it as if nobody listened.
        near.set_zero_linger().ok();
        return;
    };
    near.set_nodelay(true).ok();
    far.set_nodelay(true).ok();
    let lost = {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let left = Mutex::new((born.changes, None));
        let there = pump(near_in, far_out, states.clone(), &left, passed);
        let back = pump(far_in, near_out, states, &left, passed);
        tokio::select! {
            state = watching.wait_for(|s| s.cuts != born.cuts || s.losses != born.losses) => {
                state.is_ok_and(|s| s.cuts == born.cuts)
            }
            // Both said farewell, or one of them is gone.
            _ = async { tokio::try_join!(there, back) } => false,
        }
    };
    // What ended with a farewell has nothing left to send, so this changes nothing for it.
    far.set_zero_linger().ok();
    drop(far);
    if lost {
        // Swallow what the near side sends until it gives up, or is cut.
        let mut piece = vec![0; PIECE];
        let swallow = async { while near.read(&mut piece).await.is_ok_and(|n| n > 0) {} };
        tokio::select! {
            () = swallow => (),
            _ = watching.wait_for(|s| s.cuts != born.cuts) => (),
        }
    }
    near.set_zero_linger().ok();
}

/// The most bytes that are taken at once.
const PIECE: usize = 65_536;

/// Carries bytes one way until the end of them; `left` is what the connection may still carry, with the change of mode that
/// it belongs to.
async fn pump(
    mut from: ReadHalf<'_>,
    mut to: WriteHalf<'_>,
    mut states: watch::Receiver<State>,
    left: &Mutex<(u64, Option<u64>)>,
    passed: &AtomicU64,
) -> io::Result<()> {
    let gone = |_: watch::error::RecvError| io::Error::other("the proxy is gone");
    let mut piece = vec![0; PIECE];
    loop {
        states.wait_for(|s| s.mode != Mode::Hole).await.map_err(gone)?;
        let n = tokio::select! {
            biased;
            changed = states.changed() => {
                changed.map_err(gone)?;
                continue;
            }
            n = from.read(&mut piece) => n?,
        };
        let mode = states.borrow().mode;
        if let Mode::Delay(by) = mode {
            tokio::time::sleep(by).await;
        }
        // A hole may have opened since.
        let state = *states.wait_for(|s| s.mode != Mode::Hole).await.map_err(gone)?;
        if n == 0 {
            return to.shutdown().await;
        }
        let may = {
            let mut left = left.lock().unwrap_or_else(PoisonError::into_inner);
            if left.0 != state.changes || left.1.is_none() {
                let whole = if let Mode::CutAfter(bytes) = state.mode { Some(bytes) } else { None };
                *left = (state.changes, whole);
            }
            let may = left.1.map_or(n, |left| usize::try_from(left).unwrap_or(n).min(n));
            left.1 = left.1.map(|left| left.saturating_sub(may as u64));
            may
        };
        passed.fetch_add(may as u64, Ordering::Relaxed);
        to.write_all(piece.get(..may).unwrap_or_default()).await?;
        if may < n {
            return Err(io::Error::other("cut"));
        }
    }
}
