//! An offer of a plugin with its params: what stages call.

use std::{
    sync::{Mutex, PoisonError},
    thread,
};

use docgenie_document::Seed;
use docgenie_runtime::stage::StageFailure;
use serde_json::{Map, Value};
use wasmtime::Store;

use crate::{
    assets::Assets,
    call::Call,
    error::{Called, FailedCall, PluginError, Reason},
    library::Plugin,
    replay::{Asked, Replay},
    sandbox::{Loaded, Sandbox},
    sink::Sink,
    v0_1,
};

/// An offer with its params.
pub(crate) struct Offered {
    pub(crate) sandbox: Sandbox,
    pub(crate) plugin: Plugin,
    pub(crate) loaded: Loaded,
    pub(crate) offer: String,
    /// A JSON object.
    pub(crate) params: Map<String, Value>,
    /// Why it is not asked any more in this run.
    disabled: Mutex<Option<String>>,
}

impl Offered {
    /// Compiles the plugin, or takes it as it was compiled.
    pub(crate) fn new(
        sandbox: Sandbox,
        plugin: Plugin,
        offer: String,
        params: Map<String, Value>,
    ) -> Result<Self, PluginError> {
        let loaded = sandbox.load(&plugin)?;
        Ok(Self {
            sandbox,
            plugin,
            loaded,
            offer,
            params,
            disabled: Mutex::new(None),
        })
    }

    /// What results depend on besides params.
    pub(crate) fn identity(&self) -> String {
        let about = &self.plugin.manifest.plugin;
        format!("{} {} ({})", about.id, about.version, self.loaded.digest)
    }

    pub(crate) fn params_text(&self) -> String {
        Value::Object(self.params.clone()).to_string()
    }

    pub(crate) fn called(&self, export: &'static str) -> Called {
        let about = &self.plugin.manifest.plugin;
        Called {
            plugin: format!("{} {}", about.id, about.version),
            export,
            offer: self.offer.clone(),
        }
    }

    /// A store for one call, or for one export.
    pub(crate) fn store(&self, seed: Seed, sink: Option<Sink>) -> Store<Call> {
        let call = Call::new(&self.plugin.manifest, Assets::of(&self.plugin), sink);
        let mut store = Store::new(self.sandbox.engine(), call);
        Call::watch(&mut store);
        store.data_mut().begin(seed);
        store
    }

    /// What is wrong with the params, by the plugin's own word, before anything runs.
    pub(crate) fn check_params(&self) -> Result<(), PluginError> {
        let params = self.params_text();
        let mut store = self.store(Seed(0), None);
        let checked = v0_1::check_params(&mut store, &self.loaded, &self.offer, &params);
        let problems = finished(checked)?;
        let reason = match problems {
            Ok(problems) if problems.is_empty() => return Ok(()),
            Ok(problems) => v0_1::bad_params(problems),
            Err(trap) => Reason::of_trap(trap),
        };
        Err(self.failed("check-params", &mut store, reason, None))
    }

    /// Refuses where an earlier call has shown that it is broken.
    pub(crate) fn check_enabled(&self) -> Result<(), StageFailure> {
        let disabled = self.disabled.lock().unwrap_or_else(PoisonError::into_inner);
        match &*disabled {
            Some(why) => Err(PluginError::Disabled {
                plugin: self.plugin.id().to_owned(),
                why: why.clone(),
            }
            .into()),
            None => Ok(()),
        }
    }

    /// What a call returned: what was asked for, or why this one cannot be served. All else disables
    /// the plugin.
    pub(crate) fn answered<T>(
        &self,
        export: &'static str,
        store: &mut Store<Call>,
        answer: wasmtime::Result<Result<T, v0_1::Failure>>,
        asked: impl FnOnce() -> Asked,
    ) -> Result<Result<T, String>, StageFailure> {
        let reason = match answer {
            Ok(Ok(answer)) => return Ok(Ok(answer)),
            Ok(Err(failure)) => Reason::from(failure),
            Err(trap) => match trap.downcast::<StageFailure>() {
                // Not the plugin's fault: an artifact that cannot be read.
                Ok(own) => return Err(own),
                Err(trap) => Reason::of_trap(trap),
            },
        };
        match reason {
            Reason::Unsuitable(why) => Ok(Err(why)),
            reason => Err(self.failed(export, store, reason, Some(asked())).into()),
        }
    }

    /// A call that failed for good. What was asked is kept, to be asked again by its author.
    pub(crate) fn failed(
        &self,
        export: &'static str,
        store: &mut Store<Call>,
        reason: Reason,
        asked: Option<Asked>,
    ) -> PluginError {
        let call = store.data_mut();
        // A plugin can say no more than that its file was refused; why, the host knows.
        let reason = call.refusal.take().unwrap_or(reason);
        let replay = asked.and_then(|asked| {
            let replay = Replay::of(self, export, call.seed, asked);
            replay.keep(self.sandbox.replays())
        });
        let mut disabled = self.disabled.lock().unwrap_or_else(PoisonError::into_inner);
        disabled.get_or_insert_with(|| reason.to_string());
        PluginError::Call(Box::new(FailedCall {
            call: self.called(export),
            reason,
            log: call.log.last(),
            replay,
        }))
    }
}

/// Runs a call to its end from where nothing can be awaited.
pub(crate) fn finished<T: Send>(call: impl Future<Output = T> + Send) -> Result<T, PluginError> {
    let no_thread = |error: std::io::Error| PluginError::Sandbox(error.to_string());
    // A thread of its own, because the caller's may belong to a runtime already.
    thread::scope(|scope| {
        let work = || {
            let runtime = tokio::runtime::Builder::new_current_thread().build();
            Ok(runtime.map_err(no_thread)?.block_on(call))
        };
        let joined = scope.spawn(work).join();
        joined.unwrap_or_else(|_| Err(PluginError::Sandbox("a thread panicked".to_owned())))
    })
}
