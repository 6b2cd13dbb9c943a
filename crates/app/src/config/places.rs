//! Where the parts of a pipeline stand in the file, so that findings made later (by `lint` and `check`) name their place.

use std::collections::BTreeMap;

use syncline_engine::error::Place;

/// Places of one pipeline.
#[derive(Clone, Debug)]
pub(crate) struct PipelinePlaces {
    pub pipeline: Place,
    pub source: Place,
    pub routes: Vec<RoutePlaces>,
}

/// Places of one route: of itself, of its keys by name, of its targets.
#[derive(Clone, Debug)]
pub(crate) struct RoutePlaces {
    pub route: Place,
    pub keys: BTreeMap<&'static str, Place>,
    pub targets: Vec<Place>,
}

impl Default for PipelinePlaces {
    fn default() -> Self {
        let place = Place { file: String::new(), line: 0, column: 0 };
        PipelinePlaces { pipeline: place.clone(), source: place, routes: Vec::new() }
    }
}
