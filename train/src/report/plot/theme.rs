//! The colours of pictures, in light and in dark.

use plotters::style::RGBColor;

/// The background in light.
pub const PAPER: RGBColor = RGBColor(255, 255, 255);
/// Text and axes in light.
pub const INK: RGBColor = RGBColor(50, 50, 50);
/// Grid lines and frames in light.
pub const GRID: RGBColor = RGBColor(228, 228, 228);
/// Colours of curves in light, for as many runs; the first two are those of training and validation in a picture of one run.
pub const COLOURS: [RGBColor; 8] = [
    RGBColor(37, 99, 235),
    RGBColor(194, 65, 12),
    RGBColor(21, 128, 61),
    RGBColor(126, 34, 206),
    RGBColor(190, 24, 93),
    RGBColor(14, 116, 144),
    RGBColor(133, 77, 14),
    RGBColor(71, 85, 105),
];

/// What takes the place of each colour in dark.
const DARK: [(RGBColor, RGBColor); 11] = [
    (PAPER, RGBColor(13, 17, 23)),
    (INK, RGBColor(201, 209, 217)),
    (GRID, RGBColor(48, 54, 61)),
    (COLOURS[0], RGBColor(96, 165, 250)),
    (COLOURS[1], RGBColor(251, 146, 60)),
    (COLOURS[2], RGBColor(74, 222, 128)),
    (COLOURS[3], RGBColor(192, 132, 252)),
    (COLOURS[4], RGBColor(244, 114, 182)),
    (COLOURS[5], RGBColor(34, 211, 238)),
    (COLOURS[6], RGBColor(234, 179, 8)),
    (COLOURS[7], RGBColor(148, 163, 184)),
];

/// A picture in light that is one in dark where the reader prefers that: the colours are written as attributes, and a style
/// sheet goes before these.
pub fn for_both(svg: &str) -> String {
    let hex = |RGBColor(r, g, b): RGBColor| format!("#{r:02X}{g:02X}{b:02X}");
    let rules: String = DARK
        .iter()
        .map(|(light, dark)| (hex(*light), hex(*dark)))
        .map(|(light, dark)| format!("[fill=\"{light}\"]{{fill:{dark}}}[stroke=\"{light}\"]{{stroke:{dark}}}"))
        .collect();
    let sheet = format!("\n<style>@media (prefers-color-scheme:dark){{{rules}}}</style>");
    let end = svg.find('>').map_or(0, |at| at + 1);
    [&svg[..end], &sheet, &svg[end..]].concat()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_colour_has_another_in_dark() {
        for colour in [PAPER, INK, GRID].into_iter().chain(COLOURS) {
            assert_eq!(DARK.iter().filter(|(light, dark)| *light == colour && *dark != colour).count(), 1);
        }
        let both = for_both("<svg a=\"b\">\n<rect fill=\"#FFFFFF\"/></svg>");
        assert!(
            both.starts_with("<svg a=\"b\">\n<style>@media (prefers-color-scheme:dark){[fill=\"#FFFFFF\"]"),
            "{both}"
        );
        assert!(both.ends_with("</style>\n<rect fill=\"#FFFFFF\"/></svg>"), "{both}");
    }
}
