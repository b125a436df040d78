use std::sync::{
    Mutex,
    atomic::{AtomicUsize, Ordering},
};

use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
};

use super::*;

/// A look-up that has these answers for every name.
fn answering(addresses: &[IpAddr]) -> Arc<Lookup> {
    let addresses = addresses.to_vec();
    Arc::new(move |_| {
        let addresses = addresses.clone();
        Box::pin(async move { Ok(addresses) })
    })
}

async fn refusal(address: &str, names: Arc<Lookup>, allow_private: bool) -> FetchError {
    let policy = Policy {
        allow_private,
        ..Policy::default()
    };
    let fetcher = Fetcher::with_lookup(policy, names).unwrap();
    fetcher.fetch(address).await.unwrap_err()
}

#[tokio::test]
async fn hostile_addresses_are_refused() {
    let answers = Arc::new(Mutex::new(Vec::new()));
    let current = Arc::clone(&answers);
    let lookup = Arc::new(move |_| -> Found {
        let found = current.lock().unwrap().clone();
        Box::pin(async move { Ok(found) })
    });
    let fetcher = Fetcher::with_lookup(Policy::default(), lookup).unwrap();
    let table = include_str!("hostile.txt").lines();
    let lines = table.filter(|line| !line.is_empty() && !line.starts_with('#'));
    let (mut faults, mut count) = (Vec::new(), 0);
    for line in lines {
        let (expected, rest) = line.split_once(' ').unwrap();
        // Addresses may hold blanks; what a name resolves to stands behind two of them.
        let (address, found) = rest.trim().split_once("  ").unwrap_or((rest.trim(), ""));
        let found = found.split_whitespace().map(|it| it.parse().unwrap());
        *answers.lock().unwrap() = found.collect();
        let error = fetcher.fetch(address).await.unwrap_err();
        let found = match &error {
            FetchError::Address(_) => "address",
            FetchError::Unreachable(Cause::Refused(..)) => "refused",
            FetchError::Unreachable(Cause::Port(_)) => "port",
            FetchError::Unreachable(Cause::Name(_)) => "name",
            _ => "other",
        };
        if found != expected {
            faults.push(format!("{line}\n    {error:?}"));
        }
        count += 1;
    }
    assert!(faults.is_empty(), "\n{}", faults.join("\n"));
    assert!(count >= 120, "{count}");
}

#[test]
fn addresses_are_judged_by_their_number() {
    #[track_caller]
    fn check(address: &str, expected: Reach) {
        assert_eq!(reach::of(address.parse().unwrap()), expected, "{address}");
    }
    for public in [
        "1.1.1.1",
        "8.8.8.8",
        "9.255.255.255",
        "11.0.0.0",
        "100.63.255.255",
        "100.128.0.0",
        "126.255.255.255",
        "128.0.0.0",
        "169.253.255.255",
        "172.15.255.255",
        "172.32.0.0",
        "192.167.255.255",
        "192.169.0.0",
        "198.17.255.255",
        "198.20.0.0",
        "223.255.255.255",
        "2606:4700:4700::1111",
        "2001:4860:4860::8888",
        "2a00:1450::1",
    ] {
        check(public, Reach::Public);
    }
    for private in [
        "127.0.0.1",
        "10.0.0.1",
        "169.254.1.1",
        "::1",
        "fd00::1",
        "fe80::1",
        "::ffff:10.0.0.1",
        "64:ff9b::8.8.8.8",
    ] {
        check(private, Reach::Private);
    }
    for never in [
        "0.0.0.0",
        "::",
        "169.254.169.254",
        "fd00:ec2::254",
        "::ffff:169.254.169.254",
        "255.255.255.255",
        "ff02::1",
        "192.0.2.1",
        "2001:db8::1",
        "2001::1",
    ] {
        check(never, Reach::Never);
    }
}

/// Private, unresolvable and silent addresses tell nothing apart.
#[tokio::test]
async fn refusals_look_alike() {
    let closed = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let port = closed.local_addr().unwrap().port();
    drop(closed);
    let none = || answering(&[]);
    let errors = [
        refusal("http://10.0.0.1/", none(), false).await,
        refusal("http://a.test/", answering(&[[10, 0, 0, 1].into()]), false).await,
        refusal("http://a.test:22/", none(), false).await,
        refusal("http://a.test/", none(), false).await,
        refusal(&format!("http://127.0.0.1:{port}/"), none(), true).await,
    ];
    for error in errors {
        assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
        assert_eq!(error.to_string(), "the address cannot be reached");
        assert!(error.source().is_none());
    }
}

/// What no server has is not reached by those either who mean it.
#[tokio::test]
async fn private_means_private() {
    for address in [
        "http://169.254.169.254/",
        "http://0.0.0.0/",
        "http://[::ffff:a9fe:a9fe]/",
        "http://255.255.255.255/",
        "http://[ff02::1]/",
    ] {
        let error = refusal(address, answering(&[]), true).await;
        let refused = matches!(error, FetchError::Unreachable(Cause::Refused(..)));
        assert!(refused, "{address}: {error:?}");
    }
}

/// A server of this machine that does the same with everybody.
async fn serve<F>(answer: impl Fn(TcpStream, String) -> F + Send + 'static) -> SocketAddr
where
    F: Future<Output = ()> + Send + 'static,
{
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = listener.accept().await {
            let mut head = Vec::new();
            while !head.ends_with(b"\r\n\r\n") {
                head.push(stream.read_u8().await.unwrap());
            }
            tokio::spawn(answer(stream, String::from_utf8(head).unwrap()));
        }
    });
    address
}

async fn serve_text(text: impl Into<Vec<u8>>) -> SocketAddr {
    let text = text.into();
    serve(move |mut stream, _| {
        let text = text.clone();
        async move {
            let _ = stream.write_all(&text).await;
        }
    })
    .await
}

fn local(names: Arc<Lookup>) -> Fetcher {
    let policy = Policy {
        allow_private: true,
        max_bytes: 10_000,
        connect_timeout: Duration::from_millis(500),
        timeout: Duration::from_secs(1),
    };
    Fetcher::with_lookup(policy, names).unwrap()
}

async fn fetched(server: SocketAddr) -> Result<Vec<u8>, FetchError> {
    let fetcher = local(answering(&[]));
    let fetched = fetcher.fetch(&format!("http://{server}/")).await?;
    Ok(fetched.bytes)
}

#[tokio::test]
async fn a_body_comes_as_it_was_sent() {
    let plain = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nhello").await;
    assert_eq!(fetched(plain).await.unwrap(), b"hello");
    // A bomb stays folded.
    let packed = [
        b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n".as_slice(),
        &[0x1f, 0x8b, 8, 0],
    ];
    let packed = serve_text(packed.concat()).await;
    assert_eq!(fetched(packed).await.unwrap(), [0x1f, 0x8b, 8, 0]);
    let missing = serve_text("HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n").await;
    assert!(matches!(
        fetched(missing).await,
        Err(FetchError::Status(404))
    ));
}

#[tokio::test]
async fn a_request_tells_little() {
    let echo = serve(|mut stream, head| async move {
        let length = head.len();
        let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n{head}");
        stream.write_all(answer.as_bytes()).await.unwrap();
    });
    let head = String::from_utf8(fetched(echo.await).await.unwrap()).unwrap();
    let mut names: Vec<_> = head
        .lines()
        .filter_map(|line| Some(line.split_once(": ")?.0))
        .collect();
    names.sort_unstable();
    assert_eq!(names, ["accept", "accept-encoding", "host", "user-agent"]);
}

#[tokio::test]
async fn bodies_end() {
    let large = format!(
        "HTTP/1.1 200 OK\r\nContent-Length: 10001\r\n\r\n{}",
        "x".repeat(10_001)
    );
    let error = fetched(serve_text(large).await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(10_000)), "{error:?}");

    let endless = serve(|mut stream, _| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n")
            .await;
        while stream.write_all(b"4\r\nxxxx\r\n").await.is_ok() {}
    });
    let error = fetched(endless.await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");

    let unnamed = format!("HTTP/1.0 200 OK\r\n\r\n{}", "x".repeat(20_000));
    let error = fetched(serve_text(unnamed).await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooLarge(_)), "{error:?}");

    let slow = serve(|mut stream, _| async move {
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 9000\r\n\r\n")
            .await;
        while stream.write_all(b"x").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let error = fetched(slow.await).await.unwrap_err();
    assert!(matches!(error, FetchError::TooSlow(_)), "{error:?}");
}

#[tokio::test]
async fn heads_end() {
    let silent = serve(|stream, _| async move {
        tokio::time::sleep(Duration::from_secs(5)).await;
        drop(stream);
    });
    let slow = serve(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X: x\r\n").await.is_ok() {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    });
    let endless = serve(|mut stream, _| async move {
        let _ = stream.write_all(b"HTTP/1.1 200 OK\r\n").await;
        while stream.write_all(b"X: xxxxxxxxxxxxxxxx\r\n").await.is_ok() {}
    });
    for server in [silent.await, slow.await, endless.await] {
        let error = fetched(server).await.unwrap_err();
        assert!(matches!(error, FetchError::Unreachable(_)), "{error:?}");
    }
}

#[tokio::test]
async fn lengths_may_lie() {
    let long = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nhello").await;
    assert_eq!(fetched(long).await.unwrap(), b"hel");
    let short = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhello").await;
    let error = fetched(short).await.unwrap_err();
    assert!(matches!(error, FetchError::BrokenOff(_)), "{error:?}");
    let two = "HTTP/1.1 200 OK\r\nContent-Length: 3\r\nContent-Length: 5\r\n\r\nhello";
    assert!(fetched(serve_text(two).await).await.is_err());
    assert!(
        fetched(serve_text("no HTTP at all\r\n\r\n").await)
            .await
            .is_err()
    );
}

#[tokio::test]
async fn redirects_are_judged_anew() {
    let to = |place: &str| {
        let answer =
            format!("HTTP/1.1 302 Found\r\nLocation: {place}\r\nContent-Length: 0\r\n\r\n");
        serve_text(answer)
    };
    for place in [
        "http://169.254.169.254/latest/meta-data/",
        "http://0xa9fea9fe/",
        "http://[::ffff:a9fe:a9fe]/",
        "//0.0.0.0/",
        "http://255.255.255.255/",
    ] {
        let error = fetched(to(place).await).await.unwrap_err();
        let refused = matches!(error, FetchError::Unreachable(Cause::Refused(..)));
        assert!(refused, "{place}: {error:?}");
    }
    for place in ["file:///etc/passwd", "ftp://x/", "http://a@x/", "http://["] {
        let error = fetched(to(place).await).await.unwrap_err();
        assert!(
            matches!(error, FetchError::Address(_)),
            "{place}: {error:?}"
        );
    }
    let end = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\nend").await;
    let third = to(&format!("http://{end}/")).await;
    let second = to(&format!("http://{third}/")).await;
    let first = to(&format!("http://{second}/")).await;
    assert_eq!(fetched(first).await.unwrap(), b"end");
    let zeroth = to(&format!("http://{first}/")).await;
    assert!(matches!(fetched(zeroth).await, Err(FetchError::Redirects)));
    let circle = to("/").await;
    assert!(matches!(fetched(circle).await, Err(FetchError::Redirects)));
}

/// A name that is harmless when it is looked up first and a metadata service from then on.
#[tokio::test]
async fn a_name_is_looked_up_once() {
    let asked = Arc::new(AtomicUsize::new(0));
    let counter = Arc::clone(&asked);
    let turning: Arc<Lookup> = Arc::new(move |_| {
        let first = counter.fetch_add(1, Ordering::SeqCst) == 0;
        let address = if first {
            [127, 0, 0, 1]
        } else {
            [169, 254, 169, 254]
        };
        Box::pin(async move { Ok(vec![address.into()]) })
    });
    let fetcher = local(turning);
    let server = serve_text("HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nhi").await;
    let address = format!("http://turning.test:{}/", server.port());
    assert_eq!(fetcher.fetch(&address).await.unwrap().bytes, b"hi");
    assert_eq!(asked.load(Ordering::SeqCst), 1);
    let error = fetcher.fetch(&address).await.unwrap_err();
    let refused = matches!(error, FetchError::Unreachable(Cause::Refused(..)));
    assert!(refused, "{error:?}");
}
