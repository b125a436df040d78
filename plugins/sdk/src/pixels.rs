//! Places on a page, in points and in pixels of its image.

use crate::{Extent, Page, Point, Rect, Region, Size};

impl Rect {
    /// Right edge.
    #[must_use]
    pub fn right(&self) -> f64 {
        self.x + self.width
    }

    /// Bottom edge.
    #[must_use]
    pub fn bottom(&self) -> f64 {
        self.y + self.height
    }

    /// The rectangle between these edges.
    #[must_use]
    pub fn from_edges(left: f64, top: f64, right: f64, bottom: f64) -> Self {
        Self {
            x: left,
            y: top,
            width: right - left,
            height: bottom - top,
        }
    }

    /// The smallest rectangle that holds all of them; `None` if there are none.
    pub fn around<'a>(rects: impl IntoIterator<Item = &'a Self>) -> Option<Self> {
        rects.into_iter().copied().reduce(|a, b| {
            Self::from_edges(
                a.x.min(b.x),
                a.y.min(b.y),
                a.right().max(b.right()),
                a.bottom().max(b.bottom()),
            )
        })
    }

    /// The corners, clockwise from the top left.
    #[must_use]
    pub fn corners(&self) -> [Point; 4] {
        let (x, y, right, bottom) = (self.x, self.y, self.right(), self.bottom());
        [
            Point { x, y },
            Point { x: right, y },
            Point {
                x: right,
                y: bottom,
            },
            Point { x, y: bottom },
        ]
    }
}

impl Region {
    /// The corners of its closed shape: its outline, or its bounds where it has none.
    #[must_use]
    pub fn shape(&self) -> Vec<Point> {
        if self.outline.is_empty() {
            self.bounds.corners().to_vec()
        } else {
            self.outline.clone()
        }
    }
}

impl Extent {
    /// `[left, top, right, bottom]` of a box in points, as whole thousandths of the page from 0 to
    /// 1000 that cover it: the form that layout models read.
    #[must_use]
    pub fn thousandths(&self, bounds: &Rect) -> [u32; 4] {
        cover(
            bounds,
            1000.0 / self.width,
            1000.0 / self.height,
            Size {
                width: 1000,
                height: 1000,
            },
        )
    }
}

/// A page and the pixels of its image. Pixels per point may differ between x and y by the rounding
/// to whole pixels, which is why the two sizes decide and never a nominal resolution.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct PixelGrid {
    /// The page, in points.
    pub extent: Extent,
    /// Its image, in pixels.
    pub size: Size,
}

impl PixelGrid {
    /// The grid of a page; `None` where it has no image.
    #[must_use]
    pub fn of(page: &Page) -> Option<Self> {
        page.pixels().map(|size| Self {
            extent: page.extent(),
            size,
        })
    }

    /// Pixels per point along x and y.
    #[must_use]
    pub fn scale(&self) -> (f64, f64) {
        (
            f64::from(self.size.width) / self.extent.width,
            f64::from(self.size.height) / self.extent.height,
        )
    }

    /// A point in pixels, inside the image, to a hundredth.
    #[must_use]
    pub fn point(&self, point: &Point) -> Point {
        let (across, down) = self.scale();
        Point {
            x: hundredth((point.x * across).clamp(0.0, self.size.width.into())),
            y: hundredth((point.y * down).clamp(0.0, self.size.height.into())),
        }
    }

    /// `[left, top, right, bottom]` of the part of a box that lies in the image, in pixels to a
    /// hundredth.
    #[must_use]
    pub fn edges(&self, bounds: &Rect) -> [f64; 4] {
        let [start, _, end, _] = bounds.corners().map(|corner| self.point(&corner));
        [start.x, start.y, end.x, end.y]
    }

    /// The part of a box that lies in the image, in pixels to a hundredth.
    #[must_use]
    pub fn rect(&self, bounds: &Rect) -> Rect {
        let [x, y, right, bottom] = self.edges(bounds);
        Rect {
            x,
            y,
            width: hundredth(right - x),
            height: hundredth(bottom - y),
        }
    }

    /// `[left, top, right, bottom]` in whole pixels that cover a box, inside the image.
    #[must_use]
    pub fn cover(&self, bounds: &Rect) -> [u32; 4] {
        let (across, down) = self.scale();
        cover(bounds, across, down, self.size)
    }
}

/// Rounds to two decimals, so that files hold no noise.
fn hundredth(value: f64) -> f64 {
    (value * 100.0).round() / 100.0
}

/// Outwards to whole units, but for what rounding errors add, and inside the limits.
fn cover(bounds: &Rect, across: f64, down: f64, limit: Size) -> [u32; 4] {
    const NOISE: f64 = 1e-6;
    let floor = |value: f64, limit: u32| ((value + NOISE).floor().max(0.0) as u32).min(limit);
    let ceil = |value: f64, limit: u32| ((value - NOISE).ceil().max(0.0) as u32).min(limit);
    [
        floor(bounds.x * across, limit.width),
        floor(bounds.y * down, limit.height),
        ceil(bounds.right() * across, limit.width),
        ceil(bounds.bottom() * down, limit.height),
    ]
}

#[cfg(test)]
mod tests {
    use super::*;

    const GRID: PixelGrid = PixelGrid {
        extent: Extent {
            width: 200.0,
            height: 100.0,
        },
        size: Size {
            width: 417,
            height: 208,
        },
    };

    #[track_caller]
    fn check(bounds: Rect, pixels: [f64; 4], whole: [u32; 4], thousandths: [u32; 4]) {
        let rect = GRID.rect(&bounds);
        assert_eq!([rect.x, rect.y, rect.width, rect.height], pixels);
        assert_eq!(GRID.edges(&bounds)[..2], pixels[..2]);
        assert_eq!(GRID.cover(&bounds), whole);
        assert_eq!(GRID.extent.thousandths(&bounds), thousandths);
    }

    #[test]
    fn boxes_follow_the_real_image_and_stay_inside() {
        let inside = Rect {
            x: 10.0,
            y: 10.0,
            width: 40.0,
            height: 10.0,
        };
        check(
            inside,
            [20.85, 20.8, 83.4, 20.8],
            [20, 20, 105, 42],
            [50, 100, 250, 200],
        );
        let beyond = Rect {
            x: -5.0,
            y: 90.0,
            width: 300.0,
            height: 20.0,
        };
        check(
            beyond,
            [0.0, 187.2, 417.0, 20.8],
            [0, 187, 417, 208],
            [0, 900, 1000, 1000],
        );
    }

    #[test]
    fn around_all() {
        let a = Rect {
            x: 1.0,
            y: 2.0,
            width: 3.0,
            height: 4.0,
        };
        let b = Rect {
            x: 0.0,
            y: 4.0,
            width: 2.0,
            height: 4.0,
        };
        assert_eq!(
            Rect::around([&a, &b]),
            Some(Rect::from_edges(0.0, 2.0, 4.0, 8.0))
        );
        assert_eq!(Rect::around([]), None);
    }
}
