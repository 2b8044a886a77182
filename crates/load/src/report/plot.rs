//! Rates and latencies over time, as a picture: a colour for each target, its rounds over one another.

use std::fmt::Display;

use plotters::coord::ranged1d::{AsRangedCoord, Ranged, ValueFormatter};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use crate::error::LoadError;

use super::figures::Second;
use super::text::Column;

const SIZE: (u32, u32) = (1_000, 1_000);
const COLOURS: [RGBColor; 5] = [
    RGBColor(31, 119, 180),
    RGBColor(255, 127, 14),
    RGBColor(44, 160, 44),
    RGBColor(148, 103, 189),
    RGBColor(90, 90, 90),
];
/// The lowest latency that is shown, ms.
const LEAST_LATENCY: f64 = 0.01;
/// Times the length of the longest round that is shown: room for the legend.
const WIDTH: f64 = 1.17;

/// What is drawn of each second.
struct Line {
    label: &'static str,
    of: fn(&Second) -> Option<f64>,
    width: u32,
    strength: f64,
}

const fn thick(label: &'static str, of: fn(&Second) -> Option<f64>) -> Line {
    Line { label, of, width: 2, strength: 1.0 }
}

const fn thin(label: &'static str, of: fn(&Second) -> Option<f64>) -> Line {
    Line { label, of, width: 1, strength: 0.6 }
}

const RATES: [Line; 2] = [
    thick("included", |second| Some(f64::from(second.included))),
    thin("accepted", |second| Some(f64::from(second.accepted))),
];
const ACKNOWLEDGED: [Line; 2] = [
    thick("p50", |second| second.acknowledged.map(|it| it.p50)),
    thin("p99", |second| second.acknowledged.map(|it| it.p99)),
];
const INCLUSION: [Line; 2] = [
    thick("p50", |second| second.inclusion.map(|it| it.p50)),
    thin("p99", |second| second.inclusion.map(|it| it.p99)),
];

type Area<'a> = DrawingArea<SVGBackend<'a>, plotters::coord::Shift>;

/// The picture as SVG.
///
/// # Errors
/// [`LoadError::Plot`] in the words of the library that draws.
pub(crate) fn plot(title: &str, columns: &[Column<'_>]) -> Result<String, LoadError> {
    let mut svg = String::new();
    draw(&SVGBackend::with_string(&mut svg, SIZE).into_drawing_area(), title, columns)?;
    Ok(svg)
}

fn draw(area: &Area<'_>, title: &str, columns: &[Column<'_>]) -> Result<(), LoadError> {
    area.fill(&WHITE).map_err(failed)?;
    let area = area.titled(title, ("sans-serif", 18)).map_err(failed)?;
    let [rates, acknowledged, inclusion] = &area.split_evenly((3, 1))[..] else { return Ok(()) };
    panel(rates, "transactions per second", 0.0..highest(&RATES, columns), &RATES, columns)?;
    for (area, caption, lines) in [
        (acknowledged, "until acknowledged, ms", &ACKNOWLEDGED),
        (inclusion, "until included, ms", &INCLUSION),
    ] {
        let lowest = values(lines, columns).reduce(f64::min).unwrap_or(1.0).max(LEAST_LATENCY);
        let [low, high] = [lowest.log10().floor(), highest(lines, columns).log10().ceil()];
        let range = (10_f64.powf(low)..10_f64.powf(high)).log_scale();
        panel(area, caption, range, lines, columns)?;
    }
    area.present().map_err(failed)
}

fn panel<'a, Y>(
    area: &Area<'a>,
    caption: &str,
    y: Y,
    lines: &[Line],
    columns: &[Column<'_>],
) -> Result<(), LoadError>
where
    Y: AsRangedCoord<Value = f64>,
    Y::CoordDescType: ValueFormatter<f64> + Ranged<ValueType = f64>,
{
    let mut chart = ChartBuilder::on(area)
        .caption(caption, ("sans-serif", 15))
        .margin(10)
        .x_label_area_size(30)
        .y_label_area_size(70)
        .build_cartesian_2d(0.0..longest(columns) * WIDTH, y)
        .map_err(failed)?;
    let format = |value: &f64| format!("{value}");
    chart
        .configure_mesh()
        .y_label_formatter(&format)
        .x_desc("s")
        .light_line_style(TRANSPARENT)
        .draw()
        .map_err(failed)?;
    for (column, colour) in columns.iter().zip(COLOURS.iter().cycle()) {
        for line in lines {
            series(&mut chart, column, line, colour.mix(line.strength).stroke_width(line.width))?;
        }
    }
    let legend = chart
        .configure_series_labels()
        .background_style(WHITE.mix(0.8))
        .position(SeriesLabelPosition::UpperRight)
        .draw();
    legend.map_err(failed)
}

/// Every round of a target, with one entry in the legend.
fn series<'a, Y: Ranged<ValueType = f64>>(
    chart: &mut ChartContext<'a, SVGBackend<'a>, Cartesian2d<RangedCoordf64, Y>>,
    column: &Column<'_>,
    line: &Line,
    style: ShapeStyle,
) -> Result<(), LoadError> {
    for (number, round) in column.rounds.iter().enumerate() {
        let drawn =
            chart.draw_series(LineSeries::new(points(line, &round.seconds), style)).map_err(failed)?;
        if number == 0 {
            drawn
                .label(format!("{}, {}", column.name, line.label))
                .legend(move |(x, y)| PathElement::new([(x, y), (x + 20, y)], style));
        }
    }
    Ok(())
}

/// A point in the middle of each second that has a value.
fn points(line: &Line, seconds: &[Second]) -> Vec<(f64, f64)> {
    let value = |(second, values): (usize, &Second)| Some((second as f64 + 0.5, (line.of)(values)?));
    seconds.iter().enumerate().filter_map(value).collect()
}

fn values<'a>(lines: &'a [Line], columns: &'a [Column<'_>]) -> impl Iterator<Item = f64> + 'a {
    let seconds = columns.iter().flat_map(|column| column.rounds).flat_map(|round| &round.seconds);
    seconds.flat_map(|second| lines.iter().filter_map(|line| (line.of)(second)))
}

fn highest(lines: &[Line], columns: &[Column<'_>]) -> f64 {
    values(lines, columns).fold(1.0, f64::max) * 1.1
}

fn longest(columns: &[Column<'_>]) -> f64 {
    let rounds = columns.iter().flat_map(|column| column.rounds);
    rounds.map(|round| round.seconds.len()).max().unwrap_or_default().max(1) as f64
}

fn failed(error: impl Display) -> LoadError {
    LoadError::Plot(error.to_string())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use crate::report::{Figures, Latency};

    use super::*;

    fn round(seconds: u32) -> Figures {
        let latency = Latency { p50: 1.5, p90: 2.0, p99: 3.0, max: 4.0 };
        let second =
            |accepted| Second { accepted, included: 50, acknowledged: Some(latency), inclusion: None };
        Figures { seconds: (0..seconds).map(second).collect(), ..Figures::default() }
    }

    #[test]
    fn a_plot_names_every_target_and_is_the_same_each_time() {
        let [ours, theirs] = [[round(5), round(3)], [round(4), round(4)]];
        let columns = [Column { name: "ours", rounds: &ours }, Column { name: "theirs", rounds: &theirs }];
        let svg = plot("a title", &columns).unwrap();
        assert!(svg.starts_with("<svg") && svg.trim_end().ends_with("</svg>"));
        for text in ["a title", "ours, included", "theirs, p99", "until acknowledged, ms"] {
            assert!(svg.contains(text), "{text}");
        }
        assert_eq!(svg, plot("a title", &columns).unwrap());
    }

    #[test]
    fn a_round_that_ended_at_once_can_be_drawn() {
        plot("", &[Column { name: "a", rounds: &[round(0)] }]).unwrap();
        plot("", &[Column { name: "a", rounds: &[] }]).unwrap();
    }

    #[test]
    fn seconds_without_a_value_have_no_point() {
        assert_eq!(points(&RATES[0], &round(2).seconds), [(0.5, 50.0), (1.5, 50.0)]);
        assert!(points(&INCLUSION[0], &round(2).seconds).is_empty());
    }
}
