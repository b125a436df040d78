//! Forms as the FUNSD dataset has them: `<part>/annotations/<page>.json` with entities that are
//! questions, answers, headers or other text, linked question to answer, and the pages' images in
//! `<part>/images`. The parts are `training_data` and `testing_data`.
//!
//! Boxes are left, top, right, bottom in whole pixels of the image, origin at its top left.

use docgenie_plugin::{
    Document, Exporter, ImageFormat, Job, Offer, PageImage, Part, PixelGrid, Reconciliation, Rect,
    Region, Result, Split, Summary, Word,
    facts::Facts,
    facts::{Cell, Field, Layout},
    lines, write,
};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

#[derive(Default, Deserialize, JsonSchema)]
#[serde(default, deny_unknown_fields)]
struct Params {
    /// How the images are encoded.
    image_format: ImageFormat,
    /// Share of the documents in `testing_data`.
    #[schemars(range(min = 0.0, max = 1.0))]
    test: f64,
}

struct Funsd {
    params: Params,
    count: Reconciliation,
}

#[derive(Serialize)]
struct Form {
    form: Vec<Entity>,
}

#[derive(Serialize)]
struct Entity {
    r#box: [u32; 4],
    text: String,
    label: Label,
    words: Vec<FormWord>,
    /// Pairs of question and answer, by id; each stands at both.
    linking: Vec<[usize; 2]>,
    id: usize,
}

#[derive(Serialize)]
struct FormWord {
    r#box: [u32; 4],
    text: String,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
enum Label {
    Question,
    Answer,
    Header,
    Other,
}

impl Exporter for Funsd {
    type Params = Params;
    const OFFER: Offer = Offer::new(
        "funsd",
        "FUNSD",
        "Questions, answers, headers and their links, as in the FUNSD dataset.",
    );

    fn begin(job: Job<Params>) -> Result<Self> {
        Ok(Self {
            params: job.params,
            count: Reconciliation::default(),
        })
    }

    fn add(&mut self, document: &Document) -> Result<()> {
        let images = document.page_images()?;
        let split = Split {
            validation: 0.0,
            test: self.params.test,
        };
        let folder = match split.part(document) {
            Part::Test => "testing_data",
            _ => "training_data",
        };
        self.count.taken.documents += 1;
        self.count.taken.images += images.len() as u32;
        for image in &images {
            self.page(image, folder)?;
        }
        self.count.written.documents += 1;
        Ok(())
    }

    fn finish(self) -> Result<Summary> {
        Ok(self.count.into())
    }
}

impl Funsd {
    fn page(&mut self, image: &PageImage, folder: &str) -> Result<()> {
        let words = image.page.words();
        let groups = groups(&words, &image.page.regions())?;
        self.count.taken.boxes += words.len() as u32;
        self.count.taken.labels += groups.len() as u32;
        let form = Form {
            form: entities(&groups, &words, &image.grid),
        };
        write(
            &format!("{folder}/annotations/{}.json", image.name),
            serde_json::to_vec(&form)?,
        )?;
        self.count.written.boxes += form
            .form
            .iter()
            .map(|it| it.words.len() as u32)
            .sum::<u32>();
        self.count.written.labels += form.form.len() as u32;
        image.save(&format!("{folder}/images"), self.params.image_format)?;
        self.count.written.images += 1;
        Ok(())
    }
}

/// Words that belong together.
struct Group {
    label: Label,
    /// Positions of its words, in reading order.
    words: Vec<usize>,
    /// Positions of the groups it asks for.
    answers: Vec<usize>,
}

/// Words not yet in a group.
struct Free(Vec<bool>);

impl Free {
    /// Takes those of the words that are still free.
    fn take(&mut self, words: impl IntoIterator<Item = usize>) -> Vec<usize> {
        let mut taken: Vec<_> = words.into_iter().collect();
        taken.retain(|word| self.0.get_mut(*word).is_some_and(std::mem::take));
        taken
    }
}

/// Every word in exactly one group. Values to extract are answers. What else stands in their
/// key-value region, or in the header cell above or beside their cell, are their questions. Titles
/// and headings are headers; the rest is other text, a group a line.
fn groups(words: &[Word], regions: &[Region]) -> Result<Vec<Group>> {
    let mut free = Free(vec![true; words.len()]);
    let mut groups = Vec::new();
    let push = |groups: &mut Vec<Group>, label, words: Vec<usize>, answers| {
        if !words.is_empty() {
            groups.push(Group {
                label,
                words,
                answers,
            });
        }
    };
    for region in regions.iter().filter(|it| it.kind == Field::KIND) {
        push(
            &mut groups,
            Label::Answer,
            free.take(positions(region)),
            Vec::new(),
        );
    }
    let answers = groups.len();
    let within = |groups: &[Group], region: &Region| -> Vec<usize> {
        let within = |word: &usize| region.words.contains(&(*word as u32));
        (0..answers)
            .filter(|answer| groups[*answer].words.iter().all(within))
            .collect()
    };

    let mut cells = Vec::new();
    for region in regions {
        if let Some(cell) = region.facts::<Cell>()? {
            cells.push((region, cell));
        }
    }
    for (region, head) in cells.iter().filter(|(_, cell)| cell.header) {
        let asked = cells
            .iter()
            .filter(|(_, cell)| !cell.header && heads(head, cell));
        let asked = asked
            .flat_map(|(region, _)| within(&groups, region))
            .collect();
        push(
            &mut groups,
            Label::Question,
            free.take(positions(region)),
            asked,
        );
    }
    for region in regions.iter().filter(|it| it.kind == Layout::KIND) {
        let (label, asked) = match region.label.as_str() {
            "key-value" => (Label::Question, within(&groups, region)),
            "title" | "heading" => (Label::Header, Vec::new()),
            _ => continue,
        };
        push(&mut groups, label, free.take(positions(region)), asked);
    }
    let mut first = 0;
    for line in lines(words) {
        let rest = free.take(first..first + line.len());
        push(&mut groups, Label::Other, rest, Vec::new());
        first += line.len();
    }
    Ok(groups)
}

fn positions(region: &Region) -> impl Iterator<Item = usize> + '_ {
    region.words.iter().map(|word| *word as usize)
}

/// Whether a header cell stands above or to the left of a cell of the same table.
fn heads(head: &Cell, cell: &Cell) -> bool {
    let meet = |a: u32, a_span: u32, b: u32, b_span: u32| a < b + b_span && b < a + a_span;
    let above =
        head.row < cell.row && meet(head.column, head.column_span, cell.column, cell.column_span);
    let beside =
        head.column < cell.column && meet(head.row, head.row_span, cell.row, cell.row_span);
    head.table == cell.table && (above || beside)
}

/// Entities in reading order, numbered from 0.
fn entities(groups: &[Group], words: &[Word], grid: &PixelGrid) -> Vec<Entity> {
    let mut order: Vec<usize> = (0..groups.len()).collect();
    order.sort_by_key(|group| groups[*group].words.first());
    let mut ids = vec![0; groups.len()];
    for (id, group) in order.iter().enumerate() {
        ids[*group] = id;
    }
    let links = groups.iter().enumerate().flat_map(|(question, group)| {
        let ids = &ids;
        group
            .answers
            .iter()
            .map(move |answer| [ids[question], ids[*answer]])
    });
    let links: Vec<_> = links.collect();
    let entity = |(id, group): (usize, &usize)| {
        let group = &groups[*group];
        let words = || group.words.iter().map(|word| &words[*word]);
        let bounds = Rect::around(words().map(|word| &word.bounds))?;
        let text: Vec<_> = words().map(|word| word.text.as_str()).collect();
        Some(Entity {
            r#box: grid.cover(&bounds),
            text: text.join(" "),
            label: group.label,
            words: words()
                .map(|word| FormWord {
                    r#box: grid.cover(&word.bounds),
                    text: word.text.clone(),
                })
                .collect(),
            linking: links
                .iter()
                .copied()
                .filter(|link| link.contains(&id))
                .collect(),
            id,
        })
    };
    order.iter().enumerate().filter_map(entity).collect()
}

docgenie_plugin::exporters!(Funsd);

#[cfg(test)]
mod tests {
    use docgenie_plugin::testing;
    use serde_json::json;

    use super::*;

    #[test]
    fn questions_are_linked_to_answers() {
        let exported = testing::export::<Funsd>(&json!({}), &testing::documents()).unwrap();
        assert!(
            exported
                .files
                .contains_key("training_data/images/document_1_page_2.png")
        );
        let form = exported.json("training_data/annotations/document_1_page_1.json");
        let form = form["form"].as_array().unwrap();
        let short = form
            .iter()
            .map(|it| json!([it["label"], it["text"], it["linking"]]));
        assert_eq!(
            short.collect::<Vec<_>>(),
            [
                json!(["header", "Invoice", []]),
                json!(["question", "No:", [[1, 2]]]),
                json!(["answer", "A-17", [[1, 2]]]),
                json!(["answer", "Acme & Söhne", []]),
                json!(["question", "Item", [[4, 6]]]),
                json!(["question", "Amount", [[5, 7]]]),
                json!(["answer", "Paper, A4", [[4, 6]]]),
                json!(["answer", "12.50", [[5, 7]]]),
            ]
        );
        assert_eq!(form[2]["box"], json!([33, 41, 46, 47]));
        assert_eq!(
            form[6]["words"][1],
            json!({ "box": [39, 91, 46, 97], "text": "A4" })
        );
    }

    #[test]
    fn the_test_part_has_its_folder() {
        let exported =
            testing::export::<Funsd>(&json!({ "test": 0.9 }), &testing::documents()).unwrap();
        let other = exported.json("testing_data/annotations/document_2_page_1.json");
        assert_eq!(other, json!({ "form": [] }));
    }
}
