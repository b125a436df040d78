//! Chat completions, as OpenAI, OpenRouter, vLLM, Ollama and many others offer them.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

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

/// The first of these interfaces.
pub(super) const ADDRESS: &str = "https://api.openai.com/v1";
pub(super) const MANNER: Manner = Manner {
    key: "OPENAI_API_KEY",
    header: "authorization",
    before_key: "Bearer ",
    headers: &[],
    address: "OPENAI_BASE_URL",
};

/// A model that answers at once.
pub(super) struct Completions {
    pub(super) endpoint: Arc<Endpoint>,
    pub(super) model: String,
    /// Whether it is shown pictures, until it has refused them once.
    pub(super) pictures: AtomicBool,
}

#[async_trait]
impl Model for Completions {
    async fn answer(&self, prompt: &Prompt, _: Digest) -> Result<Answer, StageFailure> {
        let pictures = !prompt.pages.is_empty() && self.pictures.load(Ordering::Relaxed);
        let mut completion = self.complete(prompt, pictures).await;
        // Whoever takes no pictures says so in as many ways as there are programs.
        if let Err(declined) = &completion
            && pictures
            && matches!(declined.status, Some(400 | 404 | 415 | 422 | 500 | 501))
        {
            let without = self.complete(prompt, false).await;
            if without.is_ok() {
                self.pictures.store(false, Ordering::Relaxed);
                completion = without;
            }
        }
        let mut answer = self.read(completion?)?;
        if !prompt.pages.is_empty() && !self.pictures.load(Ordering::Relaxed) {
            answer.remark = Some("the model was not shown the seed images".to_owned());
        }
        Ok(answer)
    }
}

impl Completions {
    async fn complete(
        &self,
        prompt: &Prompt,
        pictures: bool,
    ) -> Result<Value, super::endpoint::Declined> {
        let pages = prompt.pages.iter().filter(|_| pictures);
        let pictures = pages.map(|page| {
            let data = STANDARD.encode(&page.bytes);
            let url = format!("data:{};base64,{data}", page.media_type);
            json!({"type": "image_url", "image_url": {"url": url}})
        });
        let mut content: Vec<Value> = pictures.collect();
        let content = if content.is_empty() {
            // Some know nothing but text here.
            json!(prompt.text)
        } else {
            content.push(json!({"type": "text", "text": prompt.text}));
            json!(content)
        };
        // The name of the limit that OpenAI's newer models insist on is unknown to many others.
        let limit = match self.endpoint.address() {
            ADDRESS => "max_completion_tokens",
            _ => "max_tokens",
        };
        let body = json!({
            "model": self.model,
            limit: prompt.max_tokens,
            "messages": [
                {"role": "system", "content": prompt.system},
                {"role": "user", "content": content},
            ],
        });
        let path = "chat/completions";
        self.endpoint.post(path, &body, prompt.seed).await
    }

    fn read(&self, completion: Value) -> Result<Answer, StageFailure> {
        let none = || {
            let message = format!("{} replies with no completion", self.endpoint.address());
            StageFailure::new(REFUSED_REQUEST, message)
                .hint("check that `base_url` or OPENAI_BASE_URL is the address of the interface, which often ends with /v1")
        };
        let completion: Completion =
            serde_json::from_value(completion).map_err(|error| none().because(&error))?;
        let choice = completion.choices.into_iter().next().ok_or_else(none)?;
        let refused = choice.message.refusal.is_some();
        let usage = completion.usage.unwrap_or_default();
        Ok(Answer {
            model: completion.model.unwrap_or_else(|| self.model.clone()),
            stop: match choice.finish_reason.as_deref() {
                Some("content_filter") => Stop::Refusal,
                _ if refused => Stop::Refusal,
                Some("length") => Stop::MaxTokens,
                _ => Stop::End,
            },
            input_tokens: usage.prompt_tokens,
            output_tokens: usage.completion_tokens,
            micro_usd: usage.cost.map(|dollars| (dollars * 1e6).round() as u64),
            remark: None,
            text: match choice.message.content {
                Some(Content::Text(text)) => text,
                Some(Content::Parts(parts)) => parts.into_iter().map(|part| part.text).collect(),
                None => choice.message.refusal.unwrap_or_default(),
            },
        })
    }
}

#[derive(Deserialize)]
struct Completion {
    model: Option<String>,
    choices: Vec<Choice>,
    usage: Option<Usage>,
}

#[derive(Deserialize)]
struct Choice {
    message: Message,
    finish_reason: Option<String>,
}

#[derive(Deserialize)]
struct Message {
    content: Option<Content>,
    refusal: Option<String>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Content {
    Text(String),
    Parts(Vec<ContentPart>),
}

#[derive(Deserialize)]
struct ContentPart {
    #[serde(default)]
    text: String,
}

#[derive(Default, Deserialize)]
#[serde(default)]
struct Usage {
    prompt_tokens: u64,
    completion_tokens: u64,
    /// In US dollars, where an interface tells it.
    cost: Option<f64>,
}
