//! Findings that need no server: what a file that can be read still gets wrong. And the places in the file of findings
//! that others make, with a server or without.

use syncline_engine::error::{Error, Place};
use syncline_engine::route::{Finding, PipelineSpec, collisions, findings};

use super::Config;

/// Every offline finding, with its place.
pub fn lint(config: &Config) -> Vec<Error> {
    let url = |name: &str| config.connections.get(name).map(|c| &c.url);
    let same = |one: &str, other: &str| one == other || url(one).is_some() && url(one) == url(other);
    let own = config.pipelines.iter().flat_map(|spec| {
        let placed = |finding| config.placed(spec, finding);
        findings(spec).into_iter().map(placed).collect::<Vec<_>>()
    });
    let mut found: Vec<Error> = own.collect();
    for (n, finding) in collisions(&config.pipelines, &same) {
        found.push(config.placed(&config.pipelines[n], finding));
    }
    found
}

impl Config {
    /// The finding's error with its place in the file.
    pub fn placed(&self, pipeline: &PipelineSpec, finding: Finding) -> Error {
        match self.place_of(pipeline, &finding) {
            Some(place) if finding.error.place().is_none() => finding.error.at(place),
            _ => finding.error,
        }
    }

    fn place_of(&self, pipeline: &PipelineSpec, finding: &Finding) -> Option<Place> {
        let at = self.pipelines.iter().position(|p| p.name == pipeline.name)?;
        let places = self.places.get(at)?;
        let Some(route) = places.routes.get(finding.route) else { return Some(places.pipeline.clone()) };
        let target = finding.target.and_then(|t| route.targets.get(t));
        let key = || route.keys.get(finding.field);
        Some(target.or_else(key).unwrap_or(&route.route).clone())
    }
}
