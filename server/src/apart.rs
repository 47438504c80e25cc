//! Threads of their own for what observes and recovers: pages are drawn on others, so a thousand browsers that look at a
//! failover do not hold it up.

use anyhow::Context;
use tokio::runtime::{Builder, Handle, Runtime};

/// See the module. What runs there ends with this value.
pub struct Apart(Option<Runtime>);

impl Apart {
    /// # Errors
    /// Where the machine gives no threads.
    pub fn start() -> anyhow::Result<Self> {
        // Two: while one waits for the processor or decides, the other takes the answers of probes.
        let runtime = Builder::new_multi_thread().worker_threads(2).thread_name("recovery").enable_all().build();
        Ok(Self(Some(runtime.context("no threads for what recovers")?)))
    }

    /// Runs `work` there, and everything that it spawns.
    ///
    /// # Errors
    /// Where it failed, or a mistake in the product has ended it.
    pub async fn run<T: Send + 'static>(&self, work: impl Future<Output = anyhow::Result<T>> + Send + 'static) -> anyhow::Result<T> {
        let handle: &Handle = self.0.as_ref().context("the threads of what recovers have ended")?.handle();
        handle.spawn(work).await.context("what recovers has failed at its start")?
    }
}

impl Drop for Apart {
    fn drop(&mut self) {
        // A runtime may not be waited for where others run; what is at work there was journalled before.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
