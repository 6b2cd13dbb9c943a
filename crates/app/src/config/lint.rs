//! Findings that need no server: what a file that can be read still gets wrong.

use syncline_engine::error::Error;

use super::Config;

/// Every offline finding, with its place.
pub fn lint(config: &Config) -> Vec<Error> {
    let mut findings = Vec::new();
    for (spec, places) in config.pipelines.iter().zip(&config.places) {
        if let Err(error) = syncline_engine::route::RouteTable::new(spec, &[]) {
            findings.push(error.at(places.pipeline.clone()));
        }
    }
    findings
}
