//! S3, by OpenDAL over our own client.

use async_trait::async_trait;
use docgenie_guard::fetch::Fetcher;
use docgenie_runtime::stage::{Receipt, StageEnv, StageFailure};
use futures::stream;
use http::{Request, Response};
use opendal::{
    Buffer, Error, ErrorKind, HttpBody, HttpTransport, HttpTransporter, OperationContext, Operator,
    services,
};

use super::{
    DeliverConfig, NO_ANSWER, NOT_CONNECTED, Patience, REFUSED, SIGNED_OUT, Target, Upload, fetcher,
};

const REGION: &str = "us-east-1";

pub(super) struct S3 {
    operator: Operator,
    bucket: String,
    prefix: String,
}

impl S3 {
    pub(super) fn new(config: &DeliverConfig, env: &StageEnv) -> Result<Self, StageFailure> {
        let set = |name: &str| env.secrets.get(name).map(|it| it.expose().to_owned());
        let missing = |what: &str, hint: &str| {
            StageFailure::new(NOT_CONNECTED, format!("there is no {what} for S3")).hint(hint)
        };
        let given = |option: &Option<String>| option.clone().filter(|it| !it.is_empty());
        let bucket = given(&config.bucket).or_else(|| set("DOCGENIE_S3_BUCKET"));
        let bucket = bucket.ok_or_else(|| missing("bucket", "set DOCGENIE_S3_BUCKET"))?;
        let (id, key) = set("AWS_ACCESS_KEY_ID")
            .zip(set("AWS_SECRET_ACCESS_KEY"))
            .ok_or_else(|| missing("key", "set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY"))?;
        let region = given(&config.region).or_else(|| set("AWS_REGION"));
        let mut builder = services::S3::default()
            .bucket(&bucket)
            .region(region.as_deref().unwrap_or(REGION))
            .access_key_id(&id)
            .secret_access_key(&key)
            // What is set is all there is: no files of the user, no metadata service.
            .disable_config_load()
            .disable_ec2_metadata();
        if let Some(token) = set("AWS_SESSION_TOKEN") {
            builder = builder.session_token(&token);
        }
        let own = given(&config.endpoint);
        let of_operator = set("AWS_ENDPOINT_URL").filter(|_| own.is_none());
        let allow_private = env.private_addresses || of_operator.is_some();
        if let Some(endpoint) = own.or(of_operator) {
            builder = builder.endpoint(&endpoint);
        }
        let transport = HttpTransporter::new(Guarded(fetcher(allow_private)?));
        let operator = Operator::new(builder).map_err(|error| failure(&error))?;
        let context = OperationContext::new().with_http_transport(transport);
        Ok(Self {
            operator: operator.with_context(context),
            bucket,
            prefix: config.folder.clone().unwrap_or_default(),
        })
    }

    async fn try_put(&self, file: &Upload, key: &str) -> opendal::Result<()> {
        let mut writer = self.operator.writer_with(key).await?;
        let written = async {
            let mut sent = 0;
            while sent < file.size {
                let chunk = file.chunk(sent).await;
                let chunk = chunk.map_err(|failure| {
                    Error::new(ErrorKind::Unexpected, failure.problem.message.clone())
                        .set_source(failure)
                })?;
                sent += chunk.len() as u64;
                writer.write(chunk).await?;
            }
            writer.close().await
        };
        let written = written.await;
        if written.is_err() {
            // Parts without a whole would be kept and paid for.
            writer.abort().await.ok();
        }
        written.map(drop)
    }
}

#[async_trait]
impl Target for S3 {
    async fn put(&self, file: &Upload) -> Result<Receipt, StageFailure> {
        let key = match self.prefix.trim_matches('/') {
            "" => file.name.clone(),
            prefix => format!("{prefix}/{}", file.name),
        };
        let mut patience = Patience::default();
        loop {
            let put = self.try_put(file, &key).await;
            match put.map_err(|error| failure(&error)) {
                Err(failure) if patience.bears(&failure).await => {}
                put => {
                    return put.map(|()| Receipt {
                        place: format!("s3://{}/{key}", self.bucket),
                        url: None,
                    });
                }
            }
        }
    }
}

fn failure(error: &Error) -> StageFailure {
    if error.is_temporary() {
        return StageFailure::new(NO_ANSWER, "S3 cannot be reached")
            .because(error)
            .hint("check the endpoint and the network, then run again")
            .retryable();
    }
    match error.kind() {
        ErrorKind::PermissionDenied => StageFailure::new(
            SIGNED_OUT,
            "S3 does not accept the key, or not for this bucket",
        )
        .hint("check the key, the bucket and the region"),
        _ => StageFailure::new(REFUSED, "S3 refuses the dataset")
            .hint("check the bucket, the region and the endpoint"),
    }
    .because(error)
}

/// OpenDAL's way into the net.
struct Guarded(Fetcher);

impl HttpTransport for Guarded {
    async fn fetch(&self, request: Request<Buffer>) -> opendal::Result<Response<HttpBody>> {
        let request = request.map(|body| body.to_bytes());
        let request = request.try_into().map_err(|error: reqwest::Error| {
            Error::new(ErrorKind::Unexpected, "the request cannot be sent").set_source(error)
        })?;
        let answer = self.0.send(request).await.map_err(|error| {
            let temporary = error.is_temporary();
            let error = Error::new(ErrorKind::Unexpected, error.to_string()).set_source(error);
            if temporary {
                error.set_temporary()
            } else {
                error
            }
        })?;
        let size = answer.body.len() as u64;
        let body = stream::iter([Ok(Buffer::from(answer.body))]);
        let mut response = Response::new(HttpBody::new(body, Some(size)));
        *response.status_mut() = answer.status;
        *response.headers_mut() = answer.headers;
        Ok(response)
    }
}
