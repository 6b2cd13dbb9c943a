//! Drift over time as an SVG picture: one bar a comparison, what was put right in another colour than what stayed. It holds no
//! text that is not made here.

use std::fmt::Write as _;

use jiff::Timestamp;
use syncline_api as api;

const WIDTH: f64 = 720.0;
const HEIGHT: f64 = 120.0;
/// For the scale at the left, and for the line below.
const LEFT: f64 = 60.0;
const BOTTOM: f64 = 20.0;
const BAR: f64 = 3.0;

/// The picture of a time.
pub(super) fn picture(report: &api::ConsistencyReport, series: &[api::DriftPoint]) -> String {
    let (from, to) = (millis(&report.from), millis(&report.to));
    let most = series.iter().map(|point| drift(point).max(point.unsettled)).max().unwrap_or(0);
    let mut svg = format!(
        "<svg viewBox=\"0 0 {WIDTH} {}\" role=\"img\" aria-label=\"drift over time\">\n",
        HEIGHT + BOTTOM
    );
    let _ =
        writeln!(svg, "<line x1=\"{LEFT}\" y1=\"{HEIGHT}\" x2=\"{WIDTH}\" y2=\"{HEIGHT}\" class=\"axis\"/>");
    let label = |x: f64, y: f64, anchor: &str, text: &str| {
        format!("<text x=\"{x}\" y=\"{y}\" text-anchor=\"{anchor}\">{text}</text>\n")
    };
    svg += &label(LEFT - 6.0, 12.0, "end", &most.to_string());
    svg += &label(LEFT - 6.0, HEIGHT, "end", "0");
    svg += &label(LEFT, HEIGHT + 15.0, "start", &shown(from));
    svg += &label(WIDTH, HEIGHT + 15.0, "end", &shown(to));
    for point in series {
        let share = (millis(&point.at) - from) as f64 / ((to - from).max(1)) as f64;
        let x = LEFT + share.clamp(0.0, 1.0) * (WIDTH - LEFT - BAR);
        svg += &bar(x, point, most);
    }
    svg + "</svg>\n"
}

/// A comparison: a dot on the line if nothing differed, else what was put right below what was not.
fn bar(x: f64, point: &api::DriftPoint, most: u64) -> String {
    let drift = drift(point);
    if point.failed {
        return format!("<circle cx=\"{:.1}\" cy=\"{HEIGHT}\" r=\"3\" class=\"failed\"/>\n", x + BAR / 2.0);
    }
    if drift == 0 {
        return format!("<circle cx=\"{:.1}\" cy=\"{HEIGHT}\" r=\"2\" class=\"good\"/>\n", x + BAR / 2.0);
    }
    let high = |n: u64| (n as f64 / most.max(1) as f64) * (HEIGHT - 8.0);
    let (repaired, open) = (high(point.repaired), high(drift.saturating_sub(point.repaired)));
    let rect = |y: f64, height: f64, class: &str| {
        format!(
            "<rect x=\"{x:.1}\" y=\"{y:.1}\" width=\"{BAR}\" height=\"{height:.1}\" class=\"{class}\"/>\n"
        )
    };
    rect(HEIGHT - repaired, repaired, "repaired") + &rect(HEIGHT - repaired - open, open, "open")
}

fn drift(point: &api::DriftPoint) -> u64 {
    point.missing + point.different + point.extra
}

fn millis(text: &str) -> i64 {
    text.parse::<Timestamp>().map_or(0, Timestamp::as_millisecond)
}

fn shown(millis: i64) -> String {
    let known = Timestamp::from_millisecond(millis);
    known.map_or_else(|_| String::new(), |time| time.strftime("%Y-%m-%d %H:%M UTC").to_string())
}
