//! What each rank did when: a picture of a step.

use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Instant,
};

use super::{Collective, CollectiveError, Point, Probe};

/// What a rank is busy with.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Its walk, forward and back.
    Walk,
    /// Its values go to the others and theirs come in.
    Transfer,
    /// It has nothing to do but wait for transfers.
    Wait,
    /// Its parameters are updated.
    Update,
}

impl Kind {
    const ALL: [Self; 4] = [Self::Walk, Self::Transfer, Self::Wait, Self::Update];

    fn name(self) -> &'static str {
        match self {
            Self::Walk => "walk",
            Self::Transfer => "transfer",
            Self::Wait => "wait",
            Self::Update => "update",
        }
    }

    fn colour(self) -> &'static str {
        match self {
            Self::Walk => "#3b6fb6",
            Self::Transfer => "#e08a2e",
            Self::Wait => "#c9c9c9",
            Self::Update => "#4f9d5d",
        }
    }
}

/// A piece of a rank's time.
#[derive(Clone, Copy, Debug)]
pub struct Span {
    /// Whose.
    pub rank: usize,
    /// What for.
    pub kind: Kind,
    /// From.
    pub start: Instant,
    /// Until.
    pub end: Instant,
}

/// A record that all ranks of a process write to.
#[derive(Clone, Debug, Default)]
pub struct Timeline(Arc<Mutex<Vec<Span>>>);

impl Timeline {
    /// Adds a span.
    pub fn note(&self, span: Span) {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push(span);
    }

    /// All spans until now, which are forgotten.
    pub fn take(&self) -> Vec<Span> {
        std::mem::take(&mut *self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Timeline {
    /// Notes the steps of this rank.
    pub fn probe(&self, rank: usize) -> Probe {
        let (timeline, last) = (self.clone(), Mutex::new(Instant::now()));
        Probe::new(move |_, point| {
            let now = Instant::now();
            let start = std::mem::replace(&mut *last.lock().unwrap_or_else(PoisonError::into_inner), now);
            let kind = match point {
                Point::Begin => return,
                Point::Forward | Point::Walked => Kind::Walk,
                Point::Reduced => Kind::Wait,
                Point::Updated => Kind::Update,
            };
            timeline.note(Span { rank, kind, start, end: now });
        })
    }
}

/// A collective whose transfers are noted.
#[derive(Debug)]
pub struct Recorded<C> {
    inner: C,
    timeline: Timeline,
}

impl<C: Collective> Recorded<C> {
    /// Notes the transfers of `inner`.
    pub fn new(inner: C, timeline: Timeline) -> Self {
        Self { inner, timeline }
    }

    fn noted<R>(&self, work: impl FnOnce(&C) -> R) -> R {
        let start = Instant::now();
        let result = work(&self.inner);
        self.timeline.note(Span { rank: self.inner.rank(), kind: Kind::Transfer, start, end: Instant::now() });
        result
    }
}

impl<C: Collective> Collective for Recorded<C> {
    fn rank(&self) -> usize {
        self.inner.rank()
    }

    fn world(&self) -> usize {
        self.inner.world()
    }

    fn reduce_scatter(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.noted(|inner| inner.reduce_scatter(values))
    }

    fn all_gather(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.noted(|inner| inner.all_gather(values))
    }

    fn broadcast(&self, bytes: &mut Vec<u8>, root: usize) -> Result<(), CollectiveError> {
        self.inner.broadcast(bytes, root)
    }

    fn all_gather_bytes(&self, bytes: Vec<u8>) -> Result<Vec<Vec<u8>>, CollectiveError> {
        self.noted(|inner| inner.all_gather_bytes(bytes))
    }

    fn all_reduce(&self, values: &mut [f32]) -> Result<(), CollectiveError> {
        self.noted(|inner| inner.all_reduce(values))
    }
}

/// Seconds of `spans` in which `rank` is busy with `kind`.
pub fn seconds(spans: &[Span], rank: usize, kind: Kind) -> f64 {
    let own = spans.iter().filter(|span| span.rank == rank && span.kind == kind);
    own.map(|span| (span.end - span.start).as_secs_f64()).sum()
}

/// Seconds in which `rank` transfers while its walk goes on.
pub fn hidden(spans: &[Span], rank: usize) -> f64 {
    let of = |kind| spans.iter().filter(move |span| span.rank == rank && span.kind == kind);
    let overlap = |a: &Span, b: &Span| a.end.min(b.end).saturating_duration_since(a.start.max(b.start)).as_secs_f64();
    of(Kind::Transfer).map(|transfer| of(Kind::Walk).map(|walk| overlap(transfer, walk)).sum::<f64>()).sum()
}

/// An SVG picture of `spans`: a row for each of `names`, its work above, its transfers below, time in milliseconds.
pub fn picture(spans: &[Span], names: &[String]) -> String {
    const LEFT: f64 = 150.0;
    const WIDTH: f64 = 900.0;
    const ROW: f64 = 56.0;
    let (Some(start), Some(end)) = (spans.iter().map(|it| it.start).min(), spans.iter().map(|it| it.end).max()) else {
        return String::new();
    };
    let total = (end - start).as_secs_f64().max(1e-9);
    let at = |time: Instant| LEFT + (time - start).as_secs_f64() / total * WIDTH;
    let bottom = 40.0 + ROW * names.len() as f64;
    let mut svg = format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{}\" height=\"{}\" font-family=\"sans-serif\" \
         font-size=\"12\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n",
        LEFT + WIDTH + 40.0,
        bottom + 40.0
    );
    for (index, kind) in Kind::ALL.into_iter().enumerate() {
        let x = LEFT + index as f64 * 100.0;
        svg += &format!("<rect x=\"{x}\" y=\"10\" width=\"12\" height=\"12\" fill=\"{}\"/>", kind.colour());
        svg += &format!("<text x=\"{}\" y=\"20\">{}</text>\n", x + 18.0, kind.name());
    }
    for (rank, name) in names.iter().enumerate() {
        let y = 40.0 + ROW * rank as f64;
        let name = name.replace('&', "&amp;").replace('<', "&lt;");
        svg += &format!("<text x=\"10\" y=\"{}\">{name}</text>\n", y + 24.0);
        for span in spans.iter().filter(|span| span.rank == rank) {
            let below = span.kind == Kind::Transfer;
            let (x, width) = (at(span.start), (at(span.end) - at(span.start)).max(0.4));
            let y = if below { y + 22.0 } else { y };
            svg += &format!(
                "<rect x=\"{x:.1}\" y=\"{y}\" width=\"{width:.1}\" height=\"20\" fill=\"{}\"/>\n",
                span.kind.colour()
            );
        }
    }
    for tick in 0..=5 {
        let share = f64::from(tick) / 5.0;
        let x = LEFT + share * WIDTH;
        svg += &format!("<line x1=\"{x}\" y1=\"36\" x2=\"{x}\" y2=\"{bottom}\" stroke=\"#ddd\"/>");
        svg += &format!(
            "<text x=\"{x}\" y=\"{}\" text-anchor=\"middle\">{:.0} ms</text>\n",
            bottom + 18.0,
            share * total * 1e3
        );
    }
    svg + "</svg>\n"
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn what_overlaps_is_hidden_and_has_a_rectangle() {
        let zero = Instant::now();
        let span = |kind, from: u64, to: u64| Span {
            rank: 0,
            kind,
            start: zero + Duration::from_millis(from),
            end: zero + Duration::from_millis(to),
        };
        let spans = [span(Kind::Walk, 0, 100), span(Kind::Transfer, 80, 130), span(Kind::Wait, 100, 130)];
        assert!((hidden(&spans, 0) - 0.02).abs() < 1e-9);
        assert!((seconds(&spans, 0, Kind::Transfer) - 0.05).abs() < 1e-9);
        let svg = picture(&spans, &["a < b".into()]);
        assert!(svg.contains("a &lt; b") && svg.contains("130 ms") && svg.matches("#e08a2e").count() == 2, "{svg}");
    }
}
