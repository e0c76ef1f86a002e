//! The ratios of a run as one SVG: a panel for each scenario, a bar for each server.

use std::fmt::Write as _;

use crate::{
    catalog::{self, Family},
    collected::Collected,
    pairs::Row,
    stats::Spread,
};

/// A panel for each scenario that has ratios.
pub(crate) struct Picture {
    panels: Vec<Panel>,
}

/// One scenario.
struct Panel {
    title: String,
    reference: String,
    bars: Vec<Bar>,
}

struct Bar {
    name: String,
    family: Family,
    /// To the reference; `None` for a server that failed.
    ratio: Option<Spread>,
}

const COLUMN_COUNT: usize = 3;
const PANEL_WIDTH: usize = 360;
const MARGIN: usize = 16;
const TITLE_HEIGHT: usize = 36;
const BAR_PITCH: usize = 15;
const BAR_HEIGHT: usize = 10;
/// Where bars begin, and how long one is that reaches to `RATIO_MAX`.
const NAME_WIDTH: usize = 140;
const BAR_LEN: f64 = 160.0;
/// A longer bar is cut, and its number says how long it is.
const RATIO_MAX: f64 = 3.0;
const LEGEND_HEIGHT: usize = 44;

impl Picture {
    pub(crate) fn of(collected: &Collected) -> Self {
        let panels = collected.paired().filter_map(|(block, rows)| {
            let title = format!("{} {}", block.task.name(), block.scenario);
            Panel::of(title, rows)
        });
        Self { panels: panels.collect() }
    }

    pub(crate) fn to_svg(&self) -> String {
        let mut top = LEGEND_HEIGHT;
        let mut panels = String::new();
        for line in self.panels.chunks(COLUMN_COUNT) {
            for (column, panel) in line.iter().enumerate() {
                panel.draw(&mut panels, MARGIN + column * PANEL_WIDTH, top);
            }
            top += line.iter().map(Panel::height).max().unwrap_or(0) + MARGIN;
        }
        let width = COLUMN_COUNT * PANEL_WIDTH + MARGIN;
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {top}\" \
             font-family=\"sans-serif\" font-size=\"11\" fill=\"#222\">\n\
             <rect width=\"{width}\" height=\"{top}\" fill=\"#fff\"/>\n{}{panels}</svg>\n",
            legend(),
        )
    }
}

const fn colour(family: Family) -> &'static str {
    match family {
        Family::Raw => "#9a9a9a",
        Family::Ours => "#1668b8",
        Family::Peer => "#e0a458",
    }
}

fn legend() -> String {
    let mut out = format!(
        "<text x=\"{MARGIN}\" y=\"18\" font-size=\"13\">Server CPU time, as a ratio to the \
         reference of each panel: medians, with quartiles as lines. Shorter is better.</text>\n"
    );
    let families =
        [(Family::Ours, "tidewire"), (Family::Peer, "others"), (Family::Raw, "no protocol")];
    for (place, (family, name)) in families.into_iter().enumerate() {
        let x = MARGIN + place * 110;
        let _ = writeln!(
            out,
            "<rect x=\"{x}\" y=\"26\" width=\"10\" height=\"10\" fill=\"{}\"/>\
             <text x=\"{}\" y=\"35\">{name}</text>",
            colour(family),
            x + 16,
        );
    }
    out
}

impl Panel {
    /// `None` for ratios to nothing.
    fn of(title: String, rows: &[Row]) -> Option<Self> {
        let reference = rows.iter().find(|row| row.is_reference)?.name.clone();
        let bar = |row: &Row| Bar {
            name: row.name.clone(),
            family: catalog::family(&row.name),
            ratio: match &row.outcome {
                Ok(_) if row.is_reference => Some(Spread { low: 1.0, median: 1.0, high: 1.0 }),
                Ok(figures) => figures.ratio,
                Err(_) => None,
            },
        };
        Some(Self { title, reference, bars: rows.iter().map(bar).collect() })
    }

    fn height(&self) -> usize {
        TITLE_HEIGHT + self.bars.len() * BAR_PITCH
    }

    fn draw(&self, out: &mut String, left: usize, top: usize) {
        let base = left + NAME_WIDTH;
        // Writing to a string does not fail.
        let _ = writeln!(
            out,
            "<text x=\"{left}\" y=\"{}\" font-weight=\"bold\">{} \
             <tspan font-weight=\"normal\" fill=\"#666\">× {}</tspan></text>",
            top + 22,
            escaped(&self.title),
            escaped(&self.reference),
        );
        for (place, bar) in self.bars.iter().enumerate() {
            bar.draw(out, left, base, top + TITLE_HEIGHT + place * BAR_PITCH);
        }
        let one = base as f64 + BAR_LEN / RATIO_MAX;
        let _ = writeln!(
            out,
            "<path d=\"M{one:.1} {} V{}\" stroke=\"#222\" stroke-dasharray=\"2 2\"/>",
            top + TITLE_HEIGHT - 4,
            top + self.height(),
        );
    }
}

impl Bar {
    fn draw(&self, out: &mut String, left: usize, base: usize, top: usize) {
        let text_y = top + BAR_HEIGHT - 1;
        let _ = write!(out, "<text x=\"{left}\" y=\"{text_y}\">{}</text>", escaped(&self.name));
        let Some(ratio) = self.ratio else {
            let _ = writeln!(out, "<text x=\"{}\" y=\"{text_y}\" fill=\"#666\">–</text>", base + 4);
            return;
        };
        let len = |ratio: f64| ratio.clamp(0.0, RATIO_MAX) * BAR_LEN / RATIO_MAX;
        let _ = write!(
            out,
            "<rect x=\"{base}\" y=\"{top}\" width=\"{:.1}\" height=\"{BAR_HEIGHT}\" fill=\"{}\"/>",
            len(ratio.median),
            colour(self.family),
        );
        let at = |ratio: f64| base as f64 + len(ratio);
        if ratio.low < ratio.high && ratio.low < RATIO_MAX {
            let (y, low, high) = (top + BAR_HEIGHT / 2, at(ratio.low), at(ratio.high));
            let _ = write!(out, "<path d=\"M{low:.1} {y} H{high:.1}\" stroke=\"#222\"/>");
        }
        let cut = if ratio.median > RATIO_MAX { "… " } else { "" };
        let _ = writeln!(
            out,
            "<text x=\"{:.1}\" y=\"{text_y}\">{cut}{:.2}</text>",
            // Beyond the line at 1, which would go through the digits.
            at(ratio.high.max(ratio.median).max(1.0)) + 5.0,
            ratio.median,
        );
    }
}

/// A name may be anybody's.
fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pairs::Figures;

    fn row(name: &str, ratio: Option<f64>) -> Row {
        let spread = |median| Spread { low: median, median, high: median };
        Row {
            scenario: "125x100x1".parse().unwrap(),
            name: name.to_owned(),
            is_reference: ratio.is_none(),
            outcome: Ok(Figures {
                nanos: spread(1.0),
                ratio: ratio.map(spread),
                pieces_per_second: 1.0,
                busy: 1.0,
                came_len: 1.0,
                user_share: None,
            }),
        }
    }

    #[test]
    fn a_panel_for_each_scenario_and_a_bar_for_each_server() {
        let mut failed = row("yawc", None);
        failed.is_reference = false;
        failed.outcome = Err("gone".to_owned());
        let rows =
            [row("raw-epoll", None), row("tidewire", Some(1.5)), row("<a&b>", Some(9.0)), failed];
        let panel = Panel::of("echo 125x100x1".to_owned(), &rows).unwrap();
        let svg = Picture { panels: vec![panel] }.to_svg();
        assert_eq!(svg.matches("font-weight=\"bold\"").count(), 1);
        assert_eq!(svg.matches(&format!("height=\"{BAR_HEIGHT}\" fill=\"#1668b8\"")).count(), 2);
        assert!(svg.contains("width=\"80.0\""), "1.5 is half of the longest bar: {svg}");
        assert!(svg.contains("… 9.00") && svg.contains("width=\"160.0\""), "too long is cut");
        assert!(svg.contains("&lt;a&amp;b&gt;") && !svg.contains("<a&b>"));
        assert!(svg.contains(">–</text>"), "a server that failed has no bar");
    }
}
