//! The one coordinate system: PDF points (1/72 inch), origin at the top left of the page, `f64`,
//! always finite. Pixels and fractions of a page exist only at the edges and are made by
//! [`PixelGrid`], the single place that knows how points and pixels relate.

use serde::{Deserialize, Serialize};

/// Width and height in points.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Size {
    /// Width in points.
    pub width: f64,
    /// Height in points.
    pub height: f64,
}

/// An axis-aligned rectangle in points, `x0 ≤ x1` and `y0 ≤ y1`, origin at the top left.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Rect {
    /// Left edge.
    pub x0: f64,
    /// Top edge.
    pub y0: f64,
    /// Right edge.
    pub x1: f64,
    /// Bottom edge.
    pub y1: f64,
}

impl Rect {
    /// The rectangle between two opposite corners in any order; `None` unless all four are finite.
    #[must_use]
    pub fn new(x0: f64, y0: f64, x1: f64, y1: f64) -> Option<Self> {
        let finite = [x0, y0, x1, y1].iter().all(|v| v.is_finite());
        finite.then(|| Self {
            x0: x0.min(x1),
            y0: y0.min(y1),
            x1: x0.max(x1),
            y1: y0.max(y1),
        })
    }

    /// Width in points.
    #[must_use]
    pub fn width(&self) -> f64 {
        self.x1 - self.x0
    }

    /// Height in points.
    #[must_use]
    pub fn height(&self) -> f64 {
        self.y1 - self.y0
    }

    /// Area in square points.
    #[must_use]
    pub fn area(&self) -> f64 {
        self.width() * self.height()
    }

    /// The smallest rectangle that holds both.
    #[must_use]
    pub fn union(&self, other: &Self) -> Self {
        Self {
            x0: self.x0.min(other.x0),
            y0: self.y0.min(other.y0),
            x1: self.x1.max(other.x1),
            y1: self.y1.max(other.y1),
        }
    }

    /// What both share; `None` if they are apart. Touching edges share an empty rectangle.
    #[must_use]
    pub fn intersection(&self, other: &Self) -> Option<Self> {
        let (x0, y0) = (self.x0.max(other.x0), self.y0.max(other.y0));
        let (x1, y1) = (self.x1.min(other.x1), self.y1.min(other.y1));
        (x0 <= x1 && y0 <= y1).then_some(Self { x0, y0, x1, y1 })
    }

    /// Intersection over union, 0 to 1.
    #[must_use]
    pub fn iou(&self, other: &Self) -> f64 {
        let shared = self.intersection(other).map_or(0.0, |r| r.area());
        let all = self.area() + other.area() - shared;
        if all > 0.0 { shared / all } else { 0.0 }
    }

    /// The part of it that lies on a page of this size; `None` if it lies wholly outside.
    #[must_use]
    pub fn clamp_to(&self, page: Size) -> Option<Self> {
        self.intersection(&Self {
            x0: 0.0,
            y0: 0.0,
            x1: page.width,
            y1: page.height,
        })
    }

    /// The smallest rectangle that holds all of them; `None` if there are none.
    pub fn union_all<'a>(rects: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        rects.into_iter().copied().reduce(|a, b| a.union(&b))
    }
}

/// The pixels of one page image and the page they show. A raster's real pixel counts decide, never
/// a nominal resolution: rasterisers round.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct PixelGrid {
    /// Width of the image in pixels.
    pub width: u32,
    /// Height of the image in pixels.
    pub height: u32,
    /// The page, in points.
    pub page: Size,
}

impl PixelGrid {
    /// Pixels per point along x and y.
    #[must_use]
    pub fn scale(&self) -> (f64, f64) {
        (
            f64::from(self.width) / self.page.width,
            f64::from(self.height) / self.page.height,
        )
    }

    /// `[x0, y0, x1, y1]` in pixels of the image, origin at the top left.
    #[must_use]
    pub fn to_pixels(&self, rect: &Rect) -> [f64; 4] {
        let (sx, sy) = self.scale();
        [rect.x0 * sx, rect.y0 * sy, rect.x1 * sx, rect.y1 * sy]
    }

    /// The rectangle in points that these pixels show; `None` unless all four are finite.
    #[must_use]
    pub fn to_points(&self, [x0, y0, x1, y1]: [f64; 4]) -> Option<Rect> {
        let (sx, sy) = self.scale();
        Rect::new(x0 / sx, y0 / sy, x1 / sx, y1 / sy)
    }

    /// `[x0, y0, x1, y1]` as fractions of the page, 0 to 1.
    #[must_use]
    pub fn to_fractions(&self, rect: &Rect) -> [f64; 4] {
        let Size { width, height } = self.page;
        [
            rect.x0 / width,
            rect.y0 / height,
            rect.x1 / width,
            rect.y1 / height,
        ]
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PAGE: Size = Size {
        width: 200.0,
        height: 100.0,
    };

    #[test]
    fn corners_in_any_order_and_only_finite() {
        let rect = Rect::new(30.0, 20.0, 10.0, 40.0).unwrap();
        assert_eq!((rect.x0, rect.y1, rect.width()), (10.0, 40.0, 20.0));
        assert!(Rect::new(f64::NAN, 0.0, 1.0, 1.0).is_none());
        assert!(Rect::new(0.0, 0.0, f64::INFINITY, 1.0).is_none());
    }

    #[test]
    fn overlap() {
        let a = Rect::new(0.0, 0.0, 10.0, 10.0).unwrap();
        let b = Rect::new(5.0, 0.0, 15.0, 10.0).unwrap();
        assert!((a.iou(&b) - 1.0 / 3.0).abs() < 1e-12);
        assert_eq!(a.iou(&Rect::new(20.0, 0.0, 30.0, 5.0).unwrap()), 0.0);
    }

    #[test]
    fn clamped_to_the_page() {
        let rect = Rect::new(-5.0, 90.0, 20.0, 120.0).unwrap();
        let inside = rect.clamp_to(PAGE).unwrap();
        assert_eq!(inside, Rect::new(0.0, 90.0, 20.0, 100.0).unwrap());
        let outside = Rect::new(300.0, 0.0, 310.0, 5.0).unwrap();
        assert!(outside.clamp_to(PAGE).is_none());
    }

    #[test]
    fn pixels_follow_the_real_image() {
        let grid = PixelGrid {
            width: 417,
            height: 208,
            page: PAGE,
        };
        let rect = Rect::new(10.0, 10.0, 50.0, 20.0).unwrap();
        let back = grid.to_points(grid.to_pixels(&rect)).unwrap();
        assert!((back.x1 - rect.x1).abs() < 1e-9 && (back.y0 - rect.y0).abs() < 1e-9);
        assert_eq!(grid.to_fractions(&rect), [0.05, 0.1, 0.25, 0.2]);
    }
}
