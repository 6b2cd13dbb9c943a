//! Pause and stop, as the tasks of a pipeline see them.

use tokio::sync::watch;

/// What is asked of the pipeline.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    Run,
    Pause,
    Stop,
}

/// One task's view of the wish.
#[derive(Clone)]
pub(crate) struct Control {
    wish: watch::Receiver<Wish>,
}

impl Control {
    pub fn new(wish: &watch::Sender<Wish>) -> Control {
        Control { wish: wish.subscribe() }
    }

    pub fn wish(&self) -> Wish {
        *self.wish.borrow()
    }

    /// Returns once the pipeline is to pause or stop.
    pub async fn changed(&mut self) {
        if self.wish.wait_for(|wish| *wish != Wish::Run).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Returns once the wish is not to pause.
    pub async fn unpaused(&mut self) -> Wish {
        match self.wish.wait_for(|wish| *wish != Wish::Pause).await {
            Ok(wish) => *wish,
            Err(_) => Wish::Stop,
        }
    }

    /// Returns once the pipeline is to stop.
    pub async fn stopping(&mut self) {
        if self.wish.wait_for(|wish| *wish == Wish::Stop).await.is_err() {
            std::future::pending::<()>().await;
        }
    }

    /// Sleeps unless a stop is asked for.
    pub async fn sleep(&mut self, duration: std::time::Duration) {
        tokio::select! {
            () = tokio::time::sleep(duration) => {}
            _ = self.wish.wait_for(|wish| *wish == Wish::Stop) => {}
        }
    }
}
