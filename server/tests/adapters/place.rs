//! What every test here needs: a configuration in a temporary folder, regions, and conditions that are waited for.

use engine::{
    estate::TrafficMeans,
    id::{RegionId, ServiceId},
};
use server::{
    config::Config,
    connect::traffic::{self, TrafficControl},
};
use std::{
    collections::BTreeSet,
    path::PathBuf,
    sync::Arc,
    time::{Duration, Instant},
};
use tempfile::TempDir;

pub const EAST: &str = "us-east-1";
pub const WEST: &str = "us-west-2";
pub const NORTH: &str = "eu-north-1";

pub struct Place {
    pub folder: TempDir,
}

impl Place {
    /// Short, because a Unix socket's path may have 107 bytes at most.
    pub fn new() -> Self {
        Self { folder: tempfile::Builder::new().prefix("lb").tempdir().unwrap() }
    }

    pub fn path(&self, name: &str) -> PathBuf {
        self.folder.path().join(name)
    }

    pub fn write(&self, name: &str, text: &str) -> PathBuf {
        let path = self.path(name);
        std::fs::write(&path, text).unwrap();
        path
    }

    /// What the server reads of a configuration with these lines.
    pub fn config(&self, lines: &str) -> anyhow::Result<Config> {
        Config::read(&self.write("lifeboat.toml", lines))
    }

    pub fn control(&self, means: &str, config: &str) -> anyhow::Result<Arc<dyn TrafficControl>> {
        control(means, &self.config(config)?)
    }
}

/// The adapter for what an estate would say after `by = `.
pub fn control(means: &str, config: &Config) -> anyhow::Result<Arc<dyn TrafficControl>> {
    #[derive(serde::Deserialize)]
    struct Declared {
        by: TrafficMeans,
    }
    let declared: Declared = toml::from_str(&format!("by = {means}"))?;
    let service: ServiceId = "checkout-api".parse()?;
    traffic::control(&service, &declared.by, regions([EAST]), config)
}

pub fn regions<const N: usize>(names: [&str; N]) -> BTreeSet<RegionId> {
    names.into_iter().map(|name| name.parse().unwrap()).collect()
}

/// What went wrong, all of it.
pub fn why<T>(result: anyhow::Result<T>) -> String {
    match result {
        Ok(_) => panic!("this should have failed"),
        Err(error) => format!("{error:#}"),
    }
}

#[track_caller]
pub fn assert_says(text: &str, parts: &[&str]) {
    for part in parts {
        assert!(text.contains(part), "“{part}” is missing in “{text}”");
    }
}

/// Waits for a condition.
pub async fn until(what: &str, mut holds: impl AsyncFnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(15);
    while !holds().await {
        assert!(Instant::now() < deadline, "never came true: {what}");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
