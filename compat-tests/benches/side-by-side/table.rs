//! The results: medians, and how far the rounds lie apart.

use std::time::Duration;

use crate::contender::Contender;
use crate::measure::Sample;
use crate::scenario::{Mode, Scenario};

/// One scenario as a table in Markdown. Ratios are to the first contender in the same round: a machine
/// that changes its speed changes both.
pub(crate) fn scenario(
    scenario: &Scenario,
    contenders: &[&Contender],
    samples: &[Vec<Sample>],
) -> String {
    let mut out = format!("\n## {}: {}\n\n", scenario.name, scenario.about);
    let titles = if scenario.mode == Mode::Idle {
        "| proxy | KiB per connection | KiB in all | failures |\n|---|---|---|---|\n"
    } else {
        "| proxy | requests/s | CPU us per request | ratio | spread | calls per request | p50 us | p99 us | MiB/s | KiB | failures |\n\
         |---|---|---|---|---|---|---|---|---|---|---|\n"
    };
    out.push_str(titles);
    let cost = |samples: &[Sample]| median(samples, |s| s.cpu_us_per_request);
    let first = samples.first().map_or(&[][..], Vec::as_slice);
    for (contender, samples) in contenders.iter().zip(samples) {
        let failures: usize = samples.iter().map(|sample| sample.failures).sum();
        let memory = median(samples, |s| s.memory_kib);
        if scenario.mode == Mode::Idle {
            let each = median(samples, |s| s.kib_per_connection.unwrap_or_default());
            out.push_str(&format!(
                "| {} | {each:.2} | {memory:.0} | {failures} |\n",
                contender.name
            ));
            continue;
        }
        let counted = samples.iter().filter(|s| s.calls_per_request.is_some());
        let counted: Vec<Sample> = counted.cloned().collect();
        let calls = match counted.len() {
            0 => "-".to_owned(),
            _ => format!(
                "{:.1}",
                median(&counted, |s| s.calls_per_request.unwrap_or_default())
            ),
        };
        let rate = median(samples, |s| s.requests_per_second);
        out.push_str(&format!(
            "| {} | {rate:.0} | {:.1} | {} | {:.0} % | {calls} | {:.0} | {:.0} | {:.0} | {memory:.0} | {failures} |\n",
            contender.name,
            cost(samples),
            ratio(samples, first),
            spread(samples),
            median(samples, |s| micros(s.p50)),
            median(samples, |s| micros(s.p99)),
            rate * scenario.body as f64 / f64::from(1 << 20),
        ));
    }
    out
}

/// The median of the ratios within a round, the lowest and the highest.
fn ratio(samples: &[Sample], first: &[Sample]) -> String {
    let mut ratios: Vec<f64> = samples
        .iter()
        .zip(first)
        .map(|(one, other)| one.cpu_us_per_request / other.cpu_us_per_request)
        .collect();
    ratios.sort_by(f64::total_cmp);
    match (ratios.get(ratios.len() / 2), ratios.first(), ratios.last()) {
        (Some(middle), Some(low), Some(high)) => format!("{middle:.2} ({low:.2} to {high:.2})"),
        _ => "-".to_owned(),
    }
}

/// How far the dearest and the cheapest round lie apart, in percent of the median.
fn spread(samples: &[Sample]) -> f64 {
    let costs = samples.iter().map(|sample| sample.cpu_us_per_request);
    let (low, high) = costs.fold((f64::MAX, 0.0_f64), |(low, high), cost| {
        (low.min(cost), high.max(cost))
    });
    100.0 * (high - low) / median(samples, |s| s.cpu_us_per_request).max(f64::MIN_POSITIVE)
}

fn median(samples: &[Sample], value: impl Fn(&Sample) -> f64) -> f64 {
    let mut values: Vec<f64> = samples.iter().map(value).collect();
    values.sort_by(f64::total_cmp);
    values.get(values.len() / 2).copied().unwrap_or_default()
}

fn micros(time: Duration) -> f64 {
    time.as_secs_f64() * 1e6
}
