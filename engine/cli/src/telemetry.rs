//! What the engine tells of itself: lines on standard error, and spans to an OpenTelemetry collector
//! where it was built with the feature `opentelemetry` and one is named.

use tracing_subscriber::{EnvFilter, Layer, layer::SubscriberExt, util::SubscriberInitExt};

use crate::{
    args::{Arguments, Command, LogFormat},
    report,
};

/// Variables of the OpenTelemetry specification that name a collector.
const COLLECTORS: [&str; 2] = [
    "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT",
    "OTEL_EXPORTER_OTLP_ENDPOINT",
];

/// What has to be done before the process ends: dropping it sends what was not sent yet.
pub(crate) struct Telemetry {
    _spans: Option<spans::Sender>,
}

/// Begins to tell, as the arguments want it.
pub(crate) fn begin(arguments: &Arguments) -> Telemetry {
    let verbose = arguments.verbose;
    let level = match verbose {
        0 => "warn",
        1 => "docgenie=info,warn",
        _ => "docgenie=debug,info",
    };
    // chromiumoxide logs every protocol message it does not know; none of them matters here.
    let default = format!("{level},chromiumoxide=error");
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(default));
    let lines = tracing_subscriber::fmt::layer()
        .with_writer(std::io::stderr)
        .with_ansi(report::coloured())
        .with_target(verbose > 1);
    let lines = match &arguments.command {
        Command::Serve(serve) if serve.log == Some(LogFormat::Json) => lines.json().boxed(),
        Command::Serve(_) => lines.boxed(),
        _ => lines.without_time().boxed(),
    };
    let named = |name: &&&str| std::env::var_os(name).is_some_and(|address| !address.is_empty());
    let (layer, sender) = COLLECTORS.iter().find(named).map_or_else(
        || (None, None),
        |name| match spans::begin() {
            Ok((layer, sender)) => (Some(layer), Some(sender)),
            Err(why) => {
                report::talk(&format!(
                    "warning: {name} is set, and no spans are sent: {why}"
                ));
                (None, None)
            }
        },
    );
    tracing_subscriber::registry()
        .with(layer)
        .with(lines.with_filter(filter))
        .init();
    Telemetry { _spans: sender }
}

#[cfg(feature = "opentelemetry")]
mod spans {
    use std::error::Error;

    use docgenie_guard::collector::Collector;
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_otlp::{SpanExporter, WithHttpConfig};
    use opentelemetry_sdk::{Resource, trace::SdkTracerProvider};
    use tracing_subscriber::{Layer, Registry, filter::Targets};

    const SERVICE: &str = "docgenie-engine";
    /// The name that the specification has for ours.
    const SERVICE_NAME: &str = "OTEL_SERVICE_NAME";

    pub(super) struct Sender(SdkTracerProvider);

    impl Drop for Sender {
        fn drop(&mut self) {
            if let Err(error) = self.0.shutdown() {
                crate::report::talk(&format!("warning: the last spans were not sent: {error}"));
            }
        }
    }

    type Spans = Box<dyn Layer<Registry> + Send + Sync>;

    /// Spans of the engine's own code, whatever is logged.
    pub(super) fn begin() -> Result<(Spans, Sender), Box<dyn Error>> {
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Collector::new()?)
            .build()?;
        let mut resource = Resource::builder();
        if std::env::var_os(SERVICE_NAME).is_none() {
            resource = resource.with_service_name(SERVICE);
        }
        let provider = SdkTracerProvider::builder()
            .with_batch_exporter(exporter)
            .with_resource(resource.build())
            .build();
        let ours = Targets::new().with_target("docgenie", tracing::Level::INFO);
        let layer = tracing_opentelemetry::layer()
            .with_tracer(provider.tracer(SERVICE))
            .with_filter(ours);
        Ok((layer.boxed(), Sender(provider)))
    }
}

#[cfg(not(feature = "opentelemetry"))]
mod spans {
    use tracing_subscriber::layer::Identity;

    pub(super) enum Sender {}

    pub(super) fn begin() -> Result<(Identity, Sender), &'static str> {
        Err("this program was built without the feature `opentelemetry`")
    }
}
