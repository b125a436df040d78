//! What a request may ask: the union of the bodies that the generations of the protocol have had.

use std::{
    collections::BTreeSet,
    sync::{LazyLock, Mutex, PoisonError},
};

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use tracing::{info, warn};

use crate::{
    body::Schema,
    error::{ApiError, ApiResult, Fault},
    integrations::Storage,
};

pub(super) static GENERATE_REQUEST: LazyLock<Schema> = LazyLock::new(Schema::of::<GenerateRequest>);

/// What Swagger UI sends where nobody has filled a field in.
const PLACEHOLDER: &str = "string";

/// A request for documents. Fields that are not known are left alone.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
pub(crate) struct GenerateRequest {
    /// Addresses of pictures or PDFs whose look the documents are to take after.
    #[schemars(
        length(min = 1, max = 10),
        inner(length(max = 2048), regex(pattern = "^[Hh][Tt][Tt][Pp][Ss]?://"))
    )]
    seed_images: Vec<String>,
    /// What the documents are to be.
    #[serde(default)]
    prompt_params: PromptParams,
    /// Who writes: `template`, `anthropic`, `anthropic-batch`, `openai` or `recorded`. Without it the
    /// language model where there is a key for it, else templates.
    #[serde(default)]
    provider: Option<ProviderName>,
    /// The language model.
    #[serde(default)]
    #[schemars(length(max = 200))]
    model: Option<String>,
    /// The key for the language model; else the one that the service was started with.
    #[serde(default)]
    #[schemars(length(max = 1000))]
    api_key: Option<String>,
    /// The user that asks.
    #[serde(default)]
    user_id: Option<UserId>,
    /// The name that the request is to have; `USER/UUID` also names the user. A new one without it.
    #[serde(default)]
    #[schemars(
        length(max = 200),
        regex(pattern = "^ *([A-Za-z0-9._-]+(/[A-Za-z0-9._-]+)?)? *$")
    )]
    request_id: Option<String>,
    /// An access token for Google Drive, where the documents are to go there.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    google_drive_token: Option<String>,
    /// A refresh token for Google Drive.
    #[serde(default)]
    #[schemars(length(max = 4000))]
    google_drive_refresh_token: Option<String>,
    /// Where the documents are to go besides: to the storage whose tokens stand here or that the user has
    /// connected, or to the service's own S3.
    #[serde(default)]
    deliver_to: Option<DeliverTo>,
    /// How the ZIP is laid out.
    #[serde(default)]
    zip_layout: Option<ZipLayout>,
}

/// A user: a number, as the original has it, or a name.
#[derive(Clone, Debug, Deserialize, JsonSchema)]
#[serde(untagged)]
enum UserId {
    Number(
        #[schemars(range(min = -9_007_199_254_740_991_i64, max = 9_007_199_254_740_991_i64))] i64,
    ),
    Name(#[schemars(length(max = 200))] String),
}

/// Who writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ProviderName {
    Template,
    Anthropic,
    AnthropicBatch,
    Openai,
    Recorded,
}

/// A storage elsewhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
enum DeliverTo {
    GoogleDrive,
    Dropbox,
    S3,
}

/// How a ZIP is laid out.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
pub(super) enum ZipLayout {
    /// By kind of file, as `structure_version` 2.0.
    #[default]
    #[serde(rename = "2.0")]
    Tree,
    /// By document, as the original's documentation has it.
    #[serde(rename = "flat")]
    Flat,
}

impl ZipLayout {
    pub(super) fn named(name: &str) -> Option<Self> {
        serde_json::from_value(json!(name)).ok()
    }
}

/// What the documents are to be.
#[derive(Clone, Debug, Deserialize, Serialize, JsonSchema)]
#[serde(default)]
struct PromptParams {
    /// Their language.
    #[schemars(length(min = 1, max = 100))]
    language: String,
    /// Their type, in free text.
    #[schemars(length(min = 1, max = 1000))]
    doc_type: String,
    /// What the ground truth is to be, in free text.
    #[schemars(length(max = 10_000))]
    gt_type: String,
    /// How the ground truth is to be written, in free text.
    #[schemars(length(max = 10_000))]
    gt_format: String,
    /// How many documents to make.
    #[schemars(range(min = 1, max = 5))]
    num_solutions: u8,
    /// Whether marked words become handwriting.
    enable_handwriting: bool,
    /// The share of the marked words that do.
    #[schemars(range(min = 0.0, max = 1.0))]
    handwriting_ratio: f64,
    /// Whether the ink has sharp edges.
    handwriting_apply_ink_filter: bool,
    /// Whether the ink is bold.
    handwriting_enable_enhancements: bool,
    /// How many steps the ink is drawn in.
    #[schemars(range(min = 1, max = 1000))]
    handwriting_num_inference_steps: u16,
    /// The hands to choose from.
    #[schemars(
        length(max = 1000),
        inner(range(min = 0, max = 9_007_199_254_740_991_i64))
    )]
    handwriting_writer_ids: Vec<i64>,
    /// Whether stamps, logos and the like are drawn into marked places.
    enable_visual_elements: bool,
    /// The kinds that are.
    visual_element_types: Vec<ElementKind>,
    /// What all chance is drawn from; a random number without it.
    #[schemars(range(min = 0, max = 9_007_199_254_740_991_u64))]
    seed: Option<u64>,
    /// Whether the documents are read back.
    enable_ocr: bool,
    /// The language that they are read in, by its code.
    #[schemars(length(min = 1, max = 20))]
    ocr_language: String,
    /// Whether boxes are also given as fractions of their page.
    enable_bbox_normalization: bool,
    /// Whether the ground truth is held against the pages.
    enable_gt_verification: bool,
    /// Whether figures over the documents are given.
    enable_analysis: bool,
    /// Whether pictures with boxes drawn in are given.
    enable_debug_visualization: bool,
    /// Whether `dataset.msgpack` is given.
    enable_dataset_export: bool,
    /// Its format.
    dataset_export_format: ExportFormat,
    /// How much is given.
    output_detail: OutputDetail,
    /// What a barcode says; random without it.
    #[schemars(length(max = 80))]
    barcode_number: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ElementKind {
    Stamp,
    Logo,
    Figure,
    Barcode,
    Photo,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
enum ExportFormat {
    Msgpack,
    Json,
}

/// How much is given.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize, Serialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum OutputDetail {
    /// The documents with what was asked for.
    Minimal,
    /// Also the pictures of single words and elements.
    Dataset,
    /// Also what was made on the way.
    Complete,
}

impl Default for PromptParams {
    fn default() -> Self {
        use ElementKind::{Barcode, Figure, Logo, Photo, Stamp};
        Self {
            language: "English".to_owned(),
            doc_type: "business and administrative".to_owned(),
            gt_type: "Multiple questions about each document, with their answers taken **verbatim** from the document.".to_owned(),
            gt_format: r#"{"<Text of question 1>": "<Answer to question 1>", "<Text of question 2>": "<Answer to question 2>", ...}"#.to_owned(),
            num_solutions: 1,
            enable_handwriting: false,
            handwriting_ratio: 0.2,
            handwriting_apply_ink_filter: true,
            handwriting_enable_enhancements: false,
            handwriting_num_inference_steps: 1000,
            handwriting_writer_ids: vec![404, 347, 156, 253, 354, 166, 320],
            enable_visual_elements: false,
            visual_element_types: vec![Stamp, Logo, Figure, Barcode, Photo],
            seed: None,
            enable_ocr: false,
            ocr_language: "en".to_owned(),
            enable_bbox_normalization: false,
            enable_gt_verification: false,
            enable_analysis: false,
            enable_debug_visualization: false,
            enable_dataset_export: false,
            dataset_export_format: ExportFormat::Msgpack,
            output_detail: OutputDetail::Minimal,
            barcode_number: String::new(),
        }
    }
}

/// Whether whoever asks waits for the documents.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Mode {
    Sync,
    Async,
}

impl Mode {
    /// The word of the protocol.
    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::Sync => "sync",
            Self::Async => "async",
        }
    }
}

/// A request that was checked.
pub(super) struct Asked {
    pub(super) request_id: Option<String>,
    pub(super) secrets: Map<String, Value>,
    pub(super) warnings: Vec<String>,
    pub(super) seed: Option<u64>,
    request: GenerateRequest,
    layout: ZipLayout,
    provider: ProviderName,
    deliver_to: Option<DeliverTo>,
}

impl GenerateRequest {
    /// Checks what a schema cannot, and settles what was left open.
    pub(super) fn checked(self, layout: Option<ZipLayout>, mode: Mode) -> ApiResult<Asked> {
        let mut faults: Vec<Fault> = Vec::new();
        for (index, address) in self.seed_images.iter().enumerate() {
            let parsed = url::Url::parse(address);
            let fetched =
                parsed.is_ok_and(|url| matches!(url.scheme(), "http" | "https") && url.has_host());
            if !fetched {
                faults.push(Fault {
                    kind: "url_parsing",
                    at: vec![json!("body"), json!("seed_images"), json!(index)],
                    message: "Input should be a valid http or https URL".to_owned(),
                    input: json!(address),
                });
            }
        }
        let request_id = filled(self.request_id.as_deref());
        if request_id.as_deref().is_some_and(|id| !is_request_name(id)) {
            faults.push(Fault {
                kind: "value_error",
                at: vec![json!("body"), json!("request_id")],
                message: "Value error, a request id has letters, digits, `-`, `_` and `.`, and at most one `/` within".to_owned(),
                input: json!(self.request_id),
            });
        }
        let model = || filled(self.model.as_deref()).or_else(usual_model);
        if self.provider == Some(ProviderName::Openai) && model().is_none() {
            faults.push(Fault {
                kind: "missing",
                at: vec![json!("body"), json!("model")],
                message: "Field required: an endpoint like that of OpenAI has models of its own"
                    .to_owned(),
                input: json!(self.model),
            });
        }
        if !faults.is_empty() {
            return Err(ApiError::invalid(faults));
        }
        let mut secrets = Map::new();
        for (name, value) in [
            ("api_key", &self.api_key),
            ("google_drive_token", &self.google_drive_token),
            (
                "google_drive_refresh_token",
                &self.google_drive_refresh_token,
            ),
        ] {
            if let Some(value) = filled(value.as_deref()) {
                secrets.insert(name.to_owned(), json!(value));
            }
        }
        let mut warnings = Vec::new();
        let has_key = secrets.contains_key("api_key")
            || std::env::var("ANTHROPIC_API_KEY").is_ok_and(|key| !key.is_empty());
        let provider = match self.provider {
            Some(provider) => provider,
            // Who does not wait for the answer has it at half the price.
            None if has_key && mode == Mode::Async => ProviderName::AnthropicBatch,
            None if has_key => ProviderName::Anthropic,
            None => {
                warnings.push(
                    "no language model: there is no key for one, so templates have written the documents".to_owned(),
                );
                ProviderName::Template
            }
        };
        let params = &self.prompt_params;
        if params.enable_handwriting {
            warnings.push("handwriting is not drawn yet: marked words stay printed".to_owned());
        }
        if params.enable_visual_elements {
            warnings.push(
                "visual elements are not drawn yet: places keep their placeholders".to_owned(),
            );
        }
        if params.dataset_export_format == ExportFormat::Json && params.enable_dataset_export {
            warnings
                .push("the dataset is exported as msgpack, the only format there is".to_owned());
        }
        // As the original has it, a token for Google Drive is a wish.
        let drive = secrets.keys().any(|name| name.starts_with("google_drive"));
        let deliver_to = self.deliver_to.or(drive.then_some(DeliverTo::GoogleDrive));
        warnings.iter().for_each(|warning| log(warning));
        Ok(Asked {
            request_id,
            secrets,
            warnings,
            seed: params.seed,
            layout: layout.or(self.zip_layout).unwrap_or_default(),
            provider,
            deliver_to,
            request: self,
        })
    }
}

/// Says that requests are carried out otherwise than asked: aloud once, as each request is told so.
fn log(warning: &str) {
    static SAID: Mutex<BTreeSet<String>> = Mutex::new(BTreeSet::new());
    let mut said = SAID.lock().unwrap_or_else(PoisonError::into_inner);
    if said.contains(warning) {
        info!(warning, "a request is carried out otherwise than asked");
    } else {
        warn!(
            warning,
            "requests are carried out otherwise than asked, which is said once"
        );
        said.insert(warning.to_owned());
    }
}

impl Asked {
    /// How many documents were asked for.
    pub(super) fn documents(&self) -> u64 {
        self.request.prompt_params.num_solutions.into()
    }

    /// Who asks: the field, else the user in the name of the request.
    pub(super) fn user(&self) -> Option<String> {
        match &self.request.user_id {
            Some(UserId::Number(number)) => Some(number.to_string()),
            Some(UserId::Name(name)) => Some(name.clone()),
            None => {
                let (user, _) = self.request_id.as_ref()?.split_once('/')?;
                Some(user.to_owned())
            }
        }
    }

    /// The user as datasets name it: a number, 0 for others.
    fn user_number(&self) -> i64 {
        let user = self.user().and_then(|user| user.parse().ok());
        user.unwrap_or_default()
    }

    /// The storage for whose tokens the user's own connection is to be looked at.
    pub(super) fn unsigned(&self) -> Option<Storage> {
        let storage = match self.deliver_to? {
            DeliverTo::GoogleDrive => Storage::GoogleDrive,
            DeliverTo::Dropbox => Storage::Dropbox,
            DeliverTo::S3 => return None,
        };
        let names = storage.secrets();
        let signed = names.iter().any(|name| self.secrets.contains_key(*name));
        (!signed).then_some(storage)
    }

    pub(super) fn detail(&self) -> OutputDetail {
        self.request.prompt_params.output_detail
    }

    pub(super) fn normalised(&self) -> bool {
        self.request.prompt_params.enable_bbox_normalization
    }

    /// Parameters of the pipeline.
    pub(super) fn params(&self, request: &str, mode: Mode) -> Map<String, Value> {
        let mut params = match json!(self.request.prompt_params) {
            Value::Object(params) => params,
            _ => Map::new(),
        };
        // The seed is the run's own.
        params.remove("seed");
        if let Some(ids) = params.get_mut("handwriting_writer_ids") {
            let numbers = self.request.prompt_params.handwriting_writer_ids.iter();
            *ids = numbers.map(ToString::to_string).collect();
        }
        let given = [
            ("seed_images", json!(self.request.seed_images)),
            ("provider", json!(self.provider)),
            (
                "deliver_to",
                self.deliver_to.map_or(json!("nowhere"), |to| json!(to)),
            ),
            ("zip_layout", json!(self.layout)),
            ("request_id", json!(request)),
            ("user_id", json!(self.user_number())),
            ("api_mode", json!(mode.name())),
        ];
        params.extend(given.map(|(name, value)| (name.to_owned(), value)));
        let model = filled(self.request.model.as_deref());
        if let Some(model) = model.or_else(usual_model) {
            params.insert("model".to_owned(), json!(model));
        }
        params
    }
}

/// The model that the service was started with, by the names that the original knows.
fn usual_model() -> Option<String> {
    let names = ["CLAUDE_MODEL", "LLM_MODEL"];
    let found = names.iter().find_map(|name| std::env::var(name).ok());
    filled(found.as_deref())
}

/// A text that somebody has filled in.
fn filled(text: Option<&str>) -> Option<String> {
    let text = text.map(str::trim);
    text.filter(|text| !text.is_empty() && *text != PLACEHOLDER)
        .map(str::to_owned)
}

/// Whether a text can name a request: it stands in addresses, and never names a file.
fn is_request_name(text: &str) -> bool {
    let part = |part: &str| {
        let plain = |c: char| c.is_ascii_alphanumeric() || "-_.".contains(c);
        !part.is_empty() && part.chars().all(plain) && part.chars().any(|c| c != '.')
    };
    match text.split_once('/') {
        Some((user, rest)) => part(user) && part(rest),
        None => part(text),
    }
}
