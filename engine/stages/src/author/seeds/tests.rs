use std::{
    io::Write,
    net::{SocketAddr, TcpListener},
    sync::Mutex,
};

use docgenie_runtime::{extension::NoExtensions, files::write_atomically, secret::Secrets};
use image::{DynamicImage, ImageFormat, Rgb};
use lopdf::{Document, Object, Stream, dictionary};

use super::*;

fn seeds(folder: &Path, named: &[&str], private_addresses: bool) -> Seeds {
    let env = StageEnv {
        home: PathBuf::new(),
        pipeline_dir: folder.to_owned(),
        inputs: Vec::new(),
        jobs: 1,
        extensions: Arc::new(NoExtensions),
        secrets: Secrets::default(),
        residents: docgenie_runtime::resident::Residents::default(),
        private_addresses,
        program: None,
    };
    let named: Vec<_> = named.iter().map(ToString::to_string).collect();
    Seeds::new(&named, &env)
}

/// A page of this size with a band of one colour across a fifth of it and dark lines below.
fn page(width: u32, height: u32, band: [u8; 3]) -> RgbImage {
    RgbImage::from_fn(width, height, |_, y| match y {
        y if y < height / 5 => Rgb(band),
        y if y % 10 < 3 => Rgb([30, 30, 34]),
        _ => Rgb([252, 251, 247]),
    })
}

fn encoded_as(image: RgbImage, format: ImageFormat) -> Vec<u8> {
    let mut bytes = Cursor::new(Vec::new());
    DynamicImage::from(image)
        .write_to(&mut bytes, format)
        .unwrap();
    bytes.into_inner()
}

fn pdf(width: f32, height: f32, content: &str) -> Vec<u8> {
    let mut pdf = Document::with_version("1.5");
    let content = pdf.add_object(Stream::new(dictionary! {}, content.as_bytes().to_vec()));
    let pages = pdf.new_object_id();
    let page = pdf.add_object(dictionary! {
        "Type" => "Page",
        "Parent" => pages,
        "MediaBox" => vec![0.into(), 0.into(), Object::Real(width), Object::Real(height)],
        "Contents" => content,
    });
    let tree = dictionary! { "Type" => "Pages", "Kids" => vec![page.into()], "Count" => 1 };
    pdf.set_object(pages, tree);
    let catalog = pdf.add_object(dictionary! { "Type" => "Catalog", "Pages" => pages });
    pdf.trailer.set("Root", catalog);
    let mut bytes = Vec::new();
    pdf.save_to(&mut bytes).unwrap();
    bytes
}

/// A server of this machine that gives everybody the same, until the test ends.
fn serve(body: Vec<u8>) -> SocketAddr {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            let mut head = [0; 4096];
            let _ = stream.read(&mut head);
            let length = body.len();
            let head = format!("HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n");
            let _ = stream.write_all(&[head.as_bytes(), &body].concat());
        }
    });
    address
}

#[tokio::test]
async fn pictures_and_pdfs_become_pages() {
    let folder = tempfile::tempdir().unwrap();
    let red = encoded_as(page(850, 1100, [200, 16, 46]), ImageFormat::Jpeg);
    write_atomically(&folder.path().join("red.jpg"), &red).unwrap();
    let blue = pdf(841.9, 595.3, "0 0.2 0.6 rg 0 500 842 95 re f");
    let address = format!("http://{}/any/name", serve(blue));
    let seeds = seeds(folder.path(), &["red.jpg", &address], true);
    let pages = seeds.pages().await.unwrap();

    let [red_page, blue_page] = &*pages else {
        panic!("{} pages", pages.len());
    };
    assert_eq!(red_page.media_type, "image/png");
    assert_eq!((red_page.size, red_page.points), ((850, 1100), None));
    let [r, g, b] = red_page.colours[0];
    assert!(
        r.abs_diff(200) < 12 && g < 40 && b < 70,
        "{:?}",
        red_page.colours
    );
    assert_ne!(red_page.bytes, red);

    assert_eq!(blue_page.size, (1568, 1109));
    let (width, height) = blue_page.points.unwrap();
    assert!((width - 841.9).abs() < 0.01 && (height - 595.3).abs() < 0.01);
    assert_eq!(blue_page.colours, [[0, 51, 153]]);
    assert_ne!(red_page.digest, blue_page.digest);
}

#[test]
fn photographs_are_kept_small() {
    let noise = RgbImage::from_fn(1200, 1568, |x, y| {
        let hash = (x * 7919 + y * 104_729).wrapping_mul(2_654_435_761);
        Rgb([(hash >> 24) as u8, (hash >> 16) as u8, (hash >> 8) as u8])
    });
    let page = seed_page(encoded_as(noise, ImageFormat::Png), None).unwrap();
    assert_eq!(page.media_type, "image/jpeg");
    assert!(page.bytes.starts_with(&[0xff, 0xd8]));
}

#[tokio::test]
async fn a_changed_picture_is_another_identity() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("seed.png");
    let identity = async |colour| {
        let bytes = encoded_as(page(200, 300, colour), ImageFormat::Png);
        write_atomically(&path, &bytes).unwrap();
        seeds(folder.path(), &["seed.png"], false)
            .identity()
            .await
            .unwrap()
    };
    let red = identity([200, 0, 0]).await;
    assert_eq!(red, identity([200, 0, 0]).await);
    assert_ne!(red, identity([0, 200, 0]).await);
    assert_eq!(
        seeds(folder.path(), &[], false).identity().await.unwrap(),
        ""
    );
}

#[tokio::test]
async fn what_cannot_be_had_ends_the_run() {
    let folder = tempfile::tempdir().unwrap();
    let texts = Mutex::new(Vec::new());
    let check = async |named: &str, private: bool, code: docgenie_document::Code| {
        let failure = seeds(folder.path(), &[named], private).pages().await;
        let failure = failure.map(drop).unwrap_err();
        assert_eq!(failure.problem.code, code.as_str(), "{named}");
        assert_eq!(failure.reach, docgenie_runtime::stage::Reach::Run);
        let problem = serde_json::to_string(&failure.problem).unwrap();
        texts.lock().unwrap().push(problem);
    };
    // One text for what is forbidden, what does not exist and what does not answer.
    let server = serve(b"anything".to_vec());
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let silent = closed.local_addr().unwrap();
    drop(closed);
    let (server, silent) = (format!("http://{server}/"), format!("http://{silent}/"));
    check(&server, false, UNREACHABLE_SEED).await;
    check("http://no.such.name.invalid/", false, UNREACHABLE_SEED).await;
    check(&silent, true, UNREACHABLE_SEED).await;
    check("http://169.254.169.254/", true, UNREACHABLE_SEED).await;
    let alike = std::mem::take(&mut *texts.lock().unwrap());
    assert!(alike.iter().all(|text| *text == alike[0]), "{alike:#?}");

    check("file:///etc/passwd", true, UNREACHABLE_SEED).await;
    check("missing.png", false, UNREACHABLE_SEED).await;
    check(".", false, UNREACHABLE_SEED).await;
    check(&server, true, BAD_SEED).await;
    let broken = encoded_as(page(99, 99, [0; 3]), ImageFormat::Png);
    for (name, bytes) in [
        ("empty.png", b"".as_slice()),
        ("page.html", b"<html><script>alert(1)</script>"),
        ("drawing.svg", b"<svg xmlns='http://www.w3.org/2000/svg'/>"),
        ("broken.png", &broken[..80]),
        ("broken.pdf", b"%PDF-1.7\nnothing"),
        ("large.pdf", &pdf(20_000.0, 600.0, "")),
    ] {
        write_atomically(&folder.path().join(name), bytes).unwrap();
        check(name, false, BAD_SEED).await;
    }
}

#[track_caller]
fn check_colours(image: &RgbImage, expected: &[[u8; 3]]) {
    let found = colours::dominant(image);
    let near = |(a, b): (&[u8; 3], &[u8; 3])| a.iter().zip(b).all(|(a, b)| a.abs_diff(*b) < 12);
    let same = found.len() == expected.len() && found.iter().zip(expected).all(near);
    assert!(same, "{found:?} instead of {expected:?}");
}

#[test]
fn paper_and_ink_are_no_colours() {
    check_colours(&page(600, 800, [255; 3]), &[]);
    check_colours(&page(600, 800, [200, 16, 46]), &[[200, 16, 46]]);
    // Yellowed paper with ink that has faded.
    let old = RgbImage::from_fn(300, 300, |x, _| match x % 9 {
        0 => Rgb([70, 62, 55]),
        _ => Rgb([222, 205, 170]),
    });
    check_colours(&old, &[]);
    let two = RgbImage::from_fn(100, 100, |x, y| match (x, y) {
        (0..30, _) => Rgb([20, 90, 40]),
        (_, 0..60) => Rgb([230, 120, 20]),
        _ => Rgb([255; 3]),
    });
    check_colours(&two, &[[230, 120, 20], [20, 90, 40]]);
    // A few pixels are dirt.
    let mut dirty = page(600, 800, [255; 3]);
    for x in 0..100 {
        dirty.put_pixel(x, 3, Rgb([0, 0, 255]));
    }
    check_colours(&dirty, &[]);
}
