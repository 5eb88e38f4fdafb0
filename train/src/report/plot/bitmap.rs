//! Pictures of pixels.

use plotters::{backend::BitMapBackend, prelude::*};
use plotters_backend::{BackendColor, BackendCoord, BackendStyle, BackendTextStyle, DrawingErrorKind};

/// Pixels along each axis for one of the chart's: enough for a screen of high density.
const DENSITY: u32 = 2;
/// Pixels along each axis that are drawn for one that is kept, as the mean of these: what makes edges smooth.
const SAMPLES: u32 = 2;
const ZOOM: u32 = DENSITY * SAMPLES;

/// Three bytes a pixel.
const RGB: usize = 3;

/// Draws a chart of `size`, and encodes it as PNG.
///
/// # Errors
/// What the chart or the encoder says.
pub fn png(size: (u32, u32), draw: impl FnOnce(&mut [u8]) -> Result<(), String>) -> Result<Vec<u8>, String> {
    let (width, height) = (size.0 * DENSITY, size.1 * DENSITY);
    let mut drawn = vec![0; (width * SAMPLES * height * SAMPLES) as usize * RGB];
    draw(&mut drawn)?;
    let pixels = shrunk(&drawn, (width * SAMPLES) as usize);
    lodepng::encode24(&pixels, width as usize, height as usize).map_err(|error| error.to_string())
}

/// The means of squares of [`SAMPLES`] by as many pixels, in a picture whose rows have `width`.
fn shrunk(pixels: &[u8], width: usize) -> Vec<u8> {
    let samples = SAMPLES as usize;
    let rows: Vec<_> = pixels.chunks_exact(width * RGB).collect();
    let mut means = Vec::with_capacity(pixels.len() / (samples * samples));
    for rows in rows.chunks_exact(samples) {
        for left in (0..width).step_by(samples) {
            for channel in 0..RGB {
                let square =
                    rows.iter().flat_map(|row| (left..left + samples).map(|x| u32::from(row[x * RGB + channel])));
                let sum: u32 = square.sum();
                means.push(((sum + SAMPLES * SAMPLES / 2) / (SAMPLES * SAMPLES)) as u8);
            }
        }
    }
    means
}

/// A surface that draws everything [`ZOOM`] times as large as it is told to.
pub struct Zoomed<'a> {
    bitmap: BitMapBackend<'a>,
    size: (u32, u32),
}

type Drawn<'a> = Result<(), DrawingErrorKind<<BitMapBackend<'a> as DrawingBackend>::ErrorType>>;

impl<'a> Zoomed<'a> {
    /// On the bytes that [`png`] hands out for a chart of `size`.
    pub fn new(pixels: &'a mut [u8], size: (u32, u32)) -> Self {
        Self { bitmap: BitMapBackend::with_buffer(pixels, (size.0 * ZOOM, size.1 * ZOOM)), size }
    }
}

fn zoomed((x, y): BackendCoord) -> BackendCoord {
    (x * ZOOM as i32, y * ZOOM as i32)
}

fn colour(BackendColor { rgb: (r, g, b), alpha }: BackendColor) -> RGBAColor {
    RGBAColor(r, g, b, alpha)
}

fn thick<S: BackendStyle>(style: &S) -> ShapeStyle {
    ShapeStyle { color: colour(style.color()), filled: false, stroke_width: style.stroke_width() * ZOOM }
}

impl<'a> DrawingBackend for Zoomed<'a> {
    type ErrorType = <BitMapBackend<'a> as DrawingBackend>::ErrorType;

    fn get_size(&self) -> (u32, u32) {
        self.size
    }

    fn ensure_prepared(&mut self) -> Drawn<'a> {
        self.bitmap.ensure_prepared()
    }

    fn present(&mut self) -> Drawn<'a> {
        self.bitmap.present()
    }

    fn draw_pixel(&mut self, point: BackendCoord, colour: BackendColor) -> Drawn<'a> {
        let ends = (zoomed(point), zoomed((point.0 + 1, point.1 + 1)));
        self.bitmap.draw_rect(ends.0, (ends.1.0 - 1, ends.1.1 - 1), &colour, true)
    }

    fn draw_line<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S) -> Drawn<'a> {
        self.bitmap.draw_path([zoomed(from), zoomed(to)], &thick(style))
    }

    fn draw_rect<S: BackendStyle>(&mut self, from: BackendCoord, to: BackendCoord, style: &S, fill: bool) -> Drawn<'a> {
        if fill {
            return self.bitmap.draw_rect(zoomed(from), zoomed(to), style, true);
        }
        self.draw_path([from, (to.0, from.1), to, (from.0, to.1), from], style)
    }

    fn draw_path<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, path: I, style: &S) -> Drawn<'a> {
        self.bitmap.draw_path(path.into_iter().map(zoomed), &thick(style))
    }

    fn draw_circle<S: BackendStyle>(&mut self, at: BackendCoord, radius: u32, style: &S, fill: bool) -> Drawn<'a> {
        self.bitmap.draw_circle(zoomed(at), radius * ZOOM, &thick(style), fill)
    }

    fn fill_polygon<S: BackendStyle, I: IntoIterator<Item = BackendCoord>>(&mut self, ends: I, style: &S) -> Drawn<'a> {
        self.bitmap.fill_polygon(ends.into_iter().map(zoomed), style)
    }

    fn draw_text<T: BackendTextStyle>(&mut self, text: &str, style: &T, at: BackendCoord) -> Drawn<'a> {
        let font = (style.family(), style.size() * f64::from(ZOOM)).into_font().transform(style.transform());
        let style = TextStyle { color: style.color(), ..TextStyle::from(font).pos(style.anchor()) };
        self.bitmap.draw_text(text, &style, zoomed(at))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pixel_is_the_mean_of_those_drawn_for_it() {
        let drawn =
            [[0, 10, 255], [1, 20, 255], [9, 9, 9], [9, 9, 9], [2, 30, 255], [4, 41, 254], [9, 9, 9], [9, 9, 9]];
        assert_eq!(shrunk(drawn.as_flattened(), 4), [2, 25, 255, 9, 9, 9]);
    }

    #[test]
    fn a_chart_is_drawn_as_large_as_its_pixels() {
        let size = (8, 4);
        let png = png(size, |pixels| {
            let area = Zoomed::new(pixels, size).into_drawing_area();
            area.fill(&WHITE).unwrap();
            area.draw(&Rectangle::new([(2, 1), (4, 2)], RED.filled())).map_err(|error| error.to_string())
        });
        let picture = lodepng::decode24(png.unwrap()).unwrap();
        assert_eq!((picture.width, picture.height), (16, 8));
        let colour = |x: usize, y: usize| <[u8; 3]>::from(picture.buffer[y * 16 + x]);
        assert_eq!((colour(3, 1), colour(4, 2), colour(7, 3)), ([255; 3], [255, 0, 0], [255, 0, 0]));
        assert_eq!((colour(10, 3), colour(5, 6)), ([255; 3], [255; 3]));
    }
}
