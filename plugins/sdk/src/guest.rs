//! Joins the plugin's entries to the exports that the host calls.

use std::cell::RefCell;

use crate::{
    Document, Failure, Problem, Result, Size,
    bindings::{
        docgenie::plugin::types::Offer, exports::docgenie::plugin::exporter,
        ground_truth_format::exports::docgenie::plugin::ground_truth,
        visual_element::exports::docgenie::plugin::element,
    },
    element::{ElementEntry, Elements},
    exporter::{ExporterEntry, Exporters, Running},
    ground_truth::{GroundTruthEntry, GroundTruths},
    log,
};

/// The entry that is asked for.
fn find<'a, E>(entries: &'a [E], id: impl Fn(&E) -> &str, offer: &str) -> Result<&'a E> {
    log::catch_panics();
    let entry = entries.iter().find(|entry| id(entry) == offer);
    entry.ok_or_else(|| Failure::broken(format!("this plugin offers no `{offer}`")))
}

fn check<E>(entry: Result<&E>, check: impl FnOnce(&E) -> Vec<Problem>) -> Vec<Problem> {
    match entry {
        Ok(entry) => check(entry),
        Err(failure) => vec![Problem::new("", failure.to_string())],
    }
}

fn exporter<P: Exporters>(offer: &str) -> Result<&'static ExporterEntry> {
    find(P::ALL, |entry| entry.offer.id, offer)
}

thread_local! {
    static RUNNING: RefCell<Option<Box<dyn Running>>> = const { RefCell::new(None) };
}

fn not_begun() -> Failure {
    Failure::broken("no export has begun")
}

impl<P: Exporters> exporter::Guest for P {
    fn describe() -> Vec<Offer> {
        log::catch_panics();
        P::ALL.iter().map(|entry| (entry.describe)()).collect()
    }

    fn check_params(offer: String, params: String) -> Vec<Problem> {
        check(exporter::<P>(&offer), |entry| (entry.check)(&params))
    }

    fn begin(job: exporter::Job) -> Result<()> {
        let running = (exporter::<P>(&job.offer)?.begin)(job)?;
        RUNNING.set(Some(running));
        Ok(())
    }

    fn add(document: &Document) -> Result<()> {
        RUNNING.with_borrow_mut(|running| running.as_mut().ok_or_else(not_begun)?.add(document))
    }

    fn finish() -> Result<exporter::Summary> {
        let summary = RUNNING.take().ok_or_else(not_begun)?.finish()?;
        Ok(exporter::Summary {
            taken: summary.taken,
            written: summary.written,
            report: summary.report.to_string(),
        })
    }
}

fn element<P: Elements>(offer: &str) -> Result<&'static ElementEntry> {
    find(P::ALL, |entry| entry.offer.id, offer)
}

impl<P: Elements> element::Guest for P {
    fn describe() -> Vec<Offer> {
        log::catch_panics();
        P::ALL.iter().map(|entry| (entry.describe)()).collect()
    }

    fn check_params(offer: String, params: String) -> Vec<Problem> {
        check(element::<P>(&offer), |entry| (entry.check)(&params))
    }

    fn measure(request: element::Request) -> Result<Size> {
        (element::<P>(&request.offer)?.measure)(request)
    }

    fn render(request: element::Request) -> Result<element::Drawn> {
        (element::<P>(&request.offer)?.render)(request)
    }
}

fn ground_truth<P: GroundTruths>(offer: &str) -> Result<&'static GroundTruthEntry> {
    find(P::ALL, |entry| entry.offer.id, offer)
}

impl<P: GroundTruths> ground_truth::Guest for P {
    fn describe() -> Vec<Offer> {
        log::catch_panics();
        P::ALL.iter().map(|entry| (entry.describe)()).collect()
    }

    fn check_params(offer: String, params: String) -> Vec<Problem> {
        check(ground_truth::<P>(&offer), |entry| (entry.check)(&params))
    }

    fn instructions(offer: String, params: String) -> Result<String> {
        (ground_truth::<P>(&offer)?.instructions)(&params)
    }

    fn draft_schema(offer: String, params: String) -> Result<String> {
        let schema = (ground_truth::<P>(&offer)?.draft_schema)(&params)?;
        Ok(schema.to_string())
    }

    fn build(offer: String, params: String, draft: String, document: &Document) -> Result<String> {
        let truth = (ground_truth::<P>(&offer)?.build)(&params, &draft, document)?;
        Ok(truth.to_string())
    }

    fn verify(offer: String, params: String, truth: String, document: &Document) -> Vec<Problem> {
        let verdict =
            ground_truth::<P>(&offer).and_then(|entry| (entry.verify)(&params, &truth, document));
        verdict.unwrap_or_else(|failure| vec![Problem::new("", failure.to_string())])
    }
}
