//! Anthropic's Messages API.

use std::sync::Arc;

use async_trait::async_trait;
use base64::{Engine, engine::general_purpose::STANDARD};
use docgenie_document::Digest;
use docgenie_runtime::stage::StageFailure;
use serde::Deserialize;
use serde_json::{Value, json};

use super::{
    Model, REFUSED_REQUEST,
    answers::{Answer, Stop},
    endpoint::{Endpoint, Manner},
    prompt::Prompt,
};

/// The interface's address and manner.
pub(super) const ADDRESS: &str = "https://api.anthropic.com";
pub(super) const MANNER: Manner = Manner {
    key: "ANTHROPIC_API_KEY",
    header: "x-api-key",
    before_key: "",
    headers: &[("anthropic-version", "2023-06-01")],
    address: "ANTHROPIC_BASE_URL",
};

/// Prices in US cents for a million tokens read and written, by the beginning of a model's name, as
/// they were published in November 2025. `docs/language-models.md` repeats them for people.
const PRICES: &[(&str, u64, u64)] = &[
    ("claude-opus-4-5", 500, 2500),
    ("claude-opus-4-1", 1500, 7500),
    ("claude-opus-4-0", 1500, 7500),
    ("claude-opus-4-2025", 1500, 7500),
    ("claude-sonnet-4-5", 300, 1500),
    ("claude-sonnet-4-0", 300, 1500),
    ("claude-sonnet-4-2025", 300, 1500),
    ("claude-haiku-4-5", 100, 500),
    ("claude-3-7-sonnet", 300, 1500),
    ("claude-3-5-sonnet", 300, 1500),
    ("claude-3-5-haiku", 80, 400),
    ("claude-3-opus", 1500, 7500),
    ("claude-3-haiku", 25, 125),
];

/// Models that write fewer tokens than we ask for, by the beginning of their names.
const LIMITS: &[(&str, u32)] = &[
    ("claude-3-5-", 8192),
    ("claude-3-opus", 4096),
    ("claude-3-sonnet", 4096),
    ("claude-3-haiku", 4096),
];

/// A model that answers at once.
pub(super) struct Messages {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) model: String,
}

#[async_trait]
impl Model for Messages {
    async fn answer(&self, prompt: &Prompt, _: Digest) -> Result<Answer, StageFailure> {
        let body = request(&self.model, prompt);
        let message = self
            .endpoint
            .post("v1/messages", &body, prompt.seed)
            .await?;
        answer(message, 1)
    }
}

/// The body of a request for a message.
pub(super) fn request(model: &str, prompt: &Prompt) -> Value {
    let limit = LIMITS.iter().find(|(name, _)| model.starts_with(name));
    let limit = limit.map_or(u32::MAX, |(_, limit)| *limit);
    let pictures = prompt.pages.iter().map(|page| {
        let data = STANDARD.encode(&page.bytes);
        let source = json!({"type": "base64", "media_type": page.media_type, "data": data});
        json!({"type": "image", "source": source})
    });
    let words = json!({"type": "text", "text": prompt.text});
    json!({
        "model": model,
        "max_tokens": prompt.max_tokens.min(limit),
        "system": prompt.system,
        "messages": [{"role": "user", "content": pictures.chain([words]).collect::<Vec<_>>()}],
    })
}

#[derive(Deserialize)]
struct Message {
    model: String,
    content: Vec<Block>,
    stop_reason: Option<String>,
    usage: Usage,
}

#[derive(Deserialize)]
struct Block {
    /// Blocks of other types than `text` have none.
    #[serde(default)]
    text: String,
}

#[derive(Deserialize)]
struct Usage {
    input_tokens: u64,
    output_tokens: u64,
}

/// The answer in a message, at its price divided by `discount`.
pub(super) fn answer(message: Value, discount: u64) -> Result<Answer, StageFailure> {
    let message: Message = serde_json::from_value(message).map_err(|error| {
        StageFailure::new(REFUSED_REQUEST, "the language model's reply is no message")
            .because(&error)
            .hint("check that ANTHROPIC_BASE_URL is the address of the Messages API")
    })?;
    let Usage {
        input_tokens,
        output_tokens,
    } = message.usage;
    let price = PRICES
        .iter()
        .find(|(name, ..)| message.model.starts_with(name));
    Ok(Answer {
        stop: match message.stop_reason.as_deref() {
            Some("max_tokens" | "model_context_window_exceeded") => Stop::MaxTokens,
            Some("refusal") => Stop::Refusal,
            _ => Stop::End,
        },
        input_tokens,
        output_tokens,
        micro_usd: price.map(|(_, read, written)| {
            (input_tokens * read + output_tokens * written) / (100 * discount)
        }),
        remark: None,
        text: message
            .content
            .into_iter()
            .map(|block| block.text)
            .collect(),
        model: message.model,
    })
}
