//! Where the values of a parameter are in a file of another program: one table for reading and for writing.

use std::collections::{BTreeMap, BTreeSet};

use super::fill::Wanted;
use crate::{ModelError, ModelShape, Site, TransformerConfig};

/// Where the values of a parameter are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Place {
    /// A tensor of the same shape.
    Same(String),
    /// A tensor `[out, in]` of a weight `[in, out]`.
    Turned(String),
    /// The `part`-th third of a tensor `[.., 3 C]`: 0 for queries, 1 for keys, 2 for values.
    ThirdOfColumns(String, usize),
    /// The `part`-th third of a tensor `[3 C, in]` of a weight `[in, C]`.
    ThirdOfRows(String, usize),
    /// A tensor `[out, in]` of each expert, whose name is this before and after the expert's number.
    EachExpert(String, &'static str),
    /// A tensor `[E, out, in]` of all experts.
    AllExperts(String),
    /// None: it has only zeros.
    Nowhere,
}

/// A tensor of a file.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Stored {
    pub name: String,
    /// Its shape in the file.
    pub shape: Vec<usize>,
    /// The parameters whose values it has, in their order, and of experts the number of the one.
    pieces: Vec<(String, Place, usize)>,
}

/// What reads rows of a tensor, by its name and its shape in the file: so many from the first on.
pub(super) type Rows<'a> = &'a dyn Fn(&str, &[usize], usize, usize) -> Result<Vec<f32>, ModelError>;

impl Place {
    /// The tensors that have the values of a parameter of this shape, and their shapes.
    fn tensors(&self, shape: &[usize]) -> Vec<(String, Vec<usize>)> {
        let mut stored = shape.to_vec();
        match self {
            Self::Same(name) => vec![(name.clone(), stored)],
            Self::Turned(name) => {
                stored.reverse();
                vec![(name.clone(), stored)]
            }
            Self::ThirdOfColumns(name, _) => {
                stored.last_mut().into_iter().for_each(|columns| *columns *= 3);
                vec![(name.clone(), stored)]
            }
            Self::ThirdOfRows(name, _) => {
                stored.reverse();
                stored[0] *= 3;
                vec![(name.clone(), stored)]
            }
            Self::EachExpert(before, after) => {
                (0..shape[0]).map(|expert| (format!("{before}{expert}{after}"), vec![shape[2], shape[1]])).collect()
            }
            Self::AllExperts(name) => vec![(name.clone(), vec![shape[0], shape[2], shape[1]])],
            Self::Nowhere => Vec::new(),
        }
    }

    /// The values that are wanted of a parameter whose whole shape is `whole`.
    pub(super) fn read(&self, wanted: Wanted, whole: &[usize], rows: Rows) -> Result<Vec<f32>, ModelError> {
        let Wanted { shape, first, .. } = wanted;
        let experts = first..first + shape[0];
        match self {
            // Of a matrix over the vocabulary only some rows may be wanted; the rest of the shape is what the file must have.
            Self::Same(name) => rows(name, whole, first, shape[0]),
            Self::Turned(name) => Ok(turned(&rows(name, &[shape[1], shape[0]], 0, shape[1])?, shape[0])),
            Self::ThirdOfColumns(name, part) => {
                let columns = shape[shape.len() - 1];
                let mut all = shape.to_vec();
                all[shape.len() - 1] = 3 * columns;
                let stored = rows(name, &all, 0, all[0])?;
                let of_row = |row: &[f32]| row[part * columns..(part + 1) * columns].to_vec();
                Ok(stored.chunks_exact(3 * columns).flat_map(of_row).collect())
            }
            Self::ThirdOfRows(name, part) => {
                let [inputs, outputs] = [shape[0], shape[1]];
                Ok(turned(&rows(name, &[3 * outputs, inputs], part * outputs, outputs)?, inputs))
            }
            Self::EachExpert(before, after) => {
                let stored = [shape[2], shape[1]];
                each(experts, |expert| {
                    let name = format!("{before}{expert}{after}");
                    Ok(turned(&rows(&name, &stored, 0, stored[0])?, shape[1]))
                })
            }
            Self::AllExperts(name) => {
                let stored = [whole[0], shape[2], shape[1]];
                each(experts, |expert| Ok(turned(&rows(name, &stored, expert, 1)?, shape[1])))
            }
            Self::Nowhere => Ok(vec![0.0; shape.iter().product()]),
        }
    }
}

impl Stored {
    /// The values of the tensor, row by row, from those of parameters by name, and by how many there are where a model lacks one.
    pub(super) fn values<V: AsRef<[f32]>>(
        &self,
        mut parameter: impl FnMut(&str, usize) -> Result<V, ModelError>,
    ) -> Result<Vec<f32>, ModelError> {
        let mut columns = Vec::new();
        let mut all = Vec::new();
        for (name, place, expert) in &self.pieces {
            let values = parameter(name, self.elements() / self.pieces.len())?;
            let values = values.as_ref();
            match place {
                Place::Same(_) if self.pieces.len() == 1 => return Ok(values.to_vec()),
                Place::Same(_) => all.extend_from_slice(values),
                Place::ThirdOfColumns(..) => columns.push(values.to_vec()),
                Place::Turned(_) => all.extend(turned(values, self.shape[0])),
                Place::ThirdOfRows(..) => all.extend(turned(values, self.shape[0] / 3)),
                Place::EachExpert(..) => {
                    let size: usize = self.shape.iter().product();
                    all.extend(turned(&values[expert * size..(expert + 1) * size], self.shape[0]));
                }
                Place::AllExperts(_) => {
                    let [_, outputs, inputs] = [self.shape[0], self.shape[1], self.shape[2]];
                    values.chunks_exact(outputs * inputs).for_each(|one| all.extend(turned(one, outputs)));
                }
                Place::Nowhere => {}
            }
        }
        if let Some(first) = columns.first() {
            let width = self.shape[self.shape.len() - 1] / 3;
            for row in 0..first.len() / width {
                columns.iter().for_each(|part| all.extend_from_slice(&part[row * width..(row + 1) * width]));
            }
        }
        Ok(all)
    }

    /// Number of its elements.
    pub(super) fn elements(&self) -> usize {
        self.shape.iter().product()
    }
}

/// The tensors of a file that has every parameter of `config` at its place, and the parameters that are nowhere.
pub(super) fn layout(
    config: &TransformerConfig,
    place: impl Fn(&str) -> Result<Place, ModelError>,
) -> Result<(Vec<Stored>, Vec<String>), ModelError> {
    let shape = ModelShape::of(config, &Site::of_sequence(1));
    let (mut all, mut nowhere): (Vec<Stored>, _) = (Vec::new(), Vec::new());
    let mut known: BTreeMap<String, usize> = BTreeMap::new();
    for parameter in shape.parameters() {
        let place = place(&parameter.name)?;
        let tensors = place.tensors(&parameter.shape);
        if tensors.is_empty() {
            nowhere.push(parameter.name.clone());
        }
        for (number, (name, shape)) in tensors.into_iter().enumerate() {
            let at = *known.entry(name.clone()).or_insert_with(|| {
                all.push(Stored { name, shape, pieces: Vec::new() });
                all.len() - 1
            });
            all[at].pieces.push((parameter.name.clone(), place.clone(), number));
        }
    }
    Ok((all, nowhere))
}

/// Requires of a file that every parameter of `config` has its tensor, by `check` of a name and a shape, and that each of its tensors
/// is of a parameter, for a model whose file has more computes something else: the first one that is not.
pub(super) fn stranger<'a>(
    config: &TransformerConfig,
    place: impl Fn(&str) -> Result<Place, ModelError>,
    check: impl Fn(&str, &[usize]) -> Result<(), ModelError>,
    names: impl IntoIterator<Item = &'a str>,
) -> Result<Option<&'a str>, ModelError> {
    let mut known = BTreeSet::new();
    // One after the other, for a header may promise more of them than memory has room for.
    for parameter in ModelShape::of(config, &Site::of_sequence(1)).parameters() {
        for (name, shape) in place(&parameter.name)?.tensors(&parameter.shape) {
            check(&name, &shape)?;
            known.insert(name);
        }
    }
    Ok(names.into_iter().find(|name| !known.contains(*name)))
}

/// The shape of the parameter that rows or experts are wanted of.
pub(super) fn whole(Wanted { name, shape, .. }: Wanted, config: &TransformerConfig) -> Vec<usize> {
    match name {
        "embedding.tokens" | "head.output" => vec![config.vocab_size, config.width],
        // Of learned positions the first ones may do.
        "embedding.positions" => vec![config.context_length, config.width],
        _ if shape.len() == 3 => vec![config.experts, shape[1], shape[2]],
        _ => shape.to_vec(),
    }
}

/// A matrix `[in, out]`, row by row, of one `[out, in]`.
pub(super) fn turned(stored: &[f32], inputs: usize) -> Vec<f32> {
    let outputs = stored.len() / inputs.max(1);
    let mut values = vec![0.0; stored.len()];
    for (to, row) in stored.chunks_exact(inputs.max(1)).enumerate() {
        row.iter().enumerate().for_each(|(from, value)| values[from * outputs + to] = *value);
    }
    values
}

fn each(
    experts: std::ops::Range<usize>,
    of: impl Fn(usize) -> Result<Vec<f32>, ModelError>,
) -> Result<Vec<f32>, ModelError> {
    let mut all = Vec::new();
    for expert in experts {
        all.extend(of(expert)?);
    }
    Ok(all)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written is what is read again, at every kind of place.
    #[test]
    fn places_read_what_they_write() {
        let of = |kind: &'static str| {
            move |name: &str| -> Result<Place, ModelError> {
                let name = name.to_string();
                Ok(match (kind, name.split('.').next_back()) {
                    ("experts", _) if name.contains("experts.") && !name.ends_with("router") => {
                        match name.ends_with("bias") {
                            true => Place::Nowhere,
                            false if name.ends_with("up") => Place::EachExpert(name, ".end"),
                            false => Place::AllExperts(name),
                        }
                    }
                    (_, Some("weight")) if name.contains("attention.output") => Place::Turned(name),
                    ("thirds", Some(kind)) if name.contains("attention.") && !name.contains("output") => {
                        let part = ["query", "key", "value"].iter().position(|it| name.contains(it)).unwrap();
                        Place::ThirdOfColumns(format!("{}.{kind}", name.split(".attention").next().unwrap()), part)
                    }
                    ("rows", Some("weight")) if name.contains("attention.") => {
                        let part = ["query", "key", "value"].iter().position(|it| name.contains(it)).unwrap();
                        Place::ThirdOfRows(format!("{}.rows", name.split(".attention").next().unwrap()), part)
                    }
                    _ => Place::Same(name),
                })
            }
        };
        for kind in ["thirds", "rows", "experts"] {
            let experts = if kind == "experts" { 3 } else { 0 };
            let config =
                TransformerConfig { experts, bias: kind == "thirds", ..TransformerConfig::llama(7, 8, 2, 12, 2) };
            let parameters: BTreeMap<String, (Vec<usize>, Vec<f32>)> = ModelShape::of(&config, &Site::of_sequence(1))
                .parameters()
                .enumerate()
                .map(|(at, it)| {
                    let count = it.shape.iter().product::<usize>();
                    let is_nowhere = kind == "experts" && it.name.ends_with("experts.bias");
                    let value = |i: usize| if is_nowhere { 0.0 } else { (at * 10_000 + i) as f32 };
                    (it.name, (it.shape, (0..count).map(value).collect()))
                })
                .collect();
            let (stored, _) = layout(&config, of(kind)).unwrap();
            let file: BTreeMap<&str, (&[usize], Vec<f32>)> = stored
                .iter()
                .map(|it| {
                    (it.name.as_str(), (&it.shape[..], it.values(|name, _| Ok(&parameters[name].1[..])).unwrap()))
                })
                .collect();
            let rows = |name: &str, shape: &[usize], first: usize, rows: usize| {
                let (stored, values) = &file[name];
                assert_eq!((*stored, values.len()), (shape, shape.iter().product()), "{name}");
                let width: usize = shape[1..].iter().product();
                Ok(values[first * width..(first + rows) * width].to_vec())
            };
            for (name, (shape, values)) in &parameters {
                let wanted = Wanted { name, shape, first: 0 };
                let read = of(kind)(name).unwrap().read(wanted, shape, &rows).unwrap();
                assert_eq!(&read, values, "{kind} {name}");
            }
        }
    }
}
