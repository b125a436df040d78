//! A hostile page reaches nothing.

use std::{
    net::{TcpListener, TcpStream},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::{css, renderer, text};

/// Every way out of a page that is known to us; `URL` is where it tries to go.
const ATTEMPTS: &[&str] = &[
    "<link rel=stylesheet href='URL'>",
    "<style>@import url(URL);</style>",
    "<style>@font-face { font-family: f; src: url(URL) } p { font-family: f }</style>",
    "<style>p { background: url(URL) } li { list-style-image: url(URL) } p { cursor: url(URL), auto }</style>",
    "<style>p::after { content: url(URL) } i { mask: url(URL#m); shape-outside: url(URL) }</style><i>veiled</i>",
    "<img src='URL'>",
    "<img srcset='URL 2x'><picture><source srcset='URL'><img></picture>",
    "<iframe src='URL' width=300 height=300></iframe>",
    "<iframe srcdoc=\"<img src='URL'>\"></iframe>",
    "<object data='URL'></object>",
    "<embed src='URL'>",
    "<video src='URL' poster='URL' autoplay></video><audio src='URL' autoplay></audio>",
    "<video><track default src='URL'></video>",
    "<input type=image src='URL'>",
    "<body background='URL'>",
    "<svg><image href='URL'/><use href='URL#x'/><feImage href='URL'/></svg>",
    "<link rel=prefetch href='URL'><link rel=preload as=image href='URL'><link rel=icon href='URL'>",
    "<link rel=preconnect href='URL'><link rel=dns-prefetch href='URL'><link rel=prerender href='URL'>",
    "<link rel=modulepreload href='URL'><link rel=manifest href='URL'>",
    "<base href='URL'><img src='relative.png'>",
    "<meta http-equiv=refresh content='0; url=URL'>",
    "<meta http-equiv=refresh content='0'><meta http-equiv=refresh content='0; url=data:text/html,gone'>",
    "<script>fetch('URL'); new Image().src = 'URL'; navigator.sendBeacon('URL'); location = 'URL'</script>",
    "<script>new WebSocket('URL'.replace('http', 'ws')); window.open('URL')</script>",
    "<script src='URL'></script><script type=module>import 'URL'</script>",
    "<script type=speculationrules>{\"prefetch\": [{\"source\": \"list\", \"urls\": [\"URL\"]}]}</script>",
    "<img src=x onerror=\"fetch('URL')\"><svg onload=\"fetch('URL')\">",
    "<form action='URL'><button autofocus>go</button></form><a href='URL' ping='URL'>go</a>",
];

#[tokio::test(flavor = "multi_thread")]
async fn no_request_leaves_and_no_file_is_read() {
    let canary = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = canary.local_addr().unwrap();
    let hits = Arc::new(AtomicUsize::new(0));
    let counted = hits.clone();
    std::thread::spawn(move || {
        for _ in canary.incoming().flatten() {
            counted.fetch_add(1, Ordering::SeqCst);
        }
    });
    let home = tempfile::tempdir().unwrap();
    let secret = home.path().join("secret.html");
    #[allow(clippy::disallowed_methods, reason = "a test's own file")]
    std::fs::write(&secret, "<p>classified</p>").unwrap();
    let places = [
        format!("http://{address}/"),
        format!("http://localhost:{}/", address.port()),
        format!("//{address}/"),
        format!("file://{}", secret.display()),
    ];
    let renderer = renderer(home.path());
    for attempt in ATTEMPTS {
        for place in &places {
            let html = format!(
                "<!DOCTYPE html>{}<p>visible</p>",
                attempt.replace("URL", place)
            );
            let pdf = renderer.print(css(&html)).await.unwrap();
            let text = text(&pdf);
            assert!(text.contains("visible"), "{html} gave {text}");
            assert!(!text.contains("classified"), "{html} showed the file");
        }
    }
    tokio::time::sleep(Duration::from_millis(500)).await;
    assert_eq!(
        hits.load(Ordering::SeqCst),
        0,
        "something reached the network"
    );
    renderer.close().await;
    TcpStream::connect(address).unwrap();
    while hits.load(Ordering::SeqCst) == 0 {
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
}
