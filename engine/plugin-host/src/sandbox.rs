//! Where plugins compute: one engine, compiled components, limits.

use std::{
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::Duration,
};

use docgenie_document::Digest;
use docgenie_runtime::extension::PLACE_OPTIONS;
use wasmtime::{
    Config, Enabled, Engine, InstanceAllocationStrategy, PoolingAllocationConfig, Store,
    component::{InstancePre, Linker},
};

use crate::{
    assets::Assets,
    cache::CompileCache,
    call::Call,
    error::{Called, FailedCall, PluginError, Reason},
    library::Plugin,
    manifest::{Manifest, Wasi},
    offered,
    offers::{Kind, Offer, Offers},
    v0_1, wasi,
};

/// How often a call that computes looks at the time.
pub(crate) const TICK: Duration = Duration::from_millis(10);

/// Instances that may stand at once. Address space is reserved for each, memory is not.
const INSTANCES: u32 = 64;
/// Bytes of an instance's memory that its place keeps for the next: to wipe a page is quicker than to
/// be given one.
const KEPT: usize = 4 << 20;
/// The most memory an instance may have: what is reserved for it.
const RESERVED: usize = 1 << 30;

/// The sandbox. Cheap to clone; one a process is enough.
#[derive(Clone)]
pub struct Sandbox {
    inner: Arc<Inner>,
}

struct Inner {
    home: PathBuf,
    granted: Vec<String>,
    engine: Engine,
    linker: Linker<Call>,
    cache: CompileCache,
    replays: PathBuf,
}

/// A component that is compiled and may be run: all it imports is granted.
#[derive(Clone)]
pub(crate) struct Loaded {
    /// Ready to be instantiated: what it imports is there, what it exports has the right types.
    pub(crate) pre: InstancePre<Call>,
    pub(crate) kind: Kind,
    /// Of the component's bytes.
    pub(crate) digest: Digest,
}

impl Sandbox {
    /// A sandbox that keeps compiled components, and tools that build them, below this folder.
    /// The plugins that are named are granted the empty system interface, if they ask for it.
    ///
    /// # Errors
    /// When the engine for WASM cannot be set up here.
    pub fn new(home: &Path, granted: &[String]) -> Result<Self, PluginError> {
        let failed = |error: wasmtime::Error| PluginError::Sandbox(format!("{error:#}"));
        let engine = pooled()
            .or_else(|_| Engine::new(&config()))
            .map_err(failed)?;
        let mut linker = v0_1::linker(&engine).map_err(failed)?;
        wasi::link(&mut linker).map_err(failed)?;
        tick(&engine).map_err(|error| PluginError::Sandbox(error.to_string()))?;
        let cache = CompileCache::below(home);
        let inner = Inner {
            home: home.to_owned(),
            granted: granted.to_vec(),
            engine,
            linker,
            cache,
            replays: home.join("replays"),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The folder for what is kept between runs.
    pub(crate) fn home(&self) -> &Path {
        &self.inner.home
    }

    pub(crate) fn engine(&self) -> &Engine {
        &self.inner.engine
    }

    /// Where calls that failed are kept.
    pub(crate) fn replays(&self) -> &Path {
        &self.inner.replays
    }

    /// Compiles a plugin's component, or takes it as it was compiled before, and looks at what it
    /// imports and exports.
    pub(crate) fn load(&self, plugin: &Plugin) -> Result<Loaded, PluginError> {
        let loaded = self.examined(&plugin.manifest, &plugin.component()?)?;
        let (says, is) = (plugin.offers.kind, loaded.kind);
        if says != is {
            return Err(PluginError::Component {
                plugin: plugin.id().to_owned(),
                why: format!(
                    "`offers.json` says {}, but it is a {}",
                    says.name(),
                    is.name()
                ),
            });
        }
        Ok(loaded)
    }

    fn examined(&self, manifest: &Manifest, bytes: &[u8]) -> Result<Loaded, PluginError> {
        let bad = |why: String| PluginError::Component {
            plugin: manifest.plugin.id.clone(),
            why,
        };
        shape(bytes).map_err(bad)?;
        let engine = self.engine();
        let digest = Digest::of(bytes);
        let component = self.inner.cache.component(engine, bytes, digest);
        let component = component.map_err(|error| bad(format!("{error:#}")))?;
        let ty = component.component_type();
        let imports: Vec<&str> = ty.imports(engine).map(|(name, _)| name).collect();
        self.check_imports(manifest, imports.iter().copied())?;
        let exports: Vec<&str> = ty.exports(engine).map(|(name, _)| name).collect();
        let kind = kind_of(&exports).map_err(bad)?;
        check_kind_imports(manifest, kind, &imports)?;
        let pre = self.inner.linker.instantiate_pre(&component);
        let pre = pre.map_err(|error| bad(format!("{error:#}")))?;
        v0_1::kind_fits(&pre, kind).map_err(|error| bad(format!("{error:#}")))?;
        Ok(Loaded { pre, kind, digest })
    }

    /// Looks at a built plugin as a whole: its component runs here and offers what `offers.json` says.
    pub(crate) fn check(&self, plugin: &Plugin) -> Result<(), PluginError> {
        let said = self.describe(&plugin.manifest, &plugin.component()?)?;
        if said != plugin.offers {
            return Err(PluginError::Component {
                plugin: plugin.id().to_owned(),
                why: "`offers.json` is not what the component says".to_owned(),
            });
        }
        Ok(())
    }

    /// Asks a component what it offers.
    pub(crate) fn describe(
        &self,
        manifest: &Manifest,
        bytes: &[u8],
    ) -> Result<Offers, PluginError> {
        let loaded = self.examined(manifest, bytes)?;
        let call = Call::new(manifest, Assets::none(), None);
        let mut store = Store::new(self.engine(), call);
        Call::watch(&mut store);
        let described = offered::finished(v0_1::describe(&mut store, &loaded))?;
        let offers = described.map_err(|trap| {
            PluginError::Call(Box::new(FailedCall {
                call: Called {
                    plugin: manifest.plugin.id.clone(),
                    export: "describe",
                    offer: String::new(),
                },
                reason: Reason::of_trap(trap),
                log: store.data().log.last(),
                replay: None,
            }))
        })?;
        if let Some((offer, param)) = taken(loaded.kind, &offers) {
            return Err(PluginError::Component {
                plugin: manifest.plugin.id.clone(),
                why: format!(
                    "its offer `{offer}` has a param `{param}`, which is an option of the stage that places it: give \
                     it another name"
                ),
            });
        }
        Ok(Offers {
            kind: loaded.kind,
            offers,
        })
    }

    /// Names every import that is not granted, before wasmtime would stumble over the first.
    fn check_imports<'a>(
        &self,
        manifest: &Manifest,
        imports: impl Iterator<Item = &'a str>,
    ) -> Result<(), PluginError> {
        let id = &manifest.plugin.id;
        let asked = manifest.wants.wasi == Wasi::Stub;
        let system = asked && self.inner.granted.contains(id);
        let granted = |import: &&str| {
            let (interface, version) = import.split_once('@').unwrap_or((import, ""));
            interface.starts_with("docgenie:plugin/") && served(version)
                || system && wasi::has(interface, version)
        };
        let refused: Vec<String> = imports
            .filter(|it| !granted(it))
            .map(str::to_owned)
            .collect();
        if refused.is_empty() {
            return Ok(());
        }
        let hint = if refused.iter().any(|it| it.starts_with("docgenie:")) {
            "this engine serves docgenie:plugin 0.1: update the engine, or build the plugin for it"
                .to_owned()
        } else if system || !refused.iter().all(|it| it.starts_with("wasi:")) {
            "plugins may import docgenie:plugin, and the empty system interface where it is granted"
                .to_owned()
        } else if asked {
            format!(
                "it asks for the system interface, of which there is an empty one: to grant it, set `{}={id}` in \
                 the environment",
                wasi::GRANT
            )
        } else {
            "plugins have no system interface: `docgenie-engine plugin build` builds without one; its author may \
             also ask for an empty one with `wasi = \"stub\"` under [wants]"
                .to_owned()
        };
        Err(PluginError::Refused {
            plugin: id.clone(),
            imports: refused,
            hint,
        })
    }
}

/// A kind of plugin is given its share of the interface only.
fn check_kind_imports(
    manifest: &Manifest,
    kind: Kind,
    imports: &[&str],
) -> Result<(), PluginError> {
    let granted = |import: &&&str| {
        let name = import.split('@').next().unwrap_or_default();
        match name.strip_prefix("docgenie:plugin/") {
            Some(name) => kind.imports().contains(&name),
            // The system interface, which was granted.
            None => true,
        }
    };
    let refused = imports.iter().filter(|import| !granted(import));
    let refused: Vec<String> = refused.map(|import| (*import).to_owned()).collect();
    if refused.is_empty() {
        return Ok(());
    }
    Err(PluginError::Refused {
        plugin: manifest.plugin.id.clone(),
        imports: refused,
        hint: "each kind of plugin has its own imports: `wit/v0.1/plugin.wit` names them by world"
            .to_owned(),
    })
}

/// An offer with a param that the stage which places elements has, too.
fn taken(kind: Kind, offers: &[Offer]) -> Option<(&str, &str)> {
    let of_stage = |name: &&str| kind == Kind::VisualElement && PLACE_OPTIONS.contains(name);
    offers.iter().find_map(|offer| {
        let params = offer.params_schema.get("properties")?.as_object()?;
        let mut names = params.keys().map(String::as_str);
        Some((offer.id.as_str(), names.find(of_stage)?))
    })
}

/// Whether this engine serves a version of the interface.
fn served(version: &str) -> bool {
    let minor = |version: &str| {
        version
            .splitn(3, '.')
            .take(2)
            .map(str::to_owned)
            .collect::<Vec<_>>()
    };
    minor(version) == minor(v0_1::VERSION)
}

/// The kind of a component by the interface it exports; others than ours are of no interest.
fn kind_of(exports: &[&str]) -> Result<Kind, String> {
    let ours = |kind: &Kind| {
        exports.iter().any(|export| {
            let (interface, version) = export.split_once('@').unwrap_or((export, ""));
            interface == kind.interface() && served(version)
        })
    };
    let kinds: Vec<Kind> = Kind::ALL.into_iter().filter(ours).collect();
    match kinds.as_slice() {
        [kind] => Ok(*kind),
        [] => Err(format!(
            "it exports none of the interfaces that plugins have, only: {}",
            exports.join(", ")
        )),
        _ => Err("it exports more than one of the interfaces that plugins have".to_owned()),
    }
}

/// Whether the bytes begin as a component does.
fn shape(bytes: &[u8]) -> Result<(), String> {
    match bytes.get(..8) {
        Some([0, b'a', b's', b'm', 0x0d, 0, 1, 0]) => Ok(()),
        Some([0, b'a', b's', b'm', 1, 0, 0, 0]) => {
            Err("it is a core module, which `plugin build` makes a component of".to_owned())
        }
        _ => Err("it is not WebAssembly".to_owned()),
    }
}

fn config() -> Config {
    let mut config = Config::new();
    config.epoch_interruption(true);
    config
}

/// Instances from a pool are made ten times faster; some systems do not have the address space.
fn pooled() -> wasmtime::Result<Engine> {
    let mut pool = PoolingAllocationConfig::new();
    pool.total_component_instances(INSTANCES)
        .total_core_instances(16 * INSTANCES)
        .total_memories(2 * INSTANCES)
        .total_tables(4 * INSTANCES)
        .total_stacks(INSTANCES)
        .max_memory_size(RESERVED)
        .linear_memory_keep_resident(KEPT)
        .pagemap_scan(Enabled::Auto)
        .table_keep_resident(8 << 10)
        .max_core_instances_per_component(64)
        .max_memories_per_component(8)
        .max_tables_per_component(32);
    let mut config = config();
    config.allocation_strategy(InstanceAllocationStrategy::Pooling(pool));
    Engine::new(&config)
}

/// Lets the engine's time pass for as long as there is an engine.
fn tick(engine: &Engine) -> std::io::Result<()> {
    let engine = engine.weak();
    let ticker = move || {
        while let Some(engine) = engine.upgrade() {
            engine.increment_epoch();
            drop(engine);
            thread::sleep(TICK);
        }
    };
    let named = thread::Builder::new().name("plugins-ticker".to_owned());
    named.spawn(ticker).map(drop)
}
