//! Which parameters a run trains.

use hearth_model::{ModelShape, ParameterShape, Site};

use super::TrainConfig;

impl TrainConfig {
    /// The parameters that are trained: all that are not frozen.
    pub fn trained(&self) -> impl Iterator<Item = ParameterShape> {
        let all: Vec<ParameterShape> = ModelShape::of(&self.model, &Site::of_sequence(1)).parameters().collect();
        all.into_iter().filter(|it| !self.optimizer.is_frozen(&it.name, &self.model))
    }
}
